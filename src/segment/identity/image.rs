//! Which program a process runs: a number that changes with each `exec` and with nothing else.
//!
//! The kernel hands sixteen random bytes to each program that it begins (`AT_RANDOM`), also where it lays all programs at
//! the same addresses (`setarch -R`, a debugger). A child made by fork has those of its parent, and two copies of this
//! library in one process have the same.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;

/// The C library guards the stack and its own pointers with these bytes, so they are a secret of the process: what
/// any member can read in the segment is a quarter of their bits, in which the two halves hide each other. Never 0.
fn image(random: [u8; 16]) -> u64 {
    let random = u128::from_ne_bytes(random);
    let mixed = (random >> 64) as u64 ^ random as u64;
    1 << 32 | u64::from((mixed >> 32) as u32 ^ mixed as u32)
}

/// The image of this process; 0 where the kernel handed no such bytes. Async-signal-safe.
#[allow(unsafe_code)]
pub(super) fn own() -> u64 {
    // SAFETY: getauxval only reads what the kernel laid down at the start of the program.
    let random = unsafe { libc::getauxval(libc::AT_RANDOM) } as *const [u8; 16];
    if random.is_null() {
        return 0;
    }
    // SAFETY: the kernel wrote sixteen bytes there, above the first thread's stack, when it began the program; they stay
    // readable as long as it runs, and no code writes them. Bytes need no alignment.
    image(unsafe { random.read() })
}

/// The image of the process `pid`, read from its memory; `None` where the system does not allow that.
pub(crate) fn image_of(pid: u32) -> Option<u64> {
    const WORD: usize = size_of::<usize>();
    let vector = fs::read(format!("/proc/{pid}/auxv")).ok()?;
    let mut words = vector.chunks_exact(WORD).map(|word| {
        let word = <[u8; WORD]>::try_from(word).unwrap_or_default();
        usize::from_ne_bytes(word)
    });
    let pairs = std::iter::from_fn(|| Some((words.next()?, words.next()?)));
    let is_random = |(what, _): &(usize, usize)| *what == libc::AT_RANDOM as usize;
    let (_, address) = pairs.into_iter().find(is_random)?;
    let mut random = [0; 16];
    let memory = File::open(format!("/proc/{pid}/mem")).ok()?;
    memory.read_exact_at(&mut random, address as u64).ok()?;
    Some(image(random))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_has_the_same_image_from_inside_and_from_outside() {
        assert_ne!(own(), 0);
        assert_eq!(own(), own());
        // Here the system allows it: every process may read its own memory.
        assert_eq!(image_of(std::process::id()), Some(own()));
        assert_eq!(image_of(u32::MAX), None);
    }

    #[test]
    fn an_image_is_of_all_bytes_and_never_0() {
        assert_ne!(image([0; 16]), 0);
        for byte in 0..16 {
            let mut random = [7; 16];
            random[byte] ^= 1;
            assert_ne!(image(random), image([7; 16]), "byte {byte}");
        }
    }
}
