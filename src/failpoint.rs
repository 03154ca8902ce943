//! Named places at which a process can be made to die, stop or dawdle, for the crash tests.
//!
//! Only with the feature `failpoints`; without it [`hit`] is empty. The environment says what happens where:
//! `SHMLOG_FAILPOINTS=claim.claimed=kill,drainer.written=kill@3`, that is a list of `place=action[@n]`, where
//! the action (`kill`: SIGKILL to itself; `stop`: SIGSTOP to itself; `signal`: SIGUSR1 to itself; `delay`: ten milliseconds) is taken when the place is reached for the
//! `n`th time (the first, if it is not said; `delay`: every time from the `n`th on).
//!
//! The environment is read once, at the first place; reaching a place allocates nothing after that.

/// What a failpoint reads.
#[cfg(feature = "failpoints")]
const VARIABLE: &str = "SHMLOG_FAILPOINTS";

/// The process is at `place`.
#[cfg(not(feature = "failpoints"))]
#[inline(always)]
pub(crate) fn hit(_place: &str) {}

/// The process is at `place`.
#[cfg(feature = "failpoints")]
pub(crate) fn hit(place: &str) {
    use std::sync::OnceLock;
    static ARMED: OnceLock<Vec<armed::Failpoint>> = OnceLock::new();
    let armed = ARMED.get_or_init(|| armed::parse(&std::env::var(VARIABLE).unwrap_or_default()));
    armed
        .iter()
        .filter(|failpoint| failpoint.place == place)
        .for_each(armed::Failpoint::hit);
}

/// How far a test has set the wall clock: nanoseconds, as text in the file that `SHMLOG_WALL_SHIFT` names. Where a
/// real clock may not be set, and has no namespace.
#[cfg(feature = "failpoints")]
#[cfg_attr(loom, allow(dead_code))]
pub(crate) fn wall_shift_ns() -> i64 {
    use std::sync::OnceLock;
    static SHIFT: OnceLock<Option<std::ffi::OsString>> = OnceLock::new();
    let file = SHIFT.get_or_init(|| std::env::var_os("SHMLOG_WALL_SHIFT"));
    let text = file
        .as_ref()
        .and_then(|file| std::fs::read_to_string(file).ok());
    text.and_then(|text| text.trim().parse().ok()).unwrap_or(0)
}

/// How far a test has set the wall clock.
#[cfg(not(feature = "failpoints"))]
#[inline(always)]
pub(crate) fn wall_shift_ns() -> i64 {
    0
}

/// How many bytes the disk takes of a log file that is `length` bytes long: as a test wants it, by the length in the file that
/// `SHMLOG_DISK_LIMIT` names. A full disk that needs no rights and can be emptied from outside.
///
/// # Errors
/// That of a full disk.
#[cfg(feature = "failpoints")]
#[cfg_attr(loom, allow(dead_code))]
pub(crate) fn room_behind(length: u64) -> std::io::Result<usize> {
    use std::sync::OnceLock;
    static LIMIT: OnceLock<Option<std::ffi::OsString>> = OnceLock::new();
    let file = LIMIT.get_or_init(|| std::env::var_os("SHMLOG_DISK_LIMIT"));
    let text = file
        .as_ref()
        .and_then(|file| std::fs::read_to_string(file).ok());
    let limit = text.and_then(|text| text.trim().parse::<u64>().ok());
    match limit.map(|limit| limit.saturating_sub(length)) {
        None => Ok(usize::MAX),
        Some(0) => Err(std::io::ErrorKind::StorageFull.into()),
        Some(room) => Ok(usize::try_from(room).unwrap_or(usize::MAX)),
    }
}

/// How many bytes the disk takes: it says so itself.
#[cfg(not(feature = "failpoints"))]
#[cfg_attr(loom, allow(dead_code))]
#[inline(always)]
pub(crate) fn room_behind(_length: u64) -> std::io::Result<usize> {
    Ok(usize::MAX)
}

/// Where the kernel says by which clock it keeps time.
#[cfg_attr(loom, allow(dead_code))]
const CLOCKSOURCE: &str = "/sys/devices/system/clocksource/clocksource0/current_clocksource";

/// The file that is believed to say by which clock the kernel keeps time: as a test wants it, in `SHMLOG_CLOCKSOURCE`.
#[cfg(feature = "failpoints")]
#[cfg_attr(loom, allow(dead_code))]
pub(crate) fn clocksource_file() -> std::path::PathBuf {
    std::env::var_os("SHMLOG_CLOCKSOURCE").map_or(CLOCKSOURCE.into(), Into::into)
}

/// The file that says by which clock the kernel keeps time.
#[cfg(not(feature = "failpoints"))]
#[cfg_attr(loom, allow(dead_code))]
pub(crate) fn clocksource_file() -> &'static str {
    CLOCKSOURCE
}

#[cfg(feature = "failpoints")]
mod armed {
    use std::sync::atomic::{AtomicU64, Ordering};

    use rustix::process::{Signal, getpid, kill_process};

    pub(super) struct Failpoint {
        pub(super) place: String,
        action: Action,
        at: u64,
        hits: AtomicU64,
    }

    enum Action {
        Kill,
        Stop,
        Delay,
        Signal,
    }

    pub(super) fn parse(text: &str) -> Vec<Failpoint> {
        text.split(',').filter_map(parse_one).collect()
    }

    fn parse_one(text: &str) -> Option<Failpoint> {
        let (place, action) = text.split_once('=')?;
        let (action, at) = action.split_once('@').unwrap_or((action, "1"));
        let action = match action {
            "kill" => Action::Kill,
            "stop" => Action::Stop,
            "delay" => Action::Delay,
            "signal" => Action::Signal,
            _ => return None,
        };
        let (at, hits) = (at.parse().ok()?, AtomicU64::new(0));
        Some(Failpoint {
            place: place.to_owned(),
            action,
            at,
            hits,
        })
    }

    impl Failpoint {
        pub(super) fn hit(&self) {
            let hits = self.hits.fetch_add(1, Ordering::Relaxed) + 1;
            match self.action {
                Action::Kill if hits == self.at => signal(Signal::KILL),
                Action::Stop if hits == self.at => signal(Signal::STOP),
                Action::Signal if hits == self.at => signal(Signal::USR1),
                Action::Delay if hits >= self.at => {
                    std::thread::sleep(std::time::Duration::from_millis(10));
                }
                _ => {}
            }
        }
    }

    fn signal(signal: Signal) {
        // It cannot fail for oneself; and if it did, the test would see that nothing happened.
        let _ = kill_process(getpid(), signal);
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn a_list_of_places_is_understood_and_anything_else_is_not_armed() {
            let armed = parse("a.b=kill@3,c=stop,d=nonsense,e,f=delay@x");
            let places: Vec<_> = armed
                .iter()
                .map(|point| (&*point.place, point.at))
                .collect();
            assert_eq!(places, [("a.b", 3), ("c", 1)]);
        }
    }
}
