//! The signals that are passed on to the programs, and who has had them already.
//!
//! A key at the terminal, like Ctrl+C, reaches the whole foreground group, so a program in our group has had that signal
//! when we get it; only what was sent to us by a process is passed on to it. (What a process sends to the whole group
//! cannot be told from that, and arrives twice.)

use std::io;
use std::sync::mpsc::{self, Receiver};

use libc::c_int;
use signal_hook::consts::{
    SIGCHLD, SIGCONT, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP, SIGUSR1, SIGUSR2, SIGWINCH,
};
use signal_hook::iterator::SignalsInfo;
use signal_hook::iterator::exfiltrator::raw::WithRawSiginfo;

const PASSED_ON: &[c_int] = &[
    SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGWINCH, SIGTSTP, SIGCONT,
];

/// One that has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caught {
    pub number: c_int,
    /// By a process, not by the kernel.
    pub was_sent: bool,
}

impl Caught {
    /// Whether it says that something has become of a child.
    pub fn is_of_child(self) -> bool {
        self.number == SIGCHLD
    }

    /// Whether a program in our group is still to have it.
    pub fn is_ours_alone(self) -> bool {
        // At the end of a terminal the kernel tells the leader of the session alone.
        self.was_sent || self.number == SIGHUP && leads_session()
    }

    /// Whether a program in a group of its own, in the terminal's background, is to have it.
    pub fn is_for_other_groups(self) -> bool {
        // Ctrl+Z in a session without a shell: no shell could let them go on again.
        self.was_sent || self.number != SIGTSTP || !leads_session()
    }
}

fn leads_session() -> bool {
    rustix::process::getsid(None) == Ok(rustix::process::getpid())
}

/// All that come, in their order.
pub struct Signals(pub Receiver<Caught>);

impl Signals {
    /// From now on these signals no longer end or stop us. One that is ignored (by `nohup`, or by a shell for its background
    /// jobs) stays so, for the program too.
    pub fn catch() -> io::Result<Signals> {
        let ignored = ignored(&std::fs::read_to_string("/proc/self/status").unwrap_or_default());
        let minded = PASSED_ON
            .iter()
            .filter(|number| ignored >> (*number - 1) & 1 == 0);
        let mut caught = SignalsInfo::<WithRawSiginfo>::new(minded.chain([&SIGCHLD]))?;
        let (sender, receiver) = mpsc::channel();
        let pass = move || {
            for info in caught.forever() {
                // The kernel's own have a cause above 0.
                let was_sent = info.si_code <= 0;
                if sender
                    .send(Caught {
                        number: info.si_signo,
                        was_sent,
                    })
                    .is_err()
                {
                    break;
                }
            }
        };
        std::thread::Builder::new()
            .name("signals".to_owned())
            .spawn(pass)?;
        Ok(Signals(receiver))
    }
}

/// The set of ignored signals, of `/proc/self/status`.
fn ignored(status: &str) -> u64 {
    let mut words = status
        .lines()
        .filter_map(|line| line.strip_prefix("SigIgn:"));
    words
        .next()
        .and_then(|word| u64::from_str_radix(word.trim(), 16).ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ignored_signals_are_read_from_the_kernels_set() {
        assert_eq!(
            ignored("Name:\tx\nSigIgn:\t0000000000001001\nSigCgt:\tff\n"),
            0x1001
        );
        assert_eq!(ignored(""), 0);
    }

    #[test]
    fn a_key_at_the_terminal_is_not_passed_on_to_a_program_in_our_group() {
        let key = Caught {
            number: SIGINT,
            was_sent: false,
        };
        assert!(!key.is_ours_alone());
        assert!(key.is_for_other_groups());
        assert!(
            Caught {
                was_sent: true,
                ..key
            }
            .is_ours_alone()
        );
    }
}
