//! The file of the index: opened, checked, and made anew where it does not fit the log.
//!
//! Nothing of it is synced while it is used, since that would hold up the syncs of the log. So after a
//! power cut it may be anything, and is made anew; after a mere end of the process it is whole. A file
//! beside it tells the two apart: it names the boot of the machine in which the index was last opened.

use std::{
    fs::File,
    io,
    os::unix::fs::{FileExt, MetadataExt},
    path::{Path, PathBuf},
};

use domain::{AccountId, Sequence};
use rusqlite::{Connection, OpenFlags, OptionalExtension};

use crate::{OpenError, connection, entries::place};

/// What stands in the file beside the index once that is closed and synced.
const CLOSED: &str = "closed";

/// The form of the index. One of another form is made anew.
const FORM: i64 = 2;

/// The index in the file `path`, for the log in the file `log`.
pub(super) fn open(path: &Path, log: &Path) -> Result<Connection, OpenError> {
    match try_open(path, log) {
        Ok(Some(connection)) => return Ok(connection),
        Ok(None) => tracing::warn!(
            "the index for searches is of another log or another form, or the machine stopped while it was written; it is built anew"
        ),
        Err(error) => {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "the index for searches cannot be used; it is built anew");
        }
    }
    open_anew(path)
}

/// An empty index in the place of the one that may be there. Who reads that one goes on to do so.
pub(super) fn open_anew(path: &Path) -> Result<Connection, OpenError> {
    for file in [path.to_owned(), connection::wal_of(path), beside(path, "-shm")] {
        remove_if_there(&file)?;
    }
    mark_open(path, &boot_of(path)?)?;
    prepare(path)
}

/// Syncs what was written, and notes that it is whole. Nothing may be written after it.
pub(super) fn close(index: &Connection, path: &Path) -> Result<(), OpenError> {
    let is_kept_open: bool = index.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
    if !is_kept_open {
        File::open(path)?.sync_all()?;
        mark(path, CLOSED)?;
    }
    Ok(())
}

fn try_open(path: &Path, log: &Path) -> Result<Option<Connection>, OpenError> {
    let is_there = path.exists();
    let boot = boot_of(path)?;
    let is_whole = std::fs::read_to_string(marker_of(path)).is_ok_and(|at| at == CLOSED || at == boot);
    if is_there && !is_whole {
        return Ok(None);
    }
    mark_open(path, &boot)?;
    let connection = prepare(path)?;
    if is_there && !fits(&connection, &connection::open_reader(log)?)? {
        return Ok(None);
    }
    Ok(Some(connection))
}

fn prepare(path: &Path) -> Result<Connection, OpenError> {
    let mut connection = connection::open(path, OpenFlags::default())?;
    connection.execute_batch(&format!(
        "PRAGMA page_size = {};
         PRAGMA journal_mode = WAL;
         PRAGMA synchronous = OFF;
         PRAGMA cache_size = -2048;
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

/// Names the boot of the machine and the file, which is made if it is not there: a copy that was taken
/// while the index was written is another file. Where the boot cannot be told, each call gives another
/// name, so that no index is trusted that was not closed.
fn boot_of(path: &Path) -> io::Result<String> {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id");
    let boot = boot.map_or_else(|_| AccountId::from_bytes(random()).to_string(), |boot| boot.trim().to_owned());
    let file = File::options().create(true).append(true).open(path)?.metadata()?;
    Ok(format!("{boot} {}:{}", file.dev(), file.ino()))
}

fn random() -> [u8; 12] {
    let mut bytes = [0; 12];
    aws_lc_rs::rand::fill(&mut bytes).expect("the operating system gives random bytes");
    bytes
}

/// Notes in which boot the index is open. Where there is no room for that, there must at least be no
/// note that it is whole.
fn mark_open(path: &Path, boot: &str) -> io::Result<()> {
    mark(path, boot).or_else(|_| {
        remove_if_there(&marker_of(path))?;
        sync_folder_of(path)
    })
}

/// Writes the file beside the index; when this returns, it outlives a power cut.
fn mark(path: &Path, text: &str) -> io::Result<()> {
    let new = beside(path, "-state.new");
    let file = File::create(&new)?;
    file.write_all_at(text.as_bytes(), 0)?;
    file.sync_all()?;
    std::fs::rename(new, marker_of(path))?;
    sync_folder_of(path)
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

fn sync_folder_of(path: &Path) -> io::Result<()> {
    File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
}

pub(super) fn marker_of(path: &Path) -> PathBuf {
    beside(path, "-state")
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

fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    name.into()
}
