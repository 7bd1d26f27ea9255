//! Changes of subscriptions, without a moment in which two revisions deliver.

use std::sync::Arc;

use domain::{AccountId, SubscriptionId};
use store::Subscription;

use super::{Engine, Inner};
use crate::lane::{Account, Lane, Mode};

impl Engine {
    /// Lets no request of this subscription start until [`Engine::reload`]. What came of the
    /// earlier ones is in the store when this returns, but for those still in flight.
    ///
    /// # Errors
    /// [`store::Error`] when the account cannot be loaded.
    pub async fn freeze(&self, account: AccountId, id: SubscriptionId) -> Result<(), store::Error> {
        let account = self.inner.account(account).await?;
        let lane = account.lock().lanes.get(&id).map(Arc::clone);
        let Some(lane) = lane else { return Ok(()) };
        {
            let mut state = account.lock();
            let mut lane_state = lane.lock();
            state.detach(&lane, &mut lane_state, Mode::Frozen);
        }
        self.inner.journal.note_lane(&account, &lane, Vec::new(), 0);
        self.inner.journal.sync().await;
        Ok(())
    }

    /// Takes a subscription up as the store has it: after it was made, changed, not changed
    /// after all, or deleted.
    ///
    /// # Errors
    /// [`store::Error`] when the store cannot say.
    pub async fn reload(&self, account: AccountId, id: SubscriptionId) -> Result<(), store::Error> {
        let account = self.inner.account(account).await?;
        let stored = match self.inner.store.subscription_get(account.id, id).await {
            Ok(subscription) => Some(subscription),
            Err(store::Error::NotFound) => None,
            Err(error) => return Err(error),
        };
        let lane = account.lock().lanes.get(&id).map(Arc::clone);
        match (stored, lane) {
            (None, None) => {}
            (None, Some(lane)) => {
                let mut state = account.lock();
                let mut lane_state = lane.lock();
                state.detach(&lane, &mut lane_state, Mode::Gone);
                // Requests in flight hold the lane, and what comes of them is still journaled.
                state.lanes.remove(&id);
            }
            (Some(subscription), Some(lane)) => self.inner.revise(&account, &lane, &subscription),
            (Some(subscription), None) => self.inner.take_up(&account, &subscription).await?,
        }
        Ok(())
    }
}

impl Inner {
    fn revise(self: &Arc<Self>, account: &Account, lane: &Arc<Lane>, subscription: &Subscription) {
        let spec = self.spec(subscription);
        {
            let mut state = account.lock();
            let mut lane_state = lane.lock();
            let mode = if subscription.edit.on && spec.is_ok() { Mode::Reading } else { Mode::Paused };
            state.detach(lane, &mut lane_state, mode);
            match spec {
                Ok(spec) if spec.revision != lane_state.spec.revision => {
                    lane_state.courier.revise(spec.pacing(self.settings.window_max));
                    lane_state.spec = Arc::new(spec);
                }
                Ok(_) => {}
                Err(problem) => {
                    tracing::error!(subscription = %lane.id, problem, "a subscription cannot be delivered");
                }
            }
        }
        self.pump(lane);
    }

    async fn take_up(
        self: &Arc<Self>,
        account: &Arc<Account>,
        subscription: &Subscription,
    ) -> Result<(), store::Error> {
        if !subscription.edit.on {
            return Ok(());
        }
        let Some(lane) = self.load_lane(account, subscription).await? else { return Ok(()) };
        account.lock().lanes.insert(lane.id, Arc::clone(&lane));
        self.pump(&lane);
        Ok(())
    }
}
