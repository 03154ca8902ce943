//! Which ring is meant.
