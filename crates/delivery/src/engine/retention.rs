//! Lets old entries leave the log, and tells of those that still wait to be delivered.
//!
//! An entry leaves only after every subscription has settled it. Those that have not by then
//! hold it for a while longer; after that they give it up, which is written down and told before
//! the entry goes.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use domain::{AccountId, Sequence, SubscriptionId, Timestamp};
use store::{EntryDrop, HeldUp, JournalWrite, Subscription};

use super::{Engine, Inner, conditions::Watched};
use crate::{
    account::Account,
    condition::{Condition, ConditionKind, Sight, spoken, telling::Subject},
    courier::{Courier, Pacing},
};

/// How often old entries are looked for.
pub const RETENTION_EVERY: Duration = Duration::from_secs(60 * 60);
/// How much longer than its age an entry is kept for subscriptions that have not settled it.
pub const HELD_MAX: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// Most entries of one step: what it takes is added to the commit that it shares with ingest.
pub const STEP_ENTRIES: usize = 500;
/// About the most bytes of entries of one step.
pub const STEP_BYTES: usize = 2 * 1024 * 1024;

/// Drops what is old every now and then until the engine ends.
pub(super) async fn run(engine: &Arc<Inner>) {
    loop {
        // A clock that is wrong from the start has some time to be set right.
        let wait = if engine.time_is_settled() { RETENTION_EVERY } else { domain::ClockWatch::STANDS_AFTER };
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = engine.stopping.cancelled() => return,
        }
        if let Err(error) = engine.retain().await {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "old entries could not be dropped; it is tried again"
            );
        }
    }
}

impl Engine {
    /// Looks once for entries that are older than they are kept. The running engine does so by
    /// itself. Nothing happens while it does not run, or the clocks have not agreed for long enough.
    ///
    /// # Errors
    /// [`store::Error`] when the store fails; the rest is dropped the next time.
    pub async fn retain(&self) -> Result<(), store::Error> {
        self.inner.retain().await
    }
}

impl Inner {
    async fn retain(self: &Arc<Self>) -> Result<(), store::Error> {
        if !self.running.load(Ordering::Acquire) || !self.time_is_settled() {
            return Ok(());
        }
        // What is settled and not written down yet would keep its entries for another turn.
        self.journal.sync().await;
        let now = self.time();
        let logs = self.store.account_list_older(now, earlier(now, self.settings.retention)).await?;
        let mut held_up = Vec::new();
        for log in &logs {
            let age = now.since(log.before);
            self.give_up(log.account, earlier(log.before, HELD_MAX), age).await?;
            let held = self.store.subscription_list_held_up(log.account, log.before).await?;
            held_up.extend(held.into_iter().map(|held| (log.account, held, age)));
        }
        self.tell_held_up(&held_up).await?;
        for log in logs {
            self.drop_old(log.account, log.before).await?;
        }
        Ok(())
    }

    async fn drop_old(&self, account: AccountId, before: Timestamp) -> Result<(), store::Error> {
        let step = EntryDrop { account, before, entries_max: STEP_ENTRIES, bytes_max: STEP_BYTES };
        let mut entries = 0;
        while !self.is_stopping() {
            let started = self.clock.monotonic();
            let dropped = self.store.entry_drop(step).await?;
            entries += dropped.entries;
            if !dropped.has_more {
                break;
            }
            // As long as a step takes, the writer belongs to others.
            tokio::time::sleep(self.clock.monotonic().saturating_sub(started)).await;
        }
        if entries > 0 {
            tracing::info!(%account, entries, "old entries have left the log");
        }
        Ok(())
    }

    /// Lets every subscription give up what was received before `before`; `age` is for how long the
    /// account's entries are kept.
    async fn give_up(self: &Arc<Self>, id: AccountId, before: Timestamp, age: Duration) -> Result<(), store::Error> {
        let held = self.store.subscription_list_held_up(id, before).await?;
        if held.is_empty() {
            return Ok(());
        }
        let end = self.store.entry_first_received(id, before).await?.previous();
        let account = self.account(id).await?;
        // Nobody is taken up meanwhile from what is stored now.
        let _turn = account.reloads.lock().await;
        for held in held {
            let is_at_hand = account.lock().lanes.get(held.subscription).is_some();
            match is_at_hand {
                true => self.give_up_at_hand(&account, held.subscription, end, age),
                false => self.give_up_stored(&account, held.subscription, end, age).await?,
            }
        }
        // The entries go only when all of this is written down.
        self.journal.sync().await;
        Ok(())
    }

    fn give_up_at_hand(self: &Arc<Self>, account: &Arc<Account>, id: SubscriptionId, end: Sequence, age: Duration) {
        let Some(lane) = account.lock().lanes.get(id).map(Arc::clone) else { return };
        let told = account.give_up(&lane, end, self.time(), |spec, expired| {
            let (integration, name) = (spec.integration.key().to_owned(), spec.name.to_string());
            Subject { id, integration, name }.expired(expired, days_held(age), self.time())
        });
        let Some(expired) = told else { return };
        log_expired(id, expired.count);
        self.journal.note_account(account);
        self.pump(&lane);
    }

    /// The same for a subscription that is off, or cannot be delivered as it is stored.
    async fn give_up_stored(
        &self,
        account: &Account,
        id: SubscriptionId,
        end: Sequence,
        age: Duration,
    ) -> Result<(), store::Error> {
        let subscription = match self.store.subscription_get(account.id, id).await {
            Ok(subscription) => subscription,
            Err(store::Error::NotFound) => return Ok(()),
            Err(error) => return Err(error),
        };
        let Some(stored) = self.store.progress_get(id).await? else { return Ok(()) };
        let matched = account.lock().matched;
        let pacing = Pacing { window_max: 1, ordered: false };
        let mut courier = match Courier::restore(&stored, matched, subscription.revision, pacing, self.now()) {
            Ok(courier) => courier,
            Err(problem) => {
                // What it holds cannot be told, so the log stays until somebody deletes it.
                tracing::error!(subscription = %id, problem, "old entries stay: a progress cannot be read");
                return Ok(());
            }
        };
        let Some(expired) = courier.expire_to(end, self.time()) else { return Ok(()) };
        let told = subject_of(&subscription).expired(expired, days_held(age), self.time());
        let write = JournalWrite {
            progress: vec![(id, courier.progress(false))],
            skipped: courier.take_skipped().into_iter().map(|range| (id, range)).collect(),
            told: vec![told],
            ..JournalWrite::of(account.id, Sequence(0))
        };
        match self.store.progress_replace(id, stored, write).await {
            Ok(()) => log_expired(id, expired.count),
            // It has just been changed; there will be another time.
            Err(store::Error::Conflict) => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Tells of subscriptions for which entries are kept beyond their age.
    async fn tell_held_up(self: &Arc<Self>, held_up: &[(AccountId, HeldUp, Duration)]) -> Result<(), store::Error> {
        let mut watched = self.conditions.watched.lock().await;
        self.load_told(&mut watched).await?;
        let mut tellings = Vec::new();
        for (account, held, age) in held_up {
            let id = held.subscription;
            let (integration, name) = self.store.subscription_label(id).await?;
            let condition = self.near_retention(held, *age);
            let subject = Subject { id, integration, name };
            let kind = ConditionKind::NearRetention;
            let telling = self.telling(&watched, *account, &subject, kind, Some(&condition), Sight::Holds).await?;
            tellings.extend(telling);
        }
        for (id, account) in watched.lasting(ConditionKind::NearRetention) {
            if held_up.iter().any(|(_, held, _)| held.subscription == id) {
                continue;
            }
            let (integration, name) = self.store.subscription_label(id).await?;
            let subject = Subject { id, integration, name };
            // Nothing but deliveries, skips or a deletion ends it, and none of these comes and goes.
            let telling =
                self.telling(&watched, account, &subject, ConditionKind::NearRetention, None, Sight::Over).await?;
            tellings.extend(telling);
        }
        let watched: &mut Watched = &mut watched;
        self.tell(watched, tellings).await
    }

    fn near_retention(&self, held: &HeldUp, age: Duration) -> Condition {
        let gives_up_at = held.received_at.plus(age).plus(HELD_MAX);
        let age = spoken(age);
        let (entry, received_at) = (held.unsettled_from, held.received_at);
        let reason = format!(
            "the entry {entry} and what follows it have no fate yet; entries are kept for {age}, and this one was \
             received on {received_at}. From {gives_up_at} on it counts as skipped"
        );
        Condition { kind: ConditionKind::NearRetention, since: self.time(), reason }
    }
}

fn days_held(age: Duration) -> u64 {
    (age + HELD_MAX).as_secs() / 86_400
}

fn subject_of(subscription: &Subscription) -> Subject {
    Subject { id: subscription.id, integration: subscription.integration.clone(), name: subscription.edit.name.clone() }
}

fn log_expired(subscription: SubscriptionId, entries: u64) {
    tracing::warn!(%subscription, entries, "entries were given up: they have waited for too long");
}

fn earlier(now: Timestamp, by: Duration) -> Timestamp {
    Timestamp::from_millis(now.as_millis().saturating_sub(i64::try_from(by.as_millis()).unwrap_or(i64::MAX)))
}
