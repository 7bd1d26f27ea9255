//! Both halves of the proof that a power cut loses nothing; tests/durability/power_cuts.py stands between.
//!
//! `power_cuts work DIRECTORY SEED ROUNDS [off]` uses the store as the server does, and says in one
//! line of standard output each what it is about to do and what it may rely on. `off` is a fault
//! that must be noticed: some entries are written past the store, with `synchronous=OFF`.
//!
//! `power_cuts check` reads lines `IMAGE PROMISES` from standard input: a directory as a power cut
//! left it, and a file with the lines that had been written until then. It answers each with `ok`
//! and the entries found, or `wrong` and why.

mod check;
mod promises;
mod work;

use std::{
    error::Error,
    path::Path,
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use domain::{Clock, Timestamp};
use store::StoreOptions;

type Failure = Box<dyn Error + Send + Sync>;

/// Each look at it is a second later, so that the free space of the disk is looked at too.
#[derive(Default)]
struct CountingClock(AtomicU64);

impl Clock for CountingClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(1_790_000_000_000)
    }

    fn monotonic(&self) -> Duration {
        Duration::from_secs(self.0.fetch_add(1, Ordering::Relaxed))
    }
}

fn clock() -> Arc<dyn Clock> {
    Arc::<CountingClock>::default()
}

/// A write-ahead log so short that it is moved and started anew all the time.
fn options() -> StoreOptions {
    StoreOptions {
        disk_free_min_bytes: 0,
        wal_checkpoint_bytes: 20 * 8_192,
        wal_restart_bytes: 70 * 8_192,
        ..StoreOptions::default()
    }
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments.as_slice() {
        ["work", directory, seed, rounds, plant @ ..] => match (seed.parse(), rounds.parse()) {
            (Ok(seed), Ok(rounds)) => work::run(Path::new(directory), seed, rounds, plant == ["off"]).await,
            _ => Err("SEED and ROUNDS are numbers".into()),
        },
        ["check"] => check::run().await,
        _ => Err("usage: power_cuts work DIRECTORY SEED ROUNDS [off] | power_cuts check".into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
