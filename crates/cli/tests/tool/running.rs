//! `shmlog run`: what a program prints and logs is in the log, its exit code is its own.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use libtest_mimic::Trial;
use rustix::process::Signal;
use shmlog::{Level, ShmLogger, info};

use crate::pty::Terminal;
use crate::support::{
    Actor, Folder, Line, Role, assert_nothing_remains, assert_says, drainers_of, log_files,
    segments_made_by, send, until, wait_for_end,
};
use crate::tool::{self, shmlog};
use crate::trials;

pub const ROLES: &[Role] = &[("member_under_run", member_under_run), ("flooder", flooder)];

pub fn trials() -> Vec<Trial> {
    trials![
        what_a_program_prints_is_in_the_log_under_its_name_and_its_exit_code_is_ours,
        without_sinks_records_go_to_the_console_and_a_quiet_run_says_nothing_at_the_end,
        a_program_that_uses_shmlog_logs_into_the_same_ring,
        a_program_that_is_not_there_or_no_program_ends_as_in_a_shell_and_nothing_remains,
        a_program_that_was_killed_is_said_to_be_and_gives_128_and_the_signal,
        without_capture_a_program_has_the_terminal_to_itself,
        a_run_that_is_killed_does_not_cost_the_programs_lines,
        arguments_go_before_the_environment_and_the_environment_before_defaults,
        a_ring_that_cannot_be_made_is_refused_before_the_program_runs,
        standard_input_is_the_programs_own,
        what_found_the_ring_full_is_counted_at_the_end_with_the_way_out,
    ]
}

/// `shmlog run` with these arguments, for when more than its output is needed. Other tests' rings it leaves to them.
pub fn run_command(arguments: &[&str]) -> Command {
    tool::command(&[&["run", "--no-recover"], arguments].concat())
}

pub fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// What a script has written of its ring: `echo $SHMLOG_RING > $0/ring`.
pub fn ring_of(folder: &Folder) -> String {
    fs::read_to_string(folder.path().join("ring"))
        .unwrap()
        .trim()
        .to_owned()
}

const TELL_RING: &str = "echo $SHMLOG_RING > $0/ring; ";

fn messages<'l>(lines: &'l [Line], target: &str) -> Vec<&'l str> {
    let its = lines.iter().filter(|line| line.target == target);
    its.map(|line| &*line.message).collect()
}

fn what_a_program_prints_is_in_the_log_under_its_name_and_its_exit_code_is_ours() {
    let folder = Folder::new();
    let script = format!("{TELL_RING} echo said; echo warned >&2; exit 3");
    let arguments = ["--logs", folder.text(), "sh", "-c", &script, folder.text()];
    let output = run_command(&arguments).output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    assert_nothing_remains(&ring_of(&folder));
    let lines = folder.records();
    assert_eq!(
        (messages(&lines, "stdout"), messages(&lines, "stderr")),
        (vec!["said"], vec!["warned"])
    );
    assert!(lines.iter().all(|line| line.process == "sh"));
    let file = folder.path().join(&log_files(folder.path())[0]);
    assert!(
        file.file_name()
            .unwrap()
            .to_str()
            .unwrap()
            .starts_with("sh_")
    );
    let file = file.to_str().unwrap();
    assert_says(
        &errors(&output),
        &[
            "sh ended with exit code 3",
            "2 records logged, 0 dropped, 0 lost",
            file,
        ],
    );
    assert_says(&String::from_utf8_lossy(&output.stdout), &["said"]);
}

fn without_sinks_records_go_to_the_console_and_a_quiet_run_says_nothing_at_the_end() {
    let output = run_command(&["-q", "--name", "greeter", "--", "echo", "hello"])
        .output()
        .unwrap();
    assert!(output.status.success());
    assert_says(
        &String::from_utf8_lossy(&output.stdout),
        &["hello", "greeter", "INFO"],
    );
    assert_eq!(errors(&output), "");
}

fn member_under_run(_: &[String]) {
    let _logger = ShmLogger::attach().unwrap();
    info!("logged");
    println!("printed");
}

fn a_program_that_uses_shmlog_logs_into_the_same_ring() {
    let folder = Folder::new();
    let program = std::env::current_exe().unwrap();
    let mut command = run_command(&["--logs", folder.text(), "--", program.to_str().unwrap()]);
    // As if we ran under another: that one is not for the program.
    command
        .env("ROLE_IN_SHMLOG_TEST", "member_under_run")
        .env("SHMLOG_RING", "shmlog-1-0");
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let mut lines = folder.records();
    lines.sort_by(|a, b| a.message.cmp(&b.message));
    let said: Vec<&str> = lines.iter().map(|line| &*line.message).collect();
    assert_eq!(said, ["logged", "printed"]);
    assert_eq!(lines[0].pid, lines[1].pid);
    assert_says(&errors(&output), &["exit code 0; 2 records logged"]);
}

/// The output, and that no segment of the process is left.
fn ends_alone(mut command: Command) -> Output {
    let child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let pid = child.id();
    let output = child.wait_with_output().unwrap();
    assert_eq!(segments_made_by(pid), [""; 0]);
    output
}

fn a_program_that_is_not_there_or_no_program_ends_as_in_a_shell_and_nothing_remains() {
    let folder = Folder::new();
    let file = folder.path().join("text");
    fs::write(&file, "no program").unwrap();
    let text = file.to_str().unwrap();
    for (program, code, words) in [
        ("no-such-program", 127, "PATH"),
        ("/no/such/program", 127, "No such file"),
        (text, 126, "chmod +x"),
        (folder.text(), 126, "denied"),
    ] {
        for more in [&["--"][..], &["--no-capture"]] {
            let output = ends_alone(run_command(&[more, &[program]].concat()));
            assert_eq!(output.status.code(), Some(code), "{program}");
            assert_says(&errors(&output), &["shmlog: cannot run", program, words]);
        }
    }
    shmlog(&["run"]).assert().code(2);
}

fn a_program_that_was_killed_is_said_to_be_and_gives_128_and_the_signal() {
    let output = ends_alone(run_command(&["sh", "-c", "echo before; kill -9 $$"]));
    assert_eq!(output.status.code(), Some(137));
    assert_says(
        &errors(&output),
        &["sh was killed by signal 9 (SIGKILL)", "1 record logged"],
    );
}

fn without_capture_a_program_has_the_terminal_to_itself() {
    let script = "test -t 0 && test -t 1 && test -t 2 && echo at a terminal";
    let terminal = Terminal::with(&run_command(&["--no-capture", "sh", "-c", script]));
    assert_says(&terminal.close(), &["at a terminal", "0 records logged"]);
}

fn a_run_that_is_killed_does_not_cost_the_programs_lines() {
    let folder = Folder::new();
    let fifo: PathBuf = folder.path().join("go");
    assert!(
        Command::new("mkfifo")
            .arg(&fifo)
            .status()
            .unwrap()
            .success()
    );
    let script =
        format!("{TELL_RING} echo before; read go < $0/go; echo after; echo done > $0/done");
    let sink = format!("file:{}", folder.text());
    let mut run = Actor::from_command(run_command(&[
        "--sink",
        &sink,
        "sh",
        "-c",
        &script,
        folder.text(),
    ]));
    until("it runs", || folder.log_text().contains("before"));
    run.signal(Signal::KILL);
    assert_eq!(run.wait().signal(), Some(Signal::KILL.as_raw()));
    fs::write(&fifo, "go\n").unwrap();
    assert_nothing_remains(&ring_of(&folder));
    assert_eq!(folder.messages(), ["before", "after"]);
    assert!(folder.path().join("done").exists());
}

fn arguments_go_before_the_environment_and_the_environment_before_defaults() {
    let (ours, theirs) = (Folder::new(), Folder::new());
    let script = "echo out; echo err >&2";
    let play = |arguments: &[&str]| {
        let mut command = run_command(&[arguments, &["sh", "-c", script]].concat());
        command
            .env("SHMLOG_SINKS", format!("file:{}", theirs.text()))
            .env("SHMLOG_LEVEL", "warn");
        let output = command.output().unwrap();
        assert!(output.status.success(), "{output:?}");
        (output, theirs.records().len())
    };
    let (output, count) = play(&[]);
    assert_eq!((theirs.messages(), count), (vec!["err".to_owned()], 1));
    assert_says(&errors(&output), &[theirs.text()]);
    let (output, count) = play(&["--level", "info"]);
    assert_eq!(
        (String::from_utf8_lossy(&output.stdout).into_owned(), count),
        (String::new(), 3)
    );
    let (_, count) = play(&["--logs", ours.text()]);
    assert_eq!((ours.messages(), count), (vec!["err".to_owned()], 3));
}

fn a_ring_that_cannot_be_made_is_refused_before_the_program_runs() {
    let folder = Folder::new();
    let trace = folder.path().join("trace");
    let trace = trace.to_str().unwrap();
    for (arguments, code, words) in [
        (
            &["--slots", "1000"][..],
            1,
            "slots is 1000; allowed: a power of two",
        ),
        (&["--sink", "fiel:logs"], 1, "fiel"),
        (&["--sink", "file?keep"], 2, "key=value"),
        (&["--level", "loud"], 2, "loud"),
        (&["--filter", "imu=loud"], 1, "imu=loud"),
        (&["--logs", "/dev/null/logs"], 1, "/dev/null/logs"),
    ] {
        let output = ends_alone(run_command(&[arguments, &["touch", trace]].concat()));
        assert_eq!(output.status.code(), Some(code), "{output:?}");
        assert_says(&errors(&output), &[words]);
    }
    assert!(!Path::new(trace).exists());
}

fn standard_input_is_the_programs_own() {
    let mut command = run_command(&["-q", "cat"]);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"a line\n").unwrap();
    let mut text = String::new();
    child
        .stdout
        .take()
        .unwrap()
        .read_to_string(&mut text)
        .unwrap();
    assert!(child.wait().unwrap().success());
    assert_says(&text, &["a line", Level::Info.as_str()]);
    wait_for_end(child.id());
}

/// Logs more than the ring takes while no drainer reads it.
fn flooder(_: &[String]) {
    let logger = ShmLogger::attach().unwrap();
    let drainer = drainers_of(logger.name())[0];
    send(drainer, Signal::STOP);
    (0..100).for_each(|n| info!("record {n}"));
    send(drainer, Signal::CONT);
}

fn what_found_the_ring_full_is_counted_at_the_end_with_the_way_out() {
    let program = std::env::current_exe().unwrap();
    let mut command = run_command(&["--slots", "16", "--", program.to_str().unwrap()]);
    let output = command.env("ROLE_IN_SHMLOG_TEST", "flooder").output().unwrap();
    let said = errors(&output);
    assert!(!said.contains(" 0 dropped"), "{said}");
    assert_says(&said, &["dropped", "more than 16 --slots would help"]);
}
