//! Whatever stands in a log call, the log has what `format!` gives.

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt::{self, Debug, Display};

use libtest_mimic::Trial;
use shmlog::{Level, info};

use crate::support::{Actor, Folder, Role, assert_nothing_remains, quiet, say};
use crate::trials;

pub const ROLES: &[Role] = &[("one_who_says_all_twice", one_who_says_all_twice)];

pub fn trials() -> Vec<Trial> {
    trials![whatever_stands_in_a_log_call_the_log_has_what_format_gives]
}

/// Logs, and says what is expected of it, in one line.
macro_rules! both {
    ($($message:tt)+) => {{
        say(&format!("{:?}", format!($($message)+)));
        info!($($message)+);
    }};
}

/// A type of the program's own.
#[derive(Debug)]
struct Joint(u8);

impl Display for Joint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad_integral(true, "joint ", &self.0.to_string())
    }
}

#[derive(Debug)]
#[expect(dead_code, reason = "shown")]
struct Pose<'a> {
    x: f64,
    frame: &'a str,
}

/// Anybody may have methods of such a name for all types.
trait Hold {
    fn hold(&self) -> u8 {
        1
    }
}

impl<T: ?Sized> Hold for T {}

fn generic<T: Display + Debug>(value: T) {
    both!("{value} {:>12} {value:?}", value);
}

const SITE: u8 = 7;

fn numbers() {
    let (joint, position, velocity) = (3, 1.25, -0.5_f32);
    both!("joint {} pos {} vel {}", joint, position, velocity);
    both!("joint {joint} pos {position:.3} vel {velocity:+e}");
    both!("{1} {0} {1:?} {} {}", joint, position);
    both!("{a}, {b:#06x}, {joint:<5}|", a = joint + 1, b = 0xbeef_u16);
    both!("{:#?} {:x?} {:X} {:#b} {:o}", -1_i8, 255_u8, i128::MIN, u128::MAX, 8_isize);
    both!("{} {} {:?} {:?}", f64::NAN, f32::INFINITY, 1.0, 1e300);
    both!("{:08.3} {:*^12} {:é>+9} {:<08}", -1.5, 7_usize, 1_u64, 3);
    both!("{} {:?} {:5}|{:>7}|", true, false, 'ß', '\u{1f600}');
    both!("{SITE} {}", SITE);
}

fn texts() {
    let (owned, borrowed) = ("owned".to_owned(), Cow::Borrowed("cow"));
    let reference: &&str = &"twice";
    both!("{owned} {borrowed} {reference} {:?} {:.3} {:>9}", "a\"b", "truncated", Box::<str>::from("box"));
    both!(r#"raw "{{}}" {} \n"#, 'x');
    both!("escapes \u{e4}\x41 {} goes \
           on \\ {{{}}}", 1, 2);
    both!("{}", String::new());
    let r#type = "keyword";
    both!("{type} {:}>4} {:}<2}|", 1, 'x');
    both!("nothing to say");
    both!("");
    both!("{{}}");
    both!(concat!("con", "cat {}"), 5);
    both!("trailing {}, {}", 1, 2,);
}

fn others() {
    let (width, precision) = (9, 2);
    both!("{:width$.precision$}|{:>1$}|{:.*}", 1.23456, 7, 3, 7.654_321);
    both!("{} {}", "a".hold(), Joint(3).hold());
    both!("{} {:>12} {:#?}", Joint(4), Joint(5), Pose { x: 0.5, frame: "map" });
    both!("{:?} {:?} {:?}", Some(3), [1.0, 2.0], ((), "tuple"));
    both!("{}", format_args!("nested {}", 1));
    generic(8_u8);
    generic(Joint(9));
    both!(
        "{} {} {} {} {} {} {} {} {} {} {} {} {} {} {} {} {}",
        1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17
    );
    both!("{} {}", std::iter::once(1).map(|a| a + 1).sum::<i32>(), if width > 3 { "yes" } else { "no" });
    both!("{}", std::collections::HashMap::<u8, u8>::new().len());
}

/// Once for the log call, however often its place shows the value.
fn evaluated_once() {
    let calls = Cell::new(0);
    let call = || {
        calls.set(calls.get() + 1);
        calls.get()
    };
    info!("{0} {0} {}", call());
    say("\"1 1 1\"");
    assert_eq!(calls.get(), 1);
    shmlog::log!(target: { calls.set(9); "target" }, Level::Trace, "{}", call());
    say("\"10\"");
}

fn one_who_says_all_twice(arguments: &[String]) {
    let logger = quiet(&arguments[0]).init_parent().unwrap();
    say(logger.name());
    numbers();
    texts();
    others();
    evaluated_once();
    say("");
}

fn whatever_stands_in_a_log_call_the_log_has_what_format_gives() {
    let folder = Folder::new();
    let mut parent = Actor::start("one_who_says_all_twice", &[folder.text()]);
    let ring = parent.hear("");
    let mut expected = Vec::new();
    loop {
        let line = parent.hear("");
        if line.is_empty() {
            break;
        }
        expected.push(line);
    }
    parent.finish();
    assert_nothing_remains(&ring);
    let records = folder.records();
    assert!(expected.len() > 25, "{}", expected.len());
    for (record, expected) in records.iter().zip(&expected) {
        assert_eq!(&format!("{:?}", record.message), expected);
    }
    assert_eq!(records.len(), expected.len());
}
