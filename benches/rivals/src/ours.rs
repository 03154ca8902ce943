//! Our own benches, those that have no rivals: they are built and run from here, so that one command runs all.

use std::path::PathBuf;
use std::process::Command;

use crate::harness::{median, parse};
use crate::runner::{Settings, Tally, patiently};
use crate::tools::home;

/// A bench, how often it is run, and its arguments for a full and for a quick run.
struct Bench {
    name: &'static str,
    rounds: u64,
    full: &'static [&'static str],
    quick: &'static [&'static str],
}

const BENCHES: &[Bench] = &[
    Bench {
        name: "contention",
        rounds: 3,
        full: &[],
        quick: &["--quick"],
    },
    Bench {
        name: "delay",
        rounds: 3,
        full: &[],
        quick: &["--quick"],
    },
    Bench {
        name: "drain",
        rounds: 3,
        full: &[],
        quick: &["--records", "200_000"],
    },
    Bench {
        name: "idle",
        rounds: 1,
        full: &["--seconds", "10"],
        quick: &["--seconds", "2"],
    },
    Bench {
        name: "memory",
        rounds: 1,
        full: &["--records", "100_000_000"],
        quick: &["--records", "1_000_000"],
    },
];

/// Names and values, of each the median of the rounds.
pub fn run(settings: &Settings, tally: &mut Tally) -> Vec<(String, f64)> {
    let mut found: Vec<(String, Vec<f64>)> = Vec::new();
    for bench in BENCHES {
        let program = build(bench.name);
        let rounds = if settings.quick { 1 } else { bench.rounds };
        for round in 1..=rounds {
            eprint!("\rround {round}: our own, {:<20}", bench.name);
            let text = patiently(settings, tally, bench.name, || {
                let mut command = Command::new(&program);
                let arguments = if settings.quick {
                    bench.quick
                } else {
                    bench.full
                };
                command.args(arguments);
                command
            });
            let text = text.unwrap_or_default();
            for (name, value) in text.lines().filter_map(parse) {
                match found.iter_mut().find(|(known, _)| known == name) {
                    Some((_, values)) => values.push(value),
                    None => found.push((name.to_owned(), vec![value])),
                }
            }
        }
    }
    let medians = found
        .into_iter()
        .map(|(name, values)| (name, median(values)));
    medians.collect()
}

/// The program of a bench.
fn build(name: &str) -> PathBuf {
    let manifest = home().join("../../Cargo.toml");
    let output = Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()))
        .args([
            "bench",
            "--no-run",
            "--message-format=json",
            "--bench",
            name,
        ])
        .arg("--manifest-path")
        .arg(manifest)
        .output()
        .expect("cargo");
    let why = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name} does not build: {why}");
    let text = String::from_utf8_lossy(&output.stdout);
    let messages = text
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let mut programs = messages.filter(|message| message["target"]["name"] == name);
    let program = programs.find_map(|message| Some(message["executable"].as_str()?.into()));
    program.expect("the bench's program")
}
