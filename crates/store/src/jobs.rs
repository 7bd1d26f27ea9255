//! Replays and redeliveries: what they are, how far they are, and how they begin and end.

mod create;

use domain::{AccountId, EntryDraft, JobId, Sequence, SubscriptionId, Timestamp};
use rusqlite::{Connection, OptionalExtension, Row};

pub(crate) use create::write_retry;
pub use create::{JobError, Letters, NewJob, Work};

use crate::{Error, Store, dead_letters, entries, writer::Group};

/// Most jobs of one subscription that have not ended.
pub const JOBS_RUNNING_MAX: usize = 10;

/// What a job sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobKind {
    /// Entries of the log once more; the ledger stays as it is.
    Replay,
    /// Dead letters; those that pass become delivered.
    Redelivery,
}

/// Whether a job goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobState {
    /// It sends, waits for its turn, or for its subscription.
    Running,
    /// Each of its entries has its count.
    Done,
    /// It was stopped before that.
    Stopped,
}

/// What came of the entries of a job.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct JobCounts {
    /// The destination took them.
    pub accepted: u64,
    /// The destination refused them for good.
    pub refused: u64,
    /// The policy does not want them, or there is nothing to send for their kind.
    pub filtered: u64,
    /// Too old for the destination, or not kept any more.
    pub skipped: u64,
}

impl JobCounts {
    /// How many entries have a count.
    pub fn sum(&self) -> u64 {
        self.accepted + self.refused + self.filtered + self.skipped
    }
}

/// A stored job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// Its id.
    pub id: JobId,
    /// Whose entries it sends.
    pub subscription: SubscriptionId,
    /// What it sends.
    pub kind: JobKind,
    /// The first sequence that it may send.
    pub first: Sequence,
    /// The last one.
    pub last: Sequence,
    /// Entries that it is about.
    pub total: u64,
    /// Whether it goes on.
    pub state: JobState,
    /// How far it is.
    pub progress: JobProgress,
    /// When it was made.
    pub made_at: Timestamp,
    /// Who made it, as JSON; `None` for the server itself.
    pub made_by: Option<String>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
}

/// How far a job is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobProgress {
    /// Up to here its entries were taken up; what of them is unsettled stands in `detail`.
    pub frontier: Sequence,
    /// What came of the others.
    pub counts: JobCounts,
    /// The delivery engine's own text.
    pub detail: String,
}

/// Some jobs of a subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobPage {
    /// Newest first.
    pub jobs: Vec<Job>,
    /// Whether there are older ones.
    pub has_more: bool,
}

/// What one flush of the journal writes of the jobs of an account.
#[derive(Clone, Debug, Default)]
pub struct JobWrites {
    /// How far jobs are, and whether each has done all of its work.
    pub progress: Vec<(JobId, JobProgress, bool)>,
    /// Dead letters that were delivered after all.
    pub delivered: Vec<(SubscriptionId, Sequence)>,
    /// Dead letters that the server itself redelivers from now on, as one job each.
    pub retries: Vec<(SubscriptionId, Vec<Sequence>)>,
}

const COLUMNS: &str = "j.id, j.subscription, j.kind, j.first, j.last, j.total, j.state, j.frontier, j.accepted, \
                       j.refused, j.filtered, j.skipped, j.detail, j.made_at, j.made_by, j.ended_at";

impl Store {
    /// Jobs of a subscription from the newest on, or those made before `before`; at most `count`.
    ///
    /// # Errors
    /// [`Error::NotFound`] when the subscription has no job `before`.
    pub async fn job_page(
        &self,
        subscription: SubscriptionId,
        before: Option<JobId>,
        count: usize,
    ) -> Result<JobPage, Error> {
        self.read(move |connection| {
            let before = match before {
                Some(id) => connection
                    .prepare_cached("SELECT no FROM job WHERE id = ?1 AND subscription = ?2")?
                    .query_row((id.as_bytes(), subscription.as_bytes()), |row| row.get(0))?,
                None => i64::MAX,
            };
            let mut statement = connection.prepare_cached(&format!(
                "SELECT {COLUMNS} FROM job j WHERE j.subscription = ?1 AND j.no < ?2 ORDER BY j.no DESC LIMIT ?3"
            ))?;
            let most = i64::try_from(count).unwrap_or(i64::MAX).saturating_add(1);
            let rows = statement.query_map((subscription.as_bytes(), before, most), of_row)?;
            let mut jobs = rows.collect::<Result<Vec<_>, _>>()?;
            let has_more = jobs.len() > count;
            jobs.truncate(count);
            Ok(JobPage { jobs, has_more })
        })
        .await
    }

    /// One job of a subscription.
    ///
    /// # Errors
    /// [`Error::NotFound`] when the subscription has none with this id.
    pub async fn job_get(&self, subscription: SubscriptionId, id: JobId) -> Result<Job, Error> {
        self.read(move |connection| get(connection, subscription, id)).await
    }

    /// The job of a subscription whose turn it is: the oldest that has not ended.
    ///
    /// # Errors
    /// [`Error`] when the database fails.
    pub async fn job_next(&self, account: AccountId, subscription: SubscriptionId) -> Result<Option<Job>, Error> {
        let no = self.account_no(account).await?;
        self.read(move |connection| {
            Ok(connection
                .prepare_cached(&format!(
                    "SELECT {COLUMNS} FROM job j WHERE j.account = ?1 AND j.subscription = ?2 AND j.state = 'running'
                     ORDER BY j.no LIMIT 1"
                ))?
                .query_row((no, subscription.as_bytes()), of_row)
                .optional()?)
        })
        .await
    }

    /// The subscriptions of an account with a job that has not ended.
    ///
    /// # Errors
    /// [`Error`] when the database fails.
    pub async fn job_list_waiting(&self, account: AccountId) -> Result<Vec<SubscriptionId>, Error> {
        let no = self.account_no(account).await?;
        self.read(move |connection| {
            let mut statement = connection
                .prepare_cached("SELECT DISTINCT subscription FROM job WHERE account = ?1 AND state = 'running'")?;
            let rows = statement.query_map([no], |row| Ok(SubscriptionId::from_bytes(row.get(0)?)))?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
    }

    /// Stops a job and records that in the same transaction. `false`: it had ended before, and
    /// nothing is changed or recorded.
    ///
    /// # Errors
    /// [`Error::NotFound`] when the subscription has none with this id.
    pub async fn job_stop(
        &self,
        account: AccountId,
        subscription: SubscriptionId,
        id: JobId,
        record: EntryDraft,
    ) -> Result<bool, Error> {
        let no = self.account_no(account).await?;
        self.shared
            .writer
            .run(move |group| {
                let job = get(group.connection, subscription, id)?;
                if job.state != JobState::Running {
                    return Ok(false);
                }
                entries::append_system(group, account, no, record)?;
                stop(group.connection, id, group.now())?;
                Ok(true)
            })
            .await
    }
}

/// Stops the jobs of a subscription that is deleted.
pub(crate) fn stop_all(group: &Group<'_>, no: i64, subscription: SubscriptionId) -> Result<(), Error> {
    let mut statement = group
        .connection
        .prepare_cached("SELECT id FROM job WHERE account = ?1 AND subscription = ?2 AND state = 'running'")?;
    let ids = statement.query_map((no, subscription.as_bytes()), |row| Ok(JobId::from_bytes(row.get(0)?)))?;
    let ids = ids.collect::<Result<Vec<_>, _>>()?;
    ids.into_iter().try_for_each(|id| stop(group.connection, id, group.now()))
}

/// Writes what the journal has of jobs. One that was stopped meanwhile stays so.
pub(crate) fn write(connection: &Connection, no: i64, writes: &JobWrites, now: Timestamp) -> Result<(), Error> {
    for (subscription, sequence) in &writes.delivered {
        dead_letters::drop_delivered(connection, *subscription, *sequence)?;
    }
    let mut update = connection.prepare_cached(
        "UPDATE job SET frontier = ?2, accepted = ?3, refused = ?4, filtered = ?5, skipped = ?6, detail = ?7
         WHERE id = ?1 AND account = ?8",
    )?;
    for (id, progress, is_done) in &writes.progress {
        let JobProgress { frontier, counts, detail } = progress;
        let count = u64::cast_signed;
        update.execute((
            id.as_bytes(),
            frontier.0.cast_signed(),
            count(counts.accepted),
            count(counts.refused),
            count(counts.filtered),
            count(counts.skipped),
            detail,
            no,
        ))?;
        if *is_done {
            end(connection, *id, JobState::Done, now)?;
        }
    }
    for (subscription, sequences) in &writes.retries {
        write_retry(connection, no, *subscription, sequences, now)?;
    }
    Ok(())
}

fn stop(connection: &Connection, id: JobId, now: Timestamp) -> Result<(), Error> {
    end(connection, id, JobState::Stopped, now)
}

fn end(connection: &Connection, id: JobId, state: JobState, now: Timestamp) -> Result<(), Error> {
    dead_letters::release(connection, id)?;
    connection
        .prepare_cached("UPDATE job SET state = ?2, ended_at = ?3 WHERE id = ?1 AND state = 'running'")?
        .execute((id.as_bytes(), state.as_str(), now.as_millis()))?;
    Ok(())
}

fn get(connection: &Connection, subscription: SubscriptionId, id: JobId) -> Result<Job, Error> {
    Ok(connection
        .prepare_cached(&format!("SELECT {COLUMNS} FROM job j WHERE j.id = ?1 AND j.subscription = ?2"))?
        .query_row((id.as_bytes(), subscription.as_bytes()), of_row)?)
}

impl JobKind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Replay => "replay",
            Self::Redelivery => "redelivery",
        }
    }
}

impl JobState {
    fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Done => "done",
            Self::Stopped => "stopped",
        }
    }
}

fn of_row(row: &Row<'_>) -> Result<Job, rusqlite::Error> {
    let sequence = |at: usize| Ok::<_, rusqlite::Error>(Sequence(row.get::<_, i64>(at)?.cast_unsigned()));
    let count = |at: usize| Ok::<_, rusqlite::Error>(row.get::<_, i64>(at)?.cast_unsigned());
    // Nothing but this crate writes the names of kinds and states.
    let kind =
        if row.get_ref(2)?.as_str()? == JobKind::Replay.as_str() { JobKind::Replay } else { JobKind::Redelivery };
    let state = match row.get_ref(6)?.as_str()? {
        "running" => JobState::Running,
        "done" => JobState::Done,
        _ => JobState::Stopped,
    };
    Ok(Job {
        id: JobId::from_bytes(row.get(0)?),
        subscription: SubscriptionId::from_bytes(row.get(1)?),
        kind,
        first: sequence(3)?,
        last: sequence(4)?,
        total: count(5)?,
        state,
        progress: JobProgress {
            frontier: sequence(7)?,
            counts: JobCounts { accepted: count(8)?, refused: count(9)?, filtered: count(10)?, skipped: count(11)? },
            detail: row.get(12)?,
        },
        made_at: Timestamp::from_millis(row.get(13)?),
        made_by: row.get(14)?,
        ended_at: row.get::<_, Option<i64>>(15)?.map(Timestamp::from_millis),
    })
}
