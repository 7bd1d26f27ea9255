//! The subscriptions that fare worst, one by one.

use std::time::Duration;

use delivery::{EngineFigures, SubscriptionFigures};

use super::text::{Kind, Text};
use crate::{App, Error};

impl App {
    /// How long ago the oldest entry without a fate was received, for each single subscription;
    /// zero where every entry has its fate.
    pub(super) async fn ages_of_subscriptions(&self, engine: &EngineFigures) -> Result<Vec<Duration>, Error> {
        let is_behind = |one: &&SubscriptionFigures| one.lag > 0;
        let places = engine.subscriptions.iter().filter(is_behind).map(|one| (one.account, one.position)).collect();
        let mut times = self.store.entry_times_after(places).await?.into_iter();
        let now = self.clock.now();
        let age = |one: &SubscriptionFigures| {
            let received_at = if one.lag > 0 { times.next().flatten() } else { None };
            received_at.map_or(Duration::ZERO, |at| now.since(at))
        };
        Ok(engine.subscriptions.iter().map(age).collect())
    }
}

pub(super) fn write(text: &mut Text, engine: &EngineFigures, ages: &[Duration]) {
    let all = || engine.subscriptions.iter().map(|one| (one, one.id.to_string()));
    let state = "auditcast_subscription_state";
    text.family(state, Kind::Gauge, "1 for the state in which the subscription is.");
    for (one, id) in all() {
        text.sample(state, &[("integration", &one.integration), ("subscription", &id), ("state", one.state)], 1);
    }
    let lag = "auditcast_subscription_lag_entries";
    text.family(lag, Kind::Gauge, "Entries of the subscription without a fate.");
    for (one, id) in all() {
        text.sample(lag, &[("integration", &one.integration), ("subscription", &id)], one.lag);
    }
    let oldest = "auditcast_subscription_oldest_unsettled_seconds";
    text.family(oldest, Kind::Gauge, "Age of the oldest entry of the subscription without a fate.");
    for ((one, id), age) in all().zip(ages) {
        text.sample(oldest, &[("integration", &one.integration), ("subscription", &id)], age.as_secs_f64());
    }
    let left_out = engine.subscriptions_left_out;
    let help = "Subscriptions that are on and not told of one by one.";
    text.single("auditcast_subscriptions_left_out", Kind::Gauge, help, left_out);
}
