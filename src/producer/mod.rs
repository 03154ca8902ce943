//! The producer's side: this process's tie to the ring, each thread's entry, and the log call itself.
//!
//! A log call is: a level compared (`filter`), a few thread-local loads, one `fetch_add`, the arguments stored, the state word
//! stored (`quick`). What is unusual is put together in a buffer before it is claimed (`write`). No lock, no allocation,
//! no system call; system calls belong to a thread's first record, which registers it, and the first after a fork, which
//! registers the new process. Where there is no ring, `without` says what becomes of a record.
//! Why it is so: `docs/design/capture.md`.

mod attachment;
mod context;
mod departure;
mod filter;
mod place;
mod quick;
mod thread;
mod unlocked;
mod wait;
mod without;
mod write;

pub(crate) use attachment::{
    Attachment, current, detach, is_of_this_process, last_made, set_current,
};
pub use context::Scope;
pub(crate) use context::{scope, set as set_context};
pub(crate) use filter::{is_enabled, passes};
pub(crate) use place::Place;
pub(crate) use quick::write_captured;
pub(crate) use thread::enter as enter_thread;
pub use without::{WithoutRing, without_ring};
pub(crate) use write::{write, write_last_words};
