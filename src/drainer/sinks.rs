//! Opening the sinks that the config asks for, where a predecessor left them.

use std::time::Duration;

use super::config::DrainerConfig;
use super::ledger::Place;
use super::outlets::{Outlet, Slot};
use crate::segment::{FILE_SINKS, Segment, Tag};
use crate::sink::SpecError;
use crate::sink::kinds::{self, Opening};

/// The sinks that the config asks for, where a predecessor left them. When one cannot be opened nothing of the others
/// remains, if they are new.
pub(super) fn open_sinks(
    segment: &'static Segment,
    config: &DrainerConfig,
    place: Option<&Place>,
    damaged: bool,
) -> Result<Vec<Outlet>, String> {
    let mut outlets: Vec<Outlet> = Vec::new();
    let mut slots = (0..FILE_SINKS).map(|index| Slot {
        index,
        announced: segment.announced(index),
    });
    for spec in &config.sinks {
        let known = |error: SpecError| error.to_string();
        let uses = kinds::check(spec).map_err(known)?;
        let slot = uses.files.and_then(|_| slots.next());
        let opening = Opening {
            program: &config.program,
            queue_bytes: config.queue_bytes,
            place: place.and_then(|place| place.files.get(slot?.index)),
            damaged,
            announced: slot.map(|slot| slot.announced),
            name_of: &|pid| name_of(segment, pid),
        };
        let opened = kinds::open(spec, &opening);
        match opened.and_then(|sink| Ok((sink, kinds::filter_of(spec).map_err(known)?))) {
            Ok((sink, filter)) => outlets.push(Outlet::new(sink, filter, slot)),
            Err(why) => {
                for outlet in &mut outlets {
                    // It has nothing to hand over.
                    let _ = outlet.sink.finish(Duration::ZERO);
                }
                return Err(why);
            }
        }
    }
    Ok(outlets)
}

/// The name of a process by its id, as long as its entry is there.
pub(super) fn name_of(segment: &Segment, pid: u32) -> Option<String> {
    let mut entries = (0..segment.entries()).map(|index| segment.member(index));
    let member = entries
        .find(|member| member.state().load().tag() != Tag::Free && member.identity().pid == pid)?;
    Some(member.name())
}
