//! Which levels the program has at all: cargo features leave out the lower ones, as in the crate `log`, whose names of
//! the features these are. `max_level_info` leaves out `debug!` and `trace!`; with `release_` before it, only in builds
//! without debug assertions. Several crates of a program may ask for different ones: of each of the two families the
//! one that leaves out most counts, and without debug assertions any `release_` one goes before all others.

use crate::level::Level;

/// Above all levels.
const OFF: i32 = Level::Critical as i32 + 1;

/// The number of the lowest level that is compiled in.
const LEAST: i32 = match cfg!(debug_assertions) {
    false if cfg!(feature = "release_max_level_off") => OFF,
    false if cfg!(feature = "release_max_level_critical") => Level::Critical as i32,
    false if cfg!(feature = "release_max_level_error") => Level::Error as i32,
    false if cfg!(feature = "release_max_level_warn") => Level::Warn as i32,
    false if cfg!(feature = "release_max_level_info") => Level::Info as i32,
    false if cfg!(feature = "release_max_level_debug") => Level::Debug as i32,
    false if cfg!(feature = "release_max_level_trace") => Level::Trace as i32,
    _ if cfg!(feature = "max_level_off") => OFF,
    _ if cfg!(feature = "max_level_critical") => Level::Critical as i32,
    _ if cfg!(feature = "max_level_error") => Level::Error as i32,
    _ if cfg!(feature = "max_level_warn") => Level::Warn as i32,
    _ if cfg!(feature = "max_level_info") => Level::Info as i32,
    _ if cfg!(feature = "max_level_debug") => Level::Debug as i32,
    _ => Level::Trace as i32,
};

/// Whether log statements of this level are compiled in.
#[inline]
pub const fn is_compiled(level: Level) -> bool {
    level as i32 >= LEAST
}
