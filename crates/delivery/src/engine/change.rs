//! Changes of subscriptions, without a moment in which two revisions deliver.

use std::{sync::Arc, time::Duration};

use domain::{AccountId, SubscriptionId};
use store::{Progress, Subscription};

use super::{Engine, Inner, LOAD_AT_ONCE};
use crate::{
    account::Account,
    client::{AddressGuard, AllowedRange},
    lane::Lane,
};

/// After a failed look into the store, before the next.
const RETRY_DELAY: Duration = Duration::from_secs(1);

impl Engine {
    /// Lets no request of this subscription start until [`Engine::reload`]. What came of the
    /// earlier ones is in the store when this returns, but for those still in flight.
    ///
    /// # Errors
    /// [`store::Error`] when the account cannot be loaded.
    pub async fn freeze(&self, account: AccountId, id: SubscriptionId) -> Result<(), store::Error> {
        let account = self.inner.account(account).await?;
        let lane = account.lock().lanes.get(id).map(Arc::clone);
        let Some(lane) = lane else { return Ok(()) };
        account.freeze(&lane);
        self.inner.journal.note_account(&account);
        self.inner.journal.sync().await;
        Ok(())
    }

    /// Lets no request of this account start until [`Engine::account_reload`]. What came of the
    /// earlier ones is in the store when this returns, but for those still in flight.
    ///
    /// # Errors
    /// [`store::Error`] when the account cannot be loaded.
    pub async fn account_freeze(&self, account: AccountId) -> Result<(), store::Error> {
        let account = self.inner.account(account).await?;
        account.all_lanes().iter().for_each(|lane| account.freeze(lane));
        self.inner.journal.note_account(&account);
        self.inner.journal.sync().await;
        Ok(())
    }

    /// Takes an account up as the store has it: after it was suspended or resumed, or not after
    /// all. When this fails it is tried again until the store can say; meanwhile it delivers nothing.
    ///
    /// # Errors
    /// [`store::Error`] when the store cannot say.
    pub async fn account_reload(&self, account: AccountId) -> Result<(), store::Error> {
        let reloaded = self.inner.account_reload(account).await;
        if reloaded.is_err() {
            let engine = Arc::clone(&self.inner);
            tokio::spawn(async move {
                while !engine.is_stopping() && engine.account_reload(account).await.is_err() {
                    tokio::time::sleep(RETRY_DELAY).await;
                }
            });
        }
        reloaded
    }

    /// Lets deliveries of an account reach these ranges beside public addresses, and no others
    /// but those of the settings; for every request that starts from now on.
    pub fn allow_destinations(&self, account: AccountId, mut ranges: Vec<AllowedRange>) {
        let settings = &self.inner.settings;
        if account == settings.default_account {
            ranges.extend(settings.allow_destinations.iter().cloned());
        }
        self.inner.client.allow(account, &AddressGuard::allowing(ranges));
    }

    /// Takes a subscription up as the store has it: after it was made, changed, not changed
    /// after all, or deleted. When this fails it is tried again until the store can say;
    /// meanwhile the subscription delivers nothing.
    ///
    /// # Errors
    /// [`store::Error`] when the store cannot say.
    pub async fn reload(&self, account: AccountId, id: SubscriptionId) -> Result<(), store::Error> {
        let reloaded = self.inner.reload(account, id).await;
        if reloaded.is_err() {
            let engine = Arc::clone(&self.inner);
            tokio::spawn(async move {
                while !engine.is_stopping() && engine.reload(account, id).await.is_err() {
                    tokio::time::sleep(RETRY_DELAY).await;
                }
            });
        }
        reloaded
    }
}

impl Inner {
    async fn account_reload(self: &Arc<Self>, id: AccountId) -> Result<(), store::Error> {
        let account = self.account(id).await?;
        let _turn = account.reloads.lock().await;
        account.suspend(self.store.account_get(id).await?.suspension.is_some());
        for some in self.store.subscription_ids_on(id).await?.chunks(LOAD_AT_ONCE) {
            for (subscription, progress) in self.store.subscription_list_begun(id, some.to_owned()).await? {
                let lane = account.lock().lanes.get(subscription.id).map(Arc::clone);
                match lane {
                    Some(lane) => self.revise(&account, &lane, &subscription),
                    None => self.take_up(&account, &subscription, progress).await?,
                }
            }
        }
        self.journal.note_account(&account);
        Ok(())
    }

    async fn reload(self: &Arc<Self>, account: AccountId, id: SubscriptionId) -> Result<(), store::Error> {
        let account = self.account(account).await?;
        let _turn = account.reloads.lock().await;
        let stored = match self.store.subscription_get(account.id, id).await {
            Ok(subscription) => Some(subscription),
            Err(store::Error::NotFound) => None,
            Err(error) => return Err(error),
        };
        let lane = account.lock().lanes.get(id).map(Arc::clone);
        if stored.is_none() {
            self.is_whole(id);
            self.outdated.lock().remove(&id);
        }
        match (stored, lane) {
            (None, None) => {}
            (None, Some(lane)) => account.remove(&lane),
            (Some(subscription), Some(lane)) => self.revise(&account, &lane, &subscription),
            (Some(subscription), None) => {
                if let Some(progress) = self.store.progress_get(id).await? {
                    self.take_up(&account, &subscription, progress).await?;
                }
            }
        }
        self.journal.note_account(&account);
        Ok(())
    }

    fn revise(self: &Arc<Self>, account: &Account, lane: &Arc<Lane>, subscription: &Subscription) {
        let spec = match self.spec(subscription) {
            Ok(spec) => {
                self.is_whole(lane.id);
                let pacing = spec.pacing(self.settings.window_max);
                Some((spec, pacing))
            }
            Err(problem) => {
                self.is_broken(lane.id, &problem);
                None
            }
        };
        account.revise(lane, subscription.edit.on && !account.is_suspended(), spec);
        self.pump(lane);
    }

    async fn take_up(
        self: &Arc<Self>,
        account: &Arc<Account>,
        subscription: &Subscription,
        progress: Progress,
    ) -> Result<(), store::Error> {
        if !subscription.edit.on || account.is_suspended() {
            return Ok(());
        }
        let Some(lane) = self.load_lane(account, subscription, progress).await? else { return Ok(()) };
        lane.lock().jobs_changed = true;
        account.lock().lanes.insert(Arc::clone(&lane));
        self.pump(&lane);
        Ok(())
    }
}
