//! What came of an attempt, for one entry.

use std::time::Duration;

pub use integrations::Reason;
use integrations::Verdict;

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

impl Outcome {
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
