//! Opening the sinks that the config asks for, where a predecessor left them.

use super::config::DrainerConfig;
use super::ledger::Place;
use crate::segment::{Segment, Tag};
use crate::sink::console::ConsoleSink;
use crate::sink::file::{FileConfig, FileSink};
use crate::sink::{FilePlace, Sink};

/// The sinks that the config asks for, where a predecessor left them.
pub(super) fn open_sinks(
    segment: &'static Segment,
    config: &DrainerConfig,
    place: Option<&Place>,
    damaged: bool,
) -> Result<Vec<Box<dyn Sink>>, String> {
    let mut sinks: Vec<Box<dyn Sink>> = Vec::new();
    if config.console {
        let console = ConsoleSink::stdout(config.queue_bytes).map_err(|error| error.to_string())?;
        sinks.push(Box::new(console));
    }
    if let Some(file) = &config.file {
        let queue_bytes = config.queue_bytes.unwrap_or(FileConfig::QUEUE_BYTES);
        let config = FileConfig {
            folder: file.folder.clone(),
            program: file.program.clone(),
            max_file_size: file.max_file_size,
            backup_count: usize::try_from(file.backup_count).unwrap_or(usize::MAX),
            queue_bytes,
        };
        let begun = segment.announced_files();
        let announce = Box::new(|name: &str| segment.announce_file(name));
        // Without a checkpoint: in the first that was begun, which holds nothing yet. After damage it may hold
        // all that was logged: then it stays.
        let first = begun.first().filter(|_| !damaged).map(|name| FilePlace {
            name: name.clone(),
            ..FilePlace::default()
        });
        let opened = match place.map(|place| place.file.clone()).or(first) {
            Some(place) => {
                if !damaged {
                    // Those behind it belong to a batch that did not make it.
                    let known = begun.iter().position(|name| *name == place.name);
                    let known = known.map_or(0, |at| at + 1);
                    FileSink::discard(&config, &begun[known..]);
                    segment.forget_announced_files(known);
                }
                FileSink::resume(config, announce, &place, &|pid| name_of(segment, pid))
            }
            None => FileSink::open(config, announce),
        };
        sinks.push(Box::new(opened.map_err(|error| error.to_string())?));
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
