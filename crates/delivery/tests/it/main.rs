//! The engine with the real store against a server in this process.

#![expect(clippy::unwrap_used, reason = "a helper of tests fails like the test that calls it")]

mod attempts;
mod client;
mod conditions;
mod engine;
mod jobs;
mod numbers;
mod retention;
mod server;
mod support;
mod test_sends;
mod trouble;
