//! Call sites for statements whose place only the running program knows: those that another logger hands on, as the
//! crate `tracing-log` does with the statements of `log`.
//!
//! Their texts need not live as long as the program does. Each place is copied once, at its first use, and kept for good;
//! the table of call sites bounds how many there can be.

use super::sites;
use crate::boundary::floor_char_boundary;
use crate::hash::fnv1a;
use crate::record::CallSite;

/// The longest text of a place that is kept, in bytes: the ring's table keeps no more either.
const LONGEST: usize = 4096;

/// Where a statement stands, as far as it is known.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) module: Option<&'a str>,
    pub(super) file: Option<&'a str>,
    pub(super) line: Option<u32>,
}

impl Place<'_> {
    /// The call site of the statement at this place, whose target is its module's path; the shared one if nothing is
    /// known of it.
    pub(super) fn site(self) -> &'static CallSite {
        let (module, file) = (self.module.unwrap_or(""), self.file.unwrap_or(""));
        if module.is_empty() && file.is_empty() {
            return &sites::ANY;
        }
        let line = self.line.unwrap_or(0);
        // By the texts and not by their addresses: text that is not static may be another one the next time.
        let key = (hash(file), hash(module), line);
        sites::site(key, || {
            CallSite::new(kept(module), kept(file), line, "{}", "", false)
        })
    }
}

fn hash(text: &str) -> usize {
    fnv1a(text.as_bytes()) as usize
}

/// A copy for good.
fn kept(text: &str) -> &'static str {
    Box::leak(Box::from(&text[..floor_char_boundary(text, LONGEST)]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_has_one_call_site_wherever_its_texts_lie() {
        let of = |file: String, line| {
            let place = Place {
                module: Some("robot::arm"),
                file: Some(&file),
                line: Some(line),
            };
            place.site()
        };
        let first = of("arm.rs".to_owned(), 7);
        assert!(std::ptr::eq(first, of("arm.rs".to_owned(), 7)));
        assert!(!std::ptr::eq(first, of("leg.rs".to_owned(), 7)));
        assert!(!std::ptr::eq(first, of("arm.rs".to_owned(), 8)));
        let statement = &first.statement;
        assert_eq!(
            (statement.target, statement.file, statement.line),
            ("robot::arm", "arm.rs", 7)
        );
        let nowhere = Place {
            module: None,
            file: None,
            line: Some(3),
        };
        assert!(std::ptr::eq(nowhere.site(), &raw const sites::ANY));
    }
}
