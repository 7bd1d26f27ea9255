//! What is kept of attempts, so that people can see what was sent when, and why it failed.
//!
//! An accepted attempt costs a few bytes; one that failed brings its evidence. Deliberately
//! absent: what decides anything. Nothing that is recorded here is ever read to deliver.

mod packed;

use domain::{Entry, Sequence, SubscriptionId, Timestamp};
use serde::{Deserialize, Serialize};
use std::{sync::Arc, time::Duration};
use store::AttemptsWrite;

use crate::{
    outcome::{OutcomeKind, Reason},
    seldom::Blank,
    status::millis,
};
pub use packed::{PackedError, pack, unpack};

/// Bytes of attempts that one subscription keeps until they are written down.
pub const BUFFERED_BYTES_MAX: usize = 256 * 1024;

/// One request of one entry or of a batch; or entries of which none could be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// When it ended.
    pub ended_at: Timestamp,
    /// From the start of the request to the end of its answer, in whole milliseconds.
    pub took: Duration,
    /// The entries: runs of neighbours in the order of the log, at least one.
    pub runs: Vec<Run>,
    /// The answer's status; `None` when there was no answer.
    pub status_code: Option<u16>,
    /// Whether it was to show that the destination is well again.
    pub is_probe: bool,
    /// Whether a replay or a redelivery made it, and not the log.
    pub is_of_job: bool,
    /// What is known of a failure; `None` when every entry was accepted.
    pub evidence: Option<Box<Evidence>>,
}

/// Entries that are neighbours in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// The first.
    pub first: Sequence,
    /// How many there are, at least one.
    pub count: u64,
}

impl Run {
    /// Whether this entry is one of them.
    pub fn holds(&self, sequence: Sequence) -> bool {
        sequence.0.checked_sub(self.first.0).is_some_and(|after| after < self.count)
    }
}

/// What is known of a failed attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// What the answer means. Of several items of one request, that of the first which failed.
    #[serde(rename = "o")]
    pub outcome: OutcomeKind,
    /// The reason's name, for programs.
    #[serde(rename = "n")]
    pub reason: String,
    /// The reason for people.
    #[serde(rename = "t")]
    pub text: String,
    /// Whether a request was made.
    #[serde(rename = "s", default, skip_serializing_if = "is_false")]
    pub is_sent: bool,
    /// Entries of it that were not accepted.
    #[serde(rename = "f")]
    pub failed: u64,
    /// Entries of it that became dead letters.
    #[serde(rename = "d", default, skip_serializing_if = "is_zero")]
    pub dead: u64,
    /// What follows for the entries without a fate.
    #[serde(rename = "x")]
    pub follows: Follows,
    /// The beginning of the answer's body, redacted; only where it may be shown.
    #[serde(rename = "b", default, skip_serializing_if = "Option::is_none")]
    pub response_body: Option<String>,
    /// Address and port of the peer; only where they may be shown.
    #[serde(rename = "a", default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// Version and cipher suite of TLS; only where the address may be shown.
    #[serde(rename = "c", default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<(String, String)>,
}

/// What follows a failed attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Follows {
    /// Nothing: each of its entries has its fate.
    #[serde(rename = "n")]
    Nothing,
    /// They are sent again as soon as it is their turn.
    #[serde(rename = "a")]
    Again,
    /// One of them is tried again at this time, others later.
    #[serde(rename = "r", with = "millis")]
    Retry(Timestamp),
    /// The subscription waits until then.
    #[serde(rename = "h", with = "millis")]
    Hold(Timestamp),
    /// The subscription is suspended, and probed then.
    #[serde(rename = "s", with = "millis")]
    Suspend(Timestamp),
}

impl Attempt {
    /// What came of it.
    pub fn outcome(&self) -> OutcomeKind {
        self.evidence.as_ref().map_or(OutcomeKind::Accepted, |evidence| evidence.outcome)
    }

    /// Whether this entry was part of it.
    pub fn carries(&self, sequence: Sequence) -> bool {
        self.runs.iter().any(|run| run.holds(sequence))
    }

    /// Entries in it.
    pub fn entries(&self) -> u64 {
        self.runs.iter().fold(0, |sum, run| sum.saturating_add(run.count))
    }

    /// About how much memory it takes.
    fn bytes(&self) -> usize {
        let texts = |evidence: &Evidence| {
            let body = evidence.response_body.as_ref().map_or(0, String::len);
            size_of::<Evidence>() + evidence.text.len() + body
        };
        size_of::<Self>() + size_of_val(self.runs.as_slice()) + self.evidence.as_deref().map_or(0, texts)
    }
}

impl Evidence {
    /// Evidence of entries that failed for this reason; what followed is not known yet.
    pub(crate) fn new(outcome: OutcomeKind, reason: &Reason, failed: u64) -> Self {
        Self {
            outcome,
            reason: reason.name.to_string(),
            text: reason.text.clone(),
            is_sent: false,
            failed,
            dead: 0,
            follows: Follows::Nothing,
            response_body: None,
            address: None,
            tls: None,
        }
    }
}

/// Runs of neighbours among entries that are in the order of the log.
pub(crate) fn runs<'a>(entries: impl Iterator<Item = &'a Arc<Entry>>) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for entry in entries {
        match runs.last_mut() {
            Some(run) if run.first.0 + run.count == entry.sequence.0 => run.count += 1,
            _ => runs.push(Run { first: entry.sequence, count: 1 }),
        }
    }
    runs
}

/// Attempts of one subscription that wait to be written down, in the order in which they ended.
#[derive(Debug, Default)]
pub(crate) struct Unwritten {
    attempts: Vec<Attempt>,
    bytes: usize,
    dropped: u64,
}

static BLANK: Unwritten = Unwritten { attempts: Vec::new(), bytes: 0, dropped: 0 };

impl Blank for Unwritten {
    fn blank() -> &'static Self {
        &BLANK
    }

    fn is_blank(&self) -> bool {
        self.attempts.is_empty() && self.dropped == 0
    }
}

impl Unwritten {
    /// Keeps an attempt, or only counts it when there is no room; says whether it is kept.
    pub(crate) fn push(&mut self, attempt: Attempt) -> bool {
        let bytes = self.bytes + attempt.bytes();
        // Once one was dropped, all that follow are, so that the numbers keep the order.
        let is_kept = self.dropped == 0 && bytes <= BUFFERED_BYTES_MAX;
        if is_kept {
            self.bytes = bytes;
            self.attempts.push(attempt);
        } else {
            self.dropped += 1;
        }
        is_kept
    }

    /// Puts attempts whose write failed back before those that have come since; gives back how
    /// many of those had to be dropped.
    pub(crate) fn give_back(&mut self, mut earlier: Self) -> u64 {
        let later = std::mem::take(self);
        let before = earlier.dropped + later.dropped;
        for attempt in later.attempts {
            earlier.push(attempt);
        }
        earlier.dropped += later.dropped;
        *self = earlier;
        self.dropped - before
    }

    /// The form in which the store keeps them; `None` when there are none.
    pub(crate) fn write(&self, subscription: SubscriptionId) -> Option<AttemptsWrite> {
        let ended_at = self.attempts.last().map(|attempt| attempt.ended_at);
        if ended_at.is_none() && self.dropped == 0 {
            return None;
        }
        Some(AttemptsWrite {
            subscription,
            count: u64::try_from(self.attempts.len()).unwrap_or(u64::MAX),
            dropped: self.dropped,
            ended_at: ended_at.unwrap_or_default(),
            packed: pack(&self.attempts),
        })
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for this form")]
fn is_false(value: &bool) -> bool {
    !value
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for this form")]
fn is_zero(value: &u64) -> bool {
    *value == 0
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use domain::{Sequence, SubscriptionId, Timestamp};

    use super::{Attempt, BUFFERED_BYTES_MAX, Evidence, Run, Unwritten, unpack};
    use crate::outcome::{OutcomeKind, Reason};

    const ID: SubscriptionId = SubscriptionId::from_bytes([1; 12]);

    fn attempt(sequence: u64, text: &str) -> Attempt {
        let evidence = Evidence::new(OutcomeKind::Refused, &Reason::new("refused", text), 1);
        Attempt {
            ended_at: Timestamp::from_millis(7),
            took: Duration::ZERO,
            runs: vec![Run { first: Sequence(sequence), count: 1 }],
            status_code: None,
            is_probe: false,
            is_of_job: false,
            evidence: (!text.is_empty()).then(|| Box::new(evidence)),
        }
    }

    fn firsts(unwritten: &Unwritten) -> Vec<u64> {
        let packed = unwritten.write(ID).map(|write| write.packed).unwrap_or_default();
        unpack(&packed).expect("is whole").iter().map(|attempt| attempt.runs[0].first.0).collect()
    }

    #[test]
    fn what_finds_no_room_is_counted() {
        let mut unwritten = Unwritten::default();
        assert_eq!(unwritten.write(ID), None);
        let half = "x".repeat(BUFFERED_BYTES_MAX / 2);
        let kept: Vec<_> = (1..=2).map(|sequence| unwritten.push(attempt(sequence, &half))).collect();
        assert_eq!(kept, [true, false]);
        assert!(!unwritten.push(attempt(3, "")), "else it would stand where the dropped one did");
        let write = unwritten.write(ID).expect("there are some");
        assert_eq!((write.count, write.dropped), (1, 2));
    }

    #[test]
    fn what_could_not_be_written_comes_before_what_has_come_since() {
        let mut unwritten = Unwritten::default();
        unwritten.push(attempt(3, ""));
        let mut earlier = Unwritten::default();
        earlier.push(attempt(1, ""));
        earlier.push(attempt(2, ""));
        assert_eq!(unwritten.give_back(earlier), 0);
        assert_eq!(firsts(&unwritten), [1, 2, 3]);
        let mut full = Unwritten::default();
        full.push(attempt(9, &"x".repeat(BUFFERED_BYTES_MAX - 1_000)));
        assert_eq!(unwritten.give_back(full), 0);
        assert_eq!(firsts(&unwritten), [9, 1, 2, 3]);
        let mut fuller = Unwritten::default();
        fuller.push(attempt(8, &"x".repeat(BUFFERED_BYTES_MAX / 2)));
        assert_eq!(unwritten.give_back(fuller), 4);
        assert_eq!((firsts(&unwritten), unwritten.dropped), (vec![8], 4));
    }

    #[test]
    fn an_attempt_carries_its_entries_and_no_others() {
        let run = |first, count| Run { first: Sequence(first), count };
        let attempt = Attempt { runs: vec![run(3, 2), run(7, 1)], ..attempt(1, "") };
        let carried: Vec<_> = (0..10).filter(|sequence| attempt.carries(Sequence(*sequence))).collect();
        assert_eq!((carried, attempt.entries()), (vec![3, 4, 7], 3));
    }
}
