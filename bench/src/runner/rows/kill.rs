//! What a kill -9 in the middle of work leaves.

use std::{
    fs,
    time::{Duration, Instant},
};

use anyhow::ensure;

use super::super::{Bench, Found, Row, Scene, pause, processes::SinkSetup, scene::To, table::Measured, wait_until};
use crate::recon::{Reconciled, reconcile};

/// How long the server works between the switching on of the backlog and the kill.
const BEFORE_THE_KILL: Duration = Duration::from_millis(300);
/// What is reached after a restart.
const READY_MOST_S: f64 = 1.0;
const FIRST_DELIVERY_MOST_S: f64 = 2.0;

pub fn measure(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    let scale = &bench.scale;
    let mut scene = Scene::start(bench, SinkSetup::default())?;
    let before = scale.kill_stored - scale.kill_undelivered;
    scene.ingest(&format!("--conns 8 --batch 100 --count {before} --duration 900"))?;
    let subscriptions = scene.subscribe(To::Post, 1)?;
    scene.switch(&subscriptions, false)?;
    let files = ["backlog", "beside"].map(|name| scene.folder.path().join(name));
    let [backlog, beside] = files.each_ref().map(|file| file.display());
    let undelivered = scale.kill_undelivered;
    scene.ingest(&format!("--conns 8 --batch 100 --count {undelivered} --duration 120 --ids-out {backlog}"))?;
    let load =
        scene.ingest_start(&format!("--conns 16 --rate 500 --duration 1 --timeout-ms 2000 --ids-out {beside}"))?;
    scene.switch(&subscriptions, true)?;
    pause(BEFORE_THE_KILL);
    scene.server.kill()?;
    let killed = scene.sink.stats()?.figures;
    load.end()?;

    let began = Instant::now();
    scene.server.launch_again(scene.tools, scene.folder.path())?;
    scene.server.wait_until_ready()?;
    let ready_s = began.elapsed().as_secs_f64();
    let sink = &scene.sink;
    wait_until(Duration::from_secs(30), || Ok(sink.stats()?.figures.requests > killed.requests))?;
    let first_s = began.elapsed().as_secs_f64();
    let watch = scene.watch();
    let accepted: String = files.iter().map(fs::read_to_string).collect::<Result<_, _>>()?;
    let acknowledged = accepted.lines().filter(|line| line.starts_with('A')).count() as u64;
    wait_until(scale.kill_wait, || Ok(scene.sink.stats()?.figures.unique >= acknowledged))?;
    // What was not acknowledged may come too, and its places count as well.
    let found = settled(bench, &scene, &accepted)?;
    let cost = scene.cost(&watch, 0.0);
    bench.remember_peak("kill", &cost);
    ensure!(found.accepted > 0, "nothing was acknowledged before the kill");
    Ok(rows(bench, &found, undelivered.saturating_sub(killed.unique), (ready_s, first_s), cost))
}

/// Compares until nothing is missing any more, or no further time is left.
fn settled(bench: &Bench, scene: &Scene<'_>, accepted: &str) -> anyhow::Result<Reconciled> {
    let deadline = Instant::now() + bench.scale.kill_wait;
    loop {
        let delivered = scene.sink.ids()?;
        let found = reconcile(accepted.lines(), delivered.lines(), 1).map_err(anyhow::Error::msg)?;
        if found.lost_entries == 0 || Instant::now() > deadline {
            return Ok(found);
        }
        pause(Duration::from_secs(1));
    }
}

fn rows(
    bench: &Bench,
    found: &Reconciled,
    undelivered: u64,
    (ready_s, first_s): (f64, f64),
    cost: super::super::Cost,
) -> Vec<Row> {
    let stored = bench.scale.kill_stored;
    let name = format!("after kill -9, {stored} stored and {undelivered} undelivered");
    let Reconciled { accepted, lost_entries, extra_deliveries, .. } = found;
    let met = *lost_entries == 0 && ready_s <= READY_MOST_S && first_s <= FIRST_DELIVERY_MOST_S;
    let mut rows = vec![Row::measured(
        &name,
        Measured {
            figure: format!(
                "{lost_entries} of {accepted} missing, {extra_deliveries} twice; ready {ready_s:.2} s, first delivery {first_s:.2} s"
            ),
            target: format!("0 missing; ready ≤ {READY_MOST_S} s, first delivery ≤ {FIRST_DELIVERY_MOST_S} s"),
            met: Some(met),
            cost: Some(cost),
            ..Measured::default()
        },
    )];
    if stored < 10_000_000 {
        let why = "at 10,000,000 stored and 1,000,000 undelivered: only with --full".to_owned();
        rows.push(Row::new("after kill -9, in full size", Found::NotRun(why)));
    }
    rows
}
