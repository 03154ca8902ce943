//! Syslog: records as RFC 5424 has them (`line`), as datagrams to a daemon of this machine or over the network
//! (`datagrams`).

mod facility;
mod line;
#[cfg(test)]
mod tests;
mod zone;

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::net::SocketAddrUnix;

pub use self::facility::Facility;
use self::line::Lines;
use super::datagrams::{Address, DatagramSink, TooLarge};
use super::kinds::{Opening, SinkKind};
use super::spec::{Common, common_setters};
use super::{Sink, SinkSpec, SpecError};

const FACILITY: &str = "facility";
const MAX_SIZE: &str = "max_size";
const ENTERPRISE: &str = "enterprise";
const BOM: &str = "bom";

/// Where the daemon of this machine listens.
const USUAL_PLACE: &str = "/dev/log";
/// Begins the place of a daemon to be reached over the network.
const UDP: &str = "udp://";
const PORT: u16 = 514;

/// What a datagram may have: below, the header and what the RFC wants each receiver to take; above, what UDP can carry.
const SIZES: std::ops::RangeInclusive<u64> = 1024..=65_507;
/// What rsyslog takes by itself.
const LOCAL_SIZE: u64 = 8192;
/// What each receiver should take by RFC 5426.
const UDP_SIZE: u64 = 2048;

/// Settings of a sink that sends records to a syslog daemon, by RFC 5424.
///
/// The place is a Unix socket, of datagrams or a stream, by default `/dev/log`, or `udp://host:port` (`udp://[::1]:514`,
/// `udp://loghost`; the port is 514 if none is given). The daemon may come later, or be started anew: what is logged
/// meanwhile waits for it, up to [`queue_bytes`](crate::Builder::queue_bytes). What UDP loses on its way can't be known.
/// As text: `syslog`, `syslog:/dev/log?facility=local0`, `syslog:udp://127.0.0.1:514`.
///
/// Each record has:
///
/// | part | is |
/// |---|---|
/// | severity | `Critical` 2, `Error` 3, `Warn` 4, `Info` 6, `Debug` and `Trace` 7 |
/// | TIMESTAMP | local time with microseconds and the offset from UTC |
/// | APP-NAME, PROCID | the process, 48 printable ASCII characters at most, and its id |
/// | MSGID | the target, 32 printable ASCII characters at most |
/// | `[shmlog@32473 …]` | `seq`, `late`, `level`, `thread`, `tid`, `target`, `file`, `line`, `scope`, as far as there are any |
/// | `[values@32473 …]` | the key-values: names of 32 printable ASCII characters at most, others become `_` |
/// | MSG | a [byte order mark](Syslog::bom), then the text in UTF-8 |
///
/// Line feeds and other control characters are written `\n`, `\x1b`, so a record is one line wherever it ends up. A text that
/// is too long for [`max_size`](Syslog::max_size) ends with ` ‹cut off›`; a parameter `left_out` says how many values found
/// no room. rsyslog puts the time of arrival in place of a local program's own, unless its input says
/// `IgnoreTimestamp="off"`. The journal of systemd understands an older form only, even at `/dev/log`: there use
/// [`Journald`](crate::sink::Journald).
///
/// ```
/// use shmlog::sink::{Facility, Syslog};
///
/// let logger = shmlog::ShmLogger::builder()
///     .sink(Syslog::new("udp://127.0.0.1:514").facility(Facility::Local0).level("warn"))
///     .init_parent()?;
/// # drop(logger);
/// # Ok::<(), shmlog::InitError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "settings do nothing until they are given to Builder::sink()"]
pub struct Syslog {
    place: OsString,
    facility: Facility,
    max_size: Option<u64>,
    enterprise: u32,
    bom: bool,
    common: Common,
}

common_setters!(Syslog);

impl Default for Syslog {
    /// The daemon of this machine.
    fn default() -> Syslog {
        Syslog::new(USUAL_PLACE)
    }
}

impl Syslog {
    /// To the daemon at this place: the path of a socket, or `udp://host:port`.
    pub fn new(place: impl Into<OsString>) -> Syslog {
        Syslog {
            place: place.into(),
            facility: Facility::User,
            max_size: None,
            enterprise: 32_473,
            bom: true,
            common: Common::default(),
        }
    }

    /// What kind of program says it. Default: [`Facility::User`].
    pub fn facility(mut self, facility: Facility) -> Syslog {
        self.facility = facility;
        self
    }

    /// Bytes of a datagram at most, 1024 to 65,507. Default: 8192, which is rsyslog's own limit; 2048 over UDP, which RFC
    /// 5426 wants receivers to take.
    pub fn max_size(mut self, bytes: u64) -> Syslog {
        self.max_size = Some(bytes);
        self
    }

    /// The private enterprise number behind the names of the structured data. Default: 32473, which is for
    /// documentation; who has a number of their own sets it.
    pub fn enterprise(mut self, number: u32) -> Syslog {
        self.enterprise = number;
        self
    }

    /// Whether a byte order mark stands before the text, as the RFC has it. Some receivers take it for a part of the text:
    /// rsyslog writes it into its files. Default: yes.
    pub fn bom(mut self, on: bool) -> Syslog {
        self.bom = on;
        self
    }

    fn address(&self) -> Option<Address> {
        let Some(udp) = self.place.as_bytes().strip_prefix(UDP.as_bytes()) else {
            return socket_path(&self.place).map(Address::Path);
        };
        let udp = std::str::from_utf8(udp).ok()?;
        let is_whole = |text: &str| {
            let (host, port) = text.rsplit_once(':')?;
            let is_bracketed = host.starts_with('[') && host.ends_with(']');
            let is_host =
                !host.is_empty() && (is_bracketed || !host.contains([':', '[', ']', '/']));
            (is_host && port.parse::<u16>().is_ok_and(|port| port > 0)).then_some(())
        };
        let with_port = format!("{udp}:{PORT}");
        let whole = [udp.to_owned(), with_port].into_iter();
        let mut whole = whole.filter(|text| is_whole(text).is_some());
        whole.next().map(Address::Udp)
    }
}

/// A path that a socket may have.
pub(super) fn socket_path(place: &OsStr) -> Option<PathBuf> {
    let path = Path::new(place);
    let fits = path.is_absolute() && SocketAddrUnix::new(path).is_ok();
    fits.then(|| path.to_owned())
}

impl From<Syslog> for SinkSpec {
    fn from(syslog: Syslog) -> SinkSpec {
        let spec = SinkSpec::new(Syslog::NAME).at(syslog.place);
        let mut spec = spec.option(FACILITY, syslog.facility);
        if let Some(bytes) = syslog.max_size {
            spec = spec.option(MAX_SIZE, bytes);
        }
        if !syslog.bom {
            spec = spec.option(BOM, "off");
        }
        let spec = spec.option(ENTERPRISE, syslog.enterprise);
        syslog.common.put(spec)
    }
}

impl SinkKind for Syslog {
    const NAME: &'static str = "syslog";

    fn parse(spec: &SinkSpec) -> Result<Syslog, SpecError> {
        spec.allow(&[FACILITY, MAX_SIZE, ENTERPRISE, BOM])?;
        let usual = Syslog::new(spec.place().unwrap_or(OsStr::new(USUAL_PLACE)));
        if usual.address().is_none() {
            let place = usual.place.to_string_lossy();
            let allowed = "the absolute path of a socket, 107 bytes at most, or udp://host:port";
            return Err(spec.refuse("place", place, allowed));
        }
        let facility = spec.one_of(
            FACILITY,
            &Facility::ALL.map(|known| (known.as_str(), known)),
        )?;
        Ok(Syslog {
            facility: facility.unwrap_or(usual.facility),
            max_size: spec.bytes(MAX_SIZE, SIZES)?,
            enterprise: spec.number(ENTERPRISE, 0..)?.unwrap_or(usual.enterprise),
            bom: spec.switch(BOM)?.unwrap_or(usual.bom),
            common: Common::of(spec),
            ..usual
        })
    }

    fn open(self, opening: &Opening<'_>) -> Result<Box<dyn Sink>, String> {
        let Some(address) = self.address() else {
            return Err(format!("{:?} is no place of a syslog daemon", self.place));
        };
        let usual = match address {
            Address::Path(_) => LOCAL_SIZE,
            Address::Udp(_) => UDP_SIZE,
        };
        let max_size = self.max_size.unwrap_or(usual) as usize;
        let system = rustix::system::uname();
        let hostname = system.nodename().to_string_lossy();
        let mut lines = Lines::new(self.facility as u8, &hostname, self.enterprise, max_size);
        lines.bom = self.bom;
        let sink = DatagramSink::open(
            Syslog::NAME,
            address,
            TooLarge::Shorten,
            lines,
            opening.queue_bytes,
        );
        match sink {
            Ok(sink) => Ok(Box::new(sink)),
            Err(error) => Err(format!(
                "cannot start the thread that sends to syslog: {error}; allow one more thread"
            )),
        }
    }
}
