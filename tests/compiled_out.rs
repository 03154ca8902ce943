//! Levels that a cargo feature leaves out: nothing of their statements is evaluated, and nothing of them stands in the
//! program. Without such a feature all of it does, so `cargo test` shows that this test would notice.
//!
//! `.ci/run` has it with `max_level_info`, and with `release_max_level_info` in both kinds of builds.

use std::sync::atomic::{AtomicU32, Ordering};

use shmlog::{Level, ShmLogger, debug, info, log, trace};

/// Whether `debug!` and `trace!` are left out of this build.
const LEFT_OUT: bool = cfg!(feature = "max_level_info")
    || (cfg!(feature = "release_max_level_info") && !cfg!(debug_assertions));

fn is_in_program(text: &[u8]) -> bool {
    let program = std::fs::read(std::env::current_exe().unwrap()).unwrap();
    program.windows(text.len()).any(|bytes| bytes == text)
}

/// So that the text to be looked for is not put into the program by looking for it.
fn backwards(text: &str) -> Vec<u8> {
    text.bytes().rev().collect()
}

#[test]
fn a_level_that_is_left_out_is_neither_evaluated_nor_in_the_program() {
    static EVALUATED: AtomicU32 = AtomicU32::new(0);
    let evaluated = || EVALUATED.fetch_add(1, Ordering::Relaxed);
    let folder = std::env::temp_dir().join(format!("shmlog-compiled-out-{}", std::process::id()));
    let builder = ShmLogger::builder()
        .level(Level::Trace)
        .console(false)
        .env(false);
    let logger = builder.file(true).file_path(&folder).init_parent().unwrap();
    let imu = shmlog::get_logger("imu");
    info!("a statement of information {}", evaluated());
    debug!("a statement for developers {}", evaluated());
    debug!(target: "can", "the same of a target {}", evaluated());
    trace!(logger: imu, "the same of a logger {}", evaluated());
    // Of a level that only the running program knows, the statement must stay.
    let level = std::hint::black_box(Level::Debug);
    log!(level, "a statement of any level {}", evaluated());
    let attempted = logger.stats().attempted;
    drop(logger);
    std::fs::remove_dir_all(folder).unwrap();

    let recorded = if LEFT_OUT { 1 } else { 5 };
    assert_eq!(EVALUATED.load(Ordering::Relaxed), recorded);
    assert_eq!(attempted, u64::from(recorded));
    assert!(is_in_program(&backwards(" noitamrofni fo tnemetats a")));
    assert!(is_in_program(&backwards(" level yna fo tnemetats a")));
    for text in [
        " srepoleved rof tnemetats a",
        " tegrat a fo emas eht",
        " reggol a fo emas eht",
    ] {
        assert_eq!(is_in_program(&backwards(text)), !LEFT_OUT, "{text}");
    }
}
