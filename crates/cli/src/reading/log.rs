//! The protobuf message `foxglove.Log`, as the MCAP sink writes it:
//! `1 timestamp { 1 seconds, 2 nanoseconds } │ 2 level │ 3 message │ 4 name │ 5 file │ 6 line`
//!
//! The name is that of the process, and a target of the statement's own behind it: `arm/can`.

use shmlog::Level;

use super::owned::Owned;

/// What the log itself says comes under this name.
const OWN: &str = "shmlog";

/// One field.
enum Field<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

/// Reads a message of this number and time into `record`, which is empty; `None` if it is none.
pub fn read(message: &[u8], sequence: u32, log_time: u64, record: &mut Owned) -> Option<()> {
    let mut rest = message;
    record.time_ns = i64::try_from(log_time).ok()?;
    record.level = Level::Info;
    while !rest.is_empty() {
        match field(&mut rest)? {
            (1, Field::Bytes(stamp)) => record.time_ns = time(stamp)?,
            (2, Field::Number(level)) => record.level = level_of(level),
            (3, Field::Bytes(text)) => record.message.push_str(&String::from_utf8_lossy(text)),
            (4, Field::Bytes(name)) => read_name(&String::from_utf8_lossy(name), record),
            (5, Field::Bytes(file)) => record.file.push_str(&String::from_utf8_lossy(file)),
            (6, Field::Number(line)) => record.line = line as u32,
            _ => {}
        }
    }
    let is_own = record.process == OWN && record.target.is_empty() && record.file.is_empty();
    record.sequence = (!is_own).then_some(sequence.into());
    Some(())
}

fn read_name(name: &str, record: &mut Owned) {
    let (process, target) = name.split_once('/').unwrap_or((name, ""));
    record.process.push_str(process);
    record.target.push_str(target);
}

/// Trace and debug are one level there.
fn level_of(number: u64) -> Level {
    match number {
        1 => Level::Debug,
        3 => Level::Warn,
        4 => Level::Error,
        5 => Level::Critical,
        _ => Level::Info,
    }
}

fn time(mut stamp: &[u8]) -> Option<i64> {
    let (mut seconds, mut nanos) = (0, 0);
    while !stamp.is_empty() {
        match field(&mut stamp)? {
            (1, Field::Number(number)) => seconds = number as i64,
            (2, Field::Number(number)) => nanos = number as i64,
            _ => {}
        }
    }
    i64::try_from(i128::from(seconds) * 1_000_000_000 + i128::from(nanos)).ok()
}

fn field<'a>(bytes: &mut &'a [u8]) -> Option<(u64, Field<'a>)> {
    let key = varint(bytes)?;
    let field = match key & 7 {
        0 => Field::Number(varint(bytes)?),
        1 => Field::Number(u64::from_le_bytes(take(bytes, 8)?.try_into().ok()?)),
        2 => {
            let length = usize::try_from(varint(bytes)?).ok()?;
            Field::Bytes(take(bytes, length)?)
        }
        5 => Field::Number(u32::from_le_bytes(take(bytes, 4)?.try_into().ok()?).into()),
        _ => return None,
    };
    Some((key >> 3, field))
}

fn take<'a>(bytes: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(taken)
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}
