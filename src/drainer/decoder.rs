//! From a record's bytes to a record: its call site, who wrote it, its text and its time.
//!
//! The drainer decodes what it delivers, and observers what they follow.

use super::assemble::Whole;
use crate::clock::{Calibration, Clock};
use crate::record::codec::{Body, Tag, level_of};
use crate::record::format::{CUT_MARK, Rest, Room};
use crate::record::{Record, Site, SiteId, SiteTable, Value, Values};
use crate::segment::{Segment, State};
use crate::sink::{cost, within};

/// Bytes that the buffer for text keeps between records.
const TEXT_KEPT: usize = 64 << 10;
/// Bytes of call sites that are kept.
const SITES_KEPT: usize = 8 << 20;
/// What a record may cost in a sink: text and key-values in the costliest of encodings.
const MOST_COST: usize = 32 << 20;
/// The same of a name: process, thread, target, file.
const MOST_NAME_COST: usize = 1 << 10;
/// And of the spans around a record.
const MOST_SCOPE_COST: usize = 16 << 10;
/// Key-values that are handed on, and bytes in which there are certainly no more.
const MOST_VALUES: usize = 4096;
const FEW_VALUES_BYTES: usize = 16 << 10;
/// What a key-value may cost beside its text: a number that keeps its key apart, the longest float.
const VALUE_COST: usize = 400;

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
        let (rest, is_cut) = text_of(site, body.content, raw.cut, &mut self.text)?;
        let values = Values::of(&site.keys, rest);
        let values = fit(&mut self.text, values, is_cut);
        let itself = values.itself();
        let writer = self.writers[usize::from(tag.producer)].as_ref()?;
        let target = body.target.map(String::from_utf8_lossy);
        let has_number = has_number && itself.is_none();
        let itself = itself.unwrap_or_default();
        let name = |text| within(text, MOST_NAME_COST);
        let record = Record {
            sequence: Some(raw.sequence),
            late: raw.late,
            time_ns: self.calibration.wall_ns(body.time),
            level: level_of(tag),
            process: name(itself.process.as_deref().unwrap_or(&writer.process)),
            pid: itself.pid.unwrap_or(writer.pid),
            thread: name(itself.thread.as_deref().unwrap_or(&writer.thread)),
            // Of another process only the first thread is known, whose number is that of the process.
            tid: itself.pid.unwrap_or(writer.tid),
            target: name(target.as_deref().unwrap_or(&site.target)),
            target_is_module: target.is_none() && !site.has_own_target,
            file: name(&site.file),
            line: site.line,
            origin: has_number.then_some(u64::from(writer.number) << 32 | u64::from(tag.site)),
            scope: within(itself.scope.as_deref().unwrap_or(""), MOST_SCOPE_COST),
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

/// Makes the text of a record in `buffer`, and returns what stands behind its arguments, and whether anything was left
/// out. `None` when these are not whole, unless it was cut off.
fn text_of<'t>(
    site: &Site,
    content: &'t [u8],
    cut: bool,
    buffer: &mut String,
) -> Option<(Rest<'t>, bool)> {
    buffer.clear();
    buffer.shrink_to(TEXT_KEPT);
    let mut room = Room::behind(buffer);
    match site.format.render(content, buffer, &mut room) {
        None if cut => Some((Rest::default(), true)),
        rest => Some((rest?, cut || room.is_cut)),
    }
}

/// Cuts off what would cost too much in a sink, and marks the text if that, or anything before, was left out.
fn fit<'v>(text: &mut String, values: Values<'v>, mut is_cut: bool) -> Values<'v> {
    let most = within(text, MOST_COST).len();
    is_cut |= most < text.len();
    text.truncate(most);
    let (_, _, bytes) = values.parts();
    let mut fitting = values;
    if bytes.len() > FEW_VALUES_BYTES {
        let (mut spent, mut count) = (cost(text), 0);
        let all;
        (fitting, all) = values.as_far_as(|key, value| {
            let value = match value {
                Value::Text(text) => cost(text),
                _ => 0,
            };
            spent += VALUE_COST + cost(key) + value;
            count += 1;
            spent <= MOST_COST && count <= MOST_VALUES
        });
        is_cut |= !all;
    }
    if is_cut {
        text.push_str(CUT_MARK);
    }
    fitting
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
        *bytes += site.bytes();
        if cache.len() <= index {
            cache.resize(index + 1, None);
        }
        cache[index] = Some(site);
    }
    cache[index].as_ref()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::samples::{entry, values};

    #[test]
    fn a_text_that_costs_too_much_is_cut_and_marked_and_any_other_is_left_alone() {
        let (mut plain, mut costly) = ("x".repeat(17 << 20), "\u{1}".repeat(17 << 20));
        fit(&mut plain, Values::default(), false);
        fit(&mut costly, Values::default(), false);
        assert_eq!(plain.len(), 17 << 20);
        let kept = costly.strip_suffix(CUT_MARK).unwrap();
        assert_eq!(kept.len(), MOST_COST / 6);
    }

    #[test]
    fn more_key_values_than_anybody_logs_are_left_out_and_the_text_says_so() {
        let bytes = entry("key", &1_u8).repeat(100_000);
        let mut text = "text".to_owned();
        let fitting = fit(&mut text, values(&bytes), false);
        assert_eq!(
            (fitting.iter().count(), &*text),
            (MOST_VALUES, "text ‹cut off›")
        );

        let large = "\u{1}".repeat(3 << 20);
        let bytes = [entry("a", &*large), entry("b", &*large), entry("c", &2_u8)].concat();
        let mut text = "text".to_owned();
        let fitting = fit(&mut text, values(&bytes), false);
        assert_eq!((fitting.iter().count(), &*text), (1, "text ‹cut off›"));

        let large = "x".repeat(16 << 20);
        let bytes = [entry("a", &*large), entry("b", &2_u8)].concat();
        let mut text = "text".to_owned();
        let fitting = fit(&mut text, values(&bytes), false);
        assert_eq!((fitting.iter().count(), &*text), (2, "text"));
    }
}
