//! Counting entries over time.

use std::sync::Arc;

use domain::{AccountId, Entry, Searched, Sequence, Timestamp};
use store::{Found, SearchAsked, Spent};

use super::{
    filter::{EntryFilter, Filter},
    tail::Keep,
};
use crate::{App, Caller, Error};

/// Over what is counted.
#[derive(Clone, Debug)]
pub struct EntryCountsAsked {
    /// From this date on.
    pub after: Timestamp,
    /// Up to this date, which is not included; none: now.
    pub before: Option<Timestamp>,
    /// Into how many parts of one length the time is divided.
    pub buckets: usize,
    /// What the entry is about, and who made the change.
    pub filter: EntryFilter,
}

impl EntryCountsAsked {
    /// The most parts.
    pub const BUCKETS_MAX: usize = 500;
    /// Work of one count in looks at the index. Without a filter, whole minutes take none.
    pub const LOOKS_MAX: u64 = 10_000_000;
}

/// How many entries there are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryCounts {
    /// Where the parts begin.
    pub from: Timestamp,
    /// The length of a part in milliseconds, at least 1.
    pub interval_ms: i64,
    /// One for each part.
    pub counts: Vec<u64>,
}

/// The parts of the time that is counted over.
#[derive(Clone, Copy)]
struct Parts {
    from: i64,
    to: i64,
    interval: i64,
}

impl App {
    /// Counts entries by the date of their event.
    ///
    /// # Errors
    /// [`Error::Forbidden`]; [`Error::Invalid`] for a filter that cannot be read, a time that ends
    /// before it begins, or more to count than [`EntryCountsAsked::LOOKS_MAX`]; [`Error::Unavailable`] while too much of the log is not indexed.
    pub async fn entry_count(&self, caller: &Caller, asked: EntryCountsAsked) -> Result<EntryCounts, Error> {
        self.entries_may_view(caller)?;
        let filter = Filter::read(&asked.filter)?;
        let (from, to) = (asked.after.as_millis(), asked.before.unwrap_or_else(|| self.clock.now()).as_millis());
        if from >= to {
            return Err(Error::invalid(
                "the query parameter after must be earlier than before, which is now if left out",
            ));
        }
        let buckets = asked.buckets.clamp(1, EntryCountsAsked::BUCKETS_MAX);
        let length = to.saturating_sub(from);
        let buckets_wide = i64::try_from(buckets).unwrap_or(i64::MAX);
        let interval = (length / buckets_wide + i64::from(length % buckets_wide != 0)).max(1);
        let parts = Parts { from, to, interval };
        let account = caller.account;
        let _turn = self.searches.take(account).await;
        let (indexed, counts) = if filter.is_everything() {
            self.count_all(account, parts, buckets).await?
        } else {
            self.count_fitting(account, parts, &filter, vec![0; buckets]).await?
        };
        let up_to = self.store.entry_last_sequence(account).await?;
        let mut tail = Counted { parts, counts };
        self.read_tail(account, (indexed, up_to), &filter, &mut tail).await?;
        Ok(EntryCounts { from: asked.after, interval_ms: interval, counts: tail.counts })
    }

    /// Counts all that is indexed.
    async fn count_all(&self, account: AccountId, parts: Parts, buckets: usize) -> Result<(Sequence, Vec<u64>), Error> {
        let mut counting = self.store.count(account, (0..buckets).map(|part| parts.span(part)).collect()).await?;
        loop {
            if let Some(counts) = counting.done() {
                return Ok((counting.indexed(), counts.to_vec()));
            }
            if counting.rows() > EntryCountsAsked::LOOKS_MAX {
                return Err(too_many());
            }
            counting = self.store.count_next(counting).await?;
        }
    }

    /// Counts what is indexed and fits.
    async fn count_fitting(
        &self,
        account: AccountId,
        parts: Parts,
        filter: &Filter,
        mut counts: Vec<u64>,
    ) -> Result<(Sequence, Vec<u64>), Error> {
        let asked = SearchAsked {
            below: Some(Found { date: Timestamp::from_millis(parts.to), sequence: Sequence(0) }),
            after: Some(Timestamp::from_millis(parts.from.saturating_sub(1))),
            up_to: None,
            topics: filter.topics(),
            actors: filter.actors.clone(),
        };
        let mut search = self.store.search(account, asked).await?;
        let origin = Timestamp::from_millis(parts.from);
        while search.spent() != Spent::All {
            if u64::try_from(search.looks()).unwrap_or(u64::MAX) > EntryCountsAsked::LOOKS_MAX {
                return Err(too_many());
            }
            (search, counts) = self.store.search_count(search, origin, parts.interval, counts).await?;
        }
        Ok((search.indexed(), counts))
    }
}

fn too_many() -> Error {
    Error::invalid(format!(
        "there is too much to count: {} entries were looked at and more are left; ask for a shorter time (after, before)",
        EntryCountsAsked::LOOKS_MAX
    ))
}

impl Parts {
    /// From when to when a part goes, the end not included. The last ones may be empty.
    fn span(self, part: usize) -> (Timestamp, Timestamp) {
        let part = i64::try_from(part).unwrap_or(i64::MAX);
        let from = self.from.saturating_add(self.interval.saturating_mul(part)).min(self.to);
        (Timestamp::from_millis(from), Timestamp::from_millis(from.saturating_add(self.interval).min(self.to)))
    }
}

struct Counted {
    parts: Parts,
    counts: Vec<u64>,
}

impl Keep for Counted {
    fn keep(&mut self, searched: &Searched, _: &Arc<Entry>) {
        let date = searched.date.as_millis();
        if !(self.parts.from..self.parts.to).contains(&date) {
            return;
        }
        let part = usize::try_from((date - self.parts.from) / self.parts.interval).ok();
        if let Some(count) = part.and_then(|part| self.counts.get_mut(part)) {
            *count += 1;
        }
    }
}
