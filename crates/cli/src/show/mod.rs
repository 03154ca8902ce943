//! Numbers, times, tables, users and foreign texts as people read them; progress and a pager on a terminal.

mod harmless;
mod numbers;
mod pager;
mod progress;
mod screen;
mod table;
mod users;

pub use harmless::harmless;
pub use numbers::{age, bytes, count, parse_time, parse_time_within, percent, rate};
pub use pager::Pager;
pub use progress::{Progress, note_read};
pub use screen::columns;
pub use table::{Align, Table};
pub use users::user;
