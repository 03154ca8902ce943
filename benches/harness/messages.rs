//! What is logged: the same for all loggers.

/// Sixty-four bytes. The macros want it written out, so it stands at each call again.
pub const LITERAL: &str = "a literal of sixty-four bytes, as one writes them in robot code.";

/// A text of this many bytes that no compiler knows.
pub fn text(bytes: usize) -> String {
    let text = "the quick brown fox jumps over the lazy dog "
        .chars()
        .cycle();
    std::hint::black_box(text.take(bytes).collect())
}

/// The three numbers of call `n`: a joint, its position, its velocity.
#[inline(always)]
pub fn three(n: u64) -> (u32, f64, f64) {
    let joint = (n % 29) as u32;
    (joint, n as f64 * 0.001, -0.5 * f64::from(joint))
}
