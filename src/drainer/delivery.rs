//! From runs to records, and from records to sinks.

use std::io;
use std::time::Duration;

use super::assemble::{Assembler, Joined, Whole};
use super::decoder::{Decoder, Raw};
use super::ledger::{Ledger, Place};
use super::members::Members;
use super::outlets::{Outlet, Outlets};
use super::parts::Parts;
use super::recorder::{Backtrace, Recorder};
use crate::clock::Clock;
use crate::level::Level;
use crate::record::Record;
use crate::record::codec::{MORE, Tag};
use crate::ring::Delivered;
use crate::segment::{Count, Segment};

/// How many bytes of a damaged record are shown.
const SHOWN_OF_DAMAGED: usize = 256;

/// How many damaged records are shown between two looks around; more are only counted.
const DAMAGED_SHOWN: u32 = 100;
/// Bytes of records after which a batch ends. A few bytes in the ring may make kilobytes of text, and the drainer has other
/// duties between batches, and slots to release.
const BATCH_BYTES: usize = 4 << 20;

/// What sinks have to write of a record.
pub(super) fn bytes_of(record: &Record<'_>) -> usize {
    let (_, _, values) = record.values.parts();
    let texts = [
        record.message,
        record.scope,
        record.process,
        record.thread,
        record.target,
        record.file,
    ];
    texts.iter().map(|text| text.len()).sum::<usize>() + values.len()
}

/// Everything between the ring's bytes and the sinks.
pub(super) struct Delivery {
    segment: &'static Segment,
    decoder: Decoder,
    assembler: Assembler,
    parts: Parts,
    pub(super) ledger: Ledger,
    outlets: Outlets,
    /// What keeps records back, if any are to be.
    recorder: Option<Recorder>,
    /// Bytes of records in the present batch, as sinks see them.
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
        let mut assembler = Assembler::default();
        let parts = Parts::resume(segment.name(), kept, &mut assembler);
        Delivery {
            segment,
            decoder: Decoder::new(segment, clock),
            batch_bytes: 0,
            recorder: None,
            damaged_shown: 0,
            damaged_hidden: 0,
            assembler,
            parts,
            ledger,
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

    /// Tells when the ring was made, by its ticks and the monotonic clock: see `Calibration::believe`.
    pub(super) fn believe_note(&mut self, note: (u64, i64)) {
        self.decoder.calibration.believe(note);
    }

    /// To be called every second or so.
    pub(super) fn renew_calibration(&mut self) {
        self.decoder.calibration.renew();
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
            Joined::Alone => {
                let raw = Raw {
                    sequence,
                    tag,
                    bytes,
                    late,
                    cut: false,
                };
                self.deliver(&raw, members);
            }
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
        self.deliver(&Raw::of_whole(whole, late), members);
    }

    fn deliver(&mut self, raw: &Raw<'_>, members: &mut Members) {
        let known = self.decoder.has_producer(raw.tag);
        if known {
            self.count(raw);
        }
        if self.outlets.is_empty() && known {
            return;
        }
        let (outlets, recorder) = (&mut self.outlets, &mut self.recorder);
        let process_of = &mut |state| members.process_of(state);
        let taken = self.decoder.decode(raw, process_of, |record| {
            let kept = match recorder {
                None => {
                    outlets.record(record);
                    0
                }
                Some(recorder) => recorder.take(record, |record| outlets.record(record)),
            };
            kept + bytes_of(record)
        });
        match taken {
            Some(bytes) => self.batch_bytes += bytes,
            None => self.show_damaged(raw.sequence, raw.tag, raw.bytes, members),
        }
    }

    /// Counts a record for its producer and for its call site.
    fn count(&mut self, raw: &Raw<'_>) {
        // A record's time stands first.
        let time = raw.bytes.first_chunk();
        let time = time.map_or(0, |time| u64::from_ne_bytes(*time));
        let (tag, bytes) = (raw.tag, raw.bytes.len() as u64);
        self.ledger
            .count_delivered(tag.producer.into(), raw.late, bytes, time);
        self.decoder.sites.count(tag.site, tag.level, bytes);
    }

    /// The same of what is no record, for the producer that it names.
    fn deliver_damaged(&mut self, sequence: u64, tag: Tag, bytes: &[u8], members: &mut Members) {
        if self.decoder.has_producer(tag) {
            self.ledger
                .count_delivered(tag.producer.into(), false, 0, 0);
        }
        self.show_damaged(sequence, tag, bytes, members);
    }

    /// Bytes that are no record: shown, and marked.
    fn show_damaged(&mut self, sequence: u64, tag: Tag, bytes: &[u8], members: &mut Members) {
        let whose = match self.decoder.has_producer(tag) {
            true => self.who(tag.producer.into(), members),
            false => "an unknown producer".to_owned(),
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

    /// Process and thread behind an entry, for the drainer's own words.
    pub(super) fn who(&mut self, producer: usize, members: &mut Members) -> String {
        self.decoder
            .who(producer, &mut |state| members.process_of(state))
    }

    /// The drainer's own words: a record without a sequence.
    pub(super) fn say(&mut self, level: Level, message: &str) {
        let record = Record::of_drainer(self.decoder.calibration.now_ns(), level, message);
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

    /// Shows observers how the sinks are; their names and errors too, if `texts`.
    pub(super) fn show_outlets(&mut self, texts: bool) {
        self.outlets.show(self.segment, texts);
    }

    /// Whether everything committed has left this process.
    pub(super) fn is_settled(&self) -> bool {
        self.outlets.are_settled()
    }

    /// Has sinks without files hand over the rest, and says to those with files what went wrong: the thread that writes to a
    /// console may find only now that nobody reads it. Returns what went wrong, and whether another batch is to be handed over.
    pub(super) fn finish_streams(&mut self, patience: Duration) -> (Vec<io::Error>, bool) {
        if !self.outlets.have_files() {
            return (Vec::new(), false);
        }
        let (errors, lost) = self.outlets.finish_streams(patience);
        self.ledger.lose(lost);
        for (name, error) in &errors {
            self.ledger.add(Count::SinkErrors, 1);
            self.say(Level::Error, &format!("{name}: {error}"));
        }
        let is_news = !errors.is_empty() || lost > 0;
        (
            errors.into_iter().map(|(_, error)| error).collect(),
            is_news,
        )
    }

    /// Hands over the rest; a sink that does not move is waited for as long as `patience`.
    pub(super) fn finish(&mut self, patience: Duration) -> Vec<io::Error> {
        self.parts.remove();
        let (errors, lost) = self.outlets.finish(patience);
        self.ledger.lose(lost);
        errors.into_iter().map(|(_, error)| error).collect()
    }
}
