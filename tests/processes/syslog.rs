//! The syslog sink before rsyslog, started here as an ordinary user: every record of several processes arrives with what
//! belongs to it, by a Unix socket and by UDP, and what is logged while rsyslog is started anew waits for it.

use std::fs;
use std::net::UdpSocket;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use libtest_mimic::Trial;

use crate::received::{Manner, Scene, Seen, assert_in_order, said_of};
use crate::support::{Folder, Role, assert_says, until};
use crate::trial::Ignored;
use crate::trials;

pub const ROLES: &[Role] = &[];

pub fn trials() -> Vec<Trial> {
    trials![
        rsyslog_gets_every_record_of_all_processes_by_its_socket_also_when_it_is_started_anew,
        rsyslog_gets_every_record_of_all_processes_by_udp_also_when_it_is_started_anew,
    ]
}

/// What rsyslog is told: a socket, a port, and all properties of a message as a line of JSON.
const SETTINGS: &str = r#"
global(workDirectory="FOLDER" net.enableDNS="off")
module(load="imuxsock" SysSock.Use="off")
module(load="imudp")
template(name="all" type="list" option.jsonf="on") {
  property(name="pri" outname="pri" format="jsonf")
  property(name="timereported" outname="time" dateFormat="rfc3339" format="jsonf")
  property(name="hostname" outname="host" format="jsonf")
  property(name="app-name" outname="app" format="jsonf")
  property(name="procid" outname="procid" format="jsonf")
  property(name="msgid" outname="msgid" format="jsonf")
  property(name="protocol-version" outname="version" format="jsonf")
  property(name="structured-data" outname="data" format="jsonf")
  property(name="msg" outname="msg" format="jsonf")
}
ruleset(name="write") { action(type="omfile" file="FOLDER/out" template="all") }
input(type="imuxsock" socket="FOLDER/log" useSpecialParser="off" parseHostname="on" ignoreTimestamp="off"
      useSysTimeStamp="off" rateLimit.interval="0" ruleset="write")
input(type="imudp" address="127.0.0.1" port="PORT" rcvbufSize="1m" ruleset="write")
"#;

/// rsyslog, with a folder of its own.
struct Daemon {
    folder: Folder,
    port: u16,
    child: Option<Child>,
}

impl Daemon {
    /// Finds it, but does not start it.
    fn new() -> Result<Daemon, Ignored> {
        if Daemon::program().is_none() {
            return Err(Ignored("needs rsyslogd: Debian's package rsyslog"));
        }
        let folder = Folder::new();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
        let port = UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = port.local_addr().unwrap().port();
        let settings = SETTINGS.replace("FOLDER", folder.text());
        let settings = settings.replace("PORT", &port.to_string());
        fs::write(folder.path().join("settings"), settings).unwrap();
        Ok(Daemon {
            folder,
            port,
            child: None,
        })
    }

    fn program() -> Option<PathBuf> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
        folders
            .map(|folder| folder.join("rsyslogd"))
            .find(|program| program.exists())
    }

    /// Starts it, as an ordinary user.
    fn start(&mut self) {
        let mut command = Command::new(Daemon::program().unwrap());
        command
            .args(["-n", "-iNONE", "-f"])
            .arg(self.folder.path().join("settings"));
        if rustix::process::geteuid().is_root() {
            command.uid(65_534).gid(65_534);
        }
        // It is none of the ring's processes.
        command
            .env_remove("SHMLOG_RING")
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        self.child = Some(command.spawn().unwrap());
        until("rsyslog listens", || {
            let socket = UnixDatagram::unbound().unwrap();
            socket.connect(self.folder.path().join("log")).is_ok()
        });
    }

    /// Waits until it has so many messages with a sequence, then kills it.
    fn kill_after(&mut self, records: usize) {
        until("rsyslog has all", || self.numbered() >= records);
        let mut child = self.child.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    fn text(&self) -> String {
        fs::read_to_string(self.folder.path().join("out")).unwrap_or_default()
    }

    fn numbered(&self) -> usize {
        self.text().matches(r#"shmlog@32473 seq"#).count()
    }

    fn seen(&self) -> Vec<Seen> {
        self.text().lines().map(seen).collect()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// A string up to its quote, which is taken too, with its escapes undone by `escape`.
fn string(rest: &mut &str, escape: fn(&mut std::str::Chars<'_>) -> char) -> String {
    let mut text = String::new();
    let mut chars = rest.chars();
    loop {
        match chars.next().unwrap() {
            '"' => break,
            '\\' => text.push(escape(&mut chars)),
            c => text.push(c),
        }
    }
    *rest = chars.as_str();
    text
}

fn json_escape(chars: &mut std::str::Chars<'_>) -> char {
    match chars.next().unwrap() {
        'n' => '\n',
        't' => '\t',
        'u' => {
            let digits: String = chars.by_ref().take(4).collect();
            char::from_u32(u32::from_str_radix(&digits, 16).unwrap()).unwrap()
        }
        c => c,
    }
}

/// An object of strings.
fn object(line: &str) -> Vec<(String, String)> {
    let mut rest = line.strip_prefix('{').unwrap();
    let mut fields = Vec::new();
    while let Some(after) = rest.trim_start_matches([',', ' ']).strip_prefix('"') {
        rest = after;
        let name = string(&mut rest, json_escape);
        rest = rest
            .trim_start_matches([':', ' '])
            .strip_prefix('"')
            .unwrap();
        fields.push((name, string(&mut rest, json_escape)));
    }
    assert_eq!(rest, "}");
    fields
}

/// The parameters of the structured data, by the names of their elements.
fn data(text: &str) -> Vec<(String, String, String)> {
    let (mut rest, mut all) = (text, Vec::new());
    while let Some(after) = rest.strip_prefix('[') {
        rest = after;
        let (element, after) = rest.split_at(rest.find([' ', ']']).unwrap());
        rest = after;
        while let Some(after) = rest.strip_prefix(' ') {
            let (name, after) = after.split_once("=\"").unwrap();
            rest = after;
            let value = string(&mut rest, |chars| chars.next().unwrap());
            all.push((element.to_owned(), name.to_owned(), value));
        }
        rest = rest.strip_prefix(']').unwrap();
    }
    assert_eq!(rest, "");
    all
}

fn seen(line: &str) -> Seen {
    let fields = object(line);
    let of = |name: &str| {
        let found = fields.iter().find(|(known, _)| known == name);
        found
            .unwrap_or_else(|| panic!("no {name}: {line}"))
            .1
            .clone()
    };
    let data = data(&of("data"));
    let fact = |name: &str| {
        let mut facts = data
            .iter()
            .filter(|(element, ..)| element == "shmlog@32473");
        facts
            .find(|(_, known, _)| known == name)
            .map(|(_, _, value)| value.clone())
    };
    let values = data
        .iter()
        .filter(|(element, ..)| element == "values@32473");
    let values = values
        .map(|(_, name, value)| (name.clone(), value.clone()))
        .collect();
    let priority: u32 = of("pri").parse().unwrap();
    assert_eq!(priority >> 3, 19, "local3");
    assert_eq!(of("version"), "1");
    assert_eq!(of("host"), hostname());
    let target = fact("target").unwrap();
    assert_eq!(of("msgid"), target);
    let time = chrono::DateTime::parse_from_rfc3339(&of("time")).unwrap();
    let age = chrono::Utc::now().signed_duration_since(time);
    assert!((0..600).contains(&age.num_seconds()), "{line}");
    assert!(of("time").contains('.'), "it is the record's own: {line}");
    let place = fact("file").map_or_else(String::new, |file| {
        format!("{file}:{}", fact("line").unwrap())
    });
    let message = of("msg");
    Seen {
        sequence: fact("seq").map(|sequence| sequence.parse().unwrap()),
        severity: priority & 7,
        level: fact("level").unwrap(),
        process: of("app"),
        pid: of("procid").parse().unwrap(),
        thread: fact("thread").unwrap(),
        tid: fact("tid").unwrap().parse().unwrap(),
        target,
        place,
        // rsyslog leaves the mark where it is.
        message: message
            .strip_prefix('\u{feff}')
            .unwrap_or_else(|| panic!("{line}"))
            .to_owned(),
        values,
    }
}

fn hostname() -> String {
    fs::read_to_string("/proc/sys/kernel/hostname")
        .unwrap()
        .trim()
        .to_owned()
}

const MANNER: Manner = Manner {
    text: |text| text.replace('\n', "\\n").replace('\x1b', "\\x1b"),
    process: |name| name.replace('ü', "_"),
    key: |key| key.to_owned(),
};

/// Logs before there is an rsyslog, with one, without, and with the next.
fn play(mut daemon: Daemon, place: &str, count: usize) -> (Vec<Seen>, Vec<String>) {
    let spec = format!("syslog:{place}?facility=local3&max_size=8000");
    let mut scene = Scene::begin(&spec, count);
    scene.log_in_vain();
    daemon.start();
    scene.settle_anew();
    scene.log();
    scene.settle();
    daemon.kill_after(scene.logged());
    scene.log_in_vain();
    daemon.start();
    scene.settle_anew();
    scene.log();
    scene.settle();
    daemon.kill_after(scene.logged());
    let (folder, expected) = scene.end();
    let seen = daemon.seen();
    expected.check(&folder, &seen, &MANNER);
    (seen, said_of(&folder, "syslog "))
}

/// Twice the receiver was not there; each time that is told once, and once that it is over.
fn assert_told(told: &[String], begins: &[&str], waited: usize) {
    assert_eq!(told.len(), 4, "{told:#?}");
    for (round, told) in told.chunks(2).enumerate() {
        assert_says(
            &told[0],
            &[
                begins[round],
                "in memory, which has room for 16777216 bytes",
            ],
        );
        let over = format!("takes records again: {waited} records waited for that, and 0 more");
        assert_says(&told[1], &[&over]);
    }
}

fn rsyslog_gets_every_record_of_all_processes_by_its_socket_also_when_it_is_started_anew()
-> Result<(), Ignored> {
    let daemon = Daemon::new()?;
    let place = daemon.folder.path().join("log");
    let (seen, told) = play(daemon, place.to_str().unwrap(), 40);
    assert_in_order(&seen);
    assert_told(&told, &["No such file", "Connection refused"], 240);
    Ok(())
}

fn rsyslog_gets_every_record_of_all_processes_by_udp_also_when_it_is_started_anew()
-> Result<(), Ignored> {
    let daemon = Daemon::new()?;
    let place = format!("udp://localhost:{}", daemon.port);
    // As many as fit into the buffer of the socket, whatever rsyslog does meanwhile.
    let (seen, told) = play(daemon, &place, 10);
    assert_in_order(&seen);
    assert_told(&told, &["Connection refused", "Connection refused"], 60);
    Ok(())
}
