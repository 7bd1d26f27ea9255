//! How fast entries are taken in, alone and beside subscriptions.

use anyhow::Context;

use super::super::{Bench, Cost, Found, Row, Scene, processes::SinkSetup, scene::To};

/// The most that batches have to reach, in entries a second.
const BATCHED_MOST: f64 = 50_000.0;
/// The part of the store's own rate that is enough where the store is slower.
const BATCHED_SHARE: f64 = 0.6;
/// The part of the rate without the index for searches that is left with it.
const INDEX_SHARE: f64 = 0.9;
/// What is measured with the index and without: the name, the options of the load, and how many subscriptions
/// get what comes in.
const BESIDE_INDEX: [(&str, &str, usize); 3] = [
    ("ingest with the index, single entries", "--conns 64", 0),
    ("ingest with the index, batches of 100", "--conns 8 --batch 100", 0),
    ("ingest with the index, 1 subscription delivers", "--conns 64", 1),
];

pub fn single(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    let scene = Scene::start(bench, SinkSetup::default())?;
    let (rate, cost) = closed_loop(bench, &scene, "--conns 64")?;
    bench.ingest_alone.set(Some(rate));
    let name = "ingest, single entries, 64 connections";
    bench.remember_peak(name, &cost);
    Ok(vec![Row::share(name, rate, (bench.ceilings.direct, "direct"), 1.0 / 3.0, Some(cost))])
}

pub fn batches(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    let name = "ingest, batches of 100, 8 connections";
    let scene = Scene::start(bench, SinkSetup::default())?;
    let (rate, cost) = closed_loop(bench, &scene, "--conns 8 --batch 100")?;
    bench.remember_peak(name, &cost);
    let row = match bench.ceilings.store {
        Some(store) => Row::at_least(name, rate, (store, "store alone"), BATCHED_MOST.min(BATCHED_SHARE * store), cost),
        None => Row::at_least(name, rate, (bench.ceilings.direct_batch, "direct"), BATCHED_MOST, cost),
    };
    Ok(vec![row])
}

pub fn with_backlog(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    let one = beside(bench, 1)?;
    let hundred = beside(bench, 100)?;
    let alone = alone(bench)?;
    Ok(vec![
        Row::share("ingest while 1 subscription delivers", one.0, (alone, "without"), 0.5, Some(one.1)),
        Row::share("ingest while 100 have a backlog, to one", hundred.0, (one.0, "with one"), 0.85, Some(hundred.1)),
        Row::share("ingest while 100 have a backlog, to none", hundred.0, (alone, "without"), 0.5, Some(hundred.1)),
    ])
}

fn beside(bench: &Bench, subscriptions: usize) -> anyhow::Result<(f64, Cost)> {
    let scene = Scene::start(bench, SinkSetup::default())?;
    scene.subscribe(To::Post, subscriptions)?;
    let measured = closed_loop(bench, &scene, "--conns 64")?;
    bench.remember_peak(&format!("ingest beside {subscriptions}"), &measured.1);
    Ok(measured)
}

pub fn none_matches(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    let name = "ingest, none of 1,000 subscriptions matches";
    let scene = Scene::start(bench, SinkSetup::default())?;
    let made = scene.subscribe_idle(1_000, 20.0)?;
    if made < 1_000 {
        return Ok(vec![Row::new(name, Found::NotRun(format!("only {made} subscriptions could be made")))]);
    }
    let (rate, cost) = closed_loop(bench, &scene, "--conns 64")?;
    bench.remember_peak(name, &cost);
    Ok(vec![Row::share(name, rate, (alone(bench)?, "without"), 0.85, Some(cost))])
}

/// What the index for searches, which is built behind the log, takes from ingest: rates with it and without in turn.
pub fn beside_index(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    let mut rows = Vec::new();
    for (name, load, subscriptions) in BESIDE_INDEX {
        let (mut without, mut with) = (Vec::new(), Vec::new());
        for _ in 0..bench.scale.index_pairs {
            for (index, rates) in [("off", &mut without), ("on", &mut with)] {
                let settings = [("AUDITCAST_SEARCH_INDEX", index)];
                let scene = Scene::start_with(bench, SinkSetup::default(), &settings)?;
                scene.subscribe(To::Post, subscriptions)?;
                rates.push(closed_loop(bench, &scene, load)?.0);
            }
        }
        rows.push(Row::share(name, median(with), (median(without), "without it"), INDEX_SHARE, None));
    }
    Ok(rows)
}

fn median(mut rates: Vec<f64>) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates.get(rates.len() / 2).copied().unwrap_or_default()
}

/// The rate without a subscription.
fn alone(bench: &Bench) -> anyhow::Result<f64> {
    if bench.ingest_alone.get().is_none() {
        single(bench)?;
    }
    bench.ingest_alone.get().context("the rate without a subscription is not known")
}

fn closed_loop(bench: &Bench, scene: &Scene<'_>, options: &str) -> anyhow::Result<(f64, Cost)> {
    let warmup = bench.scale.warmup_s;
    let watch = scene.watch();
    let report = scene.ingest(&format!("{options} --warmup {warmup} --duration {}", warmup + bench.window()))?;
    anyhow::ensure!(report.all.accepted > 0, "nothing was accepted: {:?} {:?}", report.first_bad_answer, report.errors);
    Ok((report.accepted_per_s, scene.cost(&watch, report.cpu_s)))
}
