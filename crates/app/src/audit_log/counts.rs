//! Counting entries over time.

use std::sync::Arc;

use domain::{AccountId, Entry, Searched, Sequence, Timestamp};
use store::{Found, SearchAsked, Spent};

use super::{
    filter::{EntryFilter, Filter},
    tail::Keep,
};
use crate::{App, Caller, Error};

const HOUR_MILLIS: i64 = 3_600_000;

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
    /// [`Error::Forbidden`]; [`Error::Invalid`] for a filter that cannot be read or a time that ends
    /// before it begins; [`Error::Unavailable`] while too much of the log is not indexed.
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
        let (indexed, counts) = if filter.is_everything() {
            self.count_all(account, parts, vec![0; buckets]).await?
        } else {
            self.count_span(account, parts, (from, to), &filter, None, vec![0; buckets]).await?
        };
        let up_to = self.store.entry_last_sequence(account).await?;
        let mut tail = Counted { parts, counts };
        self.read_tail(account, (indexed, up_to), &filter, &mut tail).await?;
        Ok(EntryCounts { from: asked.after, interval_ms: interval, counts: tail.counts })
    }

    /// Counts what is indexed: whole hours together, the rest one by one.
    async fn count_all(
        &self,
        account: AccountId,
        parts: Parts,
        mut counts: Vec<u64>,
    ) -> Result<(Sequence, Vec<u64>), Error> {
        let whole = |(from, to): (i64, i64)| {
            (
                from.saturating_add(HOUR_MILLIS - 1).div_euclid(HOUR_MILLIS) * HOUR_MILLIS,
                to.div_euclid(HOUR_MILLIS) * HOUR_MILLIS,
            )
        };
        let spans: Vec<(i64, i64)> = (0..counts.len()).map(|part| parts.span(part)).collect();
        let hours: Vec<(i64, i64)> = spans.iter().map(|span| whole(*span)).collect();
        let asked = hours.iter().map(|(from, to)| (Timestamp::from_millis(*from), Timestamp::from_millis(*to)));
        let (indexed, by_hours) = self.store.search_hours(account, asked.collect()).await?;
        for (count, hours) in counts.iter_mut().zip(by_hours) {
            *count += hours;
        }
        let everything = Filter::read(&EntryFilter::default())?;
        for ((from, to), (first, last)) in spans.into_iter().zip(hours) {
            let edges = if first < last { [(from, first), (last, to)] } else { [(from, to), (to, to)] };
            for edge in edges.into_iter().filter(|(from, to)| from < to) {
                (_, counts) = self.count_span(account, parts, edge, &everything, Some(indexed), counts).await?;
            }
        }
        Ok((indexed, counts))
    }

    async fn count_span(
        &self,
        account: AccountId,
        parts: Parts,
        (from, to): (i64, i64),
        filter: &Filter,
        up_to: Option<Sequence>,
        mut counts: Vec<u64>,
    ) -> Result<(Sequence, Vec<u64>), Error> {
        let asked = SearchAsked {
            below: Some(Found { date: Timestamp::from_millis(to), sequence: Sequence(0) }),
            after: Some(Timestamp::from_millis(from.saturating_sub(1))),
            up_to,
            topics: filter.topics(),
            actors: filter.actors.clone(),
        };
        let mut search = self.store.search(account, asked).await?;
        let origin = Timestamp::from_millis(parts.from);
        while search.spent() != Spent::All {
            (search, counts) = self.store.search_count(search, origin, parts.interval, counts).await?;
        }
        Ok((search.indexed(), counts))
    }
}

impl Parts {
    /// From when to when a part goes, the end not included. The last ones may be empty.
    fn span(self, part: usize) -> (i64, i64) {
        let part = i64::try_from(part).unwrap_or(i64::MAX);
        let from = self.from.saturating_add(self.interval.saturating_mul(part)).min(self.to);
        (from, from.saturating_add(self.interval).min(self.to))
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
