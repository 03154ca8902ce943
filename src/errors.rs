//! How errors are shown where a program ends with one: `?` in `main` prints the `Debug` of an error.

use std::error::Error;
use std::fmt;

/// Makes `Debug` of errors the text that people are to read: that of `Display`, and what the system said.
macro_rules! debug_is_text {
    ($($error:ty),+ $(,)?) => {$(
        impl std::fmt::Debug for $error {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                $crate::errors::in_full(self, f)
            }
        }
    )+};
}
pub(crate) use debug_is_text;

/// Writes an error and all that it came from.
pub(crate) fn in_full(error: &dyn Error, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(f, "{error}")?;
    let mut source = error.source();
    while let Some(error) = source {
        write!(f, ": {error}")?;
        source = error.source();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::path::PathBuf;

    use crate::segment::{AttachError, CreateError};

    #[test]
    fn an_error_that_ends_a_main_is_shown_with_the_way_out_and_what_the_system_said() {
        let error = crate::InitError::from(AttachError::NoRing);
        assert_eq!(format!("{error:?}"), error.to_string());
        let source = io::Error::from_raw_os_error(13);
        let path = PathBuf::from("/dev/shm/shmlog-1");
        let shown = format!("{:?}", CreateError::Open { path, source });
        assert_eq!(
            shown,
            "cannot create the segment /dev/shm/shmlog-1: Permission denied (os error 13)"
        );
    }
}
