//! Numbers, times, tables, users and foreign texts as people read them.

mod harmless;
mod numbers;
mod screen;
mod table;
mod users;

pub use harmless::harmless;
pub use numbers::{age, bytes, count, parse_time, parse_time_within, percent, rate};
pub use screen::columns;
pub use table::{Align, Table};
pub use users::user;
