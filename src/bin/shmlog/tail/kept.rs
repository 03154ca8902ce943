//! A piece that is kept until it is sure that it is one of the last.

use super::Show;
use crate::reading::Piece;
use crate::reading::owned::Owned;

pub enum Kept {
    Record(Box<Owned>),
    Other(String),
}

impl Kept {
    pub fn of(piece: &Piece<'_>) -> Kept {
        match piece {
            Piece::Record(record) => Kept::Record(Box::new(Owned::of(record))),
            Piece::Other(line) => Kept::Other((*line).to_owned()),
        }
    }

    pub fn show(&self, show: &mut Show) {
        match self {
            Kept::Record(record) => show.output.push(&Piece::Record(&record.record())),
            Kept::Other(line) => show.output.push(&Piece::Other(line)),
        }
    }
}
