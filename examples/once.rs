//! Shows that nothing of a program runs in its drainer, though that is the same executable started again:
//! `main` appends a line to a file before it makes a ring, and the file has one line at the end.
//!
//! ```sh
//! cargo run --example once -- /tmp/once.txt
//! ```

use std::error::Error;
use std::fs::OpenOptions;
use std::io::Write;

use shmlog::{Level, ShmLogger, info};

fn main() -> Result<(), Box<dyn Error>> {
    let default = std::env::temp_dir().join("shmlog-once.txt");
    let path = std::env::args_os().nth(1).map_or(default, Into::into);
    let mut file = OpenOptions::new().append(true).create(true).open(&path)?;
    writeln!(file, "main of process {}", std::process::id())?;
    // Were it otherwise, each drainer would start a drainer of its own.
    if std::fs::read_to_string(&path)?.lines().count() > 3 {
        return Err("main has run in drainers".into());
    }
    let logger = ShmLogger::builder().level(Level::Info).init_parent()?;
    info!("main has written {} once", path.display());
    drop(logger);
    Ok(())
}
