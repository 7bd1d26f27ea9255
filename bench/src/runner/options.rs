//! The options of the runner, and how large and long its rows are.

use std::{path::PathBuf, time::Duration};

use clap::Parser;

/// Runs the benchmark and prints one table. The binaries have to be built (`make bench` does).
#[derive(Clone, Debug, Parser)]
#[command(name = "bench", version)]
pub struct Options {
    /// Two seconds a row, less than two minutes in all.
    #[arg(long, conflicts_with = "full")]
    pub quick: bool,
    /// The sizes of the targets themselves: 10,000,000 stored entries, 100,000 subscriptions. Takes two
    /// hours and 40 GB of disk.
    #[arg(long)]
    pub full: bool,
    /// Only rows whose name contains one of these; may be repeated.
    #[arg(long)]
    pub only: Vec<String>,
    /// Folder with the release binaries.
    #[arg(long, default_value = "target/release")]
    pub bin_dir: PathBuf,
    /// The project's folder, for the integrations.
    #[arg(long, default_value = ".")]
    pub root: PathBuf,
    /// Where the data of the measured servers goes, into a folder that is removed at the end; its disk is
    /// the one that is measured.
    #[arg(long, default_value = "target")]
    pub dir: PathBuf,
    /// Page into which the table is written, between its markers, unless rows were chosen by --only.
    #[arg(long)]
    pub docs: Option<PathBuf>,
    /// A sentence about the run, written above its table.
    #[arg(long, default_value = "")]
    pub note: String,
}

impl Options {
    /// Whether a row is asked for.
    pub(super) fn wants(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|part| name.contains(part.as_str()))
    }

    pub(super) fn scale(&self) -> Scale {
        match (self.quick, self.full) {
            (true, _) => QUICK,
            (_, true) => FULL,
            _ => DEFAULT,
        }
    }
}

/// How large and how long the rows are. Lengths are in seconds.
#[derive(Clone, Debug)]
pub(super) struct Scale {
    pub name: &'static str,
    /// No further row begins after this.
    pub time: Duration,
    /// What a rate is measured over.
    pub window_s: f64,
    /// What is left out before it.
    pub warmup_s: f64,
    /// Each try of a rate, and the last one.
    pub steady_try_s: f64,
    pub steady_s: f64,
    pub steady_tries: usize,
    /// Times of single entries.
    pub latency_s: f64,
    /// Deliveries that wait when a backlog is drained.
    pub backlog: u64,
    /// How many subscriptions drain over TLS, a row each.
    pub tls_subscriptions: &'static [usize],
    /// Entries stored, and of them undelivered, before a kill.
    pub kill_stored: u64,
    pub kill_undelivered: u64,
    /// How long the deliveries after a kill are waited for.
    pub kill_wait: Duration,
    /// Idle subscriptions, how long making them may take, and how long they are watched.
    pub idle: u64,
    pub idle_make_s: f64,
    pub idle_watch: Duration,
    /// How long memory is watched under a steady load; not at all when zero.
    pub memory_watch: Duration,
    /// How often ingest is measured with and without the index for searches.
    pub index_pairs: usize,
    /// How many entries there are when searches are timed.
    pub searched: &'static [u64],
}

const QUICK: Scale = Scale {
    name: "quick",
    time: Duration::from_secs(108),
    window_s: 2.0,
    warmup_s: 0.3,
    steady_try_s: 1.5,
    steady_s: 3.0,
    steady_tries: 3,
    latency_s: 2.0,
    backlog: 30_000,
    tls_subscriptions: &[10],
    kill_stored: 50_000,
    kill_undelivered: 10_000,
    kill_wait: Duration::from_secs(8),
    idle: 5_000,
    idle_make_s: 3.0,
    idle_watch: Duration::from_secs(2),
    memory_watch: Duration::ZERO,
    index_pairs: 1,
    searched: &[100_000],
};

const DEFAULT: Scale = Scale {
    name: "default",
    time: Duration::from_secs(780),
    window_s: 6.0,
    warmup_s: 1.0,
    steady_try_s: 4.0,
    steady_s: 30.0,
    steady_tries: 5,
    latency_s: 15.0,
    backlog: 200_000,
    tls_subscriptions: &[1, 10, 100],
    kill_stored: 1_000_000,
    kill_undelivered: 100_000,
    kill_wait: Duration::from_secs(60),
    idle: 20_000,
    idle_make_s: 30.0,
    idle_watch: Duration::from_secs(15),
    memory_watch: Duration::ZERO,
    index_pairs: 3,
    searched: &[100_000, 1_000_000],
};

const FULL: Scale = Scale {
    name: "full",
    time: Duration::from_secs(7_200),
    window_s: 10.0,
    warmup_s: 2.0,
    steady_try_s: 6.0,
    steady_s: 30.0,
    steady_tries: 8,
    latency_s: 60.0,
    backlog: 600_000,
    tls_subscriptions: &[1, 10, 100],
    kill_stored: 10_000_000,
    kill_undelivered: 1_000_000,
    kill_wait: Duration::from_secs(600),
    idle: 100_000,
    idle_make_s: 600.0,
    idle_watch: Duration::from_secs(60),
    memory_watch: Duration::from_secs(3_600),
    index_pairs: 5,
    searched: &[100_000, 1_000_000, 10_000_000],
};

impl Scale {
    /// A line about the run.
    pub fn describe(&self, took: Duration) -> String {
        let Self { name, window_s, steady_s, backlog, .. } = self;
        format!(
            "Run `{name}`, {} s in all: rates over {window_s} s, the steady rate over {steady_s} s, backlogs of up to \
             {backlog} deliveries.",
            took.as_secs()
        )
    }
}
