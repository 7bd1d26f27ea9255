//! Replays and redeliveries: taken up from the store, read, and stopped.

use std::{sync::Arc, time::Duration};

use domain::{AccountId, JobId, SubscriptionId};
use store::{JobKind, Letter};
use tokio::runtime::Handle;

use super::{Engine, Inner, JOB_TURNS};
use crate::{
    courier::{Job, JobEntry, JobRead},
    lane::{Lane, LaneState, Mode, Spec},
    matcher::{PAGE_BYTES, PAGE_ENTRIES},
};

/// After a failed look into the store, before the next.
const RETRY_DELAY: Duration = Duration::from_secs(1);

/// What a job is to have read, and how it is judged.
struct Plan {
    id: JobId,
    kind: JobKind,
    read: JobRead,
    spec: Arc<Spec>,
}

impl Engine {
    /// Lets a subscription begin a job that was stored, once its turn comes.
    ///
    /// # Errors
    /// [`store::Error`] when the account cannot be loaded.
    pub async fn job_made(&self, account: AccountId, id: SubscriptionId) -> Result<(), store::Error> {
        let account = self.inner.account(account).await?;
        let lane = account.lock().lanes.get(id).map(Arc::clone);
        // One that is off looks for jobs when it is switched on.
        if let Some(lane) = lane {
            lane.lock().jobs_changed = true;
            self.inner.pump(&lane);
        }
        Ok(())
    }

    /// Lets no more request start of a job that was stopped in the store.
    ///
    /// # Errors
    /// [`store::Error`] when the account cannot be loaded.
    pub async fn job_stopped(&self, account: AccountId, id: SubscriptionId, job: JobId) -> Result<(), store::Error> {
        let account = self.inner.account(account).await?;
        let lane = account.lock().lanes.get(id).map(Arc::clone);
        let Some(lane) = lane else { return Ok(()) };
        let _turn = self.inner.job_turn(id).lock().await;
        if lane.lock().courier.stop_job(job) {
            self.inner.journal.note_lane(&account, &lane, 0);
        }
        Ok(())
    }
}

impl Inner {
    /// Held while a job of a subscription is taken up or stopped, so that a stopped one does not go on.
    /// A few subscriptions share one, which takes less room than one each.
    fn job_turn(&self, id: SubscriptionId) -> &tokio::sync::Mutex<()> {
        // Ids end in random bytes.
        let [.., last] = *id.as_bytes();
        &self.job_turns[usize::from(last) % JOB_TURNS]
    }

    /// Lets a lane look for its next job, and read what the present one sends.
    pub(super) fn pump_job(self: &Arc<Self>, lane: &Arc<Lane>, state: &mut LaneState, runtime: &Handle) {
        if std::mem::take(&mut state.jobs_changed) {
            let (engine, lane) = (Arc::clone(self), Arc::clone(lane));
            self.tasks.spawn_on(async move { engine.take_up_job(&lane).await }, runtime);
        }
        if !state.job_reading && self.job_plan(state).is_some() {
            state.job_reading = true;
            let (engine, lane) = (Arc::clone(self), Arc::clone(lane));
            self.tasks.spawn_on(async move { engine.read_job(&lane).await }, runtime);
        }
    }

    async fn take_up_job(self: &Arc<Self>, lane: &Arc<Lane>) {
        {
            let _turn = self.job_turn(lane.id).lock().await;
            if !lane.lock().courier.is_free_for_job() {
                return;
            }
            match self.store.job_next(lane.account, lane.id).await {
                Ok(None) => return,
                Ok(Some(job)) => {
                    if let Err(text) = lane.lock().courier.begin_job(&job, self.now()) {
                        tracing::error!(subscription = %lane.id, job = %job.id, text, "a stored job cannot be read");
                        return;
                    }
                }
                Err(error) => {
                    tracing::error!(
                        error = &error as &dyn std::error::Error,
                        "no job could be taken up; it is tried again"
                    );
                    lane.lock().jobs_changed = true;
                    self.due.push(self.clock.monotonic() + RETRY_DELAY, lane);
                    return;
                }
            }
        }
        self.pump(lane);
    }

    fn job_plan(&self, state: &LaneState) -> Option<Plan> {
        if state.mode != Mode::Attached || self.is_stopping() {
            return None;
        }
        let read = state.courier.job_read(self.clock.monotonic(), PAGE_ENTRIES)?;
        let job: &Job = state.courier.job()?;
        Some(Plan { id: job.id(), kind: job.kind(), read, spec: Arc::clone(&state.spec) })
    }

    /// Reads until there is enough to send, or nothing more to read.
    async fn read_job(self: &Arc<Self>, lane: &Arc<Lane>) {
        loop {
            let plan = {
                let mut state = lane.lock();
                let plan = self.job_plan(&state);
                state.job_reading = plan.is_some();
                plan
            };
            let Some(mut plan) = plan else { return };
            match self.read_of_job(lane, &mut plan).await {
                Ok(page) => lane.read_job(&plan.spec, plan.id, &plan.read, &page),
                Err(error) => {
                    tracing::error!(
                        error = &error as &dyn std::error::Error,
                        "what a job sends could not be read; it is tried again"
                    );
                    lane.lock().job_reading = false;
                    self.due.push(self.clock.monotonic() + RETRY_DELAY, lane);
                    return;
                }
            }
            // Loaded long ago: the lane came from it.
            if let Ok(account) = self.account(lane.account).await {
                self.journal.note_lane(&account, lane, 0);
            }
            self.pump(lane);
        }
    }

    async fn read_of_job(&self, lane: &Lane, plan: &mut Plan) -> Result<Vec<JobEntry>, store::Error> {
        if plan.kind == JobKind::Replay
            && let JobRead::Holes(holes) = &mut plan.read
        {
            // One read of neighbours; the holes beyond it come with the next round.
            let first = holes.first().copied().unwrap_or_default();
            let run = holes.iter().zip(first.0..).take_while(|(hole, expected)| hole.0 == *expected).count();
            holes.truncate(run);
        }
        let (after, count) = match &plan.read {
            JobRead::Holes(holes) => (holes.first().copied().unwrap_or_default().previous(), holes.len()),
            JobRead::Page(after) => (*after, PAGE_ENTRIES),
        };
        match plan.kind {
            JobKind::Replay => {
                let page = self.store.entry_page(lane.account, after, count, PAGE_BYTES).await?;
                Ok(page.into_iter().map(|entry| JobEntry { entry, letter: None }).collect())
            }
            JobKind::Redelivery => {
                let page = self.store.dead_letter_claimed(lane.account, plan.id, after, count, PAGE_BYTES).await?;
                Ok(page.into_iter().map(|Letter { entry, fate }| JobEntry { entry, letter: Some(fate) }).collect())
            }
        }
    }
}
