//! Appends entries for ever and says what it may rely on: one line `ack SEQUENCE ID` for each
//! stored entry, written once the store has answered.
//!
//! `append_loop DIRECTORY ROUNDS REQUESTS [PLANT]`: ends after ROUNDS rounds of REQUESTS
//! concurrent requests. The durability tests kill it, trace it and fail its system calls. PLANT is a
//! fault that they must notice: `early` acknowledges before the store answers, `unsynced`
//! writes past the store, on a connection that does not sync.

use std::{
    io::{self, Write},
    path::Path,
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use domain::{AccountId, Clock, EntryDraft, EntryId, Timestamp};
use store::{Append, Store, StoreOptions};

/// Stands still: nothing here depends on the time.
struct StillClock;

impl Clock for StillClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(1_790_000_000_000)
    }

    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let plant = arguments.get(3).map(String::as_str);
    let [directory, rounds, requests, ..] = arguments.as_slice() else { return usage() };
    let (Ok(rounds), Ok(requests)) = (rounds.parse(), requests.parse()) else { return usage() };
    match run(Path::new(directory), rounds, requests, plant).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn usage() -> ExitCode {
    eprintln!("usage: append_loop DIRECTORY ROUNDS REQUESTS [early|unsynced]");
    ExitCode::FAILURE
}

async fn run(
    directory: &Path,
    rounds: u64,
    requests: u64,
    plant: Option<&str>,
) -> Result<(), Box<dyn std::error::Error>> {
    let options = StoreOptions { disk_free_min_bytes: 0, indexes: false, ..StoreOptions::default() };
    let store = Store::open(directory, options, Arc::new(StillClock))?;
    let account = store.account_ensure("default", None).await?.id;
    let first = store.entry_last_sequence(account).await?.0;
    if plant == Some("unsynced") {
        return unsynced(directory, rounds);
    }
    for round in 0..rounds {
        let tasks: Vec<_> = (0..requests)
            .map(|request| {
                // The last requests of a run that was killed may be stored in any order, so its
                // highest sequence says nothing about which of its ids are taken.
                let id = format!("entry-{first:08}-{:08}", round * requests + request);
                tokio::spawn(append(store.clone(), account, id, plant == Some("early")))
            })
            .collect();
        for task in tasks {
            if let Err(error) = task.await? {
                eprintln!("refused: {error}");
            }
        }
    }
    store.close().await;
    Ok(())
}

async fn append(store: Store, account: AccountId, id: String, early: bool) -> Result<(), String> {
    let bytes = format!("{{\"_id\":\"{id}\",\"text\":\"{}\"}}", "x".repeat(1_400));
    let id = EntryId::parse(&id).map_err(|error| error.to_string())?;
    let draft = EntryDraft { id: Some(id.clone()), bytes: bytes.into_bytes().into() };
    if early {
        acknowledge(0, id.as_str()).map_err(|error| error.to_string())?;
    }
    let append = Append { account, drafts: vec![draft], idempotency: None };
    let appended = store.entry_append(append).await.map_err(|error| error.to_string())?;
    if !early {
        acknowledge(appended.items[0].sequence.0, id.as_str()).map_err(|error| error.to_string())?;
    }
    Ok(())
}

fn unsynced(directory: &Path, rounds: u64) -> Result<(), Box<dyn std::error::Error>> {
    let connection = rusqlite::Connection::open(directory.join(Store::FILE))?;
    connection.execute_batch("PRAGMA synchronous = OFF")?;
    for round in 0..rounds {
        let id = format!("entry-{round:08}");
        connection.execute(
            "INSERT INTO entry (place, received_at, id, bytes) VALUES (?1, 0, ?2, x'')",
            (1_000_000 + round.cast_signed(), &id),
        )?;
        acknowledge(round, &id)?;
    }
    Ok(())
}

/// One write of one line, so that a trace shows it as one call.
fn acknowledge(sequence: u64, id: &str) -> io::Result<()> {
    io::stdout().lock().write_all(format!("ack {sequence} {id}\n").as_bytes())
}
