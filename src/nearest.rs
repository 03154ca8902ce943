//! Which of some words a mistyped one is nearest to. The library uses it for levels, the tool for the names of rings.

/// How many characters must be put in, taken away, replaced, or exchanged with their neighbour to make one of the other.
pub(crate) fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut before_last = Vec::new();
    let mut last: Vec<usize> = (0..=other.len()).collect();
    let mut previous = None;
    for (row, letter) in one.chars().enumerate() {
        let mut now = vec![row + 1];
        for (column, &theirs) in other.iter().enumerate() {
            let replaced = last[column] + usize::from(letter != theirs);
            let mut least = replaced.min(last[column + 1] + 1).min(now[column] + 1);
            let is_exchanged =
                column > 0 && previous == Some(theirs) && other[column - 1] == letter;
            if is_exchanged && row > 0 {
                let before: &Vec<usize> = &before_last;
                least = least.min(before[column - 1] + 1);
            }
            now.push(least);
        }
        before_last = std::mem::replace(&mut last, now);
        previous = Some(letter);
    }
    last.last().copied().unwrap_or(0)
}

/// The nearest of `known` that is at most `most` away; of equally near ones the first.
pub fn nearest<'k>(
    word: &str,
    known: impl IntoIterator<Item = &'k str>,
    most: usize,
) -> Option<&'k str> {
    let all = known
        .into_iter()
        .map(|known| (distance(word, known), known));
    let near = all.filter(|(distance, _)| *distance <= most);
    near.min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_a_slip_counts_one() {
        for (one, other, expected) in [
            ("warn", "warn", 0),
            ("wrn", "warn", 1),
            ("warrn", "warn", 1),
            ("worn", "warn", 1),
            ("wanr", "warn", 1),
            ("debgu", "debug", 1),
            ("arm", "warn", 2),
            ("", "off", 3),
            ("größe", "grosse", 3),
        ] {
            assert_eq!(distance(one, other), expected, "{one} {other}");
            assert_eq!(distance(other, one), expected, "{other} {one}");
        }
    }

    #[test]
    fn the_nearest_is_found_if_it_is_near_enough() {
        let known = ["info", "warn", "error"];
        assert_eq!(nearest("wrn", known, 1), Some("warn"));
        assert_eq!(nearest("imu", known, 1), None);
        assert_eq!(nearest("imu", known, 3), Some("info"));
    }
}
