//! `shmlog plot`: draws records per second as a picture.
//!
//! ```text
//!   files ─► reading/ ─► plot/counts.rs (one pass, bounded memory) ─► plot/picture.rs, plot/axis.rs ─► SVG
//! ```

mod axis;
mod counts;
mod picture;

use std::fs;
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{ValueEnum, ValueHint};
use plotters::style::RGBColor;
use shmlog::Level;

use self::counts::{Bins, Counts, LEVELS};
use self::picture::{Panel, Picture, Series};
use crate::failure::{self, Failure, Outcome};
use crate::reading::merge::merge;
use crate::reading::once::Once;
use crate::reading::span::{self, Span};
use crate::reading::{Piece, Take, files, source};
use crate::show::Progress;

/// About so many columns.
const COLUMNS: usize = 300;
/// So many processes have a colour of their own.
const PROCESSES: usize = 8;

/// Draws records per second as a picture
///
/// By level and by process, over local time. Where there was nothing for much longer than usual the ground is grey; where
/// the log says that records were lost there is a red mark with their number.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  shmlog plot logs -o load.svg           the newest program's files in a folder
  shmlog plot arm.log.gz leg.mcap --since 10m -o - | display")]
pub struct Arguments {
    /// Log files, or folders of them: text, JSON lines, MCAP, compressed ones
    #[arg(required = true, value_name = "FILE|FOLDER", value_hint = ValueHint::AnyPath)]
    files: Vec<PathBuf>,
    /// Where the picture goes, SVG; `-` is standard output
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    output: PathBuf,
    /// What the panels show
    #[arg(long, value_enum, default_value_t = By::Both, value_name = "WHAT")]
    by: By,
    #[command(flatten)]
    span: span::Times,
    /// Width in pixels
    #[arg(long, default_value_t = 1200, value_parser = clap::value_parser!(u32).range(480..=20_000))]
    width: u32,
    /// Height in pixels [default: 700, or 400 of one panel]
    #[arg(long, value_parser = clap::value_parser!(u32).range(240..=20_000))]
    height: Option<u32>,
}

/// What records are told apart by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum By {
    Level,
    Process,
    Both,
}

/// Does it.
pub fn run(arguments: Arguments) -> Outcome {
    let span = Span::of(&arguments.span)?;
    let streams = files::of_all(&arguments.files)?;
    let paths = streams.concat();
    if paths.iter().any(|path| is_same(path, &arguments.output)) {
        let name = arguments.output.display();
        return Err(Failure::of_arguments(format!(
            "{name} is one of the log files; give --output another name"
        )));
    }
    let progress = Progress::of_reading(files::bytes_of(&paths));
    let mut counts = Counts::new();
    let read = |number: usize, take: &mut Take<'_>| read_all(&streams[number], take);
    merge(streams.len(), &read, &mut Once::default(), &mut |piece| {
        if let Piece::Record(record) = piece
            && span.contains(record.time_ns)
        {
            counts.add(record);
        }
        ControlFlow::Continue(())
    })?;
    drop(progress);
    let picture = picture_of(&counts, &paths, arguments.by)?;
    let height = arguments
        .height
        .unwrap_or(if picture.panels.len() > 1 { 700 } else { 400 });
    let svg = picture::draw(&picture, (arguments.width, height));
    let svg = svg.map_err(|error| Failure::new(format!("the picture cannot be drawn: {error}")))?;
    write(&arguments.output, &svg)
}

fn read_all(paths: &[PathBuf], take: &mut Take<'_>) -> Result<(), Failure> {
    for path in paths {
        if let Some(source) = source::open_listed(path, None)?
            && source.read(false, take).0.is_break()
        {
            break;
        }
    }
    Ok(())
}

fn is_same(one: &Path, other: &Path) -> bool {
    let real = |path: &Path| fs::canonicalize(path).ok();
    real(one).is_some_and(|one| real(other) == Some(one))
}

fn write(output: &Path, svg: &str) -> Outcome {
    if output == Path::new("-") {
        return failure::print(svg);
    }
    write_whole(output, svg).map_err(|error| {
        let name = output.display();
        Failure::new(format!(
            "{name} cannot be written: {error}; give --output another place"
        ))
    })?;
    Ok(ExitCode::SUCCESS)
}

/// Whole, or not at all: after Ctrl+C the user finds the picture that was there before. What is no file, a pipe or
/// a terminal, is written to as it is.
fn write_whole(output: &Path, svg: &str) -> io::Result<()> {
    if fs::metadata(output).is_ok_and(|there| !there.is_file()) {
        return fs::write(output, svg);
    }
    let mut draft = output.as_os_str().to_owned();
    draft.push(format!(".{}.new", std::process::id()));
    let draft = PathBuf::from(draft);
    let written = fs::write(&draft, svg).and_then(|()| fs::rename(&draft, output));
    written.inspect_err(|_| _ = fs::remove_file(&draft))
}

fn picture_of(counts: &Counts, paths: &[PathBuf], by: By) -> Result<Picture, Failure> {
    let names: Vec<_> = paths
        .iter()
        .map(|path| path.file_name().unwrap_or_default().to_string_lossy())
        .collect();
    let Some((first_ns, last_ns)) = counts.times() else {
        return Err(Failure::new(format!(
            "no records are in {}, or none at that time: nothing to draw; `shmlog tail -n all` shows what is there",
            names.join(", ")
        )));
    };
    let bins = counts.in_bins(COLUMNS);
    let total: u64 = bins.bins.iter().map(counts::Bin::total).sum();
    let files = match &names[..] {
        [name] => format!("{name}: "),
        [name, more @ ..] => format!("{name} and {} more: ", more.len()),
        [] => String::new(),
    };
    let time = |time_ns: i64, form: &str| axis::local(time_ns).format(form).to_string();
    let (day, last_day) = (time(first_ns, "%Y-%m-%d"), time(last_ns, "%Y-%m-%d "));
    let last_day = if last_day.trim() == day {
        ""
    } else {
        &last_day
    };
    let title = format!(
        "{files}{} records, {day} {} to {last_day}{}",
        axis::grouped(total),
        time(first_ns, "%H:%M:%S"),
        time(last_ns, "%H:%M:%S"),
    );
    let mut panels = Vec::new();
    if by != By::Process {
        panels.push(by_level(&bins));
    }
    if by != By::Level {
        panels.push(by_process(&bins, &counts.names()));
    }
    Ok(Picture {
        title,
        panels,
        start_ns: bins.start_ns,
        width_ns: bins.width_ns,
        gaps: counts.gaps(),
        lost: bins.bins.iter().map(|bin| bin.lost).collect(),
        bins: bins.bins.len(),
    })
}

/// Colours as the console's.
const LEVEL_COLOURS: [RGBColor; LEVELS] = [
    RGBColor(0xb4, 0xb9, 0xc0),
    RGBColor(0x5b, 0x8d, 0xc9),
    RGBColor(0x63, 0xa9, 0x6a),
    RGBColor(0xe2, 0xac, 0x1c),
    RGBColor(0xdb, 0x4c, 0x4c),
    RGBColor(0x8e, 0x12, 0x22),
];

/// The worst at the bottom, where it is seen.
fn by_level(bins: &Bins) -> Panel {
    let series = Level::ALL.into_iter().rev().map(|level| Series {
        name: level.as_str().to_ascii_lowercase(),
        colour: LEVEL_COLOURS[level as usize],
        counts: bins
            .bins
            .iter()
            .map(|bin| bin.levels[level as usize])
            .collect(),
        matters: level >= Level::Warn,
    });
    Panel {
        title: "records per second, by level",
        series: series
            .filter(|series| series.counts.iter().any(|count| *count > 0))
            .collect(),
    }
}

const PROCESS_COLOURS: [RGBColor; PROCESSES] = [
    RGBColor(0x4e, 0x79, 0xa7),
    RGBColor(0xf2, 0x8e, 0x2b),
    RGBColor(0x76, 0xb7, 0xb2),
    RGBColor(0xb0, 0x7a, 0xa1),
    RGBColor(0x9c, 0x75, 0x5f),
    RGBColor(0x59, 0xa1, 0x4f),
    RGBColor(0xed, 0xc9, 0x48),
    RGBColor(0xff, 0x9d, 0xa7),
];
const REST_COLOUR: RGBColor = RGBColor(0xba, 0xb0, 0xac);

/// Those that log most, the first at the bottom, and the rest on top.
fn by_process(bins: &Bins, names: &[&str]) -> Panel {
    let count = |bin: &counts::Bin, number: usize| bin.processes.get(number).copied().unwrap_or(0);
    let total = |number: &usize| bins.bins.iter().map(|bin| count(bin, *number)).sum::<u64>();
    let mut numbers: Vec<usize> = (0..names.len()).collect();
    numbers.sort_by_key(|number| std::cmp::Reverse(total(number)));
    numbers.truncate(PROCESSES);
    let mut series: Vec<Series> = numbers
        .iter()
        .zip(PROCESS_COLOURS)
        .map(|(number, colour)| Series {
            name: names[*number].to_owned(),
            colour,
            counts: bins.bins.iter().map(|bin| count(bin, *number)).collect(),
            matters: false,
        })
        .collect();
    let shown = |bin: &counts::Bin| {
        numbers
            .iter()
            .map(|number| count(bin, *number))
            .sum::<u64>()
    };
    let rest: Vec<u64> = bins
        .bins
        .iter()
        .map(|bin| bin.total() - shown(bin))
        .collect();
    if rest.iter().any(|count| *count > 0) {
        let others = names.len().saturating_sub(PROCESSES).max(1);
        series.push(Series {
            name: format!("{others} more"),
            colour: REST_COLOUR,
            counts: rest,
            matters: false,
        });
    }
    Panel {
        title: "records per second, by process",
        series,
    }
}
