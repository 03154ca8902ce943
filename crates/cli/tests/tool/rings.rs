//! `ls`, `level`, `flush` and `recover`, over running and killed robots.

use std::io::{BufRead, BufReader};

use libtest_mimic::Trial;
use serde_json::Value;

use crate::scene::{Robot, complained, printed};
use crate::support::{Role, assert_nothing_remains};
use crate::tool::{self, shmlog};
use crate::trials;

pub const ROLES: &[Role] = &[];

pub fn trials() -> Vec<Trial> {
    trials![
        ls_shows_what_a_ring_does_and_whose_it_is,
        ls_as_json_has_all_numbers,
        ls_refuses_to_look_for_a_time_that_makes_no_sense,
        a_ring_is_named_by_its_name_its_program_or_its_process,
        a_level_counts_in_all_processes_from_the_next_call_on,
        each_word_of_level_changes_its_own_directive_and_leaves_the_others,
        reset_brings_back_the_filter_that_the_program_was_given,
        a_filter_for_a_while_is_set_back_by_time_and_by_signals,
        a_mistyped_name_is_told_the_nearest_of_those_that_live,
        directives_that_make_no_sense_are_refused_and_nothing_changes,
        flush_comes_back_when_all_is_in_the_file,
        the_ring_of_a_killed_program_is_listed_as_dead_and_recovered,
        a_ring_that_lives_is_not_recovered,
        where_there_is_no_ring_one_is_told_how_to_start_one,
    ]
}

/// The line of `ls` about a ring.
fn listed(ring: &str) -> Option<String> {
    let text = printed(&mut shmlog(&["ls"]));
    let line = text.lines().find(|line| line.ends_with(ring));
    line.map(str::to_owned)
}

fn ls_shows_what_a_ring_does_and_whose_it_is() {
    let mut robot = Robot::start("ls-shown");
    robot.tell("info 12345");
    robot.tell("flush");
    let line = listed(&robot.ring).unwrap();
    let mut words = line.split_ascii_whitespace();
    assert_eq!(words.next(), Some("live"));
    assert_eq!(words.next(), Some(&*format!("ls-shown[{}]", robot.pid())));
    // Two processes, one thread each that has logged or none.
    assert_eq!(words.nth(1), Some("2"), "{line}");
    let ring = robot.ring.clone();
    robot.finish();
    assert_eq!(listed(&ring), None);
}

fn ls_as_json_has_all_numbers() {
    let mut robot = Robot::start("ls-json");
    robot.tell("info 1000");
    robot.tell("flush");
    let all: Value =
        serde_json::from_str(&printed(&mut shmlog(&["ls", "--json", "--over", "20ms"]))).unwrap();
    let mut all = all.as_array().unwrap().iter();
    let ring = all.find(|ring| ring["ring"] == *robot.ring).unwrap();
    assert_eq!(ring["state"], "live");
    assert_eq!(ring["program"], "ls-json");
    assert_eq!(ring["pid"], robot.pid());
    assert_eq!(ring["filter"], "info");
    let numbers =
        ["attempted", "delivered", "dropped", "lost"].map(|key| ring[key].as_u64().unwrap());
    assert_eq!(numbers, [1000, 1000, 0, 0]);
    let names: Vec<_> = ring["processes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|of| &of["name"])
        .collect();
    assert_eq!(names, ["ls-json", "arm"]);
    robot.finish();
}

fn ls_refuses_to_look_for_a_time_that_makes_no_sense() {
    for time in ["0", "soon", "2m"] {
        let output = shmlog(&["ls", "--over", time]).assert().code(2);
        assert!(!output.get_output().stderr.is_empty(), "{time}");
    }
}

fn a_ring_is_named_by_its_name_its_program_or_its_process() {
    let one = Robot::start("named-one");
    let _two = Robot::start("named-two");
    let pid = one.pid().to_string();
    for word in [
        &*one.ring,
        &one.ring[..one.ring.len() - 20],
        "named-one",
        &pid,
    ] {
        assert_eq!(printed(&mut shmlog(&["level", word])), "info\n", "{word}");
    }
    let said = complained(&mut shmlog(&["flush"]));
    assert!(
        said.contains("several rings")
            && said.contains("named-one[")
            && said.contains("named-two["),
        "{said}"
    );
    let said = complained(&mut shmlog(&["flush", "named-three"]));
    assert!(
        said.contains("no ring \"named-three\"") && said.contains("shmlog ls"),
        "{said}"
    );
}

fn a_level_counts_in_all_processes_from_the_next_call_on() {
    let mut robot = Robot::start("levelled");
    robot.tell("debug 1");
    let said = printed(&mut shmlog(&["level", "levelled", "warn,can=debug"]));
    assert_eq!(
        said,
        format!("{}: warn,can=debug (before: info)\n", robot.ring)
    );
    robot.tell("debug 2");
    robot.tell("info 3");
    printed(&mut shmlog(&["level", "levelled", "=info"]));
    robot.tell("debug 4");
    robot.tell("info 5");
    let folder = robot.finish();
    let records = folder
        .records()
        .into_iter()
        .filter(|line| line.sequence.is_some());
    let messages: Vec<String> = records.map(|line| line.message).collect();
    let expected = [
        "frame 0",
        "frame 1",
        "reading 0",
        "reading 1",
        "reading 2",
        "reading 3",
        "reading 4",
    ];
    assert_eq!(messages, expected);
}

fn each_word_of_level_changes_its_own_directive_and_leaves_the_others() {
    let robot = Robot::start("worded");
    for (words, before, after) in [
        (&["imu=debug"][..], "info", "info,imu=debug"),
        (&["worded", "warn", "can=off"], "info,imu=debug", "warn,imu=debug,can=off"),
        (&["worded", "+imu=trace"], "warn,imu=debug,can=off", "warn,imu=trace,can=off"),
        (&["worded", "-imu"], "warn,imu=trace,can=off", "warn,can=off"),
        (&["worded", "-can", "arm=off"], "warn,can=off", "warn,arm=off"),
        (&["worded", "=error,can=off"], "warn,arm=off", "error,can=off"),
        (&["--set", "worded", "imu=off"], "error,can=off", "info,imu=off"),
        (&["worded", "imu=debug", "--set"], "info,imu=off", "info,imu=debug"),
        (&["worded", "reset"], "info,imu=debug", "info"),
    ] {
        let mut command = shmlog(&["level"]);
        let words = words.iter().copied();
        // The first without a ring's name would find the rings of other tests too.
        let ring = (words.len() == 1).then_some("worded");
        let said = printed(command.args(ring).args(words.clone()));
        let expected = format!("{}: {after} (before: {before})\n", robot.ring);
        assert_eq!(said, expected, "{words:?}");
    }
    robot.finish();
}

fn reset_brings_back_the_filter_that_the_program_was_given() {
    let script = "$0 level $1 trace -can; $0 level $1 reset; $0 level $1";
    let arguments = ["run", "--no-recover", "-q", "--name", "given", "--level", "warn", "--filter", "imu=debug,can=off"];
    let run = shmlog(&[&arguments[..], &["--no-capture", "--", "sh", "-c", script, tool::PATH, "given"]].concat())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&run.stdout).into_owned();
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines.len(), 3, "{run:?}");
    assert!(lines[0].ends_with(": trace,imu=debug (before: warn,imu=debug,can=off)"), "{said}");
    assert!(lines[1].ends_with(": warn,imu=debug,can=off (before: trace,imu=debug)"), "{said}");
    assert_eq!(lines[2], "warn,imu=debug,can=off");
}

fn a_filter_for_a_while_is_set_back_by_time_and_by_signals() {
    let robot = Robot::start("awhile");
    let during = format!("{}: info,imu=debug (before: info)\n", robot.ring);
    let after = format!("{}: info (before: info,imu=debug)\n", robot.ring);
    let said = printed(&mut shmlog(&["level", "awhile", "imu=debug", "--for", "100ms"]));
    assert!(said.starts_with(&during) && said.ends_with(&after), "{said}");
    for signal in [libc::SIGINT, libc::SIGTERM] {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_shmlog"));
        command.args(["level", "--for", "1h", "awhile", "imu=debug"]);
        let mut child = command.stdout(std::process::Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert_eq!(lines.next().unwrap().unwrap() + "\n", during);
        assert!(lines.next().unwrap().unwrap().contains("Ctrl+C"));
        assert_eq!(printed(&mut shmlog(&["level", "awhile"])), "info,imu=debug\n");
        let pid = rustix::process::Pid::from_child(&child);
        let signal_of = rustix::process::Signal::from_named_raw(signal).unwrap();
        rustix::process::kill_process(pid, signal_of).unwrap();
        assert_eq!(lines.next().unwrap().unwrap() + "\n", after);
        let status = child.wait().unwrap();
        assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(signal));
        assert_eq!(printed(&mut shmlog(&["level", "awhile"])), "info\n");
    }
    robot.finish();
}

fn a_mistyped_name_is_told_the_nearest_of_those_that_live() {
    let robot = Robot::start("misspelt");
    for command in ["flush", "level", "tail", "recover"] {
        let said = complained(&mut shmlog(&[command, "mispelt"]));
        assert!(said.contains("\"mispelt\"") && said.contains("did you mean misspelt?"), "{command}: {said}");
    }
    let said = complained(&mut shmlog(&["level", "wrn"]));
    assert!(said.contains("did you mean the level warn?"), "{said}");
    let said = complained(&mut shmlog(&["flush", "something-else"]));
    assert!(!said.contains("did you mean"), "{said}");
    robot.finish();
}

fn directives_that_make_no_sense_are_refused_and_nothing_changes() {
    let robot = Robot::start("refusing");
    let said = complained(&mut shmlog(&["level", "refusing", "imu=loud"]));
    assert!(said.contains("imu=loud"), "{said}");
    let said = complained(&mut shmlog(&["level", "refusing", "wran,imu=debug"]));
    assert!(said.contains("\"wran\" is no level"), "{said}");
    for (word, meant) in [("imu=", "imu=trace"), ("info,wrn", "mean warn?"), ("imu=wrn", "mean imu=warn?"), ("=*=debug", "mean debug?"), ("-can", "no directive for can")] {
        let said = complained(&mut shmlog(&["level", "refusing", word]));
        assert!(said.contains(meant), "{word}: {said}");
    }
    // Not a target to be recorded whole.
    let said = complained(&mut shmlog(&["level", "refusing-too"]));
    assert!(said.contains("no ring \"refusing-too\""), "{said}");
    assert_eq!(printed(&mut shmlog(&["level", "refusing"])), "info\n");
    robot.finish();
}

fn flush_comes_back_when_all_is_in_the_file() {
    let mut robot = Robot::start("flushed");
    robot.tell("info 20000");
    printed(&mut shmlog(&["flush", "flushed"]));
    assert_eq!(robot.folder.records().len(), 20_000);
    robot.finish();
}

fn the_ring_of_a_killed_program_is_listed_as_dead_and_recovered() {
    let mut robot = Robot::start("killed");
    robot.tell("info 5000");
    let (folder, ring) = robot.kill_all();
    for command in ["flush", "level"] {
        let said = complained(&mut shmlog(&[command, &ring]));
        assert!(said.contains(&format!("`shmlog recover {ring}`")), "{said}");
    }
    assert!(
        listed(&ring).unwrap().starts_with("dead"),
        "{:?}",
        listed(&ring)
    );
    let said = printed(&mut shmlog(&["recover", &ring]));
    assert!(
        said.contains("all processes of killed had been killed"),
        "{said}"
    );
    assert_nothing_remains(&ring);
    assert_eq!(listed(&ring), None);
    let records = folder
        .records()
        .into_iter()
        .filter(|line| line.sequence.is_some());
    assert_eq!(records.count(), 5000);
}

fn a_ring_that_lives_is_not_recovered() {
    let robot = Robot::start("living");
    let said = complained(&mut shmlog(&["recover", "living"]));
    assert!(said.contains(&robot.ring), "{said}");
    robot.finish();
}

fn where_there_is_no_ring_one_is_told_how_to_start_one() {
    let said = complained(&mut shmlog(&["flush", "no-such-robot"]));
    assert!(said.contains("shmlog run -- PROGRAM"), "{said}");
}
