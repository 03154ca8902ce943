//! Opening the sinks that the config asks for, where a predecessor left them.

use std::time::Duration;

use super::config::DrainerConfig;
use super::ledger::Place;
use crate::segment::{Segment, Tag};
use crate::sink::Sink;
use crate::sink::kinds::{self, Opening};

/// The sinks that the config asks for, where a predecessor left them. When one cannot be opened nothing of the others
/// remains, if they are new.
pub(super) fn open_sinks(
    segment: &'static Segment,
    config: &DrainerConfig,
    place: Option<&Place>,
    damaged: bool,
) -> Result<Vec<Box<dyn Sink>>, String> {
    let mut sinks: Vec<Box<dyn Sink>> = Vec::new();
    for spec in &config.sinks {
        let opening = Opening {
            program: &config.program,
            queue_bytes: config.queue_bytes,
            place: place.map(|place| &place.file),
            damaged,
            announced: Some(segment.announced()),
            name_of: &|pid| name_of(segment, pid),
        };
        match kinds::open(spec, &opening) {
            Ok(sink) => sinks.push(sink),
            Err(why) => {
                for mut sink in sinks {
                    // It has nothing to hand over.
                    let _ = sink.finish(Duration::ZERO);
                }
                return Err(why);
            }
        }
    }
    Ok(sinks)
}

/// The name of a process by its id, as long as its entry is there.
pub(super) fn name_of(segment: &Segment, pid: u32) -> Option<String> {
    let mut entries = (0..segment.entries()).map(|index| segment.member(index));
    let member = entries
        .find(|member| member.state().load().tag() != Tag::Free && member.identity().pid == pid)?;
    Some(member.name())
}
