//! The binary's own parts: settings, command line, accept loop, wiring.
//!
//! The only crate that reads the environment and the real clock. Deliberately absent:
//! rules about entries, subscriptions or deliveries, which the crates below own.

pub mod cli;
pub mod clock;
pub mod control;
pub mod ingest;
pub mod lock;
pub mod logging;
pub mod master_key;
pub mod serve;
pub mod settings;
