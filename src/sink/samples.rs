//! Records for the tests of the sinks.

use proptest::prelude::*;

use crate::level::Level;
use crate::record::{Record, Value, Values};

/// A record like any other; tests change what they are about.
pub(crate) fn record(sequence: u64, message: &str) -> Record<'_> {
    Record {
        sequence: Some(sequence),
        late: false,
        // 2026-11-22 17:45:12.123456789 UTC
        time_ns: 1_795_369_512_123_456_789,
        level: Level::Warn,
        process: "worker-1",
        pid: 1234,
        thread: "main",
        tid: 1235,
        target: "can",
        target_is_module: false,
        file: "src/bin/worker.rs",
        line: 17,
        origin: None,
        scope: "",
        message,
        values: Values::default(),
    }
}

/// Values of all types.
pub(crate) fn any_value() -> impl Strategy<Value = Value<'static>> {
    prop_oneof![
        any::<u64>().prop_map(|value| Value::Unsigned(value.into())),
        any::<i64>().prop_map(|value| Value::Signed(value.into())),
        any::<u128>().prop_map(Value::Unsigned),
        any::<i128>().prop_map(Value::Signed),
        prop::num::f32::ANY.prop_map(Value::Single),
        prop::num::f64::ANY.prop_map(Value::Double),
        any::<f64>().prop_map(Value::Double),
        any::<bool>().prop_map(Value::Bool),
        any::<char>().prop_map(Value::Char),
        "(?s)([ =\"\\\\\n\x1b]|[a-z]|.){0,8}".prop_map(|text| Value::Text(text.into())),
    ]
}
