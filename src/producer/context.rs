//! Context: key-values that all records of this process carry, or those of one thread while a [`Scope`] lasts.
//!
//! ```text
//!   process: two buffers of words, and a version │ set: into the buffer that is not the present one, then the version
//!   thread:  a copy of the present one │ the words of its scopes    copied anew when the version is another
//!   record:  both, as they are, at its end (entries: see record/values.rs)
//! ```
//!
//! So a record costs one comparison, and a few stores if there is context. A thread that sets it keeps others that set it out
//! by a word with its pid, which means nothing in a child that was forked meanwhile; readers wait for no writer.

use std::cell::Cell;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicU32, fence};

use super::thread::with_this_thread;
use crate::boundary::floor_char_boundary;
use crate::record::capture::Put;
use crate::record::{About, Value, Values, put_value};
use crate::sync::{AtomicU64, Ordering};
use crate::words::WORD;

/// Words of the process's context, and of a thread's scopes.
const MOST: usize = 32;

/// A process's context.
struct Shared {
    /// How often it was set. The present words are those of this number's lowest bit.
    version: AtomicU64,
    /// How many words, and the words.
    buffers: [[AtomicU64; 1 + MOST]; 2],
    /// The process that is setting it, or 0.
    setter: AtomicU32,
}

static SHARED: Shared = Shared {
    version: AtomicU64::new(0),
    buffers: [const { [const { AtomicU64::new(0) }; 1 + MOST] }; 2],
    setter: AtomicU32::new(0),
};

/// Tries at a copy before the next record tries again: each fails only if the context was set twice meanwhile.
const TRIES: usize = 8;

impl Shared {
    /// Copies the present words, and returns how many they are and their version; `None` if it was set all the time.
    fn copy(&self, into: &mut [u64; MOST]) -> Option<(usize, u64)> {
        for _ in 0..TRIES {
            // [context] Acquire: pairs with the store in `set`.
            let version = self.version.load(Ordering::Acquire);
            let (count, words) = self.buffers[(version & 1) as usize].split_first()?;
            let count = (count.load(Ordering::Relaxed) as usize).min(MOST);
            for (word, place) in words.iter().zip(into.iter_mut()).take(count) {
                *place = word.load(Ordering::Relaxed);
            }
            // The words before the version: who finds it unchanged has read nothing of a later one.
            // [context]: pairs with the store of the version.
            fence(Ordering::Acquire);
            if self.version.load(Ordering::Relaxed) == version {
                return Some((count, version));
            }
        }
        None
    }

    /// Changes it by what `change` makes of the present entries.
    fn set(&self, change: impl FnOnce(Values<'_>, &mut Entries)) {
        let pid = std::process::id();
        loop {
            let setter = self.setter.load(Ordering::Relaxed);
            // [setter] Acquire: pairs with the store below. Another pid's was left by a fork.
            let taken = setter != pid
                && self
                    .setter
                    .compare_exchange(setter, pid, Ordering::Acquire, Ordering::Relaxed)
                    .is_ok();
            if taken {
                break;
            }
            std::thread::yield_now();
        }
        let mut present = [0; MOST];
        let (count, version) = self.copy(&mut present).unwrap_or_default();
        let mut entries = Entries::default();
        let bytes = present[..count].iter().flat_map(|word| word.to_ne_bytes());
        let bytes: Vec<u8> = bytes.collect();
        change(Values::of_entries(&bytes), &mut entries);
        let next = version.wrapping_add(1);
        // [context] Release: a thread that still reads the words of the version before last sees that it is over.
        fence(Ordering::Release);
        if let Some((count, words)) = self.buffers[(next & 1) as usize].split_first() {
            count.store(entries.count as u64, Ordering::Relaxed);
            for (place, word) in words.iter().zip(entries.words) {
                place.store(word, Ordering::Relaxed);
            }
        }
        // [context] Release: pairs with the load in `copy`.
        self.version.store(next, Ordering::Release);
        // [setter] Release: pairs with the exchange above.
        self.setter.store(0, Ordering::Release);
    }
}

/// Entries as words, as many as fit.
#[derive(Default)]
struct Entries {
    words: [u64; MOST],
    count: usize,
}

impl Put for Entries {
    fn word(&mut self, word: u64) {
        if let Some(place) = self.words.get_mut(self.count) {
            *place = word;
        }
        self.count += 1;
    }
}

impl Entries {
    /// Adds one. Text is shortened to what finds room; what finds none is left out.
    fn add(&mut self, key: &str, value: &Value<'_>, room: usize) {
        let before = self.count;
        let mut value = match value {
            // No more of it can find room.
            Value::Text(text) if text.len() > MOST * WORD => {
                Value::Text(format!("{}…", cut(text, MOST * WORD)).into())
            }
            value => value.clone(),
        };
        loop {
            put_value(self, About::Value, key, &value);
            if self.count <= room.min(MOST) {
                return;
            }
            self.count = before;
            match &value {
                Value::Text(text) if text.len() > WORD => {
                    let shorter = cut(text, text.len() - WORD).trim_end_matches('…');
                    let shorter = format!("{shorter}…");
                    // One that does not become shorter never fits.
                    if shorter.len() >= text.len() {
                        return;
                    }
                    value = Value::Text(shorter.into());
                }
                _ => return,
            }
        }
    }
}

/// The beginning of a text, of so many bytes at most.
fn cut(text: &str, most: usize) -> &str {
    &text[..floor_char_boundary(text, most)]
}

/// Sets a key-value of this process's context, or takes it away.
pub(crate) fn set(key: &str, value: Option<&Value<'_>>) {
    SHARED.set(|present, entries| {
        for (known, value) in present.iter().filter(|(known, _)| known != key) {
            entries.add(&known, &value, MOST);
        }
        if let Some(value) = value {
            entries.add(key, value, MOST);
        }
    });
}

/// A thread's copy of the process's context, and the context of its own scopes behind it.
pub(super) struct Context {
    version: Cell<u64>,
    /// How many words are of the process, and how many there are.
    shared: Cell<usize>,
    count: Cell<usize>,
    words: [Cell<u64>; 2 * MOST],
    /// Which scope's first word each of the scopes' words is; 0 for none.
    begun: [Cell<u32>; MOST],
    /// The number of the scope that was begun last.
    last: Cell<u32>,
}

impl Context {
    pub(super) const fn none() -> Context {
        Context {
            version: Cell::new(0),
            shared: Cell::new(0),
            count: Cell::new(0),
            words: [const { Cell::new(0) }; 2 * MOST],
            begun: [const { Cell::new(0) }; MOST],
            last: Cell::new(0),
        }
    }

    /// How many words there are now.
    #[inline(always)]
    pub(super) fn count(&self) -> usize {
        // Relaxed: a change is noticed soon; `renew` reads it again.
        if SHARED.version.load(Ordering::Relaxed) != self.version.get() {
            self.renew();
        }
        self.count.get()
    }

    /// Puts the first `count` words. Out of the way of the call that has none.
    #[inline(never)]
    pub(super) fn put(&self, count: usize, out: &mut impl Put) {
        for word in self.words.iter().take(count) {
            out.word(word.get());
        }
    }

    #[cold]
    fn renew(&self) {
        let mut present = [0; MOST];
        let Some((shared, version)) = SHARED.copy(&mut present) else {
            return;
        };
        let own = self.own();
        let own = &own[..self.count.get().saturating_sub(self.shared.get()).min(MOST)];
        let words = present[..shared].iter().chain(own);
        self.words
            .iter()
            .zip(words)
            .for_each(|(place, word)| place.set(*word));
        self.shared.set(shared);
        self.count.set(shared + own.len());
        self.version.set(version);
    }

    /// The words of the scopes, and what lies behind them.
    fn own(&self) -> [u64; MOST] {
        let own = self.words.iter().skip(self.shared.get());
        let mut words = [0; MOST];
        words
            .iter_mut()
            .zip(own)
            .for_each(|(place, word)| *place = word.get());
        words
    }

    /// Begins a scope, and returns how many words of scopes there were, and its number.
    fn begin(&self, key: &str, value: &Value<'_>) -> (usize, u32) {
        let before = self.count().saturating_sub(self.shared.get());
        let shared = self.shared.get();
        let mut entry = Entries::default();
        entry.add(key, value, MOST - before.min(MOST));
        let places = self.words.iter().skip(shared + before);
        let words = &entry.words[..entry.count.min(MOST)];
        places.zip(words).for_each(|(place, word)| place.set(*word));
        self.count.set(shared + before + words.len());
        let number = self.last.get().wrapping_add(1).max(1);
        self.last.set(number);
        let mut begun = self.begun.iter().skip(before).take(words.len());
        begun.by_ref().take(1).for_each(|place| place.set(number));
        begun.for_each(|place| place.set(0));
        (before, number)
    }

    /// Ends a scope and those that were begun after it, if it has not ended with one before it.
    fn end(&self, (before, number): (usize, u32)) {
        let is_there = |place: &Cell<u32>| place.get() == number;
        if self.begun.get(before).is_some_and(is_there) {
            self.begun
                .iter()
                .skip(before)
                .for_each(|place| place.set(0));
            let least = self.shared.get() + before;
            self.count.set(self.count.get().min(least));
        }
    }
}

/// A key-value of this thread's context, until it is dropped; from [`ShmLogger::scope`](crate::ShmLogger::scope). Scopes
/// end in the reverse order of their beginning: with one, those that began after it end too.
#[derive(Debug)]
#[must_use = "a scope ends when it is dropped: keep it in a variable"]
pub struct Scope {
    /// The words of scopes before it, and its number.
    place: (usize, u32),
    /// It belongs to its thread.
    _thread: PhantomData<*const ()>,
}

/// Begins a scope.
pub(crate) fn scope(key: &str, value: &Value<'_>) -> Scope {
    Scope {
        place: with_this_thread(|thread| thread.context.begin(key, value)),
        _thread: PhantomData,
    }
}

impl Drop for Scope {
    fn drop(&mut self) {
        with_this_thread(|thread| thread.context.end(self.place));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn present() -> String {
        let context = Context::none();
        shown(&context)
    }

    fn shown(context: &Context) -> String {
        let mut bytes = Vec::new();
        context.put(context.count(), &mut bytes);
        let pairs = Values::of_entries(&bytes).iter();
        let pairs: Vec<String> = pairs.map(|(key, value)| format!("{key}={value}")).collect();
        pairs.join(" ")
    }

    /// One test: the process's context is one.
    #[test]
    fn what_was_set_is_carried_until_it_is_set_anew_or_taken_away() {
        let context = Context::none();
        assert_eq!(shown(&context), "");
        set("robot", Some(&"g1-07".into()));
        set("arm", Some(&Value::from(2_u8)));
        assert_eq!(shown(&context), "robot=g1-07 arm=2");
        let outer = context.begin("task", &"grasp".into());
        let inner = context.begin("step", &Value::from(-1));
        assert_eq!(shown(&context), "robot=g1-07 arm=2 task=grasp step=-1");
        set("robot", Some(&"g1-08".into()));
        assert_eq!(shown(&context), "arm=2 robot=g1-08 task=grasp step=-1");
        context.end(inner);
        assert_eq!(shown(&context), "arm=2 robot=g1-08 task=grasp");
        set("robot", None);
        context.end(outer);
        assert_eq!(shown(&context), "arm=2");
        set("text", Some(&"é".repeat(200).as_str().into()));
        assert!(shown(&context).ends_with("é…"), "{}", shown(&context));
        set("more", Some(&Value::from(1_u64 << 40)));
        set("text", None);
        assert_eq!(shown(&context), "arm=2", "what found no room is left out");
        let scopes: Vec<_> = (0..20)
            .map(|n| context.begin("n", &Value::from(n)))
            .collect();
        assert!(shown(&context).ends_with("n=9"), "{}", shown(&context));
        scopes
            .into_iter()
            .rev()
            .for_each(|scope| context.end(scope));
        let (first, second) = (
            context.begin("n", &Value::from(1)),
            context.begin("n", &Value::from(2)),
        );
        context.end(first);
        let third = context.begin("third", &"a text of some length".into());
        context.end(second);
        assert!(
            shown(&context).ends_with("third=a text of some length"),
            "{}",
            shown(&context)
        );
        context.end(third);
        set("arm", None);
        assert_eq!(present(), "");
        let long = "é".repeat(1 << 20);
        context.end(context.begin("long", &long.as_str().into()));
        everybody_sees_whole_context();
    }

    fn everybody_sees_whole_context() {
        let is_over = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|threads| {
            threads.spawn(|| {
                for n in 0..20_000_u64 {
                    let text = format!("{n}").repeat(1 + n as usize % 4);
                    set("a", Some(&text.as_str().into()));
                    set("b", Some(&Value::from(n)));
                }
                is_over.store(true, Ordering::Relaxed);
            });
            let context = Context::none();
            while !is_over.load(Ordering::Relaxed) {
                let shown = shown(&context);
                let (mut pairs, mut numbers) = (shown.split(' '), Vec::new());
                for key in ["a=", "b="] {
                    let mut found = pairs.clone().filter_map(|pair| pair.strip_prefix(key));
                    numbers.extend(found.next().map(str::to_owned));
                }
                if let [a, b] = &numbers[..] {
                    let b: u64 = b.parse().unwrap();
                    let whole = [b, b + 1].map(|n| format!("{n}").repeat(1 + n as usize % 4));
                    assert!(whole.contains(a), "{shown}");
                }
                assert!(pairs.by_ref().count() <= 2);
            }
        });
        set("a", None);
        set("b", None);
    }
}
