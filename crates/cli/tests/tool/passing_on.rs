//! `shmlog run`: signals reach the program, each once; at a terminal too.

use libtest_mimic::Trial;
use rustix::process::Signal;
use signal_hook::iterator::SignalsInfo;
use signal_hook::iterator::exfiltrator::raw::WithRawSiginfo;

use crate::pty::Terminal;
use crate::running::run_command;
use crate::support::{Actor, Folder, Role, assert_says, say, send, until};
use crate::tool;
use crate::trials;

pub const ROLES: &[Role] = &[("hearer", hearer)];

pub fn trials() -> Vec<Trial> {
    trials![
        each_signal_that_is_sent_to_us_alone_reaches_the_program_once,
        an_ignored_signal_stays_ignored_for_the_program,
        ctrl_c_at_a_terminal_reaches_the_program_once_and_what_it_says_then_is_logged,
        ctrl_c_reaches_a_program_with_a_pseudo_terminal_once,
        a_pseudo_terminal_has_the_size_of_the_real_one_and_follows_it,
        ctrl_z_stops_us_with_the_program_and_both_go_on_in_the_foreground,
    ]
}

/// Prints which signals it gets, waits for more, and ends with TERM.
const LISTENER: &str = "for name in INT HUP QUIT USR1 USR2 WINCH CONT; do trap \"echo got $name\" $name; done; \
                        trap 'kill -9 $!; echo got TERM; exit 5' TERM; sleep 1000 > /dev/null 2>&1 & \
                        echo ready; while :; do wait; done";

fn each_signal_that_is_sent_to_us_alone_reaches_the_program_once() {
    let folder = Folder::new();
    let sink = format!("file:{}", folder.text());
    let mut run = Actor::from_command(run_command(&[
        "--sink",
        &sink,
        "--no-capture",
        "sh",
        "-c",
        LISTENER,
    ]));
    run.hear("ready");
    let signals = [
        (Signal::INT, "INT"),
        (Signal::HUP, "HUP"),
        (Signal::USR1, "USR1"),
        (Signal::USR1, "USR1"),
        (Signal::QUIT, "QUIT"),
        (Signal::USR2, "USR2"),
        (Signal::WINCH, "WINCH"),
        (Signal::CONT, "CONT"),
        (Signal::TERM, "TERM"),
    ];
    for (signal, name) in signals {
        run.signal(signal);
        assert_eq!(run.hear("got "), name);
    }
    assert_eq!(run.wait().code(), Some(5));
}

fn an_ignored_signal_stays_ignored_for_the_program() {
    let script = "trap '' HUP; exec \"$@\"";
    let inner = run_command(&["--no-capture", "sh", "-c", "kill -HUP $$; echo alive"]);
    let mut command = tool::below("sh");
    command
        .args(["-c", script, "sh"])
        .arg(inner.get_program())
        .args(inner.get_args());
    let output = command.output().unwrap();
    assert!(output.status.success());
    assert_says(&String::from_utf8_lossy(&output.stdout), &["alive"]);
}

/// How often Ctrl+C is pressed.
const PRESSED: usize = 20;

/// Says each signal that it gets, and ends with TERM. Awake all the time, so that two of a kind do not become one.
fn hearer(_: &[String]) {
    let mut heard = SignalsInfo::<WithRawSiginfo>::new([libc::SIGINT, libc::SIGTERM]).unwrap();
    say("ready");
    let mut is_over = false;
    while !is_over {
        for info in heard.pending() {
            is_over |= info.si_signo == libc::SIGTERM;
            say(if is_over { "got TERM" } else { "got INT" });
        }
    }
    std::process::exit(5);
}

fn ctrl_c_at_a_terminal_reaches_the_program_once_and_what_it_says_then_is_logged() {
    assert_ctrl_c_is_heard(&[]);
}

fn ctrl_c_reaches_a_program_with_a_pseudo_terminal_once() {
    assert_ctrl_c_is_heard(&["--pty"]);
}

fn a_pseudo_terminal_has_the_size_of_the_real_one_and_follows_it() {
    let folder = Folder::new();
    let script = "trap 'echo then $(stty size <&2); exit 0' WINCH; echo first $(stty size <&2); while :; do sleep 0.02; done";
    let run = run_command(&["--pty", "--logs", folder.text(), "sh", "-c", script]);
    let terminal = Terminal::of_width(&run, 91);
    let said = |words: &str| folder.records().iter().any(|line| line.message == words);
    until("it has begun", || said("first 40 91"));
    terminal.resize(117);
    assert_says(&terminal.close(), &["sh ended with exit code 0"]);
    assert!(said("then 40 117"), "{}", folder.log_text());
}

fn assert_ctrl_c_is_heard(options: &[&str]) {
    let folder = Folder::new();
    let program = std::env::current_exe().unwrap();
    let program = program.to_str().unwrap();
    let arguments = ["--logs", folder.text(), "--name", "hearer", program];
    let mut run = run_command(&[options, &arguments].concat());
    run.env("ROLE_IN_SHMLOG_TEST", "hearer");
    let mut terminal = Terminal::with(&run);
    let said = |words: &str| {
        folder
            .records()
            .iter()
            .filter(|line| line.message == words)
            .count()
    };
    until("it is ready", || said("ready") == 1);
    // A second one close behind the first may be taken for one by the shell: so it is not left at one.
    for times in 1..=PRESSED {
        terminal.press(b"\x03");
        until("it is interrupted", || said("got INT") >= times);
    }
    let run = terminal.child_of_shell();
    send(run, Signal::TERM);
    let screen = terminal.close();
    assert_says(&screen, &["got TERM", "hearer ended with exit code 5"]);
    assert_eq!((said("got INT"), said("got TERM")), (PRESSED, 1));
}

fn ctrl_z_stops_us_with_the_program_and_both_go_on_in_the_foreground() {
    let folder = Folder::new();
    let script = "echo ready; read line; echo heard $line";
    let run = run_command(&["--logs", folder.text(), "sh", "-c", script]);
    let mut terminal = Terminal::with_job_control(&run);
    let said = |words: &str| folder.records().iter().any(|line| line.message == words);
    until("it is ready", || said("ready"));
    terminal.press(b"\x1a");
    terminal.until_seen("stopped-by-");
    terminal.press(b"word\n");
    let screen = terminal.close();
    assert!(said("heard word"));
    assert_says(&screen, &["sh ended with exit code 0; 2 records logged"]);
}
