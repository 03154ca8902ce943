//! A program that was started: what is sent to it, and how it ended.

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ExitCode, ExitStatus};

use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, kill_process, kill_process_group, waitid,
};
use shmlog::Spawned;
use signal_hook::consts::{SIGTSTP, SIGTTIN, SIGTTOU};
use signal_hook::low_level::signal_name;

/// Where it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// With us: it may use the terminal, whose keys reach it by themselves.
    OurGroup,
    /// In a process group that it leads.
    OwnGroup,
}

/// As it was started.
#[derive(Debug)]
pub enum Started {
    /// What it prints is recorded.
    Captured(Box<Spawned>),
    Plain(Child),
}

/// One that runs, or has run.
#[derive(Debug)]
pub struct Program {
    pub name: String,
    pub place: Place,
    started: Started,
    /// Once it has ended.
    pub status: Option<ExitStatus>,
}

impl Program {
    pub fn new(name: String, started: Started, place: Place) -> Program {
        Program {
            name,
            place,
            started,
            status: None,
        }
    }

    fn pid(&self) -> Option<Pid> {
        let id = match &self.started {
            Started::Captured(spawned) => spawned.id(),
            Started::Plain(child) => child.id(),
        };
        Pid::from_raw(id as i32)
    }

    pub fn runs(&self) -> bool {
        self.status.is_none()
    }

    /// Sees whether it has ended, and if it has, waits until all that it printed is in the ring.
    pub fn look(&mut self) -> io::Result<()> {
        self.end_group();
        let ended = match &mut self.started {
            Started::Captured(spawned) => match spawned.try_wait()? {
                Some(_) => Some(spawned.wait()?),
                None => None,
            },
            Started::Plain(child) => child.try_wait()?,
        };
        self.status = self.status.or(ended);
        Ok(())
    }

    /// Has what it left in its group end too. Its number is its own only until it has been waited for.
    fn end_group(&self) {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        let pid = self.pid().filter(|_| self.place == Place::OwnGroup);
        if let Some(pid) = pid
            && let Ok(Some(_)) = waitid(WaitId::Pid(pid), options)
        {
            let _ = kill_process_group(pid, Signal::TERM);
        }
    }

    /// Whether it has been stopped by the terminal since this was asked last.
    pub fn was_stopped(&self) -> bool {
        let options = WaitIdOptions::STOPPED | WaitIdOptions::NOHANG;
        let stopped = self
            .pid()
            .filter(|_| self.runs())
            .map(|pid| waitid(WaitId::Pid(pid), options));
        let Some(Ok(Some(status))) = stopped else {
            return false;
        };
        let signal = status.stopping_signal();
        signal.is_some_and(|signal| matches!(signal, SIGTSTP | SIGTTIN | SIGTTOU))
    }

    /// Sends it a signal, and its group if it has its own. Its number is its own until it has been waited for.
    pub fn send(&self, signal: i32) {
        let (Some(pid), Some(signal)) = (
            self.pid().filter(|_| self.runs()),
            Signal::from_named_raw(signal),
        ) else {
            return;
        };
        // It may have ended just now.
        let _ = match self.place {
            Place::OurGroup => kill_process(pid, signal),
            Place::OwnGroup => kill_process_group(pid, signal),
        };
    }

    /// Has its pseudo terminal follow ours in size. Returns whether it has one.
    pub fn follow_terminal(&mut self) -> bool {
        match &mut self.started {
            Started::Captured(spawned) if self.status.is_none() => spawned.follow_terminal(),
            _ => false,
        }
    }

    /// Its own code, or what a shell makes of the signal that killed it.
    pub fn exit_code(&self) -> ExitCode {
        let code = self
            .status
            .and_then(|status| status.code().or(status.signal().map(|signal| 128 + signal)));
        ExitCode::from(code.unwrap_or(1) as u8)
    }

    /// How it ended, in words.
    pub fn ending(&self) -> String {
        let status = self.status.unwrap_or_default();
        let name = &self.name;
        match (status.code(), status.signal()) {
            (Some(code), _) => format!("{name} ended with exit code {code}"),
            (None, Some(signal)) => {
                let dumped = if status.core_dumped() {
                    ", core dumped"
                } else {
                    ""
                };
                format!(
                    "{name} was killed by signal {signal} ({}{dumped})",
                    signal_name(signal).unwrap_or("real-time")
                )
            }
            (None, None) => format!("{name} ended"),
        }
    }
}
