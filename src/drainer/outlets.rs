//! The sinks at work: which records each gets, whose losses count, and where each was.
//!
//! They are independent of each other. One that cannot write keeps what it has, as far as its queue goes, and neither
//! holds up the others nor the release of slots; only [`settled`](Outlets::are_settled), which a flush waits for, is
//! about all of them.

use std::io;
use std::time::Duration;

use super::blame::{Call, Seat};
use crate::filter::Directives;
use crate::record::Record;
use crate::segment::{Announced, OutletNumbers, Segment};
use crate::sink::{FilePlace, Sink};

/// A sink that is open.
pub(super) struct Outlet {
    sink: Box<dyn Sink>,
    /// Where each of its calls is noted, if it is one that a drainer may die of.
    seat: Option<Seat>,
    /// Records that it was not given, since the drainer last asked, and what there is to say of that.
    passed_by: u64,
    news: Vec<String>,
    filter: Directives,
    /// Not even the drainer's own words pass.
    is_off: bool,
    /// It has handed over the rest, and gets nothing any more.
    is_finished: bool,
    /// If it has files of its own.
    files: Option<Slot>,
    /// As observers see it.
    numbers: OutletNumbers,
    last_error: String,
}

/// What a sink with files has in the segment.
#[derive(Clone, Copy)]
pub(super) struct Slot {
    /// The number of its place in a checkpoint.
    pub(super) index: usize,
    /// Its files that were begun since.
    pub(super) announced: Announced,
}

impl Outlet {
    pub(super) fn new(sink: Box<dyn Sink>, filter: Directives, files: Option<Slot>) -> Outlet {
        Outlet {
            sink,
            seat: None,
            passed_by: 0,
            news: Vec::new(),
            is_off: filter.is_off(),
            is_finished: false,
            filter,
            files,
            numbers: OutletNumbers::default(),
            last_error: String::new(),
        }
    }

    /// A drainer may die of it: its calls are noted.
    pub(super) fn watched(self, seat: Option<Seat>) -> Outlet {
        Outlet { seat, ..self }
    }

    /// There is something wrong with it from the start.
    pub(super) fn in_trouble(mut self, why: &str) -> Outlet {
        self.note(why.to_owned());
        self
    }

    fn note(&mut self, error: String) {
        self.numbers.errors = self.numbers.errors.wrapping_add(1);
        self.last_error = error;
    }

    #[inline]
    fn record(&mut self, record: &Record<'_>) {
        match self.seat {
            None => self.sink.record(record),
            Some(seat) => self.record_noted(seat, record),
        }
    }

    fn record_noted(&mut self, seat: Seat, record: &Record<'_>) {
        if seat.passes_by(record.sequence) {
            self.passed_by += 1;
            self.news.push(format!(
                "record {} is not given to {}: the drainer died twice in a row while it took that",
                record.sequence.unwrap_or(0),
                self.sink.name()
            ));
            return;
        }
        seat.begin(Call::Record, record.sequence);
        self.sink.record(record);
        seat.end(Call::Record);
    }

    /// Has the sink do something, and notes that.
    fn call<T>(&mut self, call: Call, act: impl FnOnce(&mut dyn Sink) -> T) -> T {
        let Some(seat) = self.seat else {
            return act(&mut *self.sink);
        };
        seat.begin(call, None);
        let done = act(&mut *self.sink);
        seat.end(call);
        done
    }

    /// The same of a question.
    fn ask<T>(&self, question: impl FnOnce(&dyn Sink) -> T) -> T {
        let Some(seat) = self.seat else {
            return question(&*self.sink);
        };
        seat.begin(Call::Ask, None);
        let answer = question(&*self.sink);
        seat.end(Call::Ask);
        answer
    }

    /// Hands over the rest; waits at most `patience`.
    pub(super) fn finish(&mut self, patience: Duration) -> io::Result<()> {
        self.is_finished = true;
        self.call(Call::Finish, |sink| sink.finish(patience))
    }

    /// For a sink that gets everything and has no files.
    #[cfg(any(test, fuzzing))]
    pub(super) fn of(sink: impl Sink + 'static) -> Outlet {
        Outlet::new(Box::new(sink), Directives::ALL, None)
    }
}

/// What came of handing over a batch.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// What went wrong, with the names of the sinks.
    pub(super) troubles: Vec<String>,
    /// What else there is to say.
    pub(super) news: Vec<String>,
    /// Records that count as lost.
    pub(super) lost: u64,
}

/// All sinks of a log.
pub(super) struct Outlets {
    all: Vec<Outlet>,
    /// Whose lost records count as lost in the statistics, so that none counts twice: those of the first sink with
    /// files, which is what is read afterwards; without one, of the first that loses any. What the others could not
    /// write they say themselves.
    accountable: Option<usize>,
}

impl Outlets {
    pub(super) fn new(all: Vec<Outlet>) -> Outlets {
        Outlets {
            accountable: all.iter().position(|outlet| outlet.files.is_some()),
            all,
        }
    }

    /// Whether no sink wants any record.
    pub(super) const fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Hands a record to those that are to get it.
    #[inline]
    pub(super) fn record(&mut self, record: &Record<'_>) {
        for outlet in &mut self.all {
            if outlet.filter.passes(record.level, record.target) {
                outlet.record(record);
            }
        }
    }

    /// Hands over the drainer's own words, which pass whatever their level, but where nothing passes.
    pub(super) fn say(&mut self, words: &Record<'_>) {
        let may_get = |outlet: &&mut Outlet| !outlet.is_off && !outlet.is_finished;
        for outlet in self.all.iter_mut().filter(may_get) {
            outlet.record(words);
        }
    }

    /// Whether the batch should end here.
    pub(super) fn want_commit(&self) -> bool {
        self.all
            .iter()
            .any(|outlet| outlet.ask(|sink| sink.wants_commit()))
    }

    /// Whether everything committed has left this process.
    pub(super) fn are_settled(&self) -> bool {
        self.all
            .iter()
            .all(|outlet| outlet.ask(|sink| sink.settled()))
    }

    /// Has all of them hand the batch over.
    pub(super) fn commit(&mut self) -> Outcome {
        let mut outcome = Outcome::default();
        for index in 0..self.all.len() {
            let outlet = &mut self.all[index];
            if outlet.is_finished {
                continue;
            }
            if let Err(error) = outlet.call(Call::Commit, |sink| sink.commit()) {
                let name = outlet.sink.name();
                outcome.troubles.push(format!("{name}: {error}"));
                outlet.note(error.to_string());
            }
            outcome.news.append(&mut outlet.news);
            let mut news = outlet.call(Call::Ask, |sink| sink.take_news());
            outcome.news.append(&mut news);
            outcome.lost += self.take_lost(index);
        }
        outcome
    }

    /// Has those without files hand over the rest, so that those with files can still be told how that went. One that does
    /// not move is waited for as long as `patience`. Returns their names with what went wrong.
    pub(super) fn finish_streams(&mut self, patience: Duration) -> (Vec<(String, io::Error)>, u64) {
        self.finish_those(patience, |outlet| outlet.files.is_none())
    }

    /// The same of all that have not yet.
    pub(super) fn finish(&mut self, patience: Duration) -> (Vec<(String, io::Error)>, u64) {
        self.finish_those(patience, |_| true)
    }

    fn finish_those(
        &mut self,
        patience: Duration,
        are_meant: fn(&Outlet) -> bool,
    ) -> (Vec<(String, io::Error)>, u64) {
        let (mut errors, mut lost) = (Vec::new(), 0);
        for index in 0..self.all.len() {
            let outlet = &mut self.all[index];
            if outlet.is_finished || !are_meant(outlet) {
                continue;
            }
            let error = outlet.finish(patience).err();
            errors.extend(error.map(|error| (outlet.sink.name(), error)));
            lost += self.take_lost(index);
        }
        (errors, lost)
    }

    /// Whether there is one with files.
    pub(super) fn have_files(&self) -> bool {
        self.with_files().next().is_some()
    }

    /// The lost records of a sink, if they count.
    fn take_lost(&mut self, index: usize) -> u64 {
        let outlet = &mut self.all[index];
        let lost = outlet.call(Call::Ask, |sink| sink.take_lost());
        let lost = lost.saturating_add(std::mem::take(&mut outlet.passed_by));
        outlet.numbers.lost = outlet.numbers.lost.wrapping_add(lost);
        let counts = lost > 0 && *self.accountable.get_or_insert(index) == index;
        if counts { lost } else { 0 }
    }

    /// Shows observers how the sinks are; with their names too, which change when files do, if `texts`.
    pub(super) fn show(&mut self, segment: &Segment, texts: bool) {
        for (outlet, shown) in self.all.iter_mut().zip(segment.shown_outlets()) {
            outlet.numbers.waiting = outlet.ask(|sink| sink.backlog());
            shown.show_numbers(outlet.numbers);
            if texts {
                shown.show_texts(&outlet.sink.name(), &outlet.last_error);
            }
        }
    }

    /// Where each sink with files is; of one that is not open, where it was at the `last` checkpoint.
    pub(super) fn places(&self, last: &[FilePlace]) -> Vec<FilePlace> {
        let slots = self.with_files().map(|(slot, _)| slot.index + 1);
        let count = slots.max().unwrap_or(0).max(last.len());
        let place = |index: usize| {
            let open = self.with_files().find(|(slot, _)| slot.index == index);
            match open {
                Some((_, outlet)) => outlet.sink.place(),
                None => last.get(index).cloned(),
            }
        };
        (0..count)
            .map(|index| place(index).unwrap_or_default())
            .collect()
    }

    /// Forgets which files were begun: a checkpoint names those at hand, and those before them are complete.
    pub(super) fn forget_announced(&self) {
        self.with_files()
            .for_each(|(slot, _)| slot.announced.forget(0));
    }

    fn with_files(&self) -> impl Iterator<Item = (Slot, &Outlet)> {
        self.all
            .iter()
            .filter_map(|outlet| Some((outlet.files?, outlet)))
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;

    use super::*;
    use crate::drainer::work::stage::{GEOMETRY, SETTINGS};
    use crate::level::Level;
    use crate::record::Values;

    /// Keeps what it gets; loses as many records a batch as it is told, and is settled if it loses none.
    #[derive(Clone, Default)]
    struct Kept {
        got: Rc<RefCell<Vec<String>>>,
        loses: u64,
    }

    impl Sink for Kept {
        fn name(&self) -> String {
            "kept".to_owned()
        }
        fn record(&mut self, record: &Record<'_>) {
            self.got.borrow_mut().push(record.message.to_owned());
        }
        fn commit(&mut self) -> io::Result<()> {
            match self.loses {
                0 => Ok(()),
                _ => Err(io::ErrorKind::StorageFull.into()),
            }
        }
        fn take_lost(&mut self) -> u64 {
            self.loses
        }
        fn settled(&self) -> bool {
            self.loses == 0
        }
        fn finish(&mut self, _: Duration) -> io::Result<()> {
            Ok(())
        }
        fn place(&self) -> Option<FilePlace> {
            Some(FilePlace {
                bytes: self.loses,
                ..FilePlace::default()
            })
        }
    }

    fn kept(loses: u64) -> Kept {
        Kept {
            loses,
            ..Kept::default()
        }
    }

    fn slot(index: usize) -> Option<Slot> {
        let segment = Segment::private("shmlog-outlets", GEOMETRY, SETTINGS);
        let announced = segment.announced(index);
        Some(Slot { index, announced })
    }

    fn record<'r>(level: Level, target: &'r str, message: &'r str) -> Record<'r> {
        Record {
            sequence: Some(1),
            target,
            values: Values::default(),
            ..Record::of_drainer(0, level, message)
        }
    }

    #[test]
    fn each_sink_gets_what_its_own_filter_lets_pass_and_all_that_the_drainer_says() {
        let sinks: Vec<Kept> = (0..4).map(|_| kept(0)).collect();
        let filters = ["warn", "error,imu=debug", "off", "off,gps"];
        let outlets = sinks.iter().zip(filters).map(|(sink, filter)| {
            let filter = Directives::parse(filter).unwrap();
            Outlet::new(Box::new(sink.clone()), filter, None)
        });
        let mut outlets = Outlets::new(outlets.collect());
        outlets.record(&record(Level::Debug, "imu::raw", "a"));
        outlets.record(&record(Level::Warn, "can", "b"));
        outlets.record(&record(Level::Trace, "gps", "c"));
        outlets.say(&Record::of_drainer(0, Level::Info, "words"));
        let got: Vec<String> = sinks
            .iter()
            .map(|sink| sink.got.borrow().concat())
            .collect();
        assert_eq!(got, ["bwords", "awords", "", "cwords"]);
    }

    #[test]
    fn what_the_first_sink_with_files_loses_counts_and_nothing_else() {
        let with = |loses, slot| Outlet::new(Box::new(kept(loses)), Directives::ALL, slot);
        let mut outlets = Outlets::new(vec![with(1, None), with(20, slot(0)), with(300, slot(1))]);
        assert_eq!(outlets.commit().lost, 20);
        assert_eq!(outlets.finish(Duration::ZERO).1, 20);
    }

    #[test]
    fn without_files_what_one_sink_loses_counts_and_nothing_else() {
        let mut outlets = Outlets::new([0, 20, 300].map(|loses| Outlet::of(kept(loses))).into());
        assert_eq!(outlets.commit().lost, 20);
        assert_eq!(outlets.finish(Duration::ZERO).1, 20);
    }

    #[test]
    fn one_sink_in_trouble_keeps_a_flush_waiting_but_no_other_sink() {
        let sinks = [kept(0), kept(7), kept(0)];
        let mut outlets = Outlets::new(sinks.iter().cloned().map(Outlet::of).collect());
        outlets.record(&record(Level::Info, "x", "a"));
        assert_eq!(outlets.commit().troubles.len(), 1);
        outlets.record(&record(Level::Info, "x", "b"));
        assert!(!outlets.are_settled());
        assert!(sinks.iter().all(|sink| sink.got.borrow().concat() == "ab"));
    }

    #[test]
    fn of_a_sink_that_is_not_open_the_last_word_counts() {
        let outlets = Outlets::new(vec![
            Outlet::of(kept(1)),
            Outlet::new(Box::new(kept(2)), Directives::ALL, slot(2)),
        ]);
        let last = ["a", "b", "c"].map(|name| FilePlace {
            name: name.to_owned(),
            ..FilePlace::default()
        });
        let places = outlets.places(&last);
        assert_eq!(places[..2], last[..2]);
        assert_eq!((places.len(), places[2].bytes), (3, 2));
        assert_eq!(outlets.places(&[]).len(), 3);
    }
}
