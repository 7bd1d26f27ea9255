//! Connections to the database: how they are opened, checked and pooled.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use parking_lot::{Condvar, Mutex};
use rusqlite::{Connection, OpenFlags};
use tokio::sync::Semaphore;

use crate::{Error, OpenError};

/// The newest form of the database that this program knows. Each release that changes the schema
/// has the next number; a form that no release has is told from others by [`check_shape`].
const FORM: i64 = 1;

const MIGRATIONS: [&str; FORM as usize] = [include_str!("schema.sql")];

/// 3.51.3: the first version whose WAL cannot lose committed pages when it is reset while
/// another connection checkpoints.
const SQLITE_VERSION_MIN: i32 = 3_051_003;

/// A page holds several entries of common size, so that few pages are written per commit.
pub(crate) const PAGE_BYTES: u64 = 8_192;

pub(crate) fn open_writer(path: &Path) -> Result<Connection, OpenError> {
    if rusqlite::version_number() < SQLITE_VERSION_MIN {
        return Err(OpenError::SqliteVersion { found: rusqlite::version() });
    }
    let connection = open(path, OpenFlags::default())?;
    connection.execute_batch(&format!(
        "PRAGMA page_size = {PAGE_BYTES};
         PRAGMA journal_mode = WAL;
         PRAGMA synchronous = FULL;
         PRAGMA wal_autocheckpoint = 0;
         PRAGMA foreign_keys = ON;
         PRAGMA cache_size = -4096;
         PRAGMA temp_store = MEMORY;",
    ))?;
    Ok(connection)
}

/// Opens the connection that moves the WAL into the database, so that no commit has to.
pub(crate) fn open_checkpointer(path: &Path) -> Result<Connection, OpenError> {
    let connection = open(path, OpenFlags::default())?;
    connection.execute_batch("PRAGMA wal_autocheckpoint = 0; PRAGMA synchronous = FULL;")?;
    Ok(connection)
}

/// Opens a connection that only reads.
pub(crate) fn open_reader(path: &Path) -> Result<Connection, OpenError> {
    let connection = open(path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI)?;
    connection.execute_batch("PRAGMA cache_size = -1024; PRAGMA query_only = ON;")?;
    Ok(connection)
}

/// Whether the database has the form that this program reads.
pub(crate) fn check_form(connection: &Connection) -> Result<(), OpenError> {
    match connection.query_row("PRAGMA user_version", [], |row| row.get(0))? {
        FORM => check_shape(connection),
        found if found < FORM => Err(OpenError::Older { found, known: FORM }),
        found => Err(OpenError::Newer { found, known: FORM }),
    }
}

pub(crate) fn open(path: &Path, flags: OpenFlags) -> Result<Connection, OpenError> {
    let connection = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)
        .map_err(|source| OpenError::File { path: path.to_owned(), source })?;
    connection.busy_timeout(std::time::Duration::from_secs(10))?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

/// The write-ahead log of the database in the file `path`.
pub(crate) fn wal_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push("-wal");
    name.into()
}

/// Reads back what a durable commit rests on.
pub(crate) fn check_durability(connection: &Connection) -> Result<(), OpenError> {
    let journal: String = connection.query_row("PRAGMA journal_mode", [], |row| row.get(0))?;
    if journal != "wal" {
        return Err(OpenError::Durability { pragma: "journal_mode", wanted: "wal", found: journal });
    }
    let synchronous: i64 = connection.query_row("PRAGMA synchronous", [], |row| row.get(0))?;
    if synchronous != 2 {
        return Err(OpenError::Durability {
            pragma: "synchronous",
            wanted: "2 (FULL)",
            found: synchronous.to_string(),
        });
    }
    Ok(())
}

/// Brings the database to the newest form, each step in a transaction of its own.
pub(crate) fn migrate(connection: &Connection) -> Result<(), OpenError> {
    let found: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let done = usize::try_from(found).unwrap_or(usize::MAX);
    let Some(missing) = MIGRATIONS.get(done..) else {
        return Err(OpenError::Newer { found, known: FORM });
    };
    for (step, migration) in missing.iter().enumerate() {
        let form = done + step + 1;
        connection.execute_batch(&format!("BEGIN IMMEDIATE; {migration} PRAGMA user_version = {form}; COMMIT;"))?;
    }
    check_shape(connection)
}

/// Whether the tables and indexes are those that this program makes. A database of another build
/// may have the same number and other columns; each of its statements could then fail, or do
/// something else than is meant.
fn check_shape(connection: &Connection) -> Result<(), OpenError> {
    let own = Connection::open_in_memory()?;
    MIGRATIONS.iter().try_for_each(|migration| own.execute_batch(migration))?;
    let (own, found) = (shape(&own)?, shape(connection)?);
    match own.keys().chain(found.keys()).find(|name| own.get(*name) != found.get(*name)) {
        None => Ok(()),
        Some(name) => Err(OpenError::Shape { name: name.clone() }),
    }
}

/// How tables and indexes were made, by name, without comments and blanks.
fn shape(connection: &Connection) -> Result<BTreeMap<String, String>, rusqlite::Error> {
    let mut statement = connection.prepare(
        "SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'",
    )?;
    let plain = |sql: String| -> String {
        let code = sql.lines().filter_map(|line| line.split("--").next());
        code.flat_map(str::chars).filter(|c| !c.is_whitespace()).collect()
    };
    statement.query_map([], |row| Ok((row.get(0)?, plain(row.get(1)?))))?.collect()
}

/// Free bytes for us on the file system of `directory`; all there are when it cannot be told.
pub(crate) fn free_bytes(directory: &Path) -> u64 {
    rustix::fs::statvfs(directory).map_or(u64::MAX, |stat| stat.f_bavail.saturating_mul(stat.f_frsize))
}

/// Connections that only read, each lent to one reader at a time.
pub(crate) struct Readers {
    /// As many as there are connections: who waits for one in `run` holds no thread meanwhile.
    turns: Arc<Semaphore>,
    idle: Mutex<Vec<Connection>>,
    returned: Condvar,
}

impl Readers {
    pub(crate) fn open(path: &Path, count: usize) -> Result<Self, OpenError> {
        let mut idle = Vec::new();
        for _ in 0..count.max(1) {
            idle.push(open_reader(path)?);
        }
        Ok(Self { turns: Arc::new(Semaphore::new(idle.len())), idle: Mutex::new(idle), returned: Condvar::new() })
    }

    /// Runs `work` in one read transaction, off the async workers.
    pub(crate) async fn run<T, F>(self: &Arc<Self>, work: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, Error> + Send + 'static,
    {
        let turn = Arc::clone(&self.turns).acquire_owned().await.map_err(Error::internal)?;
        let readers = Arc::clone(self);
        let run = move || {
            let _turn = turn;
            readers.with(work)
        };
        tokio::task::spawn_blocking(run).await.map_err(Error::internal)?
    }

    /// Runs `work` in one read transaction, on the calling thread.
    pub(crate) fn with<T>(&self, work: impl FnOnce(&Connection) -> Result<T, Error>) -> Result<T, Error> {
        let lent = Lent { readers: self, connection: Some(self.take()) };
        let connection = lent.connection.as_ref().expect("the connection is taken only when dropped");
        let transaction = connection.unchecked_transaction()?;
        let result = work(&transaction);
        // Nothing was written; ending the transaction only lets the snapshot go.
        transaction.rollback()?;
        result
    }

    fn take(&self) -> Connection {
        let mut idle = self.idle.lock();
        loop {
            if let Some(connection) = idle.pop() {
                return connection;
            }
            self.returned.wait(&mut idle);
        }
    }
}

struct Lent<'a> {
    readers: &'a Readers,
    connection: Option<Connection>,
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            self.readers.idle.lock().push(connection);
            self.readers.returned.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{check_durability, check_form, migrate, open_writer};
    use crate::OpenError;

    #[test]
    fn a_writer_is_durable_and_one_that_is_not_is_refused() {
        let directory = tempfile::tempdir().expect("a directory");
        let connection = open_writer(&directory.path().join("a.db")).expect("opens");
        check_durability(&connection).expect("is durable");
        for (pragma, name) in [("synchronous = OFF", "synchronous"), ("synchronous = NORMAL", "synchronous")] {
            connection.execute_batch(&format!("PRAGMA {pragma}")).expect("is set");
            let refused = check_durability(&connection);
            assert!(matches!(refused, Err(OpenError::Durability { pragma, .. }) if pragma == name), "{refused:?}");
        }
        connection.execute_batch("PRAGMA synchronous = FULL; PRAGMA journal_mode = DELETE").expect("is set");
        let refused = check_durability(&connection);
        assert!(matches!(refused, Err(OpenError::Durability { pragma: "journal_mode", .. })), "{refused:?}");
    }

    #[test]
    fn a_database_of_a_newer_form_is_left_alone() {
        let directory = tempfile::tempdir().expect("a directory");
        let connection = open_writer(&directory.path().join("a.db")).expect("opens");
        migrate(&connection).expect("migrates");
        migrate(&connection).expect("has nothing to do");
        connection.execute_batch("PRAGMA user_version = 99").expect("is set");
        assert!(matches!(migrate(&connection), Err(OpenError::Newer { found: 99, .. })));
    }

    #[test]
    fn a_database_with_other_tables_under_the_same_number_is_left_alone() {
        for (change, named) in [
            ("ALTER TABLE token ADD COLUMN colour TEXT", "token"),
            ("DROP TABLE condition", "condition"),
            ("CREATE TABLE more (a INTEGER)", "more"),
            ("DROP INDEX job_list", "job_list"),
        ] {
            let directory = tempfile::tempdir().expect("a directory");
            let connection = open_writer(&directory.path().join("a.db")).expect("opens");
            migrate(&connection).expect("migrates");
            check_form(&connection).expect("is of this form");
            connection.execute_batch(change).expect("is changed");
            for refused in [migrate(&connection), check_form(&connection)] {
                assert!(matches!(&refused, Err(OpenError::Shape { name }) if name == named), "{change}: {refused:?}");
            }
        }
    }

    #[test]
    fn comments_and_what_sqlite_makes_for_itself_are_no_other_form() {
        let directory = tempfile::tempdir().expect("a directory");
        let connection = open_writer(&directory.path().join("a.db")).expect("opens");
        let commented = super::MIGRATIONS[0].replace("TEXT PRIMARY KEY,", "TEXT   PRIMARY KEY, -- what it is");
        assert_ne!(commented, super::MIGRATIONS[0]);
        connection.execute_batch(&format!("{commented} PRAGMA user_version = 1; ANALYZE;")).expect("is made");
        migrate(&connection).expect("has nothing to do");
    }
}
