//! Ctrl+C at a real terminal.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::process::{Command, Stdio};

use libtest_mimic::Trial;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use shmlog::{Level, ShmLogger, info};

use crate::support::{Folder, Role, assert_nothing_remains, role_command, until};
use crate::tally::{Log, Tally, number};
use crate::trials;

pub const ROLES: &[Role] = &[
    ("at_the_terminal", at_the_terminal),
    ("child_at_the_terminal", child_at_the_terminal),
];

pub fn trials() -> Vec<Trial> {
    trials![ctrl_c_at_a_terminal_ends_all_processes_and_costs_no_line_on_either_sink]
}

const EACH: u64 = 100;
const NAMES: [&str; 3] = ["parent", "one", "two"];

/// Is interrupted together with its children, so nobody waits for them.
#[allow(clippy::zombie_processes)]
fn at_the_terminal(arguments: &[String]) {
    let folder = &arguments[0];
    let logger = ShmLogger::builder()
        .level(Level::Trace)
        .console(true)
        .file(true)
        .file_path(folder)
        .process_name("parent")
        .init_parent()
        .unwrap();
    std::fs::write(format!("{folder}/ring"), logger.name()).unwrap();
    let start = |who| role_command("child_at_the_terminal", &[folder, who]).spawn();
    let _children: Vec<_> = NAMES[1..].iter().map(|who| start(who).unwrap()).collect();
    log_and_wait(folder, "parent");
}

fn child_at_the_terminal(arguments: &[String]) {
    let [folder, who] = arguments else { panic!() };
    let _logger = ShmLogger::builder().process_name(&**who).attach().unwrap();
    log_and_wait(folder, who);
}

fn log_and_wait(folder: &str, who: &str) {
    let tally = Tally::of(folder, who);
    (0..EACH).for_each(|_| tally.count(|n| info!("{who} {n} ok")));
    loop {
        std::thread::park();
    }
}

/// A terminal: the side that a person sits at, and a function that opens the other.
pub fn open_terminal() -> (File, impl Fn() -> Stdio) {
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let person = openpt(flags).unwrap();
    grantpt(&person).unwrap();
    unlockpt(&person).unwrap();
    let name = ptsname(&person, Vec::new()).unwrap();
    let path = name.to_str().unwrap().to_owned();
    let open = move || {
        use std::os::unix::fs::OpenOptionsExt;
        let mut options = OpenOptions::new();
        let options = options.read(true).write(true).custom_flags(libc::O_NOCTTY);
        Stdio::from(options.open(&path).unwrap())
    };
    (File::from(person), open)
}

fn ctrl_c_at_a_terminal_ends_all_processes_and_costs_no_line_on_either_sink() {
    let folder = Folder::new();
    let (mut person, terminal) = open_terminal();
    // A session of its own at that terminal, with a shell that outlives what is interrupted in it. A terminal
    // throws away what it has not shown yet when the key is pressed, unless it is told not to.
    let mut session = Command::new("setsid");
    session.args([
        "--ctty",
        "sh",
        "-c",
        r#"stty noflsh -echo; trap : INT; "$@"; read line"#,
        "sh",
    ]);
    let role = role_command("at_the_terminal", &[folder.text()]);
    session.arg(role.get_program()).args(role.get_args());
    let variables = role
        .get_envs()
        .filter_map(|(name, value)| Some((name, value?)));
    // Colours would stand between the words of a message.
    session.envs(variables).env("NO_COLOR", "1");
    session
        .stdin(terminal())
        .stdout(terminal())
        .stderr(terminal());
    let mut shell = session.spawn().unwrap();
    drop(session);
    let mut seen = person.try_clone().unwrap();
    let reader = std::thread::spawn(move || {
        let (mut all, mut some) = (Vec::new(), [0; 4096]);
        // An error says that nobody has the terminal open any more.
        while let Ok(count @ 1..) = seen.read(&mut some) {
            all.extend_from_slice(&some[..count]);
        }
        String::from_utf8_lossy(&all).into_owned()
    });

    let tallies = NAMES.map(|who| Tally::of(folder.text(), who));
    until("all have logged", || {
        tallies.iter().all(|tally| tally.returned() == EACH)
    });
    person.write_all(b"\x03").unwrap();
    let ring = std::fs::read_to_string(folder.path().join("ring")).unwrap();
    assert_nothing_remains(&ring);
    person.write_all(b"done\n").unwrap();
    assert!(shell.wait().unwrap().success());
    // The terminal echoes the key wherever the cursor happens to be.
    let screen = reader.join().unwrap().replace("^C", "");
    let screen = anstream::adapter::strip_str(&screen).to_string();

    let of = Log::read(&folder).by_process();
    for who in NAMES {
        assert!(of[who].iter().map(number).eq(0..EACH), "{who}");
        for n in 0..EACH {
            assert!(screen.contains(&format!("{who} {n} ok")), "{who} {n}");
        }
    }
}
