//! The drawing, over made-up looks at a ring and screens of every size.

use std::time::{Duration, Instant};

use proptest::prelude::*;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use shmlog::Level;

use super::*;
use crate::top::app::Life;
use crate::top::keys::{Wish, press};
use crate::top::sample::{ProducerSample, Sample, SinkSample, SiteSample};

/// A look at a ring that does nothing.
fn quiet() -> Sample {
    Sample {
        at: Instant::now(),
        ring: "shmlog-1-1".to_owned(),
        program: "robot".to_owned(),
        maker: 1,
        is_maker_alive: true,
        age: Duration::from_secs(75),
        filter: "info".to_owned(),
        slots: 1000,
        taken: 0,
        high_water: 350,
        behind: 0,
        attempted: 0,
        delivered: 0,
        dropped: 0,
        lost: 0,
        restarts: 0,
        processes: 0,
        producers: Vec::new(),
        sites: Vec::new(),
        sinks: Vec::new(),
    }
}

fn producer(process: &str, delivered: u64) -> ProducerSample {
    ProducerSample {
        process: process.to_owned(),
        pid: 7,
        thread: "main".to_owned(),
        tid: delivered as u32,
        delivered,
        bytes: delivered * 100,
        drops: [0, 12, 3, 0, 0, 0],
        parked: 0,
        idle: Some(Duration::from_millis(300)),
    }
}

fn site(target: &str, id: u32, records: u64) -> SiteSample {
    SiteSample {
        id,
        level: Level::Warn,
        target: target.to_owned(),
        place: "src/arm.rs:12".to_owned(),
        text: "joint {} at {:.2}".to_owned(),
        records,
        bytes: records * 64,
    }
}

/// The later of two looks, a second apart.
fn robot() -> App {
    let mut app = App::default();
    let mut sample = quiet();
    app.take(sample.clone());
    sample.at += Duration::from_secs(1);
    sample.delivered = 3000;
    sample.dropped = 15;
    sample.taken = 250;
    sample.producers = vec![producer("left-arm", 1000), producer("vision", 2000)];
    sample.sites = vec![site("camera", 1, 600), site("imu", 2, 2400)];
    sample.sinks = vec![SinkSample {
        name: "file logs/robot.log".to_owned(),
        waiting: 1 << 20,
        lost: 0,
        errors: 1,
        last_error: "No space left on device".to_owned(),
    }];
    app.take(sample);
    app
}

fn screen(app: &mut App, columns: u16, rows: u16) -> String {
    let mut terminal = Terminal::new(TestBackend::new(columns, rows)).unwrap();
    terminal.draw(|frame| draw(frame, app)).unwrap();
    lines_of(terminal.backend().buffer())
}

fn plain(code: KeyCode) -> KeyEvent {
    KeyEvent::new(code, KeyModifiers::NONE)
}

/// Where a word stands.
fn place(text: &str, word: &str) -> usize {
    text.find(word)
        .unwrap_or_else(|| panic!("no {word:?} in\n{text}"))
}

#[test]
fn rates_are_of_the_time_between_two_looks_and_the_busiest_are_first() {
    let mut app = robot();
    let text = screen(&mut app, 80, 24);
    assert!(
        place(&text, "vision[7]") < place(&text, "left-arm[7]"),
        "{text}"
    );
    for shown in [
        "2.00k/s",
        "195 KiB/s",
        "D12 I3",
        "3.00k/s",
        "25 %",
        "35 %",
        "15 +15/s",
        "300ms",
    ] {
        place(&text, shown);
    }
    app.panel = Panel::Sites;
    let text = screen(&mut app, 80, 24);
    assert!(place(&text, "imu") < place(&text, "camera"), "{text}");
    for shown in ["WARN", "2.40k/s", "80 %", "src/arm.rs:12", "joint {} at"] {
        place(&text, shown);
    }
    app.panel = Panel::Sinks;
    let text = screen(&mut app, 80, 24);
    for shown in ["file logs/robot.log", "1.00 MiB", "No space left"] {
        place(&text, shown);
    }
}

#[test]
fn a_large_screen_has_all_tables_and_text_has_all_rows() {
    let mut app = robot();
    let mut sample = app.sight.as_ref().unwrap().now.clone();
    sample.sites = (0..300).map(|n| site("flood", n, u64::from(n))).collect();
    app.take(sample);
    let all = screen(&mut app, 160, 50);
    for shown in ["vision[7]", "flood", "file logs/robot.log", "of 300"] {
        place(&all, shown);
    }
    assert_eq!(text(&mut app, 160).matches("flood").count(), 300);
}

#[test]
fn the_row_filter_looks_at_all_texts_whatever_their_case() {
    let mut app = robot();
    app.needle = "left".to_owned();
    let text = screen(&mut app, 160, 50);
    place(&text, "left-arm[7]");
    assert!(!text.contains("vision"), "{text}");
    app.panel = Panel::Sites;
    app.needle = "arm.rs".to_owned();
    assert_eq!(screen(&mut app, 80, 24).matches("src/arm.rs").count(), 2);
}

#[test]
fn the_sorted_column_is_marked_and_turned_by_keys() {
    let mut app = robot();
    place(&screen(&mut app, 80, 24), "records▼");
    press(&mut app, plain(KeyCode::Char('r')));
    let text = screen(&mut app, 80, 24);
    place(&text, "records▲");
    assert!(
        place(&text, "left-arm[7]") < place(&text, "vision[7]"),
        "{text}"
    );
    press(&mut app, plain(KeyCode::Char('s')));
    place(&screen(&mut app, 80, 24), "bytes▼");
}

#[test]
fn the_end_of_the_ring_is_told_with_the_way_on() {
    let mut app = robot();
    app.life = Life::Ended {
        successor: Some("shmlog-2-2".to_owned()),
    };
    let text = screen(&mut app, 100, 24);
    for shown in [
        "the ring has ended",
        "n goes on with shmlog-2-2",
        "q quits",
        "vision[7]",
    ] {
        place(&text, shown);
    }
    let n = plain(KeyCode::Char('n'));
    assert_eq!(press(&mut app, n), Wish::Switch);
}

#[test]
fn what_goes_backwards_or_wraps_is_no_rate() {
    let mut app = robot();
    let mut sample = app.sight.as_ref().unwrap().now.clone();
    // Beyond what rates are counted over.
    let long = Duration::from_secs(4);
    sample.at += long;
    sample.delivered -= 1000;
    sample.sinks[0].errors = 0;
    app.take(sample.clone());
    assert_eq!(app.sight.as_ref().unwrap().delivered, 0.0);
    sample.delivered = u64::MAX - 9;
    app.take(sample.clone());
    sample.at += long;
    sample.delivered = 10;
    app.take(sample);
    assert_eq!(app.sight.as_ref().unwrap().delivered, 5.0);
}

#[test]
fn a_slow_rate_does_not_flicker() {
    let mut app = App::default();
    let mut sample = quiet();
    app.take(sample.clone());
    // One record a second, looked at twice a second.
    for half in 1..20_u64 {
        sample.at += Duration::from_millis(500);
        sample.delivered = half / 2;
        app.take(sample.clone());
        let rate = app.sight.as_ref().unwrap().delivered;
        assert!(half < 4 || (0.5..=1.5).contains(&rate), "{half}: {rate}");
    }
}

#[test]
fn a_chosen_row_stays_chosen_however_the_table_is_sorted() {
    let mut app = robot();
    let row = |app: &mut App| {
        screen(app, 100, 24);
        app.orders[0].chosen.clone()
    };
    assert_eq!(row(&mut app), None);
    press(&mut app, plain(KeyCode::Down));
    let first = row(&mut app);
    assert!(first.is_some());
    press(&mut app, plain(KeyCode::Char('r')));
    assert_eq!(row(&mut app), first);
    press(&mut app, plain(KeyCode::Up));
    assert_ne!(row(&mut app), first);
    let wish = press(&mut app, plain(KeyCode::Enter));
    assert!(matches!(wish, Wish::Detail(_)), "{wish:?}");
    press(&mut app, plain(KeyCode::Esc));
    assert_eq!(row(&mut app), None);
}

#[test]
fn nothing_of_the_header_is_cut_where_rows_are_left() {
    let mut app = robot();
    if let Some(sight) = &mut app.sight {
        let now = &mut sight.now;
        now.program = "a-program-of-a-long-name".to_owned();
        now.ring = "shmlog-1234567-0123456789abcdef0123".to_owned();
        (now.dropped, now.lost, now.behind) = (1_234_567, 2_345_678, 3_456_789);
    }
    let text = screen(&mut app, 80, 24);
    for shown in ["0123456789abcdef0123", "not written yet 3.46M", "filter"] {
        place(&text, shown);
    }
}

fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        ".{0,40}",
        "[\\x00-\\x1f\\x7f\u{80}-\u{9f}手e\u{301}]{0,20}",
        "[a-z]{0,12}"
    ]
    .prop_map(|text: String| crate::show::harmless(&text))
}

fn any_count() -> impl Strategy<Value = u64> {
    prop_oneof![Just(0), 0_u64..100_000, any::<u64>(), Just(u64::MAX)]
}

fn any_producer() -> impl Strategy<Value = ProducerSample> {
    let numbers = [any_count(), any_count(), any_count(), any_count()];
    (any_text(), any_text(), numbers, any::<Option<u64>>()).prop_map(
        |(process, thread, [delivered, bytes, dropped, parked], idle)| ProducerSample {
            process,
            pid: parked as u32,
            thread,
            tid: bytes as u32,
            delivered,
            bytes,
            drops: [dropped; Level::ALL.len()],
            parked,
            idle: idle.map(Duration::from_nanos),
        },
    )
}

fn any_site() -> impl Strategy<Value = SiteSample> {
    (
        any::<u32>(),
        0..Level::ALL.len(),
        any_text(),
        any_text(),
        any_text(),
        any_count(),
    )
        .prop_map(|(id, level, target, place, text, records)| SiteSample {
            id,
            level: Level::ALL[level],
            target,
            place,
            text,
            records,
            bytes: records.wrapping_mul(3),
        })
}

fn any_sink() -> impl Strategy<Value = SinkSample> {
    (any_text(), any_count(), any_count(), any_text()).prop_map(
        |(name, waiting, lost, last_error)| SinkSample {
            name,
            waiting,
            lost,
            errors: lost,
            last_error,
        },
    )
}

fn any_sample() -> impl Strategy<Value = Sample> {
    let tables = (
        prop::collection::vec(any_producer(), 0..12),
        prop::collection::vec(any_site(), 0..12),
        prop::collection::vec(any_sink(), 0..4),
    );
    let texts = (any_text(), any_text(), ".{0,40}");
    (
        prop::array::uniform9(any_count()),
        texts,
        tables,
        0_u64..5000,
    )
        .prop_map(
            |(n, (ring, program, filter), (producers, sites, sinks), later)| Sample {
                at: Instant::now() + Duration::from_millis(later),
                ring,
                program,
                maker: n[0] as u32,
                is_maker_alive: n[0] % 2 == 0,
                age: Duration::from_nanos(n[1]),
                filter,
                slots: n[0],
                taken: n[1],
                high_water: n[2],
                behind: n[3],
                attempted: n[4],
                delivered: n[5],
                dropped: n[6],
                lost: n[7],
                restarts: n[8],
                processes: producers.len(),
                producers,
                sites,
                sinks,
            },
        )
}

fn any_key() -> impl Strategy<Value = KeyCode> {
    let letters = "qnsr<>/f?123 kjhxµ手".chars().map(KeyCode::Char);
    let others = [
        KeyCode::Tab,
        KeyCode::BackTab,
        KeyCode::Esc,
        KeyCode::Enter,
        KeyCode::Up,
        KeyCode::Down,
        KeyCode::PageUp,
        KeyCode::PageDown,
        KeyCode::Home,
        KeyCode::End,
        KeyCode::Left,
        KeyCode::Right,
        KeyCode::Backspace,
        KeyCode::Delete,
        KeyCode::F(1),
    ];
    prop::sample::select(letters.chain(others).collect::<Vec<_>>())
}

fn any_life() -> impl Strategy<Value = Life> {
    prop::option::of(any_text()).prop_flat_map(|successor| {
        let killed = Life::Killed {
            successor: successor.clone(),
        };
        prop::sample::select(vec![Life::Live, Life::Ended { successor }, killed])
    })
}

/// Whatever happened, on a screen of whatever size, it is drawn, and no cell holds what a terminal would obey.
fn is_drawn(
    samples: Vec<Sample>,
    keys: &[KeyCode],
    sizes: &[(u16, u16)],
    life: Life,
) -> Result<(), TestCaseError> {
    let mut app = App::default();
    let mut keys = keys.iter().cycle();
    for sample in samples {
        app.take(sample);
        app.life = life.clone();
        for (columns, rows) in sizes {
            if let Some(key) = keys.next()
                && let Wish::SetFilter(_) = press(&mut app, plain(*key))
                && let Some(crate::top::app::Typing::Filter { error, .. }) = &mut app.typing
            {
                *error = "no filter".repeat(usize::from(*columns));
            }
            let shown = screen(&mut app, *columns, *rows);
            prop_assert!(
                !shown.contains(|c: char| c.is_control() && c != '\n'),
                "{shown:?}"
            );
        }
        let shown = text(&mut app, sizes[0].0);
        prop_assert!(
            !shown.contains(|c: char| c.is_control() && c != '\n'),
            "{shown:?}"
        );
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn whatever_a_ring_says_is_drawn_on_screens_of_any_size(
        samples in prop::collection::vec(any_sample(), 1..4),
        keys in prop::collection::vec(any_key(), 1..12),
        sizes in prop::collection::vec(prop_oneof![(1_u16..12, 1_u16..6), (1_u16..220, 1_u16..70)], 1..5),
        life in any_life(),
    ) {
        is_drawn(samples, &keys, &sizes, life)?;
    }
}

#[test]
fn a_screen_of_one_cell_is_drawn() {
    for (columns, rows) in [(1, 1), (10, 3), (3, 40), (200, 1)] {
        screen(&mut robot(), columns, rows);
        screen(&mut App::default(), columns, rows);
    }
}
