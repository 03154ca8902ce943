//! logfmt: `key=value` pairs in a line, for `grep` and log shippers.

mod lines;
#[cfg(test)]
mod tests;

pub(super) use self::lines::LogfmtLines;
use crate::sink::encoding::Encoding;
use crate::sink::file::FileOptions;
use crate::sink::lines::{Place, lines_kind};
use crate::sink::spec::Common;

/// Settings of a sink that writes logfmt: a line of `key=value` pairs for a record, in UTF-8. Into files
/// (`{program}_{YYYYmmdd_HHMMSS_micros}.logfmt`), into a pipe, or to standard output, as [`Json`](crate::sink::Json) does.
/// As text: `logfmt:logs?rotate=daily&keep=7`, `logfmt:/run/robot.fifo`, `logfmt:-`.
///
/// ```
/// use shmlog::sink::Logfmt;
/// # let folder = std::env::temp_dir().join(format!("shmlog-doc-logfmt-{}", std::process::id()));
/// # let builder = shmlog::ShmLogger::builder().console(false);
/// let logger = builder.sink(Logfmt::new(&folder)).init_parent()?;
/// shmlog::error!(joint = 3, torque = 12.5; "limit");
/// # drop(logger); std::fs::remove_dir_all(folder)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// ```text
/// time=2026-11-22T17:45:12.123456789Z level=warn seq=42 process=arm pid=1234 thread=imu tid=1240 target=can file=src/main.rs line=17 msg="bus is slow" bus=2 load=0.93
/// ```
///
/// The keys and when they are there are those of [`Json`](crate::sink::Json), in the same order, but the text is called
/// `msg` and stands before the key-values, which follow under their own keys. One that is called like a key of the record
/// itself has `fields.` in front: `fields.level=3`. A key that comes again is called `key_2`, then `key_3`. In keys,
/// blanks, `=`, `"` and control characters become `_`.
///
/// A text that is empty, or holds blanks, `=`, `"` or control characters, stands in quotes, with the escapes of JSON, as
/// Go's readers of logfmt expect it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "settings do nothing until they are given to Builder::sink()"]
pub struct Logfmt {
    place: Place,
    files: FileOptions,
    common: Common,
}

lines_kind!(Logfmt, "logfmt", Encoding::Logfmt);
