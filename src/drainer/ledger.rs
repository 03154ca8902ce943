//! The drainer's accounts, and the checkpoint that carries them, with everything else a successor must know,
//! across its death.
//!
//! A checkpoint is written after a batch has reached the file and before its slots are released. It stands in
//! the book (segment/book.rs) twice; the commit word's lowest bit says which of the two is valid, so that one store makes a
//! whole checkpoint true. A successor cuts the file back to the length that the checkpoint knows (what lies
//! beyond belongs to a batch that did not make it), releases what the checkpoint has passed, and goes on: every record is
//! in the file exactly once, and counted once.
//!
//! Why it is so: `docs/design/exactly-once.md`.
//!
//! ```text
//!   words  0 cursor │ 1 late sequence + 1 │ 2 places │ 3 mark of the parts files
//!          4 its serial │ 5 end of the accounts │ 6 sum of all words that count
//!          8‥15 sums │ 16‥33 drops of those who left
//!         48‥ per sink with files: its place, see place.rs
//!        432‥ per registry entry: owner │ delivered │ drops reported │ 1 when settled │ late │ bytes
//! ```

mod place;

pub(super) use self::place::Place;
use crate::failpoint;
use crate::segment::{
    CHECKPOINT_ACCOUNT_WORDS, CHECKPOINT_ACCOUNTS_AT, CHECKPOINT_PLACES_AT, Count, DROP_WORDS,
    DropWords, Drops, Segment, Tag,
};
use crate::sink::{FilePlace, Owed};
use crate::sync::{AtomicU64, Ordering, fence};

const SERIAL: usize = 4;
const USED: usize = 5;
const SUM: usize = 6;
const TOTALS: usize = 8;
const DROPPED_BY_LEFT: std::ops::Range<usize> = 16..16 + DROP_WORDS;

const _: () = assert!(TOTALS + SUMS.len() <= DROPPED_BY_LEFT.start);
const _: () = assert!(DROPPED_BY_LEFT.end <= CHECKPOINT_PLACES_AT);

/// The sums that a drainer keeps; the order is that of [`Count`].
const SUMS: [Count; 8] = [
    Count::Delivered,
    Count::Lost,
    Count::Late,
    Count::Orphaned,
    Count::AttemptedByLeft,
    Count::SinkErrors,
    Count::ReportedUnregistered,
    Count::ToldInTheEnd,
];

/// What the drainer has counted for one registry entry and its present owner.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Account {
    /// The owner: the entry's state without its tag.
    owner: u64,
    /// Records delivered.
    pub(super) delivered: u64,
    /// Drops that the log has told of.
    pub(super) reported: u64,
    /// The owner is gone and its numbers are in the sums.
    settled: bool,
    /// Of the delivered, those that were late.
    late: u64,
    /// Bytes of the delivered.
    bytes: u64,
    /// Ticks of the last of them; 0 if there is none since this drainer began.
    last: u64,
}

/// The accounts.
pub(super) struct Ledger {
    segment: &'static Segment,
    sums: [u64; SUMS.len()],
    dropped_by_left: Drops,
    accounts: Vec<Account>,
    /// Entries that were ever used lie below.
    used: usize,
    /// Of the last checkpoint: the shared word may be damaged.
    serial: u64,
    /// Entries whose accounts are settled and that were not given back yet.
    settled: Vec<usize>,
    /// A number has passed from one sum to another, and was not shown since.
    moved: bool,
    /// Something was counted since the last checkpoint.
    dirty: bool,
    /// A predecessor left word, and none of it is whole.
    pub(super) damaged: bool,
    last: Place,
}

impl Ledger {
    /// Those of a ring that had no drainer yet.
    fn new(segment: &'static Segment) -> Ledger {
        Ledger {
            segment,
            sums: [0; SUMS.len()],
            dropped_by_left: Drops::default(),
            accounts: vec![Account::default(); segment.entries()],
            used: 0,
            serial: 0,
            settled: Vec::new(),
            moved: false,
            dirty: false,
            damaged: false,
            last: Place::default(),
        }
    }

    /// The accounts of a ring whose last drainer, if there was one, is dead, and where that one was.
    pub(super) fn resume(segment: &'static Segment) -> (Ledger, Option<Place>) {
        let mut ledger = Ledger::new(segment);
        // [checkpoint] Acquire: pairs with the store in `commit`.
        let found = segment.checkpoint_serial().load(Ordering::Acquire);
        let Some(serial) = valid_checkpoint(segment, found) else {
            // Only a ring from which nothing was ever released has no checkpoint.
            ledger.damaged = found != 0 || segment.head().load(Ordering::Relaxed) != 0;
            return (ledger, None);
        };
        // If it was damaged. Relaxed: we are the only drainer.
        segment.checkpoint_serial().store(serial, Ordering::Relaxed);
        ledger.load(serial);
        // Slots are released after the checkpoint that says so: a head beyond it means that a later one is lost,
        // and the file may rightly be longer than this one knows.
        let head = segment.head().load(Ordering::Relaxed);
        if found != serial && head.wrapping_sub(ledger.last.cursor) as i64 > 0 {
            ledger.damaged = true;
            for file in &mut ledger.last.files {
                file.bytes = u64::MAX;
                file.owed = Owed::default();
            }
        }
        // They were in its memory. A successor that comes before our first checkpoint says the same again.
        ledger.lose(ledger.last.first().map_or(0, |file| file.owed.waiting));
        let place = ledger.last.clone();
        (ledger, Some(place))
    }

    /// Takes over what stands in a valid checkpoint.
    fn load(&mut self, serial: u64) {
        self.serial = serial;
        let words = self.segment.checkpoint(serial);
        self.last = Place::load(words);
        let counted = words[USED].load(Ordering::Relaxed) as usize;
        for (sum, word) in self.sums.iter_mut().zip(&words[TOTALS..]) {
            *sum = word.load(Ordering::Relaxed);
        }
        self.dropped_by_left = DropWords(&words[DROPPED_BY_LEFT]).load();
        let accounts = words[CHECKPOINT_ACCOUNTS_AT..].chunks_exact(CHECKPOINT_ACCOUNT_WORDS);
        for (index, (account, words)) in self.accounts.iter_mut().zip(accounts).enumerate() {
            if CHECKPOINT_ACCOUNTS_AT + index * CHECKPOINT_ACCOUNT_WORDS >= counted {
                break;
            }
            *account = load_account(words);
            if account.owner != 0 {
                self.used = index + 1;
            }
            let state = self.segment.producer(index).state().load();
            if account.settled && account.owner == state.owner_bits() && state.tag() != Tag::Free {
                self.settled.push(index);
            }
        }
    }

    /// Counts one of the sums up. Wraps: what members say may be anything.
    pub(super) fn add(&mut self, count: Count, n: u64) {
        self.dirty = true;
        for (sum, _) in self
            .sums
            .iter_mut()
            .zip(SUMS)
            .filter(|(_, which)| *which == count)
        {
            *sum = sum.wrapping_add(n);
        }
    }

    /// Where the sinks with files were at the last checkpoint.
    pub(super) fn files(&self) -> &[FilePlace] {
        &self.last.files
    }

    /// Of the records counted as delivered, so many are not in the log after all.
    pub(super) fn lose(&mut self, records: u64) {
        if records > 0 {
            self.add(Count::Delivered, records.wrapping_neg());
            self.add(Count::Lost, records);
            self.moved = true;
        }
    }

    /// One of the sums.
    pub(super) fn sum(&self, count: Count) -> u64 {
        let found = self
            .sums
            .iter()
            .zip(SUMS)
            .find(|(_, which)| *which == count);
        found.map_or(0, |(sum, _)| *sum)
    }

    /// The account of an entry, opened anew if the entry has another owner than it had.
    pub(super) fn account(&mut self, index: usize) -> &mut Account {
        let owner = self.segment.producer(index).state().load().owner_bits();
        let account = &mut self.accounts[index];
        if account.owner != owner {
            *account = Account {
                owner,
                ..Account::default()
            };
        }
        self.used = self.used.max(index + 1);
        self.dirty = true;
        account
    }

    /// Counts a record of the producer `index`: its bytes, and the ticks of its time.
    pub(super) fn count_delivered(&mut self, index: usize, late: bool, bytes: u64, time: u64) {
        let account = self.account(index);
        account.delivered = account.delivered.wrapping_add(1);
        account.bytes = account.bytes.wrapping_add(bytes);
        account.last = time;
        self.add(Count::Delivered, 1);
        if late {
            let account = self.account(index);
            account.late = account.late.wrapping_add(1);
            self.add(Count::Late, 1);
        }
    }

    /// How many of the drops of the entry's present owner the log has told of.
    pub(super) fn reported(&self, index: usize) -> u64 {
        let account = &self.accounts[index];
        let owner = self.segment.producer(index).state().load().owner_bits();
        if account.owner == owner {
            account.reported
        } else {
            0
        }
    }

    /// Closes an account: the numbers of its owner, who will write nothing more, go into the sums.
    pub(super) fn settle(&mut self, index: usize) {
        let producer = self.segment.producer(index);
        self.add(Count::AttemptedByLeft, producer.attempted());
        self.dropped_by_left.add(&producer.drops());
        self.account(index).settled = true;
        self.settled.push(index);
    }

    /// Makes a checkpoint, unless nothing has changed. All that it speaks of must be in the file.
    pub(super) fn commit(&mut self, place: Place) {
        if !self.dirty && place == self.last {
            return;
        }
        let serial = self.segment.checkpoint_serial();
        // Never 0 again.
        let next = self.serial.wrapping_add(1).max(2);
        self.serial = next;
        let words = self.segment.checkpoint(next);
        place.store(words);
        failpoint::hit("checkpoint.half");
        for (word, sum) in words[TOTALS..].iter().zip(self.sums) {
            word.store(sum, Ordering::Relaxed);
        }
        DropWords(&words[DROPPED_BY_LEFT]).store(&self.dropped_by_left);
        let accounts = words[CHECKPOINT_ACCOUNTS_AT..].chunks_exact(CHECKPOINT_ACCOUNT_WORDS);
        for (account, words) in self.accounts[..self.used].iter().zip(accounts) {
            store_account(words, account);
        }
        words[SERIAL].store(next, Ordering::Relaxed);
        let used = CHECKPOINT_ACCOUNTS_AT + self.used * CHECKPOINT_ACCOUNT_WORDS;
        words[USED].store(used as u64, Ordering::Relaxed);
        words[SUM].store(sum_of(words), Ordering::Relaxed);
        // [checkpoint] Release: pairs with the load in `resume`.
        serial.store(next, Ordering::Release);
        self.last = place;
        self.dirty = false;
    }

    /// Shows the numbers to all, and gives back the entries of settled accounts by `clear`: their numbers
    /// pass from the entries to the sums, which is marked for readers as one change.
    pub(super) fn publish(&mut self, clear: impl FnMut(usize)) {
        let changes = self.segment.count(Count::Changes);
        let settled = std::mem::take(&mut self.settled);
        if !settled.is_empty() || std::mem::take(&mut self.moved) {
            // [changes] Odd while it lasts.
            changes.store(changes.load(Ordering::Relaxed) | 1, Ordering::Relaxed);
            fence(Ordering::Release);
        }
        self.show();
        settled.into_iter().for_each(clear);
        let changed = changes.load(Ordering::Relaxed);
        if changed & 1 == 1 {
            // [changes] Release: pairs with the loads in Stats::of. Also after a predecessor that died here.
            changes.store(changed.wrapping_add(1), Ordering::Release);
        }
    }

    fn show(&self) {
        for (count, sum) in SUMS.iter().zip(self.sums) {
            self.segment.count(*count).store(sum, Ordering::Relaxed);
        }
        self.segment.dropped_by_left().store(&self.dropped_by_left);
        for (index, account) in self.accounts[..self.used].iter().enumerate() {
            let producer = self.segment.producer(index);
            if account.owner == producer.state().load().owner_bits() {
                producer
                    .delivered()
                    .store(account.delivered, Ordering::Relaxed);
                producer
                    .reported()
                    .store(account.reported, Ordering::Relaxed);
                producer.late().store(account.late, Ordering::Relaxed);
                producer.bytes().store(account.bytes, Ordering::Relaxed);
                if account.last != 0 {
                    producer.last().store(account.last, Ordering::Relaxed);
                }
            }
        }
    }
}

/// What stands in a checkpoint's [`SUM`] when it is whole, by all its other words that count.
fn sum_of(words: &[AtomicU64]) -> u64 {
    let accounts = (words[USED].load(Ordering::Relaxed) as usize).min(words.len());
    let accounts = words
        .get(CHECKPOINT_ACCOUNTS_AT..accounts)
        .unwrap_or_default();
    let numbers = words[..place::words_used(words)].iter().enumerate();
    let but_sum = numbers.filter(|(at, _)| *at != SUM).map(|(_, word)| word);
    // Each step can be undone, so that any one word that differs makes a different sum.
    let words = but_sum.chain(accounts);
    words.fold(0x9e37_79b9_7f4a_7c15, |sum: u64, word| {
        (sum.rotate_left(5) ^ word.load(Ordering::Relaxed)).wrapping_mul(0x2545_f491_4f6c_dd1d)
    })
}

/// The valid checkpoint. The commit word is believed if what it points at agrees; if it does not, one of the
/// two is damaged, and the latest checkpoint that is whole counts.
fn valid_checkpoint(segment: &Segment, serial: u64) -> Option<u64> {
    let is_whole = |&serial: &u64| {
        let words = segment.checkpoint(serial);
        serial != 0
            && words[SERIAL].load(Ordering::Relaxed) == serial
            && words[USED].load(Ordering::Relaxed) >= CHECKPOINT_ACCOUNTS_AT as u64
            && words[SUM].load(Ordering::Relaxed) == sum_of(words)
    };
    let by_itself = |which: u64| segment.checkpoint(which)[SERIAL].load(Ordering::Relaxed);
    let latest = || {
        let both = [0, 1].map(|which| (which, by_itself(which)));
        let whole = both
            .into_iter()
            .filter(|(which, serial)| serial & 1 == *which && is_whole(serial));
        whole.map(|(_, serial)| serial).max()
    };
    Some(serial).filter(is_whole).or_else(latest)
}

fn load_account(words: &[AtomicU64]) -> Account {
    let word = |at: usize| words[at].load(Ordering::Relaxed);
    Account {
        owner: word(0),
        delivered: word(1),
        reported: word(2),
        settled: word(3) == 1,
        late: word(4),
        bytes: word(5),
        last: 0,
    }
}

fn store_account(words: &[AtomicU64], account: &Account) {
    let settled = u64::from(account.settled);
    let values = [
        account.owner,
        account.delivered,
        account.reported,
        settled,
        account.late,
        account.bytes,
    ];
    for (word, value) in words.iter().zip(values) {
        word.store(value, Ordering::Relaxed);
    }
}
