//! `shmlog run`: runs a program, or those of a procfile, with a ring for it and all that it starts.
//!
//! | file | what it is for |
//! |---|---|
//! | `run/ring.rs` | the ring's settings, from the arguments and the environment |
//! | `run/procfile.rs` | reading a procfile |
//! | `run/program.rs` | a program that was started: its signals, and how it ended |
//! | `run/signals.rs` | which signals are caught, and who had them already |
//! | `run/watch.rs` | from the start until all have ended |
//! | `run/summary.rs` | the words at the end |

mod procfile;
mod program;
mod ring;
mod signals;
mod summary;
mod watch;

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::{Duration, SystemTime};

use clap::ValueHint;
use shmlog::{Capture, PatternError, ShmLogger};

use self::procfile::Entry;
use self::program::{Place, Program};
use self::signals::Signals;
use crate::failure::{self, Failure, Outcome};
use crate::show;

/// What the shell and env(1) say of a program that is not there, and of one that cannot be executed.
const NOT_FOUND: u8 = 127;
const NOT_EXECUTABLE: u8 = 126;

/// Makes Python print at once.
const UNBUFFERED: &str = "PYTHONUNBUFFERED";

const EXAMPLES: &str = "\
Examples:
  shmlog run ./robot --speed 3            # on this terminal
  shmlog run --logs logs -- ./robot       # in text files too
  shmlog run -l debug --sink json:logs -q -- python3 -u camera.py
  shmlog run --pty -- npm start           # a program that prints otherwise into a pipe
  shmlog run --level-regex '^(?<level>[DIWE])/' -- ./cam
  shmlog run --no-capture -- ./console    # an interactive program
  shmlog run --procfile                   # all of ./Procfile

The exit code is the program's; 128 + n if signal n killed it, 127 if it was not found, 126 if it cannot be executed, 1 if \
there can be no ring.

Signals that are sent to shmlog (INT, TERM, HUP, QUIT, USR1, USR2, WINCH, TSTP, CONT) are passed on; shmlog ends when the \
program has. SIGKILL cannot be passed on: the program goes on then, and so does its log.

Of a procfile, each program is run by sh -c in the procfile's folder, in a process group of its own, without standard input. \
When the first ends, the others get SIGTERM, and what it left in its group too; after --grace SIGKILL. The exit code is that \
of the first that ended, as with foreman, honcho and overmind.

SHMLOG_SINKS, and SHMLOG_LEVEL or RUST_LOG, stand in for --sink and --level where these are not given. A SHMLOG_RING that is \
set already is replaced for the program: its ring is a new one.";

/// Runs a program, with a ring for it and all that it starts
///
/// The program needs to know nothing: what it prints becomes records. Their level is the one that a line says of itself
/// (`[WARN] …`, `ERROR: …`, `<3>…`, JSON with a level), or info from standard output and warn from standard error. A traceback,
/// the lines of one write to standard error, and indented lines are one record with what stands before them. The records bear
/// the name and the pid of the program that was started, also those of its children: a pipe does not say who wrote. If it uses shmlog, it and all its children attach to the ring by themselves. At the end one line on
/// standard error says how much was logged and lost.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// The program, and what it is given
    #[arg(
        value_name = "PROGRAM",
        required_unless_present = "procfile",
        conflicts_with = "procfile",
        trailing_var_arg = true,
        value_hint = ValueHint::CommandWithArguments
    )]
    program: Vec<OsString>,
    /// The program's name in the log and in the names of its files [default: that of its file; with --procfile, of the folder]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Leaves standard output and error to the program
    #[arg(long)]
    no_capture: bool,
    /// Has the program print to a pseudo terminal: it writes line by line, as on a screen; colours are left out of the records
    #[arg(long, conflicts_with = "no_capture")]
    pty: bool,
    /// Levels of lines: the group `level` of this regular expression names one, or its first letter
    #[arg(long, value_name = "REGEX", value_parser = levels_by, conflicts_with = "no_capture")]
    level_regex: Option<Capture>,
    /// Runs all programs of a file with lines like `name: command`
    #[arg(long, value_name = "FILE", num_args = 0..=1, default_missing_value = "Procfile", value_hint = ValueHint::FilePath)]
    procfile: Option<PathBuf>,
    /// How long the others of a procfile have to end, like 500ms, 10s or 1m
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = show::parse_time, requires = "procfile")]
    grace: Duration,
    /// No words at the end
    #[arg(short, long)]
    quiet: bool,
    #[command(flatten)]
    ring: ring::Settings,
}

/// Does it.
pub fn run(arguments: Arguments) -> Outcome {
    let (name, jobs) = match &arguments.procfile {
        Some(file) => jobs_of(file, &arguments)?,
        None => job_of(&arguments),
    };
    // Before there is a ring: from here on nothing ends us without the program.
    let signals = Signals::catch()?;
    let begin = SystemTime::now();
    let (builder, sinks) = ring::builder(&arguments.ring, &name)?;
    let logger = builder.init_parent()?;
    let mut programs = Vec::new();
    for job in jobs {
        match start(&logger, job, &arguments) {
            Ok(program) => programs.push(program),
            Err(error) => {
                watch::end_all(&mut programs);
                return refuse(error);
            }
        }
    }
    let tell = |first: &Program| {
        if !arguments.quiet {
            summary::tell_others_end(first, arguments.grace);
        }
    };
    let first = watch::until_all_ended(&mut programs, &signals, arguments.grace, tell)?;
    let flushed = logger.flush(summary::PATIENCE);
    let stats = logger.stats();
    drop(logger);
    if !arguments.quiet {
        let files = summary::files(&sinks, &name, begin);
        let others = programs.iter().enumerate().filter(|(at, _)| *at != first);
        let others: Vec<&Program> = others.map(|(_, program)| program).collect();
        summary::say(&programs[first], &others, flushed, &stats, &files);
    }
    Ok(programs[first].exit_code())
}

/// A program to be started.
struct Job {
    name: String,
    command: Command,
    place: Place,
}

fn job_of(arguments: &Arguments) -> (String, Vec<Job>) {
    let program = Path::new(&arguments.program[0]);
    let file = program.file_name().unwrap_or(program.as_os_str());
    let file = file.to_string_lossy().into_owned();
    let name = arguments.name.clone().unwrap_or(file);
    let mut command = Command::new(program);
    command.args(&arguments.program[1..]);
    let place = Place::OurGroup;
    let job = Job {
        name: name.clone(),
        command,
        place,
    };
    (name, vec![job])
}

fn jobs_of(file: &Path, arguments: &Arguments) -> Result<(String, Vec<Job>), Failure> {
    let folder = std::path::absolute(file)?;
    let folder = folder.parent().unwrap_or(Path::new("/"));
    let own = folder.file_name().unwrap_or(file.as_os_str());
    let name = arguments
        .name
        .clone()
        .unwrap_or_else(|| own.to_string_lossy().into_owned());
    let jobs = procfile::read(file)?
        .into_iter()
        .map(|entry| job_of_entry(entry, folder));
    Ok((name, jobs.collect()))
}

fn job_of_entry(entry: Entry, folder: &Path) -> Job {
    use std::os::unix::process::CommandExt;
    let mut command = Command::new("sh");
    command.args(["-c", &entry.command]).current_dir(folder);
    // Several cannot share a terminal's input. Of a group each gets what is sent, whatever the shell has put in between.
    command.stdin(std::process::Stdio::null()).process_group(0);
    Job {
        name: entry.name,
        command,
        place: Place::OwnGroup,
    }
}

fn start(logger: &ShmLogger, mut job: Job, arguments: &Arguments) -> Result<Program, Refused> {
    let program = job.command.get_program().to_string_lossy().into_owned();
    if !arguments.no_capture && std::env::var_os(UNBUFFERED).is_none() {
        // Or what Python prints comes when its buffer is full, with the time of that moment, and not at all if it is killed.
        job.command.env(UNBUFFERED, "1");
    }
    let started = match arguments.no_capture {
        true => job.command.spawn().map(program::Started::Plain),
        false => logger
            .spawn_captured(job.command, &capture(&job.name, arguments))
            .map(|spawned| program::Started::Captured(Box::new(spawned))),
    };
    match started {
        Ok(started) => Ok(Program::new(job.name, started, job.place)),
        Err(error) => Err(Refused { program, error }),
    }
}

fn levels_by(pattern: &str) -> Result<Capture, PatternError> {
    Capture::new().level_pattern(pattern)
}

fn capture(name: &str, arguments: &Arguments) -> Capture {
    let with_levels = arguments.level_regex.clone().unwrap_or_default();
    with_levels.name(name).terminal(arguments.pty)
}

/// A program that could not be started.
struct Refused {
    program: String,
    error: io::Error,
}

/// Says so, with the code that shells end with.
fn refuse(Refused { program, error }: Refused) -> Outcome {
    // What is said of the relay has no number of the system's.
    let (code, way_out) = match (error.raw_os_error(), error.kind()) {
        (Some(_), io::ErrorKind::NotFound) => (
            NOT_FOUND,
            "; a program of this folder is called ./NAME, others are looked for in PATH",
        ),
        (Some(_), io::ErrorKind::PermissionDenied) => (
            NOT_EXECUTABLE,
            "; is it a program, and may this user run it? chmod +x",
        ),
        (Some(_), _) => (
            NOT_EXECUTABLE,
            "; is it a program for this machine, or a script that begins with #!?",
        ),
        (None, _) => return Err(Failure::of(&error)),
    };
    failure::tell(format!("cannot run {program:?}: {error}{way_out}"));
    Ok(ExitCode::from(code))
}
