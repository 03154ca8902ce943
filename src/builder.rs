//! The builder: what a parent can set, the defaults, and what is refused.

mod check;
mod error;
mod filter;
mod sinks;

use std::path::PathBuf;
use std::time::Duration;

pub use self::error::InitError;
pub(crate) use self::sinks::Prepared;
use crate::drainer::Backtrace;
use crate::level::Level;
use crate::segment::Geometry;
use crate::segment::guest::Wishes;
use crate::sink::SinkSpec;

/// What a log call does when the ring is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnFull {
    /// The record is dropped and counted; the call returns at once. For control loops, and the default.
    ///
    /// A record longer than about 2 KB takes several *runs* of slots. It is dropped when there is no room for the first.
    /// Between two runs the call looks whether the drainer has made room, in user space, at most 256 times for the
    /// whole record and 64 times more for each run that is in the ring already: about 100 µs, and some 20 µs for every
    /// 2 KB that it has copied. When the looks are used up the record is delivered cut off, and says so. A thread that may run on
    /// one processor only, when it registers, does not look at all: the drainer might need that one. So a
    /// record that is larger than the free part of the ring is whole only if the drainer keeps up with the copy; for
    /// such records take [`Block`](OnFull::Block).
    Drop,
    /// The call sleeps until there is room, at most this long for all runs of its record together; then the record
    /// is dropped and counted, or if it has begun, delivered cut off. So a call takes this time and what it copies, and no more.
    Block(Duration),
}

/// Settings of a parent, from [`ShmLogger::builder`](crate::ShmLogger::builder); [`init_parent`](Builder::init_parent) checks and uses
/// them.
///
/// ```
/// use shmlog::{Level, OnFull, ShmLogger};
/// use std::time::Duration;
///
/// # let folder = std::env::temp_dir().join(format!("shmlog-doc-builder-{}", std::process::id()));
/// let logger = ShmLogger::builder()
///     .level(Level::Info)
///     .console(false)
///     .file(true).file_path(&folder).backup_count(10).max_file_size(100 << 20)
///     .on_full(OnFull::Block(Duration::from_millis(5)))
///     .process_name("arm")
///     .init_parent()?;
/// shmlog::info!("ready");
/// drop(logger);
/// # std::fs::remove_dir_all(folder)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "settings do nothing until init_parent() is called"]
pub struct Builder {
    pub(crate) level: Level,
    /// `None`: unless another sink is on standard output.
    pub(crate) console: Option<bool>,
    pub(crate) file: bool,
    pub(crate) file_path: PathBuf,
    pub(crate) backup_count: u64,
    pub(crate) max_file_size: u64,
    pub(crate) slots: u64,
    pub(crate) slot_size: u64,
    /// By level: the last slots that are for records of that level and above.
    pub(crate) reserved: [Option<u64>; Level::ALL.len()],
    pub(crate) max_producers: u64,
    pub(crate) on_full: OnFull,
    pub(crate) stall_timeout: Duration,
    pub(crate) process_name: Option<String>,
    pub(crate) recover: bool,
    pub(crate) discard: bool,
    pub(crate) queue_bytes: Option<usize>,
    pub(crate) lock_memory: bool,
    pub(crate) huge_pages: bool,
    /// Beside those of `console` and `file`.
    pub(crate) sinks: Vec<SinkSpec>,
    pub(crate) filter: String,
    pub(crate) backtrace: Option<Backtrace>,
    pub(crate) log_crate: bool,
    pub(crate) env: bool,
    pub(crate) external_drainer: bool,
    pub(crate) drainer_cpus: Option<Vec<usize>>,
    pub(crate) drainer_nice: Option<i32>,
}

impl Default for Builder {
    fn default() -> Builder {
        Builder {
            level: Level::Warn,
            console: None,
            file: false,
            file_path: PathBuf::from("logs"),
            backup_count: 10,
            max_file_size: 100 << 20,
            slots: 1 << 16,
            slot_size: 128,
            reserved: [None; Level::ALL.len()],
            max_producers: 256,
            on_full: OnFull::Drop,
            stall_timeout: Duration::from_millis(100),
            process_name: None,
            recover: true,
            discard: false,
            queue_bytes: None,
            lock_memory: false,
            huge_pages: false,
            sinks: Vec::new(),
            filter: String::new(),
            backtrace: None,
            log_crate: true,
            env: true,
            external_drainer: false,
            drainer_cpus: None,
            drainer_nice: None,
        }
    }
}

impl Builder {
    /// The lowest level that is recorded, in all processes of the ring, of targets that [`filter`](Builder::filter) says
    /// nothing of. Default: [`Level::Warn`].
    pub fn level(mut self, level: Level) -> Builder {
        self.level = level;
        self
    }

    /// Which records are recorded, by target, in the words of `env_logger`: `warn,imu=debug,can::bus=off`. A target is
    /// what a statement says by `target:` or `logger:`, else its module's path; a directive is for all targets that begin
    /// with it, and the longest counts. A level alone is for all others; without one that is
    /// [`level`](Builder::level). At most 752 bytes, with the level of all others. [`ShmLogger::set_filter`](crate::ShmLogger::set_filter) changes it while all are running.
    ///
    /// The environment variable `SHMLOG_LEVEL`, or if that is not set `RUST_LOG`, replaces both, unless
    /// [`env`](Builder::env) says no; one that cannot be read, or that can mean nothing
    /// (`wrn`, `2`, `*=debug`), is ignored, and the log says so, with what was probably meant.
    ///
    /// ```
    /// # let folder = std::env::temp_dir().join(format!("shmlog-doc-filter-{}", std::process::id()));
    /// # let builder = shmlog::ShmLogger::builder().console(false).file(true).file_path(&folder).env(false);
    /// let logger = builder.filter("warn,imu=debug").init_parent()?;
    /// shmlog::info!(target: "imu", "recorded");
    /// shmlog::info!(target: "can", "not recorded");
    /// # drop(logger); std::fs::remove_dir_all(folder)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn filter(mut self, directives: impl Into<String>) -> Builder {
        self.filter = directives.into();
        self
    }

    /// Whether variables of the environment are obeyed, before what the builder was told: `SHMLOG_SINKS`, `SHMLOG_LEVEL`, `RUST_LOG`. A program that
    /// has rights that its starter has not obeys none. Default: yes.
    pub fn env(mut self, on: bool) -> Builder {
        self.env = on;
        self
    }

    /// Slots in the ring: a power of two from 16 to 2²⁶. Default: 65,536, which with slots of the default
    /// size takes 8 MiB of shared memory. After a silence the drainer sleeps for up to 10 ms (1 ms if the ring is small), so
    /// what comes in a burst then should find room in the ring: a record takes a slot, or as many as its bytes fill.
    pub fn slots(mut self, slots: u64) -> Builder {
        self.slots = slots;
        self
    }

    /// Bytes in a slot: a power of two from 64 to 4096. A record takes as many slots in a row as it needs;
    /// one of the default size, 128, holds a message of about 100 bytes.
    pub fn slot_size(mut self, bytes: u64) -> Builder {
        self.slot_size = bytes;
        self
    }

    /// Keeps the last `slots` slots of the ring for records of `level` and above, so that a flood of lower ones
    /// does not cost one of these. At most half of the ring. Call it once for each level that shall have a share;
    /// that of a higher level lies within that of a lower one. Default: an eighth of the ring from
    /// [`Level::Warn`] on, a sixteenth from [`Level::Error`] on.
    ///
    /// A record longer than about 2 KB that was let in may go on into the first half of the share of the next higher
    /// level that has one. The other half remains for that level and above, however many such records there are.
    pub fn reserved_slots(mut self, level: Level, slots: u64) -> Builder {
        self.reserved[level as usize] = Some(slots);
        self
    }

    /// How many threads of all processes together can be registered at once, and how many processes: 1 to
    /// 16,384. Records of more are dropped and counted. Default: 256.
    pub fn max_producers(mut self, threads: u64) -> Builder {
        self.max_producers = threads;
        self
    }

    /// What a log call does when the ring is full. Default: [`OnFull::Drop`].
    pub fn on_full(mut self, what: OnFull) -> Builder {
        self.on_full = what;
        self
    }

    /// How long the log waits for a process that was stopped in the middle of writing a record; after that
    /// the others' records go on, and this one is delivered, marked late, when it comes. More than 0.
    /// Default: 100 ms.
    pub fn stall_timeout(mut self, timeout: Duration) -> Builder {
        self.stall_timeout = timeout;
        self
    }

    /// The name of this process in the log, and the program's in file names. Default: the executable's.
    pub fn process_name(mut self, name: impl Into<String>) -> Builder {
        self.process_name = Some(name.into());
        self
    }

    /// Whether [`init_parent`](Builder::init_parent) looks for rings of this user whose processes have all been
    /// killed, drainer included, and saves what they still hold, as [`recover`](crate::recover) does, into the
    /// folder of the program that made them, or if that is gone, into this one's. A line in the new log says so.
    /// What was found wrong is said there too, and is no error. Default: yes.
    pub fn recover(mut self, on: bool) -> Builder {
        self.recover = on;
        self
    }

    /// How many bytes of lines may wait in the drainer's memory for a file that cannot be written (the disk is full,
    /// the folder is gone), and how many for a console that takes nothing: 1 KiB to 4 GiB. What finds no room is
    /// left out, and the log says at that place how many records, and whose; from a file they are lost, and
    /// [counted](crate::Stats::lost). Default: 16 MiB for the file, 4 MiB for the console.
    pub fn queue_bytes(mut self, bytes: usize) -> Builder {
        self.queue_bytes = Some(bytes);
        self
    }

    /// Whether a log without any sink is meant: records are taken from the ring, counted and forgotten, without
    /// a text being made of them. For measuring all the rest. Default: no, and then such a log is refused.
    ///
    /// ```
    /// # use shmlog::{ShmLogger, warn};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let logger = ShmLogger::builder().console(false).discard(true).init_parent()?;
    /// warn!("dropped");
    /// logger.flush(std::time::Duration::from_secs(10))?;
    /// assert_eq!(logger.stats().delivered, 1);
    /// # Ok(())
    /// # }
    /// ```
    pub fn discard(mut self, on: bool) -> Builder {
        self.discard = on;
        self
    }

    /// Whether the ring's memory is locked (`mlock`), in every process that logs into it and in the drainer, so that
    /// the system never takes a page of it away, to swap or otherwise, and no log call waits for one to come back.
    /// With the default sizes 11 MiB; all processes share them, but each needs the right to lock as many
    /// (`RLIMIT_MEMLOCK`, which is 8 MiB on many systems: `ulimit -l`, `LimitMEMLOCK=` in a systemd unit; or
    /// `CAP_IPC_LOCK`). A process that may not is told of in the log, once, by a warning that names the limit; it logs
    /// as it would without. A child made by fork locks with its first record. Default: no.
    pub fn lock_memory(mut self, on: bool) -> Builder {
        self.lock_memory = on;
        self
    }

    /// Whether the ring's memory is put into transparent huge pages (2 MiB on most machines), as far as whole ones fit
    /// into it: large rings then cost the processor fewer look-ups of addresses. From Linux 6.1 on this is done at once,
    /// unless `/sys/kernel/mm/transparent_hugepage/shmem_enabled` says `deny`; on older systems `/dev/shm` must have
    /// been mounted with `huge=`, and it takes a while. When it cannot be done, the log says so by a warning, with what
    /// forbids it. Default: no.
    ///
    /// ```
    /// # let folder = std::env::temp_dir().join(format!("shmlog-doc-pages-{}", std::process::id()));
    /// # let settings = shmlog::ShmLogger::builder().console(false).file(true).file_path(&folder);
    /// let logger = settings.slots(1 << 18).lock_memory(true).huge_pages(true).init_parent()?;
    /// # drop(logger); std::fs::remove_dir_all(folder)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn huge_pages(mut self, on: bool) -> Builder {
        self.huge_pages = on;
        self
    }

    /// Whether the drainer is started by another program, a service of the system for instance: by the tool's command
    /// `shmlog drain NAME`, where the name is this program's ([`process_name`](Builder::process_name)), or by
    /// [`drain`](crate::drain()). [`init_parent`](Builder::init_parent) waits for it, 30 seconds at most, and does not watch over it:
    /// that it is started again when it was killed is the service's business. Default: no.
    ///
    /// ```no_run
    /// let logger = shmlog::ShmLogger::builder().process_name("robot").external_drainer(true).init_parent()?;
    /// # Ok::<(), shmlog::InitError>(())
    /// ```
    pub fn external_drainer(mut self, on: bool) -> Builder {
        self.external_drainer = on;
        self
    }

    /// The processors that the drainer may run on, by the numbers that the system gives them: a core of its own, say, away
    /// from those of the control loops. Default: all that the cgroup's cpuset allows but for isolated ones
    /// (`isolcpus=`), wherever this process may run.
    ///
    /// ```
    /// # let folder = std::env::temp_dir().join(format!("shmlog-doc-cpus-{}", std::process::id()));
    /// # let builder = shmlog::ShmLogger::builder().console(false).file(true).file_path(&folder).env(false);
    /// let logger = builder.drainer_cpus([0]).drainer_nice(5).init_parent()?;
    /// # drop(logger); std::fs::remove_dir_all(folder)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn drainer_cpus(mut self, cpus: impl IntoIterator<Item = usize>) -> Builder {
        self.drainer_cpus = Some(cpus.into_iter().collect());
        self
    }

    /// How nice the drainer is to other processes, from -20 (it goes first) to 19, as `nice` and `setpriority` have it; less
    /// than this process needs rights (`CAP_SYS_NICE`, `RLIMIT_NICE`). Default: as this process, but 0 at least. It is
    /// never of a realtime class, whatever this process is.
    pub fn drainer_nice(mut self, nice: i32) -> Builder {
        self.drainer_nice = Some(nice);
        self
    }

    /// Slots that a record of `level` must leave free: what is reserved for higher ones.
    pub(crate) fn leave(&self, level: Level) -> u64 {
        let share = |higher: &Level| match (self.reserved[*higher as usize], higher) {
            (Some(slots), _) => slots,
            (None, Level::Warn) => self.slots / 8,
            (None, Level::Error) => self.slots / 16,
            (None, _) => 0,
        };
        let higher = Level::ALL.iter().filter(|higher| **higher > level);
        higher.map(share).max().unwrap_or(0)
    }

    pub(crate) fn drainer_wishes(&self) -> Wishes {
        Wishes {
            cpus: self.drainer_cpus.clone().unwrap_or_default(),
            nice: self.drainer_nice,
        }
    }

    pub(crate) fn geometry(&self) -> Geometry {
        Geometry {
            slots: self.slots,
            slot_size: self.slot_size,
            max_producers: self.max_producers,
            site_slots: 4096,
            site_bytes: 512 << 10,
        }
    }
}
