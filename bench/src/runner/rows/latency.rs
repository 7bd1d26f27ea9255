//! How long a single entry takes from its producer to its destination.

use super::super::{Bench, Row, Scene, ceilings::TIMED_RATE, processes::SinkSetup, scene::To, table::Measured};

pub fn measure(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    [("unbatched", To::Post), ("Splunk", To::Splunk)].into_iter().map(|(kind, to)| one(bench, kind, to)).collect()
}

fn one(bench: &Bench, kind: &str, to: To) -> anyhow::Result<Row> {
    let name = format!("end to end at 50/s, {kind}");
    let scene = Scene::start(bench, SinkSetup::default())?;
    scene.subscribe(to, 1)?;
    // The first entry opens connections and prepares statements.
    scene.ingest("--count 10 --rate 50")?;
    let before = scene.sink.stats()?.figures.unique;
    let watch = scene.watch();
    let report = scene.ingest(&format!("--conns 4 --rate {TIMED_RATE} --duration {}", bench.scale.latency_s))?;
    let cost = scene.cost(&watch, report.cpu_s);
    bench.remember_peak(&name, &cost);
    let latency = scene.sink.stats()?.latency;
    anyhow::ensure!(latency.count > before, "nothing was delivered");
    let (sync, trip) = (bench.ceilings.sync, bench.ceilings.round_trip);
    let (p50, p99) = (4.0 * (trip.p50_ms + sync.p50_ms), (2.0 * sync.p99_ms).max(5.0));
    Ok(Row::measured(
        &name,
        Measured {
            figure: format!("p50 {:.2} ms, p99 {:.2} ms", latency.p50_ms, latency.p99_ms),
            ceiling: format!("p50 {:.2} ms (round trip + sync)", trip.p50_ms + sync.p50_ms),
            ratio: Some(latency.p50_ms / (trip.p50_ms + sync.p50_ms).max(1e-3)),
            target: format!("p50 ≤ {p50:.2} ms (ratio 4), p99 ≤ {p99:.2} ms"),
            met: Some(latency.p50_ms <= p50 && latency.p99_ms <= p99),
            cost: Some(cost),
        },
    ))
}
