//! What a load counts.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, Write},
    path::Path,
    time::Duration,
};

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::{
    hist::{Summary, Times},
    procfs,
};

/// A request that has ended.
pub(super) struct Request {
    pub seq: u64,
    pub entries: u64,
    /// When it should have been sent; only in the open loop.
    pub due: Option<Instant>,
    pub started: Instant,
    pub done: Instant,
    pub done_us: u64,
    pub bytes: u64,
    /// The status and, where it is no success, the beginning of the body; or why there is no answer.
    pub answer: Result<(u16, String), &'static str>,
}

pub(super) struct Tally {
    /// The figures cover the time from here…
    warm: Instant,
    /// …to here.
    deadline: Instant,
    last_done: Instant,
    cut_short: bool,
    measured: Accepted,
    all: Accepted,
    bytes: u64,
    statuses: BTreeMap<u16, u64>,
    errors: BTreeMap<String, u64>,
    first_bad_answer: Option<String>,
    latency: Times,
    behind: Times,
    ids: Option<Vec<Ids>>,
}

/// Entries that ended one way, next to one another.
struct Ids {
    accepted: bool,
    seq: u64,
    entries: u64,
    done_us: u64,
}

/// Counts of requests and their entries.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Accepted {
    /// Requests that ended, with whatever answer.
    pub requests: u64,
    /// Entries of those that were answered 2xx.
    pub accepted: u64,
    /// Entries of all others.
    pub not_accepted: u64,
}

impl Accepted {
    fn add(&mut self, entries: u64, accepted: bool) {
        self.requests += 1;
        match accepted {
            true => self.accepted += entries,
            false => self.not_accepted += entries,
        }
    }
}

/// The result of a load.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Report {
    /// The number of the run in the ids of its entries.
    pub run: u32,
    /// The time that the figures cover, in seconds.
    pub seconds: f64,
    /// Counts within that time.
    pub measured: Accepted,
    /// Counts of the whole load, the warm-up too.
    pub all: Accepted,
    /// Accepted entries a second, within that time.
    pub accepted_per_s: f64,
    /// The mean size of a request, in bytes.
    pub request_bytes_mean: u64,
    /// Requests by the status of their answer.
    pub statuses: BTreeMap<u16, u64>,
    /// Requests without an answer, by what went wrong.
    pub errors: BTreeMap<String, u64>,
    /// Status and beginning of the first answer that is no success.
    pub first_bad_answer: Option<String>,
    /// From the start of a request to the end of its answer; of accepted requests only.
    pub latency: Summary,
    /// How late requests were sent in the open loop. Above a few milliseconds the server did not keep
    /// up or there were too few connections, and `latency` understates the wait.
    pub behind: Summary,
    /// CPU time of the load generator, in seconds.
    pub cpu_s: f64,
}

impl Tally {
    pub fn new(warm: Instant, deadline: Instant, with_ids: bool) -> Self {
        Self {
            warm,
            deadline,
            last_done: warm,
            cut_short: true,
            measured: Accepted::default(),
            all: Accepted::default(),
            bytes: 0,
            statuses: BTreeMap::new(),
            errors: BTreeMap::new(),
            first_bad_answer: None,
            latency: Times::default(),
            behind: Times::default(),
            ids: with_ids.then(Vec::new),
        }
    }

    pub fn add(&mut self, request: Request) {
        let Request { seq, entries, due, started, done, done_us, bytes, answer } = request;
        let accepted = matches!(answer, Ok((200..=299, _)));
        self.all.add(entries, accepted);
        if let Some(ids) = &mut self.ids {
            ids.push(Ids { accepted, seq, entries, done_us });
        }
        match answer {
            Ok((status, text)) => {
                *self.statuses.entry(status).or_default() += 1;
                if !accepted && self.first_bad_answer.is_none() {
                    self.first_bad_answer = Some(format!("{status}: {text}"));
                }
            }
            Err(error) => *self.errors.entry(error.to_owned()).or_default() += 1,
        }
        if done > self.deadline {
            self.cut_short = false;
        }
        if done < self.warm || done > self.deadline {
            return;
        }
        self.measured.add(entries, accepted);
        self.bytes += bytes;
        self.last_done = done;
        if accepted {
            self.latency.record(micros(done - started));
        }
        if let Some(due) = due {
            self.behind.record(micros(started.saturating_duration_since(due)));
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "no load sends 2^52 entries")]
    pub fn report(&self, run: u32) -> Report {
        // A load that a count ended is measured up to its last answer.
        let end = if self.cut_short { self.last_done } else { self.deadline };
        let seconds = end.saturating_duration_since(self.warm).as_secs_f64();
        Report {
            run,
            seconds,
            measured: self.measured,
            all: self.all,
            accepted_per_s: self.measured.accepted as f64 / seconds.max(1e-6),
            request_bytes_mean: self.bytes / self.measured.requests.max(1),
            statuses: self.statuses.clone(),
            errors: self.errors.clone(),
            first_bad_answer: self.first_bad_answer.clone(),
            latency: self.latency.summary(),
            behind: self.behind.summary(),
            cpu_s: procfs::own_usage().cpu_s,
        }
    }

    pub fn write_ids(&self, file: &Path, run: u32) -> io::Result<()> {
        let mut out = io::BufWriter::new(fs::File::create(file)?);
        for ids in self.ids.iter().flatten() {
            let kind = if ids.accepted { 'A' } else { 'E' };
            for seq in ids.seq..ids.seq + ids.entries {
                writeln!(out, "{kind}\t{run:08x}-{seq}\t{}", ids.done_us)?;
            }
        }
        out.flush()
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;

    use super::{Request, Tally};

    fn tally_with(answers: &[(u64, Result<u16, &'static str>)]) -> Tally {
        let base = Instant::now();
        let at = |ms| base + Duration::from_millis(ms);
        let mut tally = Tally::new(at(1_000), at(3_000), true);
        for (seq, (done_ms, answer)) in answers.iter().enumerate() {
            tally.add(Request {
                seq: 2 * seq as u64,
                entries: 2,
                due: None,
                started: at(done_ms - 100),
                done: at(*done_ms),
                done_us: 5,
                bytes: 10,
                answer: answer.map(|status| (status, "text".to_owned())),
            });
        }
        tally
    }

    #[test]
    fn the_warm_up_and_what_ends_late_are_left_out_of_the_rate() {
        let tally =
            tally_with(&[(500, Ok(202)), (1_500, Ok(202)), (2_000, Ok(429)), (2_500, Err("io")), (3_500, Ok(202))]);
        let report = tally.report(1);
        assert_eq!((report.measured.accepted, report.measured.not_accepted, report.all.accepted), (2, 4, 6));
        assert!((report.seconds - 2.0).abs() < 1e-9 && (report.accepted_per_s - 1.0).abs() < 1e-9);
        assert_eq!(report.first_bad_answer.as_deref(), Some("429: text"));
        assert_eq!(report.errors["io"], 1);
        assert!((report.latency.p50_ms - 100.0).abs() < 0.2 && report.latency.count == 1);
    }

    #[test]
    fn a_load_that_a_count_ended_is_measured_to_its_last_answer() {
        let report = tally_with(&[(1_250, Ok(202)), (1_500, Ok(202))]).report(1);
        assert!((report.seconds - 0.5).abs() < 1e-9 && (report.accepted_per_s - 8.0).abs() < 1e-9);
    }

    #[test]
    fn each_entry_of_a_request_has_a_line() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("ids");
        tally_with(&[(1_250, Ok(202)), (1_500, Err("io"))]).write_ids(&file, 0xa).expect("writes");
        let text = std::fs::read_to_string(file).expect("reads");
        assert_eq!(text, "A\t0000000a-0\t5\nA\t0000000a-1\t5\nE\t0000000a-2\t5\nE\t0000000a-3\t5\n");
    }
}
