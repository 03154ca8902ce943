//! `shmlog tail`: shows records, of a ring or of files.
//!
//! ```text
//!   ring.rs    a live ring ─────────────┐
//!   files.rs   the last of files ───────┼─► Show: filter.rs ─► output.rs ─► standard output
//!   follow.rs  what comes to them ──────┘
//! ```

mod files;
mod filter;
mod follow;
mod output;
mod ring;
mod seen;
mod watch;

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, ValueEnum, ValueHint};

use self::filter::Filter;
use self::output::Output;
use crate::failure::{Failure, Outcome};
use crate::reading::Piece;
use crate::reading::once::Once;
use crate::rings;
use crate::show::Pager;

/// So many records are shown unless something else is asked for, as `tail` does it.
const LINES: usize = 10;

/// Shows records, of a ring or of files
///
/// Files may be text or JSON lines as shmlog writes them, MCAP, and these compressed by gzip; what a file is, its contents
/// say. Of a folder the files of its newest program are read, of all kinds, and merged by time; a record that stands in
/// several is shown once. Lines of other programs in the same file are shown as they are, unless a filter is set that they
/// cannot meet.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  shmlog tail -f                         the only ring, as it goes on
  shmlog tail -F robot                   the ring of the program robot, once it is there, and its next ones
  shmlog tail -f logs                    the newest program's files in a folder, across rotation
  shmlog tail -l warn -n 50 logs         its last 50 warnings and what is worse
  shmlog tail --since 10m --proc arm app_20261122_174512_123456.log.gz
  shmlog tail -n all --output json logs | jq .fields")]
pub struct Arguments {
    /// A ring, or files, or folders; a file if one is there that is called so [default: the only ring]
    #[arg(value_name = "RING|FILE|FOLDER", value_hint = ValueHint::AnyPath)]
    sources: Vec<PathBuf>,
    /// Go on with what comes, across rotation; ends with Ctrl+C
    #[arg(short, long)]
    follow: bool,
    /// The same, but wait for a ring or file that is not there yet, and go on with the next run of the program
    #[arg(short = 'F', long = "follow-retry")]
    retry: bool,
    /// Print at once, though standard output is a terminal and $PAGER (or less) could show it page by page
    #[arg(long)]
    no_pager: bool,
    /// Show the last N records, or `all` [default: 10, with --since or --until all]
    #[arg(short = 'n', long, value_name = "N")]
    lines: Option<Lines>,
    #[command(flatten)]
    filter: filter::Wanted,
    /// How records are written
    #[arg(long, value_enum, default_value_t = Form::Text, value_name = "FORM")]
    output: Form,
    /// Whether text is coloured; `auto` goes by the terminal, NO_COLOR and CLICOLOR_FORCE
    #[arg(long, value_enum, default_value_t = Color::Auto, value_name = "WHEN")]
    color: Color,
}

/// How many.
#[derive(Clone, Copy, Debug)]
enum Lines {
    All,
    Last(usize),
}

impl std::str::FromStr for Lines {
    type Err = String;

    fn from_str(text: &str) -> Result<Lines, String> {
        match text {
            "all" => Ok(Lines::All),
            _ => text
                .parse()
                .map(Lines::Last)
                .map_err(|_| "a number or `all` is expected".to_owned()),
        }
    }
}

/// How records are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// As the console shows them
    Text,
    /// A JSON object a line
    Json,
    /// A line of key=value
    Logfmt,
}

/// Whether to colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Color {
    Auto,
    Always,
    Never,
}

/// What is to be shown and how: every source hands its records to this.
pub struct Show {
    pub filter: Filter,
    pub output: Output,
    /// The records that came last, of several files.
    pub once: Once,
}

impl Show {
    /// Shows a piece if it passes. Breaks when there is no use in going on: the reader has gone, or it cannot be written.
    pub fn take(&mut self, piece: &Piece<'_>) -> ControlFlow<()> {
        show(&mut self.filter, &mut self.output, piece)
    }
}

/// The same, where the other fields of a [`Show`] are in use.
fn show(filter: &mut Filter, output: &mut Output, piece: &Piece<'_>) -> ControlFlow<()> {
    if filter.passes(piece) {
        output.push(piece);
    }
    output.flow()
}

/// Does it.
pub fn run(arguments: Arguments) -> Outcome {
    let span = arguments.filter.has_span();
    let lines = match arguments.lines {
        None if span => Lines::All,
        None => Lines::Last(LINES),
        Some(lines) => lines,
    };
    let wanted = match lines {
        Lines::All => None,
        Lines::Last(count) => Some(count),
    };
    let mut show = Show {
        filter: Filter::new(&arguments.filter)?,
        output: Output::new(arguments.output, arguments.color),
        once: Once::default(),
    };
    let follow = arguments.follow || arguments.retry;
    let is_paged = !follow && !arguments.no_pager && arguments.output == Form::Text;
    let pager = is_paged.then(Pager::start).flatten();
    if pager.is_some() {
        show.output.page();
    }
    let shown = show_all(&arguments, wanted, &mut show);
    let finished = show.output.finish();
    drop(pager);
    finished?;
    shown.map(|()| ExitCode::SUCCESS)
}

/// Shows what the sources have.
fn show_all(arguments: &Arguments, wanted: Option<usize>, show: &mut Show) -> Result<(), Failure> {
    let sources = &arguments.sources;
    let follow = arguments.follow || arguments.retry;
    match &sources[..] {
        [] if arguments.retry => ring::tail_forever(None, wanted, show),
        [] => ring::tail(&rings::choose(None)?, wanted, follow, show).map(drop),
        [ring] if !is_path(ring) => {
            let word = ring.to_string_lossy();
            if arguments.retry {
                return ring::tail_forever(Some(&word), wanted, show);
            }
            let observer = rings::find(&word)?.ok_or_else(|| {
                Failure::new(format!(
                    "there is no file {ring:?}, and no ring of that name, program or process{}: `shmlog ls` lists the rings",
                    rings::advice_on(&ring.to_string_lossy())
                ))
            })?;
            ring::tail(&observer, wanted, follow, show).map(drop)
        }
        paths if arguments.retry && !files::wait_for(paths) => Ok(()),
        paths => files::tail(paths, wanted, follow, show),
    }
}

/// Whether an argument is meant as a file: if one is there, or it can be nothing else.
fn is_path(argument: &Path) -> bool {
    argument.exists() || argument.components().count() > 1
}
