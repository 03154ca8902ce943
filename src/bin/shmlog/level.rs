//! `shmlog level`: what is recorded.

use crate::directives;
use crate::failure::{self, Outcome};
use crate::rings;
use crate::show::harmless;

/// Shows or changes what is recorded, in all processes of a ring at once
///
/// Directives are those of env_logger: a level for all targets, and target=level for those that begin so. A change counts
/// from the next log call on, in every process, and the log says that it was made.
#[derive(Debug, clap::Args)]
#[command(
    override_usage = "shmlog level [RING] [DIRECTIVES]",
    after_help = "Examples:\n  shmlog level                          shows what is recorded now\n  \
                  shmlog level warn,imu=debug,can::bus=off\n  shmlog level robot info               of the ring of the program robot"
)]
pub struct Arguments {
    /// [RING] [DIRECTIVES]: one alone is taken for directives if it is a level or has `=` or `,` in it, else for a ring
    #[arg(num_args = 0..=2, value_name = "RING or DIRECTIVES")]
    words: Vec<String>,
}

/// Does it.
pub fn run(arguments: Arguments) -> Outcome {
    let (ring, directives) = match &arguments.words[..] {
        [] => (None, None),
        [one] if is_ring(one) => (Some(&**one), None),
        [directives] => (None, Some(&**directives)),
        [ring, directives, ..] => (Some(&**ring), Some(&**directives)),
    };
    let observer = rings::choose_live(ring)?;
    let before = harmless(&observer.filter());
    let text = match directives {
        None => format!("{before}\n"),
        Some(directives) => {
            directives::set(&observer, directives)?;
            format!(
                "{}: {} (before: {before})\n",
                observer.name(),
                harmless(&observer.filter())
            )
        }
    };
    failure::print(&text)
}

/// Whether a word alone means a ring. A target alone is a directive too, but who writes one rather means a ring that has
/// gone: so directives alone are a level, or have `=` or `,` in them.
fn is_ring(word: &str) -> bool {
    !directives::is_level(word) && !word.contains(['=', ','])
}
