//! From runs to records, and from records to sinks.

use std::io;
use std::time::Duration;

use super::assemble::{Assembler, Joined, Whole};
use super::ledger::{Ledger, Place};
use super::members::Members;
use super::outlets::{Outlet, Outlets};
use super::parts::Parts;
use super::recorder::{Backtrace, Recorder};
use crate::clock::{Calibration, Clock};
use crate::level::Level;
use crate::record::codec::{Body, MORE, Tag, level_of};
use crate::record::format::Rest;
use crate::record::{Record, Site, SiteId, SiteTable, Values};
use crate::ring::Delivered;
use crate::segment::{Count, Segment, State};

/// How many bytes of a damaged record are shown.
const SHOWN_OF_DAMAGED: usize = 256;

/// How many damaged records are shown between two looks around; more are only counted.
const DAMAGED_SHOWN: u32 = 100;
/// Bytes that the buffer for text keeps between records.
const TEXT_KEPT: usize = 64 << 10;
/// Bytes of messages after which a batch ends: a few bytes of arguments may make a message of megabytes.
const BATCH_BYTES: usize = 4 << 20;
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

/// Everything between the ring's bytes and the sinks.
pub(super) struct Delivery {
    segment: &'static Segment,
    sites: SiteTable<'static>,
    /// The text of the record at hand, if it had to be made of its arguments.
    text: String,
    site_cache: Vec<Option<Site>>,
    /// Bytes of text in it.
    site_bytes: usize,
    writers: Vec<Option<Writer>>,
    writers_met: u32,
    assembler: Assembler,
    parts: Parts,
    pub(super) ledger: Ledger,
    calibration: Calibration,
    outlets: Outlets,
    /// What keeps records back, if any are to be.
    recorder: Option<Recorder>,
    /// Bytes of messages in the present batch.
    batch_bytes: usize,
    /// Damaged records since we looked around: those that were shown, and those that were not.
    damaged_shown: u32,
    damaged_hidden: u64,
}

impl Delivery {
    /// Goes on at `place`, if there was a drainer before this one.
    pub(super) fn new(
        segment: &'static Segment,
        clock: Clock,
        outlets: Vec<Outlet>,
        ledger: Ledger,
        place: Option<&Place>,
    ) -> Delivery {
        let kept = place.map_or(0, |place| place.parts);
        let paths = ["parts0", "parts1"].map(|what| segment.companion(what));
        let (parts, notes) = Parts::resume(paths, kept);
        let mut assembler = Assembler::default();
        assembler.follow(&notes);
        Delivery {
            segment,
            sites: SiteTable::new(segment.sites(), segment.site_text()),
            text: String::new(),
            site_cache: Vec::new(),
            site_bytes: 0,
            batch_bytes: 0,
            recorder: None,
            damaged_shown: 0,
            damaged_hidden: 0,
            writers: (0..segment.entries()).map(|_| None).collect(),
            writers_met: 0,
            assembler,
            parts,
            ledger,
            calibration: Calibration::start(clock),
            outlets: Outlets::new(outlets),
        }
    }

    /// How many damaged records were not shown since the last call.
    pub(super) fn take_hidden(&mut self) -> u64 {
        self.damaged_shown = 0;
        std::mem::take(&mut self.damaged_hidden)
    }

    /// Has records kept back, from the first on.
    pub(super) fn keep_back(&mut self, backtrace: Backtrace, is_successor: bool) {
        let recorder = Recorder::new(backtrace);
        if is_successor {
            self.say(Level::Warn, &recorder.first_words());
        }
        self.recorder = Some(recorder);
    }

    /// Says how many records were kept back for good.
    pub(super) fn say_kept_back(&mut self) {
        if let Some(words) = self.recorder.as_ref().and_then(Recorder::last_words) {
            self.say(Level::Info, &words);
        }
    }

    /// Tells when the ring was made, by its ticks and the monotonic clock: see [`Calibration::believe`].
    pub(super) fn believe_note(&mut self, note: (u64, i64)) {
        self.calibration.believe(note);
    }

    /// To be called every second or so.
    pub(super) fn renew_calibration(&mut self) {
        self.calibration.renew();
    }

    /// Takes one run; hands a record on when it is complete.
    pub(super) fn take(
        &mut self,
        sequence: u64,
        tag: u64,
        bytes: Option<&[u8]>,
        late: bool,
        members: &mut Members,
    ) {
        let tag = Tag::unpack(tag);
        let Some(bytes) = bytes else {
            return self.deliver_damaged(sequence, tag, &[], members);
        };
        let joined = self.assembler.join(sequence, tag, bytes);
        for whole in self.assembler.take_evicted() {
            self.deliver_whole(&whole, true, members);
        }
        match joined {
            Joined::Part => {}
            Joined::Alone => self.deliver(sequence, tag, bytes, late, false, members),
            Joined::Whole(whole) => self.deliver_whole(&whole, late, members),
            // The middle of a record whose beginning is not known any more: shown when its end comes.
            Joined::Stray if tag.has(MORE) => {}
            Joined::Stray => self.deliver_damaged(sequence, tag, bytes, members),
        }
    }

    /// Hands on the unfinished records of a producer that is gone: late, since records of higher sequences
    /// have been handed on before its end was known.
    pub(super) fn abandon(&mut self, producer: usize, members: &mut Members) {
        for whole in self.assembler.abandon(producer as u16) {
            self.deliver_whole(&whole, true, members);
        }
    }

    fn deliver_whole(&mut self, whole: &Whole, late: bool, members: &mut Members) {
        let (sequence, bytes) = (whole.sequence, &whole.bytes);
        self.deliver(sequence, whole.tag, bytes, late, whole.cut, members);
    }

    fn deliver(
        &mut self,
        sequence: u64,
        tag: Tag,
        bytes: &[u8],
        late: bool,
        cut: bool,
        members: &mut Members,
    ) {
        let known = usize::from(tag.producer) < self.writers.len();
        if self.outlets.is_empty() && known {
            return self.ledger.count_delivered(tag.producer.into(), late);
        }
        let Some(body) = Body::parse(tag.flags, bytes).filter(|_| known) else {
            return self.deliver_damaged(sequence, tag, bytes, members);
        };
        self.know_writer(tag.producer.into(), members);
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
        };
        let rest = site.and_then(|site| text_of(site, body.content, cut, &mut self.text));
        let (Some(site), Some(rest)) = (site, rest) else {
            return self.deliver_damaged(sequence, tag, bytes, members);
        };
        let values = Values::of(&site.keys, rest);
        let itself = values.itself();
        let Some(writer) = &self.writers[usize::from(tag.producer)] else {
            return;
        };
        let target = body.target.map(String::from_utf8_lossy);
        let has_number = has_number && itself.is_none();
        let itself = itself.unwrap_or_default();
        let record = Record {
            sequence: Some(sequence),
            late,
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
        let outlets = &mut self.outlets;
        match &mut self.recorder {
            None => outlets.record(&record),
            Some(recorder) => {
                self.batch_bytes += recorder.take(&record, |record| outlets.record(record));
            }
        }
        self.batch_bytes += self.text.len() + rest.bytes.len();
        self.ledger.count_delivered(tag.producer.into(), late);
    }

    /// Bytes that are no record: shown, marked, and counted for whoever claims to have written them.
    fn deliver_damaged(&mut self, sequence: u64, tag: Tag, bytes: &[u8], members: &mut Members) {
        let producer = usize::from(tag.producer);
        let whose = if producer < self.writers.len() {
            self.ledger.count_delivered(producer, false);
            self.who(producer, members)
        } else {
            "an unknown producer".to_owned()
        };
        let shown: String = bytes
            .iter()
            .take(SHOWN_OF_DAMAGED)
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let length = bytes.len();
        if self.damaged_shown >= DAMAGED_SHOWN {
            self.damaged_hidden += 1;
            return;
        }
        self.damaged_shown += 1;
        self.say(
            Level::Error,
            &format!("damaged record {sequence} of {whose}, {length} bytes: {shown}"),
        );
    }

    fn know_writer(&mut self, producer: usize, members: &mut Members) {
        let entry = self.segment.producer(producer);
        let state = entry.state().load();
        let known = self.writers[producer].as_ref();
        if known.is_none_or(|known| !known.state.is_same_owner(state)) {
            let (process, pid) = members.process_of(state);
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
    pub(super) fn who(&mut self, producer: usize, members: &mut Members) -> String {
        self.know_writer(producer, members);
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

    /// The drainer's own words: a record without a sequence.
    pub(super) fn say(&mut self, level: Level, message: &str) {
        let record = Record::of_drainer(self.calibration.now_ns(), level, message);
        self.outlets.say(&record);
    }

    /// Whether the batch should end here.
    pub(super) fn wants_commit(&self) -> bool {
        self.batch_bytes >= BATCH_BYTES || self.outlets.want_commit()
    }

    /// Makes what was handed over a thing of the past: a successor will not do it again.
    pub(super) fn make_checkpoint(&mut self, delivered: Delivered) {
        let parts = self.parts.keep(&mut self.assembler);
        let files = self.outlets.places(self.ledger.files());
        self.ledger.commit(Place {
            cursor: delivered.cursor,
            late: delivered.late,
            parts,
            files,
        });
        self.outlets.forget_announced();
    }

    /// Hands the batch over. What a sink could not do, the others are told.
    pub(super) fn commit(&mut self) {
        self.batch_bytes = 0;
        let outcome = self.outlets.commit();
        self.ledger.lose(outcome.lost);
        for trouble in outcome.troubles {
            self.ledger.add(Count::SinkErrors, 1);
            self.say(Level::Error, &trouble);
        }
        for news in outcome.news {
            self.say(Level::Warn, &news);
        }
    }

    /// Whether everything committed has left this process.
    pub(super) fn is_settled(&self) -> bool {
        self.outlets.are_settled()
    }

    /// Hands over the rest; a sink that does not move is waited for as long as `patience`.
    pub(super) fn finish(&mut self, patience: Duration) -> Vec<io::Error> {
        self.parts.remove();
        let (errors, lost) = self.outlets.finish(patience);
        self.ledger.lose(lost);
        errors
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
