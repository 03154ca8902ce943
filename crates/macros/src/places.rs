//! The places of a format string: `{…}`.

/// Where a value goes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) which: Which,
    /// What stands behind the colon.
    pub(crate) spec: String,
    /// Whether the drainer can write it from the value, if it can do so for its type at all.
    pub(crate) can_be_captured: bool,
}

/// Which argument goes into a place.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Which {
    Index(usize),
    Name(String),
}

/// The places of `format`. Nothing when it is wrong, or when a place needs more than its value: a width or a
/// precision that is an argument too, or the address of the value.
pub(crate) fn read(format: &str) -> Option<Vec<Place>> {
    let mut places = Vec::new();
    let mut next = 0;
    let mut rest = format;
    while let Some(at) = rest.find(['{', '}']) {
        let (brace, behind) = rest[at..].split_at(1);
        if behind.starts_with(brace) {
            rest = &behind[1..];
            continue;
        }
        let (inside, behind) = behind.split_once('}').filter(|_| brace == "{")?;
        rest = behind;
        let (name, spec) = inside.split_once(':').unwrap_or((inside, ""));
        // `{:}<` begins with a brace to fill with.
        if inside.ends_with(':') && behind.starts_with(is_align) {
            return None;
        }
        if inside.contains(['{', '$']) || spec.contains(".*") || spec.trim_end().ends_with('p') {
            return None;
        }
        places.push(Place {
            which: which(name.trim(), &mut next)?,
            spec: spec.trim_end().to_owned(),
            can_be_captured: !is_aligned_and_filled_with_zeros(spec),
        });
    }
    Some(places)
}

fn which(name: &str, next: &mut usize) -> Option<Which> {
    if name.is_empty() {
        *next += 1;
        return Some(Which::Index(*next - 1));
    }
    if name.starts_with(|c: char| c.is_ascii_digit()) {
        return name.parse().ok().map(Which::Index);
    }
    let is_name = name != "_" && name.chars().all(|c| c == '_' || c.is_alphanumeric());
    is_name.then(|| Which::Name(name.to_owned()))
}

fn is_align(c: char) -> bool {
    matches!(c, '<' | '^' | '>')
}

/// Alignment counts for such a value only when it turns out to be none, like NaN.
fn is_aligned_and_filled_with_zeros(spec: &str) -> bool {
    let mut chars = spec.chars();
    let (first, second) = (chars.next(), chars.next());
    let flags = match (first, second) {
        (Some(_), Some(align)) if is_align(align) => {
            spec.split_at(spec.find(align).unwrap_or(0) + 1).1
        }
        (Some(align), _) if is_align(align) => &spec[1..],
        _ => return false,
    };
    flags.trim_start_matches(['+', '-', '#']).starts_with('0')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(format: &str) -> Option<String> {
        let places = read(format)?;
        let shown = places.iter().map(|place| {
            let which = match &place.which {
                Which::Index(index) => index.to_string(),
                Which::Name(name) => name.clone(),
            };
            let mark = if place.can_be_captured { "" } else { "!" };
            format!("{which}:{}{mark}", place.spec)
        });
        Some(shown.collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn places_are_found_and_counted_as_format_does() {
        for (format, expected) in [
            ("", ""),
            ("{{}} 100 %", ""),
            ("{} {} {0}", "0: 1: 0:"),
            ("{} {x} {} {1:?}", "0: x: 1: 1:?"),
            ("{:>8.3} {name:#x} {größe}", "0:>8.3 name:#x größe:"),
            ("{{{}}}", "0:"),
            ("{}< {:<} {0: }>", "0: 1:< 0:"),
            ("{:*<08} {:08} {:<+08} {:0<8}", "0:*<08! 1:08 2:<+08! 3:0<8"),
        ] {
            assert_eq!(shown(format).as_deref(), Some(expected), "{format}");
        }
    }

    #[test]
    fn what_is_wrong_or_needs_more_than_its_value_is_left_to_the_compiler() {
        for format in [
            "{",
            "}",
            "{{}",
            "{0",
            "{:width$}",
            "{:.*}",
            "{:p}",
            "{:#p}",
            "{:.1$}",
            "{a b}",
            "{-1}",
            "{:{}}",
            "{:}<",
            "{x:}^5}",
            "{:}>}}",
        ] {
            assert_eq!(shown(format), None, "{format}");
        }
    }
}
