//! What `shmlog tail` shows.

use serde_json::Value as Json;

use crate::logged::rows;
use crate::tool::shmlog;

/// What tail writes, to standard output and standard error; it must end well.
pub fn tail(arguments: &[&str]) -> (Vec<u8>, String) {
    let all = [&["tail"], arguments].concat();
    let done = shmlog(&all).assert().success();
    let output = done.get_output();
    (
        output.stdout.clone(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    )
}

/// What tail shows as JSON, and nothing on standard error.
pub fn shown(arguments: &[&str]) -> Vec<Json> {
    let (out, error) = tail(&[arguments, &["--output", "json"]].concat());
    assert_eq!(error, "", "{arguments:?}");
    rows(&out)
}

/// The places of records in the order of the ring.
pub fn sequences(rows: &[Json]) -> Vec<Option<u64>> {
    rows.iter().map(|row| row["seq"].as_u64()).collect()
}
