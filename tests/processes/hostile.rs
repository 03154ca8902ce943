//! A member that writes where it must not: into every part of the segment, while others log.
//!
//! Nobody may crash or hang, whoever reads what it left; the log says that there was damage; and when it has
//! stopped the ring works again.

use std::fs::{self, File, OpenOptions};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use libtest_mimic::Trial;
use memmap2::MmapRaw;
use rustix::process::Signal;
use shmlog::{ShmLogger, info};

use crate::alone::beside;
use crate::support::{
    Actor, Folder, Role, assert_nothing_remains, drainers_of, listen, log_files, quiet,
    role_command, say, send, until, wait_for_end,
};
use crate::tally::{Dice, wait_until_stopped};
use crate::trials;

pub const ROLES: &[Role] = &[
    ("hostile_parent", hostile_parent),
    ("hostile_talker", hostile_talker),
    ("scribbler", scribbler),
    ("hostile_fresh", hostile_fresh),
    ("parent_whose_checkpoint_is_damaged", parent_whose_checkpoint_is_damaged),
    ("parent_of_a_liar", parent_of_a_liar),
    ("liar", liar),
];

pub fn trials() -> Vec<Trial> {
    trials![
        a_member_that_scribbles_over_everything_neither_stops_nor_kills_the_others,
        a_drainer_that_finds_its_checkpoint_damaged_touches_no_file_but_its_own,
        names_that_are_written_into_shared_memory_steer_no_terminal_and_forge_no_line,
    ]
}

/// A file in shared memory, mapped by somebody who has no business there.
struct Map(MmapRaw);

impl Map {
    fn of(ring: &str) -> Map {
        Map::at(&Path::new("/dev/shm").join(ring))
    }

    fn at(path: &Path) -> Map {
        let file = OpenOptions::new().read(true).write(true).open(path).unwrap();
        Map(MmapRaw::map_raw(&file).unwrap())
    }

    fn words(&self) -> u64 {
        self.0.len() as u64 / 8
    }

    #[allow(unsafe_code)]
    fn word(&self, index: u64) -> &AtomicU64 {
        assert!(index < self.words());
        let start = self.0.as_mut_ptr().cast::<u64>();
        // SAFETY: the word lies within the mapping, by the assertion.
        let word = unsafe { start.add(index as usize) };
        // SAFETY: the mapping begins at a page and lives as long as `self`; all who map it access it through
        // atomics.
        unsafe { AtomicU64::from_ptr(word) }
    }

    fn store(&self, index: u64, value: u64) {
        self.word(index).store(value, Ordering::Relaxed);
    }

    /// Puts `new` wherever `old` stands; both are whole words.
    fn replace(&self, old: &[u8], new: &[u8]) -> usize {
        assert_eq!((old.len(), old.len() % 8), (new.len(), 0));
        let of = |bytes: &[u8]| -> Vec<u64> {
            let words = bytes.chunks(8).map(|word| u64::from_ne_bytes(word.try_into().unwrap()));
            words.collect()
        };
        let (old, new) = (of(old), of(new));
        let mut found = 0;
        for at in 0..self.words() - old.len() as u64 {
            let here = |i: usize| self.word(at + i as u64);
            if (0..old.len()).all(|i| here(i).load(Ordering::Relaxed) == old[i]) {
                new.iter().enumerate().for_each(|(i, word)| here(i).store(*word, Ordering::Relaxed));
                found += 1;
            }
        }
        found
    }
}

const PAGE: u64 = 512;

/// `ring seed`: damages the segment in the way that the seed says.
fn scribbler(arguments: &[String]) {
    let map = Map::of(&arguments[0]);
    let seed: u64 = arguments[1].parse().unwrap();
    let mut dice = Dice::new(seed);
    let anywhere = |dice: &mut Dice| dice.below(map.words());
    let any = |dice: &mut Dice| dice.below(u64::MAX);
    match seed % 6 {
        0 => (0..5000).for_each(|_| map.store(anywhere(&mut dice), any(&mut dice))),
        1 => (0..5000).for_each(|_| map.store(anywhere(&mut dice), dice.below(1000))),
        2 => (0..150).for_each(|_| {
            let page = dice.below(map.words() / PAGE) * PAGE;
            let value = [0, u64::MAX][dice.below(2) as usize];
            (page..page + PAGE).for_each(|at| map.store(at, value));
        }),
        // The header: tail, head, phase, stop, counters, settings.
        3 => (0..2000).for_each(|_| map.store(dice.below(PAGE), any(&mut dice))),
        4 => (0..20_000).for_each(|_| {
            let bit = 1 << dice.below(64);
            map.word(anywhere(&mut dice)).fetch_xor(bit, Ordering::Relaxed);
        }),
        _ => (0..map.words()).for_each(|at| map.store(at, any(&mut dice))),
    }
    // Chance may hit only what can pass, or what is written anew before anybody looks: this, the number of slots, is
    // noticed for certain.
    map.store(1, 7);
}

/// Logs as often as it is told.
fn hostile_talker(arguments: &[String]) {
    let _logger = ShmLogger::attach().unwrap();
    say("ready");
    let long = "long ".repeat(1000);
    while listen() == "go" {
        for n in 0..2000 {
            info!("{} {n}", arguments[0]);
            if n % 100 == 0 {
                info!("{} {n} {long}", arguments[0]);
            }
        }
        say("done");
    }
}

const FRESH: usize = 300;

/// Comes when all is over: its records must arrive, but for the first, which may meet slots not yet mended.
fn hostile_fresh(arguments: &[String]) {
    // The drainer mends the header within milliseconds.
    let logger = std::cell::OnceCell::new();
    until("the segment can be attached to again", || {
        ShmLogger::attach().is_ok_and(|attached| logger.set(attached).is_ok())
    });
    let logger = logger.into_inner().unwrap();
    until("a registry entry is free again", || {
        info!("may be refused");
        let mut producers = logger.stats().producers.into_iter();
        // By pid and thread: the entry of a talker's thread may point at our process by now.
        let (pid, tid) = (std::process::id(), rustix::thread::gettid().as_raw_pid() as u32);
        let mine = producers.find(|producer| (producer.pid, producer.tid) == (pid, tid));
        // As long as the word for what is flushed is damaged too, waiting for that is no waiting.
        mine.is_some_and(|producer| producer.delivered > 0)
    });
    for n in 0..FRESH {
        info!("fresh-{} {n}.", arguments[0]);
        let _ = logger.flush(Duration::from_secs(5));
    }
}

fn hostile_parent(arguments: &[String]) {
    let [folder, seed] = arguments else { panic!() };
    let logger = quiet(folder).slots(256).init_parent().unwrap();
    say(logger.name());
    let start = |n| Actor::start("hostile_talker", &[&format!("talker-{n}")]);
    let mut talkers: Vec<Actor> = (0..2).map(start).collect();
    talkers.iter_mut().for_each(|talker| _ = talker.hear("ready"));
    talkers.iter_mut().for_each(|talker| talker.tell("go"));
    let scribble = role_command("scribbler", &[logger.name(), seed]).status().unwrap();
    assert!(scribble.success());
    info!("the parent logs too");
    talkers.iter_mut().for_each(|talker| _ = talker.hear("done"));
    let fresh = role_command("hostile_fresh", &[seed]).status().unwrap();
    assert!(fresh.success());
    let _ = logger.stats();
    talkers.into_iter().for_each(Actor::finish);
}

/// Plays a parent in whose ring there is damage: nobody panics, and it ends well.
fn play_damaged(role: &str, folder: &Folder, seed: u64) {
    let around = Folder::new();
    let errors = around.path().join("errors");
    let mut command = role_command(role, &[folder.text(), &seed.to_string()]);
    command.stderr(File::create(&errors).unwrap());
    let mut parent = Actor::from_command(command);
    let ring = parent.hear("");
    let status = parent.wait();
    let said = fs::read_to_string(&errors).unwrap();
    assert!(status.success() && !said.contains("panicked"), "seed {seed}: {status}, {said}");
    assert_nothing_remains(&ring);
}

/// What is logged when the damage is done is in the log, once the ring has recovered.
fn assert_works_again(log: &str, seed: u64) {
    for n in FRESH - 100..FRESH {
        assert!(log.contains(&format!("fresh-{seed} {n}.")), "seed {seed}: {n} is missing");
    }
}

fn a_member_that_scribbles_over_everything_neither_stops_nor_kills_the_others() {
    for seed in 0..12 {
        let folder = Folder::new();
        play_damaged("hostile_parent", &folder, seed);
        let log = folder.log_text();
        assert!(log.contains("the ring is damaged"), "seed {seed}");
        assert_works_again(&log, seed);
        let words = log.lines().filter(|line| line.contains(" #- ")).count();
        assert!(words < 3000, "seed {seed}: {words} lines of the drainer's own");
    }
}

const BYSTANDER: &str = "other_20260101_000000_000000.log";

fn parent_whose_checkpoint_is_damaged(arguments: &[String]) {
    let [folder, seed] = arguments else { panic!() };
    let dice = &mut Dice::new(seed.parse().unwrap());
    let logger = quiet(folder).slots(256).process_name("mine").init_parent().unwrap();
    say(logger.name());
    for n in 0..100 {
        info!("before {n}.");
    }
    logger.flush(Duration::from_secs(60)).unwrap();
    let drainer = drainers_of(logger.name())[0];
    // Stopped, so that it makes no new checkpoint over the damage.
    send(drainer, Signal::STOP);
    wait_until_stopped(drainer);
    // The segment, which any member can write, and the drainer's book, which only our user can.
    let map = Map::of(logger.name());
    let book = Map::at(&beside(logger.name(), "book").unwrap());
    let own = log_files(folder.as_ref());
    let own = own.iter().find(|name| name.starts_with("mine")).unwrap();
    // The name of the log file becomes that of another program's, or of one outside the folder.
    let (whole, name) = (own.len() / 8 * 8, own.as_bytes());
    let other = [BYSTANDER, "../../../../../../tmp/shmlog-victim"][dice.below(2) as usize];
    let other: Vec<u8> = other.bytes().chain([b'x'; 32]).take(whole).collect();
    if seed != "0" {
        assert!(book.replace(&name[..whole], &other) > 0);
    }
    let half = map.words() / 2;
    for _ in 0..[0, 50, 2000, 50_000][dice.below(4) as usize] {
        book.store(dice.below(book.words()), [dice.below(300), dice.below(u64::MAX)][dice.below(2) as usize]);
        map.store(dice.below(half), [dice.below(300), dice.below(u64::MAX)][dice.below(2) as usize]);
    }
    send(drainer, Signal::KILL);
    wait_for_end(drainer);
    until("another drainer works", || drainers_of(logger.name()).iter().any(|&pid| pid != drainer));
    let fresh = role_command("hostile_fresh", &[seed]).status().unwrap();
    assert!(fresh.success());
}

fn a_drainer_that_finds_its_checkpoint_damaged_touches_no_file_but_its_own() {
    for seed in 0..8 {
        let folder = Folder::new();
        let (bystander, secret) = (folder.path().join(BYSTANDER), folder.path().join("mine.txt"));
        fs::write(&bystander, "not yours").unwrap();
        fs::write(&secret, "nor this").unwrap();
        play_damaged("parent_whose_checkpoint_is_damaged", &folder, seed);
        assert_eq!(fs::read_to_string(&bystander).unwrap(), "not yours");
        assert_eq!(fs::read_to_string(&secret).unwrap(), "nor this");
        let files = log_files(folder.path());
        let own = files.iter().filter(|name| name.starts_with("mine_"));
        let log: String = own.map(|name| fs::read_to_string(folder.path().join(name)).unwrap()).collect();
        for n in 0..100 {
            assert!(log.contains(&format!("before {n}.")), "seed {seed}: before {n} is missing");
        }
        assert_works_again(&log, seed);
    }
}

const PROCESS: &str = "process-to-be-forged-by-it";
const HARMFUL: &[u8] = b"\xff\xfe\x1b]0;x\x07\r\n\0\xe2\x80\xae\x1b[2J\xc2\x9b1m";

/// A name that the liar will overwrite where it stands in shared memory, and what it puts there.
fn forged(name: &str) -> (Vec<u8>, Vec<u8>) {
    let whole = name.len() / 8 * 8;
    let new = HARMFUL.iter().chain([b'!'; 64].iter()).copied().take(whole);
    (name.as_bytes()[..whole].to_vec(), new.collect())
}

/// Enters under tame names and makes them harmful in the segment itself.
fn liar(arguments: &[String]) {
    let logger = ShmLogger::builder().process_name(PROCESS).attach().unwrap();
    assert_eq!(logger.name(), arguments[0]);
    // Known at run time only, it travels in the record.
    let target = String::from("a-target-to-be-forged-in-its-record");
    let log = move || info!(target: &target, "a text to be forged in its slot, all of it");
    let thread = std::thread::Builder::new().name("thread-to-be-forged-by-it".into());
    thread.spawn(log).unwrap().join().unwrap();
    let map = Map::of(&arguments[0]);
    for name in [PROCESS, "thread-to-be-forged-by-it", file!(), module_path!()] {
        let (old, new) = forged(name);
        assert!(map.replace(&old, &new) > 0, "{name} does not stand in shared memory");
    }
    // Within a slot the text may begin anywhere: byte by byte, but only in the slots.
    let mut found = 0;
    let flat: Vec<u8> = (map.words() / 2..map.words())
        .flat_map(|at| map.word(at).load(Ordering::Relaxed).to_ne_bytes())
        .collect();
    for (at, eight) in flat.chunks(8).enumerate() {
        if eight.starts_with(b"forged") || eight.ends_with(b"forge") || eight == b"e forged" {
            map.store(map.words() / 2 + at as u64, u64::from_ne_bytes(*b"\x1b[2J\r\xff\0\x07"));
            found += 1;
        }
    }
    say(&format!("forged {found}"));
}

fn parent_of_a_liar(arguments: &[String]) {
    let logger = quiet(&arguments[0]).console(true).init_parent().unwrap();
    let drainer = drainers_of(logger.name())[0];
    // Stopped, it sees the names only when they are forged.
    send(drainer, Signal::STOP);
    wait_until_stopped(drainer);
    let liar = role_command("liar", &[logger.name()]).status().unwrap();
    assert!(liar.success());
    send(drainer, Signal::CONT);
    info!("an honest record");
}

fn names_that_are_written_into_shared_memory_steer_no_terminal_and_forge_no_line() {
    let folder = Folder::new();
    let console = folder.path().join("console");
    let mut command = role_command("parent_of_a_liar", &[folder.text()]);
    command.stdout(File::create(&console).unwrap()).env("NO_COLOR", "1");
    assert!(command.status().unwrap().success());
    let outputs = [fs::read(&console).unwrap(), folder.log_text().into_bytes()];
    for (which, bytes) in outputs.iter().enumerate() {
        let text = std::str::from_utf8(bytes).expect("only valid UTF-8 is written");
        assert!(text.contains("an honest record"), "{text}");
        let harmless = |c: char| c == '\n' || !c.is_control() && !('\u{202a}'..='\u{202e}').contains(&c);
        assert!(text.chars().all(harmless), "output {which}: {text:?}");
        assert!(text.contains("\\x1b]0;x\\x07\\r\\n\\0\\u{202e}"), "output {which}: {text}");
    }
    // One line for each record.
    assert_eq!(folder.log_text().lines().count(), 2, "{}", folder.log_text());
}
