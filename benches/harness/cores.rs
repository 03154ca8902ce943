//! Which core does what: the producer has the last one, whatever takes its records another.

use rustix::thread::{CpuSet, Pid, gettid, sched_getaffinity, sched_setaffinity};

/// The cores that a run uses.
#[derive(Clone, Copy, Debug)]
pub struct Cores {
    /// Where the timed calls are made.
    pub producer: usize,
    /// Where the records are taken.
    pub consumer: usize,
}

impl Cores {
    /// Of those that this process may use, so ask before anything is pinned.
    pub fn find() -> Cores {
        let allowed = sched_getaffinity(None).expect("the cores we may use");
        let mut cores = (0..CpuSet::MAX_CPU).filter(|core| allowed.is_set(*core));
        let consumer = cores.next().expect("a core");
        let producer = cores.next_back().unwrap_or(consumer);
        Cores { producer, consumer }
    }
}

/// Keeps this thread on a core, and what it starts from now on.
pub fn pin_this_thread(core: usize) {
    pin(None, core);
}

/// Keeps all present threads of a process on a core, but for the calling thread.
pub fn pin_others(process: u32, core: usize) {
    let this = gettid();
    let tasks = std::fs::read_dir(format!("/proc/{process}/task")).expect("its threads");
    for task in tasks.flatten() {
        let id = task.file_name().to_string_lossy().parse().ok();
        if let Some(thread) = id.and_then(Pid::from_raw).filter(|thread| *thread != this) {
            pin(Some(thread), core);
        }
    }
}

fn pin(thread: Option<Pid>, core: usize) {
    let mut cores = CpuSet::new();
    cores.set(core);
    match sched_setaffinity(thread, &cores) {
        // It has ended meanwhile.
        Err(rustix::io::Errno::SRCH) => {}
        other => other.expect("pinned"),
    }
}
