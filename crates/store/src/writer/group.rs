//! One open transaction: the requests that share it, each of which can be refused alone.

use std::{collections::HashMap, sync::Arc};

use domain::{AccountId, Entry, Sequence, Timestamp};
use rusqlite::Connection;

use crate::{
    Error,
    error::{Failed, Failure},
};

/// The end of an account's log as the group has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tail {
    pub(crate) last_sequence: Sequence,
    pub(crate) last_received: Timestamp,
}

/// One open transaction and what it has appended so far.
pub(crate) struct Group<'a> {
    pub(crate) connection: &'a Connection,
    tails: &'a mut HashMap<AccountId, Tail>,
    touched: HashMap<AccountId, i64>,
    appended: Vec<Arc<Entry>>,
    bytes: usize,
    // The tails as they were before each append of the present request, newest last.
    undo: Vec<(AccountId, Tail)>,
    now: Timestamp,
    disk_is_full: bool,
    broken: Option<Failure>,
}

impl<'a> Group<'a> {
    pub(super) fn new(
        connection: &'a Connection,
        tails: &'a mut HashMap<AccountId, Tail>,
        now: Timestamp,
        disk_is_full: bool,
    ) -> Self {
        Self {
            connection,
            tails,
            touched: HashMap::new(),
            appended: Vec::new(),
            bytes: 0,
            undo: Vec::new(),
            now,
            disk_is_full,
            broken: None,
        }
    }

    /// The time of the group: when its first request was taken up.
    pub(crate) fn now(&self) -> Timestamp {
        self.now
    }

    pub(crate) fn disk_is_full(&self) -> bool {
        self.disk_is_full
    }

    pub(crate) fn tail(&mut self, account: AccountId, no: i64) -> Result<Tail, rusqlite::Error> {
        if let Some(tail) = self.tails.get(&account) {
            return Ok(*tail);
        }
        let tail = self
            .connection
            .prepare_cached("SELECT last_sequence, last_received FROM account WHERE no = ?1")?
            .query_row([no], |row| {
                Ok(Tail {
                    last_sequence: Sequence(row.get::<_, i64>(0)?.cast_unsigned()),
                    last_received: Timestamp::from_millis(row.get(1)?),
                })
            })?;
        self.tails.insert(account, tail);
        Ok(tail)
    }

    pub(crate) fn push(&mut self, no: i64, entry: Entry) {
        let tail = Tail { last_sequence: entry.sequence, last_received: entry.received_at };
        if let Some(before) = self.tails.insert(entry.account, tail) {
            self.undo.push((entry.account, before));
        }
        self.touched.insert(entry.account, no);
        self.bytes += entry.bytes.len();
        self.appended.push(Arc::new(entry));
    }

    /// Entries and bytes of entries appended so far.
    pub(super) fn size(&self) -> (usize, usize) {
        (self.appended.len(), self.bytes)
    }

    /// Why no commit of this group can succeed any more.
    pub(super) fn broken(&self) -> Option<Failure> {
        self.broken
    }

    /// Runs one request; when it fails, nothing of it stays, and nothing of the others is touched.
    pub(super) fn in_savepoint<T, E: Failed + From<Error>>(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<T, E>,
    ) -> Result<T, E> {
        let (appended, bytes) = self.size();
        self.undo.clear();
        if let Err(error) = self.execute("SAVEPOINT request") {
            self.broken = Some(error.failure());
            return Err(error.into());
        }
        let result = work(self);
        self.broken = match &result {
            // SQLite itself gives the whole transaction up for some errors of the disk.
            Err(error) if self.connection.is_autocommit() => Some(error.failure()),
            Err(_) => self.execute("ROLLBACK TO request").err().map(|error| error.failure()),
            Ok(_) => None,
        };
        if self.broken.is_none() {
            self.broken = self.execute("RELEASE request").err().map(|error| error.failure());
        }
        if result.is_err() {
            self.appended.truncate(appended);
            self.bytes = bytes;
            self.tails.extend(self.undo.drain(..).rev());
        }
        result
    }

    /// Runs a request that writes only once nothing can refuse it any more. It needs no savepoint, for
    /// which SQLite would keep a copy of each page that it changes; when writing fails, all of the
    /// group fails.
    pub(super) fn checked<P, T, E: Failed + From<Error>>(
        &mut self,
        check: impl FnOnce(&Self) -> Result<P, E>,
        write: impl FnOnce(&mut Self, P) -> Result<T, Error>,
    ) -> Result<T, E> {
        self.undo.clear();
        let checked = check(self);
        if let Err(error) = &checked
            && self.connection.is_autocommit()
        {
            self.broken = Some(error.failure());
        }
        let written = write(self, checked?);
        self.broken = written.as_ref().err().map(Failed::failure);
        Ok(written?)
    }

    /// Writes the ends of the logs and commits; what was appended is handed on.
    pub(super) fn commit(self) -> Result<Vec<Arc<Entry>>, Error> {
        self.write_tails()?;
        self.execute("COMMIT")?;
        Ok(self.appended)
    }

    fn write_tails(&self) -> Result<(), rusqlite::Error> {
        let mut update = self
            .connection
            .prepare_cached("UPDATE account SET last_sequence = ?2, last_received = ?3 WHERE no = ?1")?;
        for (account, no) in &self.touched {
            if let Some(tail) = self.tails.get(account) {
                update.execute((no, tail.last_sequence.0.cast_signed(), tail.last_received.as_millis()))?;
            }
        }
        Ok(())
    }

    fn execute(&self, sql: &str) -> Result<(), Error> {
        self.connection.prepare_cached(sql)?.execute([])?;
        Ok(())
    }
}
