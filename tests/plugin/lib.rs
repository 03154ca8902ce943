//! A shared library that logs, for the tests: a plug-in that a program opens, and may close.

// Functions that are found by name.
#![allow(unsafe_code)]

use shmlog::{Level, ShmLogger, info};

/// Attaches to the ring that the environment names, and logs. Returns whether it could.
#[unsafe(no_mangle)]
pub extern "C" fn plugin_attach() -> bool {
    let attached = ShmLogger::attach().is_ok();
    info!("from a plug-in");
    attached
}

/// Makes a ring whose files are in the folder that the environment names, and logs. Says on standard output why not.
/// Returns whether it could.
#[unsafe(no_mangle)]
pub extern "C" fn plugin_make_ring() -> bool {
    let folder = std::env::var_os("PLUGIN_FOLDER").unwrap_or_default();
    let builder = ShmLogger::builder()
        .level(Level::Info)
        .console(false)
        .file(true);
    match builder.file_path(folder).recover(false).init_parent() {
        Ok(_logger) => info!("from a plug-in"),
        Err(error) => {
            println!("{error}");
            return false;
        }
    }
    true
}
