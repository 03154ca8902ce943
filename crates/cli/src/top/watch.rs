//! The ring that is watched: looks at it, its end, and its successor.

use std::time::{Duration, Instant};

use shmlog::observe::{Observer, RingState, rings};

use super::app::{App, Life, RowKey};
use super::last;
use super::sample::Sample;
use crate::failure::Failure;
use crate::show::harmless;

/// How often the rings of the machine are listed: a folder is read, and a page of each.
const LISTED_EACH: Duration = Duration::from_secs(1);

/// A ring, and when it was last seen in the list of all.
pub struct Watch {
    observer: Observer,
    listed: Instant,
}

impl Watch {
    /// Of the ring that is meant.
    pub fn choose(ring: Option<&str>) -> Result<Watch, Failure> {
        Ok(Watch {
            observer: crate::rings::choose_live(ring)?,
            listed: Instant::now(),
        })
    }

    /// Its name, harmless.
    pub fn name(&self) -> String {
        harmless(self.observer.name())
    }

    /// Shows it to `app`. Of a ring that has ended the last numbers stay; one that was cut off is refused.
    pub fn look(&mut self, app: &mut App) -> Result<(), Failure> {
        if self.observer.is_over() && !app.life.is_over() {
            app.life = Life::Ended { successor: None };
            self.list(app);
        } else if self.listed.elapsed() >= LISTED_EACH {
            self.list(app);
        }
        if !app.life.is_over() {
            app.take(Sample::of(&self.observer.snapshot()));
        }
        crate::rings::refuse_cut_off(&self.observer)
    }

    /// Looks whether it is among the rings of the machine, and for a younger one of its program.
    fn list(&mut self, app: &mut App) {
        self.listed = Instant::now();
        let all = rings();
        let (name, program) = (self.observer.name(), self.observer.program());
        let ours = all.iter().find(|ring| ring.name == name);
        let mut others = all.iter().filter(|ring| {
            ring.state == RingState::Live && ring.name != name && ring.program == program
        });
        let successor = others.next_back().map(|ring| ring.name.clone());
        app.life = match ours.map(|ring| &ring.state) {
            Some(RingState::Dead) => Life::Killed { successor },
            // Where rings cannot be listed, none is.
            None if !all.is_empty() => Life::Ended { successor },
            _ if self.observer.is_over() => Life::Ended { successor },
            _ => Life::Live,
        };
    }

    /// Sets the directives of the running system; if it does not take them, what is typed stays, with the reason.
    pub fn set_filter(&self, app: &mut App, directives: &str) {
        use super::app::Typing;
        match crate::directives::set(&self.observer, directives) {
            Ok(()) => {
                app.typing = None;
                app.notice = "the filter is set".to_owned();
                app.take(Sample::of(&self.observer.snapshot()));
            }
            Err(refused) => {
                if let Some(Typing::Filter { error, .. }) = &mut app.typing {
                    *error = harmless(&refused.to_string());
                }
            }
        }
    }

    /// Shows what is known of a row.
    pub fn show_detail(&self, app: &mut App, row: &RowKey) {
        app.detail = Some(last::look(&self.observer, row));
    }

    /// Goes on with the successor of a ring that has ended. Panels and orders stay as they are.
    pub fn switch(&mut self, app: &mut App) {
        let Some(name) = app.life.successor().map(str::to_owned) else {
            return;
        };
        match Observer::open(&name) {
            Ok(observer) => {
                self.observer = observer;
                self.listed = Instant::now();
                app.life = Life::Live;
                app.sight = None;
                app.detail = None;
                app.history = Default::default();
                app.is_paused = false;
            }
            Err(error) => app.notice = harmless(&Failure::of(&error).to_string()),
        }
    }
}
