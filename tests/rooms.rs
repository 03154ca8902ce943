//! Imports go down only: the table of rooms in ARCHITECTURE.md, held against the code.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

/// What a room imports for its own tests and fuzzing alone, in a file that is not only tests.
const FOR_TESTS: [(&str, &str); 1] = [("segment", "ring")];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The floor of each room.
fn floors() -> HashMap<String, u32> {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let (_, table) = text.split_once("## Rooms").unwrap();
    let (table, _) = table.split_once("\n## ").unwrap();
    let mut floors = HashMap::new();
    for row in table.lines().filter(|line| line.starts_with("| ")) {
        let mut cells = row.split('|').skip(1).map(str::trim);
        let Some(Ok(floor)) = cells.next().map(str::parse) else {
            continue;
        };
        let rooms = cells.next().unwrap().split('`').skip(1).step_by(2);
        floors.extend(rooms.map(|room| (room_of(room).to_owned(), floor)));
    }
    floors
}

/// The room of a path below `src/`.
fn room_of(path: &str) -> &str {
    path.split(['/', '.']).next().unwrap()
}

/// Files below `folder` that are not only for tests.
fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        if ["tests", "loom_tests", "fuzz"].contains(&name) {
            continue;
        }
        if path.is_dir() {
            files(&path, found);
        } else {
            found.push(path);
        }
    }
}

/// What a file imports from other rooms, its unit tests left out.
fn imports(code: &str) -> Vec<&str> {
    let code = code.split("\nmod tests {").next().unwrap();
    let lines = code
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    let pieces = lines.flat_map(|line| line.split("crate::").skip(1));
    pieces
        .map(|piece| {
            let end = piece.find(|letter: char| !letter.is_ascii_lowercase() && letter != '_');
            &piece[..end.unwrap_or(piece.len())]
        })
        .collect()
}

#[test]
fn each_room_imports_rooms_of_lower_floors_only() {
    let floors = floors();
    let mut found = Vec::new();
    files(&root().join("src"), &mut found);
    let mut seen = 0;
    for file in found {
        let path = file.strip_prefix(root().join("src")).unwrap();
        let room = room_of(path.to_str().unwrap());
        if room == "lib" || room == "proptest-regressions" {
            continue;
        }
        let floor = floors
            .get(room)
            .unwrap_or_else(|| panic!("{room} is not in the table"));
        let code = fs::read_to_string(&file).unwrap();
        for import in imports(&code) {
            let Some(other) = floors.get(import).filter(|_| import != room) else {
                continue;
            };
            let is_allowed = other < floor || FOR_TESTS.contains(&(room, import));
            assert!(
                is_allowed,
                "{}: {import} is not below {room}",
                path.display()
            );
            seen += 1;
        }
    }
    assert!(seen > 300, "{seen}");
}
