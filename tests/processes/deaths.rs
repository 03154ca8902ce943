//! Processes that are killed while they log: what they had logged is there, and nobody else notices.

use std::time::Duration;

use libtest_mimic::Trial;
use rustix::process::{Signal, set_parent_process_death_signal};
use shmlog::{Builder, OnFull, ShmLogger, info};

use crate::support::{
    Actor, Folder, Role, assert_nothing_remains, drainers_of, listen, quiet, role_command, say,
    send, until,
};
use crate::tally::{CUT, Dice, Log, Tally, filler, number, settled};
use crate::trials;

pub const ROLES: &[Role] = &[
    ("parent_of_the_killed", parent_of_the_killed),
    ("victim", victim),
    ("undisturbed", undisturbed),
    ("parent_whose_drainer_dies", parent_whose_drainer_dies),
];

pub fn trials() -> Vec<Trial> {
    trials![
        two_hundred_killed_children_lose_at_most_the_record_they_were_writing,
        children_killed_at_a_full_ring_leave_it_to_the_others,
        children_killed_while_they_write_long_records_leave_whole_or_marked_ones,
        of_children_killed_at_an_overflowing_ring_every_record_is_accounted_for,
        a_killed_drainer_is_replaced_and_no_record_is_missing,
    ]
}

const ROUNDS: u64 = 200;
const OTHERS: usize = 3;

/// How a test differs from its neighbours.
struct Variant {
    slots: u64,
    on_full: OnFull,
    /// The longest message, in bytes.
    longest: usize,
    /// Records of each other child in each round.
    burst: u64,
    /// A victim is killed after fewer records than this.
    most: u64,
}

fn variant(name: &str) -> Variant {
    let patient = OnFull::Block(Duration::from_secs(60));
    let (slots, on_full, longest, burst, most) = match name {
        "roomy" => (1 << 14, patient, 20, 200, 1500),
        "tight" => (64, patient, 20, 200, 600),
        "runs" => (256, patient, 3000, 40, 60),
        "dropping" => (64, OnFull::Drop, 20, 200, 1500),
        _ => panic!("no variant {name}"),
    };
    Variant {
        slots,
        on_full,
        longest,
        burst,
        most,
    }
}

impl Variant {
    fn builder(&self, folder: &str) -> Builder {
        // Nobody is stopped here: only proof of death may free a slot.
        quiet(folder)
            .slots(self.slots)
            .on_full(self.on_full)
            .stall_timeout(Duration::from_secs(60))
    }
}

fn parent_of_the_killed(arguments: &[String]) {
    let [folder, name] = arguments else { panic!() };
    let variant = variant(name);
    let logger = variant.builder(folder).init_parent().unwrap();
    say(logger.name());
    let start = |n| {
        let mut other = Actor::start("undisturbed", &[folder, name, &format!("other-{n}")]);
        other.hear("ready");
        other
    };
    let mut others: Vec<Actor> = (0..OTHERS).map(start).collect();
    let mut dice = Dice::new(variant.slots);
    for round in 0..ROUNDS {
        let who = format!("victim-{round}");
        let tally = Tally::of(folder, &who);
        let mut victim = role_command("victim", &[folder, name, &who])
            .spawn()
            .unwrap();
        let end = dice.below(variant.most);
        until("the victim logs", || tally.returned() > end / 2);
        others.iter_mut().for_each(|other| other.tell("go"));
        until("the victim has logged", || tally.returned() > end);
        dice.dawdle();
        victim.kill().unwrap();
        victim.wait().unwrap();
    }
    others.into_iter().for_each(Actor::finish);
    let stats = settled(&logger, 0);
    say(&format!(
        "{} {} {} {}",
        stats.attempted, stats.delivered, stats.dropped, stats.lost
    ));
}

fn victim(arguments: &[String]) {
    let [folder, name, who] = arguments else {
        panic!()
    };
    set_parent_process_death_signal(Some(Signal::KILL)).unwrap();
    let longest = variant(name).longest;
    let tally = Tally::of(folder, who);
    let _logger = ShmLogger::builder().process_name(&**who).attach().unwrap();
    loop {
        log_one(&tally, who, longest);
    }
}

fn undisturbed(arguments: &[String]) {
    let [folder, name, who] = arguments else {
        panic!()
    };
    let variant = variant(name);
    let tally = Tally::of(folder, who);
    let _logger = ShmLogger::builder().process_name(&**who).attach().unwrap();
    say("ready");
    while listen() == "go" {
        (0..variant.burst).for_each(|_| log_one(&tally, who, variant.longest));
    }
}

fn log_one(tally: &Tally, who: &str, longest: usize) {
    let text = filler(tally.attempted(), longest);
    tally.count(|n| info!("{who} {n} {text}"));
}

/// Runs the parent and returns its folder and `[attempted, delivered, dropped, lost]`.
fn run(name: &str) -> (Folder, [u64; 4]) {
    let folder = Folder::new();
    let mut parent = Actor::start("parent_of_the_killed", &[folder.text(), name]);
    let ring = parent.hear("");
    let stats = parent.hear("");
    parent.finish();
    assert_nothing_remains(&ring);
    let stats: Vec<u64> = stats.split(' ').map(|n| n.parse().unwrap()).collect();
    (folder, stats.try_into().unwrap())
}

/// Checks the log of a ring that dropped nothing, record by record.
fn check_nothing_dropped(name: &str) {
    let (folder, [attempted, delivered, dropped, lost]) = run(name);
    let longest = variant(name).longest;
    let log = Log::read(&folder);
    log.assert_in_order();
    let lost_of = log.said("lost: it ended while writing");
    let of = log.by_process();
    let (mut least, mut most) = (0, 0);
    let others = (0..OTHERS).map(|n| format!("other-{n}"));
    for who in others.chain((0..ROUNDS).map(|n| format!("victim-{n}"))) {
        let tally = Tally::of(folder.text(), &who);
        let records = &of[&who];
        for (index, record) in records.iter().enumerate() {
            assert_eq!(
                number(record),
                index as u64,
                "{who}: every record once and in order"
            );
            check_text(record, longest, index + 1 == records.len());
        }
        let settled = records.len() as u64 + lost_of.get(&who).copied().unwrap_or(0);
        assert!(
            records.len() as u64 >= tally.returned(),
            "{who}: what returned is there"
        );
        assert!((tally.returned()..=tally.attempted()).contains(&settled));
        least += tally.returned();
        most += tally.attempted();
    }
    assert_eq!(of.len(), OTHERS + ROUNDS as usize);
    assert!((least..=most).contains(&attempted));
    assert_eq!(
        (delivered, dropped, lost),
        (log.records.len() as u64, 0, lost_of.values().sum())
    );
}

fn check_text(record: &crate::support::Line, longest: usize, last: bool) {
    let whole = filler(number(record), longest);
    let text = record.message.splitn(3, ' ').nth(2).unwrap();
    match text.strip_suffix(CUT) {
        Some(text) => {
            assert!(record.process.starts_with("victim") && last, "{record:?}");
            assert!(whole.starts_with(text), "{record:?}");
        }
        None => assert_eq!(text, whole, "{record:?}"),
    }
}

fn two_hundred_killed_children_lose_at_most_the_record_they_were_writing() {
    check_nothing_dropped("roomy");
}

fn children_killed_at_a_full_ring_leave_it_to_the_others() {
    check_nothing_dropped("tight");
}

fn children_killed_while_they_write_long_records_leave_whole_or_marked_ones() {
    check_nothing_dropped("runs");
}

fn of_children_killed_at_an_overflowing_ring_every_record_is_accounted_for() {
    let (folder, [attempted, delivered, dropped, lost]) = run("dropping");
    let log = Log::read(&folder);
    log.assert_in_order();
    let (lost_of, dropped_of) = (log.said("lost:"), log.said("dropped:"));
    let of = log.by_process();
    let mut sum = 0;
    let others = (0..OTHERS).map(|n| format!("other-{n}"));
    for who in others.chain((0..ROUNDS).map(|n| format!("victim-{n}"))) {
        let tally = Tally::of(folder.text(), &who);
        let records = of.get(&who).map_or(&[][..], Vec::as_slice);
        assert!(
            records
                .iter()
                .map(number)
                .is_sorted_by(|one, next| one < next)
        );
        let count = |of: &std::collections::HashMap<String, u64>| of.get(&who).copied();
        let settled =
            records.len() as u64 + count(&lost_of).unwrap_or(0) + count(&dropped_of).unwrap_or(0);
        assert!(
            (tally.returned()..=tally.attempted()).contains(&settled),
            "{who}: {settled} settled of {} to {}",
            tally.returned(),
            tally.attempted()
        );
        sum += settled;
    }
    assert_eq!(sum, attempted);
    let said = (dropped_of.values().sum(), lost_of.values().sum());
    assert_eq!(
        (delivered, (dropped, lost)),
        (log.records.len() as u64, said)
    );
}

const OF_EACH: u64 = 20_000;

fn parent_whose_drainer_dies(arguments: &[String]) {
    let folder = &arguments[0];
    let variant = variant("tight");
    let logger = variant.builder(folder).init_parent().unwrap();
    say(logger.name());
    let start = |n| Actor::start("undisturbed", &[folder, "tight", &format!("other-{n}")]);
    let mut others: Vec<Actor> = (0..OTHERS).map(start).collect();
    others.iter_mut().for_each(|other| {
        other.hear("ready");
    });
    let drainer = drainers_of(logger.name())[0];
    for _ in 0..OF_EACH / variant.burst {
        others.iter_mut().for_each(|other| other.tell("go"));
    }
    let tally = Tally::of(folder, "other-0");
    until("they log", || tally.returned() > OF_EACH / 4);
    send(drainer, Signal::KILL);
    others.into_iter().for_each(Actor::finish);
    logger.flush(Duration::from_secs(60)).unwrap();
    let stats = logger.stats();
    say(&format!(
        "{} {} {} {}",
        stats.attempted, stats.dropped, stats.lost, stats.drainer_restarts
    ));
}

fn a_killed_drainer_is_replaced_and_no_record_is_missing() {
    let folder = Folder::new();
    let mut parent = Actor::start("parent_whose_drainer_dies", &[folder.text()]);
    let ring = parent.hear("");
    let stats = parent.hear("");
    parent.finish();
    assert_nothing_remains(&ring);
    assert_eq!(stats, format!("{} 0 0 1", OTHERS as u64 * OF_EACH));

    let log = Log::read(&folder);
    log.assert_in_order();
    for (who, records) in log.by_process() {
        assert!(
            records.iter().map(number).eq(0..OF_EACH),
            "{who}: every record in order"
        );
    }
    assert_eq!(log.by_process().len(), OTHERS);
}
