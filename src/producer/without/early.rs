//! Records that wait for a ring: a list that threads put theirs in front of, and that is taken as a whole.
//!
//! No lock: a child made by fork could inherit it locked. What such a child inherits of the list is its parent's, who has
//! it still and delivers it.

use std::ptr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

use super::super::attachment::Attachment;
use super::super::filter::{is_enabled, passes};
use super::super::write::{Content, Outgoing, write};
use super::Caught;
use crate::clock::Clock;
use crate::level::Level;
use crate::record::capture::Put;
use crate::record::{About, CallSite, put_entry};
use crate::words::WORD;

/// How many bytes may wait, of texts and arguments.
const MOST_BYTES: usize = 64 << 10;
/// What a record costs beside them.
const EACH: usize = size_of::<Early>();

/// A record that waits.
pub(super) struct Early {
    pub(super) level: Level,
    pub(super) site: &'static CallSite,
    own_target: Option<Box<str>>,
    /// Arguments and key-values, as `capture.rs` has them.
    pub(super) captured: Vec<u8>,
    time: (Clock, u64),
    pid: u32,
    thread: String,
    next: *mut Early,
}

/// The last one that came, or null.
static LAST: AtomicPtr<Early> = AtomicPtr::new(ptr::null_mut());
/// The bytes of all that wait.
static BYTES: AtomicUsize = AtomicUsize::new(0);

/// Keeps a record, if there is room.
pub(super) fn keep(
    level: Level,
    site: &'static CallSite,
    target: Option<&str>,
    content: &dyn Content,
) -> bool {
    static CLOCK: OnceLock<Clock> = OnceLock::new();
    let clock = *CLOCK.get_or_init(Clock::choose);
    let time = (clock, clock.ticks());
    let mut all = Caught::All(Vec::new());
    content.capture(&mut all);
    let early = Early {
        level,
        site,
        own_target: target.map(Box::from),
        captured: all.bytes().to_vec(),
        time,
        pid: std::process::id(),
        thread: std::thread::current().name().unwrap_or("").to_owned(),
        next: ptr::null_mut(),
    };
    let bytes = early.bytes();
    // Relaxed: the sum is all there is.
    if BYTES.fetch_add(bytes, Ordering::Relaxed) + bytes > MOST_BYTES {
        BYTES.fetch_sub(bytes, Ordering::Relaxed);
        return false;
    }
    early.push();
    true
}

impl Early {
    fn bytes(&self) -> usize {
        EACH + self.captured.len() + self.target().map_or(0, str::len) + self.thread.len()
    }

    pub(super) fn target(&self) -> Option<&str> {
        self.own_target.as_deref()
    }

    #[allow(unsafe_code)]
    fn push(self) {
        let early = Box::into_raw(Box::new(self));
        // Relaxed: what it points to is not looked at here.
        let mut last = LAST.load(Ordering::Relaxed);
        loop {
            // SAFETY: made from a Box just now, and no other thread knows it before the exchange below succeeds.
            unsafe { (*early).next = last };
            // [early] Release: pairs with the swap in `take_all`.
            let put = LAST.compare_exchange_weak(last, early, Ordering::Release, Ordering::Relaxed);
            match put {
                Ok(_) => return,
                Err(now) => last = now,
            }
        }
    }
}

/// Takes all that wait out of the list, and calls `each` with those of this process, the first one first.
#[allow(unsafe_code)]
pub(super) fn take_all(each: impl Fn(&Early)) {
    // Relaxed: there is nearly never one.
    if LAST.load(Ordering::Relaxed).is_null() {
        return;
    }
    // [early] Acquire: pairs with the exchange in `push`.
    let mut next = LAST.swap(ptr::null_mut(), Ordering::Acquire);
    let mut all = Vec::new();
    while !next.is_null() {
        // SAFETY: made by `Box::into_raw` in `push`. The swap took the whole list away from all other threads, and each
        // element is in it once.
        let early = unsafe { Box::from_raw(next) };
        next = early.next;
        BYTES.fetch_sub(early.bytes(), Ordering::Relaxed);
        all.push(early);
    }
    let pid = std::process::id();
    let own = all.iter().rev().filter(|early| early.pid == pid);
    own.for_each(|early| each(early));
}

/// Writes what has waited into the present ring.
pub(in super::super) fn deliver() {
    take_all(|early| {
        let (level, site, target) = (early.level, early.site, early.target());
        if is_enabled(level) && passes(level, site, target) {
            write(level, site, target, early);
        }
    });
}

/// All that is captured is whole words.
fn put_words(captured: &[u8], out: &mut impl Put) {
    let (words, _) = captured.as_chunks::<WORD>();
    let words = words.iter().map(|word| u64::from_ne_bytes(*word));
    words.for_each(|word| out.word(word));
}

impl Content for Early {
    fn write(&self, record: &mut Outgoing<'_>) {
        put_words(&self.captured, record);
        if std::thread::current().name() != Some(&self.thread) {
            put_entry(record, About::Thread, "", &*self.thread);
        }
    }

    fn capture(&self, out: &mut Caught<'_>) {
        put_words(&self.captured, out);
    }

    fn time(&self, attachment: &Attachment) -> Option<u64> {
        let (clock, ticks) = self.time;
        (clock == attachment.clock).then_some(ticks)
    }
}
