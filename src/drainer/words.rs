//! What a drainer and the process that asked for it say to each other, over a channel or beside the ring, and never in the segment: any
//! member can write there.

use crate::boundary::floor_char_boundary;

/// The longest reason, in bytes: a message is short.
const MOST_BYTES: usize = 2048;

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Word {
    /// From the drainer: its sinks are open, it works.
    Running,
    /// From the drainer: it cannot work, and why. One that was started in place of another may work yet.
    Failed(String),
    /// From the drainer: it has delivered something, so that it does not die of its first record.
    Moved,
    /// From the drainer: the ring has lost its name, and the log says so.
    Nameless,
    /// From the drainer: all that the parent logged is delivered; it stays for others.
    Lingering,
    /// From the drainer: all is delivered and no process can log any more. Only the ring's name is left to be taken away.
    Done,
    /// From the parent: end when all is delivered.
    Stop,
}

impl Word {
    /// One line, without its end.
    pub(super) fn encode(&self) -> String {
        match self {
            Word::Running => "running".to_owned(),
            Word::Failed(why) => {
                let end = floor_char_boundary(why, MOST_BYTES);
                format!("failed {}", why[..end].replace('\n', " "))
            }
            Word::Moved => "moved".to_owned(),
            Word::Nameless => "nameless".to_owned(),
            Word::Lingering => "lingering".to_owned(),
            Word::Done => "done".to_owned(),
            Word::Stop => "stop".to_owned(),
        }
    }

    /// `None` for what [`encode`](Word::encode) does not write.
    pub(super) fn decode(line: &[u8]) -> Option<Word> {
        let line = String::from_utf8_lossy(line);
        Some(match &*line {
            "running" => Word::Running,
            "moved" => Word::Moved,
            "nameless" => Word::Nameless,
            "lingering" => Word::Lingering,
            "done" => Word::Done,
            "stop" => Word::Stop,
            other => Word::Failed(other.strip_prefix("failed ")?.to_owned()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_comes_back_as_it_went_in() {
        let why = "no such folder: /nowhere";
        for word in [
            Word::Running,
            Word::Failed(why.to_owned()),
            Word::Moved,
            Word::Nameless,
            Word::Lingering,
            Word::Done,
            Word::Stop,
        ] {
            assert_eq!(Word::decode(word.encode().as_bytes()), Some(word));
        }
        assert_eq!(Word::decode(b"stop now"), None);
        assert_eq!(Word::decode(&[0xff; 8]), None);
    }
}
