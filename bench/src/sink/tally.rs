//! What the sink counts.

use std::{
    collections::HashMap,
    io::{self, Write},
};

use serde::{Deserialize, Serialize};

use crate::{
    hist::{Summary, Times},
    mark::Mark,
    procfs,
};

/// A run with more entries than this is not one of ours; its entries are counted as without a mark.
const SEQ_MAX: u64 = 50_000_000;

/// The entries of one run at one path, by their sequence.
type Run = Vec<Seen>;

#[derive(Clone, Copy, Default)]
struct Seen {
    first_us: u64,
    delivered: u16,
    attempts: u16,
}

#[derive(Default)]
struct PathTally {
    runs: HashMap<u32, Run>,
    highest: u64,
}

#[derive(Default)]
pub(super) struct Tally {
    figures: Figures,
    latency: Times,
    paths: HashMap<Box<str>, PathTally>,
    cpu_before_s: f64,
}

/// Plain counts.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Figures {
    /// Connections that were opened.
    pub connections: u64,
    /// Requests that were read whole.
    pub requests: u64,
    /// Those of them whose body was compressed.
    pub gzipped: u64,
    /// Bytes of all bodies, as they came.
    pub body_bytes: u64,
    /// Requests in which no entry of a load was found.
    pub without_mark: u64,
    /// Entries in requests with whatever answer.
    pub attempts: u64,
    /// Entries in requests that were answered with success.
    pub delivered: u64,
    /// Pairs of path and entry among those.
    pub unique: u64,
    /// Deliveries beyond the first one of a pair.
    pub duplicates: u64,
    /// First deliveries after one with a higher sequence, at the same path.
    pub out_of_order: u64,
    /// Requests that were answered with --error-status.
    pub sent_errors: u64,
    /// Requests that were answered 429.
    pub sent_throttles: u64,
    /// Requests whose connection was reset.
    pub sent_resets: u64,
    /// When the first entry came, in microseconds since 1970; 0 when none did.
    pub first_us: u64,
    /// When the last new entry came; 0 when none did.
    pub last_us: u64,
}

/// The answer to `GET /_sink/stats`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Stats {
    /// The counts.
    #[serde(flatten)]
    pub figures: Figures,
    /// From the building of the request that brought an entry in to its first delivery.
    pub latency: Summary,
    /// Paths that were asked for.
    pub paths: usize,
    /// CPU time since the start or the last reset, in seconds.
    pub cpu_s: f64,
}

impl Tally {
    /// A new tally; the CPU time used so far does not count.
    pub fn new() -> Self {
        Self { cpu_before_s: procfs::own_usage().cpu_s, ..Self::default() }
    }

    pub fn figures(&mut self) -> &mut Figures {
        &mut self.figures
    }

    /// Counts the entries of a request that came at `now_us`. Adds to `known`, for each of them, whether
    /// it had been delivered to this path before.
    pub fn add(&mut self, path: &str, marks: &[Mark], succeeds: bool, now_us: u64, known: &mut Vec<bool>) {
        if !self.paths.contains_key(path) {
            self.paths.insert(path.into(), PathTally::default());
        }
        let Some(at_path) = self.paths.get_mut(path) else { return };
        let figures = &mut self.figures;
        figures.without_mark += u64::from(marks.is_empty());
        for mark in marks {
            let Some(seq) = usize::try_from(mark.seq).ok().filter(|_| mark.seq <= SEQ_MAX) else {
                figures.without_mark += 1;
                known.push(false);
                continue;
            };
            let run = at_path.runs.entry(mark.run).or_default();
            if run.len() <= seq {
                run.resize(seq + 1, Seen::default());
            }
            let seen = &mut run[seq];
            figures.attempts += 1;
            seen.attempts = seen.attempts.saturating_add(1);
            known.push(seen.delivered > 0);
            if !succeeds {
                continue;
            }
            figures.delivered += 1;
            seen.delivered = seen.delivered.saturating_add(1);
            if seen.delivered > 1 {
                figures.duplicates += 1;
                continue;
            }
            seen.first_us = now_us;
            figures.unique += 1;
            figures.out_of_order += u64::from(mark.seq < at_path.highest);
            at_path.highest = at_path.highest.max(mark.seq);
            figures.last_us = now_us;
            if figures.first_us == 0 {
                figures.first_us = now_us;
            }
            self.latency.record(now_us.saturating_sub(mark.sent_us));
        }
    }

    pub fn stats(&self) -> Stats {
        Stats {
            figures: self.figures,
            latency: self.latency.summary(),
            paths: self.paths.len(),
            cpu_s: procfs::own_usage().cpu_s - self.cpu_before_s,
        }
    }

    /// A line for each path and entry: path, id, deliveries, attempts, first arrival; tab-separated.
    pub fn write_ids(&self, out: &mut impl Write) -> io::Result<()> {
        for (path, at_path) in &self.paths {
            for (run, entries) in &at_path.runs {
                for (seq, seen) in entries.iter().enumerate().filter(|(_, seen)| seen.attempts > 0) {
                    let Seen { first_us, delivered, attempts } = seen;
                    writeln!(out, "{path}\t{run:08x}-{seq}\t{delivered}\t{attempts}\t{first_us}")?;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Tally;
    use crate::mark::Mark;

    fn marks(sequences: &[u64]) -> Vec<Mark> {
        sequences.iter().map(|seq| Mark { run: 1, seq: *seq, sent_us: 1_000 }).collect()
    }

    fn add(tally: &mut Tally, path: &str, sequences: &[u64], succeeds: bool) -> Vec<bool> {
        let mut known = Vec::new();
        tally.add(path, &marks(sequences), succeeds, 3_000, &mut known);
        known
    }

    #[test]
    fn entries_count_and_not_requests() {
        let mut tally = Tally::new();
        assert_eq!(add(&mut tally, "/a", &[0, 1, 2], true), [false; 3]);
        assert_eq!(add(&mut tally, "/b", &[0], true), [false]);
        assert_eq!(add(&mut tally, "/a", &[2, 3], true), [true, false]);
        let stats = tally.stats();
        assert_eq!((stats.figures.delivered, stats.figures.unique, stats.figures.duplicates), (6, 5, 1));
        assert_eq!((stats.paths, stats.latency.count), (2, 5));
        assert!((stats.latency.p99_ms - 2.0).abs() < 0.01);
    }

    #[test]
    fn what_was_answered_with_a_fault_is_an_attempt_and_no_delivery() {
        let mut tally = Tally::new();
        add(&mut tally, "/a", &[0], false);
        assert_eq!(add(&mut tally, "/a", &[0], true), [false]);
        let figures = *tally.figures();
        assert_eq!((figures.attempts, figures.unique, figures.duplicates), (2, 1, 0));
        let mut ids = Vec::new();
        tally.write_ids(&mut ids).expect("writes");
        assert_eq!(ids, b"/a\t00000001-0\t1\t2\t3000\n");
    }

    #[test]
    fn order_is_judged_for_each_path() {
        let mut tally = Tally::new();
        add(&mut tally, "/a", &[5, 4, 6], true);
        add(&mut tally, "/b", &[1], true);
        assert_eq!(tally.figures().out_of_order, 1);
    }

    #[test]
    fn a_sequence_out_of_reason_takes_no_memory() {
        let mut tally = Tally::new();
        assert_eq!(add(&mut tally, "/a", &[9_999_999_999], true), [false]);
        add(&mut tally, "/a", &[], true);
        assert_eq!((tally.figures().without_mark, tally.figures().unique), (2, 0));
    }
}
