//! What the doctor says, as text for the width of the terminal, and as JSON.

use std::io::Write;

use anstyle::{AnsiColor, Style};
use serde_json::json;

use super::finding::{Finding, Verdict};
use super::measure::Measured;
use super::picture::{QUANTILES, draw, said};
use crate::show;

/// The width where there is no terminal.
const WIDTH: usize = 80;
/// Columns of the verdict, and of the name with it.
const VERDICT: usize = 6;
const NAME: usize = 28;

/// Prints lines; a reader need not read to the end (`shmlog doctor | head`). Colours are for terminals alone.
fn print(text: &str) {
    let mut out = anstream::stdout();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

fn width() -> usize {
    show::columns()
        .filter(|columns| *columns >= 40)
        .unwrap_or(WIDTH)
}

fn style(verdict: Verdict) -> Style {
    let colour = match verdict {
        Verdict::Ok => AnsiColor::Green,
        Verdict::Note => AnsiColor::Yellow,
        Verdict::Bad => AnsiColor::Red,
    };
    Style::new().bold().fg_color(Some(colour.into()))
}

/// All checks.
pub fn say_findings(findings: &[Finding]) {
    let width = width();
    let text: String = findings
        .iter()
        .map(|finding| said_of(finding, width))
        .collect();
    let count = |verdict| {
        findings
            .iter()
            .filter(|finding| finding.verdict == verdict)
            .count()
    };
    let (ok, notes, bad) = (
        count(Verdict::Ok),
        count(Verdict::Note),
        count(Verdict::Bad),
    );
    print(&format!(
        "{text}\n{} checks: {ok} ok, {notes} could be better, {bad} bad\n",
        findings.len()
    ));
}

fn said_of(finding: &Finding, width: usize) -> String {
    let style = style(finding.verdict);
    let verdict = finding.verdict.as_str();
    let mut text = format!(
        "{style}{verdict}{style:#}{:1$}",
        "",
        VERDICT - verdict.len()
    );
    let name = NAME - VERDICT;
    text += &format!(
        "{:name$}{}\n",
        finding.name,
        wrapped(&finding.found, NAME, width)
    );
    for (word, words) in [("why:", &finding.why), ("do:", &finding.advice)] {
        if !words.is_empty() {
            let indent = VERDICT + 5;
            text += &format!(
                "{:VERDICT$}{word:<5}{}\n",
                "",
                wrapped(words, indent, width)
            );
        }
    }
    text
}

/// Words in lines, all but the first with this many blanks before.
fn wrapped(text: &str, indent: usize, width: usize) -> String {
    let (mut lines, mut column) = (String::new(), indent);
    for word in text.split(' ') {
        let length = word.chars().count();
        if column > indent && column + 1 + length > width {
            lines += &format!("\n{:indent$}", "");
            column = indent;
        } else if column > indent {
            lines.push(' ');
            column += 1;
        }
        lines += word;
        column += length;
    }
    lines
}

/// The measurement, and its picture.
pub fn say_measured(measured: Option<&Measured>) {
    let Some(measured) = measured else {
        return;
    };
    let width = width();
    let calls = measured.calls.len();
    let place = match measured.cpus {
        Some((producer, drainer)) => format!("on CPU {producer}, the drainer on CPU {drainer}"),
        None => "with the drainer on the same CPU".to_owned(),
    };
    let steps = match measured.step {
        1 => String::new(),
        step => format!(" (the clock moves in steps of {step} ns; between them is interpolated)"),
    };
    let head = format!(
        "A log call of three numbers, {calls} times, 1 to 2 µs apart, {place}; timing itself, {:.0} ns, is subtracted{steps}:",
        measured.empty
    );
    let numbers = QUANTILES.map(|(name, at)| format!("{name} {}", said(measured.at(at))));
    let most = format!("max {}", said(measured.calls.max()));
    let bold = Style::new().bold();
    let mut text = format!(
        "\n{}\n{bold}  {}  {most}{bold:#}\n\n",
        wrapped(&head, 0, width),
        numbers.join("  ")
    );
    let colour = Style::new().fg_color(Some(AnsiColor::Cyan.into()));
    for line in draw(&measured.calls, width) {
        text += &format!("{colour}{line}{colour:#}\n");
    }
    if cfg!(debug_assertions) {
        text += "This shmlog was built without --release: a released one is faster.\n";
    }
    if measured.dropped > 0 {
        let dropped = measured.dropped;
        text += &format!(
            "{dropped} of the records found the ring full: the drainer did not keep up here\n"
        );
    }
    print(&text);
}

/// All of it as one object.
pub fn say_json(findings: &[Finding], measured: Option<&Measured>) {
    let checks = findings.iter().map(|finding| {
        json!({
            "name": finding.name,
            "verdict": finding.verdict.as_str(),
            "found": finding.found,
            "why": finding.why,
            "advice": finding.advice,
        })
    });
    let checks: Vec<_> = checks.collect();
    print(&format!(
        "{:#}\n",
        json!({ "checks": checks, "call": measured.map(json_of) })
    ));
}

fn json_of(measured: &Measured) -> serde_json::Value {
    let mut object = json!({
        "unit": "ns",
        "calls": measured.calls.len(),
        "timing_subtracted": measured.empty,
        "clock_step": measured.step,
        "cpu": measured.cpus.map(|(producer, _)| producer),
        "drainer_cpu": measured.cpus.map(|(_, drainer)| drainer),
        "dropped": measured.dropped,
        "max": measured.calls.max(),
    });
    for (name, at) in QUANTILES {
        object[name] = measured.at(at).into();
    }
    let buckets = measured.calls.iter_recorded();
    let buckets =
        buckets.map(|bucket| json!([bucket.value_iterated_to(), bucket.count_at_value()]));
    object["histogram"] = buckets.collect();
    object
}
