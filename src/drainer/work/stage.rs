//! A ring in private memory with its drainer, to be played turn by turn, and the ways to damage it.

use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::rc::Rc;
use std::time::Duration;

use super::super::delivery::Delivery;
use super::super::ledger::Ledger;
use super::super::outlets::Outlet;
use super::*;
use crate::clock::Clock;
use crate::record::Record;
use crate::record::Statement;
use crate::record::capture::Arguments;
use crate::record::codec::{INLINE, Tag, write_head};
use crate::ring::{Lease, claim};
use crate::segment::{Geometry, Identity, Making, Settings};
use crate::sink::Sink;

pub(in crate::drainer) const GEOMETRY: Geometry = Geometry {
    slots: 64,
    slot_size: 128,
    max_producers: 4,
    site_slots: 8,
    site_bytes: 512,
};

pub(in crate::drainer) const SETTINGS: Settings = Settings::PLAIN;

const STATEMENT: Statement<'_> = Statement {
    target: "stage",
    file: "stage.rs",
    line: 1,
    format: "{}",
    keys: "",
    has_own_target: false,
};

/// Keeps the messages, the drainer's own words apart.
#[derive(Clone, Default)]
pub(super) struct Collected {
    pub(super) records: Rc<RefCell<Vec<String>>>,
    pub(super) words: Rc<RefCell<Vec<String>>>,
}

impl Sink for Collected {
    fn name(&self) -> String {
        "test".to_owned()
    }

    fn record(&mut self, record: &Record<'_>) {
        let into = match record.sequence {
            Some(_) => &self.records,
            None => &self.words,
        };
        into.borrow_mut().push(record.message.to_owned());
    }

    fn commit(&mut self) -> std::io::Result<()> {
        Ok(())
    }

    fn settled(&self) -> bool {
        true
    }

    fn finish(&mut self, _: Duration) -> std::io::Result<()> {
        Ok(())
    }
}

/// A ring in private memory, with this process as its parent and one producer.
pub(super) struct Stage {
    pub(super) segment: &'static Segment,
    pub(super) ring: Ring<'static>,
    pub(super) producer: usize,
    head: Cell<u64>,
    pub(super) seen: Collected,
    pub(super) drainer: Drainer,
}

impl Stage {
    pub(super) fn new() -> Stage {
        static COUNT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("shmlog-stage-{}-{count}", std::process::id());
        let segment = Segment::private(&name, GEOMETRY, SETTINGS);
        Stage::on(Box::leak(Box::new(segment)))
    }

    /// Begins on a segment that no other process uses.
    pub(super) fn on(segment: &'static Segment) -> Stage {
        let member = segment
            .enter_member(Identity::of_this_process(), "stage")
            .unwrap();
        let tid = rustix::thread::gettid().as_raw_pid() as u32;
        let producer = segment.enter_producer(member, tid, "actor").unwrap();
        segment.set_phase(Phase::Running);
        let seen = Collected::default();
        Stage {
            segment,
            ring: Ring::from(segment),
            producer,
            head: Cell::new(0),
            drainer: drainer(segment, &seen),
            seen,
        }
    }

    /// A drainer that comes after the present one, which is dead.
    pub(super) fn restart(&mut self) {
        self.drainer = drainer(self.segment, &self.seen);
        self.drainer.segment.set_phase(self.drainer.phase);
    }

    pub(super) fn lease(&self) -> Lease<'static> {
        let entry = self.segment.producer(self.producer);
        let (begun, begun_nested) = entry.begun_words();
        Lease {
            floor: entry.floor(),
            begun,
            begun_nested,
        }
    }

    /// Logs as the producer would. `false` when the record was refused.
    pub(super) fn log(&self, text: &str, flags: u8) -> bool {
        let mut content = Vec::new();
        (text,).capture_all(&mut content);
        self.log_as(&STATEMENT, &content, flags)
    }

    /// The same for a call site of any kind.
    pub(super) fn log_as(&self, statement: &Statement<'_>, content: &[u8], flags: u8) -> bool {
        let entry = self.segment.producer(self.producer);
        // As producer/write.rs does.
        // [floor] Release: as in Claim::drop.
        entry.floor().store(crate::ring::IDLE, Ordering::Release);
        let mut bytes = Vec::new();
        write_head(1, Some(statement), None, &mut bytes);
        bytes.extend_from_slice(content);
        let tag = Tag {
            site: 0,
            level: 2,
            flags: flags | INLINE,
            producer: self.producer as u16,
        };
        match claim(&self.ring, &self.lease(), &self.head, bytes.len(), 0, true) {
            Ok(claimed) => {
                claimed.publish(tag.pack(), &bytes);
                true
            }
            Err(_) => false,
        }
    }

    /// One round of the drainer's loop.
    pub(super) fn turn(&mut self) -> bool {
        let moved = self.drainer.turn() != Turn::Nothing;
        self.drainer.kept_up -= KEEP_UP_EVERY;
        self.drainer.keep_up(false);
        moved
    }

    /// Turns until nothing moves and all is read. Many more than it takes are a failure.
    pub(super) fn settle(&mut self) {
        for _ in 0..1000 {
            if !self.turn() && self.drainer.reader.has_read_all() {
                return;
            }
        }
        panic!("the drainer does not come to rest");
    }

    #[cfg(test)]
    pub(super) fn records(&self) -> Vec<String> {
        self.seen.records.borrow().clone()
    }

    /// What the drainer has said, with what it would say later.
    #[cfg(test)]
    pub(super) fn words(&mut self) -> String {
        self.drainer.report_damage();
        self.seen.words.borrow().join("\n")
    }

    /// Logs and drains `count` records, and asserts that all of them come, in order.
    #[cfg(test)]
    pub(super) fn assert_works(&mut self, count: usize) {
        let texts: Vec<String> = (0..count).map(|n| format!("works {n}")).collect();
        for text in &texts {
            assert!(self.log(text, 0), "{text} is refused");
            self.settle();
        }
        let mut works = self.records();
        works.retain(|text| text.starts_with("works"));
        assert_eq!(works, texts);
    }

    #[cfg(test)]
    pub(super) fn assert_works_again(&mut self) {
        self.seen.records.borrow_mut().clear();
        self.assert_works(200);
    }

    /// Lets the ring recover: records may be refused as long as words that are damaged are met.
    pub(super) fn recover(&mut self) {
        for n in 0..8 * GEOMETRY.slots {
            self.log("recovering", 0);
            if n % 64 == 0 {
                self.drainer.looked_around -= LOOK_AROUND_EVERY;
            }
            self.settle();
        }
    }
}

impl Drop for Stage {
    /// The ring is in private memory, but notes of incomplete records are files: an orderly end takes them away.
    fn drop(&mut self) {
        self.drainer.delivery.finish(Duration::ZERO);
    }
}

fn drainer(segment: &'static Segment, seen: &Collected) -> Drainer {
    let config = DrainerConfig {
        ring: segment.name().to_owned(),
        parent: Identity::of_this_process(),
        making: Making {
            start: 0,
            namespaces: Default::default(),
            made: (0, 0),
            geometry: GEOMETRY,
            settings: SETTINGS,
        },
        stall_timeout: Duration::from_nanos(1),
        program: String::new(),
        queue_bytes: None,
        backtrace: None,
        filter: String::new(),
        news: Vec::new(),
        wishes: Default::default(),
        sinks: Vec::new(),
    };
    let (ledger, place) = Ledger::resume(segment);
    let outlets = vec![Outlet::of(seen.clone())];
    let delivery = Delivery::new(segment, Clock::Monotonic, outlets, ledger, place.as_ref());
    Drainer::new(segment, config, delivery, place)
}

/// What a broken member may write, and where.
#[derive(Clone, Debug)]
pub(super) enum Damage {
    Word(usize, u64),
    Flip(usize, u32),
    Page(usize, u64),
    Copy(usize, usize),
}

impl Damage {
    /// Does it, and adds the words that were hit.
    pub(super) fn apply(&self, segment: &Segment, hit: &mut HashSet<usize>) {
        let words = segment.all_words();
        let place = |at: usize| at % words.len();
        match *self {
            Damage::Word(at, value) => {
                words[place(at)].store(value, Ordering::Relaxed);
                hit.insert(place(at));
            }
            Damage::Flip(at, bit) => {
                words[place(at)].fetch_xor(1 << bit, Ordering::Relaxed);
                hit.insert(place(at));
            }
            Damage::Page(at, value) => {
                let page = place(at) / 512 * 512;
                words[page..page + 512]
                    .iter()
                    .for_each(|word| word.store(value, Ordering::Relaxed));
                hit.extend(page..page + 512);
            }
            Damage::Copy(from, to) => {
                words[place(to)].store(
                    words[place(from)].load(Ordering::Relaxed),
                    Ordering::Relaxed,
                );
                hit.insert(place(to));
            }
        }
    }
}
