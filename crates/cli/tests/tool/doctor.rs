//! `shmlog doctor`: its checks and its measurement, of the machine that the tests run on.

use libtest_mimic::Trial;
use serde_json::Value;

use crate::pty::Terminal;
use crate::support::{Actor, Folder, Role, assert_says, listen, quiet, say};
use crate::tool::{self, shmlog};
use crate::trial::Ignored;
use crate::trials;

pub const ROLES: &[Role] = &[("maker_of_a_default_ring", maker_of_a_default_ring)];

pub fn trials() -> Vec<Trial> {
    trials![
        every_check_has_a_verdict_and_what_is_not_good_says_why_and_what_to_do,
        calls_are_measured_and_the_percentiles_ascend,
        the_picture_fits_the_terminal_narrow_or_wide,
        without_a_terminal_there_are_no_colours_and_nothing_is_measured_if_not_wished,
        a_time_that_is_none_is_refused,
        a_closed_pipe_is_no_failure,
        where_no_ring_fits_this_is_said_with_the_way_out_and_the_code_is_one,
        one_processor_is_found_to_be_too_few,
        a_ring_of_the_default_size_takes_what_the_doctor_says,
    ]
}

/// What it says to machines, and its exit code.
fn object(time: &str) -> (Value, i32) {
    let output = shmlog(&["doctor", "--json", "--time", time])
        .output()
        .unwrap();
    (
        serde_json::from_slice(&output.stdout).unwrap(),
        output.status.code().unwrap(),
    )
}

fn every_check_has_a_verdict_and_what_is_not_good_says_why_and_what_to_do() {
    let (object, code) = object("0");
    let checks = object["checks"].as_array().unwrap();
    assert!(checks.len() >= 15);
    for check in checks {
        let text = |key: &str| check[key].as_str().unwrap();
        assert!(["ok", "note", "bad"].contains(&text("verdict")), "{check}");
        assert!(
            !text("name").is_empty() && !text("found").is_empty(),
            "{check}"
        );
        let is_helped = !text("why").is_empty() && !text("advice").is_empty();
        assert_eq!(is_helped, text("verdict") != "ok", "{check}");
    }
    let is_bad = checks.iter().any(|check| check["verdict"] == "bad");
    assert_eq!(code, i32::from(is_bad));
    assert_eq!(object["call"], Value::Null);
}

fn calls_are_measured_and_the_percentiles_ascend() {
    let (object, _) = object("0.1");
    let call = &object["call"];
    let calls = call["calls"].as_u64().unwrap();
    assert!(calls > 0);
    let buckets = call["histogram"].as_array().unwrap();
    let counted = buckets
        .iter()
        .map(|bucket| bucket[1].as_u64().unwrap())
        .sum::<u64>();
    assert_eq!(counted, calls);
    let quantiles = ["p50", "p90", "p99", "p99.9"].map(|name| call[name].as_u64().unwrap());
    assert!(quantiles.is_sorted(), "{quantiles:?}");
    assert!(call["max"].as_u64().unwrap() > 0);
}

fn the_picture_fits_the_terminal_narrow_or_wide() {
    for columns in [80, 160] {
        let command = tool::command(&["doctor", "--time", "0.1"]);
        let screen = Terminal::of_width(&command, columns).close();
        let widest = screen
            .lines()
            .map(|line| line.chars().count())
            .max()
            .unwrap();
        assert!(widest <= usize::from(columns), "{screen}");
        let axis = screen
            .lines()
            .find(|line| line.contains('└'))
            .expect("an axis");
        assert!(axis.chars().count() >= usize::from(columns) - 4, "{screen}");
        assert_says(&screen, &["A log call", "p99.9 ", "▲max", "█"]);
    }
}

fn without_a_terminal_there_are_no_colours_and_nothing_is_measured_if_not_wished() {
    let output = shmlog(&["doctor", "--time", "0"]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        !text.contains('\x1b') && !text.contains("A log call"),
        "{text}"
    );
    assert_says(&text, &["clock source", "checks:"]);
}

fn a_time_that_is_none_is_refused() {
    for time in ["-1", "soon", "NaN", "1e9", "2h"] {
        let argument = format!("--time={time}");
        shmlog(&["doctor", &argument]).assert().code(2);
    }
}

fn a_closed_pipe_is_no_failure() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = tool::command(&["doctor", "--time", "0"]);
    let child = command.stdout(writer).spawn();
    let status = child.unwrap().wait().unwrap();
    assert!(matches!(status.code(), Some(0 | 1)), "{status}");
}

fn where_no_ring_fits_this_is_said_with_the_way_out_and_the_code_is_one() -> Result<(), Ignored> {
    // A mount namespace of its own: as root, or as what it takes for root.
    let unshare = |script: &str| {
        let flags = if rustix::process::geteuid().is_root() {
            "-m"
        } else {
            "-rm"
        };
        let mut command = tool::below("unshare");
        command.args([flags, "sh", "-c", script, tool::PATH]);
        command
    };
    let mount = "mount -t tmpfs -o size=1m tmpfs /dev/shm 2>/dev/null";
    if !unshare(mount).status().is_ok_and(|status| status.success()) {
        return Err(Ignored("one may not mount here"));
    }
    let output = unshare(&format!("{mount} && exec \"$0\" doctor --json"))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let object: Value = serde_json::from_slice(&output.stdout).unwrap();
    let space = &object["checks"][0];
    assert_eq!(
        (&space["verdict"], &object["call"]),
        (&Value::from("bad"), &Value::Null)
    );
    assert_says(
        space["advice"].as_str().unwrap(),
        &["remount,size=", "--shm-size"],
    );
    assert_says(
        &String::from_utf8_lossy(&output.stderr),
        &["shmlog: /dev/shm is too small"],
    );
    Ok(())
}

fn one_processor_is_found_to_be_too_few() {
    let allowed = rustix::thread::sched_getaffinity(None).unwrap();
    let cpu = (0..).find(|cpu| allowed.is_set(*cpu)).unwrap().to_string();
    let mut command = tool::below("taskset");
    command.args(["-c", &cpu, tool::PATH]);
    let output = command
        .args(["doctor", "--json", "--time", "0.05"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let object: Value = serde_json::from_slice(&output.stdout).unwrap();
    let mut checks = object["checks"].as_array().unwrap().iter();
    let processors = checks.find(|check| check["name"] == "processors").unwrap();
    assert_eq!(processors["verdict"], "bad");
    assert_says(processors["advice"].as_str().unwrap(), &["taskset -c"]);
    // It is measured all the same, with the drainer on the same.
    assert!(object["call"]["calls"].as_u64().unwrap() > 0);
    assert_eq!(object["call"]["cpu"], Value::Null);
}

fn maker_of_a_default_ring(arguments: &[String]) {
    let logger = quiet(&arguments[0]).init_parent().unwrap();
    say(logger.name());
    listen();
}

fn a_ring_of_the_default_size_takes_what_the_doctor_says() {
    let folder = Folder::new();
    let mut maker = Actor::start("maker_of_a_default_ring", &[folder.text()]);
    let segment = std::path::Path::new("/dev/shm").join(maker.hear(""));
    let bytes = std::fs::metadata(segment).unwrap().len();
    maker.finish();
    let said = format!(
        "a ring takes {:.0} MiB by default",
        bytes as f64 / f64::from(1 << 20)
    );
    let output = shmlog(&["doctor", "--json", "--time", "0"])
        .output()
        .unwrap();
    assert_says(&String::from_utf8(output.stdout).unwrap(), &[&said]);
}
