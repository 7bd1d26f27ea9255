//! The engine with the real store against a server in this process.

mod engine;
mod server;
mod support;
mod trouble;
