//! Filter directives that a person types: checked before they are set.

use shmlog::Level;
use shmlog::nearest::nearest;
use shmlog::observe::Observer;

use crate::failure::Failure;

/// Whether a word names a level, or turns everything off.
pub fn is_level(word: &str) -> bool {
    word.eq_ignore_ascii_case("off") || word.parse::<Level>().is_ok()
}

/// The level that a word was probably meant to be.
pub fn nearest_level(word: &str) -> Option<&'static str> {
    const NAMES: [&str; 7] = ["off", "critical", "error", "warn", "info", "debug", "trace"];
    nearest(&word.to_lowercase(), NAMES, 1)
}

/// The target that a directive is for; empty for all others.
pub fn target_of(directive: &str) -> &str {
    match directive.split_once('=') {
        Some((target, _)) => target.trim(),
        None if is_level(directive.trim()) => "",
        None => directive.trim(),
    }
}

/// Sets the filter of a running system, if each word of it means what its writer can have meant.
pub fn set(observer: &Observer, directives: &str) -> Result<(), Failure> {
    check(directives)?;
    observer.set_filter(directives).map_err(Failure::from)
}

/// Refuses a word that is neither a level nor a directive for a target. To env_logger, and to the library, such a word is a
/// target of which everything is recorded; typed by a person it is nearly always a level with a typo.
pub fn check(directives: &str) -> Result<(), Failure> {
    let mut words = directives.split(',').map(str::trim);
    let is_odd = |word: &&str| {
        let has_level = word
            .split_once('=')
            .is_some_and(|(_, least)| !least.trim().is_empty());
        !word.is_empty() && !has_level && !is_level(word)
    };
    let Some(word) = words.find(is_odd) else {
        return Ok(());
    };
    let target = word.trim_end_matches('=').trim();
    let meant = nearest_level(target).map(|level| format!("; did you mean {level}?"));
    Err(Failure::new(format!(
        "the filter stays as it was: {word:?} is no level (off, critical, error, warn, info, debug, trace){}; for all of the \
         target {target} write {target}=trace",
        meant.unwrap_or_default()
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_with_a_typo_is_not_taken_for_a_target() {
        for right in [
            "warn",
            "INFO,imu=debug",
            "off, can::bus=off,",
            "imu=debug,warn",
        ] {
            assert!(check(right).is_ok(), "{right}");
        }
        for wrong in [
            "wran",
            "wran,imu=debug",
            "warn,imu",
            "info, inof",
            "imu=",
            "infowrn",
        ] {
            assert!(check(wrong).is_err(), "{wrong}");
        }
        let said = check("info,wrn").unwrap_err().to_string();
        assert!(said.contains("did you mean warn?"), "{said}");
    }

    #[test]
    fn a_directive_is_for_its_target_or_for_all_others() {
        for (directive, target) in [
            ("imu=debug", "imu"),
            ("imu", "imu"),
            (" imu = off", "imu"),
            ("Warn", ""),
            ("off", ""),
        ] {
            assert_eq!(target_of(directive), target, "{directive}");
        }
    }
}
