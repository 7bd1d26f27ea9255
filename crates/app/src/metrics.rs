//! The figures of the whole server as Prometheus reads them.

mod attempts;
mod process;
mod subscriptions;
mod text;

use std::{collections::BTreeMap, time::Duration};

use delivery::{ConditionKind, EngineFigures, IntegrationFigures};
use domain::Timestamp;
use store::SubscriptionCount;

use crate::{Action, App, Caller, DEFAULT_ACCOUNT, Error, access::account_resource};
use text::{Kind, Text};

impl App {
    /// The figures of the server in the text format of Prometheus, version 0.0.4. They tell of
    /// all accounts together, so only tokens of the account `default` may see them. Labels are
    /// integration keys, states, outcomes, reasons, and the ids of some subscriptions. Who serves
    /// requests gives how many were refused, by the limit that they passed.
    ///
    /// # Errors
    /// [`Error::Forbidden`], or what the store says.
    pub async fn metrics(&self, caller: &Caller, rate_limited: &[(&str, u64)]) -> Result<String, Error> {
        caller.authorise(Action::ViewMetrics, &account_resource())?;
        let default = self.store.account_by_name(DEFAULT_ACCOUNT).await?;
        if default.is_none_or(|default| default.id != caller.account) {
            return Err(Error::Forbidden { action: Action::ViewMetrics, resource: "the whole server".to_owned() });
        }
        let engine = self.engine.figures(self.settings.metrics_subscriptions_max);
        let ages = self.oldest_unsettled(&engine).await?;
        let ages_of_subscriptions = self.ages_of_subscriptions(&engine).await?;
        let counts = self.store.subscription_counts().await?;
        let mut text = Text::default();
        process::write(&mut text);
        text.family("auditcast_rate_limited_total", Kind::Counter, "Requests beyond what one caller may make.");
        for (limit, count) in rate_limited {
            text.sample("auditcast_rate_limited_total", &[("limit", limit)], *count);
        }
        self.write_ingest(&mut text);
        let waiting = self.store.index_waiting().await?;
        text.single(
            "auditcast_unindexed_entries",
            Kind::Gauge,
            "Entries that wait for the index of searches.",
            waiting,
        );
        write_engine(&mut text, &engine);
        write_integrations(&mut text, &engine.integrations);
        attempts::write(&mut text, &engine.integrations);
        text.family("auditcast_oldest_unsettled_seconds", Kind::Gauge, "Age of the oldest entry without a fate.");
        for (key, age) in ages {
            text.sample("auditcast_oldest_unsettled_seconds", &[("integration", key)], age.as_secs_f64());
        }
        write_states(&mut text, &counts, &engine.integrations);
        write_conditions(&mut text, &engine.integrations);
        subscriptions::write(&mut text, &engine, &ages_of_subscriptions);
        Ok(text.finish())
    }

    /// By integration key; zero where every entry has its fate.
    async fn oldest_unsettled<'a>(&self, engine: &'a EngineFigures) -> Result<BTreeMap<&'a str, Duration>, Error> {
        let of_keys = engine.integrations.iter();
        let places: Vec<_> = of_keys
            .flat_map(|(key, figures)| {
                figures.positions.iter().map(move |(account, position)| (key.as_str(), (*account, *position)))
            })
            .collect();
        let times = self.store.entry_times_after(places.iter().map(|(_, place)| *place).collect()).await?;
        let now = self.clock.now();
        let mut ages: BTreeMap<&str, Duration> =
            engine.integrations.keys().map(|key| (key.as_str(), Duration::ZERO)).collect();
        for ((key, _), received_at) in places.into_iter().zip(times) {
            let age = received_at.map_or(Duration::ZERO, |at: Timestamp| now.since(at));
            let oldest = ages.entry(key).or_default();
            *oldest = age.max(*oldest);
        }
        Ok(ages)
    }

    fn write_ingest(&self, text: &mut Text) {
        text.family("auditcast_ingest_entries_total", Kind::Counter, "Entries of ingest requests that were accepted.");
        for (result, count) in self.ingest_counts.entries() {
            text.sample("auditcast_ingest_entries_total", &[("result", result)], count);
        }
        text.family("auditcast_ingest_refused_total", Kind::Counter, "Ingest requests that were refused whole.");
        for (reason, count) in self.ingest_counts.refused() {
            text.sample("auditcast_ingest_refused_total", &[("reason", reason)], count);
        }
        let store = self.store.figures();
        text.single("auditcast_store_commits_total", Kind::Counter, "Commits, each with a sync.", store.commits);
        text.single("auditcast_store_entries_total", Kind::Counter, "Entries that were committed.", store.entries);
        let queued = store.queued_bytes;
        text.single("auditcast_store_queue_bytes", Kind::Gauge, "Bytes of entries that wait to be committed.", queued);
        let wal = store.wal_bytes;
        text.single("auditcast_store_wal_bytes", Kind::Gauge, "Length of the write-ahead log's file.", wal);
    }
}

fn write_engine(text: &mut Text, engine: &EngineFigures) {
    text.single("auditcast_permits", Kind::Gauge, "The most delivery requests in flight.", engine.permits);
    text.single("auditcast_permits_in_use", Kind::Gauge, "Delivery requests in flight.", engine.permits_in_use);
    let took = "auditcast_request_duration_seconds";
    text.family(took, Kind::Summary, "Delivery requests and test messages that have ended.");
    text.sample("auditcast_request_duration_seconds_sum", &[], engine.requests_took.as_secs_f64());
    text.sample("auditcast_request_duration_seconds_count", &[], engine.requests);
}

fn write_integrations(text: &mut Text, integrations: &BTreeMap<String, IntegrationFigures>) {
    let fates = "auditcast_delivery_entries_total";
    text.family(fates, Kind::Counter, "Entries by their fate; filtered ones are not counted.");
    for (key, figures) in integrations {
        let tally = figures.tally;
        for (outcome, count) in [("delivered", tally.delivered), ("skipped", tally.skipped), ("dead", tally.dead)] {
            text.sample(fates, &[("integration", key), ("outcome", outcome)], count);
        }
    }
    let failed = "auditcast_delivery_failures_total";
    text.family(failed, Kind::Counter, "Entries whose attempt failed, each failed attempt counted.");
    for (key, figures) in integrations {
        text.sample(failed, &[("integration", key)], figures.tally.failed);
    }
    let lag = "auditcast_lag_entries";
    text.family(lag, Kind::Gauge, "Entries without a fate of the subscription that has most of them.");
    for (key, figures) in integrations {
        text.sample(lag, &[("integration", key)], figures.lag);
    }
}

fn write_conditions(text: &mut Text, integrations: &BTreeMap<String, IntegrationFigures>) {
    let name = "auditcast_conditions";
    text.family(name, Kind::Gauge, "Subscriptions of which a condition was told that lasts.");
    for (key, figures) in integrations {
        for kind in ConditionKind::ALL {
            let count = figures.conditions.get(kind.as_str()).copied().unwrap_or_default();
            text.sample(name, &[("integration", key), ("condition", kind.as_str())], count);
        }
    }
}

fn write_states(text: &mut Text, counts: &[SubscriptionCount], integrations: &BTreeMap<String, IntegrationFigures>) {
    let name = "auditcast_subscriptions";
    text.family(name, Kind::Gauge, "Subscriptions by state.");
    for count in counts {
        let (holding, suspended) =
            integrations.get(&count.integration).map_or((0, 0), |figures| (figures.holding, figures.suspended));
        // The store and the engine were asked one after the other.
        let flowing = count.on.saturating_sub(holding + suspended);
        for (state, number) in [
            ("flowing", flowing),
            ("holding", holding),
            ("suspended", suspended),
            ("paused", count.paused),
            ("neverOn", count.never_on),
        ] {
            text.sample(name, &[("integration", &count.integration), ("state", state)], number);
        }
    }
}
