//! Moving the WAL into the database, so that it can start anew.

use std::{sync::mpsc, thread, time::Duration};

use rusqlite::Connection;

use crate::{
    Error, OpenError, StoreOptions,
    connection::PAGE_BYTES,
    error::{Failed, Failure},
};

/// How long the writer waits for readers that still look at the WAL.
const RESTART_WAIT: Duration = Duration::from_secs(1);

/// Commits between two looks at the WAL: a look costs a twentieth of a commit.
const LOOK_EVERY: u32 = 8;

/// Decides when the WAL is moved, and by whom.
pub(super) struct Checkpoints {
    // Both are there until the end.
    wake: Option<mpsc::SyncSender<()>>,
    checkpointer: Option<thread::JoinHandle<()>>,
    wake_pages: i64,
    restart_pages: i64,
    // Pages of WAL at which the writer tries next; moved up when a reader was in the way.
    restart_at: i64,
    // Commits since the last look.
    unseen: u32,
}

impl Checkpoints {
    /// Starts the checkpointer, on a connection of its own, so that commits do not wait for it.
    ///
    /// At the restart length the writer itself moves the rest and waits for readers, so that the
    /// WAL starts anew although writes never pause.
    pub(super) fn start(connection: Connection, options: &StoreOptions) -> Result<Self, OpenError> {
        let pages = |bytes: u64| i64::try_from(bytes / PAGE_BYTES).unwrap_or(i64::MAX);
        Self::with_limits(connection, pages(options.wal_checkpoint_bytes), pages(options.wal_restart_bytes))
    }

    fn with_limits(connection: Connection, wake_pages: i64, restart_pages: i64) -> Result<Self, OpenError> {
        let (wake, woken) = mpsc::sync_channel(1);
        let checkpointer = thread::Builder::new().name("store-checkpoint".to_owned()).spawn(move || {
            while woken.recv().is_ok() {
                checkpoint(&connection, "PASSIVE");
            }
        })?;
        let (wake, checkpointer) = (Some(wake), Some(checkpointer));
        Ok(Self { wake, checkpointer, wake_pages, restart_pages, restart_at: restart_pages, unseen: 0 })
    }

    /// Prepares the connection of the writer: how long it waits for others, and to what length it cuts
    /// the file of a WAL that starts anew after readers have let it grow.
    pub(super) fn prepare(writer: &Connection, options: &StoreOptions) -> Result<(), OpenError> {
        writer.busy_timeout(RESTART_WAIT)?;
        writer.pragma_update(None, "journal_size_limit", options.wal_restart_bytes.cast_signed())?;
        Ok(())
    }

    /// To be called by the writer between two groups.
    ///
    /// The length of the WAL's file tells nothing: it stays when the WAL starts anew.
    pub(super) fn after_commit(&mut self, writer: &Connection) {
        self.unseen += 1;
        if self.unseen < LOOK_EVERY {
            return;
        }
        self.unseen = 0;
        let Some(wal) = checkpoint(writer, "NOOP") else { return };
        if wal.pages >= self.restart_at {
            match checkpoint(writer, "RESTART") {
                Some(wal) if !wal.is_busy => self.restart_at = self.restart_pages,
                // The checkpointer is at work, and SQLite does not wait for it. It is not woken
                // again below, so that the turn of the writer comes with one of the next commits.
                Some(Wal { pages: UNKNOWN, .. }) => {}
                _ => {
                    tracing::warn!(
                        wal_bytes = wal.pages.cast_unsigned() * PAGE_BYTES,
                        "a reader keeps the write-ahead log from starting anew; it grows until the reader is done"
                    );
                    self.restart_at = wal.pages + self.wake_pages;
                }
            }
        } else if wal.pages - wal.moved >= self.wake_pages {
            // A full channel means that one is due already.
            let _ = self.wake.as_ref().map(|wake| wake.try_send(()));
        }
    }

    /// Moves all of it and empties the file, once the checkpointer is no longer in the way.
    pub(super) fn end(&mut self, writer: &Connection) {
        self.wake = None;
        if self.checkpointer.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the thread of the checkpoints has panicked");
        }
        checkpoint(writer, "TRUNCATE");
    }
}

/// What SQLite says of the length of a WAL that it could not look at.
const UNKNOWN: i64 = -1;

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

#[cfg(test)]
mod tests {
    use std::{path::Path, time::Duration};

    use rusqlite::Connection;

    use super::Checkpoints;
    use crate::{
        StoreOptions,
        connection::{PAGE_BYTES, open_checkpointer, open_writer},
    };

    const WAKE_PAGES: i64 = 50;
    const RESTART_PAGES: i64 = 200;

    fn write(writer: &Connection, checkpoints: &mut Checkpoints, commits: usize) {
        for _ in 0..commits {
            writer.execute("INSERT INTO t VALUES (zeroblob(20000))", []).expect("is written");
            checkpoints.after_commit(writer);
        }
    }

    fn wal_pages(directory: &Path) -> i64 {
        let bytes = std::fs::metadata(directory.join("a.db-wal")).expect("is there").len();
        i64::try_from(bytes).expect("is small") / 8192
    }

    #[test]
    fn the_wal_starts_anew_under_constant_writes() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("a.db");
        let writer = open_writer(&path).expect("opens");
        writer.execute_batch("CREATE TABLE t (x)").expect("is made");
        let checkpointer = open_checkpointer(&path).expect("opens");
        let mut checkpoints = Checkpoints::with_limits(checkpointer, WAKE_PAGES, RESTART_PAGES).expect("starts");
        write(&writer, &mut checkpoints, 1_000);
        let pages = wal_pages(directory.path());
        assert!(pages < 1_000, "{pages} pages for 1,000 commits of at least 3");
    }

    #[test]
    fn a_reader_in_the_way_lets_the_wal_grow_and_does_not_stop_the_writer() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("a.db");
        let writer = open_writer(&path).expect("opens");
        let limit = u64::try_from(RESTART_PAGES).expect("is small") * PAGE_BYTES;
        let options = StoreOptions { wal_restart_bytes: limit, ..StoreOptions::default() };
        Checkpoints::prepare(&writer, &options).expect("is prepared");
        writer.busy_timeout(Duration::ZERO).expect("is set");
        writer.execute_batch("CREATE TABLE t (x); INSERT INTO t VALUES (1)").expect("is made");
        let checkpointer = open_checkpointer(&path).expect("opens");
        let mut checkpoints = Checkpoints::with_limits(checkpointer, WAKE_PAGES, RESTART_PAGES).expect("starts");
        let reader = Connection::open(&path).expect("opens");
        let snapshot = reader.unchecked_transaction().expect("begins");
        let count = || snapshot.query_row("SELECT count(*) FROM t", [], |row| row.get::<_, i64>(0)).expect("is read");
        assert_eq!(count(), 1);
        write(&writer, &mut checkpoints, 200);
        assert_eq!(count(), 1);
        let grown = wal_pages(directory.path());
        assert!(grown > 600, "{grown}");
        drop(snapshot);
        // It is written from its start again, and the file is cut.
        write(&writer, &mut checkpoints, 400);
        assert!(wal_pages(directory.path()) < grown, "{grown} {}", wal_pages(directory.path()));
    }

    #[test]
    fn at_the_end_the_wal_is_empty_although_the_checkpointer_was_just_woken() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("a.db");
        let writer = open_writer(&path).expect("opens");
        writer.execute_batch("CREATE TABLE t (x)").expect("is made");
        for round in 0..20 {
            let checkpointer = open_checkpointer(&path).expect("opens");
            let mut checkpoints = Checkpoints::with_limits(checkpointer, 1, RESTART_PAGES).expect("starts");
            write(&writer, &mut checkpoints, 20);
            checkpoints.end(&writer);
            assert_eq!(wal_pages(directory.path()), 0, "round {round}");
        }
    }
}
