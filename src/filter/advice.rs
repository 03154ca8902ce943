//! What a directive that can mean nothing was probably meant to be.
//!
//! To `env_logger` a word alone is a target of which everything passes, whatever the word. But `wrn`, `2`, `*` or
//! `warn imu` are no target of any program: such a directive lets nothing pass, and all that the level would have let pass
//! is missing in silence. They are refused, with what can be meant. A target that happens to be called so is still
//! written with its level, `wrn=trace`.

use super::level;
use crate::level::Level;
use crate::nearest::nearest;

/// What other programs call levels.
const ELSEWHERE: [(&str, &str); 8] = [
    ("err", "error"),
    ("crit", "critical"),
    ("emerg", "critical"),
    ("notice", "info"),
    ("verbose", "trace"),
    ("all", "trace"),
    ("none", "off"),
    ("disabled", "off"),
];

/// What is wrong with a directive that can mean nothing; `None` of one that can, and of one of which nothing is known.
pub(super) fn on(piece: &str) -> Option<String> {
    on_quotes(piece)
        .or_else(|| on_separators(piece))
        .or_else(|| on_wildcards(piece))
        .or_else(|| on_pattern(piece))
        .or_else(|| on_colon(piece))
        .or_else(|| on_level(piece))
}

fn on_quotes(piece: &str) -> Option<String> {
    let inner = piece.trim_matches(['"', '\'', '`']);
    (inner != piece && !inner.is_empty())
        .then(|| format!("the quotes are part of it; did you mean {inner}?"))
}

/// `warn imu=debug`, `warn;imu=debug`.
fn on_separators(piece: &str) -> Option<String> {
    let is_separator = |c: char| c.is_whitespace() || c == ';';
    // Blanks around `=` do not count.
    let sides: Vec<&str> = piece.split('=').map(str::trim).collect();
    let joined = sides.join("=");
    let words: Vec<&str> = joined
        .split(is_separator)
        .filter(|word| !word.is_empty())
        .collect();
    let (_, earlier) = words.split_last()?;
    let is_directive = |word: &&str| word.contains('=') || level(word).is_some();
    // A target may have blanks, if it is written as one: `left arm=debug`.
    let is_list = !joined.contains('=') || earlier.iter().any(is_directive);
    (!earlier.is_empty() && is_list).then(|| {
        format!(
            "directives are separated by commas; did you mean {}?",
            words.join(",")
        )
    })
}

/// `*=debug`, `can::*`.
fn on_wildcards(piece: &str) -> Option<String> {
    let (target, least) = piece.split_once('=').unwrap_or((piece, "trace"));
    if !target.contains('*') {
        return None;
    }
    let why = "a target has no wildcards, and is for all that begin with it";
    let (beginning, least) = (target.trim().trim_end_matches('*'), least.trim());
    Some(match beginning {
        "" => format!("{why}; for all targets a level stands alone: did you mean {least}?"),
        rest if rest.contains('*') => why.to_owned(),
        rest => format!("{why}; did you mean {rest}={least}?"),
    })
}

/// `debug/regex`, `imu=debug/regex`: to env_logger the end is a pattern for messages.
fn on_pattern(piece: &str) -> Option<String> {
    let (head, pattern) = piece.split_once('/')?;
    let least = head.rsplit_once('=').map_or(head, |(_, least)| least);
    level(least.trim()).map(|_| {
        format!(
            "a filter knows no pattern for messages (/{pattern}), which is what `shmlog tail --grep` is for; did you mean \
             {head}?"
        )
    })
}

/// `imu:debug`
fn on_colon(piece: &str) -> Option<String> {
    let (target, least) = piece.rsplit_once(':')?;
    let is_meant = !target.is_empty() && !target.ends_with(':') && !piece.contains('=');
    (is_meant && level(least.trim()).is_some()).then(|| format!("did you mean {target}={least}?"))
}

/// A word where a level should stand: alone it is one with a typo if it is very near to one, behind `=` in any case.
fn on_level(piece: &str) -> Option<String> {
    let (target, word) = match piece.split_once('=') {
        Some((target, word)) => (Some(target.trim()), word.trim()),
        None => (None, piece),
    };
    if level(word).is_some() || word.is_empty() || target == Some("") {
        return None;
    }
    if word.parse::<i128>().is_ok() {
        return Some(
            "levels have names here, not numbers, which mean other levels in each logger"
                .to_owned(),
        );
    }
    let meant = meant(word, target.is_some())?;
    Some(match target {
        Some(target) => format!("did you mean {target}={meant}?"),
        None => format!("did you mean {meant}? (all of a target {word} is {word}=trace)"),
    })
}

/// The level that a word was meant to be.
fn meant(word: &str, is_a_level: bool) -> Option<&'static str> {
    let word = word.to_lowercase();
    let of_others = ELSEWHERE.iter().find(|(theirs, _)| *theirs == word);
    if let Some((_, ours)) = of_others {
        return Some(ours);
    }
    const NAMES: [&str; 9] = [
        "off", "trace", "debug", "info", "warn", "warning", "error", "critical", "fatal",
    ];
    let most = if is_a_level { 2 } else { 1 };
    let near = nearest(&word, NAMES, most)?;
    debug_assert!(near == "off" || Level::named(near).is_some());
    Some(near)
}

#[cfg(test)]
mod tests {
    use super::super::Directives;

    #[test]
    fn what_can_mean_nothing_is_refused_with_what_can() {
        for (text, meant) in [
            ("wrn", "mean warn?"),
            ("Debgu", "mean debug?"),
            ("info,wran", "mean warn?"),
            ("critcal", "mean critical?"),
            ("of", "mean off?"),
            ("err", "mean error?"),
            ("none", "mean off?"),
            ("imu=wrn", "mean imu=warn?"),
            ("imu=verbose", "mean imu=trace?"),
            ("3", "not numbers"),
            ("-1", "not numbers"),
            ("imu=2", "not numbers"),
            ("warn imu=debug", "mean warn,imu=debug?"),
            ("warn;imu = debug", "mean warn,imu=debug?"),
            ("imu=debug can=off", "mean imu=debug,can=off?"),
            ("imu can", "mean imu,can?"),
            ("*", "mean trace?"),
            ("*=debug", "mean debug?"),
            ("can::*=debug", "mean can::=debug?"),
            ("can::*::bus=debug", "no wildcards"),
            ("debug/regex", "mean debug?"),
            ("imu=debug/a.*b", "mean imu=debug?"),
            ("imu:debug", "mean imu=debug?"),
            ("'warn'", "mean warn?"),
            ("\"imu=debug\"", "mean imu=debug?"),
        ] {
            let refused = Directives::parse(text).expect_err(text);
            let said = refused.to_string();
            assert!(said.contains(meant), "{text}: {said}");
            assert!(said.contains(&format!("{:?}", refused.directive)), "{said}");
        }
    }

    #[test]
    fn what_env_logger_knows_too_still_is_what_it_was() {
        for text in [
            "imu",
            "can::bus",
            "robot_arm,warn",
            "imu=",
            "can::debug",
            "left arm=debug",
            "/imu/data=debug",
            "wrn=trace",
            "imu = debug , warn",
            "WARNING,x=Off",
            "arm",
            "lan",
        ] {
            assert!(Directives::parse(text).is_ok(), "{text}");
        }
    }
}
