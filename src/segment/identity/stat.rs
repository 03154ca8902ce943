//! What the kernel tells of a process in `/proc/‥/stat`.

use std::fs;

#[derive(Clone, Copy)]
pub(super) struct Stat {
    state: u8,
    threads: u64,
    /// When the process started, in clock ticks since boot, as the time namespace of the reader has it.
    pub(super) start: u64,
    /// Where the stack of its first thread begins; 0 when the kernel does not tell.
    pub(super) stack: u64,
}

impl Stat {
    pub(super) fn of(pid: u32) -> Option<Stat> {
        Stat::parse(&fs::read(format!("/proc/{pid}/stat")).ok()?)
    }

    /// Fields 3, 20, 22 and 28, counted behind the name, which may hold spaces and parentheses.
    fn parse(text: &[u8]) -> Option<Stat> {
        let behind_name = text.iter().rposition(|&byte| byte == b')')? + 1;
        let fields = std::str::from_utf8(&text[behind_name..]).ok()?;
        let mut fields = fields.split_ascii_whitespace();
        Some(Stat {
            state: *fields.next()?.as_bytes().first()?,
            threads: fields.nth(16)?.parse().ok()?,
            start: fields.nth(1)?.parse().ok()?,
            stack: fields.nth(5).map_or(Some(0), |field| field.parse().ok())?,
        })
    }

    /// Whether it is a zombie, and not just the first thread of a process whose others live on.
    pub(super) fn has_ended(self) -> bool {
        self.first_thread_has_ended() && self.threads <= 1
    }

    pub(super) fn first_thread_has_ended(self) -> bool {
        matches!(self.state, b'Z' | b'X')
    }
}

/// That of this process. Allocates nothing: the first record after a fork may come from a signal handler.
pub(super) fn own() -> Option<Stat> {
    use rustix::fs::{Mode, OFlags, open};
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let stat = open(c"/proc/self/stat", flags, Mode::empty()).ok()?;
    let mut text = [0; 1024];
    let len = rustix::io::read(&stat, &mut text).ok()?;
    Stat::parse(&text[..len])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_whose_first_thread_has_ended_is_not_gone_as_long_as_another_lives() {
        let stat = |state: &str, threads: u64| {
            let text = format!("7 (a) b) {state}{} {threads} 0 5 0 0", " 0".repeat(16));
            Stat::parse(text.as_bytes()).unwrap()
        };
        assert_eq!(stat("S", 3).start, 5);
        assert!(!stat("Z", 2).has_ended() && !stat("S", 1).has_ended());
        assert!(stat("Z", 2).first_thread_has_ended());
        assert!(stat("Z", 1).has_ended());
    }
}
