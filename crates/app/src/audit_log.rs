//! Reading the log: one entry, searches, counts, exports.
//!
//! A search is answered of two parts: what the index of the store finds, and the entries past it,
//! which are read from the log. So it is never stale, however far the index is behind.

mod counts;
mod cursor;
mod export;
mod filter;
mod tail;

use std::collections::HashMap;

use domain::{Entry, EntryId, Sequence, Timestamp};
use store::{Found, SearchAsked, Spent};

use crate::{Action, App, Caller, Error, access::account_resource};

pub use counts::{EntryCounts, EntryCountsAsked};
pub use cursor::Cursor;
pub(crate) use export::Exports;
pub use export::{Export, ExportAsked};
pub use filter::EntryFilter;
use filter::Filter;
use tail::Tail;

/// Which entries are asked for; all that is given has to hold.
#[derive(Clone, Debug, Default)]
pub struct EntriesAsked {
    /// The event happened before this.
    pub before: Option<Timestamp>,
    /// The event happened after this.
    pub after: Option<Timestamp>,
    /// Where the page before this one ended; `before` has no meaning then.
    pub cursor: Option<Cursor>,
    /// What the entry is about, and who made the change.
    pub filter: EntryFilter,
    /// The most entries.
    pub limit: usize,
}

impl EntriesAsked {
    /// The largest limit that is given.
    pub const LIMIT_MAX: usize = 20;
    /// Work of one page in looks at the index; then it ends, however few entries it has. A look at
    /// what an entry is about counts for twenty.
    pub const LOOKS_MAX: usize = 400_000;
    /// Entries past the index that a search reads; beyond that it waits until they are indexed.
    pub const TAIL_MAX: u64 = 200_000;
}

/// Some entries of the log.
#[derive(Clone, Debug)]
pub struct EntryList {
    /// Newest event first; those of one date by sequence, the last first.
    pub entries: Vec<Entry>,
    /// Where there are more, or may be.
    pub next: Option<Cursor>,
}

impl App {
    /// Searches and counts of one account that are under way at a time; further ones wait.
    pub const SEARCHES_MAX: usize = 2;

    /// One entry by its id.
    ///
    /// # Errors
    /// [`Error::Forbidden`]; [`Error::NotFound`] for an id of another shape, of another account, or
    /// of an entry that has left the log.
    pub async fn entry_get(&self, caller: &Caller, id: &str) -> Result<Entry, Error> {
        self.entries_may_view(caller)?;
        let id = EntryId::parse(id).map_err(|_| Error::NotFound("entry"))?;
        match self.store.entry_get(caller.account, id).await {
            Ok(entry) => Ok(entry),
            Err(store::Error::NotFound) => Err(Error::NotFound("entry")),
            Err(error) => Err(error.into()),
        }
    }

    /// The newest entries that are asked for. Of entries that come in while somebody goes through
    /// the pages, none is on a later page, whatever its date.
    ///
    /// # Errors
    /// [`Error::Forbidden`]; [`Error::Invalid`] for a filter that cannot be read;
    /// [`Error::Unavailable`] while too much of the log is not indexed.
    pub async fn entry_list(&self, caller: &Caller, asked: EntriesAsked) -> Result<EntryList, Error> {
        self.entries_may_view(caller)?;
        let filter = Filter::read(&asked.filter)?;
        let limit = asked.limit.min(EntriesAsked::LIMIT_MAX);
        let _turn = self.searches.take(caller.account).await;
        let last = self.store.entry_last_sequence(caller.account).await?;
        let (up_to, below) = match asked.cursor {
            // A cursor may be from anywhere.
            Some(cursor) => (cursor.up_to.min(last), Some(cursor.below)),
            None => (last, asked.before.map(|before| Found { date: before, sequence: Sequence(0) })),
        };
        let search_asked = SearchAsked {
            below,
            after: asked.after,
            up_to: Some(up_to),
            topics: filter.topics(),
            actors: filter.actors.clone(),
        };
        let mut search = self.store.search(caller.account, search_asked).await?;
        let mut tail = Tail::newest(limit + 1, below, asked.after);
        self.read_tail(caller.account, (search.indexed(), up_to), &filter, &mut tail).await?;
        let mut found = Vec::new();
        while found.len() <= limit && search.spent() != Spent::All && search.looks() < EntriesAsked::LOOKS_MAX {
            let more;
            (search, more) = self.store.search_next(search, limit + 1 - found.len()).await?;
            found.extend(more);
        }
        let floor = match search.spent() {
            Spent::All => None,
            Spent::Reached(reached) => reached,
        };
        let (page, next) = page(found, &tail, floor, limit);
        let entries = self.entries_of(caller, page, tail).await?;
        Ok(EntryList { entries, next: next.map(|below| Cursor { below, up_to }) })
    }

    /// Whether the caller may see entries; asked before a body is read.
    ///
    /// # Errors
    /// [`Error::Forbidden`].
    pub fn entries_may_view(&self, caller: &Caller) -> Result<(), Error> {
        caller.authorise(Action::ViewAuditLog, &account_resource())
    }

    async fn entries_of(&self, caller: &Caller, page: Vec<Found>, tail: Tail) -> Result<Vec<Entry>, Error> {
        let at_hand = tail.into_entries();
        let missing = page.iter().map(|found| found.sequence).filter(|sequence| !at_hand.contains_key(sequence));
        let read = self.store.entry_list(caller.account, missing.collect()).await?;
        let read = read.into_iter().map(|entry| (entry.sequence, entry));
        let mut entries: HashMap<Sequence, Entry> =
            at_hand.into_iter().map(|(sequence, entry)| (sequence, (*entry).clone())).chain(read).collect();
        Ok(page.iter().filter_map(|found| entries.remove(&found.sequence)).collect())
    }
}

/// The page, and after which place the next one begins. What comes after `floor` is not known yet.
fn page(found: Vec<Found>, tail: &Tail, floor: Option<Found>, limit: usize) -> (Vec<Found>, Option<Found>) {
    let mut all: Vec<Found> = found.into_iter().chain(tail.places()).collect();
    all.retain(|one| floor.is_none_or(|floor| *one >= floor));
    all.sort_unstable_by(|one, other| other.cmp(one));
    if all.len() > limit {
        all.truncate(limit);
        let last = all.last().copied();
        return (all, last);
    }
    (all, floor)
}
