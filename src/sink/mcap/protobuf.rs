//! The few pieces of the protobuf encoding that a log message and its description need. Fields that hold what they hold
//! by default are left out, as `proto3` does it.

/// Wire types: what stands behind a field's number.
const VARINT: u64 = 0;
const BYTES: u64 = 2;
const FIXED32: u64 = 5;

/// Appends an unsigned number, seven bits a byte.
pub(super) fn push_varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn push_key(out: &mut Vec<u8>, field: u64, wire: u64) {
    push_varint(out, field << 3 | wire);
}

/// Appends a field of a kind like `int64` or an enum: a negative number goes as its two's complement.
pub(super) fn push_number(out: &mut Vec<u8>, field: u64, number: i64) {
    if number != 0 {
        push_key(out, field, VARINT);
        push_varint(out, number as u64);
    }
}

/// Appends a field of the kind `fixed32`.
pub(super) fn push_fixed32(out: &mut Vec<u8>, field: u64, number: u32) {
    if number != 0 {
        push_key(out, field, FIXED32);
        out.extend_from_slice(&number.to_le_bytes());
    }
}

/// Appends a field of the kind `string` or `bytes`.
pub(super) fn push_text(out: &mut Vec<u8>, field: u64, text: &[u8]) {
    if !text.is_empty() {
        push_message(out, field, text);
    }
}

/// Appends the head of a field of `length` bytes, which are the caller's to append.
pub(super) fn push_head(out: &mut Vec<u8>, field: u64, length: usize) {
    push_key(out, field, BYTES);
    push_varint(out, length as u64);
}

/// Appends a field that is a message itself: there even if that is empty.
pub(super) fn push_message(out: &mut Vec<u8>, field: u64, message: &[u8]) {
    push_head(out, field, message.len());
    out.extend_from_slice(message);
}
