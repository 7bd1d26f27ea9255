//! The project's benchmark: what the load generator, the sink and the runner share, and each of
//! them. Everything stays on loopback and is bounded in time or in count.
#![expect(clippy::disallowed_methods, reason = "a benchmark measures by the real clock")]

pub mod hist;
pub mod http;
pub mod load;
pub mod mark;
pub mod procfs;
pub mod recon;
pub mod runner;
pub mod sink;
pub mod template;

use std::time::{SystemTime, UNIX_EPOCH};

/// Microseconds since 1970. Sender and receiver are on one machine, so that the difference of two
/// readings is a latency without an error of clocks.
pub fn now_us() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}
