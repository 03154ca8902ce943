//! Sinks of the user's own: how the drainer, which never comes to the program's `main`, knows of them, and what keeps
//! one that panics from doing harm.

use std::any::Any;
use std::cell::RefCell;
use std::error::Error;
use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use super::{Sink, SinkSpec, SpecError};
use crate::record::Record;

/// A function that opens a sink in the drainer.
pub type Open = fn(&SinkSpec) -> Result<Box<dyn Sink>, Box<dyn Error>>;

/// A kind of sink that [`register_sink`](crate::register_sink) makes known. All public for that macro, which may make it
/// in a `static`.
#[derive(Clone, Copy)]
pub struct Registered {
    /// As it stands in a spec.
    pub name: &'static str,
    /// Opens it.
    pub open: Open,
    /// Where it is registered.
    pub file: &'static str,
    /// The line there.
    pub line: u32,
}

/// What the whole program has registered, put together by the linker.
#[linkme::distributed_slice]
pub static REGISTERED: [Registered];

/// Makes a kind of sink of your own known, under a name for specs: `register_sink!("udp", open_udp);`.
///
/// It stands outside of functions, in the program or in a library that it uses. The drainer is the same executable,
/// started again and caught before `main`, so what `main` does it never sees; this it finds, since the linker puts it
/// together. The function is called in the drainer, with the spec; it must be a
/// `fn(&SinkSpec) -> Result<Box<dyn Sink>, Box<dyn Error>>`. What it refuses is an error of
/// [`init_parent`](crate::Builder::init_parent). How to write a sink is said [there](crate::sink::Sink).
///
/// The drainer has the program's environment, user and umask, but not its descriptors (standard output and error it has),
/// and its working directory is `/`: name files by absolute paths.
///
/// A kind that is registered twice, or is called like one of shmlog's own, is refused when it is used.
///
/// ```
/// use shmlog::sink::{Record, Sink, SinkSpec};
/// use std::error::Error;
///
/// /// Counts by level, and prints the sums at the end.
/// #[derive(Default)]
/// struct Sums([u64; 6]);
///
/// impl Sink for Sums {
///     fn name(&self) -> String {
///         "sums".to_owned()
///     }
///     fn record(&mut self, record: &Record<'_>) {
///         self.0[record.level as usize] += 1;
///     }
/// }
///
/// fn open_sums(spec: &SinkSpec) -> Result<Box<dyn Sink>, Box<dyn Error>> {
///     spec.allow(&[])?;
///     Ok(Box::new(Sums::default()))
/// }
///
/// shmlog::register_sink!("sums", open_sums);
///
/// # fn main() -> Result<(), shmlog::InitError> {
/// let logger = shmlog::ShmLogger::builder().sink(SinkSpec::new("sums")).init_parent()?;
/// # drop(logger);
/// # Ok(())
/// # }
/// ```
#[macro_export]
macro_rules! register_sink {
    ($name:expr, $open:expr $(,)?) => {
        const _: () = {
            use $crate::__private::linkme;
            #[linkme::distributed_slice($crate::__private::REGISTERED)]
            #[linkme(crate = linkme)]
            static REGISTERED: $crate::__private::Registered = $crate::__private::Registered {
                name: $name,
                open: $open,
                file: ::core::file!(),
                line: ::core::line!(),
            };
        };
    };
}

/// The one of this kind among those that are registered, if there is any.
pub(super) fn find<'r>(
    spec: &SinkSpec,
    registered: &'r [Registered],
) -> Result<Option<&'r Registered>, SpecError> {
    let mut found = registered.iter().filter(|one| one.name == spec.kind());
    match (found.next(), found.next()) {
        (Some(one), Some(other)) => {
            let allowed = format!("a kind that is registered once, but it is {one} and {other}");
            Err(spec.refuse("kind", spec.kind(), allowed))
        }
        (one, _) => Ok(one),
    }
}

impl fmt::Display for Registered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "in {}:{}", self.file, self.line)
    }
}

impl Registered {
    pub(super) fn open(&self, spec: &SinkSpec) -> Result<Box<dyn Sink>, String> {
        let opened = catch_unwind(|| (self.open)(spec).map_err(|error| error.to_string()));
        let sink = opened.unwrap_or_else(|panic| Err(said(&*panic)));
        let sink =
            sink.map_err(|why| format!("cannot open the sink {:?}: {why}", spec.to_string()))?;
        Ok(Box::new(Guarded::new(sink, spec)))
    }
}

/// A sink that may panic; then the log goes on without it, and says so.
struct Guarded {
    /// As it is called in the log.
    name: String,
    /// In a cell, since it may panic when it is only asked.
    state: RefCell<State>,
}

struct State {
    /// `None` when it has panicked.
    sink: Option<Box<dyn Sink>>,
    /// That it has panicked, until that was said.
    trouble: Option<String>,
    /// Records that it did not get for that, since the drainer last asked.
    lost: u64,
}

impl Guarded {
    fn new(sink: Box<dyn Sink>, spec: &SinkSpec) -> Guarded {
        let mut guarded = Guarded {
            name: spec.kind().to_owned(),
            state: RefCell::new(State {
                sink: Some(sink),
                trouble: None,
                lost: 0,
            }),
        };
        if let Some(name) = guarded.with(|sink| sink.name()) {
            guarded.name = name;
        }
        guarded
    }

    /// Does something with the sink, as long as it has not panicked.
    fn with<T>(&self, act: impl FnOnce(&mut dyn Sink) -> T) -> Option<T> {
        let mut state = self.state.try_borrow_mut().ok()?;
        let sink = state.sink.as_deref_mut()?;
        // What it leaves broken is not used again.
        match catch_unwind(AssertUnwindSafe(|| act(sink))) {
            Ok(done) => Some(done),
            Err(panic) => {
                state.trouble = Some(format!(
                    "{}; the log goes on without this sink",
                    said(&*panic)
                ));
                let sink = state.sink.take();
                let _ = catch_unwind(AssertUnwindSafe(|| drop(sink)));
                None
            }
        }
    }

    /// The same for what may go wrong. That it has panicked is told once.
    fn try_with(&mut self, act: impl FnOnce(&mut dyn Sink) -> io::Result<()>) -> io::Result<()> {
        let done = self.with(act);
        match self.state.get_mut().trouble.take() {
            Some(trouble) => Err(io::Error::other(trouble)),
            None => done.unwrap_or(Ok(())),
        }
    }
}

/// What a panic says.
fn said(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    format!("it panicked: {}", text.unwrap_or("without words"))
}

impl Sink for Guarded {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn record(&mut self, record: &Record<'_>) {
        if self.with(|sink| sink.record(record)).is_none() {
            self.state.get_mut().lost += u64::from(record.sequence.is_some());
        }
    }

    fn commit(&mut self) -> io::Result<()> {
        self.try_with(|sink| sink.commit())
    }

    fn wants_commit(&self) -> bool {
        // After a panic the batch may as well end: then it is told.
        let is_used = self
            .state
            .try_borrow()
            .is_ok_and(|state| state.sink.is_some());
        is_used && self.with(|sink| sink.wants_commit()).unwrap_or(true)
    }

    fn take_lost(&mut self) -> u64 {
        let lost = self.with(|sink| sink.take_lost()).unwrap_or(0);
        lost.saturating_add(std::mem::take(&mut self.state.get_mut().lost))
    }

    fn take_news(&mut self) -> Vec<String> {
        self.with(|sink| sink.take_news()).unwrap_or_default()
    }

    fn backlog(&self) -> u64 {
        self.with(|sink| sink.backlog()).unwrap_or(0)
    }

    fn settled(&self) -> bool {
        self.with(|sink| sink.settled()).unwrap_or(true)
    }

    fn finish(&mut self, patience: Duration) -> io::Result<()> {
        let done = self.try_with(|sink| sink.finish(patience));
        done.map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", self.name)))
    }
}

// What registers itself in this crate is linked by an attribute that the lint takes for code of ours.
#[cfg(test)]
#[allow(unsafe_code)]
mod tests {
    use super::*;
    use crate::sink::samples::record;

    /// Panics where it is told.
    struct Shaky(&'static str);

    impl Shaky {
        fn at(&self, place: &str) {
            if self.0 == place {
                panic!("at {place}");
            }
        }
    }

    impl Sink for Shaky {
        fn name(&self) -> String {
            self.at("name");
            "shaky".to_owned()
        }
        fn record(&mut self, _: &Record<'_>) {
            self.at("record");
        }
        fn commit(&mut self) -> io::Result<()> {
            self.at("commit");
            Ok(())
        }
        fn take_lost(&mut self) -> u64 {
            self.at("take_lost");
            7
        }
        fn take_news(&mut self) -> Vec<String> {
            self.at("take_news");
            vec!["new".to_owned()]
        }
        fn wants_commit(&self) -> bool {
            self.at("wants_commit");
            false
        }
        fn settled(&self) -> bool {
            self.at("settled");
            true
        }
        fn backlog(&self) -> u64 {
            self.at("backlog");
            0
        }
    }

    impl Drop for Shaky {
        fn drop(&mut self) {
            self.at("record");
        }
    }

    #[test]
    fn a_sink_that_panics_anywhere_is_told_of_once_and_not_asked_again() {
        let places = [
            "name",
            "record",
            "commit",
            "take_lost",
            "take_news",
            "wants_commit",
            "settled",
            "backlog",
        ];
        for place in places {
            let mut sink = Guarded::new(Box::new(Shaky(place)), &SinkSpec::new("mine"));
            sink.record(&record(1, "x"));
            sink.wants_commit();
            sink.settled();
            sink.backlog();
            let mut told: Vec<String> = sink
                .commit()
                .err()
                .iter()
                .map(io::Error::to_string)
                .collect();
            sink.take_news();
            sink.take_lost();
            sink.record(&record(2, "y"));
            told.extend(sink.commit().err().iter().map(io::Error::to_string));
            let expected = format!("it panicked: at {place}; the log goes on without this sink");
            assert_eq!(told, [expected]);
            assert!(sink.commit().is_ok() && sink.settled() && !sink.wants_commit());
            assert!(sink.finish(Duration::ZERO).is_ok());
            assert_eq!(sink.take_lost(), 1, "the last record");
            assert_eq!(sink.name(), if place == "name" { "mine" } else { "shaky" });
        }
    }

    #[test]
    fn a_sink_that_does_not_panic_is_used_as_it_is() {
        let mut sink = Guarded::new(Box::new(Shaky("")), &SinkSpec::new("mine"));
        sink.record(&record(1, "x"));
        assert!(sink.commit().is_ok() && sink.settled());
        assert_eq!(
            (sink.take_lost(), sink.take_news()),
            (7, vec!["new".to_owned()])
        );
        assert!(sink.finish(Duration::ZERO).is_ok());
    }

    fn open_shaky(spec: &SinkSpec) -> Result<Box<dyn Sink>, Box<dyn Error>> {
        match spec.get("how") {
            Some("panic") => panic!("no sink today"),
            Some("error") => Err("not today".into()),
            _ => Ok(Box::new(Shaky(""))),
        }
    }

    crate::register_sink!("test-once", open_shaky);
    crate::register_sink!("test-twice", open_shaky);
    crate::register_sink!("test-twice", open_shaky);

    #[test]
    fn what_is_registered_once_is_found_by_its_name() {
        let check = |kind: &str| crate::sink::kinds::check(&SinkSpec::new(kind));
        assert!(check("test-once").is_ok());
        let twice = check("test-twice").unwrap_err();
        assert_eq!(twice.allowed.matches("own.rs:").count(), 2, "{twice}");
        let unknown = check("test-never").unwrap_err();
        assert!(unknown.allowed.contains("test-once"), "{unknown}");
    }

    #[test]
    fn a_sink_that_cannot_be_opened_or_panics_at_that_is_an_error_that_names_it() {
        let open = |how| {
            let spec = SinkSpec::new("test-once").option("how", how);
            let found = find(&spec, &REGISTERED).unwrap().unwrap();
            found.open(&spec).map(|sink| sink.name())
        };
        assert_eq!(open("well"), Ok("shaky".to_owned()));
        let error = open("error").unwrap_err();
        assert!(
            error.contains("\"test-once?how=error\": not today"),
            "{error}"
        );
        let error = open("panic").unwrap_err();
        assert!(error.contains("it panicked: no sink today"), "{error}");
    }
}
