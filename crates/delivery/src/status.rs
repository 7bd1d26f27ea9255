//! What a user sees of a subscription's deliveries.

use domain::{Sequence, Timestamp};
use serde::{Deserialize, Serialize};
use store::Counts;

use crate::condition::Condition;

/// How a subscription fares.
#[derive(Clone, Debug, PartialEq)]
pub struct Status {
    /// What it does now.
    pub state: State,
    /// The sequence up to which every entry has its fate; `None` until it is first on.
    pub position: Option<Sequence>,
    /// Entries of the log after the position that have no fate yet.
    pub waiting: Option<u64>,
    /// The counts of the ledger; filtered entries are the rest.
    pub counts: Counts,
    /// Entries that the destination accepted.
    pub success_count: u64,
    /// Entries whose attempt failed, each failed attempt counted.
    pub error_count: u64,
    /// When an entry was last accepted.
    pub last_success: Option<Timestamp>,
    /// When an attempt last failed.
    pub last_error: Option<Timestamp>,
    /// The last failures, newest first, at most [`Failure::KEPT`].
    pub errors: Vec<Failure>,
    /// What lasts and was told.
    pub conditions: Vec<Condition>,
}

/// What a subscription does now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// It delivers, or would if there were something.
    Flowing,
    /// It waits for a time, and goes on by itself.
    Holding {
        /// Since when.
        since: Timestamp,
        /// Until when.
        until: Timestamp,
        /// Why, for people.
        reason: String,
    },
    /// Its configuration is wrong; it is probed now and then.
    Suspended {
        /// Since when it has not delivered.
        since: Timestamp,
        /// When it is probed next.
        probe_at: Timestamp,
        /// Why, for people.
        reason: String,
    },
    /// It is off, and keeps its position.
    Paused,
    /// It was never on.
    NeverOn,
}

/// One failed attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The answer's status; `None` when there was no answer.
    #[serde(rename = "s", default, skip_serializing_if = "Option::is_none")]
    pub status_code: Option<u16>,
    /// The beginning of the answer's body, redacted; only where it may be shown.
    #[serde(rename = "b", default, skip_serializing_if = "Option::is_none")]
    pub response_body: Option<String>,
    /// What went wrong, for people.
    #[serde(rename = "r")]
    pub reason: String,
    /// When.
    #[serde(rename = "t", with = "millis")]
    pub at: Timestamp,
}

impl Failure {
    /// How many are kept of each subscription.
    pub const KEPT: usize = 10;
    /// The most of a body that is kept, in bytes.
    pub const BODY_BYTES_MAX: usize = 2 * 1024;
}

pub(crate) mod millis {
    use domain::Timestamp;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_i64(at.as_millis())
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
        i64::deserialize(deserializer).map(Timestamp::from_millis)
    }
}
