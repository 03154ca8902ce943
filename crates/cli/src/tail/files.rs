//! The last records of files. Files of several kinds or programs are merged by time.
//!
//! Where only the last few are wanted they are looked for from the end: in the last file first, and of lines that are
//! not compressed in its last bytes first, then in more of them.

use std::collections::VecDeque;
use std::fs::File;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::Show;
use super::follow::{self, Follower};
use super::seen::Seen;
use super::watch::{self, Watch};
use crate::failure::{Failure, tell};
use crate::reading::kept::Kept;
use crate::reading::lines::Reading;
use crate::reading::merge::merge;
use crate::reading::{Piece, Take, files, source};
use crate::show::Progress;

/// Last bytes of a file that are looked at first, then sixteen times as many, and so on; beyond the most, all.
const FIRST_LOOK: u64 = 64 << 10;
const NEXT_LOOK: u64 = 16;
const MOST_LOOK: u64 = 16 << 20;
/// How often a file is looked for that is not there yet.
const WAIT_EVERY: Duration = Duration::from_millis(200);

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
    let mut streams = Vec::new();
    for mut paths in files::of_all(arguments)? {
        if follow && let Some(last) = paths.last_mut() {
            *last = follow::real_path(last)?;
            watch.add(follow::folder_of(last));
        }
        streams.push(Stream { paths, follow });
    }
    if follow && streams.iter().any(|stream| !stream.is_whole()) {
        // The same records come by the other kinds.
        streams.retain(|stream| !stream.is_whole());
    }
    let paths = streams.iter().flat_map(|stream| &stream.paths);
    // Of the last few records only the ends of files are read.
    if wanted.is_none() && !follow {
        let progress = Progress::of_reading(files::bytes_of(paths));
        show.output.show_progress(progress);
    }
    let followers = match wanted {
        None => show_all(&streams, show)?,
        Some(wanted) => show_last(&streams, wanted, show)?,
    };
    show.output.flush();
    match follow {
        true => follow::go_on(followers, &watch, show),
        false => Ok(()),
    }
}

/// Waits until each of these is there, and each folder holds a log file. `false` when the reader has gone.
pub fn wait_for(arguments: &[PathBuf]) -> bool {
    let mut is_told = false;
    while let Some(missing) = arguments.iter().find(|path| files::of(path).is_err()) {
        if !is_told {
            let name = missing.display();
            match missing.is_dir() {
                true => tell(format!("waiting for a log file in {name}")),
                false => tell(format!("waiting for {name}")),
            }
            is_told = true;
        }
        if !watch::pause(WAIT_EVERY) {
            return false;
        }
    }
    true
}

/// Files that are read one after another; the last one may be followed.
struct Stream {
    paths: Vec<PathBuf>,
    follow: bool,
}

impl Stream {
    /// Whether its files cannot be read while they grow.
    fn is_whole(&self) -> bool {
        self.paths
            .first()
            .is_some_and(|path| files::is_read_as_a_whole(path))
    }

    /// Its files, and whether each is to be followed.
    fn files(&self) -> impl DoubleEndedIterator<Item = (&Path, bool)> + ExactSizeIterator {
        let last = self.paths.len().saturating_sub(1);
        let files = self.paths.iter().enumerate();
        files.map(move |(at, path)| (&**path, self.follow && at == last))
    }
}

/// Shows all of files; returns those that are to be followed.
fn show_all(streams: &[Stream], show: &mut Show) -> Result<Vec<Follower>, Failure> {
    let read = |number: usize, take: &mut Take<'_>| read_all(number, &streams[number], take);
    let (filter, output) = (&mut show.filter, &mut show.output);
    let mut take = |piece: Piece<'_>| super::show(filter, output, &piece);
    let followers = merge(streams.len(), &read, &mut show.once, &mut take)?;
    Ok(followers.into_iter().flatten().collect())
}

fn read_all(
    number: usize,
    stream: &Stream,
    take: &mut Take<'_>,
) -> Result<Option<Follower>, Failure> {
    let mut follower = None;
    for (path, is_followed) in stream.files() {
        let mut seen = Seen::default();
        let mut note = |piece: Piece<'_>| {
            seen.note(&piece);
            take(piece)
        };
        let (flow, reading) = match source::open_listed(path, None)? {
            None => continue,
            Some(source) => source.read(is_followed, &mut note),
        };
        if is_followed {
            follower = Some(Follower::new(number, path, reading, seen)?);
        }
        if flow.is_break() {
            break;
        }
    }
    Ok(follower)
}

/// The same of the last `wanted` records of them all.
fn show_last(streams: &[Stream], wanted: usize, show: &mut Show) -> Result<Vec<Follower>, Failure> {
    let (mut followers, mut lasts) = (Vec::new(), Vec::new());
    for (number, stream) in streams.iter().enumerate() {
        let mut kept = VecDeque::new();
        for (path, is_followed) in stream.files().rev() {
            let left = wanted - kept.len();
            if left == 0 && !is_followed {
                continue;
            }
            let (of_it, reading, seen) = last_of(path, left, is_followed, show)?;
            of_it
                .into_iter()
                .rev()
                .for_each(|piece| kept.push_front(piece));
            if is_followed {
                followers.push(Follower::new(number, path, reading, seen)?);
            }
        }
        lasts.push(kept);
    }
    let read = |number: usize, take: &mut Take<'_>| {
        let flow = lasts[number].iter().try_for_each(|piece| piece.give(take));
        Ok(flow)
    };
    let mut kept = VecDeque::new();
    merge(lasts.len(), &read, &mut show.once, &mut |piece| {
        kept.push_back(Kept::of(&piece));
        if kept.len() > wanted {
            kept.pop_front();
        }
        ControlFlow::Continue(())
    })?;
    kept.iter()
        .for_each(|piece| piece.give(&mut |piece| show.output.push(&piece)));
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
        let Some(source) = source::open_listed(path, Some(look))? else {
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
