//! Names of rings, and the environment variable that carries one from a parent to its children.

use std::ffi::OsString;
use std::io;

use rustix::rand::{GetRandomFlags, getrandom};

/// The variable in which children find the name of their ring.
pub(crate) const RING_VARIABLE: &str = "SHMLOG_RING";

/// What all names begin with.
const PREFIX: &str = "shmlog-";

/// A name that can't be guessed: 128 random bits, and the maker's pid for people who look.
pub(super) fn unguessable() -> io::Result<String> {
    let number = random()?;
    Ok(format!("{PREFIX}{}-{number:032x}", std::process::id()))
}

/// 128 random bits.
pub(super) fn random() -> io::Result<u128> {
    let mut random = [0_u8; 16];
    match getrandom(&mut random, GetRandomFlags::empty())? {
        16 => Ok(u128::from_ne_bytes(random)),
        _ => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

/// Whether `name` is of the form that [`unguessable`] makes: nothing in it can lead out of the folder.
pub(super) fn is_well_formed(name: &str) -> bool {
    let Some((pid, random)) = name
        .strip_prefix(PREFIX)
        .and_then(|rest| rest.split_once('-'))
    else {
        return false;
    };
    let digits = |text: &str, allowed: &[u8]| text.bytes().all(|byte| allowed.contains(&byte));
    !pid.is_empty()
        && pid.len() <= 10
        && digits(pid, b"0123456789")
        && random.len() == 32
        && digits(random, b"0123456789abcdef")
}

/// The pid of the process that made the ring `name`.
pub(super) fn maker(name: &str) -> Option<u32> {
    let (pid, _) = name.strip_prefix(PREFIX)?.split_once('-')?;
    pid.parse().ok()
}

/// The ring that the environment names, if any. A program that runs with more rights than its starter
/// (setuid, setgid, file capabilities) is told of none: the starter made that environment.
pub(crate) fn inherited() -> Option<String> {
    if super::process::runs_with_foreign_rights() {
        return None;
    }
    let name = std::env::var_os(RING_VARIABLE)?;
    (!name.is_empty()).then(|| name.to_string_lossy().into_owned())
}

/// The variable as it stands, to be put back by [`restore`].
pub(crate) fn environment() -> Option<OsString> {
    std::env::var_os(RING_VARIABLE)
}

/// Names `ring` to all children started from now on.
pub(crate) fn announce(ring: &str) {
    restore(Some(ring.into()));
}

/// Sets the variable to `value`, or takes it away.
#[allow(unsafe_code)]
pub(crate) fn restore(value: Option<OsString>) {
    match value {
        // SAFETY: std keeps its own readers and writers of the environment apart with a lock. What it cannot
        // keep apart is C code that calls getenv in another thread at this very moment; init_parent and
        // ShmLogger's drop say in their documentation that they must not run beside such code.
        Some(value) => unsafe { std::env::set_var(RING_VARIABLE, value) },
        // SAFETY: as above.
        None => unsafe { std::env::remove_var(RING_VARIABLE) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fresh_name_is_well_formed_and_never_the_same() {
        let (a, b) = (unguessable().unwrap(), unguessable().unwrap());
        assert!(is_well_formed(&a) && is_well_formed(&b));
        assert_ne!(a, b);
    }

    #[test]
    fn a_name_that_leads_elsewhere_is_not_well_formed() {
        let random = "0123456789abcdef0123456789abcdef";
        for name in [
            String::new(),
            "shmlog-".to_owned(),
            "../../etc/passwd".to_owned(),
            format!("shmlog-1/../-{random}"),
            format!("shmlog-1-{random}/x"),
            format!("shmlog--{random}"),
            format!("shmlog-1-{}", random.to_uppercase()),
            format!("shmlog-1-{random}0"),
            format!("other-1-{random}"),
        ] {
            assert!(!is_well_formed(&name), "{name}");
        }
    }
}
