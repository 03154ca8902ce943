//! The colours of the console.

use anstyle::{Ansi256Color, AnsiColor, Style};

use super::tint::Tint;
use crate::hash::fnv1a;
use crate::level::Level;

/// What is there when looked for and out of the way otherwise: time, place, thread.
pub(super) const QUIET: Style = Style::new().dimmed();

/// Marks what is not a record like the others: late ones, the drainer's own words.
pub(super) const MARK: Style = AnsiColor::Yellow.on_default().italic();

/// Colours of processes: of one lightness, readable on dark and on light ground, and none that a level has.
const PROCESSES: [u8; 12] = [38, 141, 72, 174, 69, 107, 176, 37, 137, 104, 109, 168];

pub(super) fn level(level: Level) -> Style {
    match level {
        Level::Trace => Style::new().dimmed(),
        Level::Debug => AnsiColor::Blue.on_default(),
        Level::Info => AnsiColor::Green.on_default(),
        Level::Warn => AnsiColor::Yellow.on_default().bold(),
        Level::Error => AnsiColor::Red.on_default().bold(),
        Level::Critical => AnsiColor::BrightWhite.on(AnsiColor::Red).bold(),
    }
}

/// What stands out in a message, in colours that no level of note has.
pub(super) fn tint(tint: Tint) -> Style {
    match tint {
        Tint::Number => AnsiColor::Cyan.on_default(),
        Tint::Text => AnsiColor::Green.on_default(),
        Tint::Path => AnsiColor::Magenta.on_default(),
        Tint::Url => AnsiColor::Blue.on_default().underline(),
        Tint::Word => AnsiColor::Magenta.on_default().italic(),
        Tint::Quiet => QUIET,
    }
}

/// The colour of a process, by its name alone, so that it is the same in every run. Names that differ in
/// the number at their end only, as workers' do, are told apart for certain, up to as many as there are colours.
pub(super) fn process(name: &str) -> Style {
    let stem = name.trim_end_matches(|last: char| last.is_ascii_digit());
    let number = name[stem.len()..].bytes().fold(0_usize, |sum, digit| {
        (sum * 10 + usize::from(digit - b'0')) % PROCESSES.len()
    });
    let start = (fnv1a(stem.as_bytes()) >> 32) as usize % PROCESSES.len();
    let colour = PROCESSES[(start + number) % PROCESSES.len()];
    Style::new().fg_color(Some(Ansi256Color(colour).into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn numbered_processes_have_colours_of_their_own() {
        let colours: HashSet<_> = (1..=12).map(|n| process(&format!("worker-{n}"))).collect();
        assert_eq!(colours.len(), 12);
        assert_eq!(process("worker-3"), process("worker-3"));
    }
}
