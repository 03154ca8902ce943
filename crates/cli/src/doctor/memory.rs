//! Checks of memory: what a ring lives in, and whether the system may take it away.

use super::finding::Finding;
use super::machine::{Machine, RING, chosen, mebibytes};

/// The capability to lock memory without a limit.
const CAP_IPC_LOCK: u32 = 14;

/// The folders of the system's settings, the one that decides first.
const SETTINGS: [&str; 4] = [
    "/etc/systemd",
    "/run/systemd",
    "/usr/local/lib/systemd",
    "/usr/lib/systemd",
];
/// Users below it are the system's, and root: logind leaves theirs alone.
const FIRST_PERSON: u32 = 1000;

/// Whether the rings of a person go when that person logs out.
pub fn removal(machine: &Machine) -> Finding {
    const NAME: &str = "rings at logout";
    let has = |path: &str| machine.path(path).exists();
    if !has("/usr/lib/systemd/systemd-logind") && !has("/lib/systemd/systemd-logind") {
        return Finding::ok(NAME, "stay: there is no logind");
    }
    let user = machine.status("Uid").unwrap_or_default();
    let user = user
        .split_ascii_whitespace()
        .nth(1)
        .and_then(|user| user.parse().ok());
    if user.is_some_and(|user: u32| user < FIRST_PERSON) {
        return Finding::ok(NAME, "stay: this is a user of the system");
    }
    if !removes_ipc(machine) {
        return Finding::ok(NAME, "stay: RemoveIPC=no");
    }
    Finding::note(
        NAME,
        "go: RemoveIPC=yes in logind.conf, which is the default",
        "when this user's last session ends, all files of the user in /dev/shm are removed: programs that go on running log on, \
         but those that they start cannot attach",
        "RemoveIPC=no in /etc/systemd/logind.conf.d/shmlog.conf, below [Login], then systemctl restart systemd-logind; or \
         loginctl enable-linger USER; or run it as a user of the system",
    )
}

/// What logind.conf says, with the files beside it, of which the last by name decides.
fn removes_ipc(machine: &Machine) -> bool {
    let whole = SETTINGS.map(|folder| format!("{folder}/logind.conf"));
    let mut texts: Vec<String> = whole
        .iter()
        .find_map(|path| machine.read(path))
        .into_iter()
        .collect();
    let mut parts = std::collections::BTreeMap::new();
    for folder in SETTINGS {
        let folder = format!("{folder}/logind.conf.d");
        let entries = std::fs::read_dir(machine.path(&folder))
            .into_iter()
            .flatten();
        for entry in entries.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.ends_with(".conf") {
                let path = format!("{folder}/{name}");
                // One of the same name in a folder before hides it.
                parts.entry(name).or_insert(path);
            }
        }
    }
    texts.extend(parts.values().filter_map(|path| machine.read(path)));
    let settings = texts.iter().flat_map(|text| text.lines());
    let values = settings.filter_map(|line| line.trim().strip_prefix("RemoveIPC"));
    let mut values = values.filter_map(|rest| rest.trim_start().strip_prefix('='));
    let last = values.next_back().map(|value| value.trim().to_lowercase());
    !matches!(
        last.as_deref(),
        Some("no" | "false" | "off" | "0" | "n" | "f")
    )
}

pub fn space(machine: &Machine) -> Finding {
    const NAME: &str = "space in /dev/shm";
    let Some(space) = machine.shm else {
        let advice = "mount -t tmpfs -o size=64m,mode=1777 tmpfs /dev/shm";
        return Finding::bad(
            NAME,
            "there is no /dev/shm",
            "a ring is a file in it",
            advice,
        );
    };
    let (free, total) = (mebibytes(space.free), mebibytes(space.total));
    let found = format!(
        "{free} free of {total}; a ring takes {} by default",
        mebibytes(RING)
    );
    let enlarge = "mount -o remount,size=256m /dev/shm; in a container: docker run --shm-size=256m";
    if space.free < RING {
        return Finding::bad(
            NAME,
            found,
            "no ring of the default size can be made",
            enlarge,
        );
    }
    if space.free < 4 * RING {
        let why = "a few programs at once, or what crashed ones left (shmlog recover), fill it";
        return Finding::note(NAME, found, why, enlarge);
    }
    Finding::ok(NAME, found)
}

pub fn inodes(machine: &Machine) -> Finding {
    const NAME: &str = "files in /dev/shm";
    match machine.shm {
        Some(space) if space.files > 0 && space.files_free < 16 => {
            let found = format!("{} of {} may still be made", space.files_free, space.files);
            let advice =
                "mount -o remount,nr_inodes=100k /dev/shm, or remove what others left there";
            Finding::bad(
                NAME,
                found,
                "each ring is a file, with one or two beside it",
                advice,
            )
        }
        Some(space) if space.files > 0 => {
            Finding::ok(NAME, format!("{} may still be made", space.files_free))
        }
        _ => Finding::ok(NAME, "no limit"),
    }
}

pub fn mount(machine: &Machine) -> Finding {
    const NAME: &str = "mount of /dev/shm";
    let mounts = machine.read("/proc/self/mounts").unwrap_or_default();
    let words = |line: &str| {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        Some((words.get(2)?.clone(), words.get(3)?.clone()))
    };
    // The last one is on top.
    let on_it = mounts
        .lines()
        .rfind(|line| line.split(' ').nth(1) == Some("/dev/shm"));
    let Some((kind, options)) = on_it.and_then(words) else {
        let why = "it may lie on a disk, and each record with it";
        let advice = "mount -t tmpfs -o size=64m,mode=1777 tmpfs /dev/shm";
        return Finding::note(NAME, "none of its own", why, advice);
    };
    let found = format!("{kind} ({options})");
    if kind != "tmpfs" && kind != "ramfs" {
        let advice = "mount -t tmpfs -o size=64m,mode=1777 tmpfs /dev/shm";
        return Finding::bad(NAME, found, "log calls would wait for a disk", advice);
    }
    if options.split(',').any(|option| option == "ro") {
        return Finding::bad(
            NAME,
            found,
            "no ring can be made",
            "mount -o remount,rw /dev/shm",
        );
    }
    Finding::ok(NAME, found)
}

pub fn lock(machine: &Machine) -> Finding {
    const NAME: &str = "memory lock";
    match machine.memlock {
        Some(limit) if limit < RING && machine.is_capable_of(CAP_IPC_LOCK) => {
            let limit = mebibytes(limit);
            Finding::ok(
                NAME,
                format!("{limit}, but CAP_IPC_LOCK goes before; other users may have to raise it"),
            )
        }
        Some(limit) if limit < RING => {
            let found = format!(
                "RLIMIT_MEMLOCK is {}, a ring takes {}",
                mebibytes(limit),
                mebibytes(RING)
            );
            let why = "lock_memory(true) is refused, so pages of the ring may be taken away";
            let advice = "ulimit -l 65536 (in KiB); LimitMEMLOCK=64M in a systemd unit; docker run --ulimit memlock=-1";
            Finding::note(NAME, found, why, advice)
        }
        Some(limit) => Finding::ok(NAME, format!("RLIMIT_MEMLOCK is {}", mebibytes(limit))),
        None => Finding::ok(NAME, "no limit"),
    }
}

pub fn swap(machine: &Machine) -> Finding {
    const NAME: &str = "swap";
    let swaps = machine.read("/proc/swaps").unwrap_or_default();
    let areas = swaps
        .lines()
        .skip(1)
        .filter_map(|line| line.split_whitespace().next());
    let areas: Vec<&str> = areas.collect();
    if areas.is_empty() {
        return Finding::ok(NAME, "none");
    }
    let why =
        "pages of a ring that lies still may be swapped out; a log call then waits for a disk";
    let advice = ".lock_memory(true) in the builder, or swapoff -a";
    Finding::note(NAME, areas.join(", "), why, advice)
}

pub fn huge_pages(machine: &Machine) -> Finding {
    const NAME: &str = "huge pages";
    const FILE: &str = "/sys/kernel/mm/transparent_hugepage/shmem_enabled";
    let Some(text) = machine.read(FILE) else {
        return Finding::ok(
            NAME,
            "this kernel has none; .huge_pages(true) would change nothing",
        );
    };
    match chosen(&text) {
        "deny" => {
            let why = "huge_pages(true) is refused; large rings cost more look-ups of addresses";
            Finding::note(
                NAME,
                "denied to shared memory",
                why,
                &format!("echo advise > {FILE}"),
            )
        }
        says => Finding::ok(
            NAME,
            format!("{says}; from Linux 6.1 on .huge_pages(true) gets them"),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::Verdict::{Bad, Note, Ok};
    use crate::doctor::machine::Space;
    use crate::doctor::machine::tests::{assert_finds, assert_finds_in, with};

    #[test]
    fn rings_of_people_go_at_their_logout_unless_logind_is_told_otherwise() {
        const LOGIND: (&str, &str) = ("/usr/lib/systemd/systemd-logind", "");
        const PERSON: (&str, &str) = ("/proc/self/status", "Uid:\t1000\t1000\t1000\t1000\n");
        const SYSTEM: (&str, &str) = ("/proc/self/status", "Uid:\t0\t0\t0\t0\n");
        let whole = |text| ("/etc/systemd/logind.conf", text);
        let part = |text| ("/etc/systemd/logind.conf.d/a.conf", text);
        let later = |text| ("/usr/lib/systemd/logind.conf.d/b.conf", text);
        assert_finds_in(removal, &[PERSON], Ok, &["no logind"]);
        assert_finds_in(removal, &[LOGIND, SYSTEM], Ok, &["user of the system"]);
        let advice = ["RemoveIPC=no", "enable-linger"];
        assert_finds_in(removal, &[LOGIND, PERSON], Note, &advice);
        let comment = whole("[Login]\n#RemoveIPC=no\n");
        assert_finds_in(removal, &[LOGIND, PERSON, comment], Note, &advice);
        let no = whole("[Login]\nRemoveIPC=no\n");
        assert_finds_in(removal, &[LOGIND, PERSON, no], Ok, &["RemoveIPC=no"]);
        let yes = [LOGIND, PERSON, no, part("[Login]\nRemoveIPC = yes\n")];
        assert_finds_in(removal, &yes, Note, &advice);
        let no_again = [
            LOGIND,
            PERSON,
            part("RemoveIPC=yes"),
            later("RemoveIPC=off"),
        ];
        assert_finds_in(removal, &no_again, Ok, &["RemoveIPC=no"]);
    }

    #[test]
    fn shared_memory_must_have_room_for_a_ring_and_better_for_several() {
        let (_root, mut machine) = with(&[]);
        let free = |free| {
            Some(Space {
                total: 64 << 20,
                free,
                files: 100,
                files_free: 3,
            })
        };
        machine.shm = free(60 << 20);
        assert_finds(space, &machine, Ok, &["60 MiB free of 64 MiB"]);
        assert_finds(inodes, &machine, Bad, &["3 of 100", "nr_inodes"]);
        machine.shm = free(20 << 20);
        assert_finds(space, &machine, Note, &["--shm-size"]);
        machine.shm = free(RING - 1);
        assert_finds(space, &machine, Bad, &["remount,size="]);
        machine.shm = None;
        assert_finds(space, &machine, Bad, &["there is no /dev/shm"]);
        assert_finds(inodes, &machine, Ok, &[]);
    }

    #[test]
    fn the_mount_on_top_is_the_one_that_counts() {
        let mounts = |text| [("/proc/self/mounts", text)];
        let shm = mounts(
            "proc /proc proc rw 0 0\nx /dev/shm ext4 rw 0 0\ntmpfs /dev/shm tmpfs rw,nosuid 0 0\n",
        );
        assert_finds_in(mount, &shm, Ok, &["tmpfs (rw,nosuid)"]);
        assert_finds_in(
            mount,
            &mounts("tmpfs /dev/shm tmpfs ro 0 0"),
            Bad,
            &["remount,rw"],
        );
        assert_finds_in(
            mount,
            &mounts("/dev/sda /dev/shm ext4 rw 0 0"),
            Bad,
            &["disk"],
        );
        assert_finds_in(
            mount,
            &mounts("proc /proc proc rw 0 0"),
            Note,
            &["mount -t tmpfs"],
        );
    }

    #[test]
    fn memory_can_be_locked_within_the_limit_or_with_the_capability() {
        let (_root, mut machine) = with(&[("/proc/self/status", "CapEff:\t0000000000000000\n")]);
        assert_finds(lock, &machine, Ok, &["no limit"]);
        machine.memlock = Some(64 << 20);
        assert_finds(lock, &machine, Ok, &["64 MiB"]);
        machine.memlock = Some(8 << 20);
        assert_finds(lock, &machine, Note, &["8 MiB", "11 MiB", "ulimit -l"]);
        let (_root, mut machine) = with(&[("/proc/self/status", "CapEff:\t0000000000004000\n")]);
        machine.memlock = Some(8 << 20);
        assert_finds(lock, &machine, Ok, &["CAP_IPC_LOCK"]);
    }

    #[test]
    fn swap_and_forbidden_huge_pages_are_noted() {
        let swaps = "Filename Type Size Used Priority\n/dev/sda2 partition 1 0 -2\n";
        assert_finds_in(
            swap,
            &[("/proc/swaps", swaps)],
            Note,
            &["/dev/sda2", "lock_memory"],
        );
        assert_finds_in(swap, &[("/proc/swaps", "Filename Type\n")], Ok, &["none"]);
        let enabled = |text| [("/sys/kernel/mm/transparent_hugepage/shmem_enabled", text)];
        assert_finds_in(
            huge_pages,
            &enabled("always never [deny]"),
            Note,
            &["echo advise"],
        );
        assert_finds_in(huge_pages, &enabled("always [never] deny"), Ok, &["never"]);
        assert_finds_in(huge_pages, &[], Ok, &["none"]);
    }
}
