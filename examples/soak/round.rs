//! A round: one ring of settings by dice, chaos for a while, and the reckoning. A process of its own, so that what a
//! ring leaves in its parent does not pile up.

use std::error::Error;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, set_child_subreaper, set_parent_process_death_signal};
use shmlog::{Level, OnFull, ShmLogger, Stats};

use crate::book::Control;
use crate::chaos::{Chaos, drainers_of};
use crate::checker::{self, Shared};
use crate::figures::{Figure, Figures, News};
use crate::reader::Reader;
use crate::reckoning::reckon;
use crate::text::Dice;

/// How long the ring may take to settle once all is quiet.
const PATIENCE: Duration = Duration::from_secs(60);
/// When members pause: so many bytes are not checked yet.
const TOO_FAR_BEHIND: u64 = 64 << 20;

/// What a round's ring is like.
#[derive(Debug)]
struct Settings {
    slots: u64,
    slot_size: u64,
    on_full: OnFull,
    max_file_size: u64,
    stall_timeout: Duration,
}

impl Settings {
    fn by(dice: &mut Dice) -> Settings {
        let patient = OnFull::Block(Duration::from_secs(60));
        let hasty = OnFull::Block(Duration::from_millis(3));
        Settings {
            slots: dice.pick(&[64, 512, 4096, 1 << 14]),
            slot_size: dice.pick(&[64, 128, 256]),
            on_full: dice.pick(&[patient, OnFull::Drop, OnFull::Drop, hasty]),
            max_file_size: dice.pick(&[20_000, 200_000, 4 << 20]),
            stall_timeout: Duration::from_millis(dice.pick(&[10, 40, 100])),
        }
    }

    fn make_ring(&self, folder: &Path) -> Result<ShmLogger, Box<dyn Error>> {
        let builder = ShmLogger::builder()
            .level(Level::Trace)
            .console(false)
            .file(true)
            .file_path(folder.join("logs"))
            // The checker deletes them.
            .backup_count(1_000_000)
            .max_file_size(self.max_file_size)
            .slots(self.slots)
            .slot_size(self.slot_size)
            .on_full(self.on_full)
            .stall_timeout(self.stall_timeout)
            .max_producers(512)
            .process_name("round")
            .recover(false);
        Ok(builder.init_parent()?)
    }
}

/// `seed seconds folder`: plays a round and tells how it went.
pub fn play(arguments: &[String]) -> Result<(), Box<dyn Error>> {
    let [seed, seconds, folder] = arguments else {
        return Err("a round takes three arguments".into());
    };
    set_parent_process_death_signal(Some(Signal::KILL))?;
    // Children of members that have ended become ours.
    set_child_subreaper(Pid::from_raw(1))?;
    let (seed, folder) = (seed.parse()?, Path::new(folder));
    let end = Instant::now() + Duration::from_secs(seconds.parse()?);
    fs::create_dir(folder.join("books"))?;
    fs::create_dir(folder.join("logs"))?;
    let settings = Settings::by(&mut Dice::new(seed));
    let shared = Shared::default();
    let reader = std::thread::scope(|scope| {
        let logs = folder.join("logs");
        let shared = &shared;
        let checker = scope.spawn(move || checker::check(&logs, seed, shared));
        let ring = rage(seed, &settings, folder, end, shared);
        shared.finish.store(true, Ordering::SeqCst);
        let reader = checker.join().map_err(|_| "the checker panicked")?;
        Ok::<_, Box<dyn Error>>((reader?, ring?))
    });
    let (mut reader, (chaos, stats)) = reader?;
    let restarts = stats.drainer_restarts;
    if restarts > chaos.figures.get(Figure::DrainerKills) {
        reader.differ(format!(
            "{restarts} drainer restarts, more than were killed"
        ));
    }
    let lost = reckon(&mut reader, &folder.join("books"), &stats, &chaos.ends)?;
    tell(&settings, reader, &chaos, restarts, &lost);
    Ok(())
}

/// The ring's life, from its making to its end.
fn rage(
    seed: u64,
    settings: &Settings,
    folder: &Path,
    end: Instant,
    shared: &Shared,
) -> Result<(Chaos, Stats), Box<dyn Error>> {
    let control = Control::create(folder)?;
    let logger = settings.make_ring(folder)?;
    let mut chaos = Chaos::new(seed, folder, logger.name(), settings.stall_timeout);
    let mut told = Instant::now();
    while Instant::now() < end && !shared.failed.load(Ordering::SeqCst) {
        control.beat();
        control.say_pause(shared.behind.load(Ordering::SeqCst) > TOO_FAR_BEHIND);
        chaos.turn()?;
        if told.elapsed() > Duration::from_secs(1) {
            told = Instant::now();
            let restarts = logger.stats().drainer_restarts;
            News::Figures(figures_now(&chaos, shared, restarts)).tell();
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    control.say_over();
    chaos.calm_down()?;
    chaos.wait_for_all(PATIENCE * 2)?;
    let stats = settle(&logger, &mut chaos);
    let ring = logger.name().to_owned();
    leave(logger, &mut chaos);
    look_for_remains(&ring, &mut chaos.differences)?;
    Ok((chaos, stats))
}

/// Ends the ring; once in a while its drainer is killed while it does its last.
fn leave(logger: ShmLogger, chaos: &mut Chaos) {
    std::thread::scope(|scope| {
        scope.spawn(|| chaos.kill_drainer_at_the_end());
        drop(logger);
    });
}

/// Waits until all that was logged is delivered and the accounts of all authors are closed.
fn settle(logger: &ShmLogger, chaos: &mut Chaos) -> Stats {
    if let Err(error) = logger.flush(PATIENCE) {
        chaos.differences.push(error.to_string());
    }
    let begin = Instant::now();
    loop {
        let stats = logger.stats();
        if stats.producers.is_empty() && stats.parked == 0 {
            return stats;
        }
        if begin.elapsed() > PATIENCE {
            chaos
                .differences
                .push(format!("accounts stay open: {stats:?}"));
            return stats;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Neither a drainer nor shared memory may remain.
pub fn look_for_remains(ring: &str, differences: &mut Vec<String>) -> io::Result<()> {
    for drainer in drainers_of(ring) {
        differences.push(format!("drainer {drainer} remains"));
    }
    for entry in fs::read_dir("/dev/shm")? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name.split('.').next() == Some(ring) {
            differences.push(format!("{name} remains in shared memory"));
        }
    }
    Ok(())
}

fn figures_now(chaos: &Chaos, shared: &Shared, restarts: u64) -> Figures {
    let mut figures = chaos.figures.clone();
    if let Ok(read) = shared.figures.lock() {
        figures.add_all(&read);
    }
    figures.set(Figure::DrainerRestarts, restarts);
    figures
}

fn tell(settings: &Settings, mut reader: Reader, chaos: &Chaos, restarts: u64, lost: &[News]) {
    lost.iter().for_each(News::tell);
    let untold = reader.untold();
    reader.differences.extend_from_slice(&chaos.differences);
    for text in &reader.differences {
        News::Difference(text.clone()).tell();
    }
    if untold > 0 {
        News::Difference(format!("and {untold} more")).tell();
    }
    if !reader.differences.is_empty() {
        News::Difference(format!("the ring was made with {settings:?}")).tell();
    }
    let mut figures = chaos.figures.clone();
    figures.add_all(&reader.figures);
    figures.set(Figure::DrainerRestarts, restarts);
    figures.set(Figure::Rounds, 1);
    News::Figures(figures).tell();
    News::Done.tell();
}
