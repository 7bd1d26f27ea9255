//! Skipping what waits, because somebody asked for it.

use std::sync::Arc;

use domain::{EntryDraft, Sequence, SubscriptionId, Timestamp};
use serde_json::{Value, json};
use store::Subscription;

use super::{Engine, Inner};
use crate::{
    account::Account,
    lane::{Lane, Mode},
};

/// Why entries are skipped, and by whom.
#[derive(Clone, Debug)]
pub struct SkipRequest {
    /// Who asked for it, as the ledger is to name them.
    pub by: Value,
    /// When.
    pub at: Timestamp,
}

impl SkipRequest {
    /// How the ledger keeps it. With the time in it, no two requests become one range.
    fn reason(&self) -> String {
        let text = "somebody asked to skip what was waiting";
        json!({ "name": "skipped_to_now", "text": text, "by": self.by, "at": self.at.as_millis() }).to_string()
    }
}

impl Engine {
    /// Passes over every entry of the log that has no fate yet, judged or not; says how many they
    /// were. Requests that have started run to their end. `record` makes the entry that tells of
    /// it, which is written together with it; without anything to skip nothing is written.
    ///
    /// # Errors
    /// [`store::Error`] when the store cannot say how far the subscription is.
    pub async fn skip_to_now(
        &self,
        subscription: &Subscription,
        request: &SkipRequest,
        record: impl FnOnce(u64) -> EntryDraft + Send,
    ) -> Result<u64, store::Error> {
        let engine = &self.inner;
        if subscription.start.is_none() {
            return Ok(0);
        }
        let account = engine.account(subscription.account).await?;
        let lane = engine.lane_at_hand(&account, subscription).await?;
        let last = engine.store.entry_last_sequence(account.id).await?;
        let skipped = account.skip_to(&lane, last, request, record);
        if skipped > 0 {
            engine.journal.note_lane(&account, &lane, 0);
            engine.journal.sync().await;
        }
        engine.pump(&lane);
        Ok(skipped)
    }
}

impl Inner {
    /// The lane of a subscription that was on before; one that is off is taken up as paused.
    async fn lane_at_hand(&self, account: &Account, subscription: &Subscription) -> Result<Arc<Lane>, store::Error> {
        let _turn = account.reloads.lock().await;
        let at_hand = |id: SubscriptionId| account.lock().lanes.get(id).map(Arc::clone);
        if let Some(lane) = at_hand(subscription.id) {
            return Ok(lane);
        }
        // One that cannot be read as it is stored cannot be told apart from one that is not there.
        let progress = self.store.progress_get(subscription.id).await?.ok_or(store::Error::NotFound)?;
        let lane = self.load_lane(account, subscription, progress).await?.ok_or(store::Error::NotFound)?;
        if !subscription.edit.on {
            lane.lock().mode = Mode::Paused;
        }
        account.lock().lanes.insert(Arc::clone(&lane));
        Ok(lane)
    }
}

impl Account {
    /// Skips what waits up to `last`, at one moment with the entry that records it.
    pub(crate) fn skip_to(
        &self,
        lane: &Arc<Lane>,
        last: Sequence,
        request: &SkipRequest,
        record: impl FnOnce(u64) -> EntryDraft,
    ) -> u64 {
        let mut state = self.lock();
        let mut lane_state = lane.lock();
        if lane_state.mode == Mode::Attached {
            // It may get ahead of its account.
            state.detach(lane, &mut lane_state, Mode::Reading);
        }
        let skipped = lane_state.courier.skip_to(last, &request.reason(), request.at);
        if skipped > 0 {
            lane_state.owed.told.push(record(skipped));
        }
        skipped
    }
}
