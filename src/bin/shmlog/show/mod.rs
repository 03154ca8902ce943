//! Numbers, times, tables and users as people read them.

mod numbers;
mod screen;
mod table;
mod users;

pub use numbers::{age, bytes, count, parse_time, parse_time_within, percent, rate};
pub use screen::columns;
pub use table::{Align, Table};
pub use users::user;
