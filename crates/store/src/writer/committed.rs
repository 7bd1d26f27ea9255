//! The news of the log: what was committed, for the one that matches it.

use std::{collections::HashMap, sync::Arc};

use domain::{AccountId, Entry, Sequence};
use parking_lot::Mutex;
use tokio::sync::Notify;

/// Bytes of committed entries kept for the matcher; what is beyond is read from the log.
pub(crate) const COMMITTED_BYTES_MAX: usize = 16 * 1024 * 1024;

/// What was committed and not yet taken by the matcher.
#[derive(Default)]
pub struct Committed {
    waiting: Mutex<Waiting>,
    notify: Notify,
}

#[derive(Default)]
struct Waiting {
    accounts: HashMap<AccountId, CommittedEntries>,
    bytes: usize,
}

/// The news of one account.
#[derive(Clone, Debug)]
pub struct CommittedEntries {
    /// The account.
    pub account: AccountId,
    /// The last committed sequence.
    pub last: Sequence,
    /// The entries up to `last`, without gaps; fewer than were committed, or none, when the
    /// taker was slow: then the log has the rest.
    pub entries: Vec<Arc<Entry>>,
}

impl Committed {
    /// Waits for news and takes all of it.
    pub async fn take(&self) -> Vec<CommittedEntries> {
        loop {
            let notified = self.notify.notified();
            let taken = std::mem::take(&mut *self.waiting.lock());
            if !taken.accounts.is_empty() {
                return taken.accounts.into_values().collect();
            }
            notified.await;
        }
    }

    pub(super) fn publish(&self, appended: Vec<Arc<Entry>>) {
        if appended.is_empty() {
            return;
        }
        let mut waiting = self.waiting.lock();
        for entry in appended {
            let bytes = entry.bytes.len();
            let fits = waiting.bytes + bytes <= COMMITTED_BYTES_MAX;
            let news = waiting.accounts.entry(entry.account).or_insert_with(|| CommittedEntries {
                account: entry.account,
                last: entry.sequence,
                entries: Vec::new(),
            });
            news.last = entry.sequence;
            if fits {
                news.entries.push(entry);
                waiting.bytes += bytes;
            } else {
                let freed: usize = news.entries.iter().map(|entry| entry.bytes.len()).sum();
                news.entries.clear();
                waiting.bytes -= freed;
            }
        }
        drop(waiting);
        self.notify.notify_one();
    }
}
