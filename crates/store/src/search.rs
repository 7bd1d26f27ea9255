//! The index of the log for searches, in a file of its own beside the database.
//!
//! It is built behind the log by a thread of low priority, has a position per account, and is
//! committed together with that position. A search reads the index and then the few entries past
//! the position, so that its answer is never stale. The file may be deleted at any time while the
//! server is down: it is built anew. Nothing that it does can hold up a commit of the log.

mod builder;
mod file;
mod query;
mod ranks;
mod spans;
#[cfg(test)]
mod tests;
mod thread;
mod topics;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use domain::{AccountId, Entry, Sequence, Timestamp};
use parking_lot::Mutex;

pub use query::{ActorFilter, Found, Search, SearchAsked, Spent, Terms, TopicFilter};
pub use spans::Counting;

use crate::{
    Error, OpenError, Store, StoreOptions,
    connection::{self, Readers},
    entries::{self, entry_at, place},
};
use builder::{Builder, Built};
pub(crate) use thread::News;

/// The index of one store.
pub(crate) struct Index {
    inner: Arc<Inner>,
}

/// What the index and its thread share.
struct Inner {
    directory: PathBuf,
    options: StoreOptions,
    readers: Mutex<Arc<Readers>>,
    builder: Mutex<Builder>,
    news: Arc<News>,
}

impl Index {
    /// Opens the index in `directory`, or makes it anew when it is damaged, of another form or of
    /// another log; starts its thread if it is to be built by itself.
    pub(crate) fn open(directory: &Path, options: &StoreOptions, news: Arc<News>) -> Result<Self, OpenError> {
        let (path, log) = (directory.join(Store::INDEX_FILE), directory.join(Store::FILE));
        let mut builder = Builder::new(file::open(&path, &log)?, connection::open_reader(&log)?);
        builder.note_all(&news)?;
        let inner = Arc::new(Inner {
            directory: directory.to_owned(),
            options: options.clone(),
            readers: Mutex::new(Arc::new(Readers::open(&path, options.readers)?)),
            builder: Mutex::new(builder),
            news: Arc::clone(&news),
        });
        if options.indexes {
            thread::start(&inner, news)?;
        }
        Ok(Self { inner })
    }

    /// Old entries of the account have left the log.
    pub(crate) fn note_dropped(&self, account: AccountId) {
        self.inner.news.note_dropped(account);
    }

    /// Ends the thread and syncs the index; when this returns, nothing is written any more.
    pub(crate) fn close(&self) {
        self.inner.news.close();
        let path = self.inner.directory.join(Store::INDEX_FILE);
        if let Err(error) = self.inner.builder.lock().close(&path) {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "the index for searches cannot be synced; it may have to be built anew");
        }
    }
}

impl Drop for Index {
    fn drop(&mut self) {
        self.inner.news.close();
    }
}

impl Inner {
    /// Does about the work of `most` entries. A damaged index is made anew first.
    fn build(&self, most: usize) -> Result<Built, Error> {
        let mut builder = self.builder.lock();
        if self.news.is_closed() {
            return Ok(Built { entries: 0, has_more: false });
        }
        if connection::free_bytes(&self.directory) < self.options.disk_free_min_bytes {
            return Err(Error::Full);
        }
        if self.news.take_damage() {
            self.make_anew(&mut builder)?;
        }
        match builder.build(&self.news, most) {
            Err(error) if error.is_damage() => {
                self.make_anew(&mut builder)?;
                builder.build(&self.news, most)
            }
            done => done,
        }
    }

    fn make_anew(&self, builder: &mut Builder) -> Result<(), Error> {
        tracing::error!("the index for searches is damaged; it is built anew");
        let made = self.open_anew();
        if made.is_err() {
            self.news.note_damage();
        }
        let (readers, anew) = made.map_err(Error::internal)?;
        *self.readers.lock() = Arc::new(readers);
        *builder = anew;
        Ok(())
    }

    fn open_anew(&self) -> Result<(Readers, Builder), OpenError> {
        let (path, log) = (self.directory.join(Store::INDEX_FILE), self.directory.join(Store::FILE));
        let mut builder = Builder::new(file::open_anew(&path)?, connection::open_reader(&log)?);
        builder.note_all(&self.news)?;
        Ok((Readers::open(&path, self.options.readers)?, builder))
    }
}

impl Store {
    /// The file of the index for searches, in the data directory.
    pub const INDEX_FILE: &str = "index.db";

    /// Brings up to `entries_max` entries into the index now, whether its thread runs or not, and
    /// takes out what has left the log. Gives back how many entries came in.
    ///
    /// # Errors
    /// [`Error`] when a database fails or has too little room.
    pub async fn index_build(&self, entries_max: usize) -> Result<usize, Error> {
        let index = Arc::clone(&self.shared.index.inner);
        let built = tokio::task::spawn_blocking(move || index.build(entries_max)).await.map_err(Error::internal)??;
        Ok(built.entries)
    }

    /// How many sequences of all accounts are past what is indexed.
    ///
    /// # Errors
    /// [`Error`] when a database fails.
    pub async fn index_waiting(&self) -> Result<u64, Error> {
        let indexed =
            self.read_index(&self.index_readers(), |connection| Ok(builder::all_indexed(connection)?)).await?;
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
        let readers = self.index_readers();
        let its = Arc::clone(&readers);
        self.read_index(&readers, move |connection| Search::begin(connection, no, beginning, asked, its)).await
    }

    /// Goes on with a search until `wanted` entries are found or it has done its share of work; one
    /// call holds its reader for a fraction of a second.
    ///
    /// # Errors
    /// [`Error`] when the index fails.
    pub async fn search_next(&self, mut search: Search, wanted: usize) -> Result<(Search, Vec<Found>), Error> {
        let readers = Arc::clone(&search.readers);
        self.read_index(&readers, move |connection| {
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
        let readers = Arc::clone(&search.readers);
        self.read_index(&readers, move |connection| {
            search.count(connection, from, interval, &mut counts)?;
            Ok((search, counts))
        })
        .await
    }

    /// Begins to count the account's entries by when they happened, in parts of time that follow each
    /// other, the end of each not in it.
    ///
    /// # Errors
    /// [`Error`] when a database fails.
    pub async fn count(&self, account: AccountId, parts: Vec<(Timestamp, Timestamp)>) -> Result<Counting, Error> {
        let no = self.account_no(account).await?;
        let beginning = self.read(move |connection| Ok(entries::beginning(connection, no)?)).await?;
        let readers = self.index_readers();
        let its = Arc::clone(&readers);
        self.read_index(&readers, move |connection| Counting::begin(connection, no, beginning, parts, its)).await
    }

    /// Goes on with counting; one call holds its reader for a fraction of a second.
    ///
    /// # Errors
    /// [`Error`] when the index fails.
    pub async fn count_next(&self, mut counting: Counting) -> Result<Counting, Error> {
        let readers = Arc::clone(&counting.readers);
        self.read_index(&readers, move |connection| {
            counting.next(connection)?;
            Ok(counting)
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

    /// The readers of the index as it is now.
    fn index_readers(&self) -> Arc<Readers> {
        Arc::clone(&self.shared.index.inner.readers.lock())
    }

    async fn read_index<T, F>(&self, readers: &Arc<Readers>, work: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(&rusqlite::Connection) -> Result<T, Error> + Send + 'static,
    {
        let result = readers.run(work).await;
        // Damage of an index that was made anew meanwhile is none of the new one.
        if result.as_ref().is_err_and(Error::is_damage) && Arc::ptr_eq(readers, &self.index_readers()) {
            self.shared.index.inner.news.note_damage();
        }
        result
    }
}
