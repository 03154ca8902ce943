//! Who may yet log into a ring though it has not entered.

use std::fs;

use super::Identity;
use super::mapping::Backing;
use super::stat::Stat;
use crate::segment::Segment;
use crate::segment::name::RING_VARIABLE;

/// A process that may come to log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Heir {
    pub(crate) identity: Identity,
    /// It has the ring in its memory, to be written: a fork made it. If not, it was given the ring's name a moment ago.
    pub(crate) has_mapped: bool,
}

impl Segment {
    /// The processes that may yet log into this ring: those that have it mapped to be written, of whatever user, and those
    /// started less than `seconds` ago that were given its name and could open it. The drainer asks this when nothing else
    /// keeps it. Who cannot be looked into (not dumpable, of another user where this one may not look) is not among them.
    pub(crate) fn heirs(&self, seconds: u64) -> Vec<Heir> {
        // Who opens a segment owns it.
        let owner = rustix::process::geteuid().as_raw();
        let search = Search {
            ring: self.backing(),
            entry: format!("{RING_VARIABLE}={}", self.name()),
            owner,
            oldest: ticks_since_boot(seconds),
        };
        let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
        let pids = processes.filter_map(|process| process.file_name().to_str()?.parse().ok());
        pids.filter_map(|pid| search.look_at(pid)).collect()
    }
}

struct Search {
    ring: Option<Backing>,
    /// The variable with the ring's name, as it stands in an environment.
    entry: String,
    /// The user who may open the ring.
    owner: u32,
    /// Who started before is not waited for, in clock ticks since boot.
    oldest: u64,
}

impl Search {
    fn look_at(&self, pid: u32) -> Option<Heir> {
        let Stat { start, .. } = Stat::of(pid)?;
        let has_mapped = self
            .ring
            .is_some_and(|ring| ring.is_mapped_by(pid) == Some(true));
        let is_heir = has_mapped || start >= self.oldest && self.was_given_the_name(pid);
        let identity = Identity {
            start,
            ..Identity::of_pid(pid)
        };
        is_heir.then_some(Heir {
            identity,
            has_mapped,
        })
    }

    fn was_given_the_name(&self, pid: u32) -> bool {
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        let mut variables = environment.split(|&byte| byte == 0);
        variables.any(|variable| variable == self.entry.as_bytes())
            && fs::read(format!("/proc/{pid}/status")).is_ok_and(|status| self.may_open(&status))
    }

    /// Whether a process with this status could open the ring: it is its user's, or root's, who can become that user. The
    /// one who started it counts as well: any user can start a setuid program, with any environment, and that
    /// program obeys none. (The owner of the files in `/proc` says less: it is root for all that are not dumpable.)
    fn may_open(&self, status: &[u8]) -> bool {
        let mut lines = status.split(|&byte| byte == b'\n');
        let users = lines.find_map(|line| line.strip_prefix(b"Uid:"));
        let users = users.and_then(|users| std::str::from_utf8(users).ok());
        let mut users = users.unwrap_or_default().split_ascii_whitespace();
        // Real and effective user.
        let mut is_allowed = || {
            let user = users.next().and_then(|user| user.parse::<u32>().ok());
            user.is_some_and(|user| [0, self.owner].contains(&user))
        };
        is_allowed() && is_allowed()
    }
}

/// The moment `seconds` ago, in the unit of start times.
fn ticks_since_boot(seconds: u64) -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    let then = (now.tv_sec as u64).saturating_sub(seconds);
    then * rustix::param::clock_ticks_per_second()
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::segment::{Geometry, Settings};
    use std::os::unix::process::CommandExt;
    use std::process::{Child, Command, Stdio};

    const GEOMETRY: Geometry = Geometry {
        slots: 16,
        slot_size: 64,
        max_producers: 2,
        site_slots: 16,
        site_bytes: 1024,
    };
    const SETTINGS: Settings = Settings::PLAIN;

    /// A process that knows this name and waits.
    fn given(ring: &str, user: Option<u32>) -> Child {
        let mut command = Command::new("cat");
        command.env(RING_VARIABLE, ring);
        command.stdin(Stdio::piped()).stdout(Stdio::null());
        if let Some(user) = user {
            command.uid(user);
        }
        command.spawn().unwrap()
    }

    fn end(mut child: Child) {
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn only_young_processes_of_its_user_that_carry_the_name_are_heirs() {
        let segment = Segment::private("shmlog-heir-a", GEOMETRY, SETTINGS);
        let (mine, other) = (given("shmlog-heir-a", None), given("shmlog-heir-b", None));
        let is_root = rustix::process::geteuid().is_root();
        let foreign = is_root.then(|| given("shmlog-heir-a", Some(65_534)));
        let heirs = segment.heirs(60).into_iter();
        let pids: Vec<_> = heirs
            .map(|heir| (heir.identity.pid, heir.has_mapped))
            .collect();
        assert_eq!(pids, [(mine.id(), false)]);
        [Some(mine), Some(other), foreign]
            .into_iter()
            .flatten()
            .for_each(end);
    }

    #[test]
    fn both_the_user_who_started_a_process_and_the_one_it_acts_for_count() {
        let search = |owner| Search {
            ring: None,
            entry: String::new(),
            owner,
            oldest: 0,
        };
        let status = |users: &str| format!("Name:\tUid: 7\nUmask:\t0022\nUid:\t{users}\nGid:\t0\n");
        for (users, of_root, of_7) in [
            ("0\t0\t0\t0", true, true),
            ("7\t7\t7\t7", false, true),
            ("0\t7\t0\t7", false, true),
            ("8\t0\t0\t0", false, false),
            ("7\t0\t0\t0", false, true),
            ("8\t8\t0\t8", false, false),
            ("", false, false),
            ("0", false, false),
        ] {
            let status = status(users);
            assert_eq!(search(0).may_open(status.as_bytes()), of_root, "{users}");
            assert_eq!(search(7).may_open(status.as_bytes()), of_7, "{users}");
        }
        assert!(!search(0).may_open(b"Name:\tcat\n"));
    }

    #[test]
    fn whoever_has_a_segment_mapped_is_seen_to_also_when_its_name_is_gone_and_nobody_else() {
        let segment = Segment::create(GEOMETRY, SETTINGS, |_| {}).unwrap();
        let other = Segment::private("shmlog-heir-c", GEOMETRY, SETTINGS);
        let is_mine = |heir: &Heir| heir.identity.pid == std::process::id();
        let mine = |segment: &Segment| segment.heirs(0).into_iter().find(is_mine);
        assert!(mine(&segment).is_some_and(|heir| heir.has_mapped));
        crate::segment::remove(segment.name());
        assert!(mine(&segment).is_some_and(|heir| heir.has_mapped));
        assert_eq!(mine(&other), None);
    }
}
