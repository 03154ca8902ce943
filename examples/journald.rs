//! Records of two processes to the journal of systemd: that of this machine, if there is one, or else this program, which
//! prints what it gets.
//!
//! ```sh
//! cargo run --release --example journald
//! ```

use std::error::Error;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use shmlog::sink::Journald;
use shmlog::{Level, ShmLogger, error, info, warn};

const JOURNAL: &str = "/run/systemd/journal/socket";

fn main() -> Result<(), Box<dyn Error>> {
    match std::env::args().nth(1) {
        Some(_) => arm(),
        None if Path::new(JOURNAL).exists() => {
            parent(JOURNAL)?;
            println!("journalctl -o verbose -n 3 SYSLOG_IDENTIFIER=robot + SYSLOG_IDENTIFIER=arm");
            Ok(())
        }
        None => receive(),
    }
}

fn parent(socket: &str) -> Result<(), Box<dyn Error>> {
    let logger = ShmLogger::builder()
        .level(Level::Info)
        .console(false)
        .sink(Journald::new(socket))
        .process_name("robot")
        .init_parent()?;
    info!(joints = 23; "ready");
    Command::new(std::env::current_exe()?).arg("arm").status()?;
    logger.flush(Duration::from_secs(5))?;
    println!(
        "{} records are with the journal at {socket}",
        logger.stats().delivered
    );
    Ok(())
}

fn arm() -> Result<(), Box<dyn Error>> {
    let _logger = ShmLogger::builder().process_name("arm").attach()?;
    warn!(target: "can", bus = 2, state = "bus off"; "no answer\nfor 250 ms");
    error!(joint = 3, torque = 41.5; "limit");
    Ok(())
}

/// Plays the journal in a temporary folder.
fn receive() -> Result<(), Box<dyn Error>> {
    let place = std::env::temp_dir().join(format!("shmlog-example-{}", std::process::id()));
    let socket = UnixDatagram::bind(&place)?;
    println!(
        "no journal here, so this program listens at {}:\n",
        place.display()
    );
    let reader = std::thread::spawn(move || {
        let mut bytes = [0; 1 << 16];
        while let Ok(count @ 1..) = socket.recv(&mut bytes) {
            print(&bytes[..count]);
        }
    });
    let outcome = parent(&place.to_string_lossy());
    // An empty datagram ends it.
    UnixDatagram::unbound()?.send_to(&[], &place)?;
    reader.join().map_err(|_| "the reader has panicked")?;
    std::fs::remove_file(place)?;
    outcome
}

/// Prints the fields of an entry: `NAME=value`, or `NAME`, a length of 64 bits, and a value of many lines.
fn print(mut rest: &[u8]) {
    while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
        let line = String::from_utf8_lossy(&rest[..end]).into_owned();
        rest = &rest[end + 1..];
        if line.contains('=') {
            println!("{line}");
        } else if let Some((length, after)) = rest.split_first_chunk() {
            let (value, after) = after.split_at(u64::from_le_bytes(*length) as usize);
            println!("{line}={:?}", String::from_utf8_lossy(value));
            rest = &after[1..];
        }
    }
    println!();
}
