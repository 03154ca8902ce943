//! The ring under loom: every interleaving and every reordering that the memory model allows, within bounds.
//!
//! ```sh
//! RUSTFLAGS="--cfg loom" cargo test --lib --release loom
//! ```
//!
//! Loom runs each test once for every way its threads can be interleaved and for every value that a load may
//! return under the C11 model. By itself it leaves most interleavings of our claims out; `sync::stepped` says
//! why, and mends it. **Exhaustive**: tests that say [`exhaustively`], and all that have a single thread, among
//! them those that kill a drainer before each one of its steps. **Bounded**: tests that say [`bounded`] see all
//! executions with at most that many preemptions (switches from a thread that could have gone on); stale
//! values are not bounded by that, except that loom remembers seven stores of a word. The drainer looks a few
//! times while producers run, then takes the rest after they have ended; retries of a claim are cut to two.
//!
//! What loom cannot show: a load that returns a value of its own future (load buffering). A payload read by
//! the drainer after it gave the slot back would be one; to see it all the same, each slot has a *ghost*, a
//! plain cell that a producer writes and the drainer reads when the protocol says that the slot is theirs.
//! Loom reports two accesses of a ghost that no release/acquire pair orders.
//!
//! Beside the ring stands the naive answer ([`Written`] by producers, [`Taken`] by the drainer); the payload of
//! a record follows from its tag, so a stale or torn payload shows as wrong bytes.

mod delivery;
mod holes;
mod memory;
mod restart;
mod split;
mod walks;

use memory::{Drainer, Memory, Owned, Pen, Taken, Written};

/// Runs `test` for all interleavings with up to `preemptions` preemptions.
fn bounded(preemptions: usize, test: impl Fn() + Sync + Send + 'static) {
    explore(Some(preemptions), test);
}

/// Runs `test` for all interleavings.
fn exhaustively(test: impl Fn() + Sync + Send + 'static) {
    explore(None, test);
}

fn explore(preemptions: Option<usize>, test: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = preemptions;
    // More than any test needs: who comes here loops for ever.
    builder.max_branches = 20_000;
    let executions = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let count = executions.clone();
    builder.check(move || {
        count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        test();
    });
    // Shown by `cargo test -- --nocapture`, or when a test fails.
    println!("{executions:?} executions, preemptions {preemptions:?}");
}

/// Counts, over all executions of a test, how often something happened that the test is about: a test that
/// never meets its subject proves nothing.
struct Seen(&'static str, std::sync::atomic::AtomicUsize);

impl Seen {
    const fn new(what: &'static str) -> Seen {
        Seen(what, std::sync::atomic::AtomicUsize::new(0))
    }

    fn note(&self, happened: bool) {
        self.1
            .fetch_add(usize::from(happened), std::sync::atomic::Ordering::Relaxed);
    }

    fn assert_seen(&self) {
        let times = self.1.load(std::sync::atomic::Ordering::Relaxed);
        assert!(times > 0, "no execution met: {}", self.0);
    }
}
