//! Which ring is meant.

use shmlog::nearest::nearest;
use shmlog::observe::{self, ListedRing, Observer, RingState};

use crate::failure::Failure;
use crate::show::{self, harmless};

/// What to do where there is no ring.
const HOW_TO_START: &str =
    "start a program that calls ShmLogger::init_parent(), or any other by `shmlog run -- PROGRAM`";

/// Opens the ring that is meant: by name, the beginning of it, program or process, or the only one that lives.
pub fn choose(asked: Option<&str>) -> Result<Observer, Failure> {
    open(&listed(asked)?)
}

/// The same, if any process of it lives.
pub fn choose_live(asked: Option<&str>) -> Result<Observer, Failure> {
    let ring = listed(asked)?;
    match ring.state {
        RingState::Dead => Err(killed(&ring)),
        _ => open(&ring),
    }
}

/// The same of a word that may also mean something else; `None` if it means no ring.
pub fn find(asked: &str) -> Result<Option<Observer>, Failure> {
    let rings = observe::rings();
    named(&rings, asked)?.map(open).transpose()
}

/// Opens the ring that is meant if it lives; `None` while none does.
pub fn find_live(asked: Option<&str>) -> Result<Option<Observer>, Failure> {
    let rings = observe::rings().into_iter();
    let live: Vec<_> = rings.filter(|ring| ring.state == RingState::Live).collect();
    let ring = match asked {
        Some(asked) => named(&live, asked)?,
        None if live.is_empty() => None,
        None => Some(only(&live)?),
    };
    ring.map(open).transpose()
}

/// Nothing will come, and nothing can be asked for, if all its processes were killed.
pub fn refuse_dead(name: &str) -> Result<(), Failure> {
    let rings = observe::rings();
    let mut dead = rings.iter().filter(|ring| ring.state == RingState::Dead);
    dead.find(|ring| ring.name == name)
        .map_or(Ok(()), |ring| Err(killed(ring)))
}

/// Nothing that is read is the ring's any more if its file was cut off.
pub fn refuse_cut_off(observer: &Observer) -> Result<(), Failure> {
    let name = observer.name();
    match observer.is_cut_off() {
        true => Err(Failure::new(format!(
            "the file of the ring {name} was cut off, by a process of its user: its log ends there; what was delivered before \
             is where the program logs to"
        ))),
        false => Ok(()),
    }
}

fn killed(ring: &ListedRing) -> Failure {
    let (program, name) = (&ring.program, &ring.name);
    Failure::new(format!(
        "all processes of {program} were killed with the ring {name}; `shmlog recover {name}` saves what it holds"
    ))
}

fn open(ring: &ListedRing) -> Result<Observer, Failure> {
    Observer::open(&ring.name).map_err(Failure::from)
}

/// The one that is meant.
pub fn listed(asked: Option<&str>) -> Result<ListedRing, Failure> {
    let rings = observe::rings();
    match asked {
        None => only(&rings).cloned(),
        Some(asked) => named(&rings, asked)?.cloned().ok_or_else(|| {
            let meant = did_you_mean(&rings, asked);
            Failure::new(format!(
                "there is no ring {asked:?}, and none of a program or process of that name{meant}: `shmlog ls` lists those \
                 that there are; {HOW_TO_START}"
            ))
        }),
    }
}

/// The name that is nearest to a mistyped one, if one is near: of a ring, of its program, or of a process of it.
fn did_you_mean(rings: &[ListedRing], asked: &str) -> String {
    let is_usable = |ring: &&ListedRing| matches!(ring.state, RingState::Live | RingState::Dead);
    let rings = || rings.iter().filter(is_usable);
    let of_rings = rings().flat_map(|ring| [ring.program.clone(), ring.name.clone()]);
    let of_processes = rings().flat_map(process_names);
    let names: Vec<String> = of_rings.chain(of_processes).collect();
    // One slip for every three letters.
    let most = (asked.chars().count() / 3).max(1);
    let meant = nearest(asked, names.iter().map(|name| &**name), most);
    meant.map_or(String::new(), |name| {
        format!(" (did you mean {}?)", harmless(name))
    })
}

/// The same, of a word that may also have meant something else.
pub fn advice_on(asked: &str) -> String {
    did_you_mean(&observe::rings(), asked)
}

/// Whether a process of this name or id logs into a ring.
fn has_member(ring: &ListedRing, asked: &str) -> bool {
    let processes = processes(ring);
    let mut processes = processes.iter();
    processes.any(|(name, pid)| name == asked || asked.parse() == Ok(*pid))
}

fn process_names(ring: &ListedRing) -> Vec<String> {
    processes(ring).into_iter().map(|(name, _)| name).collect()
}

/// The names and ids of those that log into a ring, if it lives.
fn processes(ring: &ListedRing) -> Vec<(String, u32)> {
    let can_look = ring.state == RingState::Live;
    let observer = can_look.then(|| Observer::open(&ring.name).ok()).flatten();
    let processes = observer.map(|observer| observer.snapshot().processes);
    let processes = processes.unwrap_or_default().into_iter();
    processes
        .map(|process| (process.name, process.pid))
        .collect()
}

/// The one of this environment, or the only one that lives.
fn only(rings: &[ListedRing]) -> Result<&ListedRing, Failure> {
    let live = || rings.iter().filter(|ring| ring.state == RingState::Live);
    let inherited = std::env::var("SHMLOG_RING").ok();
    if let Some(ring) = live().find(|ring| Some(&ring.name) == inherited.as_ref()) {
        return Ok(ring);
    }
    match (live().next(), live().nth(1)) {
        (Some(ring), None) => Ok(ring),
        (Some(_), Some(_)) => Err(Failure::new(format!(
            "there are several rings; say which:\n{}",
            list(live())
        ))),
        (None, _) => Err(Failure::new(none_lives(rings))),
    }
}

/// Why none can be had.
fn none_lives(rings: &[ListedRing]) -> String {
    let mut text = format!("there is no ring of a running program: {HOW_TO_START}");
    let dead = rings
        .iter()
        .filter(|ring| ring.state == RingState::Dead)
        .count();
    if dead > 0 {
        text += &format!("\n({dead} of killed programs; `shmlog recover` saves what they hold)");
    }
    let others = rings.iter().find(|ring| ring.state == RingState::Foreign);
    if let Some(ring) = others {
        text += &format!(
            "\n({} is {}'s; run this command as that user: `sudo -u {1} shmlog …`)",
            harmless(&ring.name),
            show::user(ring.owner)
        );
    }
    text
}

/// The one that is called so, if there is any.
fn named<'r>(rings: &'r [ListedRing], asked: &str) -> Result<Option<&'r ListedRing>, Failure> {
    let mut all: Vec<&ListedRing> = rings.iter().filter(|ring| is_meant(ring, asked)).collect();
    if all.is_empty() {
        all = rings
            .iter()
            .filter(|ring| has_member(ring, asked))
            .collect();
    }
    let live: Vec<&ListedRing> = all
        .iter()
        .copied()
        .filter(|ring| ring.state == RingState::Live)
        .collect();
    match (&live[..], &all[..]) {
        ([ring], _) | ([], [ring]) => usable(ring).map(Some),
        ([], []) => Ok(None),
        _ => Err(Failure::new(format!(
            "{asked:?} may be one of these; say which by its name:\n{}",
            list(all.iter().copied())
        ))),
    }
}

fn usable(ring: &ListedRing) -> Result<&ListedRing, Failure> {
    let name = harmless(&ring.name);
    match &ring.state {
        RingState::Foreign => {
            let user = show::user(ring.owner);
            Err(Failure::new(format!(
                "the ring {name} is {user}'s, not yours: run this command as that user (`sudo -u {user} shmlog …`)"
            )))
        }
        RingState::Unreadable { why } => Err(Failure::new(harmless(why))),
        _ => Ok(ring),
    }
}

fn list<'r>(rings: impl Iterator<Item = &'r ListedRing>) -> String {
    let lines = rings.map(|ring| {
        let (name, program) = (harmless(&ring.name), harmless(&ring.program));
        format!("  {name}  {program}[{}]", ring.pid)
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Whether `asked` names a ring: by name, the beginning of it, program or process.
pub fn is_meant(ring: &ListedRing, asked: &str) -> bool {
    ring.name == asked
        || ring.program == asked
        || asked.parse() == Ok(ring.pid)
        || (asked.len() > "shmlog-".len() && ring.name.starts_with(asked))
}
