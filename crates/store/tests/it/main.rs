//! What acknowledged means, seen from outside the process: traces, failures and kills.
//!
//! The subject is the example `append_loop`, which `cargo test` builds beside the tests.

mod checker;
mod durability;
