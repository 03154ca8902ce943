//! `top`, on a real terminal over running robots, and what it leaves behind.

use libtest_mimic::Trial;
use rustix::process::Signal;
use shmlog::observe::Observer;

use crate::scene::{Policy, Robot, complained, printed};
use crate::support::{Role, assert_says, send, wait_for_end};
use crate::tmux::Tmux;
use crate::tool::{self, shmlog};
use crate::trial::Ignored;
use crate::trials;

pub const ROLES: &[Role] = &[];

pub fn trials() -> Vec<Trial> {
    trials![
        top_shows_processes_and_who_floods_the_log,
        a_filter_that_is_set_there_counts_in_the_running_system,
        a_filter_that_makes_no_sense_is_refused_with_the_reason,
        a_large_terminal_has_all_tables_and_a_tiny_one_breaks_nothing,
        rows_are_found_and_sorted_by_keys,
        the_last_message_of_a_chosen_row_is_shown,
        it_gives_the_terminal_back_when_it_quits_and_when_it_is_killed,
        it_ends_when_its_terminal_is_closed,
        the_end_of_the_ring_is_told_and_its_successor_is_gone_on_with,
        not_one_more_record_is_dropped_while_it_watches,
        a_ring_that_is_cut_off_is_named_by_an_error_and_the_terminal_is_given_back,
        once_prints_one_screen_without_a_terminal,
        without_a_ring_or_a_terminal_it_says_what_to_do,
    ]
}

/// A terminal on which `top` watches a ring and has drawn.
fn watch(ring: &str, columns: u16, rows: u16, more: &str) -> Result<Tmux, Ignored> {
    let tool = tool::PATH;
    let script = format!(
        "before=$(stty -g); '{tool}' top {ring} {more}; echo \"code $?\"; \
         test \"$before\" = \"$(stty -g)\" && echo 'terminal as it was'"
    );
    let tmux = Tmux::start(columns, rows, &script)?;
    tmux.until_shown("delivered");
    Ok(tmux)
}

fn is_before(screen: &str, first: &str, second: &str) -> bool {
    match (screen.find(first), screen.find(second)) {
        (Some(first), Some(second)) => first < second,
        _ => false,
    }
}

fn top_shows_processes_and_who_floods_the_log() -> Result<(), Ignored> {
    let mut robot = Robot::start("top-shown");
    robot.tell("warn 30");
    robot.tell("info 3000");
    robot.tell("flush");
    let tmux = watch(&robot.ring, 80, 24, "-i 100ms")?;
    let arm = format!("arm[{}]", robot.arm);
    let screen = tmux.until_shown(&arm);
    assert_says(
        &screen,
        &[
            "top-shown[",
            "2 processes",
            "delivered 3.03k",
            "dropped 0",
            "filter info",
        ],
    );
    tmux.press(&["2"]);
    tmux.until("the flood is first", |screen| {
        is_before(screen, "reading {n}", "limit {n}")
    });
    tmux.press(&["3"]);
    tmux.until_shown(".log");
    robot.finish();
    Ok(())
}

fn a_filter_that_is_set_there_counts_in_the_running_system() -> Result<(), Ignored> {
    let mut robot = Robot::start("top-filtered");
    robot.tell("debug 5");
    let tmux = watch(&robot.ring, 80, 24, "")?;
    tmux.press(&["f"]);
    tmux.until_shown("filter of the running system: info");
    tmux.type_text(",can=debug");
    tmux.press(&["Enter"]);
    tmux.until_shown("the filter is set");
    tmux.until_shown("filter info,can=debug");
    robot.tell("debug 7");
    let frames = robot.finish().messages().into_iter();
    assert_eq!(
        frames
            .filter(|message| message.starts_with("frame"))
            .count(),
        7
    );
    Ok(())
}

fn a_filter_that_makes_no_sense_is_refused_with_the_reason() -> Result<(), Ignored> {
    let robot = Robot::start("top-refused");
    let tmux = watch(&robot.ring, 80, 24, "")?;
    tmux.press(&["f"]);
    tmux.until_shown("filter of the running system: info");
    tmux.type_text("=x");
    tmux.press(&["Enter"]);
    tmux.until_shown("\"info=x\" is no filter");
    // Mended in the same line.
    tmux.press(&["C-u"]);
    tmux.type_text("warn");
    tmux.press(&["Enter"]);
    tmux.until_shown("the filter is set");
    assert_eq!(Observer::open(&robot.ring).unwrap().filter(), "warn");
    // Given up.
    tmux.press(&["f"]);
    tmux.type_text(",x");
    tmux.press(&["Escape"]);
    tmux.until_shown("q quit");
    assert_eq!(Observer::open(&robot.ring).unwrap().filter(), "warn");
    robot.finish();
    Ok(())
}

fn a_large_terminal_has_all_tables_and_a_tiny_one_breaks_nothing() -> Result<(), Ignored> {
    let mut robot = Robot::start("top-resized");
    robot.tell("info 10");
    let tmux = watch(&robot.ring, 160, 50, "-i 100ms")?;
    tmux.until("all tables are there", |screen| {
        ["arm[", "reading {n}", "tool/scene.rs:", ".log"]
            .iter()
            .all(|word| screen.contains(word))
    });
    // Nothing tells there what it has drawn; `view/tests.rs` draws at every size.
    for (columns, rows) in [(10, 3), (1, 1)] {
        tmux.resize(columns, rows);
        tmux.press(&["Tab", "Tab", "Tab"]);
    }
    // One cell had no room for this, so it has been drawn since.
    tmux.resize(200, 2);
    tmux.until_shown("top-resized[");
    tmux.resize(80, 24);
    tmux.until("one table is there", |screen| {
        screen.contains("arm[") && !screen.contains("reading {n}")
    });
    tmux.press(&["q"]);
    tmux.until_shown("code 0");
    robot.finish();
    Ok(())
}

fn rows_are_found_and_sorted_by_keys() -> Result<(), Ignored> {
    let mut robot = Robot::start("top-sorted");
    robot.tell("warn 3");
    robot.tell("info 9");
    let tmux = watch(&robot.ring, 100, 24, "-i 100ms")?;
    tmux.press(&["2"]);
    tmux.until("busiest first", |screen| {
        is_before(screen, "reading {n}", "limit {n}")
    });
    tmux.press(&["r"]);
    tmux.until("quietest first", |screen| {
        is_before(screen, "limit {n}", "reading {n}")
    });
    tmux.press(&["/"]);
    tmux.type_text("LIMIT");
    tmux.until("one row is left", |screen| {
        screen.contains("limit {n}") && !screen.contains("reading {n}")
    });
    tmux.press(&["Enter", "?"]);
    tmux.until_shown("any key takes this away");
    tmux.press(&["x", " "]);
    tmux.until_shown(" paused ");
    robot.finish();
    Ok(())
}

fn the_last_message_of_a_chosen_row_is_shown() -> Result<(), Ignored> {
    let mut robot = Robot::start("top-chosen");
    robot.tell("warn 3");
    robot.tell("info 9");
    robot.tell("flush");
    let tmux = watch(&robot.ring, 80, 24, "-i 100ms")?;
    tmux.press(&["2", "/"]);
    tmux.type_text("limit");
    tmux.press(&["Enter", "Down", "Enter"]);
    let screen = tmux.until_shown("limit 2");
    assert_says(&screen, &["the last record of WARN imu", "torque = 2", "arm["]);
    tmux.press(&["Escape"]);
    tmux.until("the record is gone", |screen| !screen.contains("limit 2"));
    robot.finish();
    Ok(())
}

fn it_gives_the_terminal_back_when_it_quits_and_when_it_is_killed() -> Result<(), Ignored> {
    let robot = Robot::start("top-left");
    for (way, code) in [
        ("q", "code 0"),
        ("C-c", "code 0"),
        ("Escape", "code 0"),
        ("", "code 143"),
    ] {
        let tmux = watch(&robot.ring, 80, 24, "")?;
        assert!(tmux.is_taken());
        match way {
            "" => send(tmux.started(), Signal::TERM),
            key => tmux.press(&[key]),
        }
        let screen = tmux.until_shown("terminal as it was");
        assert!(screen.contains(code), "{way}: {screen}");
        assert!(!tmux.is_taken(), "{way}");
    }
    robot.finish();
    Ok(())
}

fn it_ends_when_its_terminal_is_closed() -> Result<(), Ignored> {
    let robot = Robot::start("top-closed");
    let tmux = watch(&robot.ring, 80, 24, "")?;
    let top = tmux.started();
    drop(tmux);
    wait_for_end(top);
    robot.finish();
    Ok(())
}

fn the_end_of_the_ring_is_told_and_its_successor_is_gone_on_with() -> Result<(), Ignored> {
    let mut robot = Robot::start("top-ended");
    robot.tell("info 11");
    robot.tell("flush");
    let tmux = watch(&robot.ring, 120, 24, "-i 100ms")?;
    tmux.until_shown("delivered 11");
    robot.finish();
    let screen = tmux.until_shown("the ring has ended");
    assert!(
        screen.contains("delivered 11"),
        "the last numbers stay: {screen}"
    );
    let robot = Robot::start("top-ended");
    tmux.until_shown(&format!("n goes on with {}", robot.ring));
    tmux.press(&["n"]);
    tmux.until("the other is watched", |screen| {
        screen.contains("delivered 0")
            && screen.contains(&robot.ring)
            && !screen.contains("has ended")
    });
    robot.finish();
    Ok(())
}

fn not_one_more_record_is_dropped_while_it_watches() -> Result<(), Ignored> {
    // One that waited where there is no room would drop nothing whatever the watcher does.
    let mut robot = Robot::of("top-paced", Policy::Drops);
    let tmux = watch(&robot.ring, 160, 50, "-i 20ms")?;
    for _ in 0..50 {
        robot.tell("info 2000");
        robot.tell("flush");
    }
    tmux.until_shown("delivered 100k");
    let stats = Observer::open(&robot.ring).unwrap().stats();
    assert_eq!(
        (stats.attempted, stats.dropped, stats.lost),
        (100_000, 0, 0)
    );
    assert_eq!(robot.finish().records().len(), 100_000);
    Ok(())
}

fn a_ring_that_is_cut_off_is_named_by_an_error_and_the_terminal_is_given_back() -> Result<(), Ignored>
{
    let mut robot = Robot::start("top-cut");
    robot.tell("info 11");
    robot.tell("flush");
    let tmux = watch(&robot.ring, 160, 24, "-i 100ms")?;
    tmux.until_shown("delivered 11");
    robot.cut_off();
    let screen = tmux.until_shown("terminal as it was");
    assert_says(&screen, &[&robot.ring, "was cut off", "code 1"]);
    robot.give_up();
    Ok(())
}

fn once_prints_one_screen_without_a_terminal() {
    let mut robot = Robot::start("top-once");
    robot.tell("info 12345");
    robot.tell("warn 2");
    robot.tell("flush");
    let text = printed(&mut shmlog(&["top", "--once", "-i", "50ms", &robot.ring]));
    assert_says(
        &text,
        &[
            "top-once[",
            "delivered 12.3k",
            "arm[",
            "limit {n}",
            ".log",
            "INFO",
        ],
    );
    assert!(is_before(&text, "reading {n}", "limit {n}"), "{text}");
    assert!(!text.contains('\x1b'), "{text:?}");
    robot.finish();
}

fn without_a_ring_or_a_terminal_it_says_what_to_do() {
    let text = complained(&mut shmlog(&["top", "--once", "shmlog-0-no-such-ring"]));
    assert_says(&text, &["shmlog-0-no-such-ring"]);
    let robot = Robot::start("top-piped");
    let text = complained(&mut shmlog(&["top", &robot.ring]));
    assert_says(&text, &["terminal", "--once"]);
    shmlog(&["top", "-i", "1ms"]).assert().code(2);
    robot.finish();
}
