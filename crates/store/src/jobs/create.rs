//! Making jobs: a replay names a range of the log, a redelivery claims its dead letters.

use domain::{AccountId, EntryDraft, JobId, Sequence, SubscriptionId, Timestamp};
use rusqlite::{Connection, OptionalExtension};

use super::{JOBS_RUNNING_MAX, Job, JobKind, get};
use crate::{
    Error, LetterFate, Store, accounts, entries,
    error::{Failed, Failure},
    subscriptions,
};

/// A job to store.
#[derive(Clone, Debug)]
pub struct NewJob {
    /// Its id, from [`Store::job_id`].
    pub id: JobId,
    /// The account of the subscription.
    pub account: AccountId,
    /// Whose entries it sends.
    pub subscription: SubscriptionId,
    /// What it sends.
    pub work: Work,
    /// Who made it, as JSON.
    pub made_by: String,
}

/// What a new job sends.
#[derive(Clone, Debug)]
pub enum Work {
    /// The entries of the log from the first sequence to the second, both included.
    Replay(Sequence, Sequence),
    /// Dead letters.
    Redelivery(Letters),
}

/// Which dead letters.
#[derive(Clone, Debug)]
pub enum Letters {
    /// All that are there now and that no other job has; with a fate only those.
    All(Option<LetterFate>),
    /// Those of these sequences.
    These(Vec<Sequence>),
}

/// Why a job was not made. Nothing is changed then.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    /// The subscription has as many jobs that have not ended as it may have.
    #[error("the subscription has {JOBS_RUNNING_MAX} jobs that have not ended")]
    TooMany,
    /// There is no dead letter that could be sent.
    #[error("there is nothing to redeliver")]
    Nothing,
    /// There are no dead letters with these sequences.
    #[error("some dead letters are not there")]
    Unknown(Vec<Sequence>),
    /// Jobs that have not ended have the dead letters with these sequences.
    #[error("some dead letters are part of a job already")]
    Claimed(Vec<Sequence>),
    /// Anything else.
    #[error(transparent)]
    Store(#[from] Error),
}

impl From<rusqlite::Error> for JobError {
    fn from(error: rusqlite::Error) -> Self {
        Error::from(error).into()
    }
}

impl Failed for JobError {
    fn failure(&self) -> Failure {
        match self {
            Self::Store(error) => error.failure(),
            _ => Failure::Other,
        }
    }
}

/// The letters that a job has claimed.
struct Claimed {
    first: Sequence,
    last: Sequence,
    count: u64,
}

impl Store {
    /// Stores a job and, in the same transaction, the entry that records it.
    ///
    /// # Errors
    /// [`JobError`]; [`Error::NotFound`] in it when the account has no such subscription.
    pub async fn job_create(&self, new: NewJob, record: EntryDraft) -> Result<Job, JobError> {
        let no = self.account_no(new.account).await?;
        self.shared
            .writer
            .run(move |group| {
                let connection = group.connection;
                subscriptions::get(connection, no, new.subscription)?;
                if running(connection, no, new.subscription)? >= JOBS_RUNNING_MAX {
                    return Err(JobError::TooMany);
                }
                let now = group.now();
                let NewJob { id, account, subscription, work, made_by } = new;
                match work {
                    Work::Replay(first, last) => {
                        let count = (last.0 + 1).saturating_sub(first.0);
                        let row = Row { id, no, subscription, kind: JobKind::Replay, now, made_by: Some(&made_by) };
                        row.insert(connection, &Claimed { first, last, count })?;
                    }
                    Work::Redelivery(letters) => {
                        let claimed = match letters {
                            Letters::All(fate) => claim_all(connection, subscription, id, fate)?,
                            Letters::These(sequences) => claim_these(connection, subscription, id, &sequences)?,
                        };
                        let row = Row { id, no, subscription, kind: JobKind::Redelivery, now, made_by: Some(&made_by) };
                        row.insert(connection, &claimed.ok_or(JobError::Nothing)?)?;
                    }
                }
                entries::append_system(group, account, no, record)?;
                Ok(get(group.connection, subscription, id)?)
            })
            .await
    }
}

/// Makes the job by which the server itself sends some dead letters again. Those that are gone
/// or part of another job are left out, and so is a job that would be one too many.
pub(crate) fn write_retry(
    connection: &Connection,
    no: i64,
    subscription: SubscriptionId,
    sequences: &[Sequence],
    now: Timestamp,
) -> Result<(), Error> {
    if running(connection, no, subscription)? >= JOBS_RUNNING_MAX {
        return Ok(());
    }
    let id = JobId::from_bytes(accounts::object_id(now));
    for sequence in sequences {
        claim(connection, subscription, id, *sequence)?;
    }
    let row = Row { id, no, subscription, kind: JobKind::Redelivery, now, made_by: None };
    claimed(connection, id)?.map_or(Ok(()), |claimed| row.insert(connection, &claimed))
}

fn running(connection: &Connection, no: i64, subscription: SubscriptionId) -> Result<usize, Error> {
    let count: i64 = connection
        .prepare_cached("SELECT count(*) FROM job WHERE account = ?1 AND subscription = ?2 AND state = 'running'")?
        .query_row((no, subscription.as_bytes()), |row| row.get(0))?;
    Ok(usize::try_from(count).unwrap_or(usize::MAX))
}

fn claim_all(
    connection: &Connection,
    subscription: SubscriptionId,
    id: JobId,
    fate: Option<LetterFate>,
) -> Result<Option<Claimed>, Error> {
    connection
        .prepare_cached(
            "UPDATE dead_letter SET job = ?2 WHERE subscription = ?1 AND job IS NULL AND (?3 IS NULL OR fate = ?3)",
        )?
        .execute((subscription.as_bytes(), id.as_bytes(), fate.map(LetterFate::as_str)))?;
    claimed(connection, id)
}

fn claim_these(
    connection: &Connection,
    subscription: SubscriptionId,
    id: JobId,
    sequences: &[Sequence],
) -> Result<Option<Claimed>, JobError> {
    let mut of_letter =
        connection.prepare_cached("SELECT job FROM dead_letter WHERE subscription = ?1 AND sequence = ?2")?;
    let (mut unknown, mut elsewhere) = (Vec::new(), Vec::new());
    for sequence in sequences {
        let stored = i64::try_from(sequence.0).ok();
        let job: Option<Option<[u8; 12]>> = match stored {
            Some(stored) => of_letter.query_row((subscription.as_bytes(), stored), |row| row.get(0)).optional()?,
            None => None,
        };
        match job {
            None => unknown.push(*sequence),
            // A sequence may be named twice.
            Some(Some(job)) if job != *id.as_bytes() => elsewhere.push(*sequence),
            Some(_) => claim(connection, subscription, id, *sequence)?,
        }
    }
    if !unknown.is_empty() {
        return Err(JobError::Unknown(unknown));
    }
    if !elsewhere.is_empty() {
        return Err(JobError::Claimed(elsewhere));
    }
    Ok(claimed(connection, id)?)
}

fn claim(connection: &Connection, subscription: SubscriptionId, id: JobId, sequence: Sequence) -> Result<(), Error> {
    connection
        .prepare_cached("UPDATE dead_letter SET job = ?3 WHERE subscription = ?1 AND sequence = ?2 AND job IS NULL")?
        .execute((subscription.as_bytes(), sequence.0.cast_signed(), id.as_bytes()))?;
    Ok(())
}

fn claimed(connection: &Connection, id: JobId) -> Result<Option<Claimed>, Error> {
    Ok(connection
        .prepare_cached(
            "SELECT min(sequence), max(sequence), count(*) FROM dead_letter WHERE job = ?1 HAVING count(*) > 0",
        )?
        .query_row([id.as_bytes()], |row| {
            let number = |at: usize| Ok::<_, rusqlite::Error>(row.get::<_, i64>(at)?.cast_unsigned());
            Ok(Claimed { first: Sequence(number(0)?), last: Sequence(number(1)?), count: number(2)? })
        })
        .optional()?)
}

struct Row<'a> {
    id: JobId,
    no: i64,
    subscription: SubscriptionId,
    kind: JobKind,
    now: Timestamp,
    made_by: Option<&'a str>,
}

impl Row<'_> {
    fn insert(&self, connection: &Connection, claimed: &Claimed) -> Result<(), Error> {
        connection
            .prepare_cached(
                "INSERT INTO job (id, account, subscription, kind, state, first, last, total, frontier, made_at, made_by)
                 VALUES (?1, ?2, ?3, ?4, 'running', ?5, ?6, ?7, ?8, ?9, ?10)",
            )?
            .execute((
                self.id.as_bytes(),
                self.no,
                self.subscription.as_bytes(),
                self.kind.as_str(),
                claimed.first.0.cast_signed(),
                claimed.last.0.cast_signed(),
                claimed.count.cast_signed(),
                claimed.first.previous().0.cast_signed(),
                self.now.as_millis(),
                self.made_by,
            ))?;
        Ok(())
    }
}
