//! Files in the making: whatever step the writer dies at, or fails at, the crate `mcap` reads each message once.

mod sessions;

use std::cell::RefCell;
use std::io::{self, Cursor};
use std::rc::Rc;

use mcap::MessageStream;
use mcap::read::Options;
use proptest::prelude::*;

use super::Compression;
use super::chunk::{Messages, Packer};
use super::log::Encoder;
use super::reading::{End, read, recording_of};
use super::recording::{FENCE, Medium, Recording};
use super::records::Head;
use crate::record::Record;
use crate::sink::samples::record;

const ALL: [Compression; 3] = [Compression::Zstd, Compression::Lz4, Compression::None];

/// A file in memory, and all that it was on the way.
#[derive(Clone, Default)]
struct Film {
    bytes: Rc<RefCell<Vec<u8>>>,
    states: Rc<RefCell<Vec<Vec<u8>>>>,
    /// Steps that succeed before one that fails.
    succeeds: Rc<RefCell<Option<usize>>>,
}

impl Film {
    fn of(bytes: Vec<u8>) -> Film {
        let film = Film::default();
        *film.bytes.borrow_mut() = bytes;
        film
    }

    fn now(&self) -> Vec<u8> {
        self.bytes.borrow().clone()
    }

    fn is_to_fail(&self) -> bool {
        match &mut *self.succeeds.borrow_mut() {
            Some(0) => true,
            Some(more) => {
                *more -= 1;
                false
            }
            None => false,
        }
    }

    fn put(&mut self, bytes: &[u8], at: u64) {
        let at = at as usize;
        let mut file = self.bytes.borrow_mut();
        let end = file.len().max(at + bytes.len());
        file.resize(end, 0);
        file[at..at + bytes.len()].copy_from_slice(bytes);
        self.states.borrow_mut().push(file.clone());
    }
}

impl Medium for Film {
    fn write_all_at(&mut self, bytes: &[u8], at: u64) -> io::Result<()> {
        let fails = self.is_to_fail();
        let last = (at + bytes.len() as u64).saturating_sub(1);
        // What is written over something within a page is written as a whole.
        let is_whole = bytes.len() <= FENCE && at / 4096 == last / 4096;
        if !is_whole {
            for part in [bytes.len() / 3, bytes.len() - 1] {
                self.put(&bytes[..part], at);
            }
        }
        if fails {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.put(bytes, at);
        Ok(())
    }

    fn set_len(&mut self, length: u64) -> io::Result<()> {
        if self.is_to_fail() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.bytes.borrow_mut().resize(length as usize, 0);
        self.states.borrow_mut().push(self.now());
        Ok(())
    }
}

/// The sequences of the messages that a file holds, by the crate `mcap`, as far as it is whole.
fn sequences(file: &[u8]) -> Vec<u32> {
    let Ok(stream) = MessageStream::new_with_options(file, Options::IgnoreEndMagic.into()) else {
        return Vec::new();
    };
    stream
        .map_while(Result::ok)
        .map(|message| message.sequence)
        .collect()
}

/// The same of a complete file, in which all is where the index says.
fn indexed(file: &[u8]) -> Vec<u32> {
    let summary = mcap::Summary::read(file).unwrap().unwrap();
    let mut sequences = Vec::new();
    for index in &summary.chunk_indexes {
        let stream = summary.stream_chunk(file, index).unwrap();
        let all: Vec<_> = stream.map(Result::unwrap).collect();
        let entries = summary.read_message_indexes(file, index).unwrap();
        let (channel, entries) = entries.iter().next().unwrap();
        assert_eq!((channel.topic.as_str(), entries.len()), ("/log", all.len()));
        for (entry, message) in entries.iter().zip(&all) {
            assert_eq!(summary.seek_message(file, index, entry).unwrap(), *message);
        }
        sequences.extend(all.iter().map(|message| message.sequence));
    }
    let statistics = summary.stats.unwrap();
    assert_eq!(statistics.message_count, sequences.len() as u64);
    assert_eq!(statistics.chunk_count as usize, summary.chunk_indexes.len());
    sequences
}

/// Messages of these numbers; those with noise can hardly be compressed.
fn messages(numbers: std::ops::Range<u32>, noise: bool) -> Messages {
    let mut messages = Messages::default();
    for number in numbers {
        let mut state = u64::from(number) + 1;
        let mut letter = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            char::from_u32((state >> 40) as u32 % 0xd000 + 0x100).unwrap()
        };
        let text: String = (0..20)
            .map(|_| if noise { letter() } else { 'x' })
            .collect();
        let start = messages.bytes.len();
        let logged = Record {
            time_ns: 1_795_369_512_000_000_000 + i64::from(number),
            ..record(number.into(), &text)
        };
        let time = Encoder::default().push(&mut messages.bytes, &logged);
        messages.close(start, time);
    }
    messages
}

fn begin(compression: Compression) -> (Film, Recording<Film>) {
    let film = Film::default();
    let head = Head::new("/log", &[("program", "app")]);
    let recording = Recording::begin(film.clone(), head, Packer::new(compression));
    (film, recording)
}

/// What comes after a writer that died when the file was like this, and had said that `most` messages are in it.
fn successor(
    state: Vec<u8>,
    most: Option<u64>,
    compression: Compression,
) -> Option<(Film, Recording<Film>)> {
    let (found, _) = read(&mut Cursor::new(&state), most).unwrap();
    let film = Film::of(state);
    let recording = recording_of(film.clone(), Packer::new(compression), found).unwrap()?;
    Some((film, recording))
}

fn numbers(range: std::ops::Range<u32>) -> Vec<u32> {
    range.collect()
}

#[test]
fn a_complete_file_has_all_messages_where_its_index_says() {
    for compression in ALL {
        let (film, mut recording) = begin(compression);
        recording
            .append_chunk(messages(0..300, false).all())
            .unwrap();
        recording.append(messages(300..310, false).all()).unwrap();
        recording.fold().unwrap();
        recording.append(messages(310..400, true).all()).unwrap();
        recording.append(messages(400..401, true).all()).unwrap();
        recording.finish().unwrap();
        let file = film.now();
        assert_eq!(sequences(&file), numbers(0..401));
        assert_eq!(indexed(&file), numbers(0..401));
        // With all checksums: of the chunks, the data and the summary.
        let records = mcap::read::LinearReader::new(&file).unwrap();
        assert!(records.map(Result::unwrap).count() > 10);
        assert_eq!(read(&mut Cursor::new(&file), None).unwrap().1, End::Summary);
    }
}

#[test]
fn whenever_the_writer_dies_while_it_folds_each_message_is_there_once() {
    for (compression, noise) in ALL.into_iter().flat_map(|all| [(all, false), (all, true)]) {
        // Fences at all places in a page.
        for first in 1..60 {
            let (film, mut recording) = begin(compression);
            recording.append(messages(0..first, noise).all()).unwrap();
            recording.fold().unwrap();
            recording
                .append(messages(first..first + 20, noise).all())
                .unwrap();
            film.states.borrow_mut().clear();
            let all = numbers(0..first + 20);
            recording.fold().unwrap();
            let states = film.states.take();
            assert!(states.len() >= 3, "{compression:?}");
            for (step, state) in states.into_iter().enumerate() {
                assert_eq!(sequences(&state), all, "{compression:?}, step {step}");
                let most = Some(all.len() as u64);
                let (next, mut recording) = successor(state, most, compression).unwrap();
                recording
                    .append(messages(first + 20..first + 25, noise).all())
                    .unwrap();
                assert_eq!(sequences(&next.now()), numbers(0..first + 25));
                recording.finish().unwrap();
                assert_eq!(indexed(&next.now()), numbers(0..first + 25));
            }
        }
    }
}

#[test]
fn a_successor_takes_away_what_no_checkpoint_knows_of() {
    for compression in ALL {
        let (film, mut recording) = begin(compression);
        recording.append(messages(0..30, false).all()).unwrap();
        recording.fold().unwrap();
        recording.append(messages(30..40, false).all()).unwrap();
        film.states.borrow_mut().clear();
        recording.append(messages(40..50, false).all()).unwrap();
        recording.fold().unwrap();
        recording
            .append_chunk(messages(50..99, false).all())
            .unwrap();
        let states = film.states.take();
        for most in [0, 30] {
            for state in &states {
                let (next, mut recording) =
                    successor(state.clone(), Some(most), compression).unwrap();
                assert_eq!(recording.messages(), most);
                recording.append(messages(50..52, false).all()).unwrap();
                recording.finish().unwrap();
                let expected = [numbers(0..most as u32), numbers(50..52)].concat();
                assert_eq!(indexed(&next.now()), expected);
            }
        }
        // While they are loose, of them too.
        let (next, mut recording) = successor(states[2].clone(), Some(35), compression).unwrap();
        recording.finish().unwrap();
        assert_eq!(indexed(&next.now()), numbers(0..35));
    }
}

#[test]
fn a_file_whose_summary_is_not_wanted_any_more_is_gone_on_with() {
    let (film, mut recording) = begin(Compression::Zstd);
    recording.append(messages(0..30, false).all()).unwrap();
    recording.finish().unwrap();
    for state in film.states.take().into_iter().rev().take(4) {
        let (next, mut recording) = successor(state, Some(30), Compression::Zstd).unwrap();
        recording.append(messages(30..40, false).all()).unwrap();
        recording.finish().unwrap();
        assert_eq!(indexed(&next.now()), numbers(0..40));
    }
}

#[test]
fn what_is_no_file_of_ours_is_not_gone_on_with() {
    let (film, mut recording) = begin(Compression::Zstd);
    recording.append(messages(0..1, false).all()).unwrap();
    let file = film.now();
    for bytes in [&b""[..], b"text", &file[..7], &file[..100], &file[1..]] {
        assert!(successor(bytes.to_vec(), None, Compression::Zstd).is_none());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn whatever_fails_and_whoever_dies_each_message_is_there_once_and_in_order(
        steps in prop::collection::vec((0..5_u8, 1..40_u32, any::<bool>(), prop::option::weighted(0.3, 0..6_usize)), 1..15),
        compression in prop::sample::select(&ALL[..]),
    ) {
        let (mut film, mut recording) = begin(compression);
        let mut next = 0;
        for (step, count, noise, succeeds) in steps {
            *film.succeeds.borrow_mut() = succeeds;
            let more = messages(next..next + count, noise);
            let outcome = match step {
                0 | 1 => recording.append(more.all()).map(|()| next += count),
                2 if recording.fold().is_ok() => recording.append_chunk(more.all()).map(|()| next += count),
                3 => recording.finish(),
                _ => recording.fold(),
            };
            *film.succeeds.borrow_mut() = None;
            prop_assert!(outcome.is_ok() || succeeds.is_some());
            // What could neither be written nor cut off may be there in part, up to the next try.
            let there = sequences(&film.now());
            prop_assert!(there.starts_with(&numbers(0..next)), "{there:?}");
            if step == 3 || (step == 4 && noise) {
                let state = film.now();
                match successor(state, Some(next.into()), compression) {
                    Some(successor) => (film, recording) = successor,
                    None => {
                        prop_assert_eq!(next, 0);
                        (film, recording) = begin(compression);
                    }
                }
            }
            prop_assert_eq!(recording.messages(), u64::from(next));
        }
        if next > 0 {
            recording.finish().unwrap();
            prop_assert_eq!(indexed(&film.now()), numbers(0..next));
        }
    }

    #[test]
    fn any_bytes_are_read_back_without_a_panic(mut bytes: Vec<u8>, at in 0..2000_usize, whole: bool) {
        if whole {
            let (film, mut recording) = begin(Compression::Zstd);
            recording.append_chunk(messages(0..3, false).all()).unwrap();
            recording.append(messages(3..9, false).all()).unwrap();
            let mut file = film.now();
            let at = at.min(file.len());
            let end = (at + bytes.len()).min(file.len());
            file.splice(at..end, bytes);
            bytes = file;
        }
        if let Some((_, mut recording)) = successor(bytes, None, Compression::Zstd) {
            recording.finish().unwrap();
        }
    }
}
