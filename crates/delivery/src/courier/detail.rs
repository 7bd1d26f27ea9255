//! The courier's own text in the store: what a restart has to know.

use std::time::Duration;

use domain::{Sequence, Timestamp};
use serde::{Deserialize, Serialize};
use store::{JobProgress, Progress};

use super::{Courier, Due, Flow, Now, Pacing, Queue, Record, Wait};
use crate::{
    decide::{EntryTries, Health},
    outcome::Reason,
    status::{Failure, millis},
};

/// More unsettled entries than a courier ever holds.
const HOLES_STORED_MAX: u64 = 2 * super::HOLES_MAX as u64;

/// Short names: this text is written with every group of outcomes.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Detail {
    /// The revision that this is the progress of.
    #[serde(rename = "v")]
    revision: u64,
    /// First and last of each run of unsettled entries.
    #[serde(rename = "h", skip_serializing_if = "Vec::is_empty")]
    holes: Vec<(u64, u64)>,
    /// Runs of entries that have failed alike.
    #[serde(rename = "t", skip_serializing_if = "Vec::is_empty")]
    tries: Vec<TriesDetail>,
    /// Dead letters since the last acceptance, and whether they have led to a suspension.
    #[serde(rename = "k", skip_serializing_if = "Vec::is_empty")]
    streak: Vec<u64>,
    #[serde(rename = "ks", skip_serializing_if = "std::ops::Not::not")]
    streak_suspended: bool,
    #[serde(rename = "w", skip_serializing_if = "Option::is_none")]
    wait: Option<WaitDetail>,
    /// Acceptances, refusals, failures and throttles in a row, probes.
    #[serde(rename = "e")]
    health: (u64, u32, u32, u32, u32),
    #[serde(rename = "s")]
    success_count: u64,
    #[serde(rename = "f")]
    error_count: u64,
    #[serde(rename = "ls", skip_serializing_if = "Option::is_none")]
    last_success: Option<i64>,
    #[serde(rename = "le", skip_serializing_if = "Option::is_none")]
    last_error: Option<i64>,
    #[serde(rename = "ts", skip_serializing_if = "Option::is_none")]
    last_stamp: Option<i64>,
    #[serde(rename = "x", skip_serializing_if = "Vec::is_empty")]
    errors: Vec<Failure>,
}

/// How far a job is, beside its frontier.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct JobDetail {
    /// The revision that this is the progress under.
    #[serde(rename = "v")]
    revision: u64,
    #[serde(rename = "h", skip_serializing_if = "Vec::is_empty")]
    holes: Vec<(u64, u64)>,
    #[serde(rename = "t", skip_serializing_if = "Vec::is_empty")]
    tries: Vec<TriesDetail>,
}

/// First and last sequence, failures, acceptances then, most entries of a request with it (0 for
/// any number), end and length of its wait in milliseconds.
#[derive(Debug, Serialize, Deserialize)]
struct TriesDetail(u64, u64, u32, u64, u64, Option<(i64, u64)>);

#[derive(Debug, Serialize, Deserialize)]
struct WaitDetail {
    #[serde(rename = "s")]
    suspended: bool,
    #[serde(rename = "u", with = "millis")]
    until: Timestamp,
    #[serde(rename = "l")]
    length_ms: u64,
    #[serde(rename = "b", with = "millis")]
    since: Timestamp,
    #[serde(rename = "a", default)]
    asked: bool,
    #[serde(rename = "n")]
    name: String,
    #[serde(rename = "r")]
    text: String,
}

/// First and last of each run of unsettled entries, in order, of a stored detail.
///
/// # Errors
/// When it cannot be what a courier wrote.
pub(crate) fn holes_of(detail: &str) -> Result<Vec<(u64, u64)>, String> {
    let holes = match detail {
        "" => Vec::new(),
        text => serde_json::from_str::<Detail>(text).map_err(|error| error.to_string())?.holes,
    };
    let mut before = 0;
    for (first, last) in &holes {
        if *first <= before || last < first {
            return Err(format!("the run of unsettled entries {first} to {last} cannot be"));
        }
        before = *last;
    }
    Ok(holes)
}

impl Courier {
    /// What is to be written down. `is_caught_up`: it stands where its account stands.
    pub fn progress(&self, is_caught_up: bool) -> Progress {
        Progress {
            frontier: (!is_caught_up).then_some(self.frontier),
            unsettled_from: (!is_caught_up).then(|| self.position().next()),
            counts: self.counts,
            detail: self.detail(),
        }
    }

    /// The courier that wrote `progress`, under `revision`; `matched` is where its account stands.
    ///
    /// A detail that cannot be read is a defect; what is lost with it is the memory of
    /// unsettled entries, so the engine refuses to go on with it.
    ///
    /// # Errors
    /// The text of the parser.
    pub fn restore(
        progress: &Progress,
        matched: Sequence,
        revision: u64,
        pacing: Pacing,
        now: Now,
    ) -> Result<Self, String> {
        let detail: Detail = match progress.detail.as_str() {
            "" => Detail::default(),
            text => serde_json::from_str(text).map_err(|error| error.to_string())?,
        };
        let mut courier = Self::new(progress.frontier.unwrap_or(matched), revision, pacing);
        courier.counts = progress.counts;
        *courier.live = restored_queue(detail.holes, detail.tries, courier.frontier, now)?;
        let (acceptances, refusals_in_row, failures_in_row, throttles_in_row, probes) = detail.health;
        courier.health =
            Health { acceptances, refusals_in_row, failures_in_row, throttles_in_row, probes, ..Health::default() };
        courier.flow = detail.wait.map_or(Flow::Flowing, |wait| wait.restore(now));
        courier.streak.letters = detail.streak.into_iter().map(Sequence).collect();
        courier.streak.suspended = detail.streak_suspended;
        courier.last_stamp = detail.last_stamp.map(Timestamp::from_millis);
        *courier.record = Record {
            success_count: detail.success_count,
            error_count: detail.error_count,
            last_success: detail.last_success.map(Timestamp::from_millis),
            last_error: detail.last_error.map(Timestamp::from_millis),
            errors: detail.errors,
        };
        if detail.revision != revision {
            courier.revise(revision, pacing);
        }
        // Very many may be restored before the first of them is looked at.
        courier.trim();
        Ok(courier)
    }

    fn detail(&self) -> String {
        let wait = match &self.flow {
            Flow::Flowing => None,
            Flow::Holding(wait) => Some(WaitDetail::of(wait, false)),
            Flow::Suspended(wait) => Some(WaitDetail::of(wait, true)),
        };
        let Health { acceptances, refusals_in_row, failures_in_row, throttles_in_row, probes, .. } = self.health;
        let detail = Detail {
            revision: self.revision,
            holes: self.live.runs().collect(),
            tries: tries(&self.live),
            streak: self.streak.letters.iter().map(|sequence| sequence.0).collect(),
            streak_suspended: self.streak.suspended,
            wait,
            health: (acceptances, refusals_in_row, failures_in_row, throttles_in_row, probes),
            success_count: self.record.success_count,
            error_count: self.record.error_count,
            last_success: self.record.last_success.map(Timestamp::as_millis),
            last_error: self.record.last_error.map(Timestamp::as_millis),
            last_stamp: self.last_stamp.map(Timestamp::as_millis),
            errors: self.record.errors.clone(),
        };
        serde_json::to_string(&detail).expect("numbers, texts and lists always make JSON")
    }
}

/// What is to be written down of a job's entries.
pub(super) fn of_queue(queue: &Queue, revision: u64) -> String {
    let detail = JobDetail { revision, holes: queue.runs().collect(), tries: tries(queue) };
    serde_json::to_string(&detail).expect("numbers and lists always make JSON")
}

/// The entries of a job that were taken up; a newer revision lets them start anew.
pub(super) fn restore_queue(progress: &JobProgress, revision: u64, now: Now) -> Result<Queue, String> {
    let detail: JobDetail = match progress.detail.as_str() {
        "" => JobDetail::default(),
        text => serde_json::from_str(text).map_err(|error| error.to_string())?,
    };
    let mut queue = restored_queue(detail.holes, detail.tries, progress.frontier, now)?;
    if detail.revision != revision {
        queue.forget_tries();
    }
    Ok(queue)
}

/// The entries that were taken up, all of them at or before `frontier`.
fn restored_queue(
    holes: Vec<(u64, u64)>,
    tries: Vec<TriesDetail>,
    frontier: Sequence,
    now: Now,
) -> Result<Queue, String> {
    let mut queue = Queue::default();
    for (first, last) in holes {
        // No more than were ever held, so that a damaged text cannot fill the memory.
        let fits = last.checked_sub(first).is_some_and(|more| more < HOLES_STORED_MAX);
        if !fits || last > frontier.0 || queue.len() as u64 > HOLES_STORED_MAX {
            return Err(format!("the run of unsettled entries {first} to {last} cannot be"));
        }
        queue.insert_unread((first..=last).map(Sequence));
    }
    for TriesDetail(first, last, failures, acceptances_then, batch_max, due) in tries {
        for hole in queue.tried_between(Sequence(first), Sequence(last)) {
            hole.tries = EntryTries { failures, acceptances_then };
            hole.batch_max = usize::try_from(batch_max).ok().filter(|most| *most > 0).unwrap_or(usize::MAX);
            hole.due = due.map(|(at_wall, length)| restored(Timestamp::from_millis(at_wall), length, now));
        }
    }
    Ok(queue)
}

fn tries(queue: &Queue) -> Vec<TriesDetail> {
    let mut runs: Vec<TriesDetail> = Vec::new();
    for (sequence, hole) in queue.tried() {
        let EntryTries { failures, acceptances_then } = hole.tries;
        let batch_max = if hole.batch_max == usize::MAX { 0 } else { hole.batch_max as u64 };
        if failures == 0 && batch_max == 0 {
            continue;
        }
        let due = hole.due.map(|due| (due.at_wall.as_millis(), millis_of(due.length)));
        match runs.last_mut() {
            Some(run)
                if run.1 + 1 == sequence.0
                    && (run.2, run.3, run.4, run.5) == (failures, acceptances_then, batch_max, due) =>
            {
                run.1 = sequence.0;
            }
            _ => runs.push(TriesDetail(sequence.0, sequence.0, failures, acceptances_then, batch_max, due)),
        }
    }
    runs
}

fn millis_of(length: Duration) -> u64 {
    u64::try_from(length.as_millis()).unwrap_or(u64::MAX)
}

/// What is left of a wait by the wall clock, never longer than it was.
fn restored(at_wall: Timestamp, length_ms: u64, now: Now) -> Due {
    let length = Duration::from_millis(length_ms);
    let left = at_wall.since(now.wall).min(length);
    Due { at: now.monotonic.saturating_add(left), at_wall: now.wall.plus(left), length }
}

impl WaitDetail {
    fn of(wait: &Wait, suspended: bool) -> Self {
        Self {
            suspended,
            until: wait.until_wall,
            length_ms: millis_of(wait.length),
            since: wait.since,
            asked: wait.asked,
            name: wait.reason.name.to_string(),
            text: wait.reason.text.clone(),
        }
    }

    /// The wait after a restart.
    fn restore(self, now: Now) -> Flow {
        let due = restored(self.until, self.length_ms, now);
        let wait = Box::new(Wait {
            until: due.at,
            until_wall: due.at_wall,
            length: due.length,
            since: self.since,
            asked: self.asked,
            reason: Reason::new(self.name, self.text),
        });
        if self.suspended { Flow::Suspended(wait) } else { Flow::Holding(wait) }
    }
}
