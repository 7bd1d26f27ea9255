//! All that a caller of a use case can act on.

use domain::{EntryId, FieldError, SealError, Sequence};
use store::JOBS_RUNNING_MAX;

use crate::Action;

/// What lies behind a failure of the server; for the log, never for an answer.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Why a use case did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such thing in this account.
    #[error("there is no such {0}")]
    NotFound(&'static str),
    /// There is no token, or none that works.
    #[error("the access token is missing, unknown or expired")]
    Unauthorized,
    /// The account of the token was suspended by the operator.
    #[error("the operator of this server has suspended the account: {0}")]
    Suspended(String),
    /// The token may not do this.
    #[error("the access token does not allow {action} on {resource}", action = action.as_str())]
    Forbidden {
        /// What it may not do.
        action: Action,
        /// What it may not do it to.
        resource: String,
    },
    /// The signature of the body is missing or wrong.
    #[error("X-LD-Signature is missing or is not the signature of this body with the secret of the source")]
    Signature,
    /// It would let a token do more than the one that was used.
    #[error("{0}")]
    BeyondMaker(String),
    /// The entries come from this very server.
    #[error("these entries were delivered by this very server: a subscription leads back to it")]
    Loop,
    /// The input is wrong.
    #[error("{message}")]
    Invalid {
        /// What is wrong as a whole.
        message: String,
        /// Each mistake; may be empty.
        errors: Vec<FieldError>,
        /// How many mistakes are not listed.
        omitted: usize,
    },
    /// The input can be read, and not be applied to what is there.
    #[error("{message}")]
    Unprocessable {
        /// What is wrong as a whole.
        message: String,
        /// Each mistake.
        errors: Vec<FieldError>,
    },
    /// The input does not fit what is there.
    #[error(transparent)]
    Conflict(#[from] Conflict),
    /// The input is larger than is allowed.
    #[error("{0}")]
    TooLarge(String),
    /// Too much waits to be stored; it may be tried again in a second.
    #[error("the server cannot store entries as fast as they come; try again in a second")]
    Busy {
        /// Whether this account alone holds more than its share.
        account_over_share: bool,
    },
    /// The disk is nearly full; reading and deliveries go on.
    #[error("the disk of the server is nearly full; entries and changes are refused until there is room")]
    Full,
    /// The server lacks something for now.
    #[error("{message}")]
    Unavailable {
        /// What it lacks, for users.
        message: &'static str,
        /// Why, for the log.
        source: Cause,
    },
    /// The server failed.
    #[error("the server failed")]
    Internal(#[source] Cause),
}

/// How the input does not fit what is there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Conflict {
    /// The integration is known, but nothing can be made or changed by it now.
    #[error("{0}")]
    Integration(String),
    /// What is to be changed was changed meanwhile.
    #[error("it was changed by another request at the same time; read it and try again")]
    Edit,
    /// A `test` operation found another value.
    #[error("operation {operation} tests for another value than the one that is there")]
    Test {
        /// Place in the patch, from 0.
        operation: usize,
    },
    /// An entry has the id of a stored one, or of an earlier one of the batch, and other bytes.
    #[error("entry {index} has the id of another entry; nothing of the request was stored")]
    EntryId {
        /// Place in the batch, from 0.
        index: usize,
        /// The id that both have.
        id: EntryId,
        /// Where the first one stands; `None` when it is in the same batch.
        sequence: Option<Sequence>,
    },
    /// The subscription has as many replays and redeliveries that have not ended as it may have.
    #[error("the subscription has {JOBS_RUNNING_MAX} replays and redeliveries that have not ended; wait, or stop one")]
    Jobs,
    /// There is no dead letter that could be sent.
    #[error("there is nothing to redeliver, or it is part of a redelivery that has not ended")]
    NothingToRedeliver,
    /// Dead letters with these sequences are sent by another job.
    #[error("these are part of a redelivery that has not ended: {0}")]
    Redelivering(String),
    /// There is an account of this name.
    #[error("there is an account of this name already")]
    AccountName,
    /// The account has as many of these as it may have.
    #[error("the account has {max} {what}, as many as it may; delete one first")]
    Limit {
        /// What there are so many of.
        what: &'static str,
        /// How many.
        max: usize,
    },
    /// A subscription that was never on has no position.
    #[error("the subscription was never on, so there is nothing behind it that could be replayed")]
    NeverOn,
    /// The idempotency key was used for another body.
    #[error("this Idempotency-Key was used for another body within the last 24 hours")]
    KeyReused,
}

impl Error {
    /// The input is wrong as a whole.
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::Invalid { message: message.into(), errors: Vec::new(), omitted: 0 }
    }

    /// The input has these mistakes.
    pub(crate) fn mistakes(message: impl Into<String>, errors: Vec<FieldError>) -> Self {
        Self::Invalid { message: message.into(), errors, omitted: 0 }
    }

    pub(crate) fn internal(cause: impl Into<Cause>) -> Self {
        Self::Internal(cause.into())
    }
}

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Self {
        match error {
            store::Error::Full => Self::Full,
            store::Error::Limit { what, max } => Conflict::Limit { what, max }.into(),
            store::Error::Closed => {
                Self::Unavailable { message: "the server is stopping or cannot write", source: error.into() }
            }
            other => Self::Internal(other.into()),
        }
    }
}

impl From<SealError> for Error {
    fn from(error: SealError) -> Self {
        match error {
            SealError::MasterKey | SealError::Unavailable(_) => Self::Unavailable {
                message: "the server cannot open stored configurations now; its operator has to look at the master key",
                source: error.into(),
            },
            SealError::Corrupt | SealError::Random => Self::Internal(error.into()),
        }
    }
}

impl From<store::AppendError> for Error {
    fn from(error: store::AppendError) -> Self {
        match error {
            store::AppendError::IdConflict { index, id, sequence } => Conflict::EntryId { index, id, sequence }.into(),
            store::AppendError::KeyReused => Conflict::KeyReused.into(),
            store::AppendError::Busy { account_over_share } => Self::Busy { account_over_share },
            store::AppendError::Full => Self::Full,
            store::AppendError::Store(error) => error.into(),
        }
    }
}
