//! The producer's side: this process's tie to the ring, each thread's entry, and the log call itself.
//!
//! A log call is: a level compared, a few thread-local loads, the record rendered into a buffer, one
//! `fetch_add`, the bytes stored, the state word stored. No lock, no allocation, no system call; system calls belong
//! to a thread's first record, which registers it, and the first after a fork, which registers the new process.

mod attachment;
mod departure;
mod thread;
mod wait;
mod write;

pub(crate) use attachment::{
    Attachment, current, detach, is_enabled, is_of_this_process, set_current,
};
pub(crate) use write::{Captured, write, write_last_words};
