//! A piece that outlives its reader.

use super::Piece;
use super::owned::Owned;

/// A [`Piece`] that owns its texts.
pub enum Kept {
    Record(Box<Owned>),
    Other(String),
}

impl Kept {
    /// A copy of a piece.
    pub fn of(piece: &Piece<'_>) -> Kept {
        match piece {
            Piece::Record(record) => Kept::Record(Box::new(Owned::of(record))),
            Piece::Other(line) => Kept::Other((*line).to_owned()),
        }
    }

    /// Hands the piece to `take` and returns what that returns.
    pub fn give<T>(&self, take: &mut dyn FnMut(Piece<'_>) -> T) -> T {
        match self {
            Kept::Record(record) => take(Piece::Record(&record.record())),
            Kept::Other(line) => take(Piece::Other(line)),
        }
    }
}
