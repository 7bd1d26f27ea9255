//! How fast a backlog is delivered.

use std::time::Duration;

use anyhow::ensure;

use super::super::{Bench, Cost, Row, Scene, processes::SinkSetup, scene::To, wait_until};
use crate::now_us;

/// The default of the setting `delivery_window_max`.
const WINDOW_MAX: f64 = 16.0;
/// Hosts among which slow subscriptions are spread, since one host gets a share of the permits only.
const HOSTS: u8 = 10;

struct Drain {
    name: String,
    to: To,
    subscriptions: usize,
    delay_ms: u64,
    /// Deliveries that wait; fewer where less is needed.
    deliveries: u64,
}

struct Drained {
    rate: f64,
    cost: Cost,
    gzipped: bool,
}

pub fn unbatched(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    shares(bench, To::Post, "drain, unbatched", &[1, 10, 100], 1.0 / 3.0)
}

pub fn over_tls(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    shares(bench, To::PostTls, "drain, unbatched over TLS", bench.scale.tls_subscriptions, 0.6 / 3.0)
}

pub fn datadog(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    shares(bench, To::Datadog, "drain, Datadog over TLS", &[1], 0.6 / 3.0)
}

fn shares(bench: &Bench, to: To, name: &str, counts: &[usize], least: f64) -> anyhow::Result<Vec<Row>> {
    let rows = counts.iter().map(|subscriptions| {
        let name = format!("{name}, {subscriptions} to deliver to");
        let spec = Drain { name, to, subscriptions: *subscriptions, delay_ms: 0, deliveries: bench.scale.backlog };
        let drained = drain(bench, &spec)?;
        Ok(Row::share(&spec.name, drained.rate, (bench.ceilings.direct, "direct"), least, Some(drained.cost)))
    });
    rows.collect()
}

pub fn batched(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    let kinds = [
        ("Splunk", To::SplunkPlain, 60_000.0),
        ("Elastic", To::ElasticPlain, 60_000.0),
        ("Splunk, gzip", To::Splunk, 25_000.0),
        ("Elastic, gzip", To::Elastic, 25_000.0),
    ];
    let rows = kinds.into_iter().map(|(kind, to, least)| {
        let name = format!("drain, batched, {kind}");
        // Batches go faster than single entries; what waits has to last.
        let spec = Drain { name, to, subscriptions: 1, delay_ms: 0, deliveries: bench.scale.backlog * 2 };
        let drained = drain(bench, &spec)?;
        ensure!(
            drained.gzipped == kind.ends_with("gzip"),
            "{}: bodies are compressed, or not, as unexpected",
            spec.name
        );
        Ok(Row::at_least(&spec.name, drained.rate, (bench.ceilings.direct_batch, "direct"), least, drained.cost))
    });
    rows.collect()
}

pub fn slow_sink(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    let spec = |name: &str, subscriptions, rate: f64| Drain {
        name: name.to_owned(),
        to: To::Post,
        subscriptions,
        delay_ms: 100,
        // More than can be delivered in the time.
        deliveries: whole(rate * bench.window() * 2.0),
    };
    let most = WINDOW_MAX / 0.1;
    let one = spec("sink at 100 ms, 1 to deliver to", 1, most);
    let hundred = spec("sink at 100 ms, 100 to deliver to", 100, 10_000.0);
    let (of_one, of_hundred) = (drain(bench, &one)?, drain(bench, &hundred)?);
    Ok(vec![
        Row::share(&one.name, of_one.rate, (most, "window / 0.1 s"), 0.9, Some(of_one.cost)),
        Row::at_least(&hundred.name, of_hundred.rate, (bench.ceilings.direct, "direct"), 5_000.0, of_hundred.cost),
    ])
}

fn drain(bench: &Bench, spec: &Drain) -> anyhow::Result<Drained> {
    let hosts = if spec.delay_ms > 0 && spec.subscriptions > 1 { HOSTS } else { 0 };
    let scene =
        Scene::start(bench, SinkSetup { tls: spec.to.needs_tls(), delay_ms: spec.delay_ms, hosts, hangs: false })?;
    let subscriptions = scene.subscribe(spec.to, spec.subscriptions)?;
    scene.switch(&subscriptions, false)?;
    let entries = (spec.deliveries / spec.subscriptions as u64).max(100);
    let stored = scene.ingest(&format!("--conns 8 --batch 100 --count {entries} --duration 120"))?.all.accepted;
    ensure!(stored == entries, "{stored} of {entries} entries were accepted");
    let total = stored * spec.subscriptions as u64;

    let watch = scene.watch();
    scene.switch(&subscriptions, true)?;
    let (resumed, resumed_us) = (scene.sink.stats()?.figures, now_us());
    let limit = Duration::from_secs_f64(bench.window() + 0.5);
    wait_until(limit, || Ok(scene.sink.stats()?.figures.unique >= total))?;
    let (end, end_us) = (scene.sink.stats()?.figures, now_us());
    let cost = scene.cost(&watch, 0.0);
    bench.remember_peak(&spec.name, &cost);
    ensure!(end.unique > 0, "nothing was delivered");
    let until_us = if end.unique >= total { end.last_us } else { end_us };
    // The time in which the subscriptions were switched on one after the other counts only where most
    // of the backlog went in it.
    let rate = if resumed.unique * 2 > total {
        rate(end.unique, end.first_us, until_us)
    } else {
        rate(end.unique - resumed.unique, resumed_us, until_us)
    };
    if end.duplicates > 0 {
        eprintln!("    {} deliveries came twice", end.duplicates);
    }
    Ok(Drained { rate, cost, gzipped: end.gzipped > 0 })
}

#[expect(clippy::cast_precision_loss, reason = "counts and microseconds of a run are far below 2^52")]
fn rate(deliveries: u64, from_us: u64, until_us: u64) -> f64 {
    deliveries as f64 / (until_us.saturating_sub(from_us).max(1) as f64 / 1e6)
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a positive number of entries")]
fn whole(number: f64) -> u64 {
    number as u64
}
