//! Where a text that is too long may be cut.

/// The last place between two characters of `text` that is not beyond `most` bytes: std's
/// `str::floor_char_boundary`, which Rust has only since 1.91.
#[inline]
pub(crate) fn floor_char_boundary(text: &str, most: usize) -> usize {
    let mut end = most.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    end
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_before_the_character_that_does_not_fit() {
        let ends = [0, 1, 2, 3, 4, 9].map(|most| floor_char_boundary("aé€", most));
        assert_eq!(ends, [0, 1, 1, 3, 3, 6]);
    }
}
