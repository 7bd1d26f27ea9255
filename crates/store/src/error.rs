//! What can go wrong with the database.

use std::path::PathBuf;

use domain::{EntryId, Sequence};

type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Why the database could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The file cannot be opened or made.
    #[error("the database {path} cannot be opened")]
    File {
        /// The database file.
        path: PathBuf,
        /// What SQLite says.
        source: rusqlite::Error,
    },
    /// The linked SQLite can lose committed pages.
    #[error("SQLite {found} is too old: 3.51.3 or newer is needed, older ones can lose committed pages in WAL mode")]
    SqliteVersion {
        /// The linked version.
        found: &'static str,
    },
    /// A setting that durability rests on did not read back.
    #[error("{pragma} reads back as {found}, not {wanted}: commits would not be durable")]
    Durability {
        /// Name of the pragma.
        pragma: &'static str,
        /// What it must be.
        wanted: &'static str,
        /// What it is.
        found: String,
    },
    /// The database was written by a newer version of the program.
    #[error("the database has form {found}, this program knows forms up to {known}: it was written by a newer version")]
    Newer {
        /// The form of the file.
        found: i64,
        /// The newest form this program knows.
        known: i64,
    },
    /// The database was never used, or was written by an older version of the program.
    #[error("the database has form {found}, this program reads form {known}: start the server once")]
    Older {
        /// The form of the file.
        found: i64,
        /// The form that this program reads.
        known: i64,
    },
    /// The database has the number of this form and is of another.
    #[error(
        "the database was written by another build of this program: it has another {name}; use that build, or begin \
         with an empty data directory"
    )]
    Shape {
        /// The first table or index that differs.
        name: String,
    },
    /// Any other failure of SQLite while opening.
    #[error("the database cannot be prepared")]
    Prepare(#[from] rusqlite::Error),
    /// A thread did not start, or a file beside the database cannot be written.
    #[error("the operating system refuses what the database needs beside its file")]
    System(#[from] std::io::Error),
}

/// Why a read or a write failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such row in this account.
    #[error("there is no such row")]
    NotFound,
    /// A row with this unique value is there already, or it changed meanwhile.
    #[error("it is there already or has changed meanwhile")]
    Conflict,
    /// The account has as many of these as it may have.
    #[error("the account has {max} {what}, as many as it may")]
    Limit {
        /// What there are so many of.
        what: &'static str,
        /// How many.
        max: usize,
    },
    /// The disk is full, or nearly so.
    #[error("the disk is full")]
    Full,
    /// The writer has ended.
    #[error("the writer has ended")]
    Closed,
    /// Anything else.
    #[error("the database failed")]
    Internal(#[source] Cause),
}

impl Error {
    pub(crate) fn internal(cause: impl Into<Cause>) -> Self {
        Self::Internal(cause.into())
    }

    /// Whether the file of the database is damaged.
    pub(crate) fn is_damage(&self) -> bool {
        let Self::Internal(cause) = self else { return false };
        let code = cause.downcast_ref().and_then(rusqlite::Error::sqlite_error_code);
        matches!(code, Some(rusqlite::ErrorCode::DatabaseCorrupt | rusqlite::ErrorCode::NotADatabase))
    }
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            _ if matches!(error, rusqlite::Error::QueryReturnedNoRows) => Self::NotFound,
            Some(rusqlite::ErrorCode::DiskFull) => Self::Full,
            Some(rusqlite::ErrorCode::ConstraintViolation) => Self::Conflict,
            _ => Self::internal(error),
        }
    }
}

/// Why a batch of entries was not stored. Nothing of it was.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// An entry has the id of a stored one, or of an earlier one of the batch, and other bytes.
    #[error("entry {index} has the id {id} of another entry")]
    IdConflict {
        /// Place in the batch, from 0.
        index: usize,
        /// The id that both have.
        id: EntryId,
        /// Where the first one stands; `None` when it is in the same batch.
        sequence: Option<Sequence>,
    },
    /// The idempotency key was used for another body.
    #[error("the idempotency key was used for another request")]
    KeyReused,
    /// Too much waits for the writer.
    #[error("the writer is behind")]
    Busy {
        /// Whether this account alone holds more than its share.
        account_over_share: bool,
    },
    /// The disk is full, or has less free than the configured least.
    #[error("the disk is full, or nearly so")]
    Full,
    /// Anything else.
    #[error(transparent)]
    Store(Error),
}

impl From<Error> for AppendError {
    fn from(error: Error) -> Self {
        match error {
            Error::Full => Self::Full,
            other => Self::Store(other),
        }
    }
}

impl From<rusqlite::Error> for AppendError {
    fn from(error: rusqlite::Error) -> Self {
        Error::from(error).into()
    }
}

/// What a failure means to the writer, and to others whose requests it takes along.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// There was no room.
    Full,
    /// The operating system could not sync a file.
    Sync,
    /// Any other.
    Other,
}

/// Errors that the writer can judge.
pub(crate) trait Failed {
    fn failure(&self) -> Failure;
}

impl Failed for Error {
    fn failure(&self) -> Failure {
        match self {
            Self::Full => Failure::Full,
            Self::Internal(cause) if is_failed_sync(cause) => Failure::Sync,
            _ => Failure::Other,
        }
    }
}

impl Failed for AppendError {
    fn failure(&self) -> Failure {
        match self {
            Self::Full => Failure::Full,
            Self::Store(error) => error.failure(),
            _ => Failure::Other,
        }
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Full => Self::Full,
            Failure::Sync => Self::internal("the commit could not be synced"),
            Failure::Other => Self::internal("the commit failed"),
        }
    }
}

fn is_failed_sync(cause: &Cause) -> bool {
    let sqlite = cause.downcast_ref::<rusqlite::Error>().and_then(rusqlite::Error::sqlite_error);
    sqlite.is_some_and(|error| {
        matches!(error.extended_code, rusqlite::ffi::SQLITE_IOERR_FSYNC | rusqlite::ffi::SQLITE_IOERR_DIR_FSYNC)
    })
}
