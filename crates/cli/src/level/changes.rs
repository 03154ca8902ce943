//! What the words of `shmlog level` make of a filter.
//!
//! ```text
//!   warn  imu=debug  +imu=debug    this directive, in place of the one for the same target, or beside all others
//!   -imu                           without the directive for imu
//!   =warn,imu=debug                these and no others
//!   reset                          the level and the directives that the program was given; it stands alone
//! ```

use crate::directives;
use crate::failure::Failure;

/// One change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// This directive.
    Put(String),
    /// None for this target.
    Remove(String),
    /// These in place of all.
    Whole(String),
}

/// The word that stands alone: see [`Observer::reset_filter`](shmlog::observe::Observer::reset_filter).
pub const RESET: &str = "reset";

/// Whether a word is a change, and no ring.
pub fn is_one(word: &str) -> bool {
    word == RESET
        || word.starts_with(['+', '-'])
        || word.contains(['=', ','])
        || directives::is_level(word)
}

/// Reads words.
pub fn read(words: &[String]) -> Result<Vec<Change>, Failure> {
    let mut changes = Vec::new();
    for word in words {
        if let Some(whole) = word.strip_prefix('=') {
            directives::check(whole)?;
            changes.push(Change::Whole(whole.to_owned()));
            continue;
        }
        let pieces = word.split(',').map(str::trim);
        for piece in pieces.filter(|piece| !piece.is_empty()) {
            changes.push(read_one(piece)?);
        }
    }
    let is_whole = |change: &Change| matches!(change, Change::Whole(_));
    match changes.iter().skip(1).any(is_whole) {
        true => Err(Failure::new(
            "what replaces all directives (=DIRECTIVES) must be the first change",
        )),
        false => Ok(changes),
    }
}

fn read_one(piece: &str) -> Result<Change, Failure> {
    if piece == RESET {
        return Err(Failure::new(
            "reset replaces all directives, and stands alone",
        ));
    }
    if let Some(target) = piece.strip_prefix('-') {
        let target = target.trim_end_matches('=').trim();
        return match directives::is_level(target) || target.is_empty() {
            true => Err(Failure::new(format!(
                "{piece} takes nothing away: the level of all other targets is replaced by writing another; -TARGET takes a \
                 target's directive away"
            ))),
            false => Ok(Change::Remove(target.to_owned())),
        };
    }
    let directive = piece.strip_prefix('+').unwrap_or(piece);
    directives::check(directive)?;
    Ok(Change::Put(directive.to_owned()))
}

/// The directives that `changes` make of those of `before`.
pub fn apply(before: &str, changes: &[Change]) -> Result<String, Failure> {
    let mut all: Vec<String> = pieces(before);
    for change in changes {
        match change {
            Change::Whole(text) => all = pieces(text),
            Change::Put(directive) => put(&mut all, directive),
            Change::Remove(target) => {
                let known = all.len();
                all.retain(|piece| directives::target_of(piece) != target);
                if all.len() == known {
                    return Err(Failure::new(format!(
                        "the filter stays as it was: there is no directive for {target} in {before}"
                    )));
                }
            }
        }
    }
    Ok(all.join(","))
}

/// In the place of the first for the same target, or at the end.
fn put(all: &mut Vec<String>, directive: &str) {
    let target = directives::target_of(directive);
    let is_same = |piece: &String| directives::target_of(piece) == target;
    let place = all.iter().position(is_same);
    all.retain(|piece| !is_same(piece));
    all.insert(place.unwrap_or(all.len()), directive.to_owned());
}

fn pieces(text: &str) -> Vec<String> {
    let pieces = text.split(',').map(str::trim);
    let pieces = pieces.filter(|piece| !piece.is_empty());
    pieces.map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(before: &str, words: &[&str]) -> Result<String, String> {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        let changes = read(&words).map_err(|why| why.to_string())?;
        apply(before, &changes).map_err(|why| why.to_string())
    }

    #[test]
    fn each_word_changes_its_own_directive() {
        for (before, words, after) in [
            ("info", &["imu=debug"][..], "info,imu=debug"),
            ("info", &["+imu=debug"], "info,imu=debug"),
            (
                "info,imu=off,can=warn",
                &["imu=debug"],
                "info,imu=debug,can=warn",
            ),
            ("info,imu=debug", &["warn"], "warn,imu=debug"),
            (
                "info,imu=debug",
                &["warn,can=off"],
                "warn,imu=debug,can=off",
            ),
            (
                "imu=debug,info",
                &["warn", "can=off"],
                "imu=debug,warn,can=off",
            ),
            ("info,imu=debug,can=off", &["-imu"], "info,can=off"),
            ("info,imu", &["imu=debug"], "info,imu=debug"),
            ("info,imu,imu=off", &["-imu"], "info"),
            ("info,imu=debug", &["=warn"], "warn"),
            (
                "info,imu=debug",
                &["=warn,can=off", "arm=trace"],
                "warn,can=off,arm=trace",
            ),
            ("info,imu=debug", &["-imu", "can=off"], "info,can=off"),
            ("info", &["imu = debug"], "info,imu = debug"),
        ] {
            assert_eq!(made(before, words).as_deref(), Ok(after), "{words:?}");
        }
    }

    #[test]
    fn a_change_that_changes_nothing_or_contradicts_itself_is_refused() {
        for (words, said) in [
            (&["-can"][..], "no directive for can"),
            (&["-warn"], "takes nothing away"),
            (&["-"], "takes nothing away"),
            (&["imu"], "no level"),
            (&["imu="], "no level"),
            (&["warn", "reset"], "stands alone"),
            (&["reset", "warn"], "stands alone"),
            (&["warn", "=info"], "first change"),
            (&["=wran"], "no level"),
        ] {
            let why = made("info,imu=debug", words).expect_err(words[0]);
            assert!(why.contains(said), "{words:?}: {why}");
        }
    }

    #[test]
    fn what_is_no_change_is_a_ring() {
        for change in [
            "warn",
            "OFF",
            "imu=debug",
            "=warn",
            "-imu",
            "+imu=debug",
            "reset",
            "a,b",
        ] {
            assert!(is_one(change), "{change}");
        }
        for ring in ["robot", "wrn", "shmlog-1-x", "1234"] {
            assert!(!is_one(ring), "{ring}");
        }
    }
}
