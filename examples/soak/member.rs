//! The members: processes of several threads that log until they are told to end, or are made to.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::process::{Signal, set_parent_process_death_signal};
use rustix::thread::gettid;
use shmlog::{Logger, ShmLogger, log};

use crate::book::{Book, Control};
use crate::text::{self, Author, Content, Dice, Form, LOGGER, content};

/// What all threads of a process know.
struct Member {
    seed: u64,
    books: PathBuf,
    control: Control,
    ring: ShmLogger,
    logger: Logger,
}

/// How a thread goes about it.
#[derive(Clone, Copy)]
struct Manner {
    /// Records it writes at most.
    life: u64,
    /// After how many records it looks at the latest whether some were dropped.
    look_every: u64,
    /// Records in a row, at most.
    burst: u64,
    /// Pauses between bursts, at most.
    rest: Duration,
}

fn manner(dice: &mut Dice) -> Manner {
    Manner {
        life: dice.pick(&[300, 3_000, 30_000, 100_000]),
        look_every: dice.pick(&[1, 10, 100, 300]),
        burst: dice.pick(&[3, 30, 300]),
        rest: Duration::from_micros(dice.pick(&[0, 500, 5_000, 20_000])),
    }
}

/// `seed folder nonce short|long`: one process.
pub fn play(arguments: &[String]) -> Result<(), Box<dyn std::error::Error>> {
    let [seed, folder, nonce, span] = arguments else {
        return Err("a member takes four arguments".into());
    };
    // It must not outlive a round that fails. Those made by fork see that its heart stands still.
    set_parent_process_death_signal(Some(Signal::KILL))?;
    let mut dice = Dice::new(seed.parse::<u64>()? ^ nonce.parse::<u64>()?);
    let short = span == "short";
    if short && dice.one_in(8) {
        return Ok(());
    }
    let folder = Path::new(folder);
    text::prepare(seed.parse()?);
    let member = Member {
        seed: seed.parse()?,
        books: folder.join("books"),
        control: Control::open(folder)?,
        ring: ShmLogger::builder().process_name("member").attach()?,
        logger: shmlog::get_logger(LOGGER),
    };
    if short {
        let life = 1 + dice.below(20);
        member.write_records(
            Manner {
                life,
                ..manner(&mut dice)
            },
            &mut dice,
            false,
        );
        return Ok(());
    }
    member.live(&mut dice);
    Ok(())
}

impl Member {
    fn live(&self, dice: &mut Dice) {
        let threads = 1 + dice.below(4);
        let abrupt = dice.one_in(3);
        std::thread::scope(|scope| {
            for _ in 0..threads {
                let mut own = Dice::new(dice.next());
                scope.spawn(move || self.write_records(manner(&mut own), &mut own, false));
            }
            self.write_records(manner(dice), dice, true);
            if abrupt {
                // The others are torn away from whatever they do.
                std::process::exit(0);
            }
        });
    }

    fn write_records(&self, manner: Manner, dice: &mut Dice, may_fork: bool) {
        let author = myself();
        // Without a book of its own nobody could check what it writes.
        let Ok(book) = Book::create(&self.books, author) else {
            return;
        };
        let (mut heart, mut forked, mut dropped) = (Heart::default(), Instant::now(), 0);
        while book.attempted() < manner.life && !book.is_full() && self.goes_on(&mut heart) {
            for _ in 0..1 + dice.below(manner.burst) {
                let content = content(self.seed, author, book.attempted());
                book.count(|number| self.log(number, &content));
                if book.attempted() % manner.look_every == 0 {
                    self.look(&book, author);
                }
            }
            // Mostly they give way to a full ring, or next to nothing but drops would come of it.
            let known = std::mem::replace(&mut dropped, self.look(&book, author));
            if dropped > known && !dice.one_in(8) {
                std::thread::sleep(Duration::from_micros(dice.below(10_000)));
            }
            if may_fork && forked.elapsed() > FORK_EVERY && dice.one_in(8) {
                forked = Instant::now();
                self.fork(dice);
            }
            let rest = manner.rest.as_micros() as u64;
            std::thread::sleep(Duration::from_micros(dice.below(rest + 1)));
        }
    }

    fn log(&self, number: u64, content: &Content) {
        let (level, text) = (content.level, &*content.text);
        match content.form {
            Form::Plain => log!(level, "{number} {text}"),
            Form::Named => log!(logger: self.logger, level, "{number} {text}"),
            Form::Bare => log!(target: format!("n{number}"), level, "{text}"),
        }
    }

    /// Writes down how many the ring says were dropped.
    fn look(&self, book: &Book, author: Author) -> u64 {
        let stats = self.ring.stats();
        let same = |p: &&shmlog::ProducerStats| (p.pid, p.tid) == (author.pid, author.tid);
        let found = stats.producers.iter().find(same);
        found.inspect(|found| book.note_dropped(found.dropped));
        found.map_or(0, |found| found.dropped)
    }

    /// Whether to write on; waits while all are to pause.
    fn goes_on(&self, heart: &mut Heart) -> bool {
        while self.control.is_pause() && heart.beats(&self.control) {
            std::thread::sleep(Duration::from_millis(5));
        }
        heart.beats(&self.control)
    }

    /// Makes a child that writes on with what it was born with, and is not waited for: as long as this process
    /// lives the child's id stays taken, after that the round inherits it.
    #[expect(unsafe_code, reason = "fork is what is to be tried")]
    fn fork(&self, dice: &mut Dice) {
        let seed = dice.next();
        // SAFETY: the child runs code of this program only, allocates through an allocator that expects fork, and
        // takes no lock that another thread may have held: it neither prints nor starts threads.
        let child = unsafe { libc::fork() };
        if child != 0 {
            return;
        }
        let mut dice = Dice::new(seed);
        let life = 1 + dice.below(4_000);
        self.write_records(
            Manner {
                life,
                ..manner(&mut dice)
            },
            &mut dice,
            false,
        );
        // SAFETY: it ends the process, and nothing of it is used after that.
        unsafe { libc::_exit(0) };
    }
}

/// How soon a process forks again.
const FORK_EVERY: Duration = Duration::from_millis(300);
/// How long the round's heart may stand still.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a thread knows of the round's heart.
#[derive(Default)]
struct Heart {
    last: Option<(u64, Instant)>,
}

impl Heart {
    /// Whether the round lives and wants its members to.
    fn beats(&mut self, control: &Control) -> bool {
        let beats = control.beats();
        match self.last {
            Some((last, since)) if last == beats => {
                since.elapsed() < PATIENCE && !control.is_over()
            }
            _ => {
                self.last = Some((beats, Instant::now()));
                !control.is_over()
            }
        }
    }
}

fn myself() -> Author {
    Author {
        pid: std::process::id(),
        tid: gettid().as_raw_pid() as u32,
    }
}
