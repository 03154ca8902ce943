//! A sink of one's own: every record leaves as a UDP datagram. Two processes log; the parent, which listens, prints what
//! arrives.
//!
//! ```sh
//! cargo run --example own_sink
//! ```
//!
//! It is chosen like shmlog's own sinks: `SHMLOG_SINKS='console;udp:127.0.0.1:9999?level=warn'` works as well.

use std::error::Error;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::process::Command;
use std::time::Duration;

use shmlog::sink::{Record, Sink, SinkSpec};
use shmlog::{Level, ShmLogger, info, warn};

/// Sends records as datagrams, one each.
struct Udp {
    to: SocketAddr,
    socket: UdpSocket,
    lost: u64,
    /// What the system said first, until it is told.
    refused: Option<io::Error>,
}

impl Sink for Udp {
    fn name(&self) -> String {
        format!("udp {}", self.to)
    }

    fn record(&mut self, record: &Record<'_>) {
        // What others wrote may hold anything: here quotes and escapes keep it on its line.
        let line = format!(
            "{} {}[{}] {:?}",
            record.level, record.process, record.pid, record.message
        );
        if let Err(error) = self.socket.send_to(line.as_bytes(), self.to) {
            // A record of the log's own, about a sink in trouble, has no sequence and is no loss.
            self.lost += u64::from(record.sequence.is_some());
            self.refused.get_or_insert(error);
        }
    }

    fn commit(&mut self) -> io::Result<()> {
        self.refused.take().map_or(Ok(()), Err)
    }

    fn take_lost(&mut self) -> u64 {
        std::mem::take(&mut self.lost)
    }
}

/// Called in the drainer, with what stands behind `udp:` as the place.
fn open_udp(spec: &SinkSpec) -> Result<Box<dyn Sink>, Box<dyn Error>> {
    spec.allow(&[])?;
    let place = spec.place().unwrap_or_default().to_string_lossy();
    let refuse = |_| {
        spec.refuse(
            "place",
            &*place,
            "an address and a port, like 127.0.0.1:9999",
        )
    };
    let to = place.parse().map_err(refuse)?;
    let socket = UdpSocket::bind("0.0.0.0:0")?;
    // The drainer must never wait: a datagram that finds no room is lost, and counted.
    socket.set_nonblocking(true)?;
    Ok(Box::new(Udp {
        to,
        socket,
        lost: 0,
        refused: None,
    }))
}

shmlog::register_sink!("udp", open_udp);

fn main() -> Result<(), Box<dyn Error>> {
    if std::env::args().nth(1).as_deref() == Some("child") {
        let _logger = ShmLogger::builder().process_name("child").attach()?;
        warn!("a child logs,\nand its drainer is its parent's");
        return Ok(());
    }
    let listener = UdpSocket::bind("127.0.0.1:0")?;
    listener.set_read_timeout(Some(Duration::from_secs(10)))?;
    let udp = SinkSpec::new("udp").at(listener.local_addr()?.to_string());
    let logger = ShmLogger::builder()
        .level(Level::Info)
        .console(false)
        .env(false)
        .recover(false)
        .sink(udp)
        .process_name("parent")
        .init_parent()?;
    info!("the first record");
    let child = Command::new(std::env::current_exe()?)
        .arg("child")
        .status()?;
    info!("the child has ended: {child}");
    drop(logger);
    for _ in 0..3 {
        let mut datagram = [0; 2048];
        let bytes = listener.recv(&mut datagram)?;
        println!("{}", String::from_utf8_lossy(&datagram[..bytes]));
    }
    Ok(())
}
