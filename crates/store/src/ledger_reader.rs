//! Reads ledgers and logs from a database that another process may be writing to.

use std::{path::Path, sync::Arc};

use domain::{AccountId, Entry, Sequence, SubscriptionId};
use rusqlite::Connection;

use crate::{
    Account, Error, Ledger, LedgerPart, OpenError, Store, accounts, connection,
    entries::{self, SEQUENCE_BITS},
    ledger,
};

/// The database, to look at only. Each call holds a snapshot of its own and lets it go.
pub struct LedgerReader {
    connection: Connection,
}

/// Some entries of a log, and where it begins, as of the same moment.
#[derive(Clone, Debug)]
pub struct LogPage {
    /// The first entry that the log still has; the next one to come when it has none.
    pub beginning: Sequence,
    /// In order.
    pub entries: Vec<Arc<Entry>>,
}

impl LedgerReader {
    /// Opens the database in `directory`, which has to be there.
    ///
    /// # Errors
    /// [`OpenError`] when there is none, or it is of another form than this program writes.
    pub fn open(directory: &Path) -> Result<Self, OpenError> {
        let connection = connection::open_reader(&directory.join(Store::FILE))?;
        connection::check_form(&connection)?;
        Ok(Self { connection })
    }

    /// All accounts, oldest first.
    ///
    /// # Errors
    /// [`Error`] when the database fails.
    pub fn accounts(&self) -> Result<Vec<Account>, Error> {
        accounts::list(&self.connection)
    }

    /// All subscriptions that the account ever had, oldest first.
    ///
    /// # Errors
    /// [`Error`] when the database fails.
    pub fn subscriptions(&self, account: AccountId) -> Result<Vec<SubscriptionId>, Error> {
        let no = accounts::number_of(&self.connection, account)?;
        let mut statement =
            self.connection.prepare_cached("SELECT id FROM subscription WHERE account = ?1 ORDER BY created_at, id")?;
        let of_row = |row: &rusqlite::Row<'_>| row.get(0).map(SubscriptionId::from_bytes);
        let found = statement.query_map([no], of_row)?.collect::<Result<_, _>>()?;
        Ok(found)
    }

    /// The whole ledger of a subscription, and those of its dead letters whose copy is not what
    /// the log has; of one that the log has no more, that cannot be told.
    ///
    /// # Errors
    /// [`Error::NotFound`] when the account never had such a subscription.
    pub fn ledger(&self, account: AccountId, id: SubscriptionId) -> Result<(Ledger, Vec<Sequence>), Error> {
        let snapshot = self.connection.unchecked_transaction()?;
        let no = accounts::number_of(&snapshot, account)?;
        let ledger = ledger::read(&snapshot, (account, no), id, LedgerPart::WHOLE)?;
        let changed = {
            let mut statement = snapshot.prepare_cached(&format!(
                "SELECT d.sequence FROM dead_letter d JOIN entry e ON e.place = (?1 << {SEQUENCE_BITS} | d.sequence)
                 WHERE d.subscription = ?2 AND (d.entry_id <> e.id OR d.bytes <> e.bytes) ORDER BY d.sequence"
            ))?;
            let of_row = |row: &rusqlite::Row<'_>| row.get::<_, i64>(0).map(|one| Sequence(one.cast_unsigned()));
            statement.query_map((no, id.as_bytes()), of_row)?.collect::<Result<_, _>>()?
        };
        Ok((ledger, changed))
    }

    /// Entries of an account after `after`, in order, at most `count` and about `bytes` bytes.
    ///
    /// # Errors
    /// [`Error`] when the database fails.
    pub fn page(&self, account: AccountId, after: Sequence, count: usize, bytes: usize) -> Result<LogPage, Error> {
        let snapshot = self.connection.unchecked_transaction()?;
        let no = accounts::number_of(&snapshot, account)?;
        let beginning = entries::beginning(&snapshot, no)?;
        Ok(LogPage { beginning, entries: entries::read_page(&snapshot, account, no, after, count, bytes)? })
    }
}
