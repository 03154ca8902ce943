//! Processes: who this is, and who others are.
//!
//! A process is its pid, the moment it started *and* the program it runs: pids are used again, and a process
//! that has begun another program (`exec`) cannot write what it was about to write. Whether it still is that process says
//! [`watch`]; whether it has the ring in its memory says [`mapping`]; who may yet come to the ring says [`heirs`].
//! Why it is so: `docs/design/life-and-death.md`.

pub(super) mod heirs;
mod image;
pub(super) mod mapping;
mod stat;
pub(super) mod watch;

pub(crate) use self::image::image_of;

/// Where the stack of this process's first thread begins; 0 when `/proc` does not tell.
pub(super) fn start_of_stack() -> u64 {
    stat::own().map_or(0, |stat| stat.stack)
}

/// One run of one program, distinguishable from every other that had or will have its pid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) pid: u32,
    /// When the process started, in clock ticks since boot; 0 when `/proc` did not tell.
    pub(crate) start: u64,
    /// Which program it runs: another number after each `exec` ([`image`]); 0 when unknown.
    pub(crate) image: u64,
}

impl Identity {
    /// This process. Asks the kernel every time, so it is right after a fork. Allocates nothing and takes no lock: the
    /// first record after a fork may come from a signal handler.
    pub(crate) fn of_this_process() -> Identity {
        Identity {
            pid: std::process::id(),
            start: stat::own().map_or(0, |stat| stat.start),
            image: image::own(),
        }
    }

    /// A process that was started a moment ago, and may still be about to begin its program.
    pub(super) fn started_now(pid: u32) -> Identity {
        Identity {
            start: stat::Stat::of(pid).map_or(0, |stat| stat.start),
            ..Identity::of_pid(pid)
        }
    }

    /// A process of which nothing but its pid is known.
    pub(crate) fn of_pid(pid: u32) -> Identity {
        Identity {
            pid,
            start: 0,
            image: 0,
        }
    }

    /// Whether the process has begun another program. One that is ending has none, and one that may not be looked into counts
    /// as running this one.
    pub(crate) fn runs_another_program(self) -> bool {
        let is_it = |now: stat::Stat| self.start != 0 && now.start == self.start;
        let is_other = |image: u64| self.image != 0 && image != self.image;
        stat::Stat::of(self.pid).is_some_and(is_it) && image_of(self.pid).is_some_and(is_other)
    }

    /// Whether this is certainly the process that is calling, running the program that it runs now. (A child made by
    /// fork runs the same program under another pid.)
    pub(crate) fn is_this_process(self) -> bool {
        self.start != 0 && self.image != 0 && self == Identity::of_this_process()
    }

    /// Whether both are one process, whatever program it runs.
    pub(crate) fn is_same_process(self, other: Identity) -> bool {
        self.pid == other.pid && self.start != 0 && self.start == other.start
    }

    /// Whether both may be one run of one program: nothing that is known of both differs.
    pub(crate) fn may_be(self, other: Identity) -> bool {
        let agree = |mine: u64, its: u64| mine == 0 || its == 0 || mine == its;
        self.pid == other.pid && agree(self.start, other.start) && agree(self.image, other.image)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_told_from_others_and_from_what_it_ran_before() {
        let me = Identity::of_this_process();
        assert!(me.is_this_process());
        let former = Identity {
            image: me.image + 1,
            ..me
        };
        let other = Identity {
            start: me.start + 1,
            ..me
        };
        assert!(!former.is_this_process() && !other.is_this_process());
        assert!(former.is_same_process(me) && !other.is_same_process(me));
        assert!(Identity::of_pid(me.pid).may_be(me) && !former.may_be(me) && !other.may_be(me));
        // Of two processes whose start is unknown nothing is certain.
        let unknown = Identity { start: 0, ..me };
        assert!(!unknown.is_same_process(unknown) && !unknown.is_this_process());
    }
}
