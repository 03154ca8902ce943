//! The numbers of a soak: counted in rounds, told to the main process in lines, added up there.

use std::fmt::Write;

/// What is counted; the names stand in the table at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Figure {
    Attempted,
    Delivered,
    Dropped,
    Lost,
    Late,
    CutOff,
    Bytes,
    Files,
    Processes,
    Threads,
    Shorts,
    Forks,
    Kills,
    Stops,
    StoppedKilled,
    DrainerKills,
    DrainerStops,
    DrainerRestarts,
    DrainerBytes,
    LongestCall,
    Rounds,
}

const NAMES: [&str; 21] = [
    "records attempted",
    "records delivered",
    "records dropped, the ring being full",
    "records lost",
    "records late",
    "records cut off by their writer's death",
    "bytes in log files",
    "log files",
    "processes",
    "threads that logged",
    "of the processes, short-lived",
    "of the processes, made by fork",
    "members killed",
    "members stopped",
    "of these, killed while stopped",
    "drainers killed",
    "drainers stopped",
    "drainer restarts",
    "bytes of memory of a drainer, at most (hostile rounds)",
    "nanoseconds of processor time of a call, at most (hostile rounds)",
    "rounds (rings)",
];

/// Of several rounds the largest counts, and not the sum.
const MAXIMA: [Figure; 2] = [Figure::DrainerBytes, Figure::LongestCall];

/// So many of each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Figures([u64; NAMES.len()]);

impl Figures {
    pub fn get(&self, figure: Figure) -> u64 {
        self.0[figure as usize]
    }

    pub fn add(&mut self, figure: Figure, count: u64) {
        self.0[figure as usize] += count;
    }

    pub fn set(&mut self, figure: Figure, count: u64) {
        self.0[figure as usize] = count;
    }

    pub fn add_all(&mut self, other: &Figures) {
        for (figure, (sum, count)) in self.0.iter_mut().zip(other.0).enumerate() {
            *sum = match MAXIMA.iter().any(|maximum| *maximum as usize == figure) {
                true => count.max(*sum),
                false => *sum + count,
            };
        }
    }

    /// In one line, for [`parse`](Figures::parse).
    pub fn line(&self) -> String {
        self.0.map(|count| count.to_string()).join(" ")
    }

    pub fn parse(line: &str) -> Option<Figures> {
        let counts: Result<Vec<u64>, _> = line.split(' ').map(str::parse).collect();
        counts.ok()?.try_into().ok().map(Figures)
    }

    /// One line for whoever watches.
    pub fn summary(&self) -> String {
        let of = |figure| self.get(figure);
        format!(
            "{} records, {} MiB, {} kills, {} stops, {} drainer restarts, {} late, {} dropped, {} lost",
            of(Figure::Delivered),
            of(Figure::Bytes) >> 20,
            of(Figure::Kills),
            of(Figure::Stops),
            of(Figure::DrainerRestarts),
            of(Figure::Late),
            of(Figure::Dropped),
            of(Figure::Lost),
        )
    }

    pub fn table(&self) -> String {
        let mut table = String::new();
        for (name, count) in NAMES.iter().zip(self.0) {
            // Writing into a String cannot fail.
            _ = writeln!(table, "{count:>14}  {name}");
        }
        table
    }
}

/// What a round tells the main process, a line each.
pub enum News {
    Figures(Figures),
    /// A record that is lost, and why it may be.
    Lost(String),
    /// Something that must not be.
    Difference(String),
    /// The round has come to its end.
    Done,
}

impl News {
    pub fn tell(&self) {
        // A broken pipe means that nobody listens any more: `main` has gone, and the round ends with it.
        match self {
            News::Figures(figures) => println!("figures {}", figures.line()),
            News::Lost(text) => println!("lost {}", text.escape_debug()),
            News::Difference(text) => println!("difference {}", text.escape_debug()),
            News::Done => println!("done"),
        }
    }

    pub fn parse(line: &str) -> Option<News> {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            "figures" => Figures::parse(rest).map(News::Figures),
            "lost" => Some(News::Lost(rest.to_owned())),
            "difference" => Some(News::Difference(rest.to_owned())),
            "done" => Some(News::Done),
            _ => None,
        }
    }
}
