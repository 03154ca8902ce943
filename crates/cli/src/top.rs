//! `shmlog top`: shows live what a ring is doing.
//!
//! | file | what it is for |
//! |---|---|
//! | `sample.rs` | what is kept of one look at a ring, its texts made harmless |
//! | `model.rs` | what two looks, one after the other, say together: rates and shares |
//! | `history.rs` | the rates of the last minutes, for the graphs |
//! | `app.rs` | what the screen is at: panel, order, row filter, what is being typed |
//! | `keys.rs` | what each key does to that |
//! | `line.rs` | a line that is being typed |
//! | `last.rs` | the last record of a row |
//! | `watch.rs` | the ring that is watched: its end, its successor |
//! | `screen.rs` | the terminal, and that it is never left broken |
//! | `view/` | the drawing, a file a panel |

mod app;
mod history;
mod keys;
mod last;
mod line;
mod model;
mod sample;
mod screen;
mod view;
mod watch;

use std::io::IsTerminal;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use ratatui::crossterm::event::{self, Event};

use self::app::App;
use self::keys::Wish;
use self::screen::Screen;
use self::watch::Watch;
use crate::failure::{self, Failure, Outcome};
use crate::show;

/// Shows live what a ring is doing
///
/// Records a second and how full the ring is, the threads that log, the log statements by rate ("who floods the log?"),
/// and the sinks with what waits for them. It only reads: the ring does not know of it, until you change its filter
/// (key f). Key ? lists the keys.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  shmlog top                        the only ring
  shmlog top robot -i 2s            that of the program robot
  shmlog top robot --once | grep imu")]
pub struct Arguments {
    /// The ring: its name, its program or its process; may be left out if only one lives
    ring: Option<String>,
    /// How often it looks; rates are counted over two seconds, or over this if it is longer
    #[arg(short, long, value_name = "TIME", default_value = "500ms", value_parser = interval)]
    interval: Duration,
    /// Prints one screen of text, with all rows, and ends; needs no terminal
    #[arg(long)]
    once: bool,
}

/// Rates over less would be noise.
const LEAST: Duration = Duration::from_millis(20);
const MOST: Duration = Duration::from_secs(3600);
/// Signals and the end of a ring are looked for at least so often.
const PATIENCE: Duration = Duration::from_millis(200);
/// Columns of `--once`, where there is no terminal.
const COLUMNS: u16 = 160;

/// Reads a time that makes sense between two looks.
fn interval(text: &str) -> Result<Duration, String> {
    show::parse_time_within(text, LEAST..=MOST)
}

/// Does it.
pub fn run(arguments: Arguments) -> Outcome {
    let is_terminal = std::io::stdout().is_terminal();
    if !arguments.once && !is_terminal {
        return Err(Failure::new(
            "top draws on a terminal, and standard output is none; --once prints one screen of text",
        ));
    }
    let mut watch = Watch::choose(arguments.ring.as_deref())?;
    match arguments.once {
        true => once(&mut watch, arguments.interval),
        false => live(watch, arguments.interval),
    }
}

/// Prints one screen.
fn once(watch: &mut Watch, interval: Duration) -> Outcome {
    let mut app = App::default();
    watch.look(&mut app)?;
    std::thread::sleep(interval);
    watch.look(&mut app)?;
    if app.life.is_over() {
        let name = watch.name();
        return Err(Failure::new(format!(
            "the ring {name} ended while it was looked at; shmlog ls lists those that live"
        )));
    }
    let columns = show::columns().and_then(|columns| u16::try_from(columns).ok());
    let text = view::text(&mut app, columns.unwrap_or(COLUMNS));
    failure::print(&text)
}

/// Draws until a key or a signal ends it.
fn live(mut watch: Watch, interval: Duration) -> Outcome {
    let mut app = App::default();
    let mut screen = Screen::open()?;
    let mut next = Instant::now();
    let mut is_stale = true;
    loop {
        if let Some(signal) = screen.signal() {
            drop(screen);
            return screen::end_by(signal);
        }
        let now = Instant::now();
        if now >= next {
            next = now + interval;
            if !app.is_paused {
                watch.look(&mut app)?;
                is_stale = true;
            }
        }
        if std::mem::take(&mut is_stale) {
            screen.draw(|frame| view::draw(frame, &mut app))?;
        }
        if !event::poll((next - now).min(PATIENCE))? {
            continue;
        }
        is_stale = true;
        let wish = match event::read()? {
            Event::Key(key) => keys::press(&mut app, key),
            _ => Wish::Nothing,
        };
        match wish {
            Wish::Nothing => {}
            Wish::Quit => return Ok(ExitCode::SUCCESS),
            Wish::SetFilter(directives) => watch.set_filter(&mut app, &directives),
            Wish::Detail(row) => watch.show_detail(&mut app, &row),
            Wish::Switch => {
                watch.switch(&mut app);
                next = Instant::now();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_is_a_number_with_a_unit_within_bounds() {
        assert_eq!(interval("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(interval("1.5s"), Ok(Duration::from_millis(1500)));
        assert_eq!(interval("1h"), Ok(Duration::from_secs(3600)));
        for wrong in ["", "s", "-1s", "2h", "0ms", "19ms", "5 s"] {
            assert!(interval(wrong).is_err(), "{wrong}");
        }
    }
}
