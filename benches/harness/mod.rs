//! What the benches share, and the rivals' crate with them: the clock, histograms of calls, which core does what,
//! who else used the processor, and the folder of a run.

// Each bench uses its part.
#![allow(dead_code)]

pub mod clock;
pub mod cores;
pub mod floor;
pub mod latency;
pub mod load;
pub mod messages;
pub mod scene;

/// Prints one number, for people and for the runner in `benches/rivals`, which [parses](parse) it.
pub fn say(name: &str, value: f64, unit: &str) {
    println!("{name:<52} {value:>14.2} {unit}");
}

/// The name and the value of a line that [`say`] has printed.
pub fn parse(line: &str) -> Option<(&str, f64)> {
    let (name, rest) = line.split_at_checked(52)?;
    let value = rest.split_whitespace().next()?.parse().ok()?;
    Some((name.trim_end(), value))
}

/// The number behind `--name` on the command line.
pub fn argument(name: &str) -> Option<u64> {
    let mut arguments = std::env::args().skip_while(|argument| argument != name);
    arguments.nth(1)?.replace('_', "").parse().ok()
}

/// Whether `--name` is on the command line.
pub fn asked_for(name: &str) -> bool {
    std::env::args().any(|argument| argument == name)
}

/// The middle one; of none, not a number.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => f64::NAN,
        odd if odd % 2 == 1 => values[middle],
        _ => (values[middle - 1] + values[middle]) / 2.0,
    }
}
