//! How one subscription fares, from what is at hand or from the store.

use std::sync::Arc;

use store::Subscription;

use super::Inner;
use crate::{
    condition::Condition,
    courier::{Courier, Flow},
    lane::Mode,
    status::{State, Status},
};

impl Inner {
    pub(super) async fn status(self: &Arc<Self>, subscription: &Subscription) -> Result<Status, store::Error> {
        let account = self.account(subscription.account).await?;
        // What is committed counts as waiting at once, also while the matcher has yet to see it.
        let last = self.store.entry_last_sequence(subscription.account).await?;
        let lane = account.lock().lanes.get(subscription.id).map(Arc::clone);
        if let Some(lane) = lane {
            let state = account.lock();
            let mut lane_state = lane.lock();
            if lane_state.mode == Mode::Attached {
                lane_state.courier.pass_to(state.matched);
            }
            let waiting = last.0.saturating_sub(lane_state.courier.position().0);
            let conditions = self.conditions.of(subscription.id);
            return Ok(status_of(&lane_state.courier, subscription.edit.on, waiting, conditions));
        }
        let Some(progress) = self.store.progress_get(subscription.id).await? else {
            return Ok(never_on(subscription.edit.on));
        };
        let matched = account.lock().matched;
        let pacing = crate::courier::Pacing { window_max: 1, ordered: false };
        let courier =
            Courier::restore(&progress, matched, subscription.revision, pacing, self.now()).map_err(|text| {
                tracing::error!(subscription = %subscription.id, text, "the stored progress cannot be read");
                store::Error::Conflict
            })?;
        let waiting = last.0.saturating_sub(courier.position().0);
        Ok(status_of(&courier, subscription.edit.on, waiting, self.conditions.of(subscription.id)))
    }
}

fn status_of(courier: &Courier, on: bool, waiting: u64, conditions: Vec<Condition>) -> Status {
    let state = match courier.flow() {
        _ if !on => State::Paused,
        Flow::Flowing => State::Flowing,
        Flow::Holding(wait) => {
            State::Holding { since: wait.since, until: wait.until_wall, reason: wait.reason.text.clone() }
        }
        Flow::Suspended(wait) => {
            State::Suspended { since: wait.since, probe_at: wait.until_wall, reason: wait.reason.text.clone() }
        }
    };
    let record = courier.record().clone();
    Status {
        state,
        position: Some(courier.position()),
        waiting: Some(waiting),
        counts: courier.counts(),
        success_count: record.success_count,
        error_count: record.error_count,
        last_success: record.last_success,
        last_error: record.last_error,
        errors: record.errors,
        conditions,
    }
}

fn never_on(on: bool) -> Status {
    Status {
        state: if on { State::Flowing } else { State::NeverOn },
        position: None,
        waiting: None,
        counts: store::Counts::default(),
        success_count: 0,
        error_count: 0,
        last_success: None,
        last_error: None,
        errors: Vec::new(),
        conditions: Vec::new(),
    }
}
