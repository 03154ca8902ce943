//! In place of a sink that the log does without for good: what it misses is counted, and why is said once.

use std::io;
use std::time::Duration;

use super::Sink;
use crate::record::Record;

/// What stands in for the sink.
pub(crate) struct Without {
    name: String,
    /// What there is to say and was not said yet.
    news: Vec<String>,
    /// Records missing since the drainer last asked.
    lost: u64,
}

impl Without {
    /// For the sink that the log calls `name`, and why.
    pub(crate) fn new(name: String, why: &str) -> Without {
        let news = vec![format!("{name}: {why}; the log goes on without it")];
        Without {
            name,
            news,
            lost: 0,
        }
    }
}

impl Sink for Without {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn record(&mut self, record: &Record<'_>) {
        self.lost += u64::from(record.sequence.is_some());
    }

    fn take_lost(&mut self) -> u64 {
        std::mem::take(&mut self.lost)
    }

    fn take_news(&mut self) -> Vec<String> {
        std::mem::take(&mut self.news)
    }

    fn finish(&mut self, _: Duration) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::samples::record;

    #[test]
    fn it_says_once_why_and_counts_what_it_misses() {
        let mut without = Without::new("mine:x".to_owned(), "it kills");
        without.record(&record(1, "x"));
        without.record(&Record {
            sequence: None,
            ..record(2, "words")
        });
        let news = ["mine:x: it kills; the log goes on without it"];
        assert_eq!(without.take_news(), news);
        assert_eq!((without.take_news().len(), without.take_lost()), (0, 1));
        assert!(without.commit().is_ok() && without.settled());
    }
}
