//! A round with a hostile member: it has the ring mapped and writes over it at full speed, while honest members log, the
//! drainer is killed now and then, and everybody is measured.
//!
//! What is asked of the engine then is less than in other rounds, since a member can spoil the slots that it writes over. But
//! nobody may crash or hang, no call may take longer than its bound, the drainer's memory and processor time stay bounded, and
//! when the hostile member has ended the ring works as before, and ends without leaving anything behind.

use std::error::Error;
use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use memmap2::MmapRaw;
use rustix::process::{Signal, set_parent_process_death_signal};
use rustix::time::{ClockId, clock_gettime};
use shmlog::{Level, OnFull, ShmLogger, info};

use crate::chaos::{drainers_of, signal_drainer};
use crate::figures::{Figure, Figures, News};
use crate::round::look_for_remains;
use crate::text::Dice;

/// The drainer's memory above its queues.
const MOST_MEMORY: u64 = 128 << 20;
/// What the sinks of a round may hold, by `queue_bytes`.
const QUEUES: u64 = 16 << 20;
/// The processor time of a call that may take 100 µs beyond its copy, on a machine where a tick is charged to whoever runs.
const MOST_OF_A_CALL: Duration = Duration::from_millis(20);
/// How long the ring may take to work again, or to end.
const PATIENCE: Duration = Duration::from_secs(60);
/// Part of a core that a drainer may take while there is nothing to do.
const MOST_IDLE: f64 = 0.10;
const HONEST: usize = 2;
/// Laps of the ring that the member fills which comes when all is over, before what it says must be in the log: a state word may
/// have been damaged into one that is possible, that of two laps ahead, and its slot is of no use until then.
const LAPS: u64 = 3;
/// Records of that member which must be there.
const LAST: u64 = 100;

/// `seed seconds folder`: plays a round and tells how it went.
pub fn play(arguments: &[String]) -> Result<(), Box<dyn Error>> {
    let [seed, seconds, folder] = arguments else {
        return Err("a hostile round takes three arguments".into());
    };
    set_parent_process_death_signal(Some(Signal::KILL))?;
    let mut round = Round {
        dice: Dice::new(seed.parse()?),
        figures: Figures::default(),
        differences: Vec::new(),
    };
    round.rage(Path::new(folder), Duration::from_secs(seconds.parse()?))?;
    for text in &round.differences {
        News::Difference(text.clone()).tell();
    }
    round.figures.set(Figure::Rounds, 1);
    News::Figures(round.figures).tell();
    News::Done.tell();
    Ok(())
}

struct Round {
    dice: Dice,
    figures: Figures,
    differences: Vec<String>,
}

impl Round {
    fn rage(&mut self, folder: &Path, time: Duration) -> Result<(), Box<dyn Error>> {
        let logger = ShmLogger::builder()
            .level(Level::Trace)
            .console(false)
            .file(true)
            .file_path(folder.join("logs"))
            .max_file_size(4 << 20)
            .backup_count(2)
            .slots(self.dice.pick(&[256, 4096, 1 << 16]))
            .queue_bytes(QUEUES as usize)
            .on_full(OnFull::Drop)
            .process_name("round")
            .recover(false)
            .init_parent()?;
        let ring = logger.name().to_owned();
        let mut honest = Vec::new();
        for number in 0..HONEST {
            honest.push(Played::start("honest", &[&number.to_string()])?);
        }
        let begin = Instant::now();
        while begin.elapsed() < time && self.differences.is_empty() {
            self.attack(&ring)?;
        }
        for played in honest {
            self.hear_of_calls(played)?;
        }
        self.look_at_rest(&ring);
        let last = Played::start("last", &[])?;
        let words = last.finish(PATIENCE);
        if words.as_deref() != Ok("logged") {
            self.differ(format!("a member that came after the attack: {words:?}"));
        }
        // The ring's own number of restarts is not taken: the hostile member has written there.
        let begin = Instant::now();
        drop(logger);
        if begin.elapsed() > PATIENCE {
            self.differ(format!("the ring took {:?} to end", begin.elapsed()));
        }
        look_for_remains(&ring, &mut self.differences)?;
        self.look_into_files(&folder.join("logs"))
    }

    /// A hostile member for a second or two; the drainer is killed in between, or not, and looked at.
    fn attack(&mut self, ring: &str) -> Result<(), Box<dyn Error>> {
        let seed = self.dice.next().to_string();
        let mut hostile = Played::start("hostile", &[ring, &seed])?;
        self.figures.add(Figure::Processes, 1);
        let until = Instant::now() + Duration::from_millis(500 + self.dice.below(1500));
        while Instant::now() < until {
            for drainer in drainers_of(ring) {
                self.look_at_memory(drainer);
                if self.dice.one_in(40) && signal_drainer(ring, drainer, Signal::KILL) {
                    self.figures.add(Figure::DrainerKills, 1);
                }
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        hostile.child.kill()?;
        hostile.child.wait()?;
        self.figures.add(Figure::Kills, 1);
        News::Figures(self.figures.clone()).tell();
        Ok(())
    }

    fn look_at_memory(&mut self, drainer: u32) {
        let status = fs::read_to_string(format!("/proc/{drainer}/status")).unwrap_or_default();
        // Without the ring itself, which is shared memory.
        let anonymous = status
            .lines()
            .find_map(|line| line.strip_prefix("RssAnon:"));
        let kib =
            anonymous.and_then(|text| text.trim().trim_end_matches(" kB").parse::<u64>().ok());
        let bytes = kib.unwrap_or(0) << 10;
        let before = self.figures.get(Figure::DrainerBytes);
        self.figures.set(Figure::DrainerBytes, before.max(bytes));
        if bytes > MOST_MEMORY + QUEUES {
            self.differ(format!("the drainer {drainer} has {bytes} bytes of memory"));
        }
    }

    fn hear_of_calls(&mut self, played: Played) -> Result<(), Box<dyn Error>> {
        let words = played.finish(PATIENCE)?;
        let (calls, longest) = words
            .split_once(' ')
            .ok_or("an honest member said nothing")?;
        let longest = Duration::from_nanos(longest.parse()?);
        self.figures.add(Figure::Attempted, calls.parse()?);
        let before = self.figures.get(Figure::LongestCall);
        let longest_ns = longest.as_nanos() as u64;
        self.figures
            .set(Figure::LongestCall, before.max(longest_ns));
        if longest > MOST_OF_A_CALL {
            self.differ(format!("a call took {longest:?} of processor time"));
        }
        Ok(())
    }

    /// With nobody there who logs, the drainer rests.
    fn look_at_rest(&mut self, ring: &str) {
        std::thread::sleep(Duration::from_secs(2));
        let Some(drainer) = drainers_of(ring).pop() else {
            return self.differ("there is no drainer any more".to_owned());
        };
        let (begin, before) = (Instant::now(), processor_time(drainer));
        std::thread::sleep(Duration::from_secs(2));
        let share = processor_time(drainer).saturating_sub(before).as_secs_f64()
            / begin.elapsed().as_secs_f64();
        if share > MOST_IDLE {
            self.differ(format!(
                "a drainer with nothing to do takes {share:.2} of a core"
            ));
        }
    }

    fn look_into_files(&mut self, folder: &Path) -> Result<(), Box<dyn Error>> {
        let mut text = String::new();
        for entry in fs::read_dir(folder)? {
            let mut bytes = Vec::new();
            File::open(entry?.path())?.read_to_end(&mut bytes)?;
            text += std::str::from_utf8(&bytes).map_err(|_| "a log file is not UTF-8")?;
        }
        for number in 0..LAST {
            if !text.contains(&format!("the last member says {number}.")) {
                self.differ(format!("record {number} of the last member is missing"));
            }
        }
        Ok(())
    }

    fn differ(&mut self, text: String) {
        self.differences.push(text);
    }
}

/// What a process has taken of all processors.
fn processor_time(pid: u32) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let behind_name = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
    let ticks = |at: usize| behind_name.split(' ').nth(at)?.parse::<u64>().ok();
    let both = ticks(11).unwrap_or(0) + ticks(12).unwrap_or(0);
    Duration::from_millis(both * 1_000 / rustix::param::clock_ticks_per_second())
}

/// A process of this round's, that says a line at its end.
struct Played {
    child: Child,
    out: BufReader<ChildStdout>,
}

impl Played {
    fn start(role: &str, arguments: &[&str]) -> std::io::Result<Played> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg(role)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let out = child.stdout.take().map(BufReader::new);
        let out = out.ok_or_else(|| std::io::Error::other("no pipe"))?;
        Ok(Played { child, out })
    }

    /// Has it end, and returns its last line. One that does not end is killed.
    fn finish(mut self, patience: Duration) -> Result<String, String> {
        drop(self.child.stdin.take());
        let begin = Instant::now();
        let status = loop {
            match self.child.try_wait() {
                Ok(Some(status)) => break status,
                _ if begin.elapsed() > patience => {
                    let _ = self.child.kill();
                    let _ = self.child.wait();
                    return Err("it hung".to_owned());
                }
                _ => std::thread::sleep(Duration::from_millis(5)),
            }
        };
        let mut line = String::new();
        let _ = self.out.read_line(&mut line);
        match status.success() {
            true => Ok(line.trim().to_owned()),
            false => Err(format!("it ended with {status}")),
        }
    }
}

/// Logs until its standard input is closed; says how many calls there were, and the processor time of the longest in
/// nanoseconds.
pub fn play_honest(arguments: &[String]) -> Result<(), Box<dyn Error>> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    let name = arguments.first().ok_or("an honest member takes a number")?;
    let _logger = attach()?;
    let over = std::thread::spawn(|| std::io::stdin().read_to_end(&mut Vec::new()));
    let long = "long ".repeat(1000);
    let (mut calls, mut longest) = (0_u64, 0_u64);
    while !over.is_finished() {
        for number in 0..100 {
            let begin = own_time();
            match number {
                0 => info!("{name} {number} {long}"),
                _ => info!("{name} {number}"),
            }
            longest = longest.max(own_time() - begin);
            calls += 1;
        }
        std::thread::sleep(Duration::from_micros(500));
    }
    println!("{calls} {longest}");
    Ok(())
}

/// Processor time of this thread, in nanoseconds.
fn own_time() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// Attaches, as soon as the drainer has mended what a member has written over the header.
fn attach() -> Result<ShmLogger, Box<dyn Error>> {
    let begin = Instant::now();
    loop {
        match ShmLogger::attach() {
            Ok(logger) => return Ok(logger),
            Err(_) if begin.elapsed() < PATIENCE / 2 => {
                std::thread::sleep(Duration::from_millis(20))
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// Attaches when all is over, and logs.
pub fn play_last(_: &[String]) -> Result<(), Box<dyn Error>> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    let logger = attach()?;
    for number in 0..LAPS * logger.stats().slots {
        info!("on the way");
        if number % 64 == 0 {
            logger.flush(Duration::from_secs(10))?;
        }
    }
    for number in 0..LAST {
        info!("the last member says {number}.");
        logger.flush(Duration::from_secs(10))?;
    }
    println!("logged");
    Ok(())
}

const PAGE: u64 = 512;

/// `ring seed`: writes over the ring until it is killed, in the way that the seed says.
pub fn play_hostile(arguments: &[String]) -> Result<(), Box<dyn Error>> {
    let [ring, seed] = arguments else {
        return Err("a hostile member takes two arguments".into());
    };
    set_parent_process_death_signal(Some(Signal::KILL))?;
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .open(format!("/dev/shm/{ring}"))?;
    let map = MmapRaw::map_raw(&file)?;
    let words = Words { map: &map };
    let mut dice = Dice::new(seed.parse()?);
    // An honest member too, now and then, so that there are entries of its own.
    let _logger = dice.one_in(2).then(ShmLogger::attach);
    let way = dice.below(9);
    std::io::stdout().write_all(format!("{way}\n").as_bytes())?;
    loop {
        words.spoil(way, &mut dice);
    }
}

struct Words<'m> {
    map: &'m MmapRaw,
}

impl Words<'_> {
    fn count(&self) -> u64 {
        self.map.len() as u64 / 8
    }

    #[expect(
        unsafe_code,
        reason = "a hostile member writes where nothing of the library would"
    )]
    fn word(&self, index: u64) -> &AtomicU64 {
        assert!(index < self.count());
        // SAFETY: the word lies within the mapping, by the assertion.
        let word = unsafe { self.map.as_mut_ptr().cast::<u64>().add(index as usize) };
        // SAFETY: the mapping begins at a page and outlives `self`; all who map it access it through atomics.
        unsafe { AtomicU64::from_ptr(word) }
    }

    fn store(&self, index: u64, value: u64) {
        // Nothing is to be ordered by it.
        self.word(index).store(value, Ordering::Relaxed);
    }

    /// Some more of it.
    fn spoil(&self, way: u64, dice: &mut Dice) {
        let anywhere = |dice: &mut Dice| dice.below(self.count());
        let header = |dice: &mut Dice| dice.below(PAGE.min(self.count()));
        match way {
            0 => self.store(anywhere(dice), dice.next()),
            1 => self.store(anywhere(dice), dice.below(1000)),
            2 => self.store(header(dice), dice.next()),
            // Words that decide hold small numbers.
            3 => self.store(header(dice), dice.below(8)),
            4 => self.store(header(dice), [0, u64::MAX][dice.below(2) as usize]),
            5 => {
                let bit = 1 << dice.below(64);
                self.word(anywhere(dice)).fetch_xor(bit, Ordering::Relaxed);
            }
            // What stands elsewhere is plausible here.
            6 => {
                let from = self.word(anywhere(dice)).load(Ordering::Relaxed);
                self.store(anywhere(dice), from);
            }
            7 => {
                let page = dice.below(self.count() / PAGE) * PAGE;
                let value = [0, u64::MAX, dice.next()][dice.below(3) as usize];
                (page..page + PAGE).for_each(|at| self.store(at, value));
            }
            // The registry and the tables, before the slots.
            _ => self.store(
                dice.below(self.count() / 2),
                dice.pick(&[0, 1, 2, 3, 1 << 32, u64::MAX]),
            ),
        }
    }
}
