//! What must hold of the workspace itself: which crate knows which, what none of them names.
//!
//! Each check takes the root of a tree and returns its findings, one sentence each, so that the
//! tests can show it a good tree, a bad one, and this one. Run by `cargo test -p xtask`.

mod crates;
mod files;

pub use crates::{arrows, crate_table, forbidden_dependencies};
pub use files::{file_lengths, forbidden_words, real_clock_and_environment, sql_outside_the_store};
