//! How many entries a second become durable: `commit_rate DIRECTORY [STORED…]`.
//!
//! Prints a line for each kind of load, on an empty database and again when it holds as many
//! entries as each STORED says (default 2,000,000). The directory must not hold a database.
#![expect(clippy::disallowed_methods, reason = "it measures time")]

use std::{
    path::Path,
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use domain::{AccountId, Clock, EntryDraft, EntryId, Timestamp};
use store::{Append, Store, StoreOptions};

const BODY_BYTES: usize = 1_500;
const MEASURED: Duration = Duration::from_secs(5);

struct RunningClock(Instant);

impl Clock for RunningClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(1_790_000_000_000).plus(self.0.elapsed())
    }

    fn monotonic(&self) -> Duration {
        self.0.elapsed()
    }
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some((directory, stored)) = arguments.split_first() else {
        eprintln!("usage: commit_rate DIRECTORY [STORED...]");
        return ExitCode::FAILURE;
    };
    let stored: Result<Vec<u64>, _> = stored.iter().map(|count| count.parse()).collect();
    let stored = stored.ok().filter(|stored| !stored.is_empty()).unwrap_or_else(|| vec![2_000_000]);
    match measure(Path::new(directory), &stored).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn measure(directory: &Path, stored: &[u64]) -> Result<(), Box<dyn std::error::Error>> {
    let clock = Arc::new(RunningClock(Instant::now()));
    let store = Store::open(directory, StoreOptions::default(), clock)?;
    let account = store.account_ensure("default", None).await?.id;
    println!("{:>12}  {:<24}  {:>10}  {:>9}  {:>9}", "stored", "load", "entries/s", "p50 ms", "p99 ms");
    for stored in std::iter::once(&0).chain(stored) {
        while store.entry_last_sequence(account).await?.0 < *stored {
            load(&store, account, 8, 1_000, MEASURED).await;
        }
        for (tasks, batch) in [(64, 1), (8, 100)] {
            let before = store.entry_last_sequence(account).await?.0;
            let (entries, mut waits) = load(&store, account, tasks, batch, MEASURED).await;
            waits.sort_unstable();
            let at = |share: usize| waits.get(waits.len() * share / 100).map_or(0.0, |wait| wait.as_secs_f64() * 1e3);
            let rate = entries / MEASURED.as_secs();
            let name = format!("{tasks} tasks, batches of {batch}");
            println!("{before:>12}  {name:<24}  {rate:>10}  {:>9.2}  {:>9.2}", at(50), at(99));
        }
    }
    store.close().await;
    Ok(())
}

/// Entries stored by `tasks` callers that each send the next batch when the last is answered,
/// and how long each waited.
async fn load(store: &Store, account: AccountId, tasks: u64, batch: usize, time: Duration) -> (u64, Vec<Duration>) {
    let stop = Arc::new(AtomicBool::new(false));
    let entries = Arc::new(AtomicU64::new(0));
    let callers: Vec<_> = (0..tasks)
        .map(|task| {
            let (store, stop, entries) = (store.clone(), Arc::clone(&stop), Arc::clone(&entries));
            tokio::spawn(async move {
                let mut random = Random::seeded(task);
                let mut waits = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    let drafts = (0..batch).map(|_| draft(&mut random)).collect();
                    let asked = Instant::now();
                    match store.entry_append(Append { account, drafts, idempotency: None }).await {
                        Ok(appended) => {
                            waits.push(asked.elapsed());
                            entries.fetch_add(appended.items.len() as u64, Ordering::Relaxed);
                        }
                        Err(error) => eprintln!("refused: {error}"),
                    }
                }
                waits
            })
        })
        .collect();
    tokio::time::sleep(time).await;
    stop.store(true, Ordering::Relaxed);
    let mut waits = Vec::new();
    for caller in callers {
        waits.extend(caller.await.unwrap_or_default());
    }
    (entries.load(Ordering::Relaxed), waits)
}

fn draft(random: &mut Random) -> EntryDraft {
    let id = EntryId::from_bytes(random.bytes());
    let mut bytes = format!("{{\"_id\":\"{id}\",\"text\":\"").into_bytes();
    bytes.resize(BODY_BYTES - 2, b'x');
    bytes.extend_from_slice(b"\"}");
    EntryDraft { id: Some(id), bytes: bytes.into() }
}

/// A xorshift generator: ids only have to be spread.
struct Random(u64);

impl Random {
    fn seeded(task: u64) -> Self {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Self(
            u64::try_from(now.as_nanos() & u128::from(u64::MAX)).unwrap_or(1)
                ^ (task + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)
                | 1,
        )
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn bytes(&mut self) -> [u8; 12] {
        let mut bytes = [0; 12];
        bytes[..8].copy_from_slice(&self.next().to_be_bytes());
        bytes[8..].copy_from_slice(&self.next().to_be_bytes()[..4]);
        bytes
    }
}
