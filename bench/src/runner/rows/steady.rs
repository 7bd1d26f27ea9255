//! The highest rate of entries that one subscription keeps up with.

use std::time::Duration;

use super::super::{Bench, Cost, Row, Scene, processes::SinkSetup, scene::To, table::per_second, wait_until};

/// All has to be delivered so long after the end.
const AFTER: Duration = Duration::from_secs(2);
/// The most that may be under way at the end, as seconds of the rate: a lag that grows passes it.
const LAG_MAX_S: f64 = 0.25;
/// How far a rate is raised or lowered to find one that fails or holds.
const STEP: f64 = 1.5;
/// How far it is lowered when it held shortly and not for long, and how often.
const LONG_STEP: f64 = 1.15;
const LONG_TRIES: usize = 3;

pub fn measure(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    let name = "steady, one unbatched subscription";
    let direct = bench.ceilings.direct;
    let (mut held, mut failed): (Option<f64>, Option<f64>) = (None, None);
    let mut rate = direct / 8.0;
    for _ in 0..bench.scale.steady_tries {
        let holds = holds(bench, rate, bench.scale.steady_try_s)?.is_some();
        eprintln!("    {} {}", per_second(rate), if holds { "holds" } else { "does not hold" });
        match holds {
            true => held = Some(rate),
            false => failed = Some(rate),
        }
        rate = match (held, failed) {
            (Some(held), Some(failed)) => f64::midpoint(held, failed),
            (Some(held), None) => held * STEP,
            (None, _) => rate / STEP,
        };
    }
    // A rate that held shortly need not hold for long.
    let mut rate = held.unwrap_or(rate);
    for _ in 0..LONG_TRIES {
        if let Some(cost) = holds(bench, rate, bench.scale.steady_s)? {
            bench.remember_peak(name, &cost);
            return Ok(vec![Row::share(name, rate, (direct, "direct"), 1.0 / 8.0, Some(cost))]);
        }
        eprintln!("    {} does not hold for long", per_second(rate));
        rate /= LONG_STEP;
    }
    Ok(vec![Row::share(name, 0.0, (direct, "direct"), 1.0 / 8.0, None)])
}

/// What a rate costs, if it holds.
fn holds(bench: &Bench, rate: f64, seconds: f64) -> anyhow::Result<Option<Cost>> {
    let scene = Scene::start(bench, SinkSetup::default())?;
    scene.subscribe(To::Post, 1)?;
    let watch = scene.watch();
    let report = scene.ingest(&format!("--conns 64 --rate {rate} --duration {seconds}"))?;
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    let under_way = report.all.accepted.saturating_sub(scene.sink.stats()?.figures.unique) as f64;
    let cost = scene.cost(&watch, report.cpu_s);
    // A server that does not take the entries in time does not hold the rate either.
    let on_time = report.all.not_accepted == 0 && report.behind.p99_ms < LAG_MAX_S * 1_000.0;
    let all_delivered = || Ok(scene.sink.stats()?.figures.unique >= report.all.accepted);
    let holds = on_time && under_way <= rate * LAG_MAX_S && wait_until(AFTER, all_delivered)?;
    Ok(holds.then_some(cost))
}
