//! The same records for programs: JSON lines and logfmt, into files and along a pipe.
//!
//! ```sh
//! cargo run --release --example formats
//! cargo run --release --example formats -- json:-  | jq -c '[.process, .message, .fields]'
//! cargo run --release --example formats -- logfmt:-
//! ```

use std::error::Error;
use std::path::Path;
use std::process::Command;

use shmlog::sink::{Json, Logfmt, SinkSpec};
use shmlog::{Level, ShmLogger, error, info, warn};

/// In this variable a worker finds its part.
const PART: &str = "SHMLOG_EXAMPLE_PART";

fn main() -> Result<(), Box<dyn Error>> {
    if let Ok(part) = std::env::var(PART) {
        return worker(&part);
    }
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let builder = ShmLogger::builder()
        .level(Level::Info)
        .process_name("robot");
    if !arguments.is_empty() {
        let specs = arguments
            .iter()
            .map(|argument| argument.parse::<SinkSpec>());
        let specs = specs.collect::<Result<Vec<_>, _>>()?;
        return run(specs
            .into_iter()
            .fold(builder.console(false), |builder, spec| builder.sink(spec))
            .init_parent()?);
    }
    let folder = std::env::temp_dir().join(format!("shmlog-formats-{}", std::process::id()));
    let builder = builder
        .console(false)
        .sink(Json::new(&folder))
        .sink(Logfmt::new(&folder).level("warn"));
    run(builder.init_parent()?)?;
    show(&folder)?;
    std::fs::remove_dir_all(folder)?;
    Ok(())
}

fn run(logger: ShmLogger) -> Result<(), Box<dyn Error>> {
    info!(simulated = true; "starting 2 workers");
    let start = |part| {
        Command::new(std::env::current_exe()?)
            .env(PART, part)
            .args(["worker"])
            .spawn()
    };
    for part in ["left-arm", "right-arm"] {
        start(part)?.wait()?;
    }
    // Ends the drainer when all is written.
    drop(logger);
    Ok(())
}

fn worker(part: &str) -> Result<(), Box<dyn Error>> {
    let _logger = ShmLogger::builder().process_name(part).attach()?;
    let torque = 10.125 + part.len() as f64;
    warn!(target: "joint", joint = 3, torque, limit = 12; "torque is near the limit");
    error!(target: "can", device = "/dev/can0", answer:? = None::<u8>; "no answer:\n\"timeout\"");
    Ok(())
}

/// Prints the files with their names.
fn show(folder: &Path) -> Result<(), Box<dyn Error>> {
    let mut paths: Vec<_> = std::fs::read_dir(folder)?
        .map(|entry| Ok(entry?.path()))
        .collect::<std::io::Result<_>>()?;
    paths.sort();
    for path in paths {
        println!("{}", path.display());
        println!("{}", std::fs::read_to_string(path)?);
    }
    Ok(())
}
