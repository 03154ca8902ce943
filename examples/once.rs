//! Shows that nothing of a program runs in its drainer, though that is the same executable started again:
//! `main` appends a line to a file before it makes a ring, and one line it is that each run of it appends.
//!
//! ```sh
//! ONCE_FILE=/tmp/once.txt cargo run --example once && cat /tmp/once.txt
//! ```

use std::error::Error;
use std::fs::OpenOptions;
use std::io::Write;

use shmlog::{Level, ShmLogger, info};

fn main() -> Result<(), Box<dyn Error>> {
    // From the environment, which a drainer inherits; its only argument is the ring's name.
    let default = std::env::temp_dir().join("shmlog-once.txt");
    let path = std::env::var_os("ONCE_FILE").map_or(default, Into::into);
    let mut file = OpenOptions::new().append(true).create(true).open(&path)?;
    let name = std::env::args().next().unwrap_or_default();
    writeln!(file, "main of {name}, process {}", std::process::id())?;
    if name == "shmlog-drainer" {
        // Were it ever so, each drainer would start a drainer of its own.
        return Err("main has run in a drainer".into());
    }
    let logger = ShmLogger::builder().level(Level::Info).init_parent()?;
    info!("main has written {} once", path.display());
    drop(logger);
    Ok(())
}
