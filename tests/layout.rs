//! What lies where in shared memory changes only with the layout version: each offset, size and tag that the sources name stands in
//! `tests/layout.golden`, under the version that it belongs to.
//!
//! `SHMLOG_WRITE_GOLDEN=1 cargo test --test layout` writes the file anew, after READY in `src/segment/layout.rs` has risen.

use std::fmt::Write;
use std::fs;
use std::path::Path;

/// The files that name them, below `src/`.
const FILES: [&str; 14] = [
    "segment/layout.rs",
    "segment/registry.rs",
    "segment/drops.rs",
    "segment/filter.rs",
    "segment/home.rs",
    "segment/outlets.rs",
    "segment/book.rs",
    "ring/sequence.rs",
    "ring/follow.rs",
    "record/codec.rs",
    "record/capture.rs",
    "record/site/table.rs",
    "drainer/ledger.rs",
    "drainer/ledger/place.rs",
];

/// Constants that are numbers, tags of enums, and fields of structs that lie in shared memory as they are.
fn facts(code: &str) -> Vec<&str> {
    let code = code.split("\nmod tests {").next().unwrap();
    let mut is_shared = false;
    let mut facts = Vec::new();
    for line in code.lines().map(str::trim) {
        let is_number = [": usize =", ": u64 =", ": u32 =", ": u8 ="]
            .iter()
            .any(|kind| line.contains(kind));
        let value = line
            .rsplit_once(" = ")
            .map(|(_, value)| value.trim_end_matches(','));
        let is_tag = line.ends_with(',') && value.is_some_and(|value| value.parse::<u64>().is_ok());
        is_shared |= line == "#[repr(C)]";
        let is_field = is_shared && line.ends_with(',') && line.contains(": ");
        is_shared &= line != "}";
        if (line.contains("const ") && is_number) || is_tag || is_field {
            facts.push(line);
        }
    }
    facts
}

#[test]
fn no_offset_moves_without_the_layout_version_rising() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |file: &str| {
        fs::read_to_string(root.join("src").join(file))
            .unwrap_or_else(|error| panic!("{file}: {error}"))
    };
    let layout = read("segment/layout.rs");
    let ready = layout
        .lines()
        .find(|line| line.contains("const READY: u64"));
    let mut now = format!("{}\n", ready.unwrap().trim());
    for file in FILES {
        // A value that rustfmt put on the next line.
        let code = read(file)
            .replace(" =\n        ", " = ")
            .replace(" =\n    ", " = ");
        let facts = facts(&code);
        assert!(
            !facts.is_empty(),
            "{file} names nothing: take it off the list"
        );
        writeln!(now, "\n{file}").unwrap();
        facts
            .iter()
            .for_each(|fact| writeln!(now, "    {fact}").unwrap());
    }
    let path = root.join("tests/layout.golden");
    if std::env::var_os("SHMLOG_WRITE_GOLDEN").is_some() {
        fs::write(&path, &now).unwrap();
    }
    let golden = fs::read_to_string(&path).unwrap();
    let version = |text: &str| text.lines().next().map(str::to_owned);
    let advice = match version(&golden) == version(&now) {
        true => {
            "raise READY in src/segment/layout.rs first: processes of two layouts must refuse each other"
        }
        false => "READY has risen",
    };
    let moved = now
        .lines()
        .find(|line| !golden.lines().any(|other| other == *line));
    assert!(
        golden == now,
        "{moved:?} is not in tests/layout.golden; {advice}; then SHMLOG_WRITE_GOLDEN=1 cargo test --test layout"
    );
}
