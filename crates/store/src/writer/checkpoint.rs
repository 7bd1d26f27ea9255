//! Moving the WAL into the database, so that it can start anew.

use std::{sync::mpsc, thread};

use rusqlite::Connection;

use crate::{
    Error, OpenError,
    error::{Failed, Failure},
};

/// Pages of WAL not yet moved from which the checkpointer is woken: 32 MiB.
const CHECKPOINT_PAGES: i64 = 4_096;
/// Pages of WAL from which the writer itself moves the rest and waits for readers, so that the
/// WAL starts anew although writes never pause: 256 MiB.
const RESTART_PAGES: i64 = 32_768;

/// Decides when the WAL is moved, and by whom.
pub(super) struct Checkpoints {
    wake: mpsc::SyncSender<()>,
    // Pages of WAL at which the writer tries next; moved up when a reader was in the way.
    restart_at: i64,
}

impl Checkpoints {
    /// Starts the checkpointer, on a connection of its own, so that commits do not wait for it.
    pub(super) fn start(connection: Connection) -> Result<Self, OpenError> {
        let (wake, woken) = mpsc::sync_channel(1);
        thread::Builder::new().name("store-checkpoint".to_owned()).spawn(move || {
            while woken.recv().is_ok() {
                checkpoint(&connection, "PASSIVE");
            }
        })?;
        Ok(Self { wake, restart_at: RESTART_PAGES })
    }

    /// To be called by the writer between two groups.
    ///
    /// The length of the WAL's file tells nothing: it stays when the WAL starts anew.
    pub(super) fn after_commit(&mut self, writer: &Connection) {
        let Some(wal) = checkpoint(writer, "NOOP") else { return };
        if wal.pages >= self.restart_at {
            let is_moved = checkpoint(writer, "RESTART").is_some_and(|wal| !wal.is_busy);
            self.restart_at = if is_moved { RESTART_PAGES } else { wal.pages + CHECKPOINT_PAGES };
        } else if wal.pages - wal.moved >= CHECKPOINT_PAGES {
            // A full channel means that one is due already.
            let _ = self.wake.try_send(());
        }
    }
}

/// Moves all of it and empties the file.
pub(super) fn at_end(writer: &Connection) {
    checkpoint(writer, "TRUNCATE");
}

struct Wal {
    is_busy: bool,
    pages: i64,
    moved: i64,
}

fn checkpoint(connection: &Connection, mode: &str) -> Option<Wal> {
    let result = connection.prepare_cached(&format!("PRAGMA wal_checkpoint({mode})")).and_then(|mut statement| {
        statement.query_row([], |row| Ok(Wal { is_busy: row.get(0)?, pages: row.get(1)?, moved: row.get(2)? }))
    });
    match result.map_err(Error::from) {
        Ok(wal) => Some(wal),
        Err(error) => {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                mode,
                "a checkpoint failed; the WAL keeps growing"
            );
            if error.failure() == Failure::Sync {
                super::end_process();
            }
            None
        }
    }
}
