//! What does a call cost when others log too, and does it depend on the ring or the message?
//!
//! 1 to 16 processes on two cores, in turn on the one and the other, the drainer wherever it finds room; two processes
//! are one on each core. Then one producer and its drainer, each on its core: against the ring's size, and against
//! the message's length. Calls are 1 to 2 µs apart; a full ring is waited for, so that every record arrives, which is
//! checked before a number is printed.
//!
//! ```sh
//! cargo bench --bench contention -- [--quick]
//! ```

mod harness;

use std::hint::black_box;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use harness::clock::Clock;
use harness::cores::{Cores, pin_this_thread};
use harness::latency::{Latencies, paced};
use harness::messages::{text, three};
use harness::scene::{Folder, PATIENCE, assert_arrived, pin_apart, settings};
use harness::{asked_for, say};
use shmlog::{OnFull, ShmLogger, info};

/// In the environment of a member: the core it runs on and the number of its calls.
const MEMBER: &str = "SHMLOG_BENCH_MEMBER";

fn main() {
    if let Ok(orders) = std::env::var(MEMBER) {
        return member(&orders);
    }
    let less = if asked_for("--quick") { 10 } else { 1 };
    let (cores, clock) = (Cores::find(), Clock::calibrate());
    for processes in [1, 2, 4, 8, 16] {
        let latencies = crowd(cores, processes, 400_000 / less);
        report("processes", processes, &latencies);
    }
    // Each in a ring of its own, so in a parent of its own: a process that is pinned would pin the next drainer too.
    for shift in [10, 12, 14, 16, 18, 20] {
        let latencies = in_thread(|| against_ring(cores, clock, 1 << shift, 200_000 / less));
        report("slots", 1 << shift, &latencies);
    }
    for bytes in [16, 64, 128, 256, 512, 1024, 2048, 4096, 8192] {
        let latencies = in_thread(|| against_length(cores, clock, bytes, 100_000 / less));
        report("bytes", bytes as u64, &latencies);
    }
}

fn report(what: &str, number: u64, latencies: &Latencies) {
    for (label, quantile) in [("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999)] {
        say(
            &format!("{what}: {number}, {label}"),
            latencies.at(quantile),
            "ns",
        );
    }
}

/// Of all calls of all processes.
fn crowd(cores: Cores, processes: u64, calls: u64) -> Latencies {
    let folder = Folder::new("contention");
    let waiting = settings(&folder).on_full(OnFull::Block(PATIENCE));
    let logger = waiting.init_parent().expect("a ring");
    let calls = calls / processes;
    let start = |n| {
        let core = [cores.producer, cores.consumer][n as usize % 2];
        Member::start(&format!("{core} {calls}"))
    };
    let mut members: Vec<Member> = (0..processes).map(start).collect();
    // All are ready before one begins.
    members
        .iter_mut()
        .for_each(|member| assert_eq!(member.hear().trim(), "ready"));
    members.iter_mut().for_each(Member::go);
    let all = members.into_iter().map(Member::finish);
    let all = all.reduce(|mut all, one| {
        all.add(&one);
        all
    });
    assert_arrived(&logger, processes * (calls + 1));
    all.expect("a process at least")
}

/// A process that logs.
struct Member {
    child: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Member {
    fn start(orders: &str) -> Member {
        let mut command = Command::new(std::env::current_exe().expect("this program"));
        command
            .env(MEMBER, orders)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut child = command.spawn().expect("a process");
        let orders = child.stdin.take().expect("a pipe");
        let answers = BufReader::new(child.stdout.take().expect("a pipe"));
        Member {
            child,
            orders,
            answers,
        }
    }

    fn hear(&mut self) -> String {
        let mut line = String::new();
        self.answers.read_line(&mut line).expect("an answer");
        line
    }

    fn go(&mut self) {
        writeln!(self.orders, "go").expect("told");
    }

    fn finish(mut self) -> Latencies {
        let line = self.hear();
        assert!(self.child.wait().expect("an end").success());
        Latencies::decode(&line).expect("its numbers")
    }
}

/// A member's whole life.
fn member(orders: &str) {
    let numbers: Vec<u64> = orders
        .split(' ')
        .map(|word| word.parse().expect("a number"))
        .collect();
    let clock = Clock::calibrate();
    let _logger = ShmLogger::attach().expect("the ring");
    pin_this_thread(numbers[0] as usize);
    info!("the first registers this thread");
    println!("ready");
    std::io::stdin()
        .read_line(&mut String::new())
        .expect("a word");
    let latencies = paced(clock, numbers[1], |n| {
        let (joint, position, velocity) = three(n);
        info!("joint {} pos {} vel {}", joint, position, velocity);
    });
    println!("{}", latencies.encode());
}

fn against_ring(cores: Cores, clock: Clock, slots: u64, calls: u64) -> Latencies {
    let folder = Folder::new("contention");
    let waiting = settings(&folder).on_full(OnFull::Block(PATIENCE));
    let logger = waiting.slots(slots).init_parent().expect("a ring");
    info!("the first registers this thread");
    pin_apart(cores);
    let latencies = paced(clock, calls, |n| {
        let (joint, position, velocity) = three(n);
        info!("joint {} pos {} vel {}", joint, position, velocity);
    });
    assert_arrived(&logger, 1 + calls);
    latencies
}

fn against_length(cores: Cores, clock: Clock, bytes: usize, calls: u64) -> Latencies {
    let folder = Folder::new("contention");
    let waiting = settings(&folder).on_full(OnFull::Block(PATIENCE));
    let logger = waiting.init_parent().expect("a ring");
    info!("the first registers this thread");
    pin_apart(cores);
    let text = text(bytes);
    let latencies = paced(clock, calls, |_| info!("{}", black_box(&*text)));
    assert_arrived(&logger, 1 + calls);
    latencies
}

/// Pins are a thread's: the next case begins in one that has none.
fn in_thread<T: Send>(case: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| scope.spawn(case).join().expect("the case"))
}
