//! shmlog
#![allow(missing_docs)]
#![allow(dead_code)]

pub mod level;
pub mod record;
pub mod sink;
