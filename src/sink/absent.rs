//! A sink that could not be opened again, after its drainer died: the log goes on without it, it is tried again and
//! again, and what it misses is counted, and said in it when it is there.

use std::io;
use std::time::{Duration, Instant};

use super::kinds::Opened;
use super::missing::{Missing, counted};
use super::{FilePlace, Sink};
use crate::clock;
use crate::level::Level;
use crate::record::Record;

/// How often it is tried.
const TRY_EVERY: Duration = Duration::from_secs(1);

/// Opens the sink, at a place if it has files.
pub(crate) type OpenAt = dyn FnMut(Option<&FilePlace>) -> Opened;

/// What stands in for the sink.
pub(crate) struct Absent {
    /// As the log calls it.
    name: String,
    open: Box<OpenAt>,
    /// If it has files: where a predecessor left them, with what these owe.
    place: Option<FilePlace>,
    /// Why it cannot be opened.
    why: String,
    /// That was said.
    told: bool,
    missing: Missing,
    /// Records missing since the drainer last asked.
    lost: u64,
    next_try: Instant,
    /// The sink, once it could be opened.
    found: Option<Box<dyn Sink>>,
    news: Vec<String>,
}

impl Absent {
    /// For a sink that could not be opened at `place`, and `why`.
    pub(crate) fn new(
        name: String,
        place: Option<FilePlace>,
        why: String,
        open: Box<OpenAt>,
    ) -> Absent {
        let place = place.map(|mut place| {
            // What waited in the predecessor's memory is lost by now, and counted.
            place.owed.untold = place.owed.total();
            place.owed.waiting = 0;
            place
        });
        Absent {
            name,
            open,
            place,
            why,
            told: false,
            missing: Missing::default(),
            lost: 0,
            next_try: Instant::now() + TRY_EVERY,
            found: None,
            news: Vec::new(),
        }
    }

    /// Where the files stand, which owe what is missing since.
    fn place_now(&self) -> Option<FilePlace> {
        let mut place = self.place.clone()?;
        let records = self.missing.records();
        place.owed.untold = place.owed.untold.saturating_add(records.total());
        place.owed.whose.extend_from_slice(records.whose());
        Some(place)
    }

    /// Tries to open the sink, and says what is missing in it: by itself, if it has files.
    fn try_again(&mut self) -> Result<&mut Box<dyn Sink>, String> {
        self.next_try = Instant::now() + TRY_EVERY;
        let place = self.place_now();
        let mut sink = (self.open)(place.as_ref())?;
        let records = self.missing.records().total();
        if !self.missing.is_empty() {
            let text = self.missing.take(&self.why);
            if place.is_none() {
                sink.record(&Record::of_drainer(clock::wall_ns(), Level::Error, &text));
            }
        }
        let records = counted(records, "record", "records");
        self.news.push(format!(
            "{} is there again; missing in it: {records}",
            sink.name()
        ));
        Ok(self.found.insert(sink))
    }

    /// Why it is not there, unless that was said.
    fn tell(&mut self, why: String) -> io::Result<()> {
        if self.told && self.why == why {
            return Ok(());
        }
        self.told = true;
        let text = format!(
            "cannot be opened again: {why}; the log goes on without it, and it is tried every second"
        );
        self.why = why;
        Err(io::Error::other(text))
    }
}

impl Sink for Absent {
    fn name(&self) -> String {
        let found = self.found.as_ref();
        found.map_or_else(|| self.name.clone(), |sink| sink.name())
    }

    fn record(&mut self, record: &Record<'_>) {
        match &mut self.found {
            Some(sink) => sink.record(record),
            None => {
                self.missing.count(record);
                self.lost += u64::from(record.sequence.is_some());
            }
        }
    }

    fn commit(&mut self) -> io::Result<()> {
        if let Some(sink) = &mut self.found {
            return sink.commit();
        }
        if Instant::now() < self.next_try {
            return self.tell(self.why.clone());
        }
        match self.try_again() {
            Ok(sink) => sink.commit(),
            Err(why) => self.tell(why),
        }
    }

    fn wants_commit(&self) -> bool {
        self.found.as_ref().is_some_and(|sink| sink.wants_commit())
    }

    fn place(&self) -> Option<FilePlace> {
        match &self.found {
            Some(sink) => sink.place(),
            None => self.place_now(),
        }
    }

    fn take_lost(&mut self) -> u64 {
        let of_sink = self.found.as_mut().map_or(0, |sink| sink.take_lost());
        std::mem::take(&mut self.lost) + of_sink
    }

    fn take_news(&mut self) -> Vec<String> {
        let mut news = std::mem::take(&mut self.news);
        if let Some(sink) = &mut self.found {
            news.append(&mut sink.take_news());
        }
        news
    }

    fn backlog(&self) -> u64 {
        self.found.as_ref().map_or(0, |sink| sink.backlog())
    }

    /// A flush does not wait for what is not there.
    fn settled(&self) -> bool {
        self.found.as_ref().is_none_or(|sink| sink.settled())
    }

    fn finish(&mut self, patience: Duration) -> io::Result<()> {
        if self.found.is_none()
            && let Err(why) = self.try_again()
        {
            let records = counted(self.missing.records().total(), "record", "records");
            let text = format!(
                "{} cannot be opened again: {why}; missing in it: {records}",
                self.name
            );
            return Err(io::Error::other(text));
        }
        self.found
            .as_mut()
            .map_or(Ok(()), |sink| sink.finish(patience))
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;

    use super::*;
    use crate::sink::Owed;
    use crate::sink::samples::record;

    /// Notes what it gets.
    struct Noted(Rc<RefCell<Vec<String>>>);

    impl Sink for Noted {
        fn name(&self) -> String {
            "noted".to_owned()
        }
        fn record(&mut self, record: &Record<'_>) {
            self.0.borrow_mut().push(record.message.to_owned());
        }
    }

    /// Opens from the `from`th time on, and notes where, as far as the sink has files.
    fn opens(from: usize, noted: &Rc<RefCell<Vec<String>>>) -> Box<OpenAt> {
        let (mut times, noted) = (0, Rc::clone(noted));
        Box::new(move |place| {
            times += 1;
            if times < from {
                return Err(format!("no {times}"));
            }
            if let Some(place) = place {
                let Owed {
                    waiting, untold, ..
                } = place.owed;
                noted.borrow_mut().push(format!("{waiting} and {untold}"));
            }
            Ok(Box::new(Noted(Rc::clone(&noted))))
        })
    }

    fn commit_later(absent: &mut Absent) -> Option<String> {
        absent.next_try -= TRY_EVERY;
        absent.commit().err().map(|error| error.to_string())
    }

    #[test]
    fn a_sink_that_comes_back_says_what_is_missing_in_it_and_goes_on() {
        let noted = Rc::default();
        let mut absent = Absent::new("x".to_owned(), None, "no 0".to_owned(), opens(3, &noted));
        let told = absent.commit().unwrap_err().to_string();
        assert!(
            told.contains("no 0") && told.contains("goes on without it"),
            "{told}"
        );
        assert!(absent.commit().is_ok(), "said once");
        (0..5).for_each(|number| absent.record(&record(number, "missed")));
        assert!(commit_later(&mut absent).unwrap().contains("no 1"));
        assert!(commit_later(&mut absent).unwrap().contains("no 2"));
        assert!(absent.settled() && absent.take_lost() == 5 && absent.take_lost() == 0);
        assert_eq!(commit_later(&mut absent), None);
        absent.record(&record(5, "seen"));
        let noted = noted.borrow();
        assert!(noted[0].contains("5 records are missing here"), "{noted:?}");
        assert_eq!(noted[1..], ["seen"]);
        assert_eq!(
            absent.take_news(),
            ["noted is there again; missing in it: 5 records"]
        );
        assert_eq!((absent.name(), absent.take_lost()), ("noted".to_owned(), 0));
    }

    #[test]
    fn one_with_files_owes_them_what_is_missing_and_what_waited_before() {
        let noted = Rc::default();
        let place = FilePlace {
            name: "app.log".to_owned(),
            bytes: 100,
            owed: Owed {
                waiting: 3,
                untold: 4,
                whose: vec![(7, 7)],
            },
            extra: 9,
            ..FilePlace::default()
        };
        let mut absent = Absent::new(
            "x".to_owned(),
            Some(place),
            "no".to_owned(),
            opens(2, &noted),
        );
        (0..5).for_each(|number| absent.record(&record(number, "missed")));
        let owed = absent.place().unwrap();
        assert_eq!((&*owed.name, owed.bytes, owed.extra), ("app.log", 100, 9));
        assert_eq!((owed.owed.waiting, owed.owed.untold), (0, 12));
        assert_eq!(owed.owed.whose, [(7, 7), (1234, 5)]);
        assert!(
            absent
                .finish(Duration::ZERO)
                .unwrap_err()
                .to_string()
                .contains("5 records")
        );
        assert!(absent.finish(Duration::ZERO).is_ok());
        assert_eq!(*noted.borrow(), ["0 and 12"], "and it says so by itself");
    }
}
