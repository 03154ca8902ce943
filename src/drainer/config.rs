//! What a drainer is told at its start: over its channel (`orders.rs`), or in a file beside the ring (`external.rs`), not in
//! the segment, so that no member can redirect where the log goes.

use std::time::Duration;

use super::recorder::Backtrace;
use crate::level::Level;
use crate::segment::guest::Wishes;
use crate::segment::{Identity, Making};
use crate::sink::SinkSpec;

/// The variable that makes a program a drainer before its `main`: it names the descriptor of its channel, and is believed for
/// that alone.
pub(crate) const DRAINER_VARIABLE: &str = "SHMLOG_DRAINER";

/// What a drainer is told at its start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DrainerConfig {
    /// Name of the ring.
    pub(crate) ring: String,
    /// Who asked for it.
    pub(crate) parent: Identity,
    /// How the ring was made: the drainer need not believe the segment.
    pub(crate) making: Making,
    /// How long a claimed slot of a live producer is waited for before it is parked.
    pub(crate) stall_timeout: Duration,
    /// The program's name, as it stands in file names.
    pub(crate) program: String,
    /// Bytes of lines that may wait for each sink, if not as many as it has by itself.
    pub(crate) queue_bytes: Option<usize>,
    /// Whether records are kept back.
    pub(crate) backtrace: Option<Backtrace>,
    /// What the ring's processes log by, at first; empty if that is not known.
    pub(crate) filter: String,
    /// What the first drainer is to say at its beginning: of other rings, that were recovered.
    pub(crate) news: Vec<String>,
    /// Where it runs, and how nice it is.
    pub(crate) wishes: Wishes,
    /// Where the records go. Folders are absolute.
    pub(crate) sinks: Vec<SinkSpec>,
}

impl DrainerConfig {
    /// Lines of text.
    pub(crate) fn encode(&self) -> Vec<u8> {
        // Half a millennium at most: what a number of nanoseconds holds.
        let stall_ns = self.stall_timeout.as_nanos().min(u64::MAX.into());
        let numbers = self.making.to_words();
        let numbers: Vec<String> = numbers.iter().map(u64::to_string).collect();
        let mut text = format!(
            "ring={}\nparent={} {} {}\nmaking={}\nstall_ns={}\nprogram={}\nqueue={}\nbacktrace={} {}\nfilter={}\n",
            self.ring,
            self.parent.pid,
            self.parent.start,
            self.parent.image,
            numbers.join(" "),
            stall_ns,
            self.program.replace(['\n', '\0'], "_"),
            // None is no allowed number.
            self.queue_bytes.unwrap_or(0),
            self.backtrace.map_or(0, |backtrace| backtrace.records),
            self.backtrace
                .map_or(Level::Error, |backtrace| backtrace.level),
            self.filter.replace(['\n', '\0'], "_"),
        );
        for news in &self.news {
            text += &format!("news={}\n", news.replace(['\n', '\0'], "_"));
        }
        let Wishes { cpus, nice } = &self.wishes;
        let cpus: Vec<String> = cpus.iter().map(usize::to_string).collect();
        let nice = nice.map(|nice| nice.to_string()).unwrap_or_default();
        text += &format!("cpus={}\nnice={nice}\n", cpus.join(" "));
        for sink in &self.sinks {
            text += &format!("sink={sink}\n");
        }
        text.into_bytes()
    }

    /// `None` when something is missing or is not what [`encode`](Self::encode) writes.
    pub(crate) fn decode(text: &[u8]) -> Option<DrainerConfig> {
        let mut rest = text;
        let ring = line(&mut rest, "ring=")?.to_owned();
        let mut parent = line(&mut rest, "parent=")?.split(' ');
        let parent = Identity {
            pid: parent.next()?.parse().ok()?,
            start: parent.next()?.parse().ok()?,
            image: parent.next()?.parse().ok()?,
        };
        let making = decode_making(line(&mut rest, "making=")?)?;
        let stall_timeout = Duration::from_nanos(line(&mut rest, "stall_ns=")?.parse().ok()?);
        let program = line(&mut rest, "program=")?.to_owned();
        let queue_bytes: usize = line(&mut rest, "queue=")?.parse().ok()?;
        let (records, level) = line(&mut rest, "backtrace=")?.split_once(' ')?;
        let (records, level) = (records.parse().ok()?, level.parse().ok()?);
        let backtrace = (records > 0).then_some(Backtrace { records, level });
        let filter = line(&mut rest, "filter=")?.to_owned();
        let mut news = Vec::new();
        while rest.starts_with(b"news=") {
            news.push(line(&mut rest, "news=")?.to_owned());
        }
        let cpus = line(&mut rest, "cpus=")?.split_terminator(' ');
        let cpus = cpus.map(str::parse).collect::<Result<_, _>>().ok()?;
        let nice = match line(&mut rest, "nice=")? {
            "" => None,
            nice => Some(nice.parse().ok()?),
        };
        let mut sinks = Vec::new();
        while !rest.is_empty() {
            sinks.push(line(&mut rest, "sink=")?.parse().ok()?);
        }
        Some(DrainerConfig {
            ring,
            parent,
            making,
            stall_timeout,
            program,
            queue_bytes: Some(queue_bytes).filter(|bytes| *bytes > 0),
            backtrace,
            filter,
            news,
            wishes: Wishes { cpus, nice },
            sinks,
        })
    }
}

fn decode_making(text: &str) -> Option<Making> {
    let mut numbers = text.split(' ').map(str::parse::<u64>);
    let mut words = [0; Making::WORDS];
    for place in &mut words {
        *place = numbers.next()?.ok()?;
    }
    Some(Making::of_words(&words))
}

/// Takes the next line, which must begin with `key`, and returns what follows it.
fn line<'a>(rest: &mut &'a [u8], key: &str) -> Option<&'a str> {
    let end = rest.iter().position(|&byte| byte == b'\n')?;
    let line = std::str::from_utf8(&rest[..end]).ok()?;
    *rest = &rest[end + 1..];
    line.strip_prefix(key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::ffi::OsString;
    use std::os::unix::ffi::OsStringExt;

    #[test]
    fn the_longest_stall_timeout_is_passed_on_as_the_longest_that_can_be_written() {
        let config = DrainerConfig {
            ring: "shmlog-1-00".into(),
            parent: Identity {
                pid: 1,
                start: 2,
                image: 3,
            },
            making: Making::of_words(&[7; Making::WORDS]),
            stall_timeout: Duration::MAX,
            program: String::new(),
            queue_bytes: None,
            backtrace: None,
            filter: String::new(),
            news: Vec::new(),
            wishes: Wishes::default(),
            sinks: Vec::new(),
        };
        let decoded = DrainerConfig::decode(&config.encode()).unwrap();
        assert_eq!(decoded.stall_timeout, Duration::from_nanos(u64::MAX));
    }

    proptest! {
        #[test]
        fn a_config_comes_back_as_it_went_in(
            pid: u32, start: u64, making: [u64; Making::WORDS], stall_ns in 0u64..1 << 60,
            program in "[^\n\0]{0,12}", filter in "[^\n\0]{0,12}", queue_bytes: usize, has_backtrace: bool, cpus in proptest::collection::vec(0usize..2000, 0..4), nice: Option<i32>, news in proptest::collection::vec("[^\n\0]{0,9}", 0..3),
            places in proptest::collection::vec((proptest::collection::vec(0u8.., 1..20), ".{0,9}"), 0..4),
        ) {
            let sinks = places.into_iter().map(|(place, level)| {
                SinkSpec::new("file").at(OsString::from_vec(place)).level(level)
            });
            let config = DrainerConfig {
                ring: "shmlog-1-00".into(),
                parent: Identity { pid, start, image: start ^ 1 },
                making: Making::of_words(&making),
                stall_timeout: Duration::from_nanos(stall_ns),
                program,
                queue_bytes: Some(queue_bytes).filter(|bytes| *bytes > 0),
                backtrace: has_backtrace.then_some(Backtrace { records: 1 + (start % 999) as usize, level: Level::Warn }),
                filter,
                news,
                wishes: Wishes { cpus, nice },
                sinks: sinks.collect(),
            };
            prop_assert_eq!(DrainerConfig::decode(&config.encode()), Some(config));
        }

        #[test]
        fn anything_else_is_refused_without_a_panic(bytes in proptest::collection::vec(1u8.., 0..80)) {
            let _ = DrainerConfig::decode(&bytes);
        }
    }
}
