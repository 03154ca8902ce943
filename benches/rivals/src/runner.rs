//! The whole run: all loggers in turn, round after round, each run in a process of its own; runs during which others
//! used the processor are thrown away and made again. Then our own benches; then the table and the pictures.
//!
//! Others do not only make the numbers noisier: a reader that is kept from its core leaves the producer alone, which
//! makes some loggers look *better*. So a run counts only when it had the machine to itself.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::harness::latency::Latencies;
use crate::harness::load::Load;
use crate::harness::scene::Folder;
use crate::harness::{argument, asked_for, median};
use crate::loggers::{RIVALS, Rival};
use crate::scenario::{Outcome, Scenario};
use crate::{ours, plots, table, tools};

/// The share of a run that others may use.
const FOREIGN: f64 = 0.03;
/// And what may be a matter of rounding: the kernel counts in hundredths of a second.
const ROUNDING: Duration = Duration::from_millis(20);
/// How often a run is tried until it is clean.
const TRIES: u32 = 4;

/// What the command line says.
pub struct Settings {
    pub quick: bool,
    pub rounds: u64,
    /// After this nothing is tried again: what there is must do.
    patience: Duration,
    begun: Instant,
}

impl Settings {
    fn read() -> Settings {
        let quick = asked_for("--quick");
        Settings {
            quick,
            rounds: argument("--rounds").unwrap_or(if quick { 1 } else { 5 }),
            patience: Duration::from_secs(60 * argument("--minutes").unwrap_or(20)),
            begun: Instant::now(),
        }
    }

    fn is_late(&self) -> bool {
        self.begun.elapsed() > self.patience
    }
}

/// How many runs there were, and what became of them.
#[derive(Default)]
pub struct Tally {
    pub made: u32,
    pub thrown_away: u32,
    /// Kept though they were not clean, since no try was.
    pub unclean: Vec<String>,
    pub failed: Vec<String>,
}

/// What was found.
pub struct Results {
    /// By the rival's place in [`RIVALS`].
    cells: BTreeMap<(usize, Scenario), Vec<Outcome>>,
    /// Names, and why they could not be run here.
    pub missing: Vec<(&'static str, String)>,
    /// Of our own benches: name and value, the median of the rounds.
    pub ours: Vec<(String, f64)>,
    pub tally: Tally,
    pub quick: bool,
    pub rounds: u64,
    pub took: Duration,
}

impl Results {
    /// Nanoseconds that this share of the calls stays below: the median of the rounds. When a round has fewer than ten
    /// calls beyond it, that of all rounds together.
    pub fn latency(&self, rival: usize, scenario: Scenario, quantile: f64) -> Option<f64> {
        self.latency_of_curve(rival, scenario, quantile, quantile)
    }

    /// The same as part of a curve that goes up to `last`: all its points are found in the same way.
    pub fn latency_of_curve(
        &self,
        rival: usize,
        scenario: Scenario,
        quantile: f64,
        last: f64,
    ) -> Option<f64> {
        let outcomes = self.cells.get(&(rival, scenario))?;
        let rounds: Vec<&Latencies> = outcomes.iter().filter_map(Outcome::latencies).collect();
        let least = rounds.iter().map(|round| round.count()).min()? as f64;
        if least * (1.0 - last) >= 10.0 {
            return Some(median(
                rounds.iter().map(|round| round.at(quantile)).collect(),
            ));
        }
        let mut all = (*rounds.first()?).clone();
        rounds[1..].iter().for_each(|round| all.add(round));
        Some(all.at(quantile))
    }

    /// The median of the rounds.
    pub fn number(&self, rival: usize, scenario: Scenario) -> Option<f64> {
        let outcomes = self.cells.get(&(rival, scenario))?;
        let numbers: Vec<f64> = outcomes.iter().filter_map(Outcome::number).collect();
        (!numbers.is_empty()).then(|| median(numbers))
    }

    /// A number of our own benches.
    pub fn of_ours(&self, name: &str) -> Option<f64> {
        let found = self.ours.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| *value)
    }
}

/// Everything.
pub fn run() {
    let settings = Settings::read();
    let left_behind = LeftBehind::note();
    let folder = Folder::new("rivals-tools");
    let mut results = Results {
        cells: BTreeMap::new(),
        missing: Vec::new(),
        ours: Vec::new(),
        tally: Tally::default(),
        quick: settings.quick,
        rounds: settings.rounds,
        took: Duration::ZERO,
    };
    let rivals = present(&mut results);
    for round in 1..=settings.rounds {
        for scenario in Scenario::ALL {
            for (index, rival) in &rivals {
                if rival.scenarios.contains(&scenario) {
                    eprint!(
                        "\rround {round}: {:<10} {:<20}",
                        scenario.name(),
                        rival.name
                    );
                    let command = || one(rival, scenario, &folder, settings.quick);
                    let name = format!("{}, {}", rival.name, scenario.name());
                    let outcome = patiently(&settings, &mut results.tally, &name, command)
                        .and_then(|text| text.lines().find_map(Outcome::decode));
                    let cell = results.cells.entry((*index, scenario)).or_default();
                    cell.extend(outcome);
                }
            }
        }
    }
    results.ours = ours::run(&settings, &mut results.tally);
    results.took = settings.begun.elapsed();
    left_behind.clear();
    let home = tools::home().join("../results");
    std::fs::create_dir_all(&home).expect("the folder of the results");
    let text = table::render(&results);
    std::fs::write(home.join("table.md"), &text).expect("the table");
    plots::draw_all(&results, &home);
    if asked_for("--readme") {
        table::put_into_pages(&text);
    }
    println!("\r{text}");
}

/// The rivals that can be run here and were asked for; the others are noted and named.
fn present(results: &mut Results) -> Vec<(usize, &'static Rival)> {
    let mut only = std::env::args().skip_while(|argument| argument != "--only");
    let only = only.nth(1).unwrap_or_default();
    let wanted = |name: &str| only.is_empty() || only.split(',').any(|one| one == name);
    let mut present = Vec::new();
    for (index, rival) in RIVALS.iter().enumerate() {
        match (rival.missing)() {
            _ if !wanted(rival.name) => {}
            None => present.push((index, rival)),
            Some(why) => {
                eprintln!("skipped: {}: {why}", rival.name);
                results.missing.push((rival.name, why));
            }
        }
    }
    present
}

fn one(rival: &Rival, scenario: Scenario, folder: &Folder, quick: bool) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.args(["one", rival.name, scenario.name()]);
    command.args(quick.then_some("--quick"));
    command.env(tools::TOOLS, folder.path());
    command
}

/// Runs a command until it had the machine to itself, and returns what it printed: the cleanest if none had.
pub fn patiently(
    settings: &Settings,
    tally: &mut Tally,
    name: &str,
    command: impl Fn() -> Command,
) -> Option<String> {
    let mut cleanest: Option<(f64, String)> = None;
    for _ in 0..TRIES {
        let before = Load::now();
        let output = limited(command()).output().expect("a run");
        let foreign = before.foreign_since();
        tally.made += 1;
        if !output.status.success() {
            let why = String::from_utf8_lossy(&output.stderr).into_owned();
            let why = why.lines().take(5).collect::<Vec<_>>().join(" ");
            eprintln!("\rfailed: {name}: {why}");
            tally.failed.push(name.to_owned());
            continue;
        }
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        if foreign.used <= foreign.time.mul_f64(FOREIGN) + ROUNDING {
            return Some(text);
        }
        let share = foreign.used.as_secs_f64() / foreign.time.as_secs_f64();
        if cleanest.as_ref().is_none_or(|(least, _)| share < *least) {
            cleanest = Some((share, text));
        }
        tally.thrown_away += 1;
        if settings.is_late() {
            break;
        }
        wait_for_quiet();
    }
    let (share, text) = cleanest?;
    // The one that is kept was not thrown away.
    tally.thrown_away -= 1;
    tally
        .unclean
        .push(format!("{name} ({:.0} %)", share * 100.0));
    Some(text)
}

/// Ended with all its children should it hang: one run is not worth the others.
fn limited(command: Command) -> Command {
    let mut limited = Command::new("timeout");
    limited.args(["--kill-after=10", "300"]);
    limited.arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        limited.env(name, value.unwrap_or_default());
    }
    limited
}

/// For some seconds at the most.
fn wait_for_quiet() {
    for _ in 0..10 {
        let before = Load::now();
        std::thread::sleep(Duration::from_millis(300));
        if before.foreign_since().used <= ROUNDING {
            return;
        }
    }
}

/// What rivals leave in shared memory, known by its name: iceoryx2 one segment for good, LTTng two.
struct LeftBehind(Vec<PathBuf>);

impl LeftBehind {
    fn present() -> Vec<PathBuf> {
        let entries = std::fs::read_dir("/dev/shm").into_iter().flatten();
        let paths = entries.flatten().map(|entry| entry.path());
        let theirs = |path: &PathBuf| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.starts_with("iox2_") || name.starts_with("lttng-ust-")
        };
        paths.filter(theirs).collect()
    }

    fn note() -> LeftBehind {
        LeftBehind(LeftBehind::present())
    }

    /// Removes what was not there before.
    fn clear(&self) {
        let new = LeftBehind::present().into_iter();
        for path in new.filter(|path| !self.0.contains(path)) {
            let _ = std::fs::remove_file(path);
        }
    }
}
