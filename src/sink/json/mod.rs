//! JSON lines: one object a record, for `jq`, log shippers and databases.

mod lines;
#[cfg(test)]
mod tests;

pub(super) use self::lines::JsonLines;
use crate::sink::encoding::Encoding;
use crate::sink::file::FileOptions;
use crate::sink::lines::{Place, lines_kind};
use crate::sink::spec::Common;

/// Settings of a sink that writes JSON lines: one object a record, one record a line, in UTF-8. Into files, into a pipe,
/// or to standard output. As text: `json:logs?rotate=daily&keep=7`, `json:/run/robot.fifo`, `json:-`.
///
/// ```
/// use shmlog::sink::{Json, SinkSpec};
/// # let folder = std::env::temp_dir().join(format!("shmlog-doc-json-{}", std::process::id()));
/// # let builder = shmlog::ShmLogger::builder().console(false);
/// let logger = builder.sink(Json::new(&folder).keep(7)).init_parent()?;
/// shmlog::error!(joint = 3, torque = 12.5; "limit");
/// # drop(logger); std::fs::remove_dir_all(folder)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// The keys are always these, in this order:
///
/// | key | value | there |
/// |---|---|---|
/// | `time` | RFC 3339 in UTC with nine digits: `"2026-11-22T17:45:12.123456789Z"` | always |
/// | `level` | `"trace"`, `"debug"`, `"info"`, `"warn"`, `"error"`, `"critical"` | always |
/// | `seq` | the record's place in the order of the ring, a number | not for the log's own words |
/// | `late` | `true`: written after records of higher `seq` | only if it is so |
/// | `process`, `pid` | who logged: name and process id | always |
/// | `thread`, `tid` | name and kernel id of the thread | always |
/// | `target` | the logger's name, or the module's path | always |
/// | `file`, `line` | where the statement stands | if that is known |
/// | `scope` | the spans that it lies in: `"outer{a=1}:inner"` | if it lies in one |
/// | `message` | the text, with all its lines | always |
/// | `fields` | an object of the key-values | if there are any |
///
/// In `fields` integers of up to 64 bits are numbers, and so are finite floats (the shortest digits that read back as the
/// same `f32` or `f64`); larger integers, and `"NaN"`, `"inf"`, `"-inf"`, are strings. A key that comes again is
/// called `key_2`, then `key_3`, since parsers do not agree on which of two equal keys counts. Text that was not
/// UTF-8 has `U+FFFD` in place of what was not. Characters that would steer a terminal are escaped (`\u….`).
///
/// ```json
/// {"time":"2026-11-22T17:45:12.123456789Z","level":"warn","seq":42,"process":"arm","pid":1234,"thread":"imu","tid":1240,"target":"can","file":"src/main.rs","line":17,"message":"bus is slow","fields":{"bus":2,"load":0.93}}
/// ```
///
/// Files are called `{program}_{YYYYmmdd_HHMMSS_micros}.jsonl`, and all that is said of [`TextFile`](crate::sink::TextFile)
/// holds for them: each record stands in them once, even when the process that writes them is killed, and where records
/// are missing an object says so.
///
/// A FIFO need not have a reader when the log begins, and readers may come and go: each begins with a whole line. What is
/// logged without one waits, up to the [`queue_bytes`](crate::Builder::queue_bytes) (4 MiB); what finds no room there is
/// left out and counted, and an object says so at the gap, and the other sinks say it too. No process is held up, and [`flush`](crate::ShmLogger::flush)
/// does not wait for a FIFO without a reader. What a reader had not
/// read when it went is lost.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "settings do nothing until they are given to Builder::sink()"]
pub struct Json {
    place: Place,
    files: FileOptions,
    common: Common,
}

lines_kind!(Json, "json", Encoding::Json);
