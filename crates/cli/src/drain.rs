//! `shmlog drain`: the drainer as a service.

use std::collections::{HashMap, HashSet};
use std::process::ExitCode;
use std::thread::JoinHandle;
use std::time::Duration;

use shmlog::observe::{self, ListedRing};
use shmlog::sink::SinkSpec;
use shmlog::{DrainError, drain};

use crate::failure::{Failure, Outcome, tell};
use crate::rings;
use crate::show::harmless;

/// How often new rings are looked for.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Drains rings from outside of the program that makes them, for systemd for instance
///
/// Waits for programs of this name that ask for it (by external_drainer(true) in their builder), and writes what they log
/// to where they want it, or to the sinks given here, until they end; then for the next. A drainer is a process of its own,
/// which is started again when it is killed, and goes on when this command is.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  shmlog drain robot\n  shmlog drain robot --sink 'file:/var/log/robot?rotate=daily&keep=30' --sink journald\n\n\
                  As a service: see examples/systemd in the sources."
)]
pub struct Arguments {
    /// The program's name, or one ring's
    name: String,
    /// Where records go, in place of where the program wants them; may be given several times
    #[arg(long = "sink", value_name = "SPEC")]
    sinks: Vec<SinkSpec>,
    /// Ends with the first ring
    #[arg(long)]
    once: bool,
}

/// What drains a ring, and what came of it.
type Draining = JoinHandle<Result<(), DrainError>>;

/// Does it.
pub fn run(arguments: Arguments) -> Outcome {
    // One that has a drainer of its own is said to have one, and not waited for.
    if observe::rings()
        .iter()
        .any(|ring| ring.name == arguments.name && !ring.external_drainer)
    {
        drain(&arguments.name, &arguments.sinks)?;
    }
    let mut draining: HashMap<String, Draining> = HashMap::new();
    let mut given_up = HashSet::new();
    tell(format!("waiting for {}", harmless(&arguments.name)));
    loop {
        for ring in observe::rings() {
            let is_new = !draining.contains_key(&ring.name) && !given_up.contains(&ring.name);
            if is_new && is_meant(&ring, &arguments.name) {
                tell(format!(
                    "draining {} of {}[{}]",
                    ring.name,
                    harmless(&ring.program),
                    ring.pid
                ));
                let (name, sinks) = (ring.name.clone(), arguments.sinks.clone());
                let thread = std::thread::spawn(move || drain(&name, &sinks));
                draining.insert(ring.name, thread);
            }
        }
        let over: Vec<String> = draining
            .iter()
            .filter(|(_, thread)| thread.is_finished())
            .map(|(name, _)| name.clone())
            .collect();
        for name in over {
            match tell_end(&name, draining.remove(&name)) {
                Err(failure) if arguments.once => return Err(failure),
                Ok(()) if arguments.once => return Ok(ExitCode::SUCCESS),
                Ok(()) => {}
                // The other rings are drained all the same.
                Err(failure) => {
                    tell(failure);
                    given_up.insert(name);
                }
            }
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

/// A ring that has gone between two looks was drained by another process.
fn tell_end(name: &str, thread: Option<Draining>) -> Result<(), Failure> {
    match thread.map(JoinHandle::join) {
        Some(Ok(Err(DrainError::NotThere { .. }))) | Some(Ok(Ok(()))) | None => {
            tell(format!("{name} is over"));
            Ok(())
        }
        Some(Ok(Err(error))) => Err(Failure::of(&error)),
        Some(Err(_)) => Err(Failure::new(format!(
            "the ring {name} cannot be drained any more"
        ))),
    }
}

fn is_meant(ring: &ListedRing, name: &str) -> bool {
    ring.external_drainer && rings::is_meant(ring, name)
}
