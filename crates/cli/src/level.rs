//! `shmlog level`: what is recorded. `level/changes.rs` says what the words of the command line make of a filter,
//! `level/awhile.rs` sets it back after a time.

mod awhile;
mod changes;

use std::time::Duration;

use shmlog::observe::Observer;

use crate::directives;
use crate::failure::{self, Failure, Outcome};
use crate::rings;
use crate::show::{self, harmless};

/// Shows or changes what is recorded, in all processes of a ring at once
///
/// Directives are those of env_logger: a level for all targets, and target=level for those that begin so. Each word changes
/// its own directive and leaves the others as they are. A change counts from the next log call on, in every process.
#[derive(Debug, clap::Args)]
#[command(
    override_usage = "shmlog level [OPTIONS] [RING] [CHANGES]...",
    after_help = "Examples:\n  shmlog level                          shows what is recorded now\n  \
                  shmlog level imu=debug                sets this directive, beside all others\n  \
                  shmlog level robot warn imu=debug     two, of the ring of the program robot\n  \
                  shmlog level -imu                     takes the directive for imu away\n  \
                  shmlog level =warn,imu=debug          these in place of all others (as --set warn,imu=debug)\n  \
                  shmlog level imu=trace --for 30s      for half a minute, or until Ctrl+C\n  \
                  shmlog level reset                    back to the level and the directives that the program was given"
)]
pub struct Arguments {
    /// Take the directives in place of all that there are
    #[arg(long)]
    set: bool,
    /// Set the filter back after this time, or on Ctrl+C; a command that is killed (SIGKILL) leaves it as it is
    #[arg(long = "for", value_name = "TIME", value_parser = show::parse_time)]
    time: Option<Duration>,
    /// [RING] [CHANGES]...: the first is a ring if it is no change. A change is a level, target=level, +target=level, -target,
    /// =DIRECTIVES or reset; several may stand in one word, with commas between them
    #[arg(num_args = 0.., allow_hyphen_values = true, value_name = "RING or CHANGES")]
    words: Vec<String>,
}

/// Does it.
pub fn run(arguments: Arguments) -> Outcome {
    let Arguments { set, time, words } = with_late_options(arguments)?;
    let (ring, words) = match words.split_first() {
        Some((first, others)) if !changes::is_one(first) => (Some(&**first), others),
        _ => (None, &words[..]),
    };
    let observer = rings::choose_live(ring).map_err(|failure| with_level(failure, ring))?;
    let before = observer.filter();
    if words.is_empty() {
        return match time.is_some() || set {
            true => Err(Failure::new(
                "nothing is to be changed: say a directive, like imu=debug",
            )),
            false => failure::print(&format!("{}\n", harmless(&before))),
        };
    }
    match (words, set) {
        ([word], false) if word == changes::RESET => observer.reset_filter()?,
        (words, false) => change(&observer, &before, words)?,
        (words, true) => {
            let words = words.iter().map(|word| word.trim_start_matches('='));
            let whole = format!("={}", words.collect::<Vec<_>>().join(","));
            change(&observer, &before, &[whole])?;
        }
    }
    let now = observer.filter();
    failure::print(&changed(&observer, &before, &now))?;
    match time {
        None => Ok(std::process::ExitCode::SUCCESS),
        Some(time) => awhile::set_back(&observer, &before, &now, time),
    }
}

/// What is printed of a change.
fn changed(observer: &Observer, before: &str, now: &str) -> String {
    let (name, before, now) = (observer.name(), harmless(before), harmless(now));
    format!("{name}: {now} (before: {before})\n")
}

fn change(observer: &Observer, before: &str, words: &[String]) -> Result<(), Failure> {
    let directives = changes::apply(before, &changes::read(words)?)?;
    Ok(observer.set_filter(&directives)?)
}

/// Takes out the options that stand behind the first word: since a word may begin with `-`, clap leaves them there.
fn with_late_options(arguments: Arguments) -> Result<Arguments, Failure> {
    let Arguments {
        mut set,
        mut time,
        words,
    } = arguments;
    let mut kept = Vec::new();
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        let for_time = match &*word {
            "--for" => Some(words.next().unwrap_or_default()),
            word => word.strip_prefix("--for=").map(str::to_owned),
        };
        if let Some(text) = for_time {
            let parsed = show::parse_time(&text);
            time = Some(parsed.map_err(|why| Failure::new(format!("--for {text:?}: {why}")))?);
        } else if word == "--set" {
            set = true;
        } else if word.starts_with("--") {
            return Err(Failure::new(format!(
                "{word} is no option here: `shmlog level --help` says which there are"
            )));
        } else {
            kept.push(word);
        }
    }
    let words = kept;
    Ok(Arguments { set, time, words })
}

/// That the word may have been meant for a level.
fn with_level(failure: Failure, word: Option<&str>) -> Failure {
    let meant = word.and_then(directives::nearest_level);
    match meant {
        Some(level) => Failure::new(format!("{failure} (did you mean the level {level}?)")),
        None => failure,
    }
}
