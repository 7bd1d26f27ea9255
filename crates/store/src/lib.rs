//! Durable storage: one SQLite database that is the log, the queue and the ledger.
//!
//! One writer thread commits everything in groups and answers after the sync. Readers have
//! their own connections. An index for searches is built behind the log in a file of its own.
//! Deliberately absent: what policies, configurations and progress details mean; they are kept as
//! text. HTTP.

mod account_limits;
mod account_retention;
mod accounts;
mod attempts;
mod conditions;
mod connection;
mod dead_letters;
mod entries;
mod error;
mod ingest_sources;
mod integration_versions;
mod jobs;
mod keyring;
mod ledger;
mod ledger_reader;
mod meta;
mod progress;
mod receipts;
mod retention;
mod search;
mod skipped;
mod subscriptions;
mod tokens;
mod writer;

#[cfg(test)]
mod contract;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use domain::{AccountId, Clock};
use rusqlite::Connection;

pub use account_limits::AccountLimits;
pub use account_retention::AccountRetention;
pub use accounts::{Account, AccountEdit, AccountWork, NewAccount, Suspension};
pub use attempts::{AttemptLimits, AttemptsRow, AttemptsWrite, DropStep};
pub use conditions::{ConditionTelling, StoredCondition};
pub use dead_letters::{DeadLetterPage, Letter, StoredDeadLetter};
pub use entries::{Append, Appended, AppendedItem, Idempotency};
pub use error::{AppendError, Error, OpenError};
pub use ingest_sources::IngestSource;
pub use integration_versions::IntegrationVersion;
pub use jobs::{
    JOBS_RUNNING_MAX, Job, JobCounts, JobError, JobKind, JobPage, JobProgress, JobState, JobWrites, Letters, NewJob,
    Work,
};
pub use keyring::Keyring;
pub use ledger::{Ledger, LedgerPart, LedgerTotals, Revision};
pub use ledger_reader::{LedgerReader, LogPage};
pub use progress::{Counts, DeadLetter, JournalWrite, LetterFate, Progress};
pub use retention::{EntriesDropped, EntryDrop, HeldUp, OldLog};
pub use search::{ActorFilter, Counting, Found, Search, SearchAsked, Spent, Terms, TopicFilter};
pub use skipped::{EXPIRED, SkippedRange};
pub use subscriptions::{NewSubscription, Subscription, SubscriptionCount, SubscriptionEdit};
pub use tokens::{NewToken, Token, TokenEdit, TokenFound, TokenKind, TokenValue};
pub use writer::{Committed, CommittedEntries, StoreFigures, SyncState};

use connection::Readers;
use writer::Writer;

/// Limits of the storage; each is a setting.
#[derive(Clone, Debug)]
pub struct StoreOptions {
    /// Bytes of entries that may wait for the writer.
    pub ingest_queue_bytes: usize,
    /// Free bytes of the file system below which entries are refused.
    pub disk_free_min_bytes: u64,
    /// Bytes of the write-ahead log not yet moved into the database from which they are moved,
    /// beside the commits.
    pub wal_checkpoint_bytes: u64,
    /// Length of the write-ahead log at which the writer moves what is left and starts it anew,
    /// between two commits. Readers that still look at it let it grow beyond.
    pub wal_restart_bytes: u64,
    /// Connections that read.
    pub readers: usize,
    /// Whether entries get into the index for searches by themselves; without it only by
    /// [`Store::index_build`].
    pub indexes: bool,
    /// How much one account may have.
    pub account_limits: AccountLimits,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self {
            ingest_queue_bytes: 32 * 1024 * 1024,
            disk_free_min_bytes: 64 * 1024 * 1024,
            wal_checkpoint_bytes: 32 * 1024 * 1024,
            wal_restart_bytes: 256 * 1024 * 1024,
            readers: 4,
            indexes: true,
            account_limits: AccountLimits::default(),
        }
    }
}

/// The open database. Clones share it.
#[derive(Clone)]
pub struct Store {
    shared: Arc<Shared>,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("directory", &self.shared.directory).finish_non_exhaustive()
    }
}

pub(crate) struct Shared {
    pub(crate) directory: PathBuf,
    pub(crate) options: StoreOptions,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) readers: Arc<Readers>,
    pub(crate) writer: Writer,
    pub(crate) index: search::Index,
    pub(crate) accounts: accounts::Numbers,
}

impl Store {
    /// The file that holds everything, in the data directory.
    pub const FILE: &str = "auditcast.db";

    /// Opens or makes the database in `directory` and starts the writer.
    ///
    /// # Errors
    /// [`OpenError`] when the file cannot be used, is of a newer form, or the settings that
    /// durability rests on do not read back.
    pub fn open(directory: &Path, options: StoreOptions, clock: Arc<dyn Clock>) -> Result<Self, OpenError> {
        let path = directory.join(Self::FILE);
        let connection = connection::open_writer(&path)?;
        connection::migrate(&connection)?;
        connection::check_durability(&connection)?;
        let readers = Arc::new(Readers::open(&path, options.readers)?);
        let news = Arc::<search::News>::default();
        let index = search::Index::open(directory, &options, Arc::clone(&news))?;
        let writer = Writer::start(connection, &path, &options, Arc::clone(&clock), news)?;
        let shared = Shared {
            directory: directory.to_owned(),
            options,
            clock,
            readers,
            writer,
            index,
            accounts: accounts::Numbers::default(),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// What the writer has committed and nobody has taken yet. One taker at a time.
    pub fn committed(&self) -> &Committed {
        self.shared.writer.committed()
    }

    /// What the writer did since the database was opened, and what waits for it.
    pub fn figures(&self) -> StoreFigures {
        self.shared.writer.figures()
    }

    /// Whether the writer takes entries.
    pub fn sync_state(&self) -> SyncState {
        self.shared.writer.state()
    }

    /// Free bytes on the file system of the database.
    pub fn disk_free_bytes(&self) -> u64 {
        connection::free_bytes(&self.shared.directory)
    }

    /// The options that the database was opened with.
    pub fn options(&self) -> &StoreOptions {
        &self.shared.options
    }

    /// Waits until all that was asked before is committed, and ends the writer.
    pub async fn close(&self) {
        self.shared.writer.close().await;
        let shared = Arc::clone(&self.shared);
        // Only a panic of the thread that waits could make it fail.
        let _ = tokio::task::spawn_blocking(move || shared.index.close()).await;
    }

    pub(crate) fn now(&self) -> domain::Timestamp {
        self.shared.clock.now()
    }

    /// Runs `work` on a reading connection, off the async workers.
    pub(crate) async fn read<T, F>(&self, work: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, Error> + Send + 'static,
    {
        self.shared.readers.run(work).await
    }

    pub(crate) async fn account_no(&self, account: AccountId) -> Result<i64, Error> {
        if let Some(no) = self.shared.accounts.get(account) {
            return Ok(no);
        }
        let no = self.read(move |connection| accounts::number_of(connection, account)).await?;
        self.shared.accounts.put(account, no);
        Ok(no)
    }
}
