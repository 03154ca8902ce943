//! The drainer: a process of its own that reads the ring in sequence order and hands records to the sinks.
//!
//! [`start`] makes it, [`supervisor`] watches over it from the parent, [`config`] is what it is told and [`orders`] how,
//! [`words`] are what the two say to each other later ([`mod@parent`] is the drainer's side), [`members`] knows who is alive,
//! [`assemble`] joins long records, [`delivery`] turns runs into records, [`sinks`] opens what takes those, [`outlets`] is all of them at work,
//! [`blame`] remembers of which of them a drainer died, and
//! [`work`] is its loop. [`mod@recover`] does the work of a drainer for a ring whose processes are all dead.
//! Why it is so: `docs/design/exactly-once.md`, `docs/design/life-and-death.md`.

mod assemble;
mod backoff;
mod blame;
mod config;
mod decoder;
mod delivery;
pub(crate) mod external;
mod ledger;
mod members;
mod orders;
mod outlets;
mod parent;
mod parts;
mod recorder;
mod recover;
mod sinks;
mod start;
mod supervisor;
mod talk;
mod words;
mod work;

#[cfg(fuzzing)]
pub(crate) mod fuzz {
    pub(crate) use super::assemble::fuzz::assemble;
    pub(crate) use super::work::fuzz::flip;
}

pub(crate) use assemble::{Assembler, Joined};
pub(crate) use config::DrainerConfig;
pub(crate) use decoder::{Decoder, Raw};
pub(crate) use recorder::Backtrace;
pub(crate) use recover::recover_all;
pub use recover::{RecoverError, Recovered, recover};
pub use start::StartError;
pub(crate) use supervisor::Supervisor;
