//! The entries past the index, read from the log.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use domain::{AccountId, Entry, Searched, Sequence, Timestamp};
use store::Found;

use super::{EntriesAsked, filter::Filter};
use crate::{App, Error};

const PAGE_ENTRIES: usize = 512;
const PAGE_BYTES: usize = 2 * 1024 * 1024;

/// What is kept of the entries past the index.
pub(super) trait Keep: Send {
    /// An entry that fits the filter.
    fn keep(&mut self, searched: &Searched, entry: &Arc<Entry>);
}

/// The newest of them.
pub(super) struct Tail {
    most: usize,
    below: Option<Found>,
    after: Option<Timestamp>,
    kept: BTreeMap<Found, Arc<Entry>>,
}

impl Tail {
    /// Keeps the newest `most` between the two bounds, neither of them included.
    pub(super) fn newest(most: usize, below: Option<Found>, after: Option<Timestamp>) -> Self {
        Self { most, below, after, kept: BTreeMap::new() }
    }

    pub(super) fn places(&self) -> impl Iterator<Item = Found> {
        self.kept.keys().copied()
    }

    pub(super) fn into_entries(self) -> HashMap<Sequence, Arc<Entry>> {
        self.kept.into_values().map(|entry| (entry.sequence, entry)).collect()
    }
}

impl Keep for Tail {
    fn keep(&mut self, searched: &Searched, entry: &Arc<Entry>) {
        let place = Found { date: searched.date, sequence: entry.sequence };
        let is_between =
            self.below.is_none_or(|below| place < below) && self.after.is_none_or(|after| place.date > after);
        if is_between {
            self.kept.insert(place, Arc::clone(entry));
            if self.kept.len() > self.most {
                self.kept.pop_first();
            }
        }
    }
}

impl App {
    /// Shows `keep` the entries after the first of two places up to the second that fit.
    pub(super) async fn read_tail<K: Keep>(
        &self,
        account: AccountId,
        (after, up_to): (Sequence, Sequence),
        filter: &Filter,
        keep: &mut K,
    ) -> Result<(), Error> {
        if up_to.0.saturating_sub(after.0) > EntriesAsked::TAIL_MAX {
            let cause = format!("the index for searches stands at {after} of {up_to}");
            let message = match self.store.options().indexes {
                true => "the log is being indexed for searches; try again in a while",
                false => "this server does not index the log for searches (its setting search_index is off)",
            };
            return Err(Error::Unavailable { message, source: cause.into() });
        }
        let mut after = after;
        while after < up_to {
            let page = self.store.entry_page(account, after, PAGE_ENTRIES, PAGE_BYTES).await?;
            let Some(last) = page.last().map(|entry| entry.sequence) else { break };
            after = last;
            let filter = filter.clone();
            // Reading many entries takes longer than requests of others should wait.
            let fitting = tokio::task::spawn_blocking(move || {
                let counting = page.into_iter().take_while(|entry| entry.sequence <= up_to);
                let searched = counting.map(|entry| (entry.searched(), entry));
                searched.filter(|(searched, _)| filter.fits(searched)).collect::<Vec<_>>()
            });
            for (searched, entry) in fitting.await.map_err(Error::internal)? {
                keep.keep(&searched, &entry);
            }
        }
        Ok(())
    }
}
