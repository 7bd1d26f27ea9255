//! The index of the log for searches, in a file of its own beside the database.
//!
//! It is built behind the log by a thread of low priority, has a position per account, and is
//! committed together with that position. A search reads the index and then the few entries past
//! the position, so that its answer is never stale. The file may be deleted at any time while the
//! server is down: it is built anew. Nothing that it does can hold up a commit of the log.

mod builder;
mod file;
mod query;
#[cfg(test)]
mod tests;
mod thread;

use std::{path::Path, sync::Arc};

use domain::{AccountId, Entry, Sequence, Timestamp};
use parking_lot::Mutex;

pub use query::{ActorFilter, Found, Search, SearchAsked, Spent, Terms, TopicFilter};

use crate::{
    Error, OpenError, Store,
    connection::{self, Readers},
    entries::{self, entry_at, place},
};
use builder::Builder;
pub(crate) use thread::News;

/// The index of one store.
pub(crate) struct Index {
    readers: Readers,
    builder: Arc<Mutex<Builder>>,
    news: Arc<News>,
}

impl Index {
    /// Opens the index in `directory`, or makes it anew when it is damaged, of another form or of
    /// another log; starts its thread if `runs`.
    pub(crate) fn open(
        directory: &Path,
        log: &Path,
        readers: usize,
        runs: bool,
        news: Arc<News>,
    ) -> Result<Self, OpenError> {
        let (connection, path) = file::open(directory, log)?;
        let mut builder = Builder::new(connection, connection::open_reader(log)?)?;
        builder.note_all(&news)?;
        let builder = Arc::new(Mutex::new(builder));
        let readers = Readers::open(&path, readers)?;
        if runs {
            thread::start(&builder, Arc::clone(&news))?;
        }
        Ok(Self { readers, builder, news })
    }

    /// Old entries of the account have left the log.
    pub(crate) fn note_dropped(&self, account: AccountId) {
        self.news.note_dropped(account);
    }

    /// Ends the thread; when this returns, it has finished what it was at.
    pub(crate) fn close(&self) {
        self.news.close();
        drop(self.builder.lock());
    }
}

impl Drop for Index {
    fn drop(&mut self) {
        self.news.close();
    }
}

impl Store {
    /// The file of the index for searches, in the data directory.
    pub const INDEX_FILE: &str = "index.db";

    /// Brings up to `entries_max` entries into the index now, whether its thread runs or not, and
    /// takes out what has left the log. Gives back how many entries came in.
    ///
    /// # Errors
    /// [`Error`] when a database fails.
    pub async fn index_build(&self, entries_max: usize) -> Result<usize, Error> {
        let shared = Arc::clone(&self.shared);
        let build = move || shared.index.builder.lock().build(&shared.index.news, entries_max);
        tokio::task::spawn_blocking(build).await.map_err(Error::internal)?
    }

    /// How many sequences of all accounts are past what is indexed.
    ///
    /// # Errors
    /// [`Error`] when a database fails.
    pub async fn index_waiting(&self) -> Result<u64, Error> {
        let indexed = self.read_index(|connection| Ok(builder::all_indexed(connection)?)).await?;
        self.read(move |connection| {
            let mut accounts = connection.prepare_cached("SELECT no, last_sequence FROM account")?;
            let mut accounts = accounts.query([])?;
            let mut waiting = 0;
            while let Some(row) = accounts.next()? {
                let last: i64 = row.get(1)?;
                let indexed = indexed.get(&row.get(0)?).copied().unwrap_or_default();
                waiting += last.cast_unsigned().saturating_sub(indexed);
            }
            Ok(waiting)
        })
        .await
    }

    /// Begins a search.
    ///
    /// # Errors
    /// [`Error`] when a database fails.
    pub async fn search(&self, account: AccountId, asked: SearchAsked) -> Result<Search, Error> {
        let no = self.account_no(account).await?;
        let beginning = self.read(move |connection| Ok(entries::beginning(connection, no)?)).await?;
        self.read_index(move |connection| Search::begin(connection, no, beginning, asked)).await
    }

    /// Goes on with a search until `wanted` entries are found or it has done its share of work; one
    /// call holds its reader for a fraction of a second.
    ///
    /// # Errors
    /// [`Error`] when the index fails.
    pub async fn search_next(&self, mut search: Search, wanted: usize) -> Result<(Search, Vec<Found>), Error> {
        self.read_index(move |connection| {
            let found = search.next(connection, wanted)?;
            Ok((search, found))
        })
        .await
    }

    /// Goes on with counting what a search finds. `counts[n]` is raised for each entry whose date
    /// lies in the part `n` of equal parts of `interval` milliseconds from `from` on.
    ///
    /// # Errors
    /// [`Error`] when the index fails.
    pub async fn search_count(
        &self,
        mut search: Search,
        from: Timestamp,
        interval: i64,
        mut counts: Vec<u64>,
    ) -> Result<(Search, Vec<u64>), Error> {
        self.read_index(move |connection| {
            search.count(connection, from, interval, &mut counts)?;
            Ok((search, counts))
        })
        .await
    }

    /// How many entries of the account happened in each of these spans of whole hours since 1970, the
    /// end of a span not in it; and the sequence up to which entries were counted.
    ///
    /// # Errors
    /// [`Error`] when the index fails.
    pub async fn search_hours(
        &self,
        account: AccountId,
        spans: Vec<(Timestamp, Timestamp)>,
    ) -> Result<(Sequence, Vec<u64>), Error> {
        let no = self.account_no(account).await?;
        self.read_index(move |connection| {
            let count = |(from, to)| query::count_hours(connection, no, from, to);
            let counts = spans.into_iter().map(count).collect::<Result<_, _>>()?;
            Ok((builder::indexed(connection, no)?, counts))
        })
        .await
    }

    /// The entries at these places of the log, in this order; those that have left it are left out.
    ///
    /// # Errors
    /// [`Error`] when the database fails.
    pub async fn entry_list(&self, account: AccountId, places: Vec<Sequence>) -> Result<Vec<Entry>, Error> {
        let no = self.account_no(account).await?;
        self.read(move |connection| {
            let mut entries = Vec::with_capacity(places.len());
            for sequence in places {
                entries.extend(entry_at(connection, account, place(no, sequence))?);
            }
            Ok(entries)
        })
        .await
    }

    async fn read_index<T, F>(&self, work: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(&rusqlite::Connection) -> Result<T, Error> + Send + 'static,
    {
        let shared = Arc::clone(&self.shared);
        tokio::task::spawn_blocking(move || shared.index.readers.with(work)).await.map_err(Error::internal)?
    }
}
