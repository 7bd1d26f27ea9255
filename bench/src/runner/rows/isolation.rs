//! Whether destinations that hang change anything for those that answer.

use super::super::{
    Bench, Row, Scene,
    processes::{Sink, SinkSetup},
    scene::To,
    table::Measured,
    wait_until,
};
use crate::procfs;

/// Subscriptions whose destination answers, and entries a second for each of them.
const HEALTHY: usize = 100;
const RATE: f64 = 10.0;
/// Subscriptions whose destination takes every request and never answers, and the hosts of these.
const HANGING: usize = 1_000;
const HANGING_HOSTS: u8 = 10;
/// The lag of the healthy ones may be twice what it is without the others, or this.
const MOST_MS: f64 = 20.0;
/// The default of the setting `delivery_permits`: more requests are never in flight.
const PERMITS: usize = 1_024;
/// Files and idle connections beside those of requests in flight.
const OTHER_FILES: usize = 300;

struct Lag {
    p50_ms: f64,
    p99_ms: f64,
}

pub fn measure(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    let scene = Scene::start(bench, SinkSetup::default())?;
    scene.subscribe(To::Post, HEALTHY)?;
    lag(bench, &scene)?;
    let without = lag(bench, &scene)?;

    let folder = bench.row_folder()?;
    let hanging =
        Sink::start(scene.tools, folder.path(), SinkSetup { hosts: HANGING_HOSTS, hangs: true, ..Default::default() })?;
    scene.subscribe_at(&hanging, To::Post, HANGING)?;
    scene.ingest("--count 20 --rate 20")?;
    // As many requests as there can be are under way before anything is measured.
    wait_until(bench.scale.kill_wait, || Ok(hanging.stats()?.figures.requests >= PERMITS as u64 / 2))?;
    let watch = scene.watch();
    let with = lag(bench, &scene)?;
    let cost = scene.cost(&watch, 0.0);
    bench.remember_peak("isolation", &cost);
    let files = procfs::open_files(scene.server.pid())?;
    let most = (2.0 * without.p99_ms).max(MOST_MS);
    let unanswered = hanging.stats()?.figures.requests;
    Ok(vec![Row::measured(
        &format!("lag of {HEALTHY} subscriptions beside {HANGING} that hang"),
        Measured {
            figure: format!(
                "p50 {:.2} ms, p99 {:.2} ms; {files} files open, {unanswered} requests without an answer",
                with.p50_ms, with.p99_ms
            ),
            ceiling: format!("p50 {:.2} ms, p99 {:.2} ms (without them)", without.p50_ms, without.p99_ms),
            ratio: Some(with.p99_ms / without.p99_ms.max(1e-3)),
            target: format!("p99 ≤ {most:.2} ms, ≤ {} files", PERMITS + OTHER_FILES),
            met: Some(with.p99_ms <= most && files <= PERMITS + OTHER_FILES),
            cost: Some(cost),
        },
    )])
}

/// The lag of the healthy ones while entries come at an even pace.
fn lag(bench: &Bench, scene: &Scene<'_>) -> anyhow::Result<Lag> {
    scene.sink.reset()?;
    let report = scene.ingest(&format!("--conns 8 --rate {RATE} --duration {}", bench.window()))?;
    let expected = report.all.accepted * HEALTHY as u64;
    let all_came = wait_until(bench.scale.kill_wait, || Ok(scene.sink.stats()?.figures.unique >= expected))?;
    anyhow::ensure!(all_came, "{} of {expected} deliveries came", scene.sink.stats()?.figures.unique);
    let latency = scene.sink.stats()?.latency;
    Ok(Lag { p50_ms: latency.p50_ms, p99_ms: latency.p99_ms })
}
