//! A server and a sink, set up for one row, and what they cost while it is measured.

use std::{thread, time::Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{
    Bench, Cost,
    processes::{Load, Server, Sink, SinkSetup, Tools},
};
use crate::{load::Report, procfs};

/// Threads that change subscriptions side by side.
const CHANGES_AT_ONCE: usize = 8;

pub(super) struct Scene<'a> {
    pub tools: &'a Tools,
    pub sink: Sink,
    pub server: Server,
    pub folder: TempDir,
}

/// The beginning of a measurement.
pub(super) struct Watch {
    at: Instant,
    server_cpu_s: f64,
    sink_cpu_s: f64,
    commits: u64,
}

/// What the subscriptions of a row are to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum To {
    /// The manifest of the benchmark, which posts each entry alone.
    Post,
    PostTls,
    Datadog,
    Splunk,
    SplunkPlain,
    Elastic,
    ElasticPlain,
}

impl To {
    /// Whether the sink has to speak TLS.
    pub fn needs_tls(self) -> bool {
        matches!(self, Self::PostTls | Self::Datadog)
    }

    fn key(self) -> &'static str {
        match self {
            Self::Post | Self::PostTls => "bench-post",
            Self::Datadog => "datadog",
            Self::Splunk => "splunk",
            Self::SplunkPlain => "bench-splunk",
            Self::Elastic => "elastic",
            Self::ElasticPlain => "bench-elastic",
        }
    }

    /// The config of the subscription with this number; each has a path, and if the sink has several
    /// hosts, the hosts take turns.
    fn config(self, sink: &Sink, number: usize) -> Value {
        let plain = format!("http://{}/s{number}", sink.plain[number % sink.plain.len()]);
        match self {
            Self::Post => json!({"url": plain}),
            Self::PostTls => {
                json!({"url": sink.tls.map_or(plain, |tls| format!("https://{tls}/s{number}"))})
            }
            Self::Datadog => json!({"apiKey": "0123456789abcdef0123456789abcdef"}),
            Self::Splunk | Self::SplunkPlain => {
                json!({"base-url": plain, "token": "bench-token", "skip-ca-verification": false})
            }
            Self::Elastic | Self::ElasticPlain => json!({"url": plain, "token": "YmVuY2g6Y2g=", "index": "bench"}),
        }
    }
}

impl<'a> Scene<'a> {
    pub fn start(bench: &'a Bench, setup: SinkSetup) -> anyhow::Result<Self> {
        Self::start_with(bench, setup, &[])
    }

    /// The same with further settings of the server, by their names in the environment.
    pub fn start_with(bench: &'a Bench, setup: SinkSetup, settings: &[(&'static str, &str)]) -> anyhow::Result<Self> {
        let folder = bench.row_folder()?;
        let sink = Sink::start(&bench.tools, folder.path(), setup)?;
        let server = Server::start(&bench.tools, folder.path(), &sink, settings)?;
        Ok(Self { tools: &bench.tools, sink, server, folder })
    }

    /// Makes `count` subscriptions that are on; their paths in the API.
    pub fn subscribe(&self, to: To, count: usize) -> anyhow::Result<Vec<String>> {
        self.subscribe_at(&self.sink, to, count)
    }

    /// Makes `count` subscriptions that are on and go to another sink.
    pub fn subscribe_at(&self, sink: &Sink, to: To, count: usize) -> anyhow::Result<Vec<String>> {
        let numbers: Vec<usize> = (0..count).collect();
        self.side_by_side(&numbers, |number| self.server.subscribe(to.key(), &to.config(sink, *number)))
    }

    /// Switches subscriptions on or off.
    pub fn switch(&self, subscriptions: &[String], on: bool) -> anyhow::Result<()> {
        self.side_by_side(subscriptions, |subscription| self.server.switch(subscription, on)).map(drop)
    }

    fn side_by_side<T: Sync, R: Send>(
        &self,
        items: &[T],
        act: impl Fn(&T) -> anyhow::Result<R> + Sync,
    ) -> anyhow::Result<Vec<R>> {
        let share = items.len().div_ceil(CHANGES_AT_ONCE).max(1);
        let act = &act;
        thread::scope(|scope| {
            let workers: Vec<_> = items
                .chunks(share)
                .map(|chunk| scope.spawn(move || chunk.iter().map(act).collect::<anyhow::Result<Vec<R>>>()))
                .collect();
            let mut done = Vec::new();
            for worker in workers {
                done.extend(worker.join().map_err(|_| anyhow::anyhow!("a change panicked"))??);
            }
            Ok(done)
        })
    }

    /// Makes subscriptions to nothing that ever happens, as many as `seconds` allow; how many.
    pub fn subscribe_idle(&self, count: u64, seconds: f64) -> anyhow::Result<u64> {
        let template = self.folder.path().join("idle.json");
        let body = json!({
            "name": "Idle {seq}", "on": true, "config": To::Post.config(&self.sink, 0),
            "statements": [{"effect": "allow", "resources": ["proj/idle-{seq}:env/*:flag/*"], "actions": ["*"]}],
        });
        std::fs::write(&template, body.to_string())?;
        let url = format!("http://{}/api/v2/integrations/bench-post", self.server.address);
        let arguments = format!("--url {url} --conns 64 --count {count} --duration {seconds}");
        let mut arguments = words(&arguments);
        arguments.extend(["--template".to_owned(), template.display().to_string()]);
        arguments.extend(["--header".to_owned(), format!("authorization: {}", self.server.token)]);
        Ok(self.tools.load(&arguments)?.all.accepted)
    }

    /// Sends entries to the server to the end of a load; `arguments` are its further options.
    pub fn ingest(&self, arguments: &str) -> anyhow::Result<Report> {
        self.ingest_start(arguments)?.end()
    }

    /// Starts to send entries to the server.
    pub fn ingest_start(&self, arguments: &str) -> anyhow::Result<Load> {
        let mut arguments = words(arguments);
        arguments.extend(["--url".to_owned(), format!("http://{}/ingest/entries", self.server.address)]);
        arguments.extend(["--header".to_owned(), format!("authorization: {}", self.server.token)]);
        self.tools.load_start(&arguments)
    }

    pub fn watch(&self) -> Watch {
        Watch {
            at: Instant::now(),
            server_cpu_s: self.server_usage().cpu_s,
            sink_cpu_s: self.sink_usage().cpu_s,
            commits: procfs::commits(&self.server.data_dir),
        }
    }

    /// What the processes have used since the watch began; `load_cpu_s` is the load's own figure.
    pub fn cost(&self, watch: &Watch, load_cpu_s: f64) -> Cost {
        let server = self.server_usage();
        Cost {
            seconds: watch.at.elapsed().as_secs_f64(),
            server_cpu_s: server.cpu_s - watch.server_cpu_s,
            load_cpu_s,
            sink_cpu_s: self.sink_usage().cpu_s - watch.sink_cpu_s,
            commits: procfs::commits(&self.server.data_dir).saturating_sub(watch.commits),
            server_peak_kib: server.rss_peak_kib,
        }
    }

    pub fn server_usage(&self) -> procfs::Usage {
        procfs::usage(self.server.pid()).unwrap_or_default()
    }

    fn sink_usage(&self) -> procfs::Usage {
        procfs::usage(self.sink.pid()).unwrap_or_default()
    }
}

/// Options that hold no blanks.
pub(super) fn words(arguments: &str) -> Vec<String> {
    arguments.split_whitespace().map(str::to_owned).collect()
}
