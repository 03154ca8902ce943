//! The kinds of sinks that there are: by their names, from a spec to an open sink.
//!
//! A new kind is a struct of settings in a file of its own that implements [`SinkKind`], and a line in [`KINDS`].

use std::path::PathBuf;

use super::console::Console;
use super::file::{Announce, TextFile};
use super::journald::Journald;
use super::own::{self, REGISTERED, Registered};
use super::spec::Common;
use super::syslog::Syslog;
use super::{FilePlace, Json, Logfmt, Sink, SinkSpec, SpecError};
use crate::filter::Directives;
use crate::segment::{Announced, FILE_SINKS};

/// All kinds.
const KINDS: &[Kind] = &[
    Kind::of::<Console>(),
    Kind::of::<TextFile>(),
    Kind::of::<Json>(),
    Kind::of::<Logfmt>(),
    Kind::of::<Journald>(),
    Kind::of::<Syslog>(),
    #[cfg(feature = "mcap")]
    Kind::of::<super::Mcap>(),
];

/// The settings of a kind of sink.
pub(crate) trait SinkKind: Sized {
    /// The kind's name in a spec.
    const NAME: &'static str;

    /// Takes the settings out of a spec.
    fn parse(spec: &SinkSpec) -> Result<Self, SpecError>;

    /// What no other sink may use at the same time.
    fn uses(&self) -> Uses {
        Uses::default()
    }

    /// Opens the sink, in the drainer.
    fn open(self, opening: &Opening<'_>) -> Opened;
}

/// A sink that is open, or why it is not: what the user reads, so it names the place and the way out.
pub(crate) type Opened = Result<Box<dyn Sink>, String>;

/// A sink behind its trait, or what its error says.
pub(super) fn opened<S: Sink + 'static>(sink: Result<S, impl ToString>) -> Opened {
    match sink {
        Ok(sink) => Ok(Box::new(sink)),
        Err(error) => Err(error.to_string()),
    }
}

/// What a sink uses that no other one may use at the same time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Uses {
    /// Files of its own in a folder, which is the spec's place. The parent makes the folder and sees whether it can be
    /// written, and each checkpoint says where the sink was.
    pub(crate) files: Option<Files>,
    /// Something at the spec's place that a reader has at its other end. The parent writes down that it is one.
    pub(crate) pipe: Option<PathBuf>,
    /// Standard output.
    pub(crate) stdout: Stdout,
    /// Whether it may write to standard error.
    pub(crate) stderr: bool,
}

/// What a sink does with standard output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Stdout {
    #[default]
    Nothing,
    /// It may write to it, as sinks of the user's own may.
    Maybe,
    /// It writes all the time, and no other one may.
    All,
}

/// The files of a sink.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Files {
    /// Where they are.
    pub(crate) folder: PathBuf,
    /// What stands at the end of their names, like `.log`.
    pub(crate) ending: &'static str,
}

/// What a sink finds when it is opened.
pub(crate) struct Opening<'a> {
    /// The program's name, which file names begin with.
    pub(crate) program: &'a str,
    /// Bytes that may wait for the sink, if not as many as it has by itself.
    pub(crate) queue_bytes: Option<usize>,
    /// Where a predecessor of this process left the sink, at its last checkpoint.
    pub(crate) place: Option<&'a FilePlace>,
    /// A predecessor left word, and not all of it is whole: its files are not to be touched.
    pub(crate) damaged: bool,
    /// Where the names of files that were begun since the checkpoint stand; `None` in tests of a sink alone.
    pub(crate) announced: Option<Announced>,
    /// The name of a process by its id, as long as that is known.
    pub(crate) name_of: &'a dyn Fn(u32) -> Option<String>,
}

impl Opening<'_> {
    /// What is told the name of a file before that is made.
    pub(crate) fn announce(&self) -> Box<Announce> {
        match self.announced {
            Some(announced) => Box::new(move |name| announced.announce(name)),
            None => Box::new(|_| {}),
        }
    }

    /// Where to go on: at the checkpoint, or without one in the first file that was begun. Files that were begun since
    /// belong to a batch that did not make it: `discard` gets their names, before they are forgotten.
    pub(crate) fn go_on(&self, discard: impl FnOnce(&[String])) -> Option<FilePlace> {
        let begun = self
            .announced
            .map_or_else(Vec::new, |announced| announced.names());
        // After damage the first file may hold all that was logged: then it stays.
        let first = begun
            .first()
            .filter(|_| !self.damaged)
            .map(|name| FilePlace {
                name: name.clone(),
                ..FilePlace::default()
            });
        let place = self.place.cloned().or(first)?;
        if !self.damaged {
            let known = begun.iter().position(|name| *name == place.name);
            let known = known.map_or(0, |at| at + 1);
            discard(&begun[known..]);
            if let Some(announced) = self.announced {
                announced.forget(known);
            }
        }
        Some(place)
    }
}

/// A kind, without its type.
pub(crate) struct Kind {
    name: &'static str,
    check: fn(&SinkSpec) -> Result<Uses, SpecError>,
    open: fn(&SinkSpec, &Opening<'_>) -> Opened,
}

impl Kind {
    const fn of<K: SinkKind>() -> Kind {
        Kind {
            name: K::NAME,
            check: |spec| K::parse(spec).map(|settings| settings.uses()),
            open: |spec, opening| {
                let settings = K::parse(spec).map_err(|error| error.to_string())?;
                settings.open(opening)
            },
        }
    }
}

/// A kind that there is.
enum Found<'r> {
    Ours(&'static Kind),
    Own(&'r Registered),
}

/// The kind of a spec, ours or one that is registered.
fn find<'r>(spec: &SinkSpec, registered: &'r [Registered]) -> Result<Found<'r>, SpecError> {
    let ours = KINDS.iter().find(|kind| kind.name == spec.kind());
    match (ours, own::find(spec, registered)?) {
        (Some(ours), None) => Ok(Found::Ours(ours)),
        (None, Some(own)) => Ok(Found::Own(own)),
        (Some(_), Some(own)) => {
            let allowed = format!("a kind that is not shmlog's own where one is registered, {own}");
            Err(spec.refuse("kind", spec.kind(), allowed))
        }
        (None, None) => {
            let ours = KINDS.iter().map(|kind| kind.name);
            let own = registered.iter().map(|own| own.name);
            let mut names: Vec<&str> = ours.chain(own).collect();
            names.dedup();
            Err(spec.refuse("kind", spec.kind(), names.join(", ")))
        }
    }
}

/// Which records a sink gets.
pub(crate) fn filter_of(spec: &SinkSpec) -> Result<Directives, SpecError> {
    match spec.get(Common::LEVEL) {
        None => Ok(Directives::ALL),
        Some(text) => Directives::parse(text)
            .map_err(|error| spec.refuse(Common::LEVEL, &error.directive, error.allowed())),
    }
}

/// Whether a sink can be as it is asked for, and what it uses.
pub(crate) fn check(spec: &SinkSpec) -> Result<Uses, SpecError> {
    filter_of(spec)?;
    match find(spec, &REGISTERED)? {
        Found::Ours(kind) => (kind.check)(spec),
        // Its options are its own to check, when it is opened.
        Found::Own(_) => Ok(Uses {
            stdout: Stdout::Maybe,
            stderr: true,
            ..Uses::default()
        }),
    }
}

/// Whether the sinks can be as they are asked for, each alone and all together, and what each uses.
pub(crate) fn check_all(specs: &[SinkSpec]) -> Result<Vec<Uses>, SpecError> {
    let mut all: Vec<Uses> = Vec::new();
    for spec in specs {
        let uses = check(spec)?;
        if let Some(other) = all
            .iter()
            .position(|other| [other, &uses].iter().all(|uses| uses.stdout == Stdout::All))
        {
            let allowed = format!(
                "one sink on standard output, and {:?} is one",
                specs[other].to_string()
            );
            return Err(spec.refuse("kind", spec.kind(), allowed));
        }
        let with_files = all.iter().filter(|other| other.files.is_some()).count();
        if uses.files.is_some() && with_files >= FILE_SINKS {
            let allowed = format!("{FILE_SINKS} sinks with files in all");
            return Err(spec.refuse("kind", spec.kind(), allowed));
        }
        all.push(uses);
    }
    Ok(all)
}

/// Asserts that no two of these sinks, whose folders are real paths, write the same files.
pub(crate) fn check_apart(sinks: &[(SinkSpec, Uses)]) -> Result<(), SpecError> {
    for (at, (spec, uses)) in sinks.iter().enumerate() {
        let Some(files) = &uses.files else {
            continue;
        };
        let mut before = sinks[..at].iter();
        if let Some((other, _)) = before.find(|(_, other)| other.files.as_ref() == Some(files)) {
            let place = spec.place().unwrap_or_default().to_string_lossy();
            let allowed = format!(
                "a folder in which {:?} does not write the same files",
                other.to_string()
            );
            return Err(spec.refuse("place", place, allowed));
        }
    }
    Ok(())
}

/// Whether a sink is of the user's own making.
pub(crate) fn is_own(spec: &SinkSpec) -> bool {
    matches!(find(spec, &REGISTERED), Ok(Found::Own(_)))
}

/// Opens a sink.
pub(crate) fn open(spec: &SinkSpec, opening: &Opening<'_>) -> Opened {
    match find(spec, &REGISTERED).map_err(|error| error.to_string())? {
        Found::Ours(kind) => (kind.open)(spec, opening),
        Found::Own(own) => own.open(spec),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn specs(list: &str) -> Vec<SinkSpec> {
        SinkSpec::list(list).unwrap()
    }

    #[test]
    fn an_unknown_kind_is_refused_with_the_known_ones() {
        let error = check(&SinkSpec::new("flie").at("logs")).unwrap_err();
        assert_eq!(
            (&*error.sink, &*error.option, &*error.value),
            ("flie:logs", "kind", "flie")
        );
        assert!(error.allowed.contains("console, file"), "{error}");
    }

    #[test]
    fn a_registered_kind_that_is_called_like_one_of_ours_is_refused() {
        let own = Registered {
            name: "file",
            open: |_| Err("never opened".into()),
            file: "own.rs",
            line: 7,
        };
        let error = find(&SinkSpec::new("file"), &[own]).err().unwrap();
        assert!(error.allowed.contains("own.rs:7"), "{error}");
        assert!(find(&SinkSpec::new("console"), &[own]).is_ok());
    }

    #[test]
    fn an_option_that_no_kind_has_is_refused_with_those_that_it_has() {
        let error = check_all(&specs("console;file:logs?kep=3")).unwrap_err();
        assert_eq!((&*error.option, &*error.value), ("option", "kep"));
        assert!(error.allowed.contains("keep, keep_bytes"), "{error}");
    }

    #[test]
    fn two_sinks_on_standard_output_are_refused() {
        let error = check_all(&specs("console;console?level=warn")).unwrap_err();
        assert!(
            error.allowed.contains("one sink on standard output"),
            "{error}"
        );
    }

    #[test]
    fn two_sinks_that_write_the_same_files_are_refused() {
        let sinks = specs("console;file:/a;file:/b;file:/a?keep=2");
        let sinks: Vec<_> = sinks
            .into_iter()
            .map(|spec| (spec.clone(), check(&spec).unwrap()))
            .collect();
        assert_eq!(check_apart(&sinks[..3]), Ok(()));
        let error = check_apart(&sinks).unwrap_err();
        assert_eq!((&*error.option, &*error.value), ("place", "/a"));
        assert!(error.allowed.contains("\"file:/a\""), "{error}");
    }
}
