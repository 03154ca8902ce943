//! The machine as the checks see it: its files below a root, so that a test can make one up, and what only the system says.

use std::path::PathBuf;

use rustix::process::{Resource, getrlimit};
use rustix::thread::{CpuSet, sched_getaffinity};

/// Bytes that a ring of the default size takes.
pub const RING: u64 = 11 << 20;

#[derive(Clone, Debug)]
pub struct Machine {
    pub root: PathBuf,
    /// The file system of the shared memory, if there is one.
    pub shm: Option<Space>,
    /// How many bytes this process may lock; `None` if there is no limit.
    pub memlock: Option<u64>,
    /// The CPUs that this process may use.
    pub cpus: Vec<usize>,
}

/// What a file system has.
#[derive(Clone, Copy, Debug)]
pub struct Space {
    /// Bytes.
    pub total: u64,
    pub free: u64,
    /// Files; 0 of 0 if there is no limit.
    pub files: u64,
    pub files_free: u64,
}

impl Machine {
    /// The one that we run on.
    pub fn this() -> Machine {
        let shm = rustix::fs::statvfs("/dev/shm").ok().map(|of| Space {
            total: of.f_blocks * of.f_frsize,
            free: of.f_bavail * of.f_frsize,
            files: of.f_files,
            files_free: of.f_favail,
        });
        let cpus = sched_getaffinity(None).map_or(Vec::new(), |allowed| {
            (0..CpuSet::MAX_CPU)
                .filter(|cpu| allowed.is_set(*cpu))
                .collect()
        });
        Machine {
            root: PathBuf::from("/"),
            shm,
            memlock: getrlimit(Resource::Memlock).current,
            cpus,
        }
    }

    /// What stands in a file, without blanks around it.
    pub fn read(&self, path: &str) -> Option<String> {
        let text = std::fs::read_to_string(self.path(path)).ok()?;
        Some(text.trim().to_owned())
    }

    /// A number in a file; other words, like `max`, are none.
    pub fn number(&self, path: &str) -> Option<i64> {
        self.read(path)?.parse().ok()
    }

    /// Where a path is below the root.
    pub fn path(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }

    /// What this process's status says of something: `CapEff`.
    pub fn status(&self, key: &str) -> Option<String> {
        let status = self.read("/proc/self/status")?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))?;
        Some(line.trim().to_owned())
    }

    /// Whether this process has a capability, by its number.
    pub fn is_capable_of(&self, number: u32) -> bool {
        let set = self
            .status("CapEff")
            .and_then(|set| u64::from_str_radix(&set, 16).ok());
        set.is_some_and(|set| set >> number & 1 == 1)
    }
}

/// The word in brackets: `always [advise] never`.
pub fn chosen(text: &str) -> &str {
    let word = text
        .split_once('[')
        .and_then(|(_, rest)| rest.split_once(']'));
    word.map_or(text, |(word, _)| word)
}

/// Bytes as people read them.
pub fn mebibytes(bytes: u64) -> String {
    match bytes {
        0..0x10_0000 => format!("{} KiB", bytes >> 10),
        0x10_0000..0x4000_0000 => format!("{:.0} MiB", bytes as f64 / f64::from(1 << 20)),
        _ => format!("{:.1} GiB", bytes as f64 / f64::from(1 << 30)),
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::doctor::finding::{Check, Verdict};

    /// A machine that has these files, and plenty of all else.
    pub fn with(files: &[(&str, &str)]) -> (Root, Machine) {
        let root = Root::new();
        for (path, text) in files {
            let path = root.0.join(path.trim_start_matches('/'));
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let space = Space {
            total: 1 << 30,
            free: 1 << 30,
            files: 1000,
            files_free: 1000,
        };
        let machine = Machine {
            root: root.0.clone(),
            shm: Some(space),
            memlock: None,
            cpus: vec![0, 1],
        };
        (root, machine)
    }

    /// A folder that goes with its test.
    pub struct Root(PathBuf);

    impl Root {
        fn new() -> Root {
            static COUNT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
            let count = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            let name = format!("shmlog-doctor-{}-{count}", std::process::id());
            let path = std::env::temp_dir().join(name);
            std::fs::create_dir_all(&path).unwrap();
            Root(path)
        }
    }

    impl Drop for Root {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    /// Asserts what a check finds on a machine: the verdict, and words of the rest.
    pub fn assert_finds(check: Check, machine: &Machine, verdict: Verdict, words: &[&str]) {
        let finding = check(machine);
        let text = format!("{} | {} | {}", finding.found, finding.why, finding.advice);
        assert_eq!(finding.verdict, verdict, "{}: {text}", finding.name);
        for word in words {
            assert!(text.contains(word), "{text:?} does not say {word:?}");
        }
        let is_helped = !finding.why.is_empty() && !finding.advice.is_empty();
        assert_eq!(is_helped, verdict != Verdict::Ok, "{text}");
    }

    /// The same on a machine that has these files.
    pub fn assert_finds_in(check: Check, files: &[(&str, &str)], verdict: Verdict, words: &[&str]) {
        let (_root, machine) = with(files);
        assert_finds(check, &machine, verdict, words);
    }

    #[test]
    fn sizes_are_said_in_the_unit_that_fits() {
        assert_eq!(
            [64 << 10, 11 << 20, 24 << 30].map(mebibytes),
            ["64 KiB", "11 MiB", "24.0 GiB"]
        );
    }
}
