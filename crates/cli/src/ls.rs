//! `shmlog ls`: which rings there are.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use shmlog::observe::{self, ListedRing, Observer, RingState, Snapshot};

use crate::failure::{self, Outcome};
use crate::show::{self, Align, Table, harmless};

/// Lists the rings
///
/// Of each: who owns it, its program, its processes and threads, how old and how full it is, records a second, and what
/// was dropped and lost. Rings whose processes were all killed are marked dead: `shmlog recover` saves what they hold.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  shmlog ls\n  shmlog ls --json | jq '.[] | select(.dropped > 0)'"
)]
pub struct Arguments {
    /// Prints one array of JSON objects
    #[arg(long)]
    json: bool,
    /// How long the rate is counted for
    #[arg(long, value_name = "TIME", default_value = "250ms", value_parser = over)]
    over: Duration,
}

/// Reads a time that makes sense between two looks.
fn over(text: &str) -> Result<Duration, String> {
    show::parse_time_within(text, Duration::from_millis(1)..=Duration::from_secs(60))
}

/// A ring, and what it does; that only where it can be looked at.
struct Row {
    ring: ListedRing,
    seen: Option<(Snapshot, f64)>,
}

/// Does it.
pub fn run(arguments: Arguments) -> Outcome {
    let rows = look(arguments.over);
    let text = match arguments.json {
        true => format!("{:#}\n", Value::Array(rows.iter().map(as_json).collect())),
        false => as_table(&rows),
    };
    failure::print(&text)
}

/// Looks at all rings twice, so long apart, for their rates.
fn look(apart: Duration) -> Vec<Row> {
    let listed = observe::rings().into_iter();
    let observed: Vec<(ListedRing, Option<Observer>)> = listed
        .map(|ring| {
            let can_look = matches!(ring.state, RingState::Live | RingState::Dead);
            let observer = can_look.then(|| Observer::open(&ring.name).ok()).flatten();
            (ring, observer)
        })
        .collect();
    let attempted = |observer: &Option<Observer>| {
        observer
            .as_ref()
            .map_or(0, |observer| observer.stats().attempted)
    };
    let begin = Instant::now();
    let before: Vec<u64> = observed
        .iter()
        .map(|(_, observer)| attempted(observer))
        .collect();
    // Where nothing lives there is no rate to wait for.
    if observed
        .iter()
        .any(|(ring, _)| ring.state == RingState::Live)
    {
        std::thread::sleep(apart);
    }
    let rows = observed
        .into_iter()
        .zip(before)
        .map(|((ring, observer), before)| {
            let seen = observer.map(|observer| {
                let snapshot = observer.snapshot();
                let more = snapshot.stats.attempted.saturating_sub(before) as f64;
                let rate = more / begin.elapsed().as_secs_f64();
                (snapshot, rate)
            });
            Row { ring, seen }
        });
    rows.collect()
}

fn state(ring: &ListedRing) -> &'static str {
    match ring.state {
        RingState::Live => "live",
        RingState::Dead => "dead",
        RingState::Foreign => "foreign",
        _ => "unreadable",
    }
}

fn as_table(rows: &[Row]) -> String {
    if rows.is_empty() {
        return "no rings; `shmlog run -- PROGRAM` starts a program with one\n".to_owned();
    }
    let is_wide = show::columns().is_none_or(|columns| columns >= WIDE);
    let columns: Vec<_> = COLUMNS
        .iter()
        .filter(|column| is_wide || !column.is_for_wide)
        .collect();
    let heads: Vec<_> = columns
        .iter()
        .map(|column| (column.head, column.align))
        .collect();
    let mut table = Table::new(&heads);
    for row in rows {
        table.row(columns.iter().map(|column| (column.cell)(row)).collect());
    }
    let mut text = table.text();
    for Row { ring, .. } in rows {
        if let RingState::Unreadable { why } = &ring.state {
            text += &format!("{}: {}\n", harmless(&ring.name), harmless(why));
        }
    }
    if rows.iter().any(|row| row.ring.state == RingState::Dead) {
        text += "`shmlog recover` saves what the dead ones hold, and removes them\n";
    }
    text
}

/// One column of the table.
struct Column {
    head: &'static str,
    align: Align,
    /// Left out on narrow terminals.
    is_for_wide: bool,
    cell: fn(&Row) -> String,
}

/// Terminals below this many columns are narrow.
const WIDE: usize = 120;

const fn column(
    head: &'static str,
    align: Align,
    is_for_wide: bool,
    cell: fn(&Row) -> String,
) -> Column {
    Column {
        head,
        align,
        is_for_wide,
        cell,
    }
}

const COLUMNS: &[Column] = &[
    column("STATE", Align::Left, false, |row| {
        state(&row.ring).to_owned()
    }),
    column("PROGRAM", Align::Left, false, |row| program(&row.ring)),
    column("OWNER", Align::Left, false, |row| {
        show::user(row.ring.owner)
    }),
    column("PROCS", Align::Right, false, |row| {
        row.seen(|look, _| look.processes.len().to_string())
    }),
    column("THREADS", Align::Right, true, |row| {
        row.seen(|look, _| look.producers.len().to_string())
    }),
    column("AGE", Align::Right, false, |row| {
        row.seen(|look, _| show::age(look.age))
    }),
    column("FILL", Align::Right, false, |row| {
        row.seen(|look, _| format!("{}%", fill(look)))
    }),
    column("RATE", Align::Right, false, |row| {
        row.seen(|_, rate| show::rate(rate))
    }),
    column("DROPPED", Align::Right, false, |row| {
        row.seen(|look, _| show::count(look.stats.dropped))
    }),
    column("LOST", Align::Right, false, |row| {
        row.seen(|look, _| show::count(look.stats.lost))
    }),
    column("MEMORY", Align::Right, true, |row| {
        show::bytes(row.ring.bytes)
    }),
    column("RING", Align::Left, true, |row| row.ring.name.clone()),
];

impl Row {
    /// What can be said of a ring that can be looked at.
    fn seen(&self, say: impl Fn(&Snapshot, f64) -> String) -> String {
        match &self.seen {
            Some((snapshot, rate)) => say(snapshot, *rate),
            None => "-".to_owned(),
        }
    }
}

/// `robot[1234]`
fn program(ring: &ListedRing) -> String {
    match ring.program.is_empty() {
        true => format!("[{}]", ring.pid),
        false => format!("{}[{}]", ring.program, ring.pid),
    }
}

fn fill(snapshot: &Snapshot) -> u64 {
    (100 * snapshot.taken).div_ceil(snapshot.stats.slots.max(1))
}

fn as_json(Row { ring, seen }: &Row) -> Value {
    let mut value = json!({
        "ring": ring.name,
        "state": state(ring),
        "program": ring.program,
        "pid": ring.pid,
        "owner": show::user(ring.owner),
        "uid": ring.owner,
        "bytes": ring.bytes,
    });
    if let RingState::Unreadable { why } = &ring.state {
        value["why"] = json!(why);
    }
    if let Some((snapshot, rate)) = seen {
        let stats = &snapshot.stats;
        let processes = snapshot.processes.iter();
        value["age_s"] = json!(snapshot.age.as_secs_f64());
        value["filter"] = json!(snapshot.filter);
        value["slots"] = json!(stats.slots);
        value["taken"] = json!(snapshot.taken);
        value["high_water"] = json!(stats.high_water);
        value["rate"] = json!(rate);
        value["attempted"] = json!(stats.attempted);
        value["delivered"] = json!(stats.delivered);
        value["dropped"] = json!(stats.dropped);
        value["lost"] = json!(stats.lost);
        value["parked"] = json!(stats.parked);
        value["drainer_restarts"] = json!(stats.drainer_restarts);
        value["sink_errors"] = json!(stats.sink_errors);
        value["threads"] = json!(snapshot.producers.len());
        value["processes"] = processes
            .map(|process| json!({ "pid": process.pid, "name": process.name }))
            .collect();
    }
    value
}
