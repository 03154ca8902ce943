//! Filter directives that a person types: checked before they are set.

use shmlog::Level;
use shmlog::observe::Observer;

use crate::failure::Failure;

/// Whether a word names a level, or turns everything off.
pub fn is_level(word: &str) -> bool {
    word == "off" || word.parse::<Level>().is_ok()
}

/// Sets the filter of a running system, if each word of it means what its writer can have meant.
pub fn set(observer: &Observer, directives: &str) -> Result<(), Failure> {
    check(directives)?;
    observer.set_filter(directives).map_err(Failure::from)
}

/// Refuses a word that is neither a level nor a directive for a target. To env_logger, and to the library, such a word is a
/// target of which everything is recorded; typed by a person it is nearly always a level with a typo.
fn check(directives: &str) -> Result<(), Failure> {
    let mut words = directives.split(',').map(str::trim);
    let is_odd = |word: &&str| !word.is_empty() && !word.contains('=') && !is_level(word);
    match words.find(is_odd) {
        Some(word) => Err(Failure::new(format!(
            "the filter stays as it was: {word:?} is no level (off, critical, error, warn, info, debug, trace); for all of the \
             target {word} write {word}=trace"
        ))),
        None => Ok(()),
    }
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
            "imu=",
        ] {
            assert!(check(right).is_ok(), "{right}");
        }
        for wrong in ["wran", "wran,imu=debug", "warn,imu", "info, inof"] {
            assert!(check(wrong).is_err(), "{wrong}");
        }
    }
}
