//! The journal sink: before a socket of the test's own, before a journal started here in mounts of its own, and before that
//! of the machine where one runs.

use std::fs;
use std::io::{Read, Seek};
use std::mem::MaybeUninit;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};

use libtest_mimic::Trial;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};

use crate::own_mount::OwnMount;
use crate::received::{Manner, Scene, Seen, assert_in_order, said_of, take_fields};
use crate::support::{Actor, Folder, Role, assert_says, until};
use crate::trial::Ignored;
use crate::trials;

pub const ROLES: &[Role] = &[("journal_started_anew", journal_started_anew)];

pub fn trials() -> Vec<Trial> {
    trials![
        a_socket_gets_every_record_of_all_processes_as_the_journal_takes_them,
        the_journal_gets_every_record_of_all_processes_also_when_it_is_started_anew,
        the_journal_of_this_machine_gets_every_record_of_all_processes,
    ]
}

const MANNER: Manner = Manner {
    text: str::to_owned,
    process: str::to_owned,
    key: |key| key.to_ascii_uppercase(),
};

type Fields = Vec<(String, Vec<u8>)>;

/// A record of what the journal was sent, or what it says it has; fields of its own are left out.
fn seen(fields: &Fields) -> Seen {
    let own = |name: &str| {
        let mut found = fields.iter().filter(|(known, _)| known == name);
        let value = found
            .next()
            .map(|(_, value)| String::from_utf8(value.clone()).unwrap());
        assert!(found.next().is_none(), "{name} twice");
        value
    };
    let number = |name: &str| own(name).unwrap().parse::<u32>().unwrap();
    let time: i64 = own("SHMLOG_TIME_NS").unwrap().parse().unwrap();
    let age = chrono::Utc::now().timestamp_nanos_opt().unwrap() - time;
    assert!((0..600_000_000_000).contains(&age), "{fields:?}");
    let ours = ["ROUND", "NUMBER", "RATIO"];
    let values = fields.iter().filter(|(name, _)| ours.contains(&&**name));
    let text = |value: &[u8]| String::from_utf8(value.to_vec()).unwrap();
    Seen {
        sequence: own("SHMLOG_SEQ").map(|sequence| sequence.parse().unwrap()),
        severity: number("PRIORITY"),
        level: own("SHMLOG_LEVEL").unwrap(),
        process: own("SYSLOG_IDENTIFIER").unwrap(),
        pid: number("SYSLOG_PID"),
        thread: own("SHMLOG_THREAD").unwrap(),
        tid: number("TID"),
        target: own("SHMLOG_TARGET").unwrap(),
        place: own("CODE_FILE").map_or_else(String::new, |file| {
            format!("{file}:{}", number("CODE_LINE"))
        }),
        message: own("MESSAGE").unwrap(),
        values: values
            .map(|(name, value)| (name.clone(), text(value)))
            .collect(),
    }
}

/// Receives as the journal does: a datagram, or a file in place of one. `None` for one that is empty.
fn receive(socket: &UnixDatagram) -> Option<Vec<u8>> {
    let mut bytes = vec![0; 1 << 20];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut parts = [std::io::IoSliceMut::new(&mut bytes)];
    let received = recvmsg(socket, &mut parts, &mut control, RecvFlags::CMSG_CLOEXEC).unwrap();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(mut files) = message {
            let mut file = fs::File::from(files.next().unwrap());
            let mut bytes = Vec::new();
            file.rewind().unwrap();
            file.read_to_end(&mut bytes).unwrap();
            return Some(bytes);
        }
    }
    bytes.truncate(received.bytes);
    Some(bytes).filter(|bytes| !bytes.is_empty())
}

/// A socket like the journal's, read by a thread up to an empty datagram.
fn listen_at(path: &Path) -> Receiver<Vec<u8>> {
    let socket = UnixDatagram::bind(path).unwrap();
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        while let Some(bytes) = receive(&socket) {
            sender.send(bytes).unwrap();
        }
    });
    receiver
}

fn a_socket_gets_every_record_of_all_processes_as_the_journal_takes_them() {
    let folder = Folder::new();
    let path = folder.path().join("socket");
    let mut scene = Scene::begin(&format!("journald:{}?level=trace", path.display()), 40);
    scene.log_in_vain();
    let entries = listen_at(&path);
    scene.settle_anew();
    scene.log();
    // Too large for a datagram.
    scene.actor.tell("long");
    scene.actor.hear("logged");
    scene.settle();
    let (logs, expected) = scene.end();
    UnixDatagram::unbound()
        .unwrap()
        .send_to(&[], &path)
        .unwrap();
    let entries: Vec<Vec<u8>> = entries.iter().collect();
    let seen: Vec<Seen> = entries
        .iter()
        .map(|bytes| seen(&take_fields(&mut &bytes[..])))
        .collect();
    let (long, seen): (Vec<Seen>, Vec<Seen>) =
        seen.into_iter().partition(|seen| seen.target == "long");
    expected.check(&logs, &seen, &MANNER);
    assert_in_order(&seen);
    assert_eq!(long.len(), 1);
    assert!(long[0].message == crate::received::long_text());
    let told = said_of(&logs, "journald ");
    assert_eq!(told.len(), 2, "{told:#?}");
    assert_says(&told[0], &["No such file or directory"]);
    assert_says(&told[1], &["takes records again: 240 records waited"]);
}

/// The journal's daemon.
fn daemon() -> Option<PathBuf> {
    let places = [
        "/lib/systemd/systemd-journald",
        "/usr/lib/systemd/systemd-journald",
    ];
    places
        .map(PathBuf::from)
        .into_iter()
        .find(|path| path.exists())
}

const NEEDS: Ignored = Ignored("needs systemd-journald and journalctl: Debian's package systemd");

fn has_journalctl() -> bool {
    let asked = Command::new("journalctl")
        .arg("--version")
        .stdout(Stdio::null())
        .status();
    asked.is_ok_and(|status| status.success())
}

/// Entries as `journalctl` has them by these words.
fn exported(words: &[&str]) -> Vec<Fields> {
    let output = Command::new("journalctl")
        .args(["-q", "-o", "export"])
        .args(words)
        .output()
        .unwrap();
    let (mut rest, mut entries) = (&output.stdout[..], Vec::new());
    while !rest.is_empty() {
        entries.push(take_fields(&mut rest));
    }
    entries
}

fn the_journal_gets_every_record_of_all_processes_also_when_it_is_started_anew()
-> Result<(), Ignored> {
    if daemon().is_none() || !has_journalctl() {
        return Err(NEEDS);
    }
    let id = fs::read_to_string("/etc/machine-id").unwrap_or_default();
    if id.trim().is_empty() {
        return Err(Ignored(
            "a journal needs a machine with an id: systemd-machine-id-setup",
        ));
    }
    let own = OwnMount::over("/run", "1g")?;
    Actor::from_command(own.role("journal_started_anew", &[])).finish();
    Ok(())
}

/// The journal as this role has it: in memory, without limits to speak of, and with nothing of the kernel's.
const SETTINGS: &str = "[Journal]
Storage=volatile
ReadKMsg=no
Audit=
RateLimitIntervalSec=0
RateLimitBurst=0
RuntimeMaxUse=512M
RuntimeMaxFileSize=64M
ForwardToSyslog=no
ForwardToWall=no
";

struct Journal(Child);

impl Journal {
    fn start() -> Journal {
        let mut command = Command::new(daemon().unwrap());
        // It is none of the ring's processes.
        command
            .env_clear()
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        // Where nobody looks at them: it says a lot.
        command.stderr(fs::File::create("/run/said").unwrap());
        let child = command.spawn().unwrap();
        until("the journal listens", || {
            let socket = UnixDatagram::unbound().unwrap();
            socket.connect("/run/systemd/journal/socket").is_ok()
        });
        Journal(child)
    }

    /// The entries that were sent to it, and are not its own words.
    fn entries() -> Vec<Fields> {
        let Ok(mut folders) = fs::read_dir("/run/log/journal") else {
            return Vec::new();
        };
        let Some(Ok(folder)) = folders.next() else {
            return Vec::new();
        };
        let folder = folder.path();
        exported(&["-D", folder.to_str().unwrap(), "_TRANSPORT=journal"])
    }

    /// Waits until it has so many entries with a sequence, then kills it.
    fn kill_after(mut self, records: usize) {
        until("the journal has all", || {
            let numbered = |fields: &&Fields| fields.iter().any(|(name, _)| name == "SHMLOG_SEQ");
            Journal::entries().iter().filter(numbered).count() >= records
        });
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Logs before there is a journal, with one, without, and with the next. `/run` is ours alone.
fn journal_started_anew(_: &[String]) {
    fs::create_dir_all("/run/systemd/journald.conf.d").unwrap();
    fs::write("/run/systemd/journald.conf.d/test.conf", SETTINGS).unwrap();
    let mut scene = Scene::begin("journald", 40);
    scene.log_in_vain();
    let journal = Journal::start();
    scene.settle_anew();
    scene.log();
    scene.settle();
    journal.kill_after(scene.logged());
    scene.log_in_vain();
    let journal = Journal::start();
    scene.settle_anew();
    scene.actor.tell("long");
    scene.actor.hear("logged");
    scene.settle();
    journal.kill_after(scene.logged() + 1);
    let (logs, expected) = scene.end();
    let entries = Journal::entries();
    let seen: Vec<Seen> = entries.iter().map(seen).collect();
    let (long, seen): (Vec<Seen>, Vec<Seen>) =
        seen.into_iter().partition(|seen| seen.target == "long");
    expected.check(&logs, &seen, &MANNER);
    assert_in_order(&seen);
    assert_eq!(long.len(), 1);
    assert!(long[0].message == crate::received::long_text());
    let told = said_of(&logs, "journald ");
    assert_eq!(told.len(), 4, "{told:#?}");
    assert_says(&told[1], &["takes records again: 240 records waited"]);
    assert_says(&told[2], &["Connection refused"]);
    assert_says(&told[3], &["takes records again: 240 records waited"]);
}

fn the_journal_of_this_machine_gets_every_record_of_all_processes() -> Result<(), Ignored> {
    if !Path::new("/run/systemd/journal/socket").exists() || !has_journalctl() {
        return Err(Ignored("no journal of systemd runs here"));
    }
    if exported(&["-n", "1"]).is_empty() {
        return Err(Ignored("one may not read the journal here"));
    }
    let mut scene = Scene::begin("journald", 40);
    scene.log();
    scene.settle();
    let logged = scene.logged();
    let (logs, expected) = scene.end();
    let mut pids: Vec<String> = logs
        .records()
        .iter()
        .map(|line| format!("SYSLOG_PID={}", line.pid))
        .collect();
    pids.sort();
    pids.dedup();
    let words: Vec<&str> = ["--since=-10min"]
        .into_iter()
        .chain(pids.iter().map(|pid| &**pid))
        .collect();
    let sent = || -> Vec<Seen> {
        let entries = exported(&words).into_iter();
        let numbered = |fields: &Fields| fields.iter().any(|(name, _)| name == "SHMLOG_SEQ");
        entries
            .filter(numbered)
            .map(|fields| seen(&fields))
            .collect()
    };
    until("the journal has all", || sent().len() >= logged);
    expected.check(&logs, &sent(), &MANNER);
    Ok(())
}
