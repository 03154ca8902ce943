//! The tests of the tool, as a part of `cargo test` in the root: this program starts them, with the arguments that it was
//! given itself.
//!
//! The tool is not a default member of the workspace. Cargo builds the library once for all default members, with the features
//! that any of them needs. With the tool among them, `cargo run --example quickstart` would build `mcap` and the C code
//! of zstd and lz4.

use std::path::Path;
use std::process::{Command, ExitCode};

fn main() -> ExitCode {
    // target/debug/deps/packages-0123456789abcdef
    let own = std::env::current_exe().expect("the path of this program");
    let profile = own.ancestors().nth(2).expect("the profile's folder");
    let target = profile.parent().expect("the target folder");
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["test", "--package", "shmlog-cli", "--manifest-path"]);
    cargo.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml"));
    cargo.arg("--target-dir").arg(target);
    match profile.file_name().and_then(|name| name.to_str()) {
        None | Some("debug") => {}
        Some(other) => drop(cargo.args(["--profile", other])),
    }
    if cfg!(feature = "portable") {
        cargo.args(["--features", "portable"]);
    }
    cargo.arg("--").args(std::env::args_os().skip(1));
    match cargo.status().expect("cargo").success() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}
