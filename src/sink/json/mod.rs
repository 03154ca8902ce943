//! JSON lines: one object a record, for `jq`, log shippers and databases.

mod lines;
#[cfg(test)]
mod tests;

pub(super) use self::lines::JsonLines;

/// One JSON object a line, one line a record, in UTF-8. The keys are always these, in this order:
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
/// UTF-8 has `U+FFFD` in place of what was not. Characters that would steer a terminal are escaped as `\u….`
///
/// ```json
/// {"time":"2026-11-22T17:45:12.123456789Z","level":"warn","seq":42,"process":"arm","pid":1234,"thread":"imu","tid":1240,"target":"can","file":"src/main.rs","line":17,"message":"bus is slow","fields":{"bus":2,"load":0.93}}
/// ```
#[derive(Clone, Debug)]
pub struct Json {}
