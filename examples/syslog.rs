//! Records of two processes to a syslog daemon: the one of this machine, if there is one, or else this program, which
//! prints what it gets.
//!
//! ```sh
//! cargo run --release --example syslog [-- udp://loghost:514]
//! ```

use std::error::Error;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use shmlog::sink::{Facility, Syslog};
use shmlog::{Level, ShmLogger, error, info, warn};

fn main() -> Result<(), Box<dyn Error>> {
    match std::env::args().nth(1) {
        Some(part) if part == "arm" => arm(),
        Some(place) => parent(&place),
        None if Path::new("/dev/log").exists() => parent("/dev/log"),
        None => receive(),
    }
}

fn parent(place: &str) -> Result<(), Box<dyn Error>> {
    let logger = ShmLogger::builder()
        .level(Level::Info)
        .console(false)
        .sink(Syslog::new(place).facility(Facility::Local0))
        .process_name("robot")
        .init_parent()?;
    info!(joints = 23; "ready");
    Command::new(std::env::current_exe()?).arg("arm").status()?;
    logger.flush(Duration::from_secs(5))?;
    println!(
        "{} records are with the daemon at {place}",
        logger.stats().delivered
    );
    Ok(())
}

fn arm() -> Result<(), Box<dyn Error>> {
    let _logger = ShmLogger::builder().process_name("arm").attach()?;
    warn!(target: "can", bus = 2, state = "bus \"off\""; "no answer\nfor 250 ms");
    error!(joint = 3, torque = 41.5; "limit");
    Ok(())
}

/// Plays the daemon in a temporary folder.
fn receive() -> Result<(), Box<dyn Error>> {
    let place = std::env::temp_dir().join(format!("shmlog-example-{}", std::process::id()));
    let socket = UnixDatagram::bind(&place)?;
    println!(
        "no /dev/log here, so this program listens at {}:\n",
        place.display()
    );
    let reader = std::thread::spawn(move || {
        let mut bytes = [0; 8192];
        while let Ok(count @ 1..) = socket.recv(&mut bytes) {
            println!("{}\n", String::from_utf8_lossy(&bytes[..count]));
        }
    });
    let outcome = parent(&place.to_string_lossy());
    // An empty datagram ends it.
    UnixDatagram::unbound()?.send_to(&[], &place)?;
    reader.join().map_err(|_| "the reader has panicked")?;
    std::fs::remove_file(place)?;
    outcome
}
