//! Programs that know nothing of shmlog, run by `ShmLogger::spawn`: what they print arrives, whoever is killed.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use libtest_mimic::Trial;
use rustix::process::Signal;
use shmlog::{Level, ShmLogger, info, recover};

use crate::host::configured;
use crate::support::{in_role, 
    Actor, Folder, Line, Role, assert_nothing_remains, assert_says, drainers_of, listen, quiet,
    role_command, say, send, until, wait_for_end,
};
use crate::trial::Ignored;
use crate::trials;

pub const ROLES: &[Role] = &[
    ("spawner", spawner),
    ("refused_spawner", refused_spawner),
    ("spawner_with_input", spawner_with_input),
    ("member_that_prints", member_that_prints),
];

pub fn trials() -> Vec<Trial> {
    trials![
        both_streams_become_records_in_their_order_under_the_programs_name_and_pid,
        a_program_goes_on_printing_when_the_process_that_spawned_it_is_killed,
        a_program_whose_ring_nobody_reads_any_more_is_not_held_up,
        without_its_relay_a_program_finds_its_pipes_broken_and_the_log_goes_on,
        a_hundred_thousand_lines_go_through_a_small_ring_and_none_is_lost,
        long_lines_and_bytes_that_are_no_text_arrive_as_far_as_they_can_be_shown,
        what_a_program_leaves_in_the_background_goes_on_being_recorded_and_is_not_waited_for,
        signals_to_a_whole_group_do_not_cost_its_last_words,
        a_program_that_uses_us_logs_by_itself_and_only_its_prints_come_by_the_relay,
        what_the_level_does_not_let_through_is_left_out,
        a_python_program_needs_to_know_nothing,
        who_cannot_be_started_or_recorded_is_refused_and_nothing_remains,
        standard_input_is_the_programs_own_and_ends_with_the_wait,
    ]
}

/// `folder settings program arguments…`: spawns it, then does what it is told. A `role` is a program too.
fn spawner(arguments: &[String]) {
    let [folder, settings, program, rest @ ..] = arguments else {
        panic!("a folder, settings and a program");
    };
    let logger = configured(folder, settings).init_parent().unwrap();
    let rest: Vec<&str> = rest.iter().map(String::as_str).collect();
    let mut command = match &**program {
        "role" => role_command(rest[0], &rest[1..]),
        program => {
            let mut command = Command::new(program);
            command.args(&rest);
            command
        }
    };
    command.stdin(Stdio::null());
    say(logger.name());
    let mut spawned = logger.spawn(command).unwrap();
    say(&spawned.id().to_string());
    loop {
        match &*listen() {
            "wait" => {
                let status = spawned.wait().unwrap();
                assert_eq!(spawned.try_wait().unwrap(), Some(status));
                logger.flush(Duration::from_secs(60)).unwrap();
                say(&status.into_raw().to_string());
            }
            "log" => info!("of the parent"),
            "numbers" => {
                let stats = logger.stats();
                say(&format!(
                    "{} {} {}",
                    stats.delivered, stats.dropped, stats.lost
                ));
            }
            _ => break,
        }
    }
}

/// A program that runs.
struct Scene {
    folder: Folder,
    spawner: Actor,
    ring: String,
    pid: u32,
}

impl Scene {
    fn of(folder: Folder, settings: &str, program: &[&str]) -> Scene {
        let arguments = [&[folder.text(), settings], program].concat();
        let mut spawner = Actor::start("spawner", &arguments);
        let ring = spawner.hear("");
        let pid = spawner.hear("").parse().unwrap();
        Scene {
            folder,
            spawner,
            ring,
            pid,
        }
    }

    /// A shell script, which finds its folder as `$0`.
    fn script(settings: &str, script: &str) -> Scene {
        let folder = Folder::new();
        let name = folder.text().to_owned();
        let made = Command::new("mkfifo")
            .arg(folder.path().join("go"))
            .status();
        assert!(made.unwrap().success());
        Scene::of(folder, settings, &["sh", "-c", script, &name])
    }

    /// Lets a script go on that waits in `read go < $0/go`.
    fn go(&self) {
        fs::write(self.path("go"), "go\n").unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The relays of its ring: at most one.
    fn relay(&self) -> Option<u32> {
        in_role("shmlog-relay", &self.ring).first().copied()
    }

    fn wait(&mut self) -> ExitStatus {
        self.spawner.tell("wait");
        ExitStatus::from_raw(self.spawner.hear("").parse().unwrap())
    }

    /// The end of all: what stands in the log.
    fn close(self) -> Vec<Line> {
        self.spawner.finish();
        assert_nothing_remains(&self.ring);
        self.folder.records()
    }

    /// The same for a program that is to end well.
    fn play(settings: &str, program: &[&str]) -> Vec<Line> {
        let mut scene = Scene::of(Folder::new(), settings, program);
        assert!(scene.wait().success());
        scene.close()
    }
}

fn messages(lines: &[Line]) -> Vec<&str> {
    lines.iter().map(|line| &*line.message).collect()
}

fn of_stream<'l>(lines: &'l [Line], stream: &str) -> Vec<&'l str> {
    let mine = lines.iter().filter(|line| line.target == stream);
    mine.map(|line| &*line.message).collect()
}

fn both_streams_become_records_in_their_order_under_the_programs_name_and_pid() {
    let script = "i=0; while [ $i -lt 200 ]; do i=$((i+1)); echo out $i; echo err $i >&2; done; printf last; exit 7";
    let mut scene = Scene::script("", script);
    assert_eq!(scene.wait().code(), Some(7));
    scene.spawner.tell("numbers");
    assert_eq!(scene.spawner.hear(""), "401 0 0");
    let pid = scene.pid;
    let lines = scene.close();
    let expected = |stream| (1..=200).map(move |i| format!("{stream} {i}"));
    assert_eq!(
        of_stream(&lines, "stderr"),
        expected("err").collect::<Vec<_>>()
    );
    let out = expected("out").chain(["last".to_owned()]);
    assert_eq!(of_stream(&lines, "stdout"), out.collect::<Vec<_>>());
    for line in &lines {
        let level = if line.target == "stdout" {
            Level::Info
        } else {
            Level::Warn
        };
        assert_eq!((&*line.process, line.pid, line.tid), ("sh", pid, pid));
        assert_eq!(
            (line.level, &line.thread, &*line.place),
            (level, &line.target, "")
        );
    }
    assert!(lines.iter().map(|line| line.sequence).is_sorted());
}

const GOES_ON: &str = "echo before; read go < $0/go; i=0; \
                       while [ $i -lt 3000 ]; do i=$((i+1)); echo after $i; done; echo done > $0/done";

fn a_program_goes_on_printing_when_the_process_that_spawned_it_is_killed() {
    let mut scene = Scene::script("slots=64", GOES_ON);
    let relay = scene.relay().unwrap();
    scene.spawner.signal(Signal::KILL);
    scene.spawner.wait();
    scene.go();
    wait_for_end(relay);
    assert_nothing_remains(&scene.ring);
    assert_eq!(fs::read_to_string(scene.path("done")).unwrap(), "done\n");
    let lines = scene.folder.records();
    let expected: Vec<String> = (1..=3000).map(|i| format!("after {i}")).collect();
    assert_eq!(messages(&lines)[0], "before");
    assert_eq!(messages(&lines)[1..], expected);
}

fn a_program_whose_ring_nobody_reads_any_more_is_not_held_up() -> Result<(), Ignored> {
    if cfg!(feature = "portable") {
        return Err(Ignored(
            "nobody can tell of a portable ring whether it is drained",
        ));
    }
    let mut scene = Scene::script("slots=64", GOES_ON);
    let (relay, drainer) = (scene.relay().unwrap(), drainers_of(&scene.ring)[0]);
    let written = || scene.folder.log_text().contains("before");
    until("the first line is written", written);
    scene.spawner.signal(Signal::KILL);
    scene.spawner.wait();
    send(drainer, Signal::KILL);
    wait_for_end(drainer);
    scene.go();
    wait_for_end(relay);
    let done = || fs::read_to_string(scene.path("done")).is_ok_and(|text| text == "done\n");
    until("the program has ended", done);
    // Unless another parent of this user was faster.
    if let Ok(recovered) = recover(&scene.ring) {
        assert!((1..3000).contains(&recovered.records), "{recovered:?}");
    }
    assert_nothing_remains(&scene.ring);
    Ok(())
}

fn without_its_relay_a_program_finds_its_pipes_broken_and_the_log_goes_on() {
    let mut scene = Scene::script("", "read go < $0/go; while :; do echo on and on; done");
    let relay = scene.relay().unwrap();
    send(relay, Signal::KILL);
    wait_for_end(relay);
    scene.go();
    assert_eq!(scene.wait().signal(), Some(Signal::PIPE.as_raw()));
    scene.spawner.tell("log");
    assert_eq!(messages(&scene.close()), ["of the parent"]);
}

fn a_hundred_thousand_lines_go_through_a_small_ring_and_none_is_lost() {
    let lines = Scene::play("slots=64", &["seq", "100000"]);
    assert_eq!(lines.len(), 100_000);
    let wrong = lines
        .iter()
        .zip(1..)
        .find(|(line, i)| line.message != i.to_string());
    assert_eq!(wrong, None);
}

fn long_lines_and_bytes_that_are_no_text_arrive_as_far_as_they_can_be_shown() {
    let folder = Folder::new();
    let file = folder.path().join("printed");
    let all: Vec<u8> = (0..=255)
        .filter(|byte| !b"\n\r\x1b".contains(byte))
        .collect();
    let long = "lång ".repeat(50_000);
    let printed = [
        &all[..],
        b"\n\x1b[1mbold\x1b[0m\r\n",
        long.as_bytes(),
        b"\nthe end",
    ]
    .concat();
    fs::write(&file, printed).unwrap();
    let path = file.to_str().unwrap().to_owned();
    let mut scene = Scene::of(folder, "", &["cat", &path]);
    assert!(scene.wait().success());
    let lines = scene.close();
    let messages = messages(&lines);
    assert_says(
        messages[0],
        &[
            r"\0\x01\x02",
            r"\x07",
            " !\"#",
            "xyz{|}~",
            "\u{fffd}\u{fffd}",
        ],
    );
    assert_eq!(messages[1], "bold");
    let parts = &messages[2..messages.len() - 1];
    assert_eq!(parts.len(), long.len().div_ceil(64 << 10));
    let mut whole = String::new();
    for (text, number) in parts.iter().zip(1..) {
        let text = text.strip_suffix(&format!(" part={number}")).unwrap();
        let is_full = text.len() <= 64 << 10 && text.len() > (64 << 10) - 4;
        assert!(is_full || number == parts.len());
        whole += text;
        if number == parts.len() {
            break;
        }
    }
    assert!(whole == long);
    assert_eq!(messages.last(), Some(&"the end"));
}

fn what_a_program_leaves_in_the_background_goes_on_being_recorded_and_is_not_waited_for() {
    let mut scene = Scene::script("", "(read go < $0/go; echo background) & printf foreground");
    assert!(scene.wait().success());
    assert_eq!(messages(&scene.folder.records()), ["foreground"]);
    scene.spawner.tell("log");
    // Its end is not that of the log.
    let relay = scene.relay().unwrap();
    let (ring, folder) = (scene.ring.clone(), scene.path("go"));
    let Scene {
        spawner,
        folder: logs,
        ..
    } = scene;
    spawner.finish();
    assert_eq!(drainers_of(&ring).len(), 1);
    fs::write(folder, "go\n").unwrap();
    wait_for_end(relay);
    assert_nothing_remains(&ring);
    assert_eq!(
        messages(&logs.records()),
        ["foreground", "of the parent", "background"]
    );
}

fn signals_to_a_whole_group_do_not_cost_its_last_words() {
    // In `wait`, which a trap interrupts: from a FIFO that is being opened dash comes back with an error, and who opens the
    // other end then waits for ever.
    let script = "trap 'kill -9 $!; echo last words; exit 3' INT TERM; sleep 1000 > /dev/null 2>&1 & \
                  echo ready; : > $0/ready; wait";
    for signal in [Signal::INT, Signal::TERM] {
        let mut scene = Scene::script("", script);
        until("the program is ready", || scene.path("ready").exists());
        let relay = scene.relay().unwrap();
        [signal, Signal::HUP, Signal::QUIT]
            .iter()
            .for_each(|signal| send(relay, *signal));
        send(scene.pid, signal);
        assert_eq!(scene.wait().code(), Some(3));
        assert_eq!(messages(&scene.close()), ["ready", "last words"]);
    }
}

fn member_that_prints(_: &[String]) {
    let _logger = ShmLogger::attach().unwrap();
    info!("logged");
    println!("printed");
}

fn a_program_that_uses_us_logs_by_itself_and_only_its_prints_come_by_the_relay() {
    let mut lines = Scene::play("", &["role", "member_that_prints"]);
    lines.sort_by(|a, b| a.message.cmp(&b.message));
    assert_eq!(messages(&lines), ["logged", "printed"]);
    assert_eq!(lines[0].pid, lines[1].pid);
    assert_eq!(lines[0].thread, "main");
    assert_eq!(lines[1].thread, "stdout");
}

fn what_the_level_does_not_let_through_is_left_out() {
    let lines = Scene::play("level=warn", &["sh", "-c", "echo out; echo err >&2"]);
    assert_eq!(messages(&lines), ["err"]);
}

const PYTHON: &str = r#"
import sys, time
print("\x1b[32mINFO\x1b[0m ready")
for percent in range(0, 101, 10):
    print(f"\r{percent:3}% done", end="", flush=True)
print()
print("[ERROR] looks like one", file=sys.stderr)
sys.stdout.buffer.write(b"\xe4 is Latin-1\n\n")
raise ValueError("in the end")
"#;

fn a_python_program_needs_to_know_nothing() -> Result<(), Ignored> {
    if Command::new("python3").arg("-V").output().is_err() {
        return Err(Ignored("there is no python3 (Debian package python3)"));
    }
    let mut scene = Scene::of(Folder::new(), "", &["python3", "-c", PYTHON]);
    assert_eq!(scene.wait().code(), Some(1));
    let lines = scene.close();
    assert!(lines.iter().all(|line| line.process == "python3"));
    assert_eq!(
        of_stream(&lines, "stdout"),
        ["INFO ready", "100% done", "\u{fffd} is Latin-1"]
    );
    let errors = of_stream(&lines, "stderr");
    assert_eq!(errors[0], "[ERROR] looks like one");
    assert!(errors[1].starts_with("Traceback") && errors[1].ends_with("ValueError: in the end"));
    assert_eq!(errors.len(), 2);
    let failed = lines.iter().filter(|line| line.level == Level::Error);
    assert_eq!(failed.count(), 2);
    Ok(())
}

fn refused_spawner(arguments: &[String]) {
    let logger = quiet(&arguments[0]).max_producers(1).init_parent().unwrap();
    say(logger.name());
    let error = logger.spawn(Command::new("true")).unwrap_err();
    assert_says(&error.to_string(), &["relay", "true", "max_producers"]);
    drop(logger);

    let logger = quiet(&arguments[0]).init_parent().unwrap();
    say(logger.name());
    let error = logger.spawn(Command::new("/no/such/program")).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
    info!("unharmed");
}

fn who_cannot_be_started_or_recorded_is_refused_and_nothing_remains() {
    let folder = Folder::new();
    let mut parent = Actor::start("refused_spawner", &[folder.text()]);
    let rings = [parent.hear(""), parent.hear("")];
    parent.finish();
    rings.iter().for_each(|ring| assert_nothing_remains(ring));
    assert_eq!(folder.messages(), ["unharmed"]);
}

fn spawner_with_input(arguments: &[String]) {
    use std::io::Write;
    let logger = quiet(&arguments[0]).init_parent().unwrap();
    say(logger.name());
    let mut command = Command::new("cat");
    command.stdin(Stdio::piped());
    let mut spawned = logger.spawn_as("echo", command).unwrap();
    assert_eq!(spawned.try_wait().unwrap(), None);
    writeln!(spawned.stdin.as_mut().unwrap(), "said").unwrap();
    assert!(spawned.wait().unwrap().success());
    let mut command = Command::new("cat");
    command.stdin(Stdio::piped());
    let mut spawned = logger.spawn(command).unwrap();
    spawned.kill().unwrap();
    assert_eq!(
        spawned.wait().unwrap().signal(),
        Some(Signal::KILL.as_raw())
    );
    // One that is not waited for is left alone.
    drop(logger.spawn_as("left", Command::new("pwd")).unwrap());
}

fn standard_input_is_the_programs_own_and_ends_with_the_wait() {
    let folder = Folder::new();
    let mut parent = Actor::start("spawner_with_input", &[folder.text()]);
    let ring = parent.hear("");
    parent.finish();
    assert_nothing_remains(&ring);
    let lines = folder.records();
    assert_eq!((&*lines[0].message, &*lines[0].process), ("said", "echo"));
    assert_eq!((&*lines[1].process, lines.len()), ("left", 2));
}
