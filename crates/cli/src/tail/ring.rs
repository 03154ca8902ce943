//! The records of a live ring, by a second reader beside the drainer: nothing in the ring is touched.
//!
//! What the drainer has taken stays in its slots until they are used again, so the last records can be shown before those
//! that come. Who reads too slowly is overtaken by the producers, which a line says.

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use shmlog::Level;
use shmlog::observe::{Follow, Observer, Seen, Start};
use shmlog::sink::Record;

use super::Show;
use super::watch;
use crate::failure::{Failure, tell};
use crate::reading::Piece;
use crate::reading::kept::Kept;
use crate::rings;

/// How often a quiet ring is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// How often it is asked whether any process of it lives.
const ASK_EVERY: Duration = Duration::from_secs(1);
/// How often a ring is looked for that is not there yet: a look at each of the machine's rings.
const WAIT_EVERY: Duration = Duration::from_millis(200);

/// Why a ring is followed no longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The ring has ended.
    OfRing,
    /// The reader has gone, or all was shown that was asked for.
    OfReader,
}

/// Follows a ring, waits for one if there is none yet, and goes on with the next one of the same program when it has ended.
pub fn tail_forever(
    asked: Option<&str>,
    wanted: Option<usize>,
    show: &mut Show,
) -> Result<(), Failure> {
    let (mut asked, mut wanted) = (asked.map(str::to_owned), wanted);
    loop {
        let Some(observer) = wait_for(asked.as_deref())? else {
            return Ok(());
        };
        match tail(&observer, wanted, true, show) {
            Ok(End::OfReader) => return Ok(()),
            Ok(End::OfRing) => {}
            // All its processes were killed: how to save what it holds.
            Err(failure) => tell(failure),
        }
        // A name that was given may mean this ring alone; its program has another next time. Of that one all is new.
        asked = Some(observer.program().to_owned()).filter(|program| !program.is_empty());
        wanted = None;
    }
}

/// Waits until such a ring lives; `None` when the reader has gone.
fn wait_for(asked: Option<&str>) -> Result<Option<Observer>, Failure> {
    let mut is_told = false;
    loop {
        if let Some(observer) = rings::find_live(asked)? {
            return Ok(Some(observer));
        }
        if !is_told {
            tell(match asked {
                Some(asked) => {
                    format!("waiting for a ring {asked:?}, or of a program or process of that name")
                }
                None => "waiting for a ring".to_owned(),
            });
            is_told = true;
        }
        if !watch::pause(WAIT_EVERY) {
            return Ok(None);
        }
    }
}

/// Shows the last `wanted` records that the ring still holds, or all; with `follow` those that come, too.
pub fn tail(
    observer: &Observer,
    wanted: Option<usize>,
    follow: bool,
    show: &mut Show,
) -> Result<End, Failure> {
    give_way();
    let start = match wanted {
        Some(0) => Start::Now,
        _ => Start::Oldest,
    };
    let mut records = observer.follow(start);
    show_last(observer, &mut records, wanted, show);
    rings::refuse_cut_off(observer)?;
    match follow {
        true => go_on(observer, &mut records, show),
        false => Ok(End::OfReader),
    }
}

/// Producers and drainer go first: better overtaken than in the way. Where the system does not let us it does not
/// matter.
fn give_way() {
    let _ = rustix::process::setpriority_process(None, 19);
}

/// What was logged before this moment.
fn show_last(observer: &Observer, records: &mut Follow, wanted: Option<usize>, show: &mut Show) {
    let (begin, end) = (records.sequence(), observer.next_sequence());
    let mut kept = VecDeque::new();
    while records.sequence() < end && show.output.flow().is_continue() {
        let is_any = read(records, &mut |piece, is_ours| match wanted {
            None if is_ours => show.output.push(&piece),
            None => _ = show.take(&piece),
            Some(most) => {
                if is_ours || show.filter.passes(&piece) {
                    kept.push_back(Kept::of(&piece));
                }
                if kept.len() > most {
                    kept.pop_front();
                }
            }
        });
        if !is_any {
            break;
        }
    }
    kept.iter()
        .for_each(|piece| piece.give(&mut |piece| show.output.push(&piece)));
    show.output.flush();
    // What was written over meanwhile may have been among them.
    if begin > 0 && begin < end && wanted.is_none_or(|most| kept.len() < most) {
        tell(format!(
            "the ring holds its last {} sequences; for what came before look into the files: `shmlog tail … FOLDER`",
            end - begin
        ));
    }
}

/// What comes, until the ring has ended or the reader has gone.
fn go_on(observer: &Observer, records: &mut Follow, show: &mut Show) -> Result<End, Failure> {
    let mut asked = Instant::now();
    loop {
        // Asked before: what was logged up to then is read after it.
        let is_over = observer.is_over();
        let mut is_any = false;
        while show.output.flow().is_continue()
            && read(records, &mut |piece, is_ours| match is_ours {
                true => show.output.push(&piece),
                false => _ = show.take(&piece),
            })
        {
            is_any = true;
        }
        if is_any {
            show.output.flush();
        }
        rings::refuse_cut_off(observer)?;
        if show.output.flow() == ControlFlow::Break(()) || !watch::pause(LOOK_EVERY) {
            return Ok(End::OfReader);
        }
        if is_over {
            tell(format!("the ring {} has ended", observer.name()));
            return Ok(End::OfRing);
        }
        if asked.elapsed() > ASK_EVERY {
            asked = Instant::now();
            rings::refuse_dead(observer.name())?;
        }
    }
}

/// Reads what there is, some of it; `take` is told whether a piece is of our own words.
fn read(records: &mut Follow, take: &mut dyn FnMut(Piece<'_>, bool)) -> bool {
    records.read(|seen| match seen {
        Seen::Record(record) => take(Piece::Record(record), false),
        Seen::Overtaken(sequences) => say(
            &format!("overtaken: about {sequences} records were written over before they could be shown; the log has them"),
            take,
        ),
        Seen::Damaged(sequence) => say(&format!("the record {sequence} is damaged"), take),
        _ => {}
    })
}

/// Words of our own among the records; they pass every filter.
fn say(message: &str, take: &mut dyn FnMut(Piece<'_>, bool)) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let time_ns = now.map_or(0, |since| since.as_nanos() as i64);
    let mut record = Record::new(time_ns, Level::Warn, message);
    (record.process, record.pid) = ("shmlog", std::process::id());
    (record.thread, record.tid) = ("tail", std::process::id());
    (record.target, record.target_is_module) = ("shmlog", true);
    take(Piece::Record(&record), true);
}
