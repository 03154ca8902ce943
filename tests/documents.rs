//! The documents say what is there: links lead to files, tests that are named exist, ARCHITECTURE.md stays a page.

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Markdown files of the root and of `docs/`, however deep.
fn documents() -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root().join("docs")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push(path);
            }
        }
    }
    found.extend(
        fs::read_dir(root())
            .unwrap()
            .map(|entry| entry.unwrap().path()),
    );
    found.retain(|path| path.extension().is_some_and(|ending| ending == "md"));
    assert!(found.len() > 15, "{found:?}");
    found
}

/// The targets of the links.
fn links(text: &str) -> Vec<&str> {
    let pieces = text.split("](").skip(1);
    pieces
        .filter_map(|piece| Some(piece.split_once(')')?.0))
        .collect()
}

/// What stands between backticks.
fn code(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

#[test]
fn each_link_of_the_documents_leads_to_a_file() {
    for document in documents() {
        let text = fs::read_to_string(&document).unwrap();
        for link in links(&text) {
            let is_outside = link.contains("://") || link.starts_with('#');
            let target = document
                .parent()
                .unwrap()
                .join(link.split('#').next().unwrap());
            assert!(
                is_outside || target.exists(),
                "{}: {link}",
                document.display()
            );
        }
    }
}

/// The file of a test that a document names `p::module::name` or `f::module::name`, and the name, which `…` may end.
fn test_named(text: &str) -> Option<(PathBuf, &str)> {
    let (folder, rest) = text.split_once("::")?;
    let folder = match folder {
        "p" => "tests/processes",
        "f" => "tests/failpoints",
        _ => return None,
    };
    let (module, name) = rest.split_once("::")?;
    Some((root().join(folder).join(module).with_extension("rs"), name))
}

#[test]
fn each_end_to_end_test_that_a_document_names_exists() {
    let mut seen = 0;
    for document in documents() {
        let text = fs::read_to_string(&document).unwrap();
        for (file, name) in code(&text).filter_map(test_named) {
            let begin = name.split('…').next().unwrap();
            let tests = fs::read_to_string(&file);
            let tests = tests.unwrap_or_else(|error| panic!("{}: {error}", file.display()));
            assert!(
                tests.contains(begin),
                "{}: {name} is not in {}",
                document.display(),
                file.display()
            );
            seen += 1;
        }
    }
    assert!(seen > 60, "{seen}");
}

#[test]
fn the_architecture_is_a_page() {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    assert!(text.split_whitespace().count() <= 2000);
}

#[test]
fn each_page_of_the_guide_is_in_its_summary() {
    let folder = root().join("docs/guide/src");
    let summary = fs::read_to_string(folder.join("SUMMARY.md")).unwrap();
    for page in documents().iter().filter(|page| page.starts_with(&folder)) {
        let name = page.file_name().unwrap().to_str().unwrap();
        assert!(
            name == "SUMMARY.md" || summary.contains(&format!("({name})")),
            "{name}"
        );
    }
}
