//! The soak: kills and stops processes of a log at random, for as long as one likes, and checks every record against
//! what its author says it wrote.
//!
//! ```sh
//! cargo run --release --example soak -- --minutes 60 --seed 1
//! cargo run --release --example soak -- --minutes 10 --hostile     # with a member that writes over the ring: hostile.rs
//! ```
//!
//! A soak is a row of rounds, each a ring of its own: a process that makes the ring, lets members come, go, fork, be
//! stopped and be killed, kills the drainer too, and reads the log files as they are closed. An author keeps a book
//! (`book.rs`), a mapped file that outlives it, of what it attempts. At the end of a round files, books, the ring's
//! own numbers and the log's own words must agree (`reader.rs`, `reckoning.rs`).
//!
//! ```text
//!   main ─── round ─┬─ drainer            killed, stopped
//!                   ├─ members ── forks   killed, stopped; each thread an author
//!                   └─ checker (thread)   reads closed files, deletes them
//! ```
//!
//! Ends with 0 when nothing differed. If something did, it stops there, and the files stay where it says.

mod book;
mod chaos;
mod checker;
mod figures;
mod hostile;
mod member;
mod reader;
mod reckoning;
mod round;
mod text;

use std::collections::BTreeMap;
use std::error::Error;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use figures::{Figure, Figures, News};
use text::Dice;

const USAGE: &str = "usage: soak --minutes N [--seed S] [--hostile]";
/// Lost records that are listed one by one; more are counted by kind.
const MOST_LISTED: usize = 30;
/// The shortest round, in seconds.
const SHORTEST: u64 = 5;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match arguments.split_first() {
        Some((role, rest)) if role == "member" => member::play(rest).map(|()| true),
        Some((role, rest)) if role == "round" => round::play(rest).map(|()| true),
        Some((role, rest)) if role == "hostile-round" => hostile::play(rest).map(|()| true),
        Some((role, rest)) if role == "honest" => hostile::play_honest(rest).map(|()| true),
        Some((role, rest)) if role == "last" => hostile::play_last(rest).map(|()| true),
        Some((role, rest)) if role == "hostile" => hostile::play_hostile(rest).map(|()| true),
        _ => Options::parse(&arguments).and_then(|options| soak(&options)),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("soak: {error}");
            ExitCode::FAILURE
        }
    }
}

struct Options {
    minutes: f64,
    seed: u64,
    /// The role that plays a round.
    round: &'static str,
}

impl Options {
    fn parse(arguments: &[String]) -> Result<Options, Box<dyn Error>> {
        let (mut minutes, mut seed, mut round) = (None, None, "round");
        let mut words = arguments.iter();
        while let Some(word) = words.next() {
            if word == "--hostile" {
                round = "hostile-round";
                continue;
            }
            let value = words.next().ok_or(USAGE)?;
            match word.as_str() {
                "--minutes" => minutes = Some(value.parse::<f64>()?),
                "--seed" => seed = Some(value.parse()?),
                _ => return Err(USAGE.into()),
            }
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
        Ok(Options {
            minutes: minutes.filter(|n| (0.0..1e6).contains(n)).ok_or(USAGE)?,
            seed: seed.unwrap_or(now.as_micros() as u64),
            round,
        })
    }
}

/// What is known so far.
#[derive(Default)]
struct Tale {
    /// Of the rounds that are over.
    sums: Figures,
    /// Of the round at hand.
    present: Figures,
    lost: Vec<String>,
    differences: Vec<String>,
}

impl Tale {
    fn all(&self) -> Figures {
        let mut all = self.sums.clone();
        all.add_all(&self.present);
        all
    }
}

/// `false` when something differed.
fn soak(options: &Options) -> Result<bool, Box<dyn Error>> {
    let folder = std::env::temp_dir().join(format!("shmlog-soak-{}", std::process::id()));
    std::fs::create_dir(&folder)?;
    println!("seed {}, in {}", options.seed, folder.display());
    let begin = Instant::now();
    let end = begin + Duration::from_secs_f64(options.minutes * 60.0);
    let mut dice = Dice::new(options.seed);
    let mut tale = Tale::default();
    let mut minute = 1;
    while tale.differences.is_empty() {
        let left = end.saturating_duration_since(Instant::now()).as_secs();
        if left < SHORTEST && tale.sums.get(Figure::Rounds) > 0 {
            break;
        }
        let seconds = dice.pick(&[10, 20, 40, 60]).min(left.max(SHORTEST));
        let seed = dice.next();
        let place = folder.join(format!("round-{}", tale.sums.get(Figure::Rounds)));
        play_round(
            &mut tale,
            options.round,
            seed,
            seconds,
            &place,
            &mut |tale| {
                if begin.elapsed().as_secs() >= minute * 60 {
                    println!(
                        "minute {minute}: {}, {} differences",
                        tale.all().summary(),
                        tale.differences.len()
                    );
                    minute = begin.elapsed().as_secs() / 60 + 1;
                }
            },
        )?;
        if tale.differences.is_empty() {
            std::fs::remove_dir_all(&place)?;
        } else {
            println!(
                "round with seed {seed}: its files are in {}",
                place.display()
            );
        }
    }
    report(&tale, options.seed);
    let well = tale.differences.is_empty();
    if well {
        std::fs::remove_dir_all(&folder)?;
    }
    Ok(well)
}

/// Plays a round in a process of its own, and listens to it.
fn play_round(
    tale: &mut Tale,
    role: &str,
    seed: u64,
    seconds: u64,
    place: &PathBuf,
    each_second: &mut dyn FnMut(&Tale),
) -> Result<(), Box<dyn Error>> {
    std::fs::create_dir(place)?;
    let mut round = Command::new(std::env::current_exe()?)
        .args([role, &seed.to_string(), &seconds.to_string()])
        .arg(Path::new(place))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()?;
    let lines = round.stdout.take().map(BufReader::new).into_iter();
    let mut done = false;
    for line in lines.flat_map(BufRead::lines) {
        let line = line?;
        match News::parse(&line) {
            Some(News::Figures(figures)) => {
                tale.present = figures;
                each_second(tale);
            }
            Some(News::Lost(text)) => tale.lost.push(text),
            Some(News::Difference(text)) => tale.differences.push(text),
            Some(News::Done) => {
                done = true;
                break;
            }
            None => tale.differences.push(format!("a round said {line:?}")),
        }
    }
    let status = round.wait()?;
    if !done || !status.success() {
        tale.differences
            .push(format!("a round ended with {status}, done: {done}"));
    }
    tale.sums.add_all(&std::mem::take(&mut tale.present));
    Ok(())
}

fn report(tale: &Tale, seed: u64) {
    println!("\n{}", tale.sums.table());
    if tale.lost.len() <= MOST_LISTED {
        tale.lost.iter().for_each(|text| println!("lost: {text}"));
    } else {
        let mut kinds = BTreeMap::new();
        for text in &tale.lost {
            let kind = text.split(':').next().unwrap_or(text);
            *kinds.entry(kind).or_insert(0_u64) += 1;
        }
        for (kind, count) in kinds {
            println!("lost: {count} {kind}");
        }
    }
    for text in &tale.differences {
        println!("DIFFERENCE: {text}");
    }
    println!("{} differences, with --seed {seed}", tale.differences.len());
}
