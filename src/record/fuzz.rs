//! For the fuzz targets: any bytes as a record, and as the table of call sites.

use super::codec::{Body, Tag, split_origin};
use super::format::{Format, Room};
use super::site::{MAX_NAME, SiteTable, Statement};
use super::values::Values;
use crate::segment::SITE_WORDS;
use crate::sync::AtomicU64;

pub(crate) fn decode(bytes: &[u8]) {
    for flags in 0..32 {
        if let Some(body) = Body::parse(flags, bytes) {
            assert!(body.content.len() <= bytes.len());
        }
    }
    let _ = split_origin(bytes);
    if let Some(first) = bytes.first_chunk() {
        let tag = Tag::unpack(u64::from_le_bytes(*first) & ((1 << 48) - 1));
        assert_eq!(Tag::unpack(tag.pack()), tag);
    }
}

/// A length, a format string of that length, then arguments.
pub(crate) fn format(bytes: &[u8]) {
    let Some((len, rest)) = bytes.split_first() else {
        return;
    };
    let (text, arguments) = rest.split_at(rest.len().min((*len).into()));
    let text = String::from_utf8_lossy(text);
    let Some(format) = Format::parse(&text, usize::from(*len) % 4) else {
        return;
    };
    let mut text = String::new();
    if let Some(rest) = format.render(arguments, &mut text, &mut Room::behind("")) {
        let values = Values::of("a\nb\nc", rest);
        assert!(values.iter().count() <= arguments.len() / 8 + 3);
        let _ = values.itself();
    }
    // The format, what widths may add, and 16 floats; and a byte shown as `\u{1}`.
    assert!(text.len() < (1 << 15) + 8 * arguments.len());
}

const ENTRIES: usize = 4;

pub(crate) fn sites(bytes: &[u8]) {
    let (whole, _) = bytes.as_chunks::<8>();
    let words = whole
        .iter()
        .map(|word| AtomicU64::new(u64::from_le_bytes(*word)));
    let mut words: Vec<AtomicU64> = words.collect();
    words.resize_with(words.len().max(ENTRIES * SITE_WORDS + 1), || {
        AtomicU64::new(0)
    });
    let (entries, text) = words.split_at(ENTRIES * SITE_WORDS);
    let table = SiteTable::new(entries, text);
    for id in 0..ENTRIES as u32 + 2 {
        if let Some(site) = table.read(id) {
            // Bytes that are no text grow threefold when they are replaced.
            assert!(site.target.len().max(site.file.len()) <= 3 * MAX_NAME);
        }
    }
    for line in 0..8 {
        let id = table.enter(&Statement {
            target: "target",
            file: "file.rs",
            line,
            format: "{}",
            keys: ["", "a\nb"][line as usize % 2],
            has_own_target: line % 4 < 2,
        });
        assert!(id as usize <= ENTRIES);
        let _ = table.read(id);
    }
}
