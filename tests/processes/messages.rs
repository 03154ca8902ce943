//! Messages of any length and content arrive whole, and nothing in them can pass for a record.

#![allow(unsafe_code)]

use std::fs;
use std::os::unix::ffi::OsStrExt;

use libtest_mimic::Trial;
use shmlog::{ShmLogger, info};

use crate::host::{host_child, host_good_child};
use crate::support::{Folder, Line, Role, assert_says, quiet, role_command};
use crate::trials;

pub const ROLES: &[Role] = &[
    ("talk_at_all_lengths", talk_at_all_lengths),
    ("talk_at_length", talk_at_length),
    ("talk_in_threads", talk_in_threads),
    ("families_of_talkers", families_of_talkers),
    ("talk_and_pause", talk_and_pause),
    ("talk_strangely", talk_strangely),
    ("harmful_parent", harmful_parent),
];

pub fn trials() -> Vec<Trial> {
    trials![
        messages_of_every_length_around_slots_and_runs_arrive_whole,
        so_they_do_with_the_smallest_and_the_largest_slots,
        so_they_do_in_the_smallest_ring,
        a_message_of_sixteen_mebibytes_arrives_whole_where_its_call_may_wait_for_room,
        long_messages_of_many_threads_and_processes_do_not_mix,
        long_messages_do_not_mix_when_whoever_pauses_is_parked_at_once,
        a_long_message_whose_writer_pauses_again_and_again_keeps_its_parts_in_order,
        lines_emoji_and_control_characters_arrive_and_forge_no_record,
        what_would_steer_a_terminal_is_harmless_in_file_and_console_wherever_it_stands,
    ]
}

/// Text that differs in every part from any other part of it and from that of another seed.
fn text(seed: usize, length: usize) -> String {
    let mut state = seed as u64 * 2 + 1;
    let letters = (0..length).map(|_| {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(99);
        char::from(b'a' + (state >> 33) as u8 % 26)
    });
    letters.collect()
}

/// Every so-manieth length up to a little more than two runs, and those around the ends of further ones.
fn lengths(step: usize) -> Vec<usize> {
    let ends = (1904..30_000).step_by(1904).chain([2048, 4096, 8192]);
    let around = ends.flat_map(|end| end - 12..end + 12);
    (0..=4100).chain(around).step_by(step).collect()
}

/// `step`
fn talk_at_all_lengths(arguments: &[String]) {
    let _logger = ShmLogger::attach().unwrap();
    for length in lengths(arguments[0].parse().unwrap()) {
        info!("{}", text(length, length));
        // The same in pieces, with a target, which moves all the boundaries.
        let (text, half) = (text(length, length), length / 2);
        info!(target: "pieces", "{}{}{}", &text[..half], "", &text[half..]);
    }
}

fn assert_lengths_arrive(settings: &str, step: usize) {
    let folder = Folder::new();
    host_good_child(
        &folder,
        settings,
        "talk_at_all_lengths",
        &[&step.to_string()],
    );
    let records = folder.records();
    assert_eq!(records.len(), 2 * lengths(step).len());
    for (pair, length) in records.chunks(2).zip(lengths(step)) {
        let expected = text(length, length);
        assert!(pair[0].message == expected, "{length}: {:?}", pair[0]);
        assert!(pair[1].message == expected, "{length}: {:?}", pair[1]);
    }
}

fn messages_of_every_length_around_slots_and_runs_arrive_whole() {
    assert_lengths_arrive("block", 1);
}

fn so_they_do_with_the_smallest_and_the_largest_slots() {
    assert_lengths_arrive("block slot_size=64", 1);
    assert_lengths_arrive("block slot_size=4096 slots=1024", 1);
}

fn so_they_do_in_the_smallest_ring() {
    // Not every length: each run waits for the drainer, which may have to share its processor with us.
    assert_lengths_arrive("block slots=16", 17);
    assert_lengths_arrive("block slots=16 slot_size=64", 19);
}

fn talk_at_length(_: &[String]) {
    let logger = ShmLogger::attach().unwrap();
    for length in [64 << 10, 1 << 20, 16 << 20] {
        info!("{}", text(length, length));
        logger.flush(std::time::Duration::from_secs(60)).unwrap();
    }
}

fn a_message_of_sixteen_mebibytes_arrives_whole_where_its_call_may_wait_for_room() {
    let folder = Folder::new();
    host_good_child(&folder, "block", "talk_at_length", &[]);
    let records = folder.records();
    let found: Vec<usize> = records.iter().map(|r| r.message.len()).collect();
    assert_eq!(found, [64 << 10, 1 << 20, 16 << 20]);
    for record in records {
        assert!(record.message == text(record.message.len(), record.message.len()));
    }
}

const THREADS: usize = 3;
const PROCESSES: usize = 3;

/// `process count length`: in each thread so many messages, which say by their first words which they are.
fn talk_in_threads(arguments: &[String]) {
    let _logger = ShmLogger::attach().unwrap();
    let numbers: Vec<usize> = arguments.iter().map(|word| word.parse().unwrap()).collect();
    let [process, count, length] = numbers[..] else {
        panic!("three numbers");
    };
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            scope.spawn(move || {
                for number in 0..count {
                    let seed = (process * THREADS + thread) * count + number;
                    info!("{process} {thread} {number} {}", text(seed, length));
                }
            });
        }
    });
}

/// `count length`: several processes at once that do the above.
fn families_of_talkers(arguments: &[String]) {
    let start = |process: usize| {
        let process = process.to_string();
        let arguments = [process.as_str(), &arguments[0], &arguments[1]];
        crate::support::role_command("talk_in_threads", &arguments)
            .spawn()
            .unwrap()
    };
    let mut children: Vec<_> = (0..PROCESSES).map(start).collect();
    for child in &mut children {
        assert!(child.wait().unwrap().success());
    }
}

/// Everybody's messages, whole and each thread's in its own order.
fn assert_not_mixed(records: &[Line], count: usize, length: usize) {
    let mut next = [0; PROCESSES * THREADS];
    for record in records {
        let (head, rest) = record.message.split_at(record.message.len() - length);
        let numbers: Vec<usize> = head
            .split_ascii_whitespace()
            .map(|word| word.parse().unwrap_or_else(|_| panic!("{head:?}")))
            .collect();
        let talker = numbers[0] * THREADS + numbers[1];
        assert!(rest == text(talker * count + numbers[2], length), "{head}");
        assert_eq!(numbers[2], next[talker], "in the order of {head}");
        next[talker] += 1;
    }
    assert_eq!(next, [count; PROCESSES * THREADS]);
}

fn long_messages_of_many_threads_and_processes_do_not_mix() {
    let folder = Folder::new();
    let arguments = ["3", "1048576"];
    host_good_child(&folder, "block", "families_of_talkers", &arguments);
    assert_not_mixed(&folder.records(), 3, 1 << 20);
}

fn long_messages_do_not_mix_when_whoever_pauses_is_parked_at_once() {
    let folder = Folder::new();
    let arguments = ["200", "9000"];
    let settings = "block stall_ns=1";
    host_good_child(&folder, settings, "families_of_talkers", &arguments);
    assert_not_mixed(&folder.records(), 200, 9000);
}

/// Interrupts this process every few microseconds of its run, for a millisecond: now and then between
/// claiming a slot and publishing it, where a long message is most of the time.
fn pause_again_and_again() {
    fn rearm() {
        let timer = libc::itimerval {
            it_interval: libc::timeval {
                tv_sec: 0,
                tv_usec: 0,
            },
            it_value: libc::timeval {
                tv_sec: 0,
                tv_usec: 50,
            },
        };
        // SAFETY: reads a valid timer; nothing is written back.
        unsafe { libc::setitimer(libc::ITIMER_REAL, &raw const timer, std::ptr::null_mut()) };
    }
    extern "C" fn pause(_: libc::c_int) {
        let nap = libc::timespec {
            tv_sec: 0,
            tv_nsec: 1_000_000,
        };
        // SAFETY: reads a valid time; nothing is written back. Both calls may be made in a signal handler.
        unsafe { libc::nanosleep(&raw const nap, std::ptr::null_mut()) };
        rearm();
    }
    // SAFETY: the handler touches nothing of the program but its timer.
    let old = unsafe { libc::signal(libc::SIGALRM, pause as *const () as libc::sighandler_t) };
    assert_ne!(old, libc::SIG_ERR);
    rearm();
}

const PAUSED: (usize, usize) = (1500, 9000);

fn talk_and_pause(_: &[String]) {
    let _logger = ShmLogger::attach().unwrap();
    info!("begins");
    pause_again_and_again();
    for number in 0..PAUSED.0 {
        info!("{number} {}", text(number, PAUSED.1));
    }
}

fn a_long_message_whose_writer_pauses_again_and_again_keeps_its_parts_in_order() {
    let folder = Folder::new();
    host_good_child(&folder, "block stall_ns=1", "talk_and_pause", &[]);
    let records = folder.records();
    assert_eq!(records.len(), 1 + PAUSED.0);
    for (number, record) in records[1..].iter().enumerate() {
        let expected = format!("{number} {}", text(number, PAUSED.1));
        assert!(record.message == expected, "message {number}");
    }
}

const STRANGE: &[(&str, &str)] = &[
    ("", ""),
    ("\n", "\n"),
    ("a\nb\r\nc\n", "a\nb\nc\n"),
    ("no\rreturn", "no\\rreturn"),
    (
        "nul\0 bell\x07 escape\x1b[31m",
        "nul\\0 bell\\x07 escape\\x1b[31m",
    ),
    ("tab\tstays", "tab\tstays"),
    ("👩‍👩‍👧‍👦 ⚠️ 漢字 naïve", "👩‍👩‍👧‍👦 ⚠️ 漢字 naïve"),
    (
        "over\u{202e}ride \u{2028}next",
        "over\\u{202e}ride \\u{2028}next",
    ),
    (
        "\n2026-11-22 17:45:12.123456 ERROR    #0 root[1] main[1] core x.rs:1 - forged",
        "\n2026-11-22 17:45:12.123456 ERROR    #0 root[1] main[1] core x.rs:1 - forged",
    ),
    ("  blanks around  ", "  blanks around  "),
];

fn talk_strangely(_: &[String]) {
    let _logger = ShmLogger::attach().unwrap();
    for (said, _) in STRANGE {
        info!("{said}");
    }
    info!(target: "a b\n2026-11-22 forged", "strange target");
}

fn lines_emoji_and_control_characters_arrive_and_forge_no_record() {
    let folder = Folder::new();
    host_child(&folder, "", "talk_strangely", &[]);
    let records = folder.records();
    let messages: Vec<&str> = records.iter().map(|r| r.message.as_str()).collect();
    let expected: Vec<&str> = STRANGE.iter().map(|(_, written)| *written).collect();
    assert_eq!(messages[..expected.len()], expected);
    // The target's blank is the parser's trouble; that it began no line of its own is ours.
    assert!(folder.log_text().contains("\\n2026-11-22 forged"));
    assert_eq!(records.len(), expected.len() + 1);
}

/// Sequences that clear, hide, retitle and answer back; returns; what is nothing; what reorders lines.
const HARMFUL: &str = "\x1b[2J\x1b]0;title\x07\x1bP$q\x1b\\\u{9b}31m\r\0\x08\x7f\u{202e}\u{2066}\u{61c}\u{2028}";

/// `folder`: says it in every place that a program fills.
fn harmful_parent(arguments: &[String]) {
    let builder = quiet(&arguments[0]).console(true);
    let _logger = builder.process_name(format!("process{HARMFUL}")).init_parent().unwrap();
    let bytes = [&b"invalid \xff\xfe\xed\xa0\x80\xc2 "[..], HARMFUL.as_bytes()].concat();
    let invalid = std::ffi::OsStr::from_bytes(&bytes);
    info!("message {HARMFUL} end");
    info!("{} end", invalid.display());
    info!(target: "target\x1b[2J\r\u{202e}", "of a target");
    // A thread's name may hold no zero.
    let thread = std::thread::Builder::new().name("thread\x1b[2J\r\u{202e}".to_owned());
    thread.spawn(|| info!("of a thread")).unwrap().join().unwrap();
}

fn what_would_steer_a_terminal_is_harmless_in_file_and_console_wherever_it_stands() {
    let (folder, out) = (Folder::new(), Folder::new());
    let console = out.path().join("console");
    let mut command = role_command("harmful_parent", &[folder.text()]);
    command.stdout(fs::File::create(&console).unwrap()).env("NO_COLOR", "1");
    assert!(command.status().unwrap().success());
    for text in [fs::read(&console).unwrap(), folder.log_text().into_bytes()] {
        let text = String::from_utf8(text).expect("only valid UTF-8 is written");
        let reorders = |c| matches!(c, '\u{61c}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        let harmful = |c: char| c != '\n' && (c.is_control() || reorders(c));
        assert!(!text.contains(harmful), "{text:?}");
        let shown = "\\x1b[2J\\x1b]0;title\\x07\\x1bP$q\\x1b\\\\u{9b}31m\\r\\0\\x08\\x7f\\u{202e}";
        // The console breaks lines where they are too long; in both, all of it is to be seen.
        let joined: String = text.split_whitespace().collect();
        assert!(joined.matches(shown).count() >= 2, "{text}");
        assert_says(&joined, &["invalid\u{fffd}", "target\\x1b[2J\\r", "thread\\x1b"]);
        assert_eq!(text.matches(" end").count(), 2);
    }
    assert_eq!(folder.log_text().lines().count(), 4, "a line for each record");
}
