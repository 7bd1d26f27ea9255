//! Writes down how far subscriptions are: what changed since the last time, in one request
//! to the store's writer, which shares its commit with whatever else has come.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use domain::{AccountId, JobId};
use parking_lot::Mutex;
use store::{JournalWrite, SkippedRange, Store};
use tokio::sync::{Notify, watch};

use crate::{
    account::Account,
    attempts::Unwritten,
    courier::{Job, JobNews, Mark},
    engine::figures::Tallies,
    lane::{Lane, Mode, Owed},
};

/// How long an outcome waits to be written down, while the store is well.
pub const DELAY_MAX: Duration = Duration::from_millis(10);
/// How many outcomes wait for that long; with more they are written at once.
pub const OUTCOMES_MAX: usize = 1_000;
/// After a failed write, before the next.
const RETRY_DELAY: Duration = Duration::from_secs(1);

pub(crate) struct Journal {
    dirty: Mutex<HashMap<AccountId, Arc<Account>>>,
    outcomes: AtomicUsize,
    changed: Notify,
    urgent: Notify,
    asked: AtomicU64,
    written: watch::Sender<u64>,
    failing: AtomicBool,
    /// Of what was written down.
    pub(crate) tallies: Tallies,
}

/// What one write has taken of one account, to be given back when it fails.
pub(crate) struct Taken {
    account: Arc<Account>,
    lanes: Vec<TakenLane>,
}

/// What one write has taken of one lane.
struct TakenLane {
    lane: Arc<Lane>,
    mark: Mark,
    owed: Owed,
    news: JobNews,
    /// The job whose end is in the write.
    ended_job: Option<JobId>,
    attempts: Unwritten,
    skipped: Vec<SkippedRange>,
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
            failing: AtomicBool::new(false),
            tallies: Tallies::default(),
        }
    }

    /// Takes note that the account's matched position moved, or one of its dirty lanes.
    pub(crate) fn note_account(&self, account: &Arc<Account>) {
        self.dirty.lock().entry(account.id).or_insert_with(|| Arc::clone(account));
        self.changed.notify_one();
    }

    /// Takes note that a subscription's progress changed by `outcomes` outcomes.
    pub(crate) fn note_lane(&self, account: &Arc<Account>, lane: &Arc<Lane>, outcomes: usize) {
        account.lock().soil(lane);
        self.note_account(account);
        if self.outcomes.fetch_add(outcomes, Ordering::Relaxed) + outcomes >= OUTCOMES_MAX {
            self.urgent.notify_one();
        }
    }

    /// Writes at once.
    pub(crate) fn hurry(&self) {
        self.urgent.notify_one();
    }

    /// Whether the last write failed.
    pub(crate) fn is_failing(&self) -> bool {
        self.failing.load(Ordering::Relaxed)
    }

    /// Returns once everything noted before is written down.
    pub(crate) async fn sync(&self) {
        let mine = self.asked.fetch_add(1, Ordering::SeqCst) + 1;
        let mut written = self.written.subscribe();
        self.changed.notify_one();
        self.urgent.notify_one();
        // The sender is part of this journal, so it cannot be gone.
        let _ = written.wait_for(|written| *written >= mine).await;
    }

    /// Writes for ever. `after_write` is told of lanes whose progress is written down now.
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

    /// Writes what was noted; `false` when the store failed and all of it is noted again.
    async fn write(&self, store: &Store, after_write: &impl Fn(&Arc<Lane>)) -> bool {
        let asked = self.asked.load(Ordering::SeqCst);
        let noted = std::mem::take(&mut *self.dirty.lock());
        self.outcomes.store(0, Ordering::Relaxed);
        let mut writes = Vec::with_capacity(noted.len());
        let mut taken = Vec::with_capacity(noted.len());
        for account in noted.into_values() {
            let (write, of_account) = take(account);
            writes.push(write);
            taken.push(of_account);
        }
        if !writes.is_empty()
            && let Err(error) = store.journal_write(writes).await
        {
            tracing::error!(error = &error as &dyn std::error::Error, "the journal was not written; it is tried again");
            self.failing.store(true, Ordering::Relaxed);
            for taken in taken {
                let account = Arc::clone(&taken.account);
                taken.give_back();
                self.note_account(&account);
            }
            return false;
        }
        self.failing.store(false, Ordering::Relaxed);
        for lane in taken.into_iter().flat_map(Taken::written) {
            self.tallies.count(&lane);
            after_write(&lane);
        }
        self.written.send_replace(asked);
        true
    }
}

impl Taken {
    /// The write failed: all of it is to be written again.
    pub(crate) fn give_back(self) {
        let mut state = self.account.lock();
        for TakenLane { lane, mut owed, news, skipped, attempts, .. } in self.lanes {
            let mut lane_state = lane.lock();
            lane_state.courier.give_back_job_news(news);
            let later = lane_state.owed.take();
            owed.dead.extend(later.dead);
            owed.told.extend(later.told);
            lane_state.owed = owed.into();
            let dropped = lane_state.attempts.give_back(attempts);
            lane_state.spec.counters.count_unrecorded(dropped);
            lane_state.courier.return_skipped(skipped);
            drop(lane_state);
            state.soil(&lane);
        }
    }

    /// The write is safe; gives back the lanes that it was about.
    pub(crate) fn written(self) -> Vec<Arc<Lane>> {
        let lanes = self.lanes.into_iter().map(|TakenLane { lane, mark, news, ended_job, .. }| {
            {
                let mut state = lane.lock();
                state.courier.journaled(mark);
                if let Some(id) = ended_job {
                    state.courier.job_end_is_journaled(id);
                }
                state.jobs_changed |= ended_job.is_some() || !news.retry.is_empty();
            }
            lane
        });
        lanes.collect()
    }
}

/// Takes the account's position and the progress of its dirty lanes as they are at one moment.
pub(crate) fn take(account: Arc<Account>) -> (JournalWrite, Taken) {
    let mut state = account.lock();
    let dirty = std::mem::take(&mut state.dirty);
    let mut write = JournalWrite::of(account.id, state.matched);
    let mut lanes = Vec::with_capacity(dirty.len());
    for lane in dirty.into_values() {
        let mut lane_state = lane.lock();
        if lane_state.mode == Mode::Attached {
            lane_state.courier.pass_to(state.matched);
        }
        let is_caught_up = lane_state.mode == Mode::Attached && lane_state.courier.unsettled() == 0;
        write.progress.push((lane.id, lane_state.courier.progress(is_caught_up)));
        let owed = lane_state.owed.take();
        write.dead.extend(owed.dead.iter().cloned());
        write.told.extend(owed.told.iter().cloned());
        let news = lane_state.courier.take_job_news();
        write.jobs.delivered.extend(news.delivered.iter().map(|sequence| (lane.id, *sequence)));
        if !news.retry.is_empty() {
            write.jobs.retries.push((lane.id, news.retry.clone()));
        }
        write.jobs.progress.extend(lane_state.courier.job_progress());
        let has_ended = lane_state.courier.job_has_ended();
        let ended_job = lane_state.courier.job().filter(|_| has_ended).map(Job::id);
        let skipped = lane_state.courier.take_skipped();
        write.skipped.extend(skipped.iter().map(|range| (lane.id, range.clone())));
        let attempts = lane_state.attempts.take();
        let mark = lane_state.courier.mark();
        drop(lane_state);
        lanes.push(TakenLane { lane, mark, owed, news, ended_job, skipped, attempts });
    }
    drop(state);
    // Packed without a lock: nobody has to wait for what only people read.
    write.attempts = lanes.iter().filter_map(|taken| taken.attempts.write(taken.lane.id)).collect();
    (write, Taken { account, lanes })
}
