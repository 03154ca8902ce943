//! Watching over the drainer: a thread of the parent waits for its end and, unless its work is done, starts another, which
//! goes on at the ring's head.
//!
//! What a drainer is doing, the supervisor hears over the channel that it gave it, and believes nothing else: the segment's
//! words are any member's to write.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::backoff::Backoff;
use super::config::DrainerConfig;
use super::orders::{Circumstances, Orders};
use super::start::{StartError, start, why_mute};
use super::talk::Talk;
use super::words::Word;
use crate::segment::channel::{Channel, Heard};
use crate::segment::{self, Count, Phase, Segment, guest, process};

/// How long a drainer may take until it reports.
const START_PATIENCE: Duration = Duration::from_secs(10);
/// How often it is asked meanwhile whether it still lives.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// For `exit`, which knows of no logger.
static CURRENT: Mutex<Option<Arc<Line>>> = Mutex::new(None);

/// The parent's side: what it knows of the ring's drainer, and how it tells it to end.
pub(crate) struct Supervisor {
    line: Arc<Line>,
}

impl Supervisor {
    /// Starts the drainer of `segment`, waits until it works, and watches over it from then on.
    pub(crate) fn start(
        segment: &'static Segment,
        config: DrainerConfig,
    ) -> Result<Supervisor, StartError> {
        let line = Arc::new(Line::new(Way::None));
        segment.make_book();
        let mut drainer = line.start(segment, &config).map_err(StartError::Spawn)?;
        if let Err(error) = line.wait_until_running(&mut drainer) {
            drainer.end();
            return Err(match error {
                StartError::Mute => why_mute(segment, &config),
                error => error,
            });
        }
        // Handed over only when the thread is there: else the drainer must be ended here.
        let (hand_over, handed_over) = std::sync::mpsc::sync_channel(1);
        let watched = Arc::clone(&line);
        let thread = in_background(move || {
            if let Ok(drainer) = handed_over.recv() {
                watched.supervise(segment, &config, drainer);
            }
            // [over] Release: pairs with the load in `is_over`.
            watched.over.store(true, Ordering::Release);
        });
        if let Err(error) = thread {
            drainer.end();
            return Err(StartError::Supervisor(error));
        }
        // It holds one without waiting, and the thread is there to take it.
        let _ = hand_over.send(drainer);
        Ok(Supervisor::of(line))
    }

    /// Of a drainer that others start and watch over; it is talked to beside the ring.
    pub(super) fn of_others(line: Arc<Line>) -> Supervisor {
        Supervisor::of(line)
    }

    fn of(line: Arc<Line>) -> Supervisor {
        let mut current = CURRENT.lock().unwrap_or_else(PoisonError::into_inner);
        *current = Some(Arc::clone(&line));
        Supervisor { line }
    }

    /// That of the ring that this process made last.
    pub(crate) fn current() -> Option<Supervisor> {
        let current = CURRENT.lock().unwrap_or_else(PoisonError::into_inner);
        current.clone().map(|line| Supervisor { line })
    }

    /// Asks the drainer to end when all is delivered, and each that may come after it.
    pub(crate) fn ask_to_stop(&self) {
        self.line.link().ask_to_stop();
    }

    /// Whether the drainer has ended for good and left no zombie.
    pub(crate) fn is_over(&self) -> bool {
        // [over] Acquire: what the thread did to end the ring is done.
        self.line.over.load(Ordering::Acquire)
    }

    /// Whether the drainer has delivered all that the parent logged, and stays for others.
    pub(crate) fn has_settled(&self) -> bool {
        self.line.news().is_lingering
    }

    /// Whether the drainer cannot be told anything, since this program has closed the descriptor. It ends with the ring's
    /// members then, and with this process.
    pub(crate) fn is_mute(&self) -> bool {
        self.line.link().is_mute()
    }
}

/// Does something in a thread of its own.
pub(super) fn in_background(act: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let thread = std::thread::Builder::new().name("shmlog-supervisor".to_owned());
    let thread = thread.spawn(move || {
        // They are for the program's own threads.
        process::block_signals();
        guest::leave_realtime();
        act();
    });
    thread.map(drop)
}

/// A drainer that was started.
pub(super) struct Started {
    process: segment::Started,
    begun: Instant,
}

impl Started {
    /// Starts one. Its orders are in the channel before it runs.
    pub(super) fn new(orders: Orders) -> io::Result<(Started, Channel)> {
        let (channel, theirs) = Channel::pair()?;
        let config = orders.config.clone();
        orders.give(&channel)?;
        let process = start(&config, &theirs)?;
        let begun = Instant::now();
        Ok((Started { process, begun }, channel))
    }

    fn has_ended(&mut self) -> bool {
        self.process.has_ended()
    }

    /// Waits for its end, and returns how long it lived.
    pub(super) fn wait(&mut self) -> Duration {
        self.process.wait();
        self.begun.elapsed()
    }

    /// Ends it at once.
    fn end(&mut self) {
        self.process.kill();
        self.process.wait();
    }
}

/// What has been heard of the ring's drainers.
#[derive(Clone, Debug, Default)]
pub(super) struct News {
    /// Of any of them.
    pub(super) has_run: bool,
    pub(super) is_nameless: bool,
    pub(super) is_lingering: bool,
    pub(super) is_done: bool,
    /// Of the present one.
    pub(super) is_running: bool,
    pub(super) has_moved: bool,
    pub(super) failure: Option<String>,
}

impl News {
    pub(super) fn take(&mut self, word: Word) {
        match word {
            Word::Running => (self.is_running, self.has_run) = (true, true),
            Word::Failed(why) => self.failure = Some(why),
            Word::Moved => self.has_moved = true,
            Word::Nameless => self.is_nameless = true,
            Word::Lingering => self.is_lingering = true,
            Word::Done => self.is_done = true,
            // What the other side is to hear.
            Word::Stop => {}
        }
    }

    /// Another drainer is about to come.
    pub(super) fn forget_the_present(&mut self) {
        (self.is_running, self.has_moved, self.failure) = (false, false, None);
    }
}

/// How words reach the drainer, and come from it.
pub(super) enum Way {
    None,
    Channel(Channel),
    Talk(Talk),
}

struct Link {
    way: Way,
    news: News,
    is_stopping: bool,
    /// The present drainer has been told so.
    is_told: bool,
}

impl Link {
    fn ask_to_stop(&mut self) {
        self.is_stopping = true;
        if self.is_told {
            return;
        }
        self.is_told = match &mut self.way {
            Way::None => false,
            // Again later, should its channel be full.
            Way::Channel(channel) => channel.send(Word::Stop.encode().as_bytes(), &[]).is_ok(),
            Way::Talk(talk) => {
                talk.say(&Word::Stop);
                true
            }
        };
    }

    fn is_mute(&self) -> bool {
        matches!(&self.way, Way::Channel(channel) if !channel.is_open())
    }

    /// Hears what there is to be heard. `false` when nothing can come any more.
    fn listen(&mut self) -> bool {
        match &mut self.way {
            Way::None => {}
            Way::Channel(channel) => loop {
                match channel.receive() {
                    Heard::Nothing => break,
                    Heard::Message(message, _) => {
                        if let Some(word) = Word::decode(&message) {
                            self.news.take(word);
                        }
                    }
                    Heard::Over => return false,
                }
            },
            Way::Talk(talk) => talk
                .listen()
                .into_iter()
                .for_each(|word| self.news.take(word)),
        }
        true
    }
}

/// The link to the ring's drainer, of all threads that speak along it.
pub(super) struct Line {
    link: Mutex<Link>,
    /// The drainer's process has been waited for and no other will be started.
    pub(super) over: AtomicBool,
}

impl Line {
    pub(super) fn new(way: Way) -> Line {
        let link = Link {
            way,
            news: News::default(),
            is_stopping: false,
            is_told: false,
        };
        Line {
            link: Mutex::new(link),
            over: AtomicBool::new(false),
        }
    }

    fn link(&self) -> MutexGuard<'_, Link> {
        self.link.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All that has been heard by now.
    pub(super) fn news(&self) -> News {
        let mut link = self.link();
        link.listen();
        link.news.clone()
    }

    /// Starts a drainer, the first or the next.
    fn start(&self, segment: &Segment, config: &DrainerConfig) -> io::Result<Started> {
        let mut link = self.link();
        let circumstances = Circumstances {
            is_first: !link.news.has_run,
            is_stopping: link.is_stopping,
            is_nameless: link.news.is_nameless,
        };
        let orders = Orders {
            config: config.clone(),
            circumstances,
            // Where there is none to be had it goes by the name.
            segment: segment.to_pass_on().ok(),
            book: segment.book_to_pass_on(),
            talk: None,
        };
        let (started, channel) = Started::new(orders)?;
        link.news.forget_the_present();
        (link.way, link.is_told) = (Way::Channel(channel), circumstances.is_stopping);
        Ok(started)
    }

    fn wait_until_running(&self, drainer: &mut Started) -> Result<(), StartError> {
        let begin = Instant::now();
        while begin.elapsed() < START_PATIENCE {
            let mut link = self.link();
            if let Way::Channel(channel) = &link.way {
                channel.wait(LOOK_EVERY);
            }
            // Before the last look at what it said.
            let has_ended = drainer.has_ended();
            let may_say_more = link.listen();
            if link.news.is_running {
                return Ok(());
            }
            if let Some(why) = link.news.failure.take() {
                return Err(StartError::Sink(why));
            }
            if has_ended {
                break;
            }
            if !may_say_more {
                std::thread::sleep(LOOK_EVERY);
            }
        }
        Err(StartError::Mute)
    }

    /// Waits until a drainer works or has ended, and complains of what it cannot do meanwhile.
    fn hear_of_start(&self, drainer: &mut Started, complaint: &mut Complaint) {
        while !drainer.has_ended() {
            let mut link = self.link();
            let may_say_more = link.listen();
            if link.news.is_running || link.news.is_done {
                return;
            }
            if let Some(why) = link.news.failure.take() {
                complaint.make(&why);
            }
            match &link.way {
                Way::Channel(channel) if may_say_more => channel.wait(LOOK_EVERY),
                _ => {
                    drop(link);
                    std::thread::sleep(LOOK_EVERY);
                }
            }
        }
    }

    /// Waits for the drainer's end, again and again, until its work is done.
    fn supervise(&self, segment: &'static Segment, config: &DrainerConfig, mut drainer: Started) {
        let mut backoff = Backoff::new();
        let mut complaint = Complaint::default();
        loop {
            self.hear_of_start(&mut drainer, &mut complaint);
            let mut lived = drainer.wait();
            let mut news = self.news();
            if news.is_done {
                return end_of_ring(segment);
            }
            if news.is_running {
                complaint = Complaint::default();
            } else {
                let mute = || process::did_not_become("a drainer");
                complaint.make(&news.failure.take().unwrap_or_else(mute));
            }
            let mut is_counted = false;
            drainer = loop {
                std::thread::sleep(backoff.after(lived, news.has_moved));
                // Before it works, so that what it delivers is never seen without it. Where the ring is cut off its words
                // are not to be touched.
                if !std::mem::replace(&mut is_counted, true) && !segment.is_cut_off() {
                    let restarts = segment.count(Count::Restarts);
                    // A number for people: nothing is ordered by it.
                    restarts.fetch_add(1, Ordering::Relaxed);
                }
                match self.start(segment, config) {
                    Ok(next) => break next,
                    Err(error) => complaint.make(&StartError::Spawn(error).to_string()),
                }
                (lived, news.has_moved) = (Duration::ZERO, false);
            };
        }
    }
}

/// The drainer has done all but what it may have been killed before: taking the name away.
pub(super) fn end_of_ring(segment: &Segment) {
    segment.remove();
    if !segment.is_cut_off() {
        segment.set_phase(Phase::Done);
    }
    segment.close();
}

/// Says on standard error that there is no drainer: once, until one works again. In the log it cannot be said.
#[derive(Default)]
struct Complaint {
    is_made: bool,
}

impl Complaint {
    fn make(&mut self, why: &str) {
        if !std::mem::replace(&mut self.is_made, true) {
            eprintln!(
                "shmlog: the log waits: its drainer has ended and no other one works; it is tried again and again: {why}"
            );
        }
    }
}
