//! A drainer that the parent does not start: a service of the system does, by [`drain`](crate::drain()).
//!
//! ```text
//!   parent    makes the ring ─► leaves orders beside it ─► waits until the drainer works ─► goes on without watching over it
//!   service   finds the orders ─► starts a drainer with them, and another should it die ─► until the ring is gone
//! ```
//!
//! The orders are what a parent would tell its own drainer (`config.rs`), in a file beside the segment and of the same
//! rights, not in the segment: no member that scribbles over that can redirect where the log goes. What parent and drainer have
//! to say to each other later stands behind them (`talk.rs`).

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::backoff::{Backoff, SHORTEST};
use super::config::DrainerConfig;
use super::orders::{Circumstances, Orders};
use super::start::StartError;
use super::supervisor::{Line, News, Started, Supervisor, Way, end_of_ring, in_background};
use super::talk::{self, BEGINNING, MOST_BYTES, ORDERS, Talk};
use super::words::Word;
use crate::segment::channel::{Channel, Heard};
use crate::segment::{self, OpenFile, Segment, Watch, private};

/// How long a parent waits for its drainer.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often what happens elsewhere is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Leaves the orders for the drainer from outside, and waits for it.
pub(crate) fn wait_for_drainer(
    segment: &'static Segment,
    config: &DrainerConfig,
) -> Result<Supervisor, StartError> {
    let talk = leave_orders(segment, config).map_err(StartError::Orders)?;
    let line = Arc::new(Line::new(Way::Talk(talk)));
    let begin = Instant::now();
    loop {
        let news = line.news();
        if news.is_running {
            break;
        }
        if let Some(why) = news.failure {
            return Err(StartError::Sink(why));
        }
        if begin.elapsed() > PATIENCE {
            return Err(StartError::Alone(config.program.clone()));
        }
        std::thread::sleep(LOOK_EVERY);
    }
    let watched = Arc::clone(&line);
    let watch = move || {
        while !watched.news().is_done {
            std::thread::sleep(LOOK_EVERY);
        }
        end_of_ring(segment);
        // [over] Release: pairs with the load in `Supervisor::is_over`.
        watched.over.store(true, Ordering::Release);
    };
    in_background(watch).map_err(StartError::Supervisor)?;
    Ok(Supervisor::of_others(line))
}

/// Whole, or not at all: it gets its name when it is written.
fn leave_orders(segment: &Segment, config: &DrainerConfig) -> io::Result<Talk> {
    let (file, draft) = private::make(segment.name(), "draft")?;
    let leave = || {
        let mut file = talk::appending(file)?;
        file.write_all(&[&config.encode(), BEGINNING.as_bytes()].concat())?;
        let talk = Talk::of(file.into(), segment.name())?;
        private::rename(&draft, segment.name(), ORDERS)?;
        Ok(talk)
    };
    leave().inspect_err(|_| _ = fs::remove_file(&draft))
}

/// What the maker of the ring `name` has left for a drainer from outside; `None` if it has one of its own.
pub(crate) fn orders(name: &str) -> io::Result<Option<DrainerConfig>> {
    Ok(read_orders(name)?.map(|(config, _)| config))
}

fn read_orders(name: &str) -> io::Result<Option<(DrainerConfig, File)>> {
    let Some(mut file) = talk::open(name)? else {
        return Ok(None);
    };
    let mut bytes = Vec::new();
    (&mut file).take(MOST_BYTES).read_to_end(&mut bytes)?;
    let beginning = BEGINNING.as_bytes();
    let mut lines = bytes.split_inclusive(|&byte| byte == b'\n');
    let orders: usize = (lines.by_ref())
        .take_while(|line| *line != beginning)
        .map(<[u8]>::len)
        .sum();
    let config = DrainerConfig::decode(&bytes[..orders]);
    match config.filter(|config| config.ring == name) {
        Some(config) => Ok(Some((config, file))),
        None => Err(io::Error::new(io::ErrorKind::InvalidData, "it is damaged")),
    }
}

/// Starts a drainer for these orders, and another whenever it dies, until the ring is gone. Nothing is mapped here: who
/// has a ring mapped may be a member to come, and the drainer would wait for it.
pub(crate) fn serve(config: &DrainerConfig) -> io::Result<()> {
    let ring = &config.ring;
    let Some((_, file)) = read_orders(ring)? else {
        return Ok(());
    };
    let mut talk = Talk::of(file.into(), ring)?;
    // Both stay open: the names may be taken away while the ring lives.
    let segment = OpenFile::of(ring)?;
    let mut maker = Watch::new(config.parent);
    let mut news = News::default();
    let mut backoff = Backoff::new();
    loop {
        let mut is_stopping = false;
        for word in talk.listen() {
            is_stopping |= word == Word::Stop;
            news.take(word);
        }
        let is_there = segment::owner(ring).is_some() || !maker.is_gone();
        if news.is_done || !is_there {
            return Ok(());
        }
        // One is at work that is not ours: of a service before us, or beside us.
        if matches!(segment.lock_for_draining(), Ok(None)) {
            std::thread::sleep(SHORTEST);
            continue;
        }
        let orders = Orders {
            config: config.clone(),
            circumstances: Circumstances {
                is_first: !news.has_run,
                // It hears that again, where it hears the rest.
                is_stopping,
                is_nameless: news.is_nameless,
            },
            segment: segment.to_pass_on().ok(),
            book: segment.book_to_pass_on(),
            talk: Some(talk.to_pass_on()?),
        };
        let (mut drainer, channel) = Started::new(orders)?;
        let lived = drainer.wait();
        std::thread::sleep(backoff.after(lived, has_moved(&channel)));
    }
}

/// Whether a drainer that has ended had delivered anything.
fn has_moved(channel: &Channel) -> bool {
    let mut has_moved = false;
    while let Heard::Message(message, _) = channel.receive() {
        has_moved |= Word::decode(&message) == Some(Word::Moved);
    }
    has_moved
}
