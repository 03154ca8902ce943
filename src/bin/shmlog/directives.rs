//! Directives that somebody types.

use shmlog::Level;

use crate::failure::Failure;

/// Refuses a word that is neither a level nor says one of a target. To env_logger, and to the library, it is a target of
/// which everything is recorded; to one who types it, it is nearly always a level that was meant.
pub fn check(directives: &str) -> Result<(), Failure> {
    let mut words = directives.split(',').map(str::trim);
    let is_odd = |word: &&str| {
        let is_level = *word == "off" || word.parse::<Level>().is_ok();
        !word.is_empty() && !word.contains('=') && !is_level
    };
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
