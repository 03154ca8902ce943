//! Who is born, stopped, let go on and killed, and when: all by dice.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{
    Pid, PidfdFlags, Signal, WaitOptions, kill_process, pidfd_open, pidfd_send_signal, waitpid,
};

use crate::book;
use crate::figures::{Figure, Figures};
use crate::reckoning::End;
use crate::text::Dice;

/// Members that live at once, those made by fork and the short-lived not counted.
const MEMBERS: usize = 5;

/// A process of the soak's own: a child, or a child's child, whose id stays taken until it is waited for here.
struct Actor {
    pid: Pid,
    stopped: Option<Stop>,
    forked: bool,
    short: bool,
}

/// Until when a process is stopped, and whether it is killed then.
struct Stop {
    until: Instant,
    then_kill: bool,
}

pub struct Chaos {
    seed: u64,
    folder: PathBuf,
    ring: String,
    stall_timeout: Duration,
    dice: Dice,
    actors: Vec<Actor>,
    /// How each process ended that has.
    pub ends: HashMap<u32, End>,
    pub figures: Figures,
    pub differences: Vec<String>,
    /// The drainer that is stopped, and until when.
    stopped_drainer: Option<(u32, Instant)>,
    looked_for_forks: Instant,
}

impl Chaos {
    pub fn new(seed: u64, folder: &Path, ring: &str, stall_timeout: Duration) -> Chaos {
        Chaos {
            seed,
            folder: folder.to_owned(),
            ring: ring.to_owned(),
            stall_timeout,
            dice: Dice::new(seed ^ 0xc4a0),
            actors: Vec::new(),
            ends: HashMap::new(),
            figures: Figures::default(),
            differences: Vec::new(),
            stopped_drainer: None,
            looked_for_forks: Instant::now(),
        }
    }

    /// What happens in ten milliseconds.
    pub fn turn(&mut self) -> io::Result<()> {
        self.look_for_forks()?;
        self.reap()?;
        self.wake()?;
        let long = |actor: &&Actor| !actor.forked && !actor.short;
        if self.actors.iter().filter(long).count() < MEMBERS {
            self.spawn("long")?;
        }
        if self.dice.one_in(25) {
            self.spawn("short")?;
        }
        if self.dice.one_in(12) {
            self.signal_somebody(Signal::KILL)?;
        }
        if self.dice.one_in(6) {
            self.signal_somebody(Signal::STOP)?;
        }
        if self.dice.one_in(50) {
            self.kill_drainer();
        }
        if self.dice.one_in(200) && self.stopped_drainer.is_none() {
            self.stop_drainer();
        }
        Ok(())
    }

    /// No more of it: all may end now.
    pub fn calm_down(&mut self) -> io::Result<()> {
        for actor in &mut self.actors {
            if let Some(stop) = &mut actor.stopped {
                stop.until = Instant::now();
            }
        }
        if let Some((_, until)) = &mut self.stopped_drainer {
            *until = Instant::now();
        }
        self.wake()
    }

    /// Waits until all have ended.
    pub fn wait_for_all(&mut self, patience: Duration) -> io::Result<()> {
        let begin = Instant::now();
        loop {
            self.look_for_forks()?;
            self.reap()?;
            let long_enough = self.looked_for_forks >= begin + FORKS_EVERY;
            if self.actors.is_empty() && long_enough {
                return Ok(());
            }
            if begin.elapsed() > patience {
                for actor in std::mem::take(&mut self.actors) {
                    let pid = actor.pid.as_raw_pid();
                    self.differences
                        .push(format!("process {pid} does not end: killed at last"));
                    kill_process(actor.pid, Signal::KILL)?;
                }
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn spawn(&mut self, span: &str) -> io::Result<()> {
        let (seed, nonce) = (self.seed.to_string(), self.dice.next().to_string());
        let child = Command::new(std::env::current_exe()?)
            .args(["member", &seed])
            .arg(&self.folder)
            .args([&nonce, span])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()?;
        let short = span == "short";
        self.figures.add(Figure::Shorts, u64::from(short));
        self.admit(child.id(), false, short);
        Ok(())
    }

    fn admit(&mut self, pid: u32, forked: bool, short: bool) {
        let Some(pid) = Pid::from_raw(pid as i32) else {
            return;
        };
        self.figures.add(Figure::Processes, 1);
        self.figures.add(Figure::Forks, u64::from(forked));
        self.actors.push(Actor {
            pid,
            stopped: None,
            forked,
            short,
        });
    }

    /// Children of members are known by their books alone.
    fn look_for_forks(&mut self) -> io::Result<()> {
        if self.looked_for_forks.elapsed() < FORKS_EVERY {
            return Ok(());
        }
        self.looked_for_forks = Instant::now();
        for author in book::authors(&self.folder.join("books"))? {
            let known = |actor: &Actor| actor.pid.as_raw_pid() as u32 == author.pid;
            if !self.ends.contains_key(&author.pid) && !self.actors.iter().any(known) {
                self.admit(author.pid, true, false);
            }
        }
        Ok(())
    }

    fn reap(&mut self) -> io::Result<()> {
        let mut still = Vec::new();
        for actor in std::mem::take(&mut self.actors) {
            let pid = actor.pid.as_raw_pid() as u32;
            let status = match waitpid(Some(actor.pid), WaitOptions::NOHANG) {
                Ok(Some((_, status))) => status,
                // Its parent lives, so it is not ours to wait for yet.
                Ok(None) | Err(rustix::io::Errno::CHILD) => {
                    still.push(actor);
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            let end = match (status.exit_status(), status.terminating_signal()) {
                (Some(0), _) => End::Exited,
                (_, Some(signal)) if signal == Signal::KILL.as_raw() => End::Killed,
                _ => {
                    self.differences
                        .push(format!("process {pid} ended with {status:?}"));
                    End::Exited
                }
            };
            self.figures
                .add(Figure::Kills, u64::from(end == End::Killed));
            self.ends.insert(pid, end);
        }
        self.actors = still;
        Ok(())
    }

    /// Those who have been stopped for long enough go on, or die.
    fn wake(&mut self) -> io::Result<()> {
        let now = Instant::now();
        for actor in &mut self.actors {
            if let Some(stop) = actor.stopped.take_if(|stop| stop.until <= now) {
                let signal = if stop.then_kill {
                    Signal::KILL
                } else {
                    Signal::CONT
                };
                self.figures
                    .add(Figure::StoppedKilled, u64::from(stop.then_kill));
                kill_process(actor.pid, signal)?;
            }
        }
        if let Some((drainer, _)) = self.stopped_drainer.take_if(|(_, until)| *until <= now) {
            signal_drainer(&self.ring, drainer, Signal::CONT);
        }
        Ok(())
    }

    fn signal_somebody(&mut self, signal: Signal) -> io::Result<()> {
        let is_awake = |actor: &&mut Actor| actor.stopped.is_none() && !is_zombie(actor.pid);
        let mut awake: Vec<&mut Actor> = self.actors.iter_mut().filter(is_awake).collect();
        if awake.is_empty() {
            return Ok(());
        }
        let index = self.dice.below(awake.len() as u64) as usize;
        let times = 1 + self.dice.below(15) as u32;
        let then_kill = self.dice.one_in(4);
        let actor = &mut awake[index];
        if signal == Signal::STOP {
            self.figures.add(Figure::Stops, 1);
            let until = Instant::now() + self.stall_timeout + self.stall_timeout / 4 * times;
            actor.stopped = Some(Stop { until, then_kill });
        }
        Ok(kill_process(actor.pid, signal)?)
    }

    fn kill_drainer(&mut self) {
        for drainer in drainers_of(&self.ring) {
            if signal_drainer(&self.ring, drainer, Signal::KILL) {
                self.figures.add(Figure::DrainerKills, 1);
            }
        }
    }

    /// To be called when the ring's parent is leaving.
    pub fn kill_drainer_at_the_end(&mut self) {
        if self.dice.one_in(2) {
            std::thread::sleep(Duration::from_micros(self.dice.below(30_000)));
            self.kill_drainer();
        }
    }

    fn stop_drainer(&mut self) {
        let Some(drainer) = drainers_of(&self.ring).pop() else {
            return;
        };
        if signal_drainer(&self.ring, drainer, Signal::STOP) {
            let pause = Duration::from_millis(10 + self.dice.below(400));
            self.figures.add(Figure::DrainerStops, 1);
            self.stopped_drainer = Some((drainer, Instant::now() + pause));
        }
    }
}

/// How often forked children are looked for.
const FORKS_EVERY: Duration = Duration::from_millis(100);

fn is_zombie(pid: Pid) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_pid()));
    let stat = stat.unwrap_or_default();
    stat.rsplit_once(") ")
        .is_none_or(|(_, rest)| rest.starts_with('Z'))
}

/// Whether a process is a drainer of the ring: the process list says so.
fn is_drainer(ring: &str, pid: u32) -> bool {
    let line = format!("shmlog-drainer\0{ring}\0");
    std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|shown| shown == line.as_bytes())
}

/// The ring's drainers that run now.
pub fn drainers_of(ring: &str) -> Vec<u32> {
    let Ok(entries) = std::fs::read_dir("/proc") else {
        return Vec::new();
    };
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    pids.filter(|pid| is_drainer(ring, *pid)).collect()
}

/// Sends a signal to a drainer and to nobody else, should its id have passed on meanwhile.
pub fn signal_drainer(ring: &str, drainer: u32, signal: Signal) -> bool {
    let Some(pid) = Pid::from_raw(drainer as i32) else {
        return false;
    };
    let Ok(pidfd) = pidfd_open(pid, PidfdFlags::empty()) else {
        return false;
    };
    is_drainer(ring, drainer) && pidfd_send_signal(&pidfd, signal).is_ok()
}
