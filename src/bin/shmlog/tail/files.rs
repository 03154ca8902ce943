//! The last records of files.
//!
//! Where only the last few are wanted they are looked for from the end: in the last file first, and of lines that are
//! not compressed in its last bytes first, then in more of them.

use std::collections::VecDeque;
use std::fs::File;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use super::Show;
use super::follow::{self, Follower};
use super::kept::Kept;
use super::seen::Seen;
use super::watch::Watch;
use crate::failure::Failure;
use crate::reading::lines::Reading;
use crate::reading::source::{self, Source};
use crate::reading::{Piece, files};

/// Last bytes of a file that are looked at first, then sixteen times as many, and so on; beyond the most, all.
const FIRST_LOOK: u64 = 64 << 10;
const NEXT_LOOK: u64 = 16;
const MOST_LOOK: u64 = 16 << 20;

/// Shows the last `wanted` records of files, or all; with `follow` what comes, too.
pub fn tail(
    arguments: &[PathBuf],
    wanted: Option<usize>,
    follow: bool,
    show: &mut Show,
) -> Result<(), Failure> {
    let mut watch = Watch::new();
    if follow {
        // Before anything is looked at: what changes from then on is told.
        arguments
            .iter()
            .for_each(|argument| watch.add(follow::folder_of(argument)));
    }
    let mut all = Vec::new();
    for argument in arguments {
        let mut paths = files::of(argument)?;
        if follow && let Some(last) = paths.last_mut() {
            *last = follow::real_path(last)?;
            watch.add(follow::folder_of(last));
        }
        let last = paths.len().saturating_sub(1);
        all.extend(
            paths
                .into_iter()
                .enumerate()
                .map(|(at, path)| (path, follow && at == last)),
        );
    }
    let followers = match wanted {
        None => show_all(&all, show)?,
        Some(wanted) => show_last(&all, wanted, show)?,
    };
    show.output.flush();
    match follow {
        true => follow::go_on(followers, &watch, show),
        false => Ok(()),
    }
}

/// Shows all of files, each of them to be followed or not; returns those that are.
fn show_all(all: &[(PathBuf, bool)], show: &mut Show) -> Result<Vec<Follower>, Failure> {
    let mut followers = Vec::new();
    for (path, is_followed) in all {
        let mut seen = Seen::default();
        let mut take = |piece: Piece<'_>| {
            seen.note(&piece);
            show.take(&piece)
        };
        let (flow, reading) = match open(path, None)? {
            None => continue,
            Some(source) => source.read(*is_followed, &mut take),
        };
        if *is_followed {
            followers.push(Follower::new(path, reading, seen)?);
        }
        if flow.is_break() {
            break;
        }
    }
    Ok(followers)
}

/// The same of the last `wanted` records of them all.
fn show_last(
    all: &[(PathBuf, bool)],
    wanted: usize,
    show: &mut Show,
) -> Result<Vec<Follower>, Failure> {
    let mut followers = Vec::new();
    let mut kept = VecDeque::new();
    for (path, is_followed) in all.iter().rev() {
        let left = wanted - kept.len();
        if left == 0 && !is_followed {
            continue;
        }
        let (of_it, reading, seen) = last_of(path, left, *is_followed, show)?;
        of_it
            .into_iter()
            .rev()
            .for_each(|piece| kept.push_front(piece));
        if *is_followed {
            followers.insert(0, Follower::new(path, reading, seen)?);
        }
    }
    kept.iter().for_each(|piece| piece.show(show));
    Ok(followers)
}

type LastOf = (VecDeque<Kept>, Option<Box<Reading<File>>>, Seen);

/// The last `wanted` records of one file that pass.
fn last_of(
    path: &Path,
    wanted: usize,
    is_followed: bool,
    show: &mut Show,
) -> Result<LastOf, Failure> {
    let mut look = if wanted == 0 { 0 } else { FIRST_LOOK };
    loop {
        let (mut kept, mut seen) = (VecDeque::new(), Seen::default());
        let Some(source) = open(path, Some(look))? else {
            return Ok((kept, None, seen));
        };
        let is_whole = source.is_whole();
        let mut take = |piece: Piece<'_>| {
            seen.note(&piece);
            if show.filter.passes(&piece) {
                kept.push_back(Kept::of(&piece));
            }
            if kept.len() > wanted {
                kept.pop_front();
            }
            ControlFlow::Continue(())
        };
        let (_, reading) = source.read(is_followed, &mut take);
        if is_whole || kept.len() >= wanted {
            return Ok((kept, reading, seen));
        }
        look = if look < MOST_LOOK {
            look * NEXT_LOOK
        } else {
            u64::MAX
        };
    }
}

/// Opens a file; `None` if it has gone since it was listed, compressed for instance: then that is opened.
fn open(path: &Path, last: Option<u64>) -> Result<Option<Source>, Failure> {
    if path.exists() {
        return source::open(path, last).map(Some);
    }
    let packed = files::packed(path);
    match packed.exists() {
        true => source::open(&packed, last).map(Some),
        false => Ok(None),
    }
}
