//! The courier's own text in the store: what a restart has to know.

use std::{collections::BTreeMap, time::Duration};

use domain::{Sequence, Timestamp};
use serde::{Deserialize, Serialize};
use store::Progress;

use super::{Courier, Flow, Hole, Now, Pacing, Phase, Record, Wait};
use crate::{
    decide::{EntryTries, Health},
    outcome::Reason,
    status::{Failure, millis},
};

/// Short names: this text is written with every group of outcomes.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Detail {
    /// First and last of each run of unsettled entries.
    #[serde(rename = "h", skip_serializing_if = "Vec::is_empty")]
    holes: Vec<(u64, u64)>,
    /// Entries that have failed: sequence, failures, acceptances then.
    #[serde(rename = "t", skip_serializing_if = "Vec::is_empty")]
    tries: Vec<(u64, u32, u64)>,
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

#[derive(Debug, Serialize, Deserialize)]
struct WaitDetail {
    #[serde(rename = "s")]
    suspended: bool,
    #[serde(rename = "u", with = "millis")]
    until: Timestamp,
    #[serde(rename = "l")]
    length_ms: u64,
    #[serde(rename = "n")]
    name: String,
    #[serde(rename = "r")]
    text: String,
}

impl Courier {
    /// What is to be written down. `is_caught_up`: it stands where its account stands.
    pub fn progress(&self, is_caught_up: bool) -> Progress {
        Progress {
            frontier: (!is_caught_up).then_some(self.frontier),
            counts: self.counts,
            detail: self.detail(),
        }
    }

    /// The courier that wrote `progress`; `matched` is where its account stands.
    ///
    /// A detail that cannot be read is a defect; what is lost with it is the memory of
    /// unsettled entries, so the engine refuses to go on with it.
    ///
    /// # Errors
    /// The text of the parser.
    pub fn restore(progress: &Progress, matched: Sequence, pacing: Pacing, now: Now) -> Result<Self, String> {
        let detail: Detail = match progress.detail.as_str() {
            "" => Detail::default(),
            text => serde_json::from_str(text).map_err(|error| error.to_string())?,
        };
        let mut courier = Self::new(progress.frontier.unwrap_or(matched), pacing);
        courier.counts = progress.counts;
        let tries: BTreeMap<_, _> = detail.tries.iter().map(|tried| (tried.0, (tried.1, tried.2))).collect();
        for sequence in detail.holes.iter().flat_map(|(first, last)| *first..=*last) {
            let (failures, acceptances_then) = tries.get(&sequence).copied().unwrap_or_default();
            let tries = EntryTries { failures, acceptances_then };
            let hole = Hole { entry: None, tries, phase: Phase::Unread, batch_max: usize::MAX };
            courier.holes.insert(Sequence(sequence), hole);
        }
        let (acceptances, refusals_in_row, failures_in_row, throttles_in_row, probes) = detail.health;
        courier.health = Health { acceptances, refusals_in_row, failures_in_row, throttles_in_row, probes };
        courier.flow = detail.wait.map_or(Flow::Flowing, |wait| wait.restore(now));
        courier.last_stamp = detail.last_stamp.map(Timestamp::from_millis);
        courier.record = Record {
            success_count: detail.success_count,
            error_count: detail.error_count,
            last_success: detail.last_success.map(Timestamp::from_millis),
            last_error: detail.last_error.map(Timestamp::from_millis),
            errors: detail.errors,
        };
        Ok(courier)
    }

    fn detail(&self) -> String {
        let wait = match &self.flow {
            Flow::Flowing => None,
            Flow::Holding(wait) => Some(WaitDetail::of(wait, false)),
            Flow::Suspended(wait) => Some(WaitDetail::of(wait, true)),
        };
        let Health { acceptances, refusals_in_row, failures_in_row, throttles_in_row, probes } = self.health;
        let detail = Detail {
            holes: self.hole_runs(),
            tries: self.tries(),
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

    fn hole_runs(&self) -> Vec<(u64, u64)> {
        let mut runs: Vec<(u64, u64)> = Vec::new();
        for sequence in self.holes.keys() {
            match runs.last_mut() {
                Some((_, last)) if *last + 1 == sequence.0 => *last = sequence.0,
                _ => runs.push((sequence.0, sequence.0)),
            }
        }
        runs
    }

    fn tries(&self) -> Vec<(u64, u32, u64)> {
        let tried = self.holes.iter().filter(|(_, hole)| hole.tries.failures > 0);
        tried.map(|(sequence, hole)| (sequence.0, hole.tries.failures, hole.tries.acceptances_then)).collect()
    }
}

impl WaitDetail {
    fn of(wait: &Wait, suspended: bool) -> Self {
        Self {
            suspended,
            until: wait.until_wall,
            length_ms: u64::try_from(wait.length.as_millis()).unwrap_or(u64::MAX),
            name: wait.reason.name.to_string(),
            text: wait.reason.text.clone(),
        }
    }

    /// The wait after a restart: what is left of it by the wall clock, never longer than it was.
    fn restore(self, now: Now) -> Flow {
        let length = Duration::from_millis(self.length_ms);
        let left = self.until.since(now.wall).min(length);
        let wait = Wait {
            until: now.monotonic + left,
            until_wall: now.wall.plus(left),
            length,
            reason: Reason::new(self.name, self.text),
        };
        if self.suspended { Flow::Suspended(wait) } else { Flow::Holding(wait) }
    }
}
