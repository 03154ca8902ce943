//! Sinks of the program's own that end the process they are in: this program's is called `deadly`. The log goes on in the
//! other sinks, without it or without the record that it dies of.

use std::error::Error;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Duration;

use libtest_mimic::Trial;
use rustix::process::Signal;
use shmlog::sink::{Record, Sink, SinkSpec};
use shmlog::{OnFull, info};

use crate::support::{
    Actor, Folder, Role, assert_nothing_remains, assert_says, drainers_of, listen, quiet, role_command, say, send,
    until,
};
use crate::trials;

pub const ROLES: &[Role] = &[("parent_of_a_deadly_sink", parent_of_a_deadly_sink)];

pub fn trials() -> Vec<Trial> {
    trials![
        a_sink_that_kills_at_every_record_is_done_without_after_the_third_death,
        a_record_that_kills_a_sink_is_passed_by_and_the_sink_gets_all_others,
        a_sink_that_kills_at_the_end_of_each_batch_is_done_without,
        a_sink_that_kills_when_it_is_closed_holds_up_no_end,
        a_sink_that_kills_when_it_is_opened_again_is_done_without,
        a_sink_that_kills_at_its_first_opening_is_an_error_that_names_it,
        a_deadly_sink_that_is_the_only_one_costs_no_more_than_its_records,
    ]
}

/// Ways to end a process.
const WAYS: [&str; 4] = ["abort", "segfault", "exit0", "exit1"];

/// The record that kills, where one certain record does.
const DEADLY: usize = 7;
const RECORDS: usize = 300;

/// Writes messages into a file at once; ends the process at the time and in the way that it is told.
struct Deadly {
    file: File,
    at: String,
    how: String,
    has_any: bool,
}

impl Deadly {
    fn die_at(&self, place: &str) {
        if self.at == place {
            die(&self.how);
        }
    }
}

#[allow(unsafe_code)]
fn die(how: &str) {
    match how {
        "abort" => std::process::abort(),
        "exit0" => std::process::exit(0),
        "exit1" => std::process::exit(1),
        _ => {
            let nowhere = std::ptr::without_provenance_mut::<u8>(64);
            // SAFETY: none; that the first page is not mapped is what this is for.
            unsafe { nowhere.write_volatile(0) };
        }
    }
}

impl Sink for Deadly {
    fn name(&self) -> String {
        "deadly".to_owned()
    }

    fn record(&mut self, record: &Record<'_>) {
        if record.sequence.is_none() {
            return;
        }
        self.die_at("every");
        if record.message == format!("{DEADLY}.") {
            self.die_at("one");
        }
        self.has_any = true;
        writeln!(self.file, "{}", record.message).unwrap();
    }

    fn commit(&mut self) -> io::Result<()> {
        if self.has_any {
            self.die_at("batch");
        }
        Ok(())
    }

    fn finish(&mut self, _: Duration) -> io::Result<()> {
        self.die_at("end");
        Ok(())
    }
}

fn open_deadly(spec: &SinkSpec) -> Result<Box<dyn Sink>, Box<dyn Error>> {
    let place = PathBuf::from(spec.place().unwrap_or_default());
    let at = spec.get("at").unwrap_or_default().to_owned();
    let how = spec.get("how").unwrap_or_default().to_owned();
    // Opened again, it finds its file.
    if at == "open" || (at == "reopen" && place.exists()) {
        die(&how);
    }
    let file = OpenOptions::new().create(true).append(true).open(place)?;
    let has_any = false;
    Ok(Box::new(Deadly { file, at, how, has_any }))
}

shmlog::register_sink!("deadly", open_deadly);

/// `folder collected at how files`
fn parent_of_a_deadly_sink(arguments: &[String]) {
    let [folder, collected, at, how, files] = arguments else { panic!() };
    let spec = SinkSpec::new("deadly").at(collected).option("at", at).option("how", how);
    let builder = quiet(folder).file(files == "files").sink(spec);
    let logger = match builder.on_full(OnFull::Block(Duration::from_secs(60))).init_parent() {
        Ok(logger) => logger,
        Err(error) => return say(&format!("error {error}")),
    };
    say(&format!("ring {}", logger.name()));
    if at == "reopen" {
        let drainer = drainers_of(logger.name())[0];
        send(drainer, Signal::KILL);
        until("another drainer is there", || logger.stats().drainer_restarts > 0);
    }
    for number in 0..RECORDS {
        info!("{number}.");
    }
    logger.flush(Duration::from_secs(60)).unwrap();
    let stats = logger.stats();
    assert_eq!(stats.delivered + stats.lost, RECORDS as u64);
    say(&format!("restarts {} lost {}", stats.drainer_restarts, stats.lost));
    let name = logger.name().to_owned();
    drop(logger);
    // Not given up: the drainer has come to its end.
    assert!(drainers_of(&name).is_empty());
    listen();
}

/// What is left of a log beside a deadly sink.
struct Left {
    restarts: String,
    collected: Vec<String>,
    /// What the drainer said in the text file.
    words: Vec<String>,
    errors: String,
}

/// Plays it; asserts that the text file, if there is one, holds every record once.
fn play(at: &str, how: &str, files: &str) -> Left {
    let folder = Folder::new();
    let around = Folder::new();
    let (collected, errors) = (around.path().join("collected"), around.path().join("errors"));
    let arguments = [folder.text(), collected.to_str().unwrap(), at, how, files];
    let mut command = role_command("parent_of_a_deadly_sink", &arguments);
    command.stderr(File::create(&errors).unwrap());
    let mut parent = Actor::from_command(command);
    let ring = parent.hear("ring ");
    let restarts = parent.hear("restarts ");
    parent.finish();
    assert_nothing_remains(&ring);
    let mut words = Vec::new();
    if files == "files" {
        let (own, records): (Vec<_>, Vec<_>) = folder.records().into_iter().partition(|line| line.sequence.is_none());
        words = own.into_iter().map(|line| line.message).collect();
        let found: Vec<String> = records.into_iter().map(|line| line.message).collect();
        assert_eq!(found, (0..RECORDS).map(|number| format!("{number}.")).collect::<Vec<_>>(), "{at} {how}");
    }
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    Left {
        restarts,
        collected: read(collected).lines().map(str::to_owned).collect(),
        words,
        errors: read(errors),
    }
}

fn assert_done_without(left: &Left, restarts: &str, when: &str) {
    assert_eq!(left.restarts, restarts);
    let words: Vec<&String> = left.words.iter().filter(|words| words.contains("deadly")).collect();
    assert_says(words[words.len() - 1], &["deadly:", "3 times in a row", when, "goes on without it"]);
}

fn a_sink_that_kills_at_every_record_is_done_without_after_the_third_death() {
    for how in WAYS {
        let left = play("every", how, "files");
        assert_done_without(&left, "3 lost 0", "while it took a record");
        assert_eq!(left.collected, [""; 0]);
    }
}

fn a_record_that_kills_a_sink_is_passed_by_and_the_sink_gets_all_others() {
    for how in WAYS {
        let left = play("one", how, "files");
        assert_eq!(left.restarts, "2 lost 0");
        assert_eq!(left.words.len(), 1, "{:?}", left.words);
        assert_says(&left.words[0], &["record ", "is not given to deadly", "died twice in a row"]);
        for number in 0..RECORDS {
            let is_there = left.collected.contains(&format!("{number}."));
            assert_eq!(is_there, number != DEADLY, "{number}");
        }
    }
}

fn a_sink_that_kills_at_the_end_of_each_batch_is_done_without() {
    for how in WAYS {
        let left = play("batch", how, "files");
        assert_done_without(&left, "3 lost 0", "while it ended a batch");
    }
}

fn a_sink_that_kills_when_it_is_closed_holds_up_no_end() {
    for how in WAYS {
        let left = play("end", how, "files");
        assert_done_without(&left, "0 lost 0", "while it was closed");
        assert_eq!(left.collected.len(), RECORDS);
    }
}

fn a_sink_that_kills_when_it_is_opened_again_is_done_without() {
    for how in WAYS {
        let left = play("reopen", how, "files");
        assert_done_without(&left, "4 lost 0", "while it was opened");
    }
}

fn a_sink_that_kills_at_its_first_opening_is_an_error_that_names_it() {
    for how in WAYS {
        let folder = Folder::new();
        let arguments = [folder.text(), "/dev/null", "open", how, "files"];
        let mut parent = Actor::start("parent_of_a_deadly_sink", &arguments);
        let error = parent.hear("error ");
        parent.finish();
        assert_says(&error, &["cannot open the sink", "deadly:/dev/null?at=open", "ended"]);
    }
}

fn a_deadly_sink_that_is_the_only_one_costs_no_more_than_its_records() {
    let left = play("every", "abort", "no files");
    assert_eq!(left.restarts, format!("3 lost {RECORDS}"));
    assert_says(&left.errors, &["shmlog: the log goes nowhere: deadly:", "3 times in a row"]);
    let left = play("one", "exit0", "no files");
    assert_eq!(left.restarts, "2 lost 1");
}
