//! The ring that programs are run with: what the arguments say of it, and where they say nothing, the environment.

use std::path::PathBuf;

use clap::ValueHint;
use shmlog::sink::{SinkSpec, TextFile};
use shmlog::{Builder, Level, ShmLogger};

use crate::failure::Failure;

/// What the arguments say of it.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Ring")]
pub struct Settings {
    /// The lowest level that is recorded: trace, debug, info, warn, error, critical [default: info]
    #[arg(short, long, value_name = "LEVEL")]
    level: Option<Level>,
    /// Levels by target, like warn,imu=debug,stdout=off
    #[arg(long, value_name = "DIRECTIVES")]
    filter: Option<String>,
    /// Where records go, in place of the console: console, file:logs, json:logs?keep=3, syslog … (may be repeated)
    #[arg(long = "sink", value_name = "SPEC")]
    sinks: Vec<SinkSpec>,
    /// Text files in this folder, beside the console or the sinks
    #[arg(long, value_name = "FOLDER", value_hint = ValueHint::DirPath)]
    logs: Option<PathBuf>,
    /// Slots in the ring, a power of two [default: 65536]
    #[arg(long, value_name = "NUMBER")]
    slots: Option<u64>,
    /// Bytes of a slot, a power of two [default: 128]
    #[arg(long, value_name = "BYTES")]
    slot_size: Option<u64>,
    /// Leaves the rings of killed programs as they are
    #[arg(long)]
    no_recover: bool,
}

/// The ring's settings, and the sinks that it will have, as far as they are known by name.
pub fn builder(settings: &Settings, name: &str) -> Result<(Builder, Vec<SinkSpec>), Failure> {
    let mut builder = ShmLogger::builder().process_name(name);
    builder = builder.recover(!settings.no_recover);
    let mut sinks = settings.sinks.clone();
    sinks.extend(
        settings
            .logs
            .as_ref()
            .map(|folder| TextFile::new(folder).into()),
    );
    let says_sinks = !sinks.is_empty();
    let says_level = settings.level.is_some() || settings.filter.is_some();
    let listed = environment("SHMLOG_SINKS");
    let levels = environment("SHMLOG_LEVEL").or_else(|| environment("RUST_LOG"));
    let mut filter = settings.filter.clone();
    let mut has_console = settings.sinks.is_empty();
    if !says_sinks && let Some(listed) = &listed {
        // What is wrong with it the log will say.
        sinks = SinkSpec::list(listed).unwrap_or_default();
    }
    let mut own = if says_sinks { &*sinks } else { &[] };
    // For the builder the environment goes before all; for us the arguments go before it.
    if says_sinks && listed.is_some() || says_level && levels.is_some() {
        builder = builder.env(false);
        has_console &= says_sinks || sinks.is_empty();
        filter = if says_level { filter } else { levels };
        own = &sinks;
    }
    builder = own.iter().cloned().fold(builder, Builder::sink);
    builder = builder
        .level(settings.level.unwrap_or(Level::Info))
        .filter(filter.unwrap_or_default());
    builder = builder.console(has_console);
    if let Some(slots) = settings.slots {
        builder = builder.slots(slots);
    }
    if let Some(bytes) = settings.slot_size {
        builder = builder.slot_size(bytes);
    }
    Ok((builder, sinks))
}

fn environment(variable: &str) -> Option<String> {
    let text = std::env::var_os(variable)?;
    let text = text.to_string_lossy().into_owned();
    Some(text).filter(|text| !text.is_empty())
}
