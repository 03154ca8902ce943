//! From a record's bytes to a record: its call site, who wrote it, its text and its time.
//!
//! The drainer decodes what it delivers, and observers what they follow.

use super::assemble::Whole;
use crate::clock::{Calibration, Clock};
use crate::record::codec::{Body, Tag, level_of};
use crate::record::format::Rest;
use crate::record::{Record, Site, SiteId, SiteTable, Values};
use crate::segment::{Segment, State};

/// Bytes that the buffer for text keeps between records.
const TEXT_KEPT: usize = 64 << 10;
/// Bytes of call sites that are kept.
const SITES_KEPT: usize = 64 << 20;

/// Who writes under a registry entry, as long as the entry is theirs.
struct Writer {
    /// How many were met before.
    number: u32,
    state: State,
    process: String,
    pid: u32,
    thread: String,
    tid: u32,
}

/// A record's bytes, and what is known of them besides.
#[derive(Clone, Copy)]
pub(crate) struct Raw<'b> {
    pub(crate) sequence: u64,
    pub(crate) tag: Tag,
    pub(crate) bytes: &'b [u8],
    pub(crate) late: bool,
    /// Its end is missing.
    pub(crate) cut: bool,
}

impl<'b> Raw<'b> {
    pub(crate) fn of_whole(whole: &'b Whole, late: bool) -> Raw<'b> {
        Raw {
            sequence: whole.sequence,
            tag: whole.tag,
            bytes: &whole.bytes,
            late,
            cut: whole.cut,
        }
    }
}

/// Knows what records refer to.
pub(crate) struct Decoder {
    segment: &'static Segment,
    pub(super) sites: SiteTable<'static>,
    /// The text of the record at hand.
    text: String,
    site_cache: Vec<Option<Site>>,
    /// Bytes of text in it.
    site_bytes: usize,
    writers: Vec<Option<Writer>>,
    writers_met: u32,
    pub(crate) calibration: Calibration,
}

/// Name and pid of the process that a producer's entry belongs to.
pub(crate) type ProcessOf<'f> = dyn FnMut(State) -> (String, u32) + 'f;

impl Decoder {
    pub(crate) fn new(segment: &'static Segment, clock: Clock) -> Decoder {
        Decoder {
            sites: SiteTable::new(segment.sites(), segment.site_text()),
            text: String::new(),
            site_cache: Vec::new(),
            site_bytes: 0,
            writers: (0..segment.entries()).map(|_| None).collect(),
            writers_met: 0,
            calibration: Calibration::start(clock),
            segment,
        }
    }

    /// Whether there is a producer of this number.
    pub(crate) fn has_producer(&self, tag: Tag) -> bool {
        usize::from(tag.producer) < self.writers.len()
    }

    /// Makes a record and hands it to `take`. `None` when the bytes are none.
    pub(crate) fn decode<T>(
        &mut self,
        raw: &Raw<'_>,
        process_of: &mut ProcessOf<'_>,
        take: impl FnOnce(&Record<'_>) -> T,
    ) -> Option<T> {
        let tag = raw.tag;
        if !self.has_producer(tag) {
            return None;
        }
        let body = Body::parse(tag.flags, raw.bytes)?;
        self.know_writer(tag.producer.into(), process_of);
        let has_number = body.inline.is_none() && body.target.is_none();
        let site = match body.inline {
            Some(_) => body.inline.as_ref(),
            None => {
                if self.site_bytes > SITES_KEPT {
                    (self.site_cache, self.site_bytes) = (Vec::new(), 0);
                }
                let kept = &mut self.site_bytes;
                know_site(&mut self.site_cache, kept, &self.sites, tag.site)
            }
        }?;
        let rest = text_of(site, body.content, raw.cut, &mut self.text)?;
        let values = Values::of(&site.keys, rest);
        let itself = values.itself();
        let writer = self.writers[usize::from(tag.producer)].as_ref()?;
        let target = body.target.map(String::from_utf8_lossy);
        let has_number = has_number && itself.is_none();
        let itself = itself.unwrap_or_default();
        let record = Record {
            sequence: Some(raw.sequence),
            late: raw.late,
            time_ns: self.calibration.wall_ns(body.time),
            level: level_of(tag),
            process: itself.process.as_deref().unwrap_or(&writer.process),
            pid: itself.pid.unwrap_or(writer.pid),
            thread: itself.thread.as_deref().unwrap_or(&writer.thread),
            // Of another process only the first thread is known, whose number is that of the process.
            tid: itself.pid.unwrap_or(writer.tid),
            target: target.as_deref().unwrap_or(&site.target),
            target_is_module: target.is_none() && !site.has_own_target,
            file: &site.file,
            line: site.line,
            origin: has_number.then_some(u64::from(writer.number) << 32 | u64::from(tag.site)),
            scope: itself.scope.as_deref().unwrap_or(""),
            message: &self.text,
            values,
        };
        Some(take(&record))
    }

    fn know_writer(&mut self, producer: usize, process_of: &mut ProcessOf<'_>) {
        let entry = self.segment.producer(producer);
        let state = entry.state().load();
        let known = self.writers[producer].as_ref();
        if known.is_none_or(|known| !known.state.is_same_owner(state)) {
            let (process, pid) = process_of(state);
            let (thread, tid) = (entry.name(), entry.tid());
            self.writers_met = self.writers_met.wrapping_add(1);
            self.writers[producer] = Some(Writer {
                number: self.writers_met,
                state,
                process,
                pid,
                thread,
                tid,
            });
        }
    }

    /// Process and thread behind an entry, for the drainer's own words.
    pub(super) fn who(&mut self, producer: usize, process_of: &mut ProcessOf<'_>) -> String {
        self.know_writer(producer, process_of);
        match &self.writers[producer] {
            Some(writer) => {
                format!(
                    "{}[{}]/{}[{}]",
                    writer.process, writer.pid, writer.thread, writer.tid
                )
            }
            None => "?".to_owned(),
        }
    }
}

/// Makes the text of a record in `buffer`, and returns what stands behind its arguments. `None` when these are not
/// whole, unless it was cut off.
fn text_of<'t>(site: &Site, content: &'t [u8], cut: bool, buffer: &mut String) -> Option<Rest<'t>> {
    buffer.clear();
    buffer.shrink_to(TEXT_KEPT);
    let rest = site.format.render(content, buffer);
    if cut {
        buffer.push_str(" ‹cut off›");
        return Some(rest.unwrap_or_default());
    }
    rest
}

/// The call site of a number, read from the table once and kept.
fn know_site<'c>(
    cache: &'c mut Vec<Option<Site>>,
    bytes: &mut usize,
    table: &SiteTable<'_>,
    id: SiteId,
) -> Option<&'c Site> {
    let index = id as usize;
    if cache.get(index).is_none_or(Option::is_none) {
        let site = table.read(id)?;
        *bytes += site.target.len() + site.file.len();
        if cache.len() <= index {
            cache.resize(index + 1, None);
        }
        cache[index] = Some(site);
    }
    cache[index].as_ref()
}
