//! What bounds the figures on this machine, measured in the same run: load and sink without a server
//! between, the store without HTTP, the disk without a store.

use std::{
    fs::{self, File},
    os::unix::fs::FileExt,
    path::Path,
    time::{Duration, Instant},
};

use super::{
    options::Scale,
    pause,
    processes::{Sink, SinkSetup, Tools},
    scene::words,
    table::{Cost, Measured, Row, per_second},
};
use crate::{
    hist::{Summary, Times},
    load::Report,
};

/// The rate at which single entries are timed, here and in the rows.
pub(super) const TIMED_RATE: f64 = 50.0;
/// The size of the writes that are synced: a page of the database and its frame.
const WRITE_BYTES: usize = 8_192 + 24;
/// So many of them fill the file, before the next one is written over the first.
const WRITES_BEFORE_THE_START: u64 = 1_000;

/// The ceilings of the run.
pub(super) struct Ceilings {
    /// Single entries a second from load to sink, over 64 connections.
    pub direct: f64,
    /// Entries a second in batches of 100, over 8 connections.
    pub direct_batch: f64,
    /// Entries a second that the store commits in batches of 100; nothing where that is not built.
    pub store: Option<f64>,
    /// A write and its sync, one at a time.
    pub sync: Summary,
    /// A request from load to sink and its answer, at 50 a second.
    pub round_trip: Summary,
    costs: Vec<Cost>,
}

pub(super) fn measure(tools: &Tools, scale: &Scale, folder: &Path) -> anyhow::Result<Ceilings> {
    eprintln!("==> direct, store and disk");
    let folder = tempfile::tempdir_in(folder)?;
    let mut costs = Vec::new();
    let mut direct = |options: &str| -> anyhow::Result<Report> {
        let sink = Sink::start(tools, folder.path(), SinkSetup::default())?;
        let (warmup, window) = (scale.warmup_s, scale.window_s);
        let options =
            format!("--url http://{}/x --warmup {warmup} --duration {} {options}", sink.plain[0], warmup + window);
        let report = tools.load(&words(&options))?;
        let stats = sink.stats()?;
        anyhow::ensure!(stats.figures.unique == report.all.accepted, "the sink counts other entries than the load");
        let seconds = warmup + window;
        costs.push(Cost { seconds, load_cpu_s: report.cpu_s, sink_cpu_s: stats.cpu_s, ..Cost::default() });
        Ok(report)
    };
    let single = direct("--conns 64")?.accepted_per_s;
    let batch = direct("--conns 8 --batch 100")?.accepted_per_s;
    let round_trip = direct(&format!("--conns 4 --rate {TIMED_RATE}"))?.latency;
    let sync = syncs(folder.path(), Duration::from_secs_f64(scale.latency_s))?;
    let store = folder.path().join("store");
    fs::create_dir(&store)?;
    let store = tools.store_rate(&store)?;
    Ok(Ceilings { direct: single, direct_batch: batch, store, sync, round_trip, costs })
}

/// Writes and syncs at the pace of the timed entries, since a disk that rests between is slower.
///
/// The space is there before and is written over, as a write-ahead log does it once it has been
/// checkpointed: a file that grows makes the file system write more than the data.
fn syncs(folder: &Path, time: Duration) -> anyhow::Result<Summary> {
    let file = File::create(folder.join("synced"))?;
    let page = vec![7; WRITE_BYTES];
    let place = |write: u64| (write % WRITES_BEFORE_THE_START) * WRITE_BYTES as u64;
    for write in 0..WRITES_BEFORE_THE_START {
        file.write_all_at(&page, place(write))?;
    }
    file.sync_all()?;
    let mut times = Times::default();
    let began = Instant::now();
    for write in 0.. {
        if began.elapsed() >= time {
            break;
        }
        let asked = Instant::now();
        file.write_all_at(&page, place(write))?;
        file.sync_data()?;
        times.record(u64::try_from(asked.elapsed().as_micros()).unwrap_or(u64::MAX));
        pause(Duration::from_secs_f64(1.0 / TIMED_RATE).saturating_sub(asked.elapsed()));
    }
    Ok(times.summary())
}

impl Ceilings {
    /// The ceilings as rows of the table.
    pub fn rows(&self) -> Vec<Row> {
        let row = |name: &str, figure: String, cost: Option<&Cost>| {
            Row::measured(name, Measured { figure, cost: cost.copied(), ..Measured::default() })
        };
        let times = |summary: &Summary| format!("p50 {:.2} ms, p99 {:.2} ms", summary.p50_ms, summary.p99_ms);
        vec![
            row("direct, single entries", per_second(self.direct), self.costs.first()),
            row("direct, batches of 100", per_second(self.direct_batch), self.costs.get(1)),
            row("direct round trip at 50/s", times(&self.round_trip), self.costs.get(2)),
            row("bare write and fdatasync at 50/s", times(&self.sync), None),
            row("store alone, batches of 100", self.store.map_or("not built".to_owned(), per_second), None),
        ]
    }
}
