//! What public types can be sent, shared and caught: a change of a field must not take that away unseen.

use std::panic::{RefUnwindSafe, UnwindSafe};

use shmlog::observe::{Observer, Snapshot};
use shmlog::sink::{Console, Json, Logfmt, Record, SinkSpec, SpecError, Syslog, TextFile};
use shmlog::{
    AttachError, Builder, Capture, CrashHandlerError, CreateError, DrainError, DropReason, Drops,
    FilterError, FlushError, InitError, Level, Logger, OnFull, ParseLevelError, ProducerStats,
    RecoverError, Recovered, SetFilterError, ShmLogger, Spawned, StartError, Stats, WithoutRing,
};

const fn shared<T: Send + Sync>() {}
const fn sent<T: Send>() {}
const fn caught<T: UnwindSafe + RefUnwindSafe>() {}

macro_rules! assert_types {
    ($assert:ident: $($kind:ty),+ $(,)?) => { $( const _: () = $assert::<$kind>(); )+ };
}

assert_types!(shared: Builder, Capture, ShmLogger, Logger, Spawned, Level, OnFull, WithoutRing, Stats, ProducerStats);
assert_types!(shared: DropReason, Drops, Recovered, Snapshot, Record<'static>, SinkSpec);
assert_types!(shared: Console, TextFile, Json, Logfmt, Syslog);
assert_types!(shared: InitError, StartError, AttachError, CreateError, DrainError, FlushError, RecoverError);
assert_types!(shared: SetFilterError, FilterError, SpecError, ParseLevelError, CrashHandlerError);
// Of one thread at a time: it keeps a calibration.
assert_types!(sent: Observer);
assert_types!(caught: Builder, ShmLogger, Logger, Level, OnFull, WithoutRing, Stats, ProducerStats, SinkSpec);
assert_types!(caught: DropReason, Drops, Recovered, Snapshot, Record<'static>);
assert_types!(caught: FlushError, SetFilterError, FilterError, SpecError, ParseLevelError);

#[test]
fn errors_can_be_boxed_and_sent() {
    let error: Box<dyn std::error::Error + Send + Sync> =
        Box::new(InitError::from(AttachError::NoRing));
    assert!(
        error
            .to_string()
            .starts_with("no ring: SHMLOG_RING is not set"),
        "{error}"
    );
}
