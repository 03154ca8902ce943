//! Rivals that are programs of their own, in C++ and Python: they make the calls by the same method (`cpp/pace.hpp`,
//! `python/`) and hand over their samples, which become percentiles here.

pub mod logging_mp;
pub mod lttng;
pub mod spdlog;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::harness::clock::Clock;
use crate::harness::latency::Latencies;
use crate::one::Run;
use crate::scenario::{BURSTS, Outcome, Scenario, WARM_UP};

/// Where compiled programs are kept for the length of a whole run; set by the runner.
pub const TOOLS: &str = "RIVALS_TOOLS";

/// This crate's folder.
pub fn home() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// What a program has found.
pub struct Found {
    pub outcome: Outcome,
    /// How many records must be there in the end.
    pub expected: u64,
}

/// Starts a program, in the environment of `command`, and reads what it found. `clock` is the one it uses.
pub fn play(run: &Run, mut command: Command, clock: Clock) -> Found {
    let samples = run.folder.path().join("samples");
    let numbers = [
        run.calls,
        BURSTS,
        WARM_UP,
        run.cores.producer as u64,
        run.cores.consumer as u64,
        clock.ticks(Duration::from_micros(1)),
    ];
    command.arg(run.scenario.name()).arg(run.folder.path());
    command.args(numbers.map(|number| number.to_string()));
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .expect("a program");
    assert!(output.status.success(), "{command:?}: {}", output.status);
    let text = String::from_utf8_lossy(&output.stdout);
    let value = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|value| value.trim().parse::<f64>().ok())
    };
    let outcome = match run.scenario {
        Scenario::Burst | Scenario::Drain | Scenario::Disabled => {
            Outcome::Number(value("number").expect("a number"))
        }
        _ => Outcome::Latencies(read_samples(&samples, clock)),
    };
    let expected = value("expected").expect("how many records") as u64;
    Found { outcome, expected }
}

/// Two counts, then as many samples of the empty timing and of the calls; all of 32 bits, in ticks.
fn read_samples(path: &Path, clock: Clock) -> Latencies {
    let bytes = std::fs::read(path).expect("the samples");
    let words = bytes.chunks_exact(4);
    let words: Vec<u32> = words
        .map(|word| u32::from_le_bytes(word.try_into().expect("four bytes")))
        .collect();
    let (empty, samples) = words[2..].split_at(words[0] as usize);
    assert_eq!(samples.len(), words[1] as usize);
    Latencies::from_samples(clock, empty, samples)
}

/// Why a program from `cpp/` that includes `header` cannot be compiled here.
fn missing(header: &str, package: &str) -> Option<String> {
    let mut compiler = Command::new("g++");
    let check = format!("#include <{header}>");
    compiler.args([
        "-fsyntax-only",
        "-x",
        "c++",
        "-include",
        header,
        "/dev/null",
    ]);
    let output = compiler.stdin(Stdio::null()).output();
    match output {
        Ok(output) if output.status.success() => None,
        Ok(_) => Some(format!("{check} is not to be had (Debian: {package})")),
        Err(_) => Some("there is no g++".to_owned()),
    }
}

/// The program of a source in `cpp/`, compiled if it has not been yet.
fn compiled(run: &Run, source: &str, flags: &[&str]) -> PathBuf {
    let folder = std::env::var_os(TOOLS).map_or(run.folder.path().to_owned(), PathBuf::from);
    let program = folder.join(source);
    if !program.exists() {
        let sources = home().join("cpp");
        let status = Command::new("g++")
            .args(["-O3", "-DNDEBUG", "-std=c++17", "-I"])
            .arg(&sources)
            .arg(sources.join(source).with_extension("cpp"))
            .arg("-o")
            .arg(&program)
            .args(flags)
            .arg("-lpthread")
            .status();
        assert!(status.expect("g++").success(), "{source} does not compile");
    }
    program
}
