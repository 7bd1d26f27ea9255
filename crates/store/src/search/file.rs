//! The file of the index: opened, checked, and made anew where it does not fit the log.

use std::path::{Path, PathBuf};

use domain::Sequence;
use rusqlite::{Connection, OpenFlags, OptionalExtension};

use crate::{OpenError, connection, entries::place};

/// The form of the index. One of another form is made anew.
const FORM: i64 = 2;

/// The index in the file `path`, for the log in the file `log`.
pub(super) fn open(path: &Path, log: &Path) -> Result<Connection, OpenError> {
    match try_open(path, log) {
        Ok(Some(connection)) => return Ok(connection),
        Ok(None) => tracing::warn!("the index for searches is of another log or another form; it is built anew"),
        Err(error) => {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "the index for searches cannot be used; it is built anew");
        }
    }
    open_anew(path)
}

/// An empty index in the place of the one that may be there. Who reads that one goes on to do so.
pub(super) fn open_anew(path: &Path) -> Result<Connection, OpenError> {
    for file in [path.to_owned(), connection::wal_of(path), shm_of(path)] {
        match std::fs::remove_file(file) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
    }
    prepare(path)
}

fn try_open(path: &Path, log: &Path) -> Result<Option<Connection>, OpenError> {
    let is_there = path.exists();
    let connection = prepare(path)?;
    if is_there && !fits(&connection, &connection::open_reader(log)?)? {
        return Ok(None);
    }
    Ok(Some(connection))
}

fn prepare(path: &Path) -> Result<Connection, OpenError> {
    let mut connection = connection::open(path, OpenFlags::default())?;
    // A commit is not synced: after a power cut the last ones may be missing, position and rows
    // together, and are built once more.
    connection.execute_batch(&format!(
        "PRAGMA page_size = {};
         PRAGMA journal_mode = WAL;
         PRAGMA synchronous = NORMAL;
         PRAGMA cache_size = -16384;
         PRAGMA temp_store = MEMORY;",
        connection::PAGE_BYTES
    ))?;
    let form: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if form == 0 {
        let transaction = connection.transaction()?;
        transaction.execute_batch(include_str!("schema.sql"))?;
        transaction.execute_batch(&format!("PRAGMA user_version = {FORM}"))?;
        transaction.commit()?;
    }
    Ok(connection)
}

/// Whether the index is of our form and was built from this very log.
fn fits(index: &Connection, log: &Connection) -> Result<bool, rusqlite::Error> {
    let form: i64 = index.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if form != FORM {
        return Ok(false);
    }
    let mut accounts = index.prepare("SELECT no, indexed, id FROM account")?;
    let mut accounts = accounts.query([])?;
    while let Some(row) = accounts.next()? {
        let (no, indexed, id): (i64, i64, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let last: Option<i64> = log
            .prepare_cached("SELECT last_sequence FROM account WHERE no = ?1")?
            .query_row([no], |row| row.get(0))
            .optional()?;
        let there: Option<String> = log
            .prepare_cached("SELECT id FROM entry WHERE place = ?1")?
            .query_row([place(no, Sequence(indexed.cast_unsigned()))], |row| row.get(0))
            .optional()?;
        // An entry that is not there any more was old enough to leave.
        if last.is_none_or(|last| indexed > last) || there.is_some_and(|there| there != id) {
            return Ok(false);
        }
    }
    Ok(true)
}

fn shm_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push("-shm");
    name.into()
}
