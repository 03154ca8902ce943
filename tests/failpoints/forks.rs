//! A process forks while another of its threads is between claiming a record's place and publishing it: the
//! record remains the parent's, and the child logs under an entry of its own.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use libtest_mimic::Trial;
use shmlog::OnFull;

use crate::forking::{fork, wait};
use crate::scene::{FAILPOINTS, PLACES, log};
use crate::support::{Actor, Folder, Role, assert_nothing_remains, quiet, role_command, say};
use crate::tally::{Log, settled};
use crate::trials;

pub const ROLES: &[Role] = &[("forking_amid_a_claim", forking_amid_a_claim)];

pub fn trials() -> Vec<Trial> {
    trials![a_fork_while_another_thread_is_at_any_step_of_a_record_takes_nothing_from_either]
}

const FORKS: u64 = 8;
const EACH: u64 = 2;

/// `folder length`: this process dawdles at one step of each record.
fn forking_amid_a_claim(arguments: &[String]) {
    let [folder, length] = arguments else {
        panic!("two arguments");
    };
    let length = length.parse().unwrap();
    let logger = quiet(folder)
        .slots(256)
        .on_full(OnFull::Block(Duration::from_secs(60)))
        .stall_timeout(Duration::from_secs(60))
        .init_parent()
        .unwrap();
    say(logger.name());
    let enough = AtomicBool::new(false);
    let mut logged = 0;
    std::thread::scope(|scope| {
        let dawdling = scope.spawn(|| {
            let mut number = 0;
            while !enough.load(Ordering::Relaxed) {
                log("thread", number, length);
                number += 1;
            }
            number
        });
        for child in 0..FORKS {
            // Its entry is inherited by the child, which must not use it.
            log("main", child, length);
            let who = format!("child-{child}");
            wait(fork(|| (0..EACH).for_each(|n| log(&who, n, length))));
        }
        enough.store(true, Ordering::Relaxed);
        logged = dawdling.join().unwrap();
    });
    let stats = settled(&logger, 1);
    assert_eq!((stats.dropped, stats.lost, stats.late), (0, 0, 0));
    say(&logged.to_string());
}

fn a_fork_while_another_thread_is_at_any_step_of_a_record_takes_nothing_from_either() {
    for (place, length) in PLACES.iter().zip(["20", "600"].iter().cycle()) {
        let folder = Folder::new();
        let mut command = role_command("forking_amid_a_claim", &[folder.text(), length]);
        command.env(FAILPOINTS, format!("{}=delay", place.name));
        let mut parent = Actor::from_command(command);
        let ring = parent.hear("");
        let logged: u64 = parent.hear("").parse().unwrap();
        parent.finish();
        assert_nothing_remains(&ring);
        let records = Log::read(&folder);
        records.assert_in_order();
        let of = |who: &str| {
            let start = format!("{who} ");
            let all = records.records.iter();
            all.filter(|line| line.message.starts_with(&start)).collect::<Vec<_>>()
        };
        let mut counts = vec![("thread".to_owned(), logged), ("main".to_owned(), FORKS)];
        counts.extend((0..FORKS).map(|n| (format!("child-{n}"), EACH)));
        for (who, count) in counts {
            let lines = of(&who);
            let numbers: Vec<u64> = lines.iter().map(|line| crate::tally::number(line)).collect();
            assert_eq!(numbers, (0..count).collect::<Vec<_>>(), "{who} at {}", place.name);
            let is_child = who.starts_with("child");
            let own = |line: &&crate::support::Line| (line.pid == parent_of(&of("main"))) != is_child;
            assert!(lines.iter().all(own), "{who} at {}: {lines:?}", place.name);
        }
    }
}

fn parent_of(lines: &[&crate::support::Line]) -> u32 {
    lines[0].pid
}
