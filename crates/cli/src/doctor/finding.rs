//! What a check has found.

use super::machine::Machine;

/// A check: all that it knows is the machine.
pub type Check = fn(&Machine) -> Finding;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Ok,
    /// It could be better.
    Note,
    /// It will cost records or time.
    Bad,
}

impl Verdict {
    pub fn as_str(self) -> &'static str {
        match self {
            Verdict::Ok => "ok",
            Verdict::Note => "note",
            Verdict::Bad => "bad",
        }
    }
}

/// A result, what was found, and if it is not good: why that matters, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub name: &'static str,
    pub verdict: Verdict,
    pub found: String,
    pub why: String,
    pub advice: String,
}

impl Finding {
    pub fn ok(name: &'static str, found: impl Into<String>) -> Finding {
        Finding {
            name,
            verdict: Verdict::Ok,
            found: found.into(),
            why: String::new(),
            advice: String::new(),
        }
    }

    pub fn note(name: &'static str, found: impl Into<String>, why: &str, advice: &str) -> Finding {
        Finding {
            verdict: Verdict::Note,
            why: why.to_owned(),
            advice: advice.to_owned(),
            ..Finding::ok(name, found)
        }
    }

    pub fn bad(name: &'static str, found: impl Into<String>, why: &str, advice: &str) -> Finding {
        Finding {
            verdict: Verdict::Bad,
            ..Finding::note(name, found, why, advice)
        }
    }
}
