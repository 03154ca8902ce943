//! Roles for which a folder is another file system, small and empty: in a mount namespace of their own.

use std::path::Path;
use std::process::Command;

use crate::support::role_by;
use crate::trial::Ignored;

/// A file system over a folder, new for each role that is played there.
pub struct OwnMount {
    mount: String,
}

impl OwnMount {
    /// `size` is as mount takes it: `64m`.
    pub fn over(folder: impl AsRef<Path>, size: &str) -> Result<OwnMount, Ignored> {
        let folder = folder.as_ref();
        let mount = format!("mount -t tmpfs -o size={size} tmpfs {folder:?}");
        let tried = unshare(&format!("{mount} 2>/dev/null")).status();
        match tried.is_ok_and(|status| status.success()) {
            true => Ok(OwnMount { mount }),
            false => Err(Ignored("one may not mount here")),
        }
    }

    /// The command that plays a role there.
    pub fn role(&self, role: &str, arguments: &[&str]) -> Command {
        self.role_and_then("true", role, arguments)
    }

    /// The same, and does `last` when the role has ended well, while there still is what it left.
    pub fn role_and_then(&self, last: &str, role: &str, arguments: &[&str]) -> Command {
        let script = format!("{} && \"$0\" \"$@\" && {last}", self.mount);
        role_by(unshare(&script), role, arguments)
    }
}

/// Runs a script with mounts of its own: as root, or as what it takes for root.
fn unshare(script: &str) -> Command {
    let flags = match rustix::process::geteuid().is_root() {
        true => "-m",
        false => "-rm",
    };
    let mut command = Command::new("unshare");
    command.args([flags, "sh", "-c", script]);
    command
}
