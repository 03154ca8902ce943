//! A producer stands between its claim and its publish, while others see the last free slot and claim it too late:
//! the sequences that they walk away from become holes behind the floor of the one that stands.

use std::time::Duration;

use libtest_mimic::Trial;
use shmlog::{OnFull, ShmLogger};

use crate::scene::{
    FAILPOINTS, LONG, SHORT, arm, disarm, let_go_on, log, start_victim, text, wait_for_stop,
};
use crate::support::{
    Actor, Folder, Line, Role, assert_nothing_remains, quiet, role_command, say, until,
};
use crate::tally::{Log, number, settled};
use crate::trials;

pub const ROLES: &[Role] = &[("parent_of_the_overshooting", parent_of_the_overshooting)];

pub fn trials() -> Vec<Trial> {
    trials![
        who_walks_away_while_a_record_of_one_slot_stands_leaves_nothing_parked,
        who_walks_away_while_a_record_of_several_slots_stands_leaves_nothing_parked,
        who_walks_away_and_drops_its_record_while_another_stands_leaves_nothing_parked,
    ]
}

const SLOTS: u64 = 32;
/// Records of each of those who come too late, in one round.
const ROUND: u64 = 10;
/// The sequences that must have been walked away from.
const WALKED: u64 = 20;
/// The record at which the victim stops, and how many it logs.
const AT: u64 = 2;
const RECORDS: u64 = 4;

/// `folder length policy`
fn parent_of_the_overshooting(arguments: &[String]) {
    let [folder, length, policy] = arguments else {
        panic!("three arguments");
    };
    // So slow that the ring is full all the time.
    arm("drainer.read=delay");
    let logger = quiet(folder)
        .slots(SLOTS)
        .process_name("parent")
        .on_full(match &**policy {
            // Should the ring fill up with what is parked, it is not waited for as often as records are logged.
            "block" => OnFull::Block(Duration::from_secs(10)),
            _ => OnFull::Drop,
        })
        .stall_timeout(Duration::from_millis(5))
        .init_parent()
        .unwrap();
    disarm();
    say(logger.name());
    let victim = start_victim("victim", length, RECORDS, &format!("claim.claimed=stop@{AT}"));
    wait_for_stop(&victim);
    let own = if length == LONG { 6 } else { 1 };
    until("its slots are parked", || logger.stats().parked == own);

    let mut late = ["late-a", "late-b"].map(|who| start_latecomer(who, length));
    let mut logged = 0;
    let mut rounds = 0;
    while logger.stats().orphaned < WALKED || logger.stats().delivered < 10 * SLOTS {
        play_round(&mut late, length.parse().unwrap(), &mut logged);
        rounds += 1;
        let stats = logger.stats();
        assert!(rounds < 200, "nobody walks away: {stats:?}");
        assert!(policy == "drop" || stats.dropped == 0, "{stats:?}");
    }
    logger.flush(Duration::from_secs(60)).unwrap();
    // What a starved process claimed may be parked until that goes on, but not for longer.
    until("nothing but its slots is parked", || {
        logger.stats().parked == own
    });
    let_go_on(victim);
    late.into_iter().for_each(Actor::finish);
    log_all(&logger, length.parse().unwrap(), &mut logged);
    let stats = settled(&logger, 1);
    assert_eq!((stats.lost, stats.parked), (0, 0), "{stats:?}");
    say(&format!("{logged} {} {}", rounds * ROUND, stats.dropped));
}

/// Looks at the tail, takes a nap, and claims.
fn start_latecomer(who: &str, length: &str) -> Actor {
    let mut command = role_command("burster", &[who, length, &ROUND.to_string()]);
    command.env(FAILPOINTS, "claim.looked=delay");
    let mut actor = Actor::from_command(command);
    actor.hear("ready");
    actor
}

/// Keeps the ring full while the latecomers log.
fn play_round(late: &mut [Actor; 2], length: usize, logged: &mut u64) {
    late.iter_mut().for_each(|actor| actor.tell("go"));
    std::thread::scope(|scope| {
        let heard = scope.spawn(|| late.iter_mut().for_each(|actor| _ = actor.hear("done")));
        while !heard.is_finished() {
            log("parent", *logged, length);
            *logged += 1;
        }
    });
}

/// One more lap, over all that was parked.
fn log_all(logger: &ShmLogger, length: usize, logged: &mut u64) {
    for _ in 0..SLOTS {
        log("parent", *logged, length);
        *logged += 1;
        logger.flush(Duration::from_secs(60)).unwrap();
    }
}

fn check(length: &str, policy: &str) {
    let folder = Folder::new();
    let mut parent = Actor::start(
        "parent_of_the_overshooting",
        &[folder.text(), length, policy],
    );
    let ring = parent.hear("shmlog-");
    let counts = parent.hear("");
    parent.finish();
    assert_nothing_remains(&format!("shmlog-{ring}"));
    let counts: Vec<u64> = counts.split(' ').map(|word| word.parse().unwrap()).collect();
    let [by_parent, by_each, dropped] = counts[..] else {
        panic!("{counts:?}");
    };
    assert!(policy == "drop" || dropped == 0, "{dropped} dropped");

    let log = Log::read(&folder);
    log.assert_in_order();
    let of = log.by_process();
    let length = length.parse().unwrap();
    let victim = &of["victim"];
    let numbers: Vec<_> = victim.iter().map(number).collect();
    assert_eq!(numbers, (0..RECORDS).collect::<Vec<_>>());
    assert!(victim[AT as usize - 1].late);
    let logged = [("parent", by_parent), ("late-a", by_each), ("late-b", by_each), ("victim", RECORDS)];
    for (who, _) in logged {
        assert_whole(who, of.get(who).map_or(&[], |records| &records[..]), length);
    }
    let attempted: u64 = logged.iter().map(|(_, count)| count).sum();
    assert_eq!(log.records.len() as u64 + dropped, attempted);
}

/// Asserts that the records of `who` rise, and that each is what was logged.
fn assert_whole(who: &str, records: &[Line], length: usize) {
    let numbers: Vec<_> = records.iter().map(number).collect();
    assert!(numbers.windows(2).all(|pair| pair[0] < pair[1]), "of {who}: {numbers:?}");
    for (number, record) in numbers.iter().zip(records) {
        let expected = format!("{who} {number} {}", text(who, *number, length));
        assert_eq!(record.message, expected);
    }
}

fn who_walks_away_while_a_record_of_one_slot_stands_leaves_nothing_parked() {
    check(SHORT, "block");
}

fn who_walks_away_while_a_record_of_several_slots_stands_leaves_nothing_parked() {
    check(LONG, "block");
}

fn who_walks_away_and_drops_its_record_while_another_stands_leaves_nothing_parked() {
    check(LONG, "drop");
}
