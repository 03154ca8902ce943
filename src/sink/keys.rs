//! Keys that come once only: what one parser takes for the last word, another takes for the first, and a third for an error.

use std::borrow::Cow;
use std::collections::HashMap;

/// So many keys are looked through one by one.
const FEW: usize = 16;

/// The keys of one record so far.
#[derive(Default)]
pub(super) struct Keys<'a> {
    first: Vec<Cow<'a, str>>,
    /// Those behind the first, and of keys that came more than once, the last number that was given to one.
    more: HashMap<Cow<'a, str>, u64>,
}

impl<'a> Keys<'a> {
    /// The key itself, or if it is there already, `key_2`, `key_3`, … : the first of these that is not.
    pub(super) fn name(&mut self, key: Cow<'a, str>) -> Cow<'a, str> {
        if !self.has(&key) {
            self.note(key.clone());
            return key;
        }
        // Remembered, or a hostile record of a million equal keys would be looked through a million times.
        let mut number = self.more.get(&key).copied().unwrap_or(1).max(1);
        let name = loop {
            number += 1;
            let name = Cow::Owned(format!("{key}_{number}"));
            if !self.has(&name) {
                break name;
            }
        };
        self.more.insert(key, number);
        self.note(name.clone());
        name
    }

    fn has(&self, key: &str) -> bool {
        self.first.iter().any(|first| first == key) || self.more.contains_key(key)
    }

    fn note(&mut self, key: Cow<'a, str>) {
        if self.first.len() < FEW {
            self.first.push(key);
        } else {
            self.more.insert(key, 1);
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The slow and obvious version.
    pub(in crate::sink) fn naive(keys: &[String]) -> Vec<String> {
        let mut names: Vec<String> = vec![];
        for key in keys {
            let mut others = (2..).map(|number| format!("{key}_{number}"));
            let mut name = key.clone();
            while names.contains(&name) {
                name = others.next().unwrap();
            }
            names.push(name);
        }
        names
    }

    #[test]
    fn a_key_that_comes_again_gets_a_number() {
        let mut keys = Keys::default();
        let names = ["a", "b", "a", "a_2", "a", "b"].map(|key| keys.name(key.into()));
        assert_eq!(names, ["a", "b", "a_2", "a_2_2", "a_3", "b_2"]);
    }

    #[test]
    fn a_million_equal_keys_take_no_longer_than_others() {
        let mut keys = Keys::default();
        let names = (0..1_000_000).map(|_| keys.name("a".into()));
        assert_eq!(names.last().unwrap(), "a_1000000");
    }

    proptest! {
        #[test]
        fn fast_equals_naive(keys in prop::collection::vec("[ab](_[23]){0,2}", 0..40)) {
            let mut fast = Keys::default();
            let names: Vec<_> = keys.iter().map(|key| fast.name(key.into())).collect();
            prop_assert_eq!(names, naive(&keys));
        }
    }
}
