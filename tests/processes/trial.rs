//! What a test is: a function that returns nothing, or one that may find that it can show nothing here. Such a one
//! is reported as ignored, with the reason, so that nobody takes it for one that has passed.

use libtest_mimic::{Completion, Failed};

/// Lists tests under the names of their functions: `trials![first, second]`.
#[macro_export]
macro_rules! trials {
    ($($test:ident),* $(,)?) => {
        vec![$(libtest_mimic::Trial::ignorable_test(
            concat!(module_path!(), "::", stringify!($test)).split_once("::").unwrap().1,
            || $crate::trial::Ending::completion($test()),
        )),*]
    };
}

/// Why a test can show nothing on this system.
#[derive(Debug)]
pub struct Ignored(pub &'static str);

/// What a test returns.
pub trait Ending {
    fn completion(self) -> Result<Completion, Failed>;
}

impl Ending for () {
    fn completion(self) -> Result<Completion, Failed> {
        Ok(Completion::Completed)
    }
}

impl Ending for Result<(), Ignored> {
    fn completion(self) -> Result<Completion, Failed> {
        Ok(match self {
            Ok(()) => Completion::Completed,
            Err(Ignored(reason)) => Completion::ignored_with(reason),
        })
    }
}
