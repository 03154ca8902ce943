//! Which filter a log begins with: the builder's, or in its place that of the environment.

use super::Builder;
use crate::filter::{Directives, FilterError};
use crate::segment::{SharedFilter, TooLong};

/// The variables that replace the builder's filter. The first that is set counts.
const VARIABLES: [&str; 2] = ["SHMLOG_LEVEL", "RUST_LOG"];

impl Builder {
    /// The filter to begin with. What of the environment cannot be used is said in `news`.
    pub(crate) fn first_filter(&self, news: &mut Vec<String>) -> String {
        if let Some((variable, text)) = self.environment_filter() {
            match self.completed(&text) {
                Ok(text) => return text,
                Err(why) => news.push(format!(
                    "{variable} is ignored, and the program's own filter is used: {why}; correct the variable, or unset it"
                )),
            }
        }
        // It has been checked.
        self.completed(&self.filter).unwrap_or_default()
    }

    /// What is wrong with the builder's own filter.
    pub(super) fn filter_flaw(&self) -> Option<String> {
        self.completed(&self.filter).err()
    }

    /// Directives with the builder's level for all others, if they say none.
    fn completed(&self, text: &str) -> Result<String, String> {
        match Directives::parse(text) {
            // None at all: the level.
            Err(FilterError { directive, .. }) if directive.is_empty() => {}
            Err(why) => return Err(why.to_string()),
            Ok(_) => {}
        }
        let text = SharedFilter::completed(Some(self.level), text);
        match TooLong::is(&text) {
            true => Err(TooLong.to_string()),
            false => Ok(text),
        }
    }

    fn environment_filter(&self) -> Option<(&'static str, String)> {
        if !self.obeys_environment() {
            return None;
        }
        let set = VARIABLES.map(|variable| (variable, std::env::var_os(variable)));
        let mut set = set.into_iter().filter_map(|(variable, value)| {
            let value = value?.to_string_lossy().into_owned();
            (!value.trim().is_empty()).then_some((variable, value))
        });
        set.next()
    }
}
