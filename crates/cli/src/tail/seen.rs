//! Which records were shown already, when a file that was cut back is read again.

use crate::reading::Piece;

/// How far a run of a program was shown, by the sequences of its records.
#[derive(Debug, Default)]
pub struct Seen {
    /// That of the last record that was shown.
    last: Option<u64>,
    /// All up to this one comes again; `None` once one behind it has come.
    known: Option<u64>,
    /// That of the last record that came, shown or not; `None` after going back.
    passed: Option<u64>,
}

/// What a piece is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// It comes again.
    Known,
    New,
    /// The first of another run, which counts from its own beginning.
    NewRun,
}

impl Seen {
    /// Takes note of what comes.
    pub fn note(&mut self, piece: &Piece<'_>) -> News {
        let Some(sequence) = sequence(piece) else {
            return if self.known.is_some() {
                News::Known
            } else {
                News::New
            };
        };
        let is_new_run = self.passed.is_some_and(|passed| sequence < passed);
        self.passed = Some(sequence);
        if !is_new_run && self.known.is_some_and(|known| sequence <= known) {
            return News::Known;
        }
        (self.last, self.known) = (Some(sequence), None);
        if is_new_run { News::NewRun } else { News::New }
    }

    /// What was shown up to now comes again.
    pub fn go_back(&mut self) {
        (self.known, self.passed) = (self.last, None);
    }

    /// What comes now has nothing to do with what was shown.
    pub fn forget(&mut self) {
        *self = Seen::default();
    }
}

/// The sequence of a record that came in its turn.
fn sequence(piece: &Piece<'_>) -> Option<u64> {
    match piece {
        Piece::Record(record) if !record.late => record.sequence,
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reading::owned::Owned;

    #[test]
    fn what_comes_again_is_known_and_another_run_is_not() {
        let mut seen = Seen::default();
        let mut note = |sequence: Option<u64>, goes_back: bool| {
            if goes_back {
                seen.go_back();
            }
            seen.note(&Piece::Record(
                &Owned {
                    sequence,
                    ..Owned::default()
                }
                .record(),
            ))
        };
        assert_eq!(
            [1, 3, 7].map(|sequence| note(Some(sequence), false)),
            [News::New; 3]
        );
        assert_eq!(note(Some(3), true), News::Known);
        assert_eq!(
            note(None, false),
            News::Known,
            "what the log said before it"
        );
        assert_eq!(
            [7, 9].map(|sequence| note(Some(sequence), false)),
            [News::Known, News::New]
        );
        assert_eq!(note(None, false), News::New);
        assert_eq!(note(Some(0), false), News::NewRun);
        assert_eq!(note(Some(1), false), News::New);
        // The other run begins before all was seen again.
        assert_eq!(
            [note(Some(1), true), note(Some(0), false)],
            [News::Known, News::NewRun]
        );
    }
}
