//! The ring under loom: every interleaving and every reordering that the memory model allows.
