//! Calibration by the machine's clocks, and by clocks that a test sets, stops and puts to sleep.

use std::cell::Cell;

use super::*;

const SECOND: i64 = 1_000_000_000;
const HOUR: i64 = 3600 * SECOND;

/// A machine whose counter runs at 2.5 GHz.
#[derive(Debug)]
struct Machine {
    ticks: Cell<u64>,
    monotonic_ns: Cell<i64>,
    wall_ns: Cell<i64>,
}

impl Clocks for &Machine {
    fn ticks(&self) -> u64 {
        self.ticks.get()
    }

    fn are_ticks_ns(&self) -> bool {
        false
    }

    fn monotonic_ns(&self) -> i64 {
        self.monotonic_ns.get()
    }

    fn wall_ns(&self) -> i64 {
        self.wall_ns.get()
    }
}

impl Machine {
    fn new() -> Machine {
        Machine {
            ticks: Cell::new(1 << 40),
            monotonic_ns: Cell::new(7 * HOUR),
            wall_ns: Cell::new(500_000 * HOUR),
        }
    }

    fn runs(&self, ns: i64) {
        self.ticks.set(self.ticks.get() + ns as u64 / 2 * 5);
        self.monotonic_ns.set(self.monotonic_ns.get() + ns);
        self.step(ns);
    }

    fn step(&self, ns: i64) {
        self.wall_ns.set(self.wall_ns.get() + ns);
    }

    /// A calibration that knows the rate: as after `Calibration::start`.
    fn calibration(&self) -> Calibration<&Machine> {
        let first = Note::take(&self);
        self.runs(2_000_000);
        let mut calibration = Calibration {
            clocks: self,
            first,
            latest: Note::take(&self),
            ns_per_tick: 1.0,
            uneven: None,
        };
        calibration.learn_since_first();
        calibration
    }

    /// Runs for some seconds, with a look at the clocks in each.
    fn runs_on(&self, calibration: &mut Calibration<&Machine>, seconds: usize) {
        for _ in 0..seconds {
            self.runs(SECOND);
            calibration.renew();
        }
    }
}

/// Asserts that a stamp of now, read some milliseconds later, is placed at the wall clock's now.
fn assert_right(machine: &Machine, calibration: &mut Calibration<&Machine>) {
    let (stamp, now) = (machine.ticks.get(), machine.wall_ns.get());
    machine.runs(3_000_000);
    let off = calibration.wall_ns(stamp) - now;
    assert!(off.abs() < 10_000, "off by {off} ns: {calibration:?}");
}

#[test]
fn when_the_wall_clock_is_set_back_an_hour_times_are_right_again_with_the_next_note() {
    let machine = Machine::new();
    let mut calibration = machine.calibration();
    machine.runs_on(&mut calibration, 10);
    let rate = calibration.ns_per_tick;
    for step in [-HOUR, HOUR, -HOUR] {
        machine.step(step);
        machine.runs_on(&mut calibration, 1);
        assert_right(&machine, &mut calibration);
    }
    assert!(
        (calibration.ns_per_tick / rate - 1.0).abs() < 1e-9,
        "a step is no rate"
    );
}

#[test]
fn stamps_keep_their_order_across_a_step_of_the_wall_clock() {
    let machine = Machine::new();
    let mut calibration = machine.calibration();
    let stamps: Vec<u64> = (0..100)
        .map(|_| (machine.runs(10_000_000), machine.ticks.get()).1)
        .collect();
    machine.step(-HOUR);
    calibration.renew();
    let placed: Vec<i64> = stamps
        .iter()
        .map(|stamp| calibration.wall_ns(*stamp))
        .collect();
    assert!(placed.is_sorted(), "{placed:?}");
}

/// What a counter does while the machine is suspended.
type Counter<'a> = &'a dyn Fn(&Machine);

#[test]
fn a_suspended_machine_does_not_spoil_the_rate_whatever_its_counter_does_meanwhile() {
    let goes_on = |machine: &Machine| {
        machine
            .ticks
            .set(machine.ticks.get() + 8 * HOUR as u64 / 2 * 5)
    };
    let stands_still = |_: &Machine| {};
    let begins_anew = |machine: &Machine| machine.ticks.set(1000);
    let cases: [(&str, Counter<'_>); 3] = [
        ("goes on", &goes_on),
        ("stands still", &stands_still),
        ("begins anew", &begins_anew),
    ];
    for (case, counter) in cases {
        let machine = Machine::new();
        let mut calibration = machine.calibration();
        machine.runs_on(&mut calibration, 100);
        machine.runs(SECOND / 2);
        // Suspended: the monotonic clock stands still, the wall clock is put right afterwards.
        counter(&machine);
        machine.step(8 * HOUR);
        machine.runs(SECOND / 2);
        calibration.renew();
        for _ in 0..5 {
            assert_right(&machine, &mut calibration);
            assert!(
                (calibration.ns_per_tick / 0.4 - 1.0).abs() < 1e-6,
                "{case}: {calibration:?}"
            );
            machine.runs_on(&mut calibration, 1);
        }
    }
}

#[test]
fn a_stamp_that_seems_far_from_the_latest_note_is_placed_by_a_new_one() {
    let machine = Machine::new();
    let mut calibration = machine.calibration();
    machine.runs_on(&mut calibration, 5);
    // The drainer was stopped for an hour, or the machine was suspended, and no process has looked since.
    machine.runs(HOUR);
    machine.step(-10 * SECOND);
    assert_right(&machine, &mut calibration);
    // A counter that began anew: what was stamped before lies in what seems to be the future.
    let before = machine.ticks.get();
    machine.ticks.set(1000);
    machine.runs(SECOND);
    let off = calibration.wall_ns(before) - machine.wall_ns.get();
    assert!(off.abs() <= SECOND, "off by {off} ns");
    assert_right(&machine, &mut calibration);
}

#[test]
fn a_rate_that_was_learned_wrong_is_learned_anew_within_two_notes() {
    let machine = Machine::new();
    let mut calibration = machine.calibration();
    calibration.ns_per_tick *= 1.05;
    machine.runs_on(&mut calibration, 3);
    assert!(
        (calibration.ns_per_tick / 0.4 - 1.0).abs() < 1e-6,
        "{calibration:?}"
    );
    assert_right(&machine, &mut calibration);
}

#[test]
fn a_stamp_is_placed_between_the_wall_clock_before_and_after_it() {
    for clock in [Clock::choose(), Clock::Monotonic] {
        let mut calibration = Calibration::start(clock);
        let before = calibration.now_ns();
        let stamp = clock.ticks();
        let after = calibration.now_ns();
        calibration.renew();
        let placed = calibration.wall_ns(stamp);
        // The wall clock may be slewed by its keeper while we look: a millisecond is far more than that.
        assert!(before - 1_000_000 < placed && placed < after + 1_000_000);
    }
}

#[test]
fn a_damaged_stamp_is_placed_somewhere_without_a_panic() {
    let mut calibration = Calibration::start(Clock::Monotonic);
    for ticks in [0, 1, u64::MAX, 1 << 63] {
        calibration.wall_ns(ticks);
    }
}

#[test]
fn a_note_of_long_ago_is_believed_only_if_it_can_be_one() {
    let mut calibration = Calibration::start(Clock::choose());
    let rate = calibration.ns_per_tick;
    let now = note(calibration.clocks);
    // (0, 0) may well be true: both clocks count from the start of most machines.
    for forged in [
        (u64::MAX, i64::MIN),
        (now.0, now.1 - 1_000_000_000),
        (now.0 - 1_000, 0),
    ] {
        calibration.believe(forged);
        assert_eq!(
            calibration.ns_per_tick.to_bits(),
            rate.to_bits(),
            "{forged:?}"
        );
    }
    let hour = 3_600_000_000_000;
    let ago = (hour as f64 / rate) as u64;
    calibration.believe((now.0.wrapping_sub(ago), now.1 - hour));
    assert!((calibration.ns_per_tick / rate - 1.0).abs() < 1e-3);
}
