//! Processes that are stopped while they log: nobody waits for them, and nothing of theirs is lost.

use std::time::Duration;

use libtest_mimic::Trial;
use rustix::process::{Pid, Signal, WaitOptions, set_parent_process_death_signal, waitpid};
use shmlog::{OnFull, ShmLogger, info};

use crate::support::{
    Actor, Folder, Role, assert_nothing_remains, quiet, role_command, say, send, until,
};
use crate::tally::{CUT, Dice, Log, Tally, filler, number, settled, wait_until_stopped};
use crate::trials;

pub const ROLES: &[Role] = &[
    ("parent_of_the_stopped", parent_of_the_stopped),
    ("parent_of_the_stepped", parent_of_the_stepped),
    ("restless", restless),
];

pub fn trials() -> Vec<Trial> {
    let mut trials = trials![
        a_child_stopped_at_any_moment_neither_blocks_the_others_nor_loses_a_record,
        a_child_killed_while_it_is_stopped_gives_its_slots_back,
    ];
    if cfg!(target_arch = "x86_64") {
        trials.extend(trials![
            a_child_stopped_between_claim_and_publish_is_passed_and_delivered_late,
            a_child_killed_between_claim_and_publish_leaves_no_parked_slot,
        ]);
    }
    trials
}

const STOPS: u64 = 100;
const SLOTS: u64 = 64;
/// The longest message: a few slots of 128 bytes.
const LONGEST: usize = 400;
/// Records that the parent logs while a child is stopped: several times the ring.
const MEANWHILE: u64 = 5 * SLOTS;

fn restless(arguments: &[String]) {
    let [folder, who] = arguments else { panic!() };
    set_parent_process_death_signal(Some(Signal::KILL)).unwrap();
    let tally = Tally::of(folder, who);
    let _logger = ShmLogger::builder().process_name(&**who).attach().unwrap();
    loop {
        log_one(&tally, who);
    }
}

fn log_one(tally: &Tally, who: &str) {
    let text = filler(tally.attempted(), LONGEST);
    tally.count(|n| info!("{who} {n} {text}"));
}

fn make_ring(folder: &str) -> ShmLogger {
    let logger = quiet(folder)
        .slots(SLOTS)
        .on_full(OnFull::Block(Duration::from_secs(60)))
        .stall_timeout(Duration::from_millis(1))
        .process_name("parent")
        .init_parent()
        .unwrap();
    say(logger.name());
    logger
}

/// Logs several rings full while somebody is stopped. That it comes back with nothing dropped is the point.
fn go_on_meanwhile(logger: &ShmLogger, tally: &Tally) {
    for _ in 0..MEANWHILE {
        log_one(tally, "parent");
        assert_eq!(logger.stats().dropped, 0, "the others are blocked");
    }
    logger.flush(Duration::from_secs(60)).unwrap();
}

/// Stops one child at random moments; with `kill`, a new one each time, which is killed where it stands.
fn parent_of_the_stopped(arguments: &[String]) {
    let [folder, kill] = arguments else { panic!() };
    let kill = kill == "kill";
    let logger = make_ring(folder);
    let mine = Tally::of(folder, "parent");
    let start = |round: u64| {
        let who = format!("child-{round}");
        let child = role_command("restless", &[folder, &who]).spawn().unwrap();
        (child, Tally::of(folder, &who))
    };
    let (mut child, mut tally) = start(0);
    let mut dice = Dice::new(STOPS);
    for round in 0..STOPS {
        let enough = tally.returned() + dice.below(50);
        until("the child logs", || tally.returned() > enough);
        dice.dawdle();
        send(child.id(), Signal::STOP);
        wait_until_stopped(child.id());
        go_on_meanwhile(&logger, &mine);
        if !kill {
            send(child.id(), Signal::CONT);
        }
        if kill || round + 1 == STOPS {
            child.kill().unwrap();
            child.wait().unwrap();
            let stats = settled(&logger, 1);
            assert_eq!(stats.parked, 0);
            if round + 1 < STOPS {
                (child, tally) = start(round + 1);
            }
        }
    }
    report(&logger);
}

fn report(logger: &ShmLogger) {
    let stats = settled(logger, 1);
    say(&format!(
        "{} {} {} {} {}",
        stats.attempted, stats.delivered, stats.dropped, stats.lost, stats.late
    ));
}

/// Runs a parent and checks its log record by record. Returns how many came late.
fn check(role: &str, how: &str) -> u64 {
    let folder = Folder::new();
    let mut parent = Actor::start(role, &[folder.text(), how]);
    let ring = parent.hear("");
    let stats = parent.hear("");
    parent.finish();
    assert_nothing_remains(&ring);
    let stats: Vec<u64> = stats.split(' ').map(|n| n.parse().unwrap()).collect();

    let log = Log::read(&folder);
    log.assert_in_order();
    let lost_of = log.said("lost: it ended while writing");
    for (who, records) in log.by_process() {
        let tally = Tally::of(folder.text(), &who);
        for (index, record) in records.iter().enumerate() {
            assert_eq!(number(record), index as u64, "{who}: once and in order");
            let text = record.message.splitn(3, ' ').nth(2).unwrap();
            assert!(
                !text.ends_with(CUT) && text == filler(index as u64, LONGEST),
                "{record:?}"
            );
        }
        let count = records.len() as u64;
        let settled = count + lost_of.get(&who).copied().unwrap_or(0);
        assert!(count >= tally.returned());
        assert!((tally.returned()..=tally.attempted()).contains(&settled));
    }
    let late = log.records.iter().filter(|record| record.late).count() as u64;
    let lost = lost_of.values().sum();
    let count = log.records.len() as u64;
    assert_eq!(stats, [count + lost, count, 0, lost, late]);
    late
}

fn a_child_stopped_at_any_moment_neither_blocks_the_others_nor_loses_a_record() {
    check("parent_of_the_stopped", "continue");
}

fn a_child_killed_while_it_is_stopped_gives_its_slots_back() {
    check("parent_of_the_stopped", "kill");
}

/// How many steps behind its claim a child is stopped, at most: some are behind its publishing already.
const STEPS: usize = 120;
/// As many steps behind its claim a child has surely not published yet.
const NEAR: usize = 4;

/// Stops a child one machine instruction after another, from its claim on.
fn parent_of_the_stepped(arguments: &[String]) {
    let [folder, kill] = arguments else { panic!() };
    let kill = kill == "kill";
    let logger = make_ring(folder);
    let mine = Tally::of(folder, "parent");
    let mut steps = 0;
    while steps < STEPS {
        let who = format!("child-{steps}");
        let mut child = role_command("restless", &[folder, &who]).spawn().unwrap();
        let tally = Tally::of(folder, &who);
        until("the child logs", || tally.returned() > 0);
        // Several stops of one child when it may go on, one when it may not.
        for _ in 0..if kill { 1 } else { 10 } {
            let traced = seize_idle(&logger, child.id());
            while logger.flush(Duration::ZERO).is_ok() {
                traced.step();
            }
            (0..steps).for_each(|_| traced.step());
            traced.stop_and_let_go();
            wait_until_stopped(child.id());
            go_on_meanwhile(&logger, &mine);
            // This near to its claim it cannot have published: it was passed.
            if steps < NEAR {
                until("its slot is parked", || logger.stats().parked > 0);
            }
            if !kill {
                let known = tally.returned();
                send(child.id(), Signal::CONT);
                until("the child logs on", || tally.returned() > known);
            }
            steps += 1;
        }
        child.kill().unwrap();
        child.wait().unwrap();
        settled(&logger, 1);
        if kill {
            steps += 3;
        }
    }
    report(&logger);
}

/// Takes hold of a child at a moment at which it has claimed nothing. Nobody else logs, so it stays so as long as all is
/// flushed.
fn seize_idle(logger: &ShmLogger, child: u32) -> Traced {
    loop {
        let traced = Traced::seize(child);
        logger.flush(Duration::from_secs(60)).unwrap();
        if logger.stats().parked == 0 {
            return traced;
        }
        // It was in the midst of a record, which has been passed by.
        traced.let_go();
    }
}

/// A process that moves one machine instruction at a time.
struct Traced(Pid);

impl Traced {
    fn seize(pid: u32) -> Traced {
        let traced = Traced(Pid::from_raw(pid as i32).unwrap());
        traced.ask(libc::PTRACE_SEIZE);
        traced.ask(libc::PTRACE_INTERRUPT);
        traced.wait_for_stop();
        traced
    }

    fn step(&self) {
        self.ask(libc::PTRACE_SINGLESTEP);
        self.wait_for_stop();
    }

    fn let_go(self) {
        self.ask(libc::PTRACE_DETACH);
    }

    fn stop_and_let_go(self) {
        send(self.0.as_raw_pid() as u32, Signal::STOP);
        self.let_go();
    }

    fn wait_for_stop(&self) {
        let (_, status) = waitpid(Some(self.0), WaitOptions::empty())
            .unwrap()
            .unwrap();
        assert!(status.stopped(), "{status:?}");
    }

    #[allow(unsafe_code)]
    fn ask(&self, request: libc::c_uint) {
        let nothing = std::ptr::null_mut::<libc::c_void>();
        // SAFETY: these requests read and write none of our memory.
        let result = unsafe { libc::ptrace(request, self.0.as_raw_pid(), nothing, nothing) };
        assert_eq!(result, 0, "ptrace: {}", std::io::Error::last_os_error());
    }
}

fn a_child_stopped_between_claim_and_publish_is_passed_and_delivered_late() {
    assert!(check("parent_of_the_stepped", "continue") >= NEAR as u64);
}

fn a_child_killed_between_claim_and_publish_leaves_no_parked_slot() {
    check("parent_of_the_stepped", "kill");
}
