//! What came of an attempt, for one entry.

use std::time::Duration;

pub use integrations::Reason;
use integrations::Verdict;
use serde::{Deserialize, Serialize};

/// The one taxonomy of outcomes. Its meaning: docs/delivery.md.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The destination has the entry.
    Accepted,
    /// Nothing is to be sent for this entry: no template, or an empty body.
    Nothing,
    /// The entry is passed over on purpose, as the manifest says, and listed.
    Skipped(Reason),
    /// No request can be made of this very entry.
    Unrenderable(Reason),
    /// The destination does not take this content.
    Refused(Reason),
    /// The destination takes nothing from this subscription as it is configured.
    Misconfigured(Reason),
    /// The destination asks to be left alone for a while.
    Throttled {
        /// For how long, if it said so.
        retry_after: Option<Duration>,
        /// Why.
        reason: Reason,
    },
    /// The destination cannot be reached, or not right now.
    Unavailable(Reason),
    /// The request failed for the sake of another entry: this one is sent again at once.
    Undecided {
        /// Whether it may be the culprit, and so is sent alone.
        alone: bool,
    },
}

/// The outcomes without what they carry, by the names of docs/delivery.md.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum OutcomeKind {
    /// See [`Outcome::Accepted`].
    Accepted,
    /// See [`Outcome::Nothing`].
    Nothing,
    /// See [`Outcome::Skipped`].
    Skipped,
    /// See [`Outcome::Unrenderable`].
    Unrenderable,
    /// See [`Outcome::Refused`].
    Refused,
    /// See [`Outcome::Misconfigured`].
    Misconfigured,
    /// See [`Outcome::Throttled`].
    Throttled,
    /// See [`Outcome::Unavailable`].
    Unavailable,
}

impl OutcomeKind {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Accepted,
        Self::Nothing,
        Self::Skipped,
        Self::Unrenderable,
        Self::Refused,
        Self::Misconfigured,
        Self::Throttled,
        Self::Unavailable,
    ];

    /// The name that users see.
    pub fn name(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Nothing => "nothing",
            Self::Skipped => "skipped",
            Self::Unrenderable => "unrenderable",
            Self::Refused => "refused",
            Self::Misconfigured => "misconfigured",
            Self::Throttled => "throttled",
            Self::Unavailable => "unavailable",
        }
    }
}

impl Outcome {
    /// The same without what it carries.
    pub fn kind(&self) -> OutcomeKind {
        match self {
            Self::Accepted => OutcomeKind::Accepted,
            Self::Nothing => OutcomeKind::Nothing,
            Self::Skipped(_) => OutcomeKind::Skipped,
            Self::Unrenderable(_) => OutcomeKind::Unrenderable,
            Self::Refused(_) => OutcomeKind::Refused,
            Self::Misconfigured(_) => OutcomeKind::Misconfigured,
            Self::Throttled { .. } => OutcomeKind::Throttled,
            // An answer that says nothing of the only message of its request cannot be understood.
            Self::Unavailable(_) | Self::Undecided { .. } => OutcomeKind::Unavailable,
        }
    }

    /// Why it was not accepted, if it was not.
    pub fn reason(&self) -> Option<&Reason> {
        match self {
            Self::Accepted | Self::Nothing | Self::Undecided { .. } => None,
            Self::Skipped(reason)
            | Self::Unrenderable(reason)
            | Self::Refused(reason)
            | Self::Misconfigured(reason)
            | Self::Throttled { reason, .. }
            | Self::Unavailable(reason) => Some(reason),
        }
    }
}

impl From<Verdict> for Outcome {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Accepted => Self::Accepted,
            Verdict::Refused { reason } => Self::Refused(reason),
            Verdict::Misconfigured { reason } => Self::Misconfigured(reason),
            Verdict::Throttled { retry_after, reason } => Self::Throttled { retry_after, reason },
            Verdict::Unavailable { reason } => Self::Unavailable(reason),
        }
    }
}
