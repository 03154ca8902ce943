//! Which sinks a log has: those of the builder, or in their place those of the environment.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::{Builder, InitError};
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
        std::fs::create_dir_all(&folder).map_err(refuse)?;
        let rights = rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK;
        rustix::fs::access(&folder, rights).map_err(|errno| refuse(errno.into()))?;
        let canonical = folder.canonicalize().map_err(refuse)?;
        Ok((folder, canonical))
    }
}

impl Builder {
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
