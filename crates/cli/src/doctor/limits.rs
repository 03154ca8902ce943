//! Checks of what a container, or who started us, allows: time, memory, processes, system calls.

use super::finding::Finding;
use super::machine::{Machine, RING, mebibytes};

/// The number of the first pid namespace.
const FIRST_NAMESPACE: &str = "pid:[4026531836]";

/// What the memory of a process and a drainer takes, roughly.
const LITTLE: u64 = 4 * RING;

/// The folders of the groups that this process is in for a controller, from its own up: of version 2, and of version 1.
fn groups(machine: &Machine, controller: &str) -> [Vec<String>; 2] {
    let text = machine.read("/proc/self/cgroup").unwrap_or_default();
    let path_of = |is_it: &dyn Fn(&str) -> bool| {
        let path_if = |line: &str| {
            let (_, rest) = line.split_once(':')?;
            let (controllers, path) = rest.split_once(':')?;
            is_it(controllers).then(|| path.to_owned())
        };
        text.lines().find_map(path_if)
    };
    let up = |root: &str, path: Option<String>| {
        let path = path.unwrap_or_default();
        let mut folders: Vec<String> = Vec::new();
        let mut rest = path.trim_end_matches('/');
        while !rest.is_empty() {
            folders.push(format!("{root}{rest}"));
            rest = rest.rsplit_once('/').map_or("", |(above, _)| above);
        }
        // In a container the path may be that outside, and the root is the container's own.
        folders.push(root.to_owned());
        folders
    };
    let second = path_of(&|controllers| controllers.is_empty());
    let first = path_of(&|controllers| controllers.split(',').any(|one| one == controller));
    [
        up("/sys/fs/cgroup", second),
        up(&format!("/sys/fs/cgroup/{controller}"), first),
    ]
}

pub fn processor(machine: &Machine) -> Finding {
    const NAME: &str = "CPU limit";
    let [second, first] = groups(machine, "cpu");
    let quota_in = |folder: &String| {
        let text = machine.read(&format!("{folder}/cpu.max"))?;
        let (quota, period) = text.split_once(' ')?;
        Some((
            folder.clone(),
            quota.parse::<f64>().ok()?,
            period.parse::<f64>().ok()?,
        ))
    };
    let old_quota_in = |folder: &String| {
        let quota = machine
            .number(&format!("{folder}/cpu.cfs_quota_us"))
            .filter(|quota| *quota > 0)?;
        let period = machine.number(&format!("{folder}/cpu.cfs_period_us"))?;
        Some((folder.clone(), quota as f64, period as f64))
    };
    let quota = second
        .iter()
        .find_map(quota_in)
        .or_else(|| first.iter().find_map(old_quota_in));
    let Some((folder, quota, period)) = quota else {
        return Finding::ok(NAME, "none");
    };
    let found = format!("{:.2} CPUs ({quota} of {period} µs)", quota / period);
    let advice = "leave the limit out, or raise it: docker run --cpus=…, CPUQuota= in a systemd unit, resources.limits.cpu; \
                  --cpuset-cpus keeps to some CPUs without stopping any process";
    match throttled(machine, &folder) {
        0 => Finding::note(
            NAME,
            found,
            "when it is used up all threads stop until the period is over",
            advice,
        ),
        times => {
            let why = "it was used up, and all threads stopped until the period was over";
            Finding::bad(
                NAME,
                format!("{found}; throttled {times} times"),
                why,
                advice,
            )
        }
    }
}

/// How often a group was stopped.
fn throttled(machine: &Machine, folder: &str) -> u64 {
    let stat = machine
        .read(&format!("{folder}/cpu.stat"))
        .unwrap_or_default();
    let times = stat
        .lines()
        .find_map(|line| line.strip_prefix("nr_throttled "));
    times.and_then(|times| times.parse().ok()).unwrap_or(0)
}

pub fn memory(machine: &Machine) -> Finding {
    const NAME: &str = "memory limit";
    let [second, first] = groups(machine, "memory");
    let limit_in = |folder: &String, limit: &str, used: &str| {
        let limit = machine.number(&format!("{folder}/{limit}"))?;
        // What version 1 says where there is none.
        let limit = u64::try_from(limit).ok().filter(|limit| *limit < 1 << 60)?;
        let used = machine.number(&format!("{folder}/{used}")).unwrap_or(0);
        Some((limit, limit.saturating_sub(used.max(0) as u64)))
    };
    let new = second
        .iter()
        .filter_map(|folder| limit_in(folder, "memory.max", "memory.current"));
    let old = first
        .iter()
        .filter_map(|folder| limit_in(folder, "memory.limit_in_bytes", "memory.usage_in_bytes"));
    let Some((limit, free)) = new.chain(old).min_by_key(|(_, free)| *free) else {
        return Finding::ok(NAME, "none");
    };
    let found = format!(
        "{}, of which {} are free (caches count as used)",
        mebibytes(limit),
        mebibytes(free)
    );
    let advice = "raise it: docker run --memory=…, MemoryMax= in a systemd unit, resources.limits.memory; or fewer .slots()";
    if limit < LITTLE {
        return Finding::bad(
            NAME,
            found,
            "the ring counts too: when it is reached processes are killed",
            advice,
        );
    }
    if free < LITTLE {
        return Finding::note(
            NAME,
            found,
            "near it each new page waits until another is given up",
            advice,
        );
    }
    Finding::ok(NAME, found)
}

pub fn container(machine: &Machine) -> Finding {
    const NAME: &str = "container";
    let has = |path: &str| machine.path(path).exists();
    let group = machine.read("/proc/self/cgroup").unwrap_or_default();
    let signs = ["docker", "kubepods", "containerd", "libpod", "lxc"];
    let kind = match () {
        () if has("/.dockerenv") => Some("docker"),
        () if has("/run/.containerenv") => Some("podman"),
        () => signs.into_iter().find(|sign| group.contains(sign)),
    };
    match kind {
        Some(kind) => {
            let why = "programs of another container share no ring with these, unless both share /dev/shm and pids";
            let advice =
                "to share one: docker run --ipc=container:A --pid=container:A (or host for both)";
            Finding::note(NAME, kind, why, advice)
        }
        None => Finding::ok(NAME, "none"),
    }
}

pub fn pids(machine: &Machine) -> Finding {
    const NAME: &str = "pid namespace";
    let link = std::fs::read_link(machine.path("/proc/self/ns/pid"));
    match link.map(|link| link.to_string_lossy().into_owned()) {
        Ok(namespace) if namespace != FIRST_NAMESPACE => {
            let why = "only programs of the same one share a ring, and shmlog outside sees this one's pids as others";
            Finding::note(
                NAME,
                namespace,
                why,
                "run shmlog in it too: docker exec, nsenter -p; or docker run --pid=host",
            )
        }
        Ok(_) => Finding::ok(NAME, "the first"),
        Err(_) => Finding::note(
            NAME,
            "unknown",
            "who lives and who has died is seen in /proc",
            "mount -t proc proc /proc",
        ),
    }
}

pub fn system_calls(machine: &Machine) -> Finding {
    const NAME: &str = "system call filter";
    match machine.status("Seccomp").as_deref() {
        None | Some("0") => Finding::ok(NAME, "none"),
        Some(_) => Finding::ok(
            NAME,
            "seccomp; log calls make no system calls, the drainer's cost a little more",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::Verdict::{Bad, Note, Ok};
    use crate::doctor::machine::tests::{assert_finds, assert_finds_in, with};

    const SECOND: (&str, &str) = ("/proc/self/cgroup", "0::/system.slice/robot.service\n");
    const FIRST: (&str, &str) = (
        "/proc/self/cgroup",
        "5:cpu,cpuacct:/docker/7\n4:memory:/docker/7\n",
    );

    #[test]
    fn a_cpu_limit_is_found_wherever_in_the_tree_it_was_set_and_is_bad_once_it_was_used_up() {
        const OWN: (&str, &str) = (
            "/sys/fs/cgroup/system.slice/robot.service/cpu.max",
            "max 100000\n",
        );
        const ABOVE: (&str, &str) = ("/sys/fs/cgroup/system.slice/cpu.max", "150000 100000\n");
        let stat = |text| ("/sys/fs/cgroup/system.slice/cpu.stat", text);
        assert_finds_in(processor, &[SECOND, OWN], Ok, &["none"]);
        let once = [SECOND, OWN, ABOVE, stat("nr_periods 3\nnr_throttled 0\n")];
        assert_finds_in(processor, &once, Note, &["1.50 CPUs", "CPUQuota"]);
        let often = [SECOND, OWN, ABOVE, stat("nr_throttled 17\n")];
        assert_finds_in(processor, &often, Bad, &["throttled 17 times"]);
        let old = [
            FIRST,
            ("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "50000"),
            ("/sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000"),
        ];
        assert_finds_in(processor, &old, Note, &["0.50 CPUs"]);
        let none = [
            FIRST,
            ("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1"),
            ("/sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000"),
        ];
        assert_finds_in(processor, &none, Ok, &["none"]);
    }

    #[test]
    fn a_memory_limit_should_have_room_for_a_ring() {
        const FOLDER: &str = "/sys/fs/cgroup/system.slice/robot.service";
        let play = |max, current, verdict, words: &[&str]| {
            let (max_file, used_file) = (
                format!("{FOLDER}/memory.max"),
                format!("{FOLDER}/memory.current"),
            );
            assert_finds_in(
                memory,
                &[SECOND, (&max_file, max), (&used_file, current)],
                verdict,
                words,
            );
        };
        play("max", "1", Ok, &["none"]);
        play("1073741824", "1048576", Ok, &["1.0 GiB"]);
        play("1073741824", "1072693248", Note, &["--memory"]);
        play("16777216", "0", Bad, &["killed"]);
        let unlimited = [
            FIRST,
            (
                "/sys/fs/cgroup/memory/docker/7/memory.limit_in_bytes",
                "9223372036854771712",
            ),
        ];
        assert_finds_in(memory, &unlimited, Ok, &["none"]);
    }

    #[test]
    fn a_container_is_known_by_its_file_or_its_group() {
        assert_finds_in(
            container,
            &[("/.dockerenv", "")],
            Note,
            &["docker", "--ipc"],
        );
        assert_finds_in(container, &[("/run/.containerenv", "")], Note, &["podman"]);
        assert_finds_in(
            container,
            &[("/proc/self/cgroup", "0::/kubepods/x")],
            Note,
            &["kubepods"],
        );
        assert_finds_in(container, &[SECOND], Ok, &["none"]);
    }

    #[test]
    fn another_pid_namespace_than_the_first_is_noted() {
        let (_root, machine) = with(&[("/proc/self/ns/x", "")]);
        assert_finds(pids, &machine, Note, &["unknown"]);
        std::os::unix::fs::symlink("pid:[4026532000]", machine.path("/proc/self/ns/pid")).unwrap();
        assert_finds(pids, &machine, Note, &["4026532000", "--pid=host"]);
        let (_root, machine) = with(&[("/proc/self/ns/x", "")]);
        std::os::unix::fs::symlink(FIRST_NAMESPACE, machine.path("/proc/self/ns/pid")).unwrap();
        assert_finds(pids, &machine, Ok, &["the first"]);
    }

    #[test]
    fn a_filter_of_system_calls_is_told_but_is_no_fault() {
        assert_finds_in(
            system_calls,
            &[("/proc/self/status", "Seccomp:\t2\n")],
            Ok,
            &["seccomp"],
        );
        assert_finds_in(
            system_calls,
            &[("/proc/self/status", "Seccomp:\t0\n")],
            Ok,
            &["none"],
        );
    }
}
