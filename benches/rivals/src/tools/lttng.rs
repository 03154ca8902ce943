//! LTTng-UST: a tracer, in binary, whose daemon takes the records.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::{compiled, missing as missing_header, play};
use crate::harness::clock::{Clock, monotonic};
use crate::harness::cores::pin_others;
use crate::harness::load::name_and_parent;
use crate::loggers::Rival;
use crate::one::Run;
use crate::scenario::{Outcome, Scenario, WARM_UP};

pub const RIVAL: Rival = Rival {
    name: "LTTng-UST",
    crosses: "yes",
    configuration: "a session of its own, one user-space channel of 8 × 4 MiB per core, tracepoints with typed fields, \
                    the literal as an event without any; binary, nothing formatted; `--blocking-timeout=inf`",
    text: false,
    scenarios: &Scenario::ALL,
    run,
    missing,
};

fn missing() -> Option<String> {
    let runs = |program: &str| {
        let mut command = Command::new(program);
        command.arg("--version").stdout(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    missing_header("lttng/tracepoint.h", "liblttng-ust-dev").or_else(|| {
        let absent = ["lttng", "lttng-sessiond", "babeltrace2"]
            .into_iter()
            .find(|program| !runs(program));
        absent.map(|program| format!("there is no {program} (Debian: lttng-tools, babeltrace2)"))
    })
}

fn run(run: &Run) -> Outcome {
    // So fast that starting and stopping would be most of it.
    let more = if run.scenario == Scenario::Drain {
        10
    } else {
        1
    };
    let run = Run {
        calls: run.calls * more,
        folder: crate::harness::scene::Folder::new("rivals-lttng"),
        ..*run
    };
    let program = compiled(&run, "lttng", &["-llttng-ust", "-ldl"]);
    let session = Session::start(&run);
    let mut command = Command::new(program);
    command
        .env("LTTNG_UST_REGISTER_TIMEOUT", "-1")
        .env("LTTNG_UST_ALLOW_BLOCKING", "1");
    let found = play(&run, command, Clock::calibrate());
    let trace = session.stop();
    let stopped = monotonic();
    assert_eq!(events(&trace), found.expected, "events that arrived");
    match (run.scenario, found.outcome) {
        // It has said when it began; it is done when the daemon has taken all.
        (Scenario::Drain, Outcome::Number(begun)) => {
            let seconds = (stopped as f64 - begun) / 1e9;
            Outcome::Number((found.expected - WARM_UP) as f64 / seconds)
        }
        (_, outcome) => outcome,
    }
}

/// A tracing session, with a daemon of its own if there is none.
struct Session {
    name: String,
    trace: PathBuf,
    daemon: Option<Child>,
}

impl Session {
    fn start(run: &Run) -> Session {
        let session = Session {
            name: format!("rivals-{}", std::process::id()),
            trace: run.folder.path().join("trace"),
            daemon: daemon(run),
        };
        let output = format!("--output={}", session.trace.display());
        lttng(&["create", &session.name, &output]);
        let on = format!("--session={}", session.name);
        let size = [
            "--subbuf-size=4M",
            "--num-subbuf=8",
            "--blocking-timeout=inf",
        ];
        let channel = ["enable-channel", "--userspace", &on, "calls"];
        lttng(&[&channel[..], &size].concat());
        let event = ["enable-event", "--userspace", &on, "--channel=calls"];
        lttng(&[&event[..], &["rivals:three,rivals:literal,rivals:text"]].concat());
        lttng(&["start", &session.name]);
        for pid in daemons() {
            pin_others(pid, run.cores.consumer);
        }
        session
    }

    /// Returns when all is in the file.
    fn stop(&self) -> PathBuf {
        lttng(&["stop", &self.name]);
        self.trace.clone()
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // What goes wrong here is told by what it leads to; a panic would hide the one that led here.
        let mut destroy = Command::new("lttng");
        destroy.args(["--no-sessiond", "destroy", &self.name]);
        let _ = destroy.stdout(Stdio::null()).status();
        if let Some(daemon) = &mut self.daemon {
            let pid = rustix::process::Pid::from_child(daemon);
            // It ends its helpers, which SIGKILL would leave.
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
            let _ = daemon.wait();
        }
    }
}

/// Starts a daemon, unless one is running already.
fn daemon(run: &Run) -> Option<Child> {
    if is_served() {
        return None;
    }
    let mut command = Command::new("lttng-sessiond");
    command
        .args(["--no-kernel", "--quiet"])
        .env("LTTNG_HOME", run.folder.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let mut daemon = command.spawn().expect("a daemon");
    while !is_served() {
        std::thread::sleep(Duration::from_millis(20));
        // One that was about to end was in its way.
        if daemon.try_wait().expect("its state").is_some() {
            daemon = command.spawn().expect("a daemon");
        }
    }
    Some(daemon)
}

fn is_served() -> bool {
    let mut command = Command::new("lttng");
    command.args(["--no-sessiond", "list"]);
    let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

fn lttng(arguments: &[&str]) {
    let mut command = Command::new("lttng");
    let output = command.arg("--no-sessiond").args(arguments).output();
    let output = output.expect("lttng");
    let why = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {why}");
}

/// The processes that take the records.
fn daemons() -> Vec<u32> {
    let processes = std::fs::read_dir("/proc").expect("/proc").flatten();
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|pid| name_and_parent(*pid).is_some_and(|(name, _)| name.starts_with("lttng-")))
        .collect()
}

fn events(trace: &Path) -> u64 {
    let output = Command::new("babeltrace2")
        .arg(trace)
        .args(["--component", "counter:sink.utils.counter"])
        .output()
        .expect("babeltrace2");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    // It counts aloud: the last number is the sum.
    let line = text.lines().rfind(|line| line.contains(" Event message"));
    let number = line.and_then(|line| line.split_whitespace().next());
    let number = number.expect("a count").replace(',', "");
    number.parse().expect("a count")
}
