//! What the drainer writes is what `format!` would have written.

use proptest::prelude::*;

use super::*;
use crate::record::capture::{Arguments, ByText, ByValue, Capture, Held};

fn rendered(format: &str, arguments: &impl Arguments) -> Option<String> {
    let mut bytes = Vec::new();
    arguments.capture_all(&mut bytes);
    if let Some(words) = arguments.words() {
        assert_eq!(words * 8, bytes.len(), "{format}");
    }
    let (text, rest) = text_of(&Format::parse(format, 0)?, &bytes);
    assert_eq!(rest?, Rest::default());
    Some(text)
}

fn text_of<'a>(format: &Format, bytes: &'a [u8]) -> (String, Option<Rest<'a>>) {
    let mut text = String::new();
    let rest = format.render(bytes, &mut text, &mut Room::behind(""));
    (text, rest)
}

/// Specs of one value, in which `1$` stands for the width and `2$` for the precision, and what `format!` gives.
type Cases = Vec<(&'static str, String)>;

fn compare(
    value: &impl Capture,
    width: usize,
    precision: usize,
    cases: Cases,
) -> Result<(), TestCaseError> {
    for (spec, expected) in cases {
        let spec = spec.replace("1$", &width.to_string());
        let format = format!("{{:{}}}", spec.replace("2$", &precision.to_string()));
        let text = rendered(&format, &(value,));
        prop_assert_eq!(text, Some(expected), "{}", format);
    }
    Ok(())
}

/// Compares one value in one style with `format!`: all flags, with and without width and precision. (Only the
/// cases are made by the macro: there are thousands.)
macro_rules! compare {
    ($value:expr, $width:expr, $precision:expr, $style:literal) => {{
        let mut cases = Cases::new();
        compare!(@flags cases, $value, $width, $precision, $style;
            "" "+" "-" "#" "+#" "0" "+0" "#0" "<" "^" "*<" "é>" ">+#" "0^+#");
        compare(&$value, $width, $precision, cases)?;
    }};
    (@flags $cases:ident, $value:expr, $width:expr, $precision:expr, $style:literal; $($flags:literal)*) => {$(
        compare!(@spec $cases, $value, $width, $precision, concat!($flags, $style));
        compare!(@spec $cases, $value, $width, $precision, concat!($flags, "1$", $style));
        compare!(@spec $cases, $value, $width, $precision, concat!($flags, ".2$", $style));
        compare!(@spec $cases, $value, $width, $precision, concat!($flags, "1$.2$", $style));
    )*};
    // The places at the end show nothing, but use width and precision.
    (@spec $cases:ident, $value:expr, $width:expr, $precision:expr, concat!($($part:literal),*)) => {
        $cases.push((
            concat!($($part),*),
            format!(concat!("{0:", $($part,)* "}{3:.1$}{3:.2$}"), $value, $width, $precision, ""),
        ));
    };
}

/// Also the special ones.
fn double() -> impl Strategy<Value = f64> {
    let special = [
        0.0,
        -0.0,
        f64::NAN,
        f64::INFINITY,
        f64::NEG_INFINITY,
        f64::MIN_POSITIVE,
        5e-324,
        f64::MAX,
        1e16,
        1e-5,
        0.1,
        123_456.789,
    ];
    prop_oneof![
        any::<f64>(),
        -1000.0..1000.0,
        proptest::sample::select(special.to_vec())
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn signed_integers(v: i8, large: i64, larger: i128, w in 0usize..12, p in 0usize..12) {
        compare!(v, w, p, "");
        compare!(v, w, p, "?");
        compare!(v, w, p, "x");
        compare!(v, w, p, "X");
        compare!(v, w, p, "o");
        compare!(v, w, p, "b");
        compare!(v, w, p, "x?");
        compare!(v, w, p, "X?");
        compare!(large, w, p, "");
        compare!(large, w, p, "x");
        compare!(large, w, p, "e");
        compare!(large, w, p, "E");
        compare!(larger, w, p, "");
        compare!(larger, w, p, "x");
        compare!(larger, w, p, "b");
    }

    #[test]
    fn unsigned_integers(v: u16, large: u64, larger: u128, w in 0usize..30, p in 0usize..12) {
        compare!(v, w, p, "");
        compare!(v, w, p, "?");
        compare!(v, w, p, "x?");
        compare!(large, w, p, "");
        compare!(large, w, p, "o");
        compare!(large, w, p, "e");
        compare!(larger, w, p, "");
        compare!(larger, w, p, "X");
        compare!(v as usize, w, p, "");
        compare!(large as isize, w, p, "x");
    }

    #[test]
    fn floats(v in double(), w in 0usize..30, p in 0usize..20) {
        compare!(v, w, p, "");
        compare!(v, w, p, "?");
        compare!(v, w, p, "e");
        compare!(v, w, p, "E");
        compare!(v, w, p, "x?");
        let single = v as f32;
        compare!(single, w, p, "");
        compare!(single, w, p, "?");
        compare!(single, w, p, "e");
        compare!(single, w, p, "E");
    }

    #[test]
    fn text(v: bool, c: char, s in any::<String>(), w in 0usize..20, p in 0usize..8) {
        compare!(v, w, p, "");
        compare!(v, w, p, "?");
        compare!(c, w, p, "");
        compare!(c, w, p, "?");
        compare!(s, w, p, "");
        compare!(s, w, p, "?");
        compare!(&*s, w, p, "X?");
    }

    #[test]
    fn several_values_and_what_stands_between_them(a: u8, b: f32, c in ".{0,20}", d: i128, e: char) {
        let expected = format!("{{{a}}} pos {b:.3}, {c:?}: {d:>+50}{e} 100 %");
        let text = rendered("{{{}}} pos {:.3}, {:?}: {:>+50}{} 100 %", &(a, b, &*c, d, e));
        prop_assert_eq!(text, Some(expected));
    }

    #[test]
    fn any_format_with_any_bytes_is_rendered_or_refused(format: String, bytes: Vec<u8>) {
        if let Some(format) = Format::parse(&format, 0) {
            let _ = text_of(&format, &bytes);
        }
    }

    #[test]
    fn formats_that_are_nearly_right_too(
        spec in "[<^>*+#0.x?oe 0-9-]{0,8}", kinds in proptest::collection::vec(0u8..18, 2), bytes: Vec<u8>,
    ) {
        if let Some(format) = Format::parse(&format!("a{{:{spec}}}b{{}}"), 0) {
            let _ = text_of(&format, &[kinds, vec![0; 6], bytes].concat());
        }
    }
}

/// Neither text nor a number.
#[derive(Debug)]
struct Point {
    #[expect(dead_code, reason = "shown")]
    x: i32,
}

#[test]
fn values_of_other_types_are_rendered_as_their_place_asks_for() {
    let point = Point { x: 3 };
    let long = "ä".repeat(70_000);
    let text = rendered(
        "{:#?} {} {:5} {}",
        &(
            (&Held(&point)).__shmlog_hold(format_args!("{point:#?}")),
            Held(&7).__shmlog_hold(format_args!("not asked for")),
            (&Held(&format_args!(""))).__shmlog_hold(format_args!("<{long}>")),
            (&Held(&())).__shmlog_hold(format_args!("")),
        ),
    );
    let text = text.unwrap();
    assert_eq!(text, format!("{point:#?} 7 <{long}> "));
}

#[test]
fn what_format_would_not_take_is_refused() {
    for format in [
        "{", "}", "{{}", "{:", "{:q}", "{:xx}", "{:70000}", "{:.}", "{:.*}", "{:w$}", "{:p}",
        "{{}}}", "{:5x5}",
    ] {
        assert_eq!(Format::parse(format, 0), None, "{format}");
    }
    for (places, text) in [(17, 0), (1, MOST_BYTES - 1)] {
        let format = "{}".repeat(places) + &" ".repeat(text);
        assert_eq!(Format::parse(&format, 0), None, "{places} places");
        assert!(Format::parse(&format[2..], 0).is_some(), "{places} places");
    }
    assert!(Format::parse("{0:5} {name} { } {:x? }", 0).is_some());
}

#[test]
fn arguments_that_are_cut_off_show_what_there_is() {
    let mut bytes = Vec::new();
    (1_u8, "some text", 5_u64).capture_all(&mut bytes);
    let format = Format::parse("a {} b {} c {}", 0).unwrap();
    let mut longest = String::new();
    for end in 0..bytes.len() {
        let (text, rest) = text_of(&format, &bytes[..end]);
        assert_eq!(rest, None);
        if text.len() > longest.len() {
            longest = text;
        }
    }
    assert_eq!(longest, "a 1 b some text c ");
}

/// The text of a record, and whether it is marked.
fn cut(format: &str, arguments: &impl Arguments) -> (String, bool) {
    let mut bytes = Vec::new();
    arguments.capture_all(&mut bytes);
    let (mut text, mut room) = (String::new(), Room::behind(""));
    let format = Format::parse(format, 0).unwrap();
    assert!(format.render(&bytes, &mut text, &mut room).is_some());
    (text, room.is_cut)
}

#[test]
fn widths_and_precisions_add_a_few_kilobytes_to_a_record_and_what_is_left_out_is_marked() {
    let whole = cut("{:>1000}|{:.1000}|{:01000}|{:é^1000}", &("a", 0.5, 7, 'c'));
    let expected = format!("{:>1000}|{:.1000}|{:01000}|{:é^1000}", "a", 0.5, 7, 'c');
    assert_eq!(whole, (expected, false));

    // 330 bytes of a record that were four megabytes of text.
    let places = ["{:\u{10ffff}>65535}"; 16].concat();
    let arguments = (
        "", "", "", "", "", "", "", "", "", "", "", "", "", "", "", "",
    );
    for (format, most) in [(places, 0), (["{:>65535}"; 16].concat(), 0)] {
        let (text, is_cut) = cut(&format, &arguments);
        assert!(
            is_cut && text.len() <= room::MOST_FILL + most,
            "{}",
            text.len()
        );
    }
    for spec in ["065535", ".65535", ".65535e", "+065535.65535"] {
        let (text, is_cut) = cut(
            &["{:"; 8].map(|open| format!("{open}{spec}}}")).concat(),
            &(0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8),
        );
        assert!(
            is_cut && text.len() <= room::MOST_FILL + 8 * 340,
            "{spec}: {}",
            text.len()
        );
    }
    let (text, is_cut) = cut("{:065535x}{:#065535b}", &(1_u8, u128::MAX));
    assert!(is_cut && text.len() <= room::MOST_FILL + 130);
}

#[test]
fn a_text_that_is_too_long_is_cut_between_characters_and_marked() {
    let long = "é".repeat(room::MOST_TEXT / 2);
    assert_eq!(cut("{}", &(&*long,)), (long.clone(), false));
    for format in ["x{}", "{:?}", "x{:>9}"] {
        let (text, is_cut) = cut(format, &(&*long,));
        assert!(is_cut && text.len() + 2 > room::MOST_TEXT && text.len() <= room::MOST_TEXT);
    }
    // What a precision cuts is cut as asked for.
    let (text, is_cut) = cut("x{:.65535}", &(&*long,));
    assert_eq!((text.chars().count(), is_cut), (65_536, false));
    let controls = "\x01".repeat(room::MOST_TEXT);
    let (text, is_cut) = cut("{:?}", &(&*controls,));
    assert!(is_cut && text.len() <= room::MOST_TEXT);
}

#[test]
fn bytes_that_are_no_text_take_no_more_room_than_text() {
    let mut bytes = Vec::new();
    ("",).capture_all(&mut bytes);
    let at = bytes.len() - 8;
    bytes[at..].copy_from_slice(&(room::MOST_TEXT as u64).to_ne_bytes());
    bytes.resize(bytes.len() + room::MOST_TEXT, 0xff);
    for format in ["{}", "{:?}", "{:>9}"] {
        let (text, _) = text_of(&Format::parse(format, 0).unwrap(), &bytes);
        assert!(text.starts_with(['\u{fffd}', '"']) && text.len() <= room::MOST_TEXT);
    }
}
