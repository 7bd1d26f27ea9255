//! What subscriptions cost that have nothing to do, and what memory the rows took.

use std::time::{Duration, Instant};

use super::super::{
    Bench, Found, Row, Scene, pause,
    processes::{Sink, SinkSetup},
    scene::To,
    table::Measured,
};
use crate::http;

const FEW_MOST_MIB: f64 = 40.0;
const IDLE_MOST_MIB: f64 = 150.0;
const IDLE_MOST_CPU_S: f64 = 0.5;
const WORKING_MOST_MIB: f64 = 200.0;
/// Entries a second while memory is watched.
const WATCHED_RATE: u32 = 500;
const WATCHED_EVERY: Duration = Duration::from_secs(5);
/// How much more the last quarter may take than the second one, which has everything that is kept warm.
const FLAT_MOST: f64 = 1.1;

pub fn measure(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    let scale = &bench.scale;
    let scene = Scene::start(bench, SinkSetup::default())?;
    let made = scene.subscribe_idle(scale.idle, scale.idle_make_s)?;
    // What was made has its entries indexed and checkpointed first.
    pause(Duration::from_secs(2));
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
    let rows = [
        row("memory with few subscriptions", few, FEW_MOST_MIB),
        row("memory, the most of any row", most, WORKING_MOST_MIB),
    ];
    drop(peaks);
    Ok(rows.into_iter().chain([over_an_hour(bench)?]).collect())
}

/// What is resident while entries come in at a steady rate, go to four subscriptions, one of which hangs, and are
/// searched.
fn over_an_hour(bench: &Bench) -> anyhow::Result<Row> {
    let name = "memory over an hour";
    let watch_for = bench.scale.memory_watch;
    if watch_for.is_zero() {
        return Ok(Row::new(name, Found::NotRun("takes an hour: only with --full".to_owned())));
    }
    let scene = Scene::start(bench, SinkSetup::default())?;
    let hanging_folder = bench.row_folder()?;
    let hanging = Sink::start(scene.tools, hanging_folder.path(), SinkSetup { hangs: true, ..SinkSetup::default() })?;
    for to in [To::Post, To::Splunk, To::Elastic] {
        scene.subscribe(to, 1)?;
    }
    scene.subscribe_at(&hanging, To::Post, 1)?;
    let watch = scene.watch();
    let seconds = watch_for.as_secs();
    let load = scene.ingest_start(&format!("--conns 8 --rate {WATCHED_RATE} --duration {seconds}"))?;
    let (began, mut quarters) = (Instant::now(), [(f64::MAX, 0.0_f64); 4]);
    while began.elapsed() < watch_for {
        pause(WATCHED_EVERY);
        let list = "/api/v2/auditlog?q=parcel&limit=20";
        let searched = http::call(scene.server.address, "GET", list, Some(&scene.server.token), b"")?;
        anyhow::ensure!(searched.status == 200, "a search answers {}", searched.status);
        let resident = mib(scene.server_usage().rss_kib);
        let part = (began.elapsed().as_secs_f64() / watch_for.as_secs_f64() * 4.0).min(3.0);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is between 0 and 3")]
        let (least, most) = &mut quarters[part as usize];
        (*least, *most) = (least.min(resident), most.max(resident));
    }
    let report = load.end()?;
    anyhow::ensure!(report.all.not_accepted == 0, "{:?} {:?}", report.first_bad_answer, report.errors);
    let range = |(least, most): (f64, f64)| format!("{least:.0} to {most:.0} MiB");
    let [_, second, _, last] = quarters;
    Ok(Row::measured(
        name,
        Measured {
            figure: format!("{} in the second quarter, {} in the last", range(second), range(last)),
            target: format!("at most {FLAT_MOST} times as much"),
            met: Some(last.1 <= FLAT_MOST * second.1 && last.1 <= WORKING_MOST_MIB),
            cost: Some(scene.cost(&watch, report.cpu_s)),
            ..Measured::default()
        },
    ))
}

#[expect(clippy::cast_precision_loss, reason = "memory in KiB is far below 2^52")]
fn mib(kib: u64) -> f64 {
    kib as f64 / 1_024.0
}
