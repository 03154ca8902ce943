//! Opening the sinks that the config asks for, where a predecessor left them.

use std::rc::Rc;
use std::time::Duration;

use super::blame::{Blame, Call, Seat, Verdict};
use super::config::DrainerConfig;
use super::ledger::Place;
use super::outlets::{Outlet, Slot};
use crate::filter::Directives;
use crate::segment::{FILE_SINKS, Origin, Segment, Tag};
use crate::sink::absent::Absent;
use crate::sink::kinds::{self, Opened, Opening};
use crate::sink::without::Without;
use crate::sink::{FilePlace, Sink, SinkSpec, SpecError};

/// A sink that the config asks for, to be opened, now or later.
struct Wanted {
    segment: &'static Segment,
    config: Rc<DrainerConfig>,
    spec: SinkSpec,
    filter: Directives,
    /// If it has files of its own.
    slot: Option<Slot>,
    /// A predecessor left word, and not all of it is whole.
    damaged: bool,
    /// Where its calls are noted, if a drainer may die of it.
    seat: Option<Seat>,
}

impl Wanted {
    /// All of a config.
    fn all(
        segment: &'static Segment,
        config: &DrainerConfig,
        damaged: bool,
        first: bool,
    ) -> Result<Vec<Wanted>, SpecError> {
        let config = Rc::new(config.clone());
        let any_own = config.sinks.iter().any(kinds::is_own);
        let blame = any_own.then(|| Blame::open(segment.name(), first));
        let mut slots = (0..FILE_SINKS).map(|index| Slot {
            index,
            announced: segment.announced(index),
        });
        let each = config.sinks.iter().enumerate().map(|(index, spec)| {
            let blame = blame.filter(|_| kinds::is_own(spec));
            let uses = kinds::check(spec)?;
            Ok(Wanted {
                segment,
                config: Rc::clone(&config),
                spec: spec.clone(),
                filter: kinds::filter_of(spec)?,
                slot: uses.files.and_then(|_| slots.next()),
                damaged,
                seat: blame.and_then(|blame| blame.seat(index)),
            })
        });
        each.collect()
    }

    fn open(&self, place: Option<&FilePlace>) -> Opened {
        let opening = Opening {
            program: &self.config.program,
            queue_bytes: self.config.queue_bytes,
            place,
            damaged: self.damaged,
            announced: self.slot.map(|slot| slot.announced),
            name_of: &|pid| name_of(self.segment, pid),
        };
        if let Some(seat) = self.seat {
            seat.begin(Call::Open, None);
        }
        let opened = kinds::open(&self.spec, &opening);
        if let Some(seat) = self.seat {
            seat.end(Call::Open);
        }
        opened
    }

    /// Why the log is to go on without it, if it is.
    fn is_given_up(&self) -> Option<String> {
        match self.seat?.judge() {
            Verdict::GoOn => None,
            Verdict::Without(why) => Some(why),
        }
    }

    /// Where a predecessor left it, if it has files.
    fn place_in<'p>(&self, place: Option<&'p Place>) -> Option<&'p FilePlace> {
        place?.files.get(self.slot?.index)
    }

    fn with(self, sink: Box<dyn Sink>) -> Outlet {
        Outlet::new(sink, self.filter, self.slot).watched(self.seat)
    }

    /// In place of the sink, which is not to be opened.
    fn without(self, why: &str) -> Outlet {
        let sink = Without::new(self.spec.to_string(), why);
        Outlet::new(Box::new(sink), self.filter, self.slot).in_trouble(why)
    }

    /// In place of the sink, which could not be opened.
    fn absent(self, place: Option<&Place>, why: String) -> Outlet {
        let place = self
            .slot
            .map(|_| self.place_in(place).cloned().unwrap_or_default());
        let (name, filter, slot) = (self.spec.to_string(), self.filter.clone(), self.slot);
        let seat = self.seat;
        let open = Box::new(move |place: Option<&FilePlace>| self.open(place));
        Outlet::new(Box::new(Absent::new(name, place, why, open)), filter, slot).watched(seat)
    }
}

/// Whose files the sinks write, and where the first that has any has them.
pub(super) fn origin_of(config: &DrainerConfig) -> Origin {
    let files_of = |spec| kinds::check(spec).ok()?.files;
    Origin {
        program: config.program.clone(),
        folder: config
            .sinks
            .iter()
            .find_map(files_of)
            .map(|files| files.folder),
    }
}

/// The sinks of a ring's first drainer. When one cannot be opened nothing of the others remains.
pub(super) fn open_sinks(
    segment: &'static Segment,
    config: &DrainerConfig,
) -> Result<Vec<Outlet>, String> {
    let wanted = Wanted::all(segment, config, false, true).map_err(|error| error.to_string())?;
    let mut outlets: Vec<Outlet> = Vec::new();
    for wanted in wanted {
        match wanted.open(None) {
            Ok(sink) => outlets.push(wanted.with(sink)),
            Err(why) => {
                for outlet in &mut outlets {
                    // It has nothing to hand over.
                    let _ = outlet.finish(Duration::ZERO);
                }
                return Err(why);
            }
        }
    }
    Ok(outlets)
}

/// The sinks of a drainer whose predecessor died. One that cannot be had any more is done without until it can, if there
/// is another that will do: where some have files, one of these, since what is in the ring is not to be on a console
/// alone.
pub(super) fn open_sinks_again(
    segment: &'static Segment,
    config: &DrainerConfig,
    place: Option<&Place>,
    damaged: bool,
) -> Result<Vec<Outlet>, String> {
    let wanted = Wanted::all(segment, config, damaged, false).map_err(|error| error.to_string())?;
    let any_files = wanted.iter().any(|wanted| wanted.slot.is_some());
    let (mut outlets, mut first_why) = (Vec::new(), None);
    let mut will_do = wanted.is_empty();
    let (count, mut given_up) = (wanted.len(), Vec::new());
    for wanted in wanted {
        if let Some(why) = wanted.is_given_up() {
            // Nothing would bring it back: the records need not wait for it in the ring.
            will_do |= !any_files;
            given_up.push(format!("{}: {why}", wanted.spec));
            outlets.push(wanted.without(&why));
            continue;
        }
        match wanted.open(wanted.place_in(place)) {
            Ok(sink) => {
                will_do |= wanted.slot.is_some() || !any_files;
                outlets.push(wanted.with(sink));
            }
            Err(why) => {
                first_why.get_or_insert_with(|| why.clone());
                outlets.push(wanted.absent(place, why));
            }
        }
    }
    if count > 0 && given_up.len() == count {
        // There is no log that could say it.
        eprintln!("shmlog: the log goes nowhere: {}", given_up.join("; "));
    }
    match first_why {
        Some(why) if !will_do => Err(why),
        _ => Ok(outlets),
    }
}

/// The name of a process by its id, as long as its entry is there.
pub(super) fn name_of(segment: &Segment, pid: u32) -> Option<String> {
    let mut entries = (0..segment.entries()).map(|index| segment.member(index));
    let member = entries
        .find(|member| member.state().load().tag() != Tag::Free && member.identity().pid == pid)?;
    Some(member.name())
}
