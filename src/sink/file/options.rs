//! The settings that all sinks with log files have: when a file ends, which stay, and what becomes of closed ones.

use std::path::PathBuf;
use std::time::Duration;

use super::config::{FileConfig, FileSync, Rotate};
use crate::sink::kinds::Opening;
use crate::sink::spec::duration_of;
use crate::sink::{SinkSpec, SpecError};

const ROTATE: &str = "rotate";
const MAX_SIZE: &str = "max_size";
const KEEP: &str = "keep";
const KEEP_FOR: &str = "keep_for";
const KEEP_BYTES: &str = "keep_bytes";
pub(in crate::sink) const GZIP: &str = "gzip";
const LATEST: &str = "latest";
pub(in crate::sink) const SYNC: &str = "sync";

/// The settings of a sink's files, but for their folder; `None` is what is usual. A struct of settings holds one in
/// a field `files` and has it turned into options by [`file_setters`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct FileOptions {
    pub(crate) rotate: Rotate,
    /// Hour and minute.
    pub(crate) rotate_at: (u8, u8),
    pub(crate) max_size: Option<u64>,
    pub(crate) keep: Option<u64>,
    pub(crate) keep_for: Option<Duration>,
    pub(crate) keep_bytes: Option<u64>,
    pub(crate) gzip: bool,
    pub(crate) latest: bool,
    pub(crate) sync: FileSync,
}

impl FileOptions {
    /// The names of the options.
    pub(crate) const OPTIONS: &[&str] = &[
        ROTATE, MAX_SIZE, KEEP, KEEP_FOR, KEEP_BYTES, GZIP, LATEST, SYNC,
    ];

    /// As a spec says.
    pub(crate) fn of(spec: &SinkSpec) -> Result<FileOptions, SpecError> {
        let rotates = "never, hourly, daily, or daily@03:30 for an hour and a minute";
        let syncs = "never, error, or a time of more than 0, like 100ms or 2s";
        let (rotate, rotate_at) = spec.read(ROTATE, rotates, rotate_of)?.unwrap_or_default();
        Ok(FileOptions {
            rotate,
            rotate_at,
            max_size: spec.bytes(MAX_SIZE, 1..)?,
            keep: spec.number(KEEP, 1..)?,
            keep_for: spec.duration(KEEP_FOR)?,
            keep_bytes: spec.bytes(KEEP_BYTES, 1..)?,
            gzip: spec.switch(GZIP)?.unwrap_or(false),
            latest: spec.switch(LATEST)?.unwrap_or(false),
            sync: spec.read(SYNC, syncs, sync_of)?.unwrap_or_default(),
        })
    }

    /// Sets the options of a spec that are not as usual.
    pub(crate) fn put(self, spec: SinkSpec) -> SinkSpec {
        let rotate = match (self.rotate, self.rotate_at) {
            (Rotate::Never, _) => None,
            (Rotate::Hourly, _) => Some("hourly".to_owned()),
            (Rotate::Daily, (0, 0)) => Some("daily".to_owned()),
            (Rotate::Daily, (hour, minute)) => Some(format!("daily@{hour:02}:{minute:02}")),
        };
        let sync = match self.sync {
            FileSync::Never => None,
            FileSync::Every(pause) => Some(millis(pause)),
            FileSync::AtError => Some("error".to_owned()),
        };
        let on = |is_on: bool| is_on.then(|| "on".to_owned());
        let options = [
            (ROTATE, rotate),
            (MAX_SIZE, self.max_size.map(|bytes| bytes.to_string())),
            (KEEP, self.keep.map(|files| files.to_string())),
            (KEEP_FOR, self.keep_for.map(millis)),
            (KEEP_BYTES, self.keep_bytes.map(|bytes| bytes.to_string())),
            (GZIP, on(self.gzip)),
            (LATEST, on(self.latest)),
            (SYNC, sync),
        ];
        let set = options
            .into_iter()
            .filter_map(|(key, value)| Some((key, value?)));
        set.fold(spec, |spec, (key, value)| spec.option(key, value))
    }

    /// What the sink is opened with.
    pub(crate) fn config(self, folder: PathBuf, opening: &Opening<'_>) -> FileConfig {
        let usual = FileConfig::new(folder, opening.program);
        // Who asks for files of a day does not expect two, and who says how long they stay not that ten do.
        let has_time = self.rotate != Rotate::Never;
        let max_size = if has_time {
            u64::MAX
        } else {
            usual.max_file_size
        };
        let is_bounded = self.keep_for.is_some() || self.keep_bytes.is_some();
        let keep = if is_bounded {
            usize::MAX
        } else {
            usual.backup_count
        };
        let files = |files| usize::try_from(files).unwrap_or(usize::MAX);
        FileConfig {
            rotate: self.rotate,
            rotate_at: self.rotate_at,
            max_file_size: self.max_size.unwrap_or(max_size),
            backup_count: self.keep.map_or(keep, files),
            keep_for: self.keep_for,
            keep_bytes: self.keep_bytes,
            compress: self.gzip,
            latest: self.latest,
            sync: self.sync,
            queue_bytes: opening.queue_bytes.unwrap_or(usual.queue_bytes),
            ..usual
        }
    }
}

/// Not 0, which would not be read back.
fn millis(time: Duration) -> String {
    let millis = time.as_micros().div_ceil(1_000).max(1);
    format!("{}ms", millis.min(u64::MAX.into()))
}

fn rotate_of(text: &str) -> Option<(Rotate, (u8, u8))> {
    let part = |text: &str, below: u8| {
        let is_number = text.len() <= 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse().ok().filter(|part| is_number && *part < below)
    };
    match text {
        "never" => Some((Rotate::Never, (0, 0))),
        "hourly" => Some((Rotate::Hourly, (0, 0))),
        "daily" => Some((Rotate::Daily, (0, 0))),
        _ => {
            let (hour, minute) = text.strip_prefix("daily@")?.split_once(':')?;
            Some((Rotate::Daily, (part(hour, 24)?, part(minute, 60)?)))
        }
    }
}

fn sync_of(text: &str) -> Option<FileSync> {
    match text {
        "never" => Some(FileSync::Never),
        "error" => Some(FileSync::AtError),
        _ => duration_of(text).map(FileSync::Every),
    }
}

/// The setters of [`FileOptions`]: for a struct with a field `files`. Those of `kept` are of files that nothing is done to
/// when they are written.
macro_rules! file_setters {
    ($settings:ty) => {
        $crate::sink::file::options::file_setters!(kept $settings);

        impl $settings {
            /// Whether a file is compressed (gzip, `.gz` behind its name) when another one follows it, with the lowest
            /// priority. The last file of a session stays as it is, and so does what is not compressed 2 s after the
            /// end, or when the process that writes the files is killed. Default: no.
            pub fn gzip(mut self, on: bool) -> Self {
                self.files.gzip = on;
                self
            }

            /// When what is written is forced onto the disk. No log call waits for that, nor does
            /// [`flush`](crate::ShmLogger::flush), which is done when all is written: then nothing but a crash of the
            /// machine can take it. Default: [`FileSync::Never`](crate::sink::FileSync::Never).
            pub fn sync(mut self, sync: $crate::sink::FileSync) -> Self {
                self.files.sync = sync;
                self
            }
        }
    };
    (kept $settings:ty) => {
        impl $settings {
            /// When a new file is begun though the present one has room: with the first record of an hour or of a day, in
            /// local time, by the records' own times. Nothing is begun while nothing is logged. Default:
            /// [`Rotate::Never`](crate::sink::Rotate::Never).
            pub fn rotate(mut self, rotate: $crate::sink::Rotate) -> Self {
                self.files.rotate = rotate;
                self
            }

            /// Begins a file each day at this hour and minute of local time. When the clock is set by the season
            /// that is the first time that it shows them, or what follows if it leaves them out.
            pub fn rotate_at(mut self, hour: u8, minute: u8) -> Self {
                self.files.rotate = $crate::sink::Rotate::Daily;
                self.files.rotate_at = (hour, minute);
                self
            }

            /// Bytes after which a new file is begun; 1 at least. Only a single record that is longer makes a longer
            /// file. Default: 100 MiB, or any number for files that end with the hour or the day.
            pub fn max_size(mut self, bytes: u64) -> Self {
                self.files.max_size = Some(bytes);
                self
            }

            /// How many files of this program may remain in the folder, earlier sessions' and compressed ones included;
            /// 1 at least. The oldest are removed, but never one that a running session still writes. Files of recovered
            /// records count by themselves: as many may remain, those that the present start has made in any case. Default: 10, or any
            /// number if [`keep_for`](Self::keep_for) or [`keep_bytes`](Self::keep_bytes) is set.
            pub fn keep(mut self, files: u64) -> Self {
                self.files.keep = Some(files);
                self
            }

            /// How long files of this program remain after the last record was written to them. They are looked at with
            /// each new file, at the end, and in between, also while nothing is logged: at least once a minute, and
            /// ten times in that time unless that is more than once a second. Default: as long as may be.
            pub fn keep_for(mut self, time: std::time::Duration) -> Self {
                self.files.keep_for = Some(time);
                self
            }

            /// How many bytes the files of this program may have together. The oldest are removed, but never one that a
            /// running session still writes. They are looked at with each new file, at the end, and once a minute:
            /// between that they may be more. Default: any number.
            pub fn keep_bytes(mut self, bytes: u64) -> Self {
                self.files.keep_bytes = Some(bytes);
                self
            }

            /// Whether there is a symbolic link, `{program}_latest` and the usual ending, to the file that was begun last. It
            /// remains when the program has ended, and is never without a file. Default: no.
            pub fn latest(mut self, on: bool) -> Self {
                self.files.latest = on;
                self
            }
        }
    };
}
pub(crate) use file_setters;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(options: &str) -> Result<FileOptions, SpecError> {
        FileOptions::of(&format!("file?{options}").parse().unwrap())
    }

    fn config(options: &str) -> FileConfig {
        let opening = Opening {
            program: "app",
            queue_bytes: None,
            place: None,
            damaged: false,
            announced: None,
            name_of: &|_| None,
        };
        of(options).unwrap().config("logs".into(), &opening)
    }

    #[test]
    fn options_say_what_they_say() {
        let day = Duration::from_secs(86_400);
        let found = of(
            "rotate=daily@03:30&max_size=1M&keep=3&keep_for=7d&keep_bytes=10G&gzip=on&latest=on&sync=100ms",
        );
        let expected = FileOptions {
            rotate: Rotate::Daily,
            rotate_at: (3, 30),
            max_size: Some(1 << 20),
            keep: Some(3),
            keep_for: Some(7 * day),
            keep_bytes: Some(10 << 30),
            gzip: true,
            latest: true,
            sync: FileSync::Every(Duration::from_millis(100)),
        };
        assert_eq!(found, Ok(expected));
        assert_eq!(of("rotate=never&gzip=off&latest=off&sync=never"), of(""));
        assert_eq!(of("sync=error").unwrap().sync, FileSync::AtError);
        assert_eq!(of("rotate=hourly").unwrap().rotate, Rotate::Hourly);
    }

    #[test]
    fn what_is_not_said_depends_on_what_is() {
        let bounds = |options| {
            let config = config(options);
            (config.max_file_size, config.backup_count)
        };
        assert_eq!(bounds(""), (100 << 20, 10));
        assert_eq!(bounds("rotate=hourly"), (u64::MAX, 10));
        assert_eq!(bounds("keep_for=7d"), (100 << 20, usize::MAX));
        assert_eq!(bounds("keep_bytes=1G"), (100 << 20, usize::MAX));
        assert_eq!(bounds("rotate=daily&max_size=5&keep_for=7d&keep=2"), (5, 2));
    }

    #[test]
    fn what_is_not_allowed_is_refused_with_what_is() {
        for (option, value, allowed) in [
            ("rotate", "weekly", "daily@03:30"),
            ("rotate", "daily@24:00", "daily@03:30"),
            ("rotate", "daily@3:60", "daily@03:30"),
            ("rotate", "daily@+3:00", "daily@03:30"),
            ("rotate", "daily@3", "daily@03:30"),
            ("max_size", "0", "100M"),
            ("keep", "0", "from 1"),
            ("keep_for", "0s", "7d"),
            ("keep_bytes", "0", "2G"),
            ("gzip", "9", "on, off"),
            ("latest", "yes", "on, off"),
            ("sync", "0ms", "100ms"),
            ("sync", "always", "error"),
        ] {
            let error = of(&format!("{option}={value}")).unwrap_err();
            assert_eq!((&*error.option, &*error.value), (option, value));
            assert!(error.allowed.contains(allowed), "{error}");
        }
    }

    proptest! {
        #[test]
        fn options_come_back_from_a_spec(
            rotate in prop::sample::select(vec![Rotate::Never, Rotate::Hourly, Rotate::Daily]),
            (hour, minute) in (0..24_u8, 0..60_u8),
            sizes: [Option<std::num::NonZeroU64>; 3],
            times in [prop::option::of(1..u64::MAX), prop::option::of(1..u64::MAX)],
            switches: [bool; 3],
        ) {
            let [max_size, keep, keep_bytes] = sizes.map(|size| size.map(u64::from));
            let [keep_for, every] = times.map(|time| time.map(Duration::from_millis));
            let sync = if switches[2] { FileSync::AtError } else { FileSync::Never };
            let options = FileOptions {
                rotate,
                rotate_at: if rotate == Rotate::Daily { (hour, minute) } else { (0, 0) },
                max_size, keep, keep_for, keep_bytes,
                gzip: switches[0],
                latest: switches[1],
                sync: every.map_or(sync, FileSync::Every),
            };
            let spec = options.clone().put(SinkSpec::new("file"));
            prop_assert_eq!(FileOptions::of(&spec), Ok(options));
        }
    }
}
