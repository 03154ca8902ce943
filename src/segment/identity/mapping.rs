//! Who has a segment in its memory: read from `/proc/‥/maps`, by device and inode of the file behind the mapping.
//!
//! A path says nothing: any user can have a file whose path looks like a ring's. The file behind a mapping cannot be
//! forged: it is of mode 0600, so a process of another user has it mapped only if it inherited the mapping.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader};

use super::stat::Stat;

/// The file behind a mapping, as the kernel shows it in `/proc/‥/maps` of each process that has it mapped. What `stat` says of the
/// same file may differ (overlayfs, btrfs), so it is taken from a mapping too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Backing {
    /// Major and minor number.
    device: (u32, u32),
    inode: u64,
}

impl Backing {
    /// The file behind the memory of this process at `address`. `None` when there is none, or `/proc` does not tell.
    pub(crate) fn of(address: usize) -> Option<Backing> {
        let mut found = None;
        let is_there = |line: &Line| (line.begin..line.end).contains(&address);
        let note = |line: Line| found = Some(line.backing);
        find_line("/proc/self/maps", is_there).ok()?.map(note);
        found.filter(|backing| backing.inode != 0)
    }

    /// Whether the process `pid` has the file mapped, shared and to be written. Observers have it mapped to be read.
    /// `None` when the system does not tell: the process is not dumpable, or of another user and this one may not look.
    pub(crate) fn is_mapped_by(self, pid: u32) -> Option<bool> {
        let first = self.is_in(&format!("/proc/{pid}/maps"))?;
        // A first thread that has ended has no memory any more, its process has.
        if first || !Stat::of(pid)?.first_thread_has_ended() {
            return Some(first);
        }
        let threads = fs::read_dir(format!("/proc/{pid}/task")).ok()?;
        let maps = threads.flatten().map(|thread| thread.path().join("maps"));
        let looks = maps.map(|maps| self.is_in(maps.to_str().unwrap_or_default()));
        let looks: Vec<Option<bool>> = looks.collect();
        match looks.contains(&Some(true)) {
            true => Some(true),
            // Threads that ended meanwhile say nothing; if it was all of them, the watch of the process sees that.
            false => (!looks.contains(&None)).then_some(false),
        }
    }

    fn is_in(self, maps: &str) -> Option<bool> {
        let is_it = |line: &Line| line.backing == self && line.is_shared && line.is_writable;
        find_line(maps, is_it).ok().map(|line| line.is_some())
    }
}

/// What a line of `/proc/‥/maps` says.
#[derive(Debug, PartialEq, Eq)]
struct Line {
    begin: usize,
    end: usize,
    is_writable: bool,
    is_shared: bool,
    backing: Backing,
}

impl Line {
    /// Of a line like `7f12000-7f34000 rw-s 00000000 00:1a 7      /dev/shm/…`. What stands behind the inode is a path, in
    /// which any member can write anything.
    fn parse(line: &[u8]) -> Option<Line> {
        let mut fields = line.splitn(6, |&byte| byte == b' ');
        let mut field = || std::str::from_utf8(fields.next()?).ok();
        let (begin, end) = field()?.split_once('-')?;
        let rights = field()?.as_bytes();
        let _offset = field()?;
        let (major, minor) = field()?.split_once(':')?;
        let hex = |text: &str| u32::from_str_radix(text, 16).ok();
        Some(Line {
            begin: usize::from_str_radix(begin, 16).ok()?,
            end: usize::from_str_radix(end, 16).ok()?,
            is_writable: rights.get(1) == Some(&b'w'),
            is_shared: rights.get(3) == Some(&b's'),
            backing: Backing {
                device: (hex(major)?, hex(minor)?),
                inode: field()?.trim_end().parse().ok()?,
            },
        })
    }
}

/// The first line of a maps file of which `wanted` is true.
fn find_line(maps: &str, wanted: impl Fn(&Line) -> bool) -> io::Result<Option<Line>> {
    let mut maps = BufReader::with_capacity(1 << 14, File::open(maps)?);
    let mut text = Vec::new();
    loop {
        text.clear();
        if maps.read_until(b'\n', &mut text)? == 0 {
            return Ok(None);
        }
        let line = Line::parse(&text).filter(&wanted);
        if line.is_some() {
            return Ok(line);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use memmap2::{MmapOptions, MmapRaw};
    use std::fs::OpenOptions;

    #[test]
    fn a_line_is_read_to_its_inode_and_no_further() {
        let line = |text: &str| Line::parse(text.as_bytes());
        let parsed = line("1000-3000 rw-s 00000000 00:1a 7      /a 8000-9000 rw-s 0 00:1b 9\n");
        let expected = Line {
            begin: 0x1000,
            end: 0x3000,
            is_writable: true,
            is_shared: true,
            backing: Backing {
                device: (0, 0x1a),
                inode: 7,
            },
        };
        assert_eq!(parsed, Some(expected));
        let nameless = line("1000-3000 r--p 00000000 103:0a 12\n").unwrap();
        assert_eq!(
            (nameless.backing.device, nameless.backing.inode),
            ((0x103, 10), 12)
        );
        assert!(!nameless.is_writable && !nameless.is_shared);
        for wrong in [
            "",
            "\n",
            "1000 rw-s 0 0:0 7",
            "1000-3000 rw-s 0 0:0",
            "1000-3000 rw-s 0 00 7 a",
        ] {
            assert_eq!(line(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn only_a_shared_mapping_that_can_be_written_counts() {
        let path = std::env::temp_dir().join(format!("shmlog-mapping-{}", std::process::id()));
        let mut options = OpenOptions::new();
        let file = options
            .read(true)
            .write(true)
            .create_new(true)
            .open(&path)
            .unwrap();
        fs::remove_file(&path).unwrap();
        file.set_len(4096).unwrap();
        let reading = MmapOptions::new().map_raw_read_only(&file).unwrap();
        // A name or none: it is the file that counts.
        let backing = Backing::of(reading.as_ptr().addr()).unwrap();
        let me = std::process::id();
        assert_eq!(backing.is_mapped_by(me), Some(false));
        let writing = MmapRaw::map_raw(&file).unwrap();
        assert_eq!(Backing::of(writing.as_ptr().addr()), Some(backing));
        assert_eq!(backing.is_mapped_by(me), Some(true));
        drop(writing);
        assert_eq!(backing.is_mapped_by(me), Some(false));
    }

    #[test]
    fn memory_without_a_file_has_none_behind_it_and_a_kernels_thread_maps_nothing() {
        let here = Box::new(0_u64);
        assert_eq!(Backing::of((&raw const *here).addr()), None);
        assert_eq!(Backing::of(0), None);
        let code = only_a_shared_mapping_that_can_be_written_counts as fn();
        let program = Backing::of(code as usize).unwrap();
        let is_kernel =
            |pid: u32| fs::read(format!("/proc/{pid}/maps")).is_ok_and(|maps| maps.is_empty());
        if is_kernel(2) {
            assert_eq!(program.is_mapped_by(2), Some(false));
        }
        assert_eq!(program.is_mapped_by(u32::MAX), None);
    }
}
