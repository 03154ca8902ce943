//! What is asked of the system about a segment's pages: that they are in this process's page table, that they stay
//! in memory, and that they are huge.
//!
//! The last two are wishes, which stand in the settings so that every member has them. A system that refuses one is no
//! error: what it said, and what to do about it, is for the log.

#![allow(unsafe_code)]

use std::fmt;

use rustix::process::{Resource, getrlimit};

use super::{Segment, platform};
use crate::words::WORD;

/// Says which transparent huge pages shared memory may have.
const SHMEM_ENABLED: &str = "/sys/kernel/mm/transparent_hugepage/shmem_enabled";
/// Bytes of a huge page; missing where the kernel has none.
const HUGE_PAGE_BYTES: &str = "/sys/kernel/mm/transparent_hugepage/hpage_pmd_size";

impl Segment {
    /// Brings all pages into this process's page table: needed once more in a child made by fork.
    pub(crate) fn prefault(&self) {
        if self.settings.huge_pages != 0 {
            // Where no huge page can be had at once, the kernel makes some in time, for who wants them.
            let _ = self.advise(libc::MADV_HUGEPAGE);
        }
        platform::prefault(self.words);
    }

    /// Locks all pages in memory for this process, if that is wished; children made by fork do not inherit it. The
    /// error is what `mlock` says.
    pub(crate) fn lock_pages(&self) -> Result<(), i32> {
        if self.settings.lock_memory == 0 {
            return Ok(());
        }
        let start = self.words.as_ptr().cast_mut().cast();
        // SAFETY: locking changes neither content nor protection; the range is that of the segment's mapping, which
        // is never unmapped.
        let locked = unsafe { rustix::mm::mlock(start, self.bytes() as usize) };
        locked.map_err(rustix::io::Errno::raw_os_error)
    }

    /// Puts the segment into huge pages, if that is wished; for its maker, before others map it. The error says why
    /// not, and what to do.
    pub(crate) fn make_huge(&self) -> Result<(), String> {
        if self.settings.huge_pages == 0 {
            return Ok(());
        }
        let _ = self.advise(libc::MADV_HUGEPAGE);
        let read = |path| std::fs::read_to_string(path).ok();
        let huge_page = read(HUGE_PAGE_BYTES).and_then(|text| text.trim().parse().ok());
        // Of a range without a whole huge page the kernel says something or other.
        let done = match huge_page {
            Some(huge_page) if self.bytes() >= huge_page => self.advise(libc::MADV_COLLAPSE),
            _ => Err(libc::EINVAL),
        };
        done.map_err(|errno| {
            let refusal = HugeRefusal {
                errno,
                needed: self.bytes(),
                huge_page,
                shmem_enabled: read(SHMEM_ENABLED),
            };
            refusal.to_string()
        })
    }

    /// Bytes of the mapping.
    pub(crate) fn bytes(&self) -> u64 {
        (self.words.len() * WORD) as u64
    }

    /// `advice` must be one of those that change no content: MADV_HUGEPAGE, MADV_COLLAPSE.
    fn advise(&self, advice: i32) -> Result<(), i32> {
        debug_assert!([libc::MADV_HUGEPAGE, libc::MADV_COLLAPSE].contains(&advice));
        let start = self.words.as_ptr().cast_mut().cast();
        // SAFETY: the advice changes how memory is backed, not what it holds, also for code that accesses it meanwhile; the
        // range is that of the segment's mapping, which is never unmapped.
        match unsafe { libc::madvise(start, self.bytes() as usize, advice) } {
            0 => Ok(()),
            _ => Err(std::io::Error::last_os_error().raw_os_error().unwrap_or(0)),
        }
    }
}

/// Why a segment's pages are not locked, in words that are made without allocating.
pub(crate) struct LockRefusal {
    /// What `mlock` said.
    errno: i32,
    /// Bytes to be locked.
    needed: u64,
    /// Bytes that this process may lock; `None`: any number.
    limit: Option<u64>,
}

impl LockRefusal {
    /// From what [`Segment::lock_pages`] said in this process.
    pub(crate) fn of(segment: &Segment, errno: i32) -> LockRefusal {
        LockRefusal {
            errno,
            needed: segment.bytes(),
            limit: getrlimit(Resource::Memlock).current,
        }
    }
}

impl fmt::Display for LockRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let needed = self.needed.div_ceil(1024);
        write!(
            f,
            "lock_memory: the ring's {needed} KiB are not locked in memory ("
        )?;
        match self.errno {
            libc::ENOMEM => f.write_str("ENOMEM")?,
            libc::EPERM => f.write_str("EPERM")?,
            libc::EAGAIN => f.write_str("EAGAIN")?,
            errno => write!(f, "error {errno}")?,
        }
        match self.limit {
            Some(limit) => write!(
                f,
                "): RLIMIT_MEMLOCK is {} KiB, for all that this process locks; raise it (ulimit -l, LimitMEMLOCK= in \
                 a systemd unit), or give the program CAP_IPC_LOCK",
                limit / 1024
            )?,
            None => f.write_str("), though RLIMIT_MEMLOCK is unlimited: is memory short?")?,
        }
        f.write_str("; the log works, but the system may take its pages away for a while")
    }
}

/// Why a segment has no huge pages.
struct HugeRefusal {
    /// What the kernel said when it was asked for them at once.
    errno: i32,
    /// Bytes of the segment.
    needed: u64,
    /// Bytes of a huge page, if the kernel has any.
    huge_page: Option<u64>,
    /// What [`SHMEM_ENABLED`] holds, if it is there.
    shmem_enabled: Option<String>,
}

impl fmt::Display for HugeRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let needed = self.needed >> 10;
        write!(
            f,
            "huge_pages: the ring's {needed} KiB are in small pages: "
        )?;
        let (Some(huge_page), Some(enabled)) = (self.huge_page, &self.shmem_enabled) else {
            return f.write_str("this kernel has no transparent huge pages; leave huge_pages out");
        };
        if self.needed < huge_page {
            let huge_page = huge_page >> 10;
            return write!(
                f,
                "one huge page takes {huge_page}; make more slots, or leave huge_pages out"
            );
        }
        match (chosen(enabled), self.errno) {
            ("deny", _) => write!(f, "{SHMEM_ENABLED} says deny; write \"advise\" there"),
            (says, libc::EINVAL) => write!(
                f,
                "this kernel makes none at once (6.1 is the first that does), and {SHMEM_ENABLED} says {says}; write \
                 \"advise\" there, and mount -o remount,huge=advise /dev/shm"
            ),
            (_, errno) => write!(
                f,
                "there is no room in one piece (error {errno}); start earlier, or free memory and write 1 to \
                 /proc/sys/vm/compact_memory before"
            ),
        }
    }
}

/// The word in brackets: `always within_size [advise] never`.
fn chosen(text: &str) -> &str {
    let word = text
        .split_once('[')
        .and_then(|(_, rest)| rest.split_once(']'));
    word.map_or(text.trim(), |(word, _)| word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn huge(errno: i32, needed: u64, huge_page: Option<u64>, enabled: Option<&str>) -> String {
        let refusal = HugeRefusal {
            errno,
            needed,
            huge_page,
            shmem_enabled: enabled.map(str::to_owned),
        };
        refusal.to_string()
    }

    fn assert_says(text: &str, words: &[&str]) {
        for word in words {
            assert!(text.contains(word), "{text:?} does not say {word:?}");
        }
    }

    #[test]
    fn a_refusal_of_huge_pages_names_what_forbids_them_and_what_to_write_there() {
        const DENY: &str = "always within_size advise never [deny] force\n";
        const NEVER: &str = "always within_size advise [never] deny force\n";
        let (mib, page) = (1 << 20, Some(2 << 20));
        let denied = huge(libc::EINVAL, 12 * mib, page, Some(DENY));
        assert_says(
            &denied,
            &[SHMEM_ENABLED, "deny;", "12288 KiB", "\"advise\""],
        );
        let never = huge(libc::EINVAL, 12 * mib, page, Some(NEVER));
        assert_says(
            &never,
            &[SHMEM_ENABLED, "says never", "remount,huge=advise /dev/shm"],
        );
        let small = huge(libc::EINVAL, mib, page, Some(NEVER));
        assert_says(&small, &["1024 KiB", "2048", "more slots"]);
        let torn = huge(libc::ENOMEM, 12 * mib, page, Some(NEVER));
        assert_says(&torn, &["error 12", "compact_memory"]);
        assert_says(
            &huge(libc::EINVAL, 12 * mib, None, None),
            &["no transparent huge pages"],
        );
    }

    #[test]
    fn a_refusal_to_lock_names_the_limit_and_the_need() {
        let refusal = |errno, limit| LockRefusal {
            errno,
            needed: 12 << 20,
            limit,
        };
        let low = refusal(libc::ENOMEM, Some(64 << 10)).to_string();
        assert_says(
            &low,
            &[
                "12288 KiB",
                "RLIMIT_MEMLOCK is 64 KiB",
                "ulimit -l",
                "LimitMEMLOCK=",
            ],
        );
        assert_says(
            &refusal(libc::EPERM, Some(0)).to_string(),
            &["EPERM", "is 0 KiB"],
        );
        let short = refusal(libc::EAGAIN, None).to_string();
        assert_says(&short, &["EAGAIN", "memory short"]);
    }
}
