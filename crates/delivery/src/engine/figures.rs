//! What the engine counts since its start, and how it stands: by integration key, and for the
//! worst subscriptions one by one.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use domain::{AccountId, Sequence};
use parking_lot::Mutex;

use super::{
    Engine, Inner,
    counters::AttemptFigures,
    worst::{Seen, Standing, SubscriptionFigures, Worst},
};
use crate::{
    account::Account,
    courier::Courier,
    lane::{Lane, LaneState, Mode},
    seldom::Blank,
};

/// How the engine stands, and what it did since its start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EngineFigures {
    /// The most requests in flight.
    pub permits: usize,
    /// Requests in flight, or just about to start.
    pub permits_in_use: usize,
    /// Requests that have ended, with an answer or without one.
    pub requests: u64,
    /// How long those took together.
    pub requests_took: Duration,
    /// Each integration with a subscription that was on.
    pub integrations: BTreeMap<String, IntegrationFigures>,
    /// Subscriptions that are on, the worst first: the suspended ones, then those that hold, then
    /// those with most entries without a fate.
    pub subscriptions: Vec<SubscriptionFigures>,
    /// How many more there are.
    pub subscriptions_left_out: usize,
}

/// The same for the subscriptions to one integration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IntegrationFigures {
    /// The fates that were written down, and the failed attempts.
    pub tally: Tally,
    /// Its attempts.
    pub attempts: AttemptFigures,
    /// Subscriptions that wait for a time.
    pub holding: u64,
    /// Subscriptions whose configuration is wrong.
    pub suspended: u64,
    /// Conditions that last and were told, by kind.
    pub conditions: BTreeMap<&'static str, u64>,
    /// Entries without a fate of the subscription that has most of them.
    pub lag: u64,
    /// For each account where an entry has no fate, the greatest sequence before all of those.
    pub positions: BTreeMap<AccountId, Sequence>,
}

/// Counts of entries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Accepted by the destination.
    pub delivered: u64,
    /// Passed over with a reason.
    pub skipped: u64,
    /// Refused for good.
    pub dead: u64,
    /// Whose attempt failed, each failed attempt counted.
    pub failed: u64,
}

impl Tally {
    pub(crate) fn of(courier: &Courier) -> Self {
        let counts = courier.counts();
        let failed = courier.record().error_count;
        Self { delivered: counts.delivered, skipped: counts.skipped, dead: counts.dead, failed }
    }

    fn add_change(&mut self, before: Self, now: Self) {
        self.delivered += now.delivered.saturating_sub(before.delivered);
        self.skipped += now.skipped.saturating_sub(before.skipped);
        self.dead += now.dead.saturating_sub(before.dead);
        self.failed += now.failed.saturating_sub(before.failed);
    }
}

static BLANK: Tally = Tally { delivered: 0, skipped: 0, dead: 0, failed: 0 };

impl Blank for Tally {
    fn blank() -> &'static Self {
        &BLANK
    }

    fn is_blank(&self) -> bool {
        *self == BLANK
    }
}

/// The tallies of all integrations.
#[derive(Default)]
pub(crate) struct Tallies(Mutex<BTreeMap<String, Tally>>);

impl Tallies {
    /// Adds what has come since the lane was last counted.
    pub(crate) fn count(&self, lane: &Lane) {
        let mut state = lane.lock();
        let now = Tally::of(&state.courier);
        let before = *state.counted;
        if before == now {
            return;
        }
        *state.counted = now;
        let key = state.spec.integration.key();
        let mut tallies = self.0.lock();
        match tallies.get_mut(key) {
            Some(tally) => tally.add_change(before, now),
            None => tallies.entry(key.to_owned()).or_default().add_change(before, now),
        }
    }
}

impl Engine {
    /// How the engine stands, and what it did since its start; with at most `subscriptions_max`
    /// single subscriptions.
    pub fn figures(&self, subscriptions_max: usize) -> EngineFigures {
        self.inner.figures(subscriptions_max)
    }
}

impl Inner {
    fn figures(&self, subscriptions_max: usize) -> EngineFigures {
        let (requests, requests_took) = self.client.figures();
        let (permits, permits_in_use) = self.permits.figures();
        let mut figures =
            EngineFigures { permits, permits_in_use, requests, requests_took, ..EngineFigures::default() };
        for (key, attempts) in self.counters.figures() {
            figures.integrations.entry(key).or_default().attempts = attempts;
        }
        for (key, tally) in &*self.journal.tallies.0.lock() {
            figures.integrations.entry(key.clone()).or_default().tally = *tally;
        }
        let mut worst = Worst::new(subscriptions_max);
        for account in self.loaded_accounts() {
            figures.add_account(&account, &mut worst);
        }
        (figures.subscriptions, figures.subscriptions_left_out) = worst.finish();
        self.conditions.each(|key, kind| {
            let figures = figures.integrations.entry(key.to_owned()).or_default();
            *figures.conditions.entry(kind.as_str()).or_default() += 1;
        });
        figures
    }
}

impl EngineFigures {
    fn add_account(&mut self, account: &Account, worst: &mut Worst) {
        let (matched, lanes): (_, Vec<_>) = {
            let state = account.lock();
            (state.matched, state.lanes.iter().map(Arc::clone).collect())
        };
        for lane in lanes {
            let state = lane.lock();
            if !state.listens() {
                continue;
            }
            let integration = Arc::clone(&state.spec.integration);
            let standing = Standing::from(state.courier.flow());
            let (lag, position) = (lag(matched, &state), state.courier.position());
            drop(state);
            let key = integration.key();
            let figures = match self.integrations.get_mut(key) {
                Some(figures) => figures,
                None => self.integrations.entry(key.to_owned()).or_default(),
            };
            figures.add(account.id, standing, lag, position);
            worst.see(Seen { id: lane.id, account: account.id, integration, standing, lag, position });
        }
    }
}

/// Entries without a fate.
fn lag(matched: Sequence, state: &LaneState) -> u64 {
    let is_caught_up = state.mode == Mode::Attached && state.courier.unsettled() == 0;
    if is_caught_up { 0 } else { matched.0.saturating_sub(state.courier.position().0) }
}

impl IntegrationFigures {
    fn add(&mut self, account: AccountId, standing: Standing, lag: u64, position: Sequence) {
        match standing {
            Standing::Flowing => {}
            Standing::Holding => self.holding += 1,
            Standing::Suspended => self.suspended += 1,
        }
        if lag > 0 {
            self.lag = self.lag.max(lag);
            let first = self.positions.entry(account).or_insert(position);
            *first = position.min(*first);
        }
    }
}
