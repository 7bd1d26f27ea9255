//! What subscriptions cost that have nothing to do, and what memory the rows took.

use super::super::{Bench, Found, Row, Scene, pause, processes::SinkSetup, table::Measured};

const FEW_MOST_MIB: f64 = 40.0;
const IDLE_MOST_MIB: f64 = 150.0;
const IDLE_MOST_CPU_S: f64 = 0.5;
const WORKING_MOST_MIB: f64 = 200.0;

pub fn measure(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    let scale = &bench.scale;
    let scene = Scene::start(bench, SinkSetup::default())?;
    let made = scene.subscribe_idle(scale.idle, scale.idle_make_s)?;
    // What was made has its entries indexed and checkpointed first.
    pause(std::time::Duration::from_secs(2));
    let watch = scene.watch();
    pause(scale.idle_watch);
    let cost = scene.cost(&watch, 0.0);
    let resident = mib(scene.server_usage().rss_kib);
    let cpu_a_minute = cost.server_cpu_s / cost.seconds * 60.0;
    let mut rows = vec![Row::measured(
        &format!("{made} idle subscriptions"),
        Measured {
            figure: format!("{resident:.0} MiB, {cpu_a_minute:.2} s CPU a minute"),
            target: format!("≤ {IDLE_MOST_MIB} MiB, ≤ {IDLE_MOST_CPU_S} s (with 100,000)"),
            met: (made >= 100_000).then_some(resident <= IDLE_MOST_MIB && cpu_a_minute <= IDLE_MOST_CPU_S),
            cost: Some(cost),
            ..Measured::default()
        },
    )];
    if made < 100_000 {
        rows.push(Row::new("100,000 idle subscriptions", Found::NotRun("only with --full".to_owned())));
    }
    Ok(rows)
}

pub fn memory(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    let peaks = bench.peaks.borrow();
    let row = |name: &str, peak: Option<&(String, u64)>, most: f64| match peak {
        None => Row::new(name, Found::NotRun("no row to read it from".to_owned())),
        Some((of, kib)) => Row::measured(
            name,
            Measured {
                figure: format!("{:.0} MiB ({of})", mib(*kib)),
                target: format!("≤ {most} MiB"),
                met: Some(mib(*kib) <= most),
                ..Measured::default()
            },
        ),
    };
    let few = peaks.iter().find(|(name, _)| name.starts_with("end to end"));
    let most = peaks.iter().max_by_key(|(_, kib)| *kib);
    Ok(vec![
        row("memory with few subscriptions", few, FEW_MOST_MIB),
        row("memory, the most of any row", most, WORKING_MOST_MIB),
        Row::new("memory over an hour", Found::NotRun("takes an hour".to_owned())),
    ])
}

#[expect(clippy::cast_precision_loss, reason = "memory in KiB is far below 2^52")]
fn mib(kib: u64) -> f64 {
    kib as f64 / 1_024.0
}
