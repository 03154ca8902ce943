//! Each atomic operation that orders something names its pair by a label in brackets; each Relaxed one has its reason nearby.

use std::fs;
use std::path::{Path, PathBuf};

/// Lines above an operation in which its label or its reason may stand.
const NEAR: usize = 8;
/// Relaxed operations without a reason nearby. The number may only fall.
const WITHOUT_REASON: usize = 142;

/// Files below `folder` that are not only for tests.
fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        if [
            "tests",
            "loom_tests",
            "fuzz",
            "sync",
            "proptest-regressions",
        ]
        .contains(&name)
        {
            continue;
        }
        if path.is_dir() {
            files(&path, found);
        } else {
            found.push(path);
        }
    }
}

fn is_comment(line: &str) -> bool {
    line.trim_start().starts_with("//")
}

/// Whether a comment has a label: `[publish]`.
fn has_label(line: &str) -> bool {
    line.split('[').skip(1).any(|rest| {
        let label = rest.split(']').next().unwrap();
        rest.contains(']')
            && !label.is_empty()
            && label
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte == b' ')
    })
}

#[test]
fn each_ordering_names_its_pair_or_says_why_it_is_relaxed() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    files(&root.join("src"), &mut found);
    let (mut ordered, mut relaxed, mut without_reason) = (0, 0, 0);
    for file in found {
        let code = fs::read_to_string(&file).unwrap();
        let lines: Vec<&str> = code
            .split("\nmod tests {")
            .next()
            .unwrap()
            .lines()
            .collect();
        for (at, line) in lines.iter().enumerate() {
            if is_comment(line) {
                continue;
            }
            let above = || {
                lines[at.saturating_sub(NEAR)..at]
                    .iter()
                    .filter(|line| is_comment(line))
            };
            let orders = ["Acquire", "Release", "AcqRel", "SeqCst"];
            if orders
                .iter()
                .any(|order| line.contains(&format!("Ordering::{order}")))
            {
                let place = format!("{}:{}: {}", file.display(), at + 1, line.trim());
                assert!(above().any(|line| has_label(line)), "{place} names no pair");
                ordered += 1;
            } else if line.contains("Ordering::Relaxed") {
                relaxed += 1;
                without_reason += usize::from(!above().any(|line| line.contains("elaxed")));
            }
        }
    }
    assert!(ordered > 80 && relaxed > 100, "{ordered} {relaxed}");
    assert!(
        without_reason <= WITHOUT_REASON,
        "{without_reason} Relaxed operations say no reason"
    );
}
