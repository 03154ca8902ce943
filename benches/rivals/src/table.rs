//! The results in Markdown, with the machine and the command: `benches/results/table.md`.

use std::fmt::Write;
use std::process::Command;

use crate::loggers::{RIVALS, Rival};
use crate::runner::Results;
use crate::scenario::Scenario;
use crate::tools::home;

/// The columns behind the logger's name.
const COLUMNS: [&str; 11] = [
    "crosses processes",
    "p50",
    "p99",
    "p99.9",
    "64-byte literal, p50",
    "200-byte string, p50",
    "cold, p50",
    "cold, p99.9",
    "burst, a record",
    "disabled level",
    "lines/s to a file",
];

/// Between these a page has what is made here.
const MARKS: (&str, &str) = (
    "<!-- benches/results/table.md begins -->\n",
    "<!-- benches/results/table.md ends -->\n",
);

/// Puts the file's first table into the README, and the whole file into the guide.
pub fn put_into_pages(text: &str) {
    let first = text.split_inclusive('\n').take_while(|line| line.starts_with('|'));
    put_into("README.md", &first.collect::<String>());
    put_into("docs/guide/src/speed.md", text);
}

fn put_into(page: &str, text: &str) {
    let path = home().join("../..").join(page);
    let old = std::fs::read_to_string(&path).expect("the page");
    let (before, rest) = old.split_once(MARKS.0).expect("the mark");
    let (_, after) = rest.split_once(MARKS.1).expect("the mark at the end");
    let new = format!("{before}{}{text}{}{after}", MARKS.0, MARKS.1);
    std::fs::write(&path, new).expect("the page");
}

/// The whole file.
pub fn render(results: &Results) -> String {
    let mut text = String::new();
    writeln!(text, "| logger | {} |", COLUMNS.join(" | ")).unwrap();
    writeln!(text, "|---|---|{}", "--:|".repeat(COLUMNS.len() - 1)).unwrap();
    for (index, rival) in RIVALS.iter().enumerate() {
        let cells = row(results, index, rival);
        if cells[1..].iter().any(|cell| cell != "-") {
            writeln!(text, "| {} | {} |", rival.name, cells.join(" | ")).unwrap();
        }
    }
    text += METHOD;
    render_ours(results, &mut text);
    render_machine(results, &mut text);
    render_configurations(results, &mut text);
    text
}

fn row(results: &Results, index: usize, rival: &Rival) -> Vec<String> {
    let latency = |scenario, quantile| nanoseconds(results.latency(index, scenario, quantile));
    let number = |scenario| results.number(index, scenario);
    let rate = number(Scenario::Drain).map(|rate| format!("{:.2} M", rate / 1e6));
    let binary = if rival.text { "" } else { " (binary)" };
    vec![
        rival.crosses.to_owned(),
        latency(Scenario::Three, 0.5),
        latency(Scenario::Three, 0.99),
        latency(Scenario::Three, 0.999),
        latency(Scenario::Literal, 0.5),
        latency(Scenario::Text, 0.5),
        latency(Scenario::Cold, 0.5),
        latency(Scenario::Cold, 0.999),
        nanoseconds(number(Scenario::Burst)),
        nanoseconds(number(Scenario::Disabled)),
        rate.map_or("-".to_owned(), |rate| rate + binary),
    ]
}

fn nanoseconds(value: Option<f64>) -> String {
    match value {
        None => "-".to_owned(),
        Some(small) if small < 9.95 => format!("{small:.1}"),
        Some(value) => thousands(value),
    }
}

/// With commas.
fn thousands(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

const METHOD: &str = "
Nanoseconds, but for the last column. p50, p99, p99.9: `joint {} pos {} vel {}` of an integer and two floats, calls 1 \
to 2 µs apart, every call timed, the empty timing subtracted; the producer has one core, whatever takes its records the \
other. Cold: one call a millisecond, asleep in between. Burst: 50,000 records into an empty queue. Lines: as many as one \
can, nothing lost, until all are in the file. Every record of every run has arrived. 0.0 for a disabled level: \
compiled out.
";

/// A question to our own benches that has no rivals.
struct Question {
    what: &'static str,
    /// What the bench calls the number.
    name: &'static str,
    /// What the bench counts in, in units of ours.
    scale: f64,
    digits: usize,
    unit: &'static str,
}

const fn question(
    what: &'static str,
    name: &'static str,
    scale: f64,
    digits: usize,
    unit: &'static str,
) -> Question {
    Question {
        what,
        name,
        scale,
        digits,
        unit,
    }
}

const OURS: &[Question] = &[
    question(
        "two processes at once, p50",
        "processes: 2, p50",
        1.0,
        0,
        "ns",
    ),
    question("the same, p99", "processes: 2, p99", 1.0, 0, "ns"),
    question(
        "sixteen processes on two cores, p50",
        "processes: 16, p50",
        1.0,
        0,
        "ns",
    ),
    question(
        "from the call to the bytes in the file, a record every 1.5 µs, p50",
        "a record every 1.5 µs, p50",
        1.0,
        0,
        "µs",
    ),
    question("the same, p99", "a record every 1.5 µs, p99", 1.0, 0, "µs"),
    question(
        "from the call to the bytes in the file, a record a millisecond, p50",
        "a record a millisecond, p50",
        1.0,
        0,
        "µs",
    ),
    question("the same, p99", "a record a millisecond, p99", 1.0, 0, "µs"),
    question(
        "lines of a 64-byte literal to a file",
        "drain, 64-byte literal",
        1e-6,
        2,
        "M a second",
    ),
    question(
        "records without formatting and file (`discard`)",
        "drain, discarded",
        1e-6,
        1,
        "M a second",
    ),
    question(
        "the drainer while nothing is logged",
        "idle, nothing logged",
        1.0,
        2,
        "% of a core",
    ),
    question(
        "the drainer with a record a second",
        "idle, a record a second",
        1.0,
        2,
        "% of a core",
    ),
];

fn render_ours(results: &Results, text: &mut String) {
    writeln!(text, "\n| shmlog alone | |\n|---|--:|").unwrap();
    for question in OURS {
        if let Some(value) = results.of_ours(question.name) {
            let (value, digits) = (value * question.scale, question.digits);
            let (what, unit) = (question.what, question.unit);
            writeln!(text, "| {what} | {value:.digits$} {unit} |").unwrap();
        }
    }
    let grown = results.of_ours("grown between the first tenth and the end");
    let last = |(name, _): &&(String, f64)| name.ends_with(" records, own");
    let last = results.ours.iter().rfind(last);
    if let (Some(grown), Some((name, own))) = (grown, last) {
        let records = name.split(' ').nth(1).and_then(|word| word.parse().ok());
        let records = thousands(records.unwrap_or_default());
        writeln!(
            text,
            "| the drainer's own memory after {records} records; grown since a tenth of them | {own:.1} MiB; \
             {grown:.0} KiB |"
        )
        .unwrap();
    }
}

fn render_machine(results: &Results, text: &mut String) {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let kernel = first_line("/proc/sys/kernel/osrelease");
    let flags = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let of = |name: &str| {
        let line = flags.lines().find(|line| line.starts_with(name));
        let value = line.and_then(|line| line.split_once(": "));
        value.map_or("unknown", |(_, value)| value).to_owned()
    };
    let virtually = if of("flags").contains("hypervisor") {
        ", a virtual machine"
    } else {
        ""
    };
    writeln!(
        text,
        "\n{} (family {}, model {}), {cores} cores{virtually}, Linux {kernel}, {}, g++ {}, {}. By\n",
        of("model name"),
        of("cpu family"),
        of("model\t"),
        said_by("rustc", "--version"),
        said_by("g++", "-dumpfullversion"),
        said_by("date", "+%Y-%m-%d"),
    )
    .unwrap();
    let quick = if results.quick { " -- --quick" } else { "" };
    writeln!(
        text,
        "```sh\ncargo run --release --manifest-path benches/rivals/Cargo.toml{quick}\n```\n"
    )
    .unwrap();
    render_tally(results, text);
}

fn render_tally(results: &Results, text: &mut String) {
    let tally = &results.tally;
    writeln!(
        text,
        "{} rounds, medians; {} runs, a process each, in {:.0} minutes. Thrown away and made again because others used \
         more than 3 % of the time: {}.",
        results.rounds,
        tally.made,
        results.took.as_secs_f64() / 60.0,
        tally.thrown_away,
    )
    .unwrap();
    if !tally.unclean.is_empty() {
        let (number, names) = (tally.unclean.len(), tally.unclean.join(", "));
        let names = if number > 10 { "" } else { &names };
        writeln!(
            text,
            "Never clean, and kept all the same: {number} runs. {names}"
        )
        .unwrap();
    }
    if !tally.failed.is_empty() {
        writeln!(text, "Failed, and made again: {}.", tally.failed.join(", ")).unwrap();
    }
    for (name, why) in &results.missing {
        writeln!(text, "Skipped: {name}: {why}.").unwrap();
    }
}

fn render_configurations(results: &Results, text: &mut String) {
    writeln!(text, "\n<details><summary>Configurations</summary>\n").unwrap();
    for (index, rival) in RIVALS.iter().enumerate() {
        let has_run = row(results, index, rival)[1..]
            .iter()
            .any(|cell| cell != "-");
        if has_run {
            writeln!(text, "- {}: {}", rival.name, rival.configuration).unwrap();
        }
    }
    writeln!(text, "\n</details>").unwrap();
}

fn first_line(path: &str) -> String {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines().next().unwrap_or("unknown").to_owned()
}

fn said_by(program: &str, argument: &str) -> String {
    let output = Command::new(program).arg(argument).output();
    let text = output.map_or_else(
        |_| format!("no {program}"),
        |output| String::from_utf8_lossy(&output.stdout).into_owned(),
    );
    let line = text.lines().next().unwrap_or_default();
    // What stands in parentheses is the distributor's.
    line.split(" (").next().unwrap_or_default().to_owned()
}
