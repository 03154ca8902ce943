//! shmlog beside other loggers, all measured by the same method, in one run.
//!
//! ```sh
//! cargo run --release --manifest-path benches/rivals/Cargo.toml
//! ```
//!
//! runs everything and writes `benches/results/`. Behind `--`: `--readme` puts the tables into README and guide too; `--quick`
//! makes a tenth of the calls, once; `--rounds 5`; `--minutes 20` after which dirty runs are kept; `--only NAME,NAME`.
//! `one LOGGER SCENARIO` makes one run in this very process and prints what it found.

#[path = "../../harness/mod.rs"]
mod harness;

mod loggers;
mod one;
mod ours;
mod plots;
mod runner;
mod scenario;
mod table;
mod tools;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["one", logger, scenario, ..] => one::run(logger, scenario),
        ["subscribe", which] => loggers::iceoryx2::subscribe(which),
        _ => runner::run(),
    }
}
