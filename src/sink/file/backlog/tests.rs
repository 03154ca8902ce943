//! Lines that arrive in pieces, and files that follow one another amid them.

use super::*;
use crate::sink::file::line::record_start;
use proptest::prelude::*;

/// Takes as many bytes per call as it is told, and fails when told zero.
struct Fitful<'a> {
    file: &'a mut Vec<u8>,
    takes: &'a mut dyn Iterator<Item = usize>,
}

impl Write for Fitful<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.takes.next().unwrap_or(usize::MAX).min(bytes.len());
        if count == 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.file.extend_from_slice(&bytes[..count]);
        Ok(count)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

proptest! {
    #[test]
    fn every_record_arrives_whole_and_in_order_and_no_file_exceeds_its_size_nor_its_time(
        records in prop::collection::vec("[0-9][a\n]{0,12}", 1..20),
        takes in prop::collection::vec(0..9_usize, 0..40),
        commit_every in 1..5_usize,
        limit in 1..40_u64,
        turns in prop::collection::vec(prop::bool::weighted(0.2), 20),
    ) {
        let records: Vec<_> = records.iter().map(|text| text.replace('\n', "\n ") + "\n").collect();
        let mut takes = takes.into_iter();
        let mut files = vec![vec![]];
        let mut names = vec![0];
        let mut backlog = Backlog::default();
        let mut commit = |backlog: &mut Backlog| loop {
            let file = files.last_mut().unwrap();
            let outcome = backlog.write_to(&mut Fitful { file, takes: &mut takes });
            if let Ok(false) = outcome {
                files.push(vec![]);
                names.push(backlog.cut_time_ns().unwrap());
                backlog.begin_file();
                continue;
            }
            backlog.drop_written();
            break;
        };
        for (number, record) in records.iter().enumerate() {
            let start = backlog.bytes.len();
            backlog.bytes.extend_from_slice(record.as_bytes());
            backlog.close_record(start, limit, (number as i64, turns[number]), None, Meaning::Record(1));
            if number % commit_every == 0 {
                commit(&mut backlog);
                let kept = &backlog.bytes[backlog.sent..];
                let starts = (0..kept.len()).filter(|at| kept[*at].is_ascii_digit());
                let begun = u64::from(backlog.begun() > 0);
                prop_assert_eq!(backlog.waiting(), begun + starts.count() as u64);
            }
        }
        prop_assert!(backlog.begun() <= backlog.bytes.len() as u64);
        while backlog.unwritten() > 0 {
            commit(&mut backlog);
        }
        prop_assert_eq!(files.concat(), records.concat().into_bytes());
        let mut number = 0;
        for (index, (file, name)) in files.iter().zip(names).enumerate() {
            let starts = (0..file.len()).filter(|at| record_start(file, *at) == *at).count();
            prop_assert!(file.len() as u64 <= limit || starts == 1);
            prop_assert_eq!(name, number as i64, "is what its first record brings");
            prop_assert!(!turns[number..][..starts].iter().skip(1).any(|turns| *turns));
            // Only if nothing else could be in it.
            prop_assert!(starts > 0 || (index == 0 && turns[0]));
            prop_assert!(starts == 0 || file[0].is_ascii_digit() && file.last() == Some(&b'\n'));
            number += starts;
        }
    }
}

#[test]
fn a_record_cut_in_half_by_a_lost_file_begins_again_in_the_next() {
    let mut backlog = Backlog::default();
    for record in ["1 one\n", "2 two\n  more\n"] {
        let start = backlog.bytes.len();
        backlog.bytes.extend_from_slice(record.as_bytes());
        backlog.close_record(start, 1_000, (0, false), None, Meaning::Record(1));
    }
    let (mut lost, mut next) = (vec![], vec![]);
    let mut takes = [14, 0].into_iter();
    let mut file = Fitful {
        file: &mut lost,
        takes: &mut takes,
    };
    assert!(backlog.write_to(&mut file).is_err());
    backlog.drop_written();
    backlog.begin_file();
    assert!(backlog.write_to(&mut next).unwrap());
    assert_eq!(next, b"2 two\n  more\n");
}
