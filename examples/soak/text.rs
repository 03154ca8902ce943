//! Chance, and what each record says: both follow from numbers, so that whoever checks a record can make it again.

use std::borrow::Cow;
use std::sync::OnceLock;

use shmlog::Level;

/// Numbers without a pattern; the same ones for the same seed.
#[derive(Clone)]
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Dice {
        // Seeds that lie near each other must not begin alike (splitmix64).
        let mut mixed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        Dice((mixed ^ (mixed >> 31)).max(1))
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub fn below(&mut self, end: u64) -> u64 {
        // The low bits of a xorshift are its worst.
        (self.next() >> 11) % end
    }

    /// Whether something happens that happens once in `n` times.
    pub fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    pub fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len() as u64) as usize]
    }
}

/// A thread that writes records: process id and thread id, which no two have while a round lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Author {
    pub pid: u32,
    pub tid: u32,
}

impl Author {
    fn mixed(self) -> u64 {
        (u64::from(self.pid) << 32 | u64::from(self.tid)).wrapping_mul(0xd6e8_feb8_6659_fd93)
    }
}

/// How a record is logged, and so where its number stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `NUMBER TEXT`, under the module's path.
    Plain,
    /// `NUMBER TEXT`, under the name of a logger.
    Named,
    /// The text alone, which may be one byte or none; the number is the target: `n17`.
    Bare,
}

/// The target of records of [`Form::Named`].
pub const LOGGER: &str = "soak/logger";

/// What a record is to be.
pub struct Content {
    pub form: Form,
    pub level: Level,
    pub text: Cow<'static, str>,
}

/// The content of the record `number` of an author.
pub fn content(seed: u64, author: Author, number: u64) -> Content {
    let mut dice = dice_of(seed, author, number);
    let level = dice.pick(&Level::ALL);
    let form = dice.pick(&[Form::Plain, Form::Plain, Form::Named, Form::Bare]);
    let length = match dice.below(20_000) {
        0 => 1 << 20,
        1..=20 => dice.below(100_000),
        21..=1_000 => dice.below(8_000),
        1_001..=4_000 => dice.below(1_000),
        4_001..=8_000 => dice.below(2),
        _ => dice.below(150),
    };
    let text = if length < 20_000 && dice.one_in(8) {
        Cow::Owned(odd_letters(&mut dice, length as usize))
    } else {
        let pool = POOL.get_or_init(|| plain_letters(seed));
        let begin = dice.below((pool.len() - length as usize) as u64) as usize;
        Cow::Borrowed(&pool[begin..begin + length as usize])
    };
    Content { form, level, text }
}

/// The level of its [`content`].
pub fn level(seed: u64, author: Author, number: u64) -> Level {
    dice_of(seed, author, number).pick(&Level::ALL)
}

fn dice_of(seed: u64, author: Author, number: u64) -> Dice {
    Dice::new(seed ^ author.mixed() ^ number.wrapping_mul(0xa076_1d64_78bd_642f))
}

/// One byte each, so that six bits pick one.
const PLAIN: &[u8; 64] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 -";
/// What a file shows otherwise than it was logged, and what may be torn between two runs.
const ODD: [&str; 16] = [
    "\n",
    "\t",
    "é",
    "漢",
    "🔌",
    "\n\n",
    " - ",
    "#1",
    "2026-11-22 ",
    "‹",
    "0\n1",
    "x",
    "y",
    "z",
    "]",
    "[",
];

/// What most texts are cut out of: a process that had to make each anew would seldom be met in a log call.
static POOL: OnceLock<String> = OnceLock::new();

/// To be called before threads are started and children forked: one that is born while another thread is at it
/// would wait for ever.
pub fn prepare(seed: u64) {
    POOL.get_or_init(|| plain_letters(seed));
}

fn plain_letters(seed: u64) -> String {
    let mut dice = Dice::new(seed);
    let mut letters = String::new();
    while letters.len() < 2 << 20 {
        push_letters(&mut letters, dice.next(), 10);
    }
    letters
}

fn odd_letters(dice: &mut Dice, length: usize) -> String {
    let mut text = String::with_capacity(length + 16);
    while text.len() < length {
        if dice.one_in(2) {
            text.push_str(dice.pick(&ODD));
        } else {
            let count = 10.min(length - text.len());
            push_letters(&mut text, dice.next(), count);
        }
    }
    text
}

fn push_letters(text: &mut String, random: u64, count: usize) {
    let letter = |at: usize| char::from(PLAIN[(random >> (4 + 6 * at) & 63) as usize]);
    text.extend((0..count).map(letter));
}

/// A message as it stands in a file.
pub fn as_in_file(form: Form, number: u64, text: &str) -> String {
    let lines = text.replace('\n', "\n    ");
    match form {
        Form::Bare => lines,
        Form::Plain | Form::Named => format!("{number} {lines}"),
    }
}
