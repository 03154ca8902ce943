//! Checks of the processors: the clock that stamps records, and whether something comes between.

use super::finding::Finding;
use super::machine::Machine;

pub fn clock(machine: &Machine) -> Finding {
    const NAME: &str = "clock source";
    const FOLDER: &str = "/sys/devices/system/clocksource/clocksource0";
    let current = machine.read(&format!("{FOLDER}/current_clocksource"));
    let available = machine
        .read(&format!("{FOLDER}/available_clocksource"))
        .unwrap_or_default();
    let has_tsc = available.split(' ').any(|source| source == "tsc");
    let advice = match has_tsc {
        true => format!("echo tsc > {FOLDER}/current_clocksource; if dmesg says why the kernel left it and you trust it: tsc=reliable on its command line"),
        false => "the kernel has no better one here; in a virtual machine the host must offer a constant TSC".to_owned(),
    };
    match current.as_deref() {
        Some(source @ ("tsc" | "arch_sys_counter")) => Finding::ok(
            NAME,
            format!("{source}: a stamp is one look at the processor's counter"),
        ),
        Some(source @ ("kvm-clock" | "hyperv_clocksource_tsc_page")) => {
            let why =
                "each stamp is read by the vDSO, which costs some 20 ns more than the counter";
            Finding::note(NAME, source, why, &advice)
        }
        Some(source) => {
            let why = "each stamp is a system call, of several hundred nanoseconds or more";
            Finding::bad(NAME, source, why, &advice)
        }
        None => Finding::note(
            NAME,
            "unknown",
            "each stamp is read by the vDSO",
            "mount -t sysfs sysfs /sys",
        ),
    }
}

pub fn count(machine: &Machine) -> Finding {
    const NAME: &str = "processors";
    let online = machine
        .read("/sys/devices/system/cpu/online")
        .unwrap_or_default();
    match machine.cpus.len() {
        0 | 1 => {
            let found = format!("1 may be used, of those that run ({online})");
            let why = "the program and the drainer take turns: a call may wait behind it, and bursts fill the ring";
            let advice = "allow two: taskset -c 0,1 …; docker run --cpuset-cpus=0,1; CPUAffinity= in a systemd unit";
            Finding::bad(NAME, found, why, advice)
        }
        many => Finding::ok(
            NAME,
            format!("{many} may be used; one that logs and one for the drainer are enough"),
        ),
    }
}

pub fn governor(machine: &Machine) -> Finding {
    const NAME: &str = "CPU governor";
    let of = |cpu: &usize| {
        machine.read(&format!(
            "/sys/devices/system/cpu/cpu{cpu}/cpufreq/scaling_governor"
        ))
    };
    let mut governors: Vec<String> = machine.cpus.iter().filter_map(of).collect();
    governors.sort();
    governors.dedup();
    if governors.is_empty() {
        return Finding::ok(
            NAME,
            "the frequency is not scaled here (a virtual machine, or the firmware does it)",
        );
    }
    if governors == ["performance"] {
        return Finding::ok(NAME, "performance");
    }
    let why = "after a pause the first calls run at a low frequency, several times slower";
    let advice = "cpupower frequency-set -g performance";
    Finding::note(NAME, governors.join(", "), why, advice)
}

/// For the last of the processors that there are: the first one has the interrupts, and the drainer needs one too.
fn isolation_advice(cpus: &[usize]) -> String {
    let free = match cpus {
        [] | [_] => {
            return "with one processor none can be kept free: give the robot a second one"
                .to_owned();
        }
        [_, last] | [_, _, last] => last.to_string(),
        [.., before, last] => format!("{before},{last}"),
    };
    format!(
        "isolcpus={free} nohz_full={free} rcu_nocbs={free} on the kernel's command line, with your control loop pinned there: \
         taskset -c {free} …"
    )
}

pub fn isolation(machine: &Machine) -> Finding {
    const NAME: &str = "CPU isolation";
    let given = |path: &str| {
        machine
            .read(path)
            .filter(|text| !text.is_empty() && text != "(null)")
    };
    let isolated = given("/sys/devices/system/cpu/isolated");
    let quiet = given("/sys/devices/system/cpu/nohz_full");
    let line = machine.read("/proc/cmdline").unwrap_or_default();
    let words = line.split_whitespace();
    let callbacks = words
        .filter_map(|word| word.strip_prefix("rcu_nocbs="))
        .next();
    let advice = &isolation_advice(&machine.cpus);
    match (isolated, quiet) {
        (None, None) => {
            let why = "the scheduler and the timer may interrupt any thread: only control loops of 1 kHz and more mind";
            Finding::note(NAME, "no CPU is kept free", why, advice)
        }
        (Some(isolated), None) => {
            let found = format!("isolated: {isolated}; the timer still ticks there");
            Finding::note(
                NAME,
                found,
                "a tick takes some microseconds, up to 1,000 times a second",
                advice,
            )
        }
        (isolated, Some(quiet)) => {
            let isolated = isolated.as_deref().unwrap_or("none");
            let callbacks = callbacks.unwrap_or("none");
            Finding::ok(
                NAME,
                format!(
                    "isolated: {isolated}, without ticks: {quiet}, without RCU callbacks: {callbacks}"
                ),
            )
        }
    }
}

pub fn real_time(machine: &Machine) -> Finding {
    const NAME: &str = "real-time throttling";
    const FOLDER: &str = "/proc/sys/kernel";
    let runtime = machine.number(&format!("{FOLDER}/sched_rt_runtime_us"));
    let period = machine
        .number(&format!("{FOLDER}/sched_rt_period_us"))
        .unwrap_or(1_000_000);
    match runtime {
        None => Finding::ok(NAME, "this kernel has none"),
        Some(..0) => Finding::ok(NAME, "off"),
        Some(runtime) if runtime >= period => Finding::ok(NAME, "off"),
        Some(runtime) => {
            let found = format!("SCHED_FIFO and SCHED_RR threads get {runtime} of {period} µs");
            let why = "one that runs without a pause is stopped for the rest, in the midst of a log call too";
            Finding::note(
                NAME,
                found,
                why,
                "sysctl kernel.sched_rt_runtime_us=-1, if your loops do pause",
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::Verdict::{Bad, Note, Ok};
    use crate::doctor::machine::tests::{assert_finds, assert_finds_in, with};

    #[test]
    fn the_counter_is_the_best_clock_and_one_by_system_calls_the_worst() {
        let sources = |current, available| {
            const FOLDER: &str = "/sys/devices/system/clocksource/clocksource0";
            [
                (format!("{FOLDER}/current_clocksource"), current),
                (format!("{FOLDER}/available_clocksource"), available),
            ]
        };
        for (current, available, verdict, words) in [
            ("tsc\n", "tsc hpet\n", Ok, "tsc"),
            (
                "arch_sys_counter\n",
                "arch_sys_counter\n",
                Ok,
                "arch_sys_counter",
            ),
            ("kvm-clock\n", "kvm-clock tsc\n", Note, "echo tsc >"),
            ("hpet\n", "hpet acpi_pm\n", Bad, "no better one"),
            ("acpi_pm\n", "tsc acpi_pm\n", Bad, "tsc=reliable"),
        ] {
            let files = sources(current, available);
            let files = files.each_ref().map(|(path, text)| (&**path, *text));
            assert_finds_in(clock, &files, verdict, &[words]);
        }
        assert_finds_in(clock, &[], Note, &["unknown"]);
    }

    #[test]
    fn one_processor_is_too_few() {
        let (_root, mut machine) = with(&[]);
        assert_finds(count, &machine, Ok, &["2 may be used"]);
        machine.cpus = vec![3];
        assert_finds(count, &machine, Bad, &["taskset"]);
    }

    #[test]
    fn every_processor_that_is_used_should_run_at_its_full_frequency() {
        let of = |cpu, text| {
            (
                format!("/sys/devices/system/cpu/cpu{cpu}/cpufreq/scaling_governor"),
                text,
            )
        };
        let play = |text, verdict, words: &[&str]| {
            let files = [of(0, "performance"), of(1, text), of(2, "powersave")];
            let files = files.each_ref().map(|(path, text)| (&**path, *text));
            assert_finds_in(governor, &files, verdict, words);
        };
        play("performance\n", Ok, &["performance"]);
        play("schedutil\n", Note, &["performance, schedutil", "cpupower"]);
        assert_finds_in(governor, &[], Ok, &["not scaled"]);
    }

    #[test]
    fn isolation_and_real_time_throttling_are_noted() {
        const ISOLATED: (&str, &str) = ("/sys/devices/system/cpu/isolated", "2-3\n");
        const QUIET: (&str, &str) = ("/sys/devices/system/cpu/nohz_full", "2-3\n");
        const LINE: (&str, &str) = ("/proc/cmdline", "ro quiet rcu_nocbs=2-3\n");
        let none = [
            ("/sys/devices/system/cpu/isolated", "\n"),
            ("/sys/devices/system/cpu/nohz_full", "(null)\n"),
        ];
        // Of two processors the last.
        assert_finds_in(isolation, &none, Note, &["isolcpus=1 "]);
        let (_root, mut machine) = with(&none);
        machine.cpus = vec![0, 1, 2, 3, 6, 7];
        assert_finds(isolation, &machine, Note, &["isolcpus=6,7 "]);
        machine.cpus = vec![0];
        assert_finds(isolation, &machine, Note, &["a second one"]);
        assert_finds_in(isolation, &[ISOLATED], Note, &["2-3", "nohz_full="]);
        assert_finds_in(isolation, &[ISOLATED, QUIET, LINE], Ok, &["callbacks: 2-3"]);

        let runtime = |text| [("/proc/sys/kernel/sched_rt_runtime_us", text)];
        assert_finds_in(
            real_time,
            &runtime("950000\n"),
            Note,
            &["950000 of 1000000", "=-1"],
        );
        assert_finds_in(real_time, &runtime("-1\n"), Ok, &["off"]);
        assert_finds_in(real_time, &[], Ok, &["none"]);
    }
}
