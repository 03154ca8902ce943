//! Taking old files away, and the link to the latest.

use std::io;
use std::thread;
use std::time::Instant;

use super::{McapSink, TIDY_EVERY, TIDY_TRIES};
use crate::clock;
use crate::sink::file::PAUSE;
use crate::sink::file::folder::HeldFolder;
use crate::sink::file::latest;
use crate::sink::file::prune::{Keep, prune};

impl McapSink {
    /// Prunes, and sees to the link, if that is due.
    pub(super) fn tidy_if_due(&mut self) -> io::Result<()> {
        if let Some(next) = self.next_tidy.filter(|next| Instant::now() >= *next) {
            self.next_tidy = Some(next + TIDY_EVERY);
            self.tidy_due = true;
        }
        if self.tidy_due {
            // Cleared first: a failure is told once, and tried again with the next file.
            self.tidy_due = false;
            self.tidy_due = !self.tidy()?;
        }
        Ok(())
    }

    /// `false` while another session is at it.
    fn tidy(&self) -> io::Result<bool> {
        let held = HeldFolder::try_hold(&self.config.folder);
        let Some(folder) = held.map_err(|error| self.not_pruned(&error))? else {
            return Ok(false);
        };
        let keep = Keep::of(&self.config, clock::wall_ns(), &self.session);
        prune(&folder, &self.names, &keep).map_err(|error| self.not_pruned(&error))?;
        match self.path().file_name().and_then(|name| name.to_str()) {
            Some(name) if self.config.latest && self.log.is_in_place() => {
                latest::point_at(&folder, &self.names, name)?;
            }
            _ => latest::mend(&folder, &self.names)?,
        }
        Ok(true)
    }

    /// The same, waiting a little for other sessions. What fails is left to the next commit.
    pub(super) fn tidy_patiently(&mut self) {
        for _ in 0..TIDY_TRIES {
            if self.tidy_if_due().is_err() {
                self.tidy_due = true;
                return;
            }
            if !self.tidy_due {
                return;
            }
            thread::sleep(PAUSE);
        }
    }
}
