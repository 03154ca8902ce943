//! A parent that logs before, during and after a fault of its disk, and what comes of it. Its console is a file, of
//! another folder.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use shmlog::{ShmLogger, info};

use crate::faulty::Faults;
use crate::host::configured;
use crate::support::{
    Folder, Line, Role, assert_nothing_remains, assert_says, log_files, parse_log, role_command,
    until,
};
use crate::tally::settled;
use crate::trial::Ignored;

pub const ROLES: &[Role] = &[("parent_on_a_faulty_disk", parent_on_a_faulty_disk)];

pub const EACH: u64 = 100;
/// More than a page, so that a disk which has only some bytes left cannot take all.
const TEXT: usize = 90;

/// Logs so many records.
pub fn log_some(next: &mut u64, count: u64) {
    (*next..*next + count).for_each(|number| info!("app {number} {}", "x".repeat(TEXT)));
    *next += count;
}

pub fn wait_until_taken(logger: &ShmLogger, count: u64) {
    until("all is taken", || {
        let stats = logger.stats();
        stats.delivered + stats.lost == count
    });
}

/// How many records are in the file that is our standard output.
fn records_on_console() -> u64 {
    let text = fs::read_to_string("/proc/self/fd/1").unwrap();
    text.matches(SHOWN).count() as u64
}

/// Whose records these are, on a console.
const SHOWN: &str = "app/main";

/// `folder fault settings notes`
fn parent_on_a_faulty_disk(arguments: &[String]) {
    let [folder, fault, settings, notes] = arguments else {
        panic!("four arguments");
    };
    let faults = match &**fault {
        "ENOSPC" | "EIO" | "ENOSPC to the end" => match Faults::install(folder) {
            None => return,
            faults => faults,
        },
        _ => None,
    };
    let settings = format!("console block process_name=app {settings}");
    let logger = configured(folder, &settings).init_parent().unwrap();
    let mut next = 0;
    log_some(&mut next, EACH);
    logger.flush(Duration::from_secs(60)).unwrap();
    let heal = strike(fault, Path::new(folder), faults);
    if matches!(&**fault, "renamed" | "in the way") {
        // The path is looked at once a second, also when there is nothing to write.
        until("it is noticed", || {
            let renamed = || fault == "renamed" && !log_files(folder.as_ref()).is_empty();
            logger.stats().sink_errors > 0 || renamed()
        });
    }
    // Twice: whatever meets the fault first is kept, however much it is.
    for _ in 0..2 {
        log_into_the_fault(&logger, &mut next, faults);
    }
    if fault.ends_with("to the end") {
        fs::write(
            notes,
            format!(
                "{} {} {next} 0 0 0 0",
                logger.name(),
                logger.stats().drainer_restarts
            ),
        )
        .unwrap();
        drop(logger);
        return;
    }
    heal();
    logger.flush(Duration::from_secs(60)).unwrap();
    log_some(&mut next, EACH);
    let stats = settled(&logger, 1);
    let numbers = [
        next,
        stats.attempted,
        stats.delivered,
        stats.dropped,
        stats.lost,
    ];
    let numbers = numbers.map(|number| number.to_string()).join(" ");
    let restarts = stats.drainer_restarts;
    fs::write(notes, format!("{} {restarts} {numbers}", logger.name())).unwrap();
}

/// Logs some, and waits until the console has them and the file has been tried.
fn log_into_the_fault(logger: &ShmLogger, next: &mut u64, faults: Option<&Faults>) {
    log_some(next, EACH);
    wait_until_taken(logger, *next);
    // Its queue is not what this is about.
    until("the console has it", || records_on_console() == *next);
    if let Some(faults) = faults {
        let before = faults.refused();
        until("it is met", || {
            faults.refused() > before && logger.stats().sink_errors > 0
        });
    }
}

/// Lets a fault happen; returns what ends it.
fn strike(fault: &str, folder: &Path, faults: Option<&'static Faults>) -> Box<dyn FnOnce()> {
    let file = folder.join(log_files(folder).last().unwrap());
    let aside = folder.with_extension("aside");
    let folder = folder.to_owned();
    match fault {
        "EIO" => faults.unwrap().begin(libc::EIO),
        "ENOSPC" | "ENOSPC to the end" => faults.unwrap().begin(libc::ENOSPC),
        "ballast" => {
            let ballast = folder.join("ballast");
            let mut file = File::create(&ballast).unwrap();
            while file.write_all(&[0; 100]).is_ok() {}
            return Box::new(move || fs::remove_file(ballast).unwrap());
        }
        "deleted" => fs::remove_file(file).unwrap(),
        "renamed" => fs::rename(&file, file.with_extension("log.1")).unwrap(),
        "removed" => fs::remove_dir_all(folder).unwrap(),
        "in the way" => {
            fs::rename(&folder, aside).unwrap();
            fs::write(&folder, "in the way").unwrap();
            return Box::new(move || fs::remove_file(folder).unwrap());
        }
        _ => panic!("no fault {fault:?}"),
    }
    Box::new(move || {
        faults.inspect(|faults| faults.end());
    })
}

/// What came of it.
pub struct Scene {
    pub folder: Folder,
    pub console: String,
    /// What is in the files of the folder, in order.
    pub lines: Vec<Line>,
    pub logged: u64,
    pub delivered: u64,
    pub lost: u64,
    pub complaints: String,
}

/// Plays a parent by `command`.
pub fn play(folder: Folder, mut command: Command, notes: &Path) -> Result<Scene, Ignored> {
    let around = Folder::new();
    let (console, complaints) = (around.path().join("console"), around.path().join("stderr"));
    for variable in ["CLICOLOR_FORCE", "SHMLOG_RING"] {
        command.env_remove(variable);
    }
    command
        .stdin(Stdio::null())
        .stdout(File::create(&console).unwrap())
        .stderr(File::create(&complaints).unwrap());
    let status = command.status().unwrap();
    let complaints = fs::read_to_string(complaints).unwrap();
    assert!(status.success(), "{complaints}");
    let notes =
        fs::read_to_string(notes).map_err(|_| Ignored("one may not filter system calls here"))?;
    let mut words = notes.split(' ');
    let ring = words.next().unwrap().to_owned();
    assert_nothing_remains(&ring);
    let numbers: Vec<u64> = words.map(|word| word.parse().unwrap()).collect();
    let [restarts, logged, attempted, delivered, dropped, lost] = numbers[..] else {
        panic!("{notes}");
    };
    assert_eq!((restarts, dropped), (0, 0));
    assert_eq!(delivered + lost, attempted);
    Ok(Scene {
        console: fs::read_to_string(console).unwrap(),
        lines: parse_log(&folder.log_text()),
        folder,
        logged,
        delivered,
        lost,
        complaints,
    })
}

pub fn play_fault(fault: &str, settings: &str) -> Result<Scene, Ignored> {
    let (folder, around) = (Folder::new(), Folder::new());
    let notes = around.path().join("notes");
    let logs = folder.path().join("logs");
    let arguments = [
        logs.to_str().unwrap(),
        fault,
        settings,
        notes.to_str().unwrap(),
    ];
    let command = role_command("parent_on_a_faulty_disk", &arguments);
    let mut scene = play(folder, command, &notes)?;
    scene.lines = parse_log(&Folder::log_text_of(&logs));
    Ok(scene)
}

impl Scene {
    /// The numbers of the records in the files.
    pub fn numbers(&self) -> Vec<u64> {
        let records = self.lines.iter().filter(|line| line.sequence.is_some());
        records.map(crate::tally::number).collect()
    }

    /// The drainer's own words, in the files.
    pub fn words(&self) -> String {
        let own = self.lines.iter().filter(|line| line.sequence.is_none());
        own.map(|line| line.message.clone() + "\n").collect()
    }

    /// The drainer's own words, on the console.
    pub fn words_on_console(&self) -> String {
        let own = self
            .console
            .lines()
            .filter(|line| line.contains("[shmlog]"));
        own.map(|line| line.to_owned() + "\n").collect()
    }

    pub fn assert_all_arrived(&self) {
        assert!(
            self.numbers().into_iter().eq(0..self.logged),
            "{:?}",
            self.numbers()
        );
        assert_eq!((self.delivered, self.lost), (self.logged, 0));
        self.assert_console_has_all();
    }

    pub fn assert_console_has_all(&self) {
        let shown = self.console.matches(SHOWN).count() as u64;
        assert_eq!(shown, self.logged, "the console has nothing to do with it");
    }

    /// Both sinks say all these words.
    pub fn assert_said(&self, words: &[&str]) {
        assert_says(&self.words_on_console(), words);
        assert_says(&self.words(), words);
    }
}
