//! Writes down how far subscriptions are: what changed since the last time, in one request
//! to the store's writer, which shares its commit with whatever else has come.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use domain::{AccountId, SubscriptionId};
use parking_lot::Mutex;
use store::{DeadLetter, JournalWrite, Store};
use tokio::sync::{Notify, watch};

use crate::lane::{Account, Lane, Mode};

/// Outcomes that wait to be written down, at most this long or this many.
pub(crate) const DELAY_MAX: Duration = Duration::from_millis(10);
pub(crate) const OUTCOMES_MAX: usize = 1_000;
/// After a failed write, before the next.
const RETRY_DELAY: Duration = Duration::from_secs(1);

pub(crate) struct Journal {
    dirty: Mutex<HashMap<AccountId, Dirty>>,
    outcomes: AtomicUsize,
    changed: Notify,
    urgent: Notify,
    asked: AtomicU64,
    written: watch::Sender<u64>,
}

struct Dirty {
    account: Arc<Account>,
    lanes: HashMap<SubscriptionId, Arc<Lane>>,
    dead: Vec<DeadLetter>,
}

impl Journal {
    pub(crate) fn new() -> Self {
        Self {
            dirty: Mutex::default(),
            outcomes: AtomicUsize::new(0),
            changed: Notify::new(),
            urgent: Notify::new(),
            asked: AtomicU64::new(0),
            written: watch::Sender::new(0),
        }
    }

    /// Takes note that the account's matched position moved.
    pub(crate) fn note_account(&self, account: &Arc<Account>) {
        self.note(account, |_| {});
    }

    /// Takes note that a subscription's progress changed by `outcomes` outcomes.
    pub(crate) fn note_lane(&self, account: &Arc<Account>, lane: &Arc<Lane>, dead: Vec<DeadLetter>, outcomes: usize) {
        self.note(account, |dirty| {
            dirty.lanes.entry(lane.id).or_insert_with(|| Arc::clone(lane));
            dirty.dead.extend(dead);
        });
        if self.outcomes.fetch_add(outcomes, Ordering::Relaxed) + outcomes >= OUTCOMES_MAX {
            self.urgent.notify_one();
        }
    }

    /// Writes at once.
    pub(crate) fn hurry(&self) {
        self.urgent.notify_one();
    }

    /// Returns once everything noted before is written down.
    pub(crate) async fn sync(&self) {
        let mine = self.asked.fetch_add(1, Ordering::SeqCst) + 1;
        let mut written = self.written.subscribe();
        self.changed.notify_one();
        self.urgent.notify_one();
        // The journal lives as long as the engine, so the sender cannot be gone.
        let _ = written.wait_for(|written| *written >= mine).await;
    }

    /// Writes for ever. `after_write` is told of lanes whose stop is written down now.
    pub(crate) async fn run(&self, store: &Store, after_write: impl Fn(&Arc<Lane>)) {
        loop {
            self.changed.notified().await;
            tokio::select! {
                () = tokio::time::sleep(DELAY_MAX) => {}
                () = self.urgent.notified() => {}
            }
            while !self.write(store, &after_write).await {
                tokio::time::sleep(RETRY_DELAY).await;
            }
        }
    }

    fn note(&self, account: &Arc<Account>, change: impl FnOnce(&mut Dirty)) {
        let mut all = self.dirty.lock();
        let dirty = all.entry(account.id).or_insert_with(|| Dirty {
            account: Arc::clone(account),
            lanes: HashMap::new(),
            dead: Vec::new(),
        });
        change(dirty);
        drop(all);
        self.changed.notify_one();
    }

    /// Writes what was noted; `false` when the store failed and all of it is noted again.
    async fn write(&self, store: &Store, after_write: &impl Fn(&Arc<Lane>)) -> bool {
        let asked = self.asked.load(Ordering::SeqCst);
        let noted = std::mem::take(&mut *self.dirty.lock());
        self.outcomes.store(0, Ordering::Relaxed);
        let mut writes = Vec::with_capacity(noted.len());
        let mut stops = Vec::new();
        for dirty in noted.values() {
            let account = dirty.account.lock();
            let mut progress = Vec::with_capacity(dirty.lanes.len());
            for lane in dirty.lanes.values() {
                let mut state = lane.lock();
                if state.mode == Mode::Attached {
                    state.courier.pass_to(account.matched);
                }
                let is_caught_up = state.mode == Mode::Attached && state.courier.unsettled() == 0;
                progress.push((lane.id, state.courier.progress(is_caught_up)));
                stops.push((Arc::clone(lane), state.courier.stops()));
            }
            let dead = dirty.dead.clone();
            writes.push(JournalWrite { account: dirty.account.id, matched: account.matched, progress, dead });
        }
        if !writes.is_empty()
            && let Err(error) = store.journal_write(writes).await
        {
            tracing::error!(error = &error as &dyn std::error::Error, "the journal was not written; it is tried again");
            self.note_again(noted);
            return false;
        }
        for (lane, stop) in stops {
            lane.lock().courier.journaled(stop);
            after_write(&lane);
        }
        self.written.send_replace(asked);
        true
    }

    fn note_again(&self, noted: HashMap<AccountId, Dirty>) {
        let mut all = self.dirty.lock();
        for (id, dirty) in noted {
            match all.entry(id) {
                std::collections::hash_map::Entry::Vacant(vacant) => {
                    vacant.insert(dirty);
                }
                std::collections::hash_map::Entry::Occupied(mut occupied) => {
                    occupied.get_mut().lanes.extend(dirty.lanes);
                    occupied.get_mut().dead.extend(dirty.dead);
                }
            }
        }
    }
}
