//! What the engine counts since its start, and how it stands; by integration key, so that
//! neither accounts nor subscriptions show in it.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use domain::{AccountId, Sequence};
use parking_lot::Mutex;

use super::{Engine, Inner};
use crate::{
    account::Account,
    courier::{Courier, Flow},
    lane::{Lane, LaneState, Mode},
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
}

/// The same for the subscriptions to one integration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IntegrationFigures {
    /// The fates that were written down, and the failed attempts.
    pub tally: Tally,
    /// Subscriptions that wait for a time.
    pub holding: u64,
    /// Subscriptions whose configuration is wrong.
    pub suspended: u64,
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

/// The tallies of all integrations.
#[derive(Default)]
pub(crate) struct Tallies(Mutex<BTreeMap<String, Tally>>);

impl Tallies {
    /// Adds what has come since the lane was last counted.
    pub(crate) fn count(&self, lane: &Lane) {
        let mut state = lane.lock();
        let now = Tally::of(&state.courier);
        let before = std::mem::replace(&mut state.counted, now);
        if before == now {
            return;
        }
        let key = state.spec.integration.key();
        let mut tallies = self.0.lock();
        match tallies.get_mut(key) {
            Some(tally) => tally.add_change(before, now),
            None => tallies.entry(key.to_owned()).or_default().add_change(before, now),
        }
    }
}

impl Engine {
    /// How the engine stands, and what it did since its start.
    pub fn figures(&self) -> EngineFigures {
        self.inner.figures()
    }
}

impl Inner {
    fn figures(&self) -> EngineFigures {
        let (requests, requests_took) = self.client.figures();
        let (permits, permits_in_use) = self.permits.figures();
        let mut figures =
            EngineFigures { permits, permits_in_use, requests, requests_took, integrations: BTreeMap::new() };
        for (key, tally) in &*self.journal.tallies.0.lock() {
            figures.integrations.entry(key.clone()).or_default().tally = *tally;
        }
        for account in self.loaded_accounts() {
            figures.add_account(&account);
        }
        figures
    }
}

impl EngineFigures {
    fn add_account(&mut self, account: &Account) {
        let (matched, lanes): (_, Vec<_>) = {
            let state = account.lock();
            (state.matched, state.lanes.values().map(Arc::clone).collect())
        };
        for lane in lanes {
            let state = lane.lock();
            let key = state.spec.integration.key();
            let figures = match self.integrations.get_mut(key) {
                Some(figures) => figures,
                None => self.integrations.entry(key.to_owned()).or_default(),
            };
            figures.add_lane(account.id, matched, &state);
        }
    }
}

impl IntegrationFigures {
    fn add_lane(&mut self, account: AccountId, matched: Sequence, state: &LaneState) {
        if !state.listens() {
            return;
        }
        match state.courier.flow() {
            Flow::Flowing => {}
            Flow::Holding(_) => self.holding += 1,
            Flow::Suspended(_) => self.suspended += 1,
        }
        let is_caught_up = state.mode == Mode::Attached && state.courier.unsettled() == 0;
        let position = state.courier.position();
        if is_caught_up || position >= matched {
            return;
        }
        self.lag = self.lag.max(matched.0 - position.0);
        let first = self.positions.entry(account).or_insert(position);
        *first = position.min(*first);
    }
}
