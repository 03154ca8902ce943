//! Which sinks a log has: those of the builder, or in their place those of the environment.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::{Builder, InitError};
use crate::drainer::Backtrace;
use crate::level::Level;
use crate::segment::process;
use crate::sink::kinds::{self, SinkKind, Stdout, Uses};
use crate::sink::{Console, SinkSpec, SpecError, TextFile};

/// The variable that replaces the builder's sinks.
const VARIABLE: &str = "SHMLOG_SINKS";

/// Sinks whose folders are there.
#[derive(Clone, Debug, Default)]
pub(crate) struct Prepared {
    /// With absolute folders.
    pub(crate) specs: Vec<SinkSpec>,
    /// The folder of the first sink that has one.
    pub(crate) folder: Option<PathBuf>,
    /// Folders that were made for them, the innermost first.
    made: Vec<PathBuf>,
}

impl Prepared {
    /// Removes the folders that were made, as far as they are empty.
    pub(crate) fn give_up(&self) {
        for folder in &self.made {
            let _ = std::fs::remove_dir(folder);
        }
    }

    /// Makes the folders, and finds one that cannot be written now, not when the drainer is left alone with it.
    pub(crate) fn new(specs: &[SinkSpec]) -> Result<Prepared, InitError> {
        let mut prepared = Prepared::default();
        match prepared.add_all(specs) {
            Ok(()) => Ok(prepared),
            Err(error) => {
                prepared.give_up();
                Err(error)
            }
        }
    }

    fn add_all(&mut self, specs: &[SinkSpec]) -> Result<(), InitError> {
        let mut real: Vec<(SinkSpec, Uses)> = Vec::new();
        for (spec, mut uses) in specs.iter().zip(kinds::check_all(specs)?) {
            let mut spec = spec.clone();
            if let Some(files) = &mut uses.files {
                let (absolute, canonical) = self.make_folder(&spec, &files.folder)?;
                files.folder = canonical;
                self.folder.get_or_insert_with(|| absolute.clone());
                spec = spec.at(absolute);
            }
            if let Some(path) = &uses.pipe {
                let absolute = std::path::absolute(path).unwrap_or_else(|_| path.clone());
                // A drainer that is started later must not take it for a folder to be made.
                spec = spec.at(absolute).option("pipe", "on");
            }
            self.specs.push(spec.clone());
            real.push((spec, uses));
        }
        Ok(kinds::check_apart(&real)?)
    }

    /// The folder's absolute path, and the one without symbolic links.
    fn make_folder(
        &mut self,
        spec: &SinkSpec,
        given: &Path,
    ) -> Result<(PathBuf, PathBuf), InitError> {
        let refuse = |source: std::io::Error| InitError::Folder {
            sink: spec.kind().to_owned(),
            folder: given.to_owned(),
            source,
        };
        let folder = std::path::absolute(given).map_err(refuse)?;
        let missing = folder.ancestors().take_while(|folder| !folder.exists());
        let missing: Vec<PathBuf> = missing.map(Path::to_owned).collect();
        self.made.splice(..0, missing);
        std::fs::create_dir_all(&folder).map_err(|source| refuse(in_the_way(&folder, source)))?;
        let rights = rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK;
        rustix::fs::access(&folder, rights).map_err(|errno| refuse(errno.into()))?;
        let canonical = folder.canonicalize().map_err(refuse)?;
        Ok((folder, canonical))
    }
}

/// What keeps a folder from being made, where the system says no more than that something is there.
fn in_the_way(folder: &Path, source: std::io::Error) -> std::io::Error {
    let leads_nowhere = |path: &&Path| path.is_symlink() && !path.exists();
    match folder.ancestors().find(leads_nowhere) {
        Some(path) if source.kind() == std::io::ErrorKind::AlreadyExists => {
            let text = format!("{} is a link that leads nowhere", path.display());
            std::io::Error::new(std::io::ErrorKind::NotFound, text)
        }
        _ => source,
    }
}

impl Builder {
    /// Adds a place that records go to, beside those of [`console`](Builder::console) and [`file`](Builder::file): a
    /// struct of settings like [`TextFile`], or what text like `file:logs?keep=3` says, as
    /// [`SinkSpec`]. The [module](crate::sink) lists all kinds. Each may have a level of its own; together they get what
    /// [`level`](Builder::level) lets through.
    ///
    /// The environment variable `SHMLOG_SINKS`, a list separated by `;`, replaces all sinks of the builder, unless
    /// [`env`](Builder::env) says no or the program has rights that its starter has not (setuid). If one in it is
    /// wrong, the variable is ignored, and the log says so.
    ///
    /// ```
    /// use shmlog::{ShmLogger, sink::{SinkSpec, TextFile}};
    /// # let folder = std::env::temp_dir().join(format!("shmlog-doc-sinks-{}", std::process::id()));
    /// let alerts: SinkSpec = "console?level=error".parse()?;
    /// let builder = ShmLogger::builder().sink(alerts).sink(TextFile::new(&folder).keep(3));
    /// let logger = builder.init_parent()?;
    /// # drop(logger); std::fs::remove_dir_all(folder)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn sink(mut self, sink: impl Into<SinkSpec>) -> Builder {
        self.sinks.push(sink.into());
        self
    }

    /// A flight recorder: records below `level` are kept back in the drainer's memory, the last `records` of all
    /// processes together (and 4 MiB of memory at most), and written only when one of `level` or above comes: in front of
    /// it, in order. So a robot may log every step at [`Level::Debug`], and only what led to an error takes room on its
    /// disk; the last words of a [crashing](crate::install_crash_handler) process are such a record. 1 to 1,000,000 records.
    ///
    /// What is kept back counts as delivered, [`flush`](crate::ShmLogger::flush) does not write it, and if nothing calls for
    /// it, it is never written: the log says in the end how many. If the drainer is killed it is gone; its successor says so.
    ///
    /// ```
    /// # use shmlog::{Level, ShmLogger, debug, error};
    /// # let folder = std::env::temp_dir().join(format!("shmlog-doc-backtrace-{}", std::process::id()));
    /// # let builder = ShmLogger::builder().console(false).file(true).file_path(&folder).env(false);
    /// let logger = builder.level(Level::Debug).backtrace(1000, Level::Error).init_parent()?;
    /// debug!("kept back");
    /// error!("both are written");
    /// # drop(logger); std::fs::remove_dir_all(folder)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn backtrace(mut self, records: usize, level: Level) -> Builder {
        self.backtrace = Some(Backtrace { records, level });
        self
    }

    /// Whether the statements of the crate `log`, of this program and all it is made of, become records of the ring, unless
    /// the program has given `log` another logger before, which the log then says by a warning. Without the feature `log` nothing happens. [`ShmLogger`](crate::ShmLogger) is a
    /// `log::Log` too, for those that log into several. Default: yes; so it is for those that attach.
    ///
    #[cfg_attr(feature = "log", doc = "```")]
    #[cfg_attr(not(feature = "log"), doc = "```ignore")]
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let folder = std::env::temp_dir().join(format!("shmlog-doc-log-{}", std::process::id()));
    /// # let builder = shmlog::ShmLogger::builder().console(false).file(true).file_path(&folder);
    /// let logger = builder.level(shmlog::Level::Info).init_parent()?;
    /// log::info!(joint = 3; "from any crate");
    /// # logger.flush(std::time::Duration::from_secs(10))?;
    /// assert_eq!(logger.stats().delivered, 1);
    /// # drop(logger); std::fs::remove_dir_all(folder)?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn log_crate(mut self, on: bool) -> Builder {
        self.log_crate = on;
        self
    }

    /// Whether records go to standard output: short for a [sink](Builder::sink) of
    /// [`Console`]. Default: yes, unless another sink is on standard output.
    pub fn console(mut self, on: bool) -> Builder {
        self.console = Some(on);
        self
    }

    /// Whether records go to text files: short for a [sink](Builder::sink) of [`TextFile`] in
    /// [`file_path`](Builder::file_path). Default: no.
    pub fn file(mut self, on: bool) -> Builder {
        self.file = on;
        self
    }

    /// The folder for files, made if missing; relative to the present working directory. Default: `logs`.
    /// Files are called `{program}_{YYYYmmdd_HHMMSS_micros}.log`, in local time.
    pub fn file_path(mut self, folder: impl AsRef<Path>) -> Builder {
        self.file_path = folder.as_ref().to_owned();
        self
    }

    /// How many files of this program may remain in the folder, earlier sessions' included; 1 at least.
    /// The oldest are removed, but never one that a running session still writes. A session that logs nothing leaves
    /// none, unless it is killed. Files of recovered records count by themselves: as many of them may remain, those
    /// that the present start has made in any case. Default: 10.
    pub fn backup_count(mut self, files: u64) -> Builder {
        self.backup_count = files;
        self
    }

    /// Bytes after which a new file is begun; 1 at least. Only a single record that is longer makes a longer
    /// file. Default: 100 MiB.
    pub fn max_file_size(mut self, bytes: u64) -> Builder {
        self.max_file_size = bytes;
        self
    }

    /// The sinks that the builder was given, the short forms first.
    pub(crate) fn own_sinks(&self) -> Vec<SinkSpec> {
        let mut specs = Vec::new();
        let is_taken = |spec: &SinkSpec| {
            let uses_stdout = |uses: Uses| uses.stdout == Stdout::All;
            // One that is on standard error alone is a console too.
            spec.kind() == Console::NAME || kinds::check(spec).is_ok_and(uses_stdout)
        };
        if self
            .console
            .unwrap_or_else(|| !self.sinks.iter().any(is_taken))
        {
            specs.push(Console::new().into());
        }
        if self.file {
            let file = TextFile::new(&self.file_path);
            specs.push(
                file.max_size(self.max_file_size)
                    .keep(self.backup_count)
                    .into(),
            );
        }
        specs.extend_from_slice(&self.sinks);
        specs
    }

    /// Whether this process obeys variables of its environment.
    pub(crate) fn obeys_environment(&self) -> bool {
        self.env && !process::runs_with_foreign_rights()
    }

    /// The sinks that the environment asks for, if it does and is obeyed.
    pub(crate) fn environment_sinks(&self) -> Option<Result<Prepared, InitError>> {
        let text = self
            .obeys_environment()
            .then(|| std::env::var_os(VARIABLE))?;
        let text = text.filter(|text| !text.is_empty())?;
        Some(
            listed(text)
                .map_err(InitError::from)
                .and_then(|specs| Prepared::new(&specs)),
        )
    }

    /// What is to be said when the environment's sinks cannot be used.
    pub(crate) fn ignored_sinks(why: &InitError) -> String {
        format!(
            "{VARIABLE} is ignored, and the program's own sinks are used: {why}; correct the variable, or unset it"
        )
    }
}

/// The specs of a variable, at least one.
fn listed(text: OsString) -> Result<Vec<SinkSpec>, SpecError> {
    let refuse = |text: &str, allowed: &str| SpecError {
        sink: text.to_owned(),
        option: "kind".to_owned(),
        value: String::new(),
        allowed: allowed.to_owned(),
    };
    let text = text
        .into_string()
        .map_err(|bytes| refuse(&bytes.to_string_lossy(), "UTF-8, with other bytes as %ff"))?;
    let specs = SinkSpec::list(&text)?;
    match specs.is_empty() {
        true => Err(refuse(&text, "at least one sink, like console;file:logs")),
        false => Ok(specs),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_that_leads_nowhere_is_named_in_place_of_a_file_that_exists() {
        let folder = std::env::temp_dir().join(format!("shmlog-link-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir(&folder).unwrap();
        let link = folder.join("logs");
        std::os::unix::fs::symlink("nowhere", &link).unwrap();
        for given in [link.clone(), link.join("robot")] {
            let source = std::fs::create_dir_all(&given).unwrap_err();
            let told = in_the_way(&given, source).to_string();
            assert_eq!(
                told,
                format!("{} is a link that leads nowhere", link.display())
            );
        }
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
