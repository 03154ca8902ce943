//! Records from files: text, JSON lines, MCAP, compressed ones.
