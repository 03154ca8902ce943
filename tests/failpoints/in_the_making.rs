//! A parent is killed while it makes its ring.

use std::process::Stdio;

use libtest_mimic::Trial;

use crate::scene::{FAILPOINTS, wait_for_death};
use crate::support::{Folder, Role, quiet, role_command, segments_made_by};
use crate::trials;

pub const ROLES: &[Role] = &[("maker", maker)];

pub fn trials() -> Vec<Trial> {
    trials![a_parent_killed_while_it_makes_its_ring_leaves_nothing_that_cannot_be_taken_away]
}

/// `folder`
fn maker(arguments: &[String]) {
    let _logger = quiet(&arguments[0]).init_parent().unwrap();
}

/// The names of the rings that are there when a parent was killed at `place`.
fn rings_left_at(place: &str) -> Vec<String> {
    let folder = Folder::new();
    let mut command = role_command("maker", &[folder.text()]);
    command.env(FAILPOINTS, format!("{place}=kill"));
    let maker = command.stdin(Stdio::null()).spawn().unwrap();
    let pid = maker.id();
    wait_for_death(maker);
    segments_made_by(pid)
}

fn a_parent_killed_while_it_makes_its_ring_leaves_nothing_that_cannot_be_taken_away() {
    assert_eq!(rings_left_at("segment.made"), [""; 0]);
    let left = rings_left_at("segment.named");
    // A process of another test that makes a ring meanwhile may have taken it away already.
    assert!(left.len() <= 1, "{left:?}");
    for name in left {
        match shmlog::recover(&name) {
            Ok(recovered) => assert_eq!((recovered.records, recovered.file), (0, None)),
            Err(error) => assert!(matches!(error, shmlog::RecoverError::NotThere { .. }), "{error}"),
        }
    }
}
