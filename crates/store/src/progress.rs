//! How far subscriptions are, and the journal that writes it.

use domain::{AccountId, EntryDraft, EntryId, Sequence, SubscriptionId, Timestamp};
use rusqlite::{Connection, OptionalExtension};

use crate::{
    AttemptsWrite, Error, JobWrites, SkippedRange, Store, attempts, dead_letters, entries, jobs, skipped, writer::Group,
};

/// How far one subscription is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Up to here every entry was judged; what of it is unsettled stands in `detail`.
    /// `None`: caught up, it stands where its account's matched position stands.
    pub frontier: Option<Sequence>,
    /// The first entry without a fate; `None`: caught up, it is the one after the matched position.
    pub unsettled_from: Option<Sequence>,
    /// The counts of the fates that are written down.
    pub counts: Counts,
    /// The delivery engine's own text.
    pub detail: String,
}

/// The counts of the ledger. Entries that were filtered at once are the rest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Accepted by the destination.
    pub delivered: u64,
    /// Passed over with a reason.
    pub skipped: u64,
    /// Refused for good.
    pub dead: u64,
    /// Wanted by the policy that judged them first, and filtered later: there was nothing to
    /// send for them, or a newer policy does not want them.
    pub filtered_after_match: u64,
}

/// What one flush of the journal writes for one account, in one transaction.
#[derive(Clone, Debug)]
pub struct JournalWrite {
    /// The account.
    pub account: AccountId,
    /// Where its caught-up subscriptions stand.
    pub matched: Sequence,
    /// The subscriptions whose progress has changed.
    pub progress: Vec<(SubscriptionId, Progress)>,
    /// Entries refused for good, or skipped, since the last flush.
    pub dead: Vec<DeadLetter>,
    /// What came of replays and redeliveries.
    pub jobs: JobWrites,
    /// Attempts that ended since the last flush.
    pub attempts: Vec<AttemptsWrite>,
    /// Entries passed over since the last flush, of which no copy is kept.
    pub skipped: Vec<(SubscriptionId, SkippedRange)>,
    /// Entries of the server's own that tell of it.
    pub told: Vec<EntryDraft>,
}

impl JournalWrite {
    /// Writes where the caught-up subscriptions of the account stand, and nothing else yet.
    pub fn of(account: AccountId, matched: Sequence) -> Self {
        Self {
            account,
            matched,
            progress: Vec::new(),
            dead: Vec::new(),
            jobs: JobWrites::default(),
            attempts: Vec::new(),
            skipped: Vec::new(),
            told: Vec::new(),
        }
    }
}

/// Why a copy of an entry is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LetterFate {
    /// The destination refused it for good.
    Dead,
    /// It was passed over with a reason.
    Skipped,
}

/// An entry that was settled and not delivered, and can be sent again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// Whose destination refused it.
    pub subscription: SubscriptionId,
    /// Its place in the log.
    pub sequence: Sequence,
    /// What the ledger counts it as.
    pub fate: LetterFate,
    /// Its id.
    pub entry_id: EntryId,
    /// Why, as text that `delivery` writes.
    pub reason: String,
    /// When.
    pub died_at: Timestamp,
    /// A copy of the entry, since it outlives the log.
    pub bytes: Vec<u8>,
}

impl Store {
    /// Writes the journal of some accounts; synced when this returns.
    ///
    /// # Errors
    /// [`Error`] when the database fails.
    pub async fn journal_write(&self, writes: Vec<JournalWrite>) -> Result<(), Error> {
        let mut numbered = Vec::with_capacity(writes.len());
        for write in writes {
            numbered.push((self.account_no(write.account).await?, write));
        }
        self.shared
            .writer
            .run(move |group| numbered.into_iter().try_for_each(|(no, write)| write_one(group, no, write)))
            .await
    }

    /// Where the caught-up subscriptions of an account stand.
    ///
    /// # Errors
    /// [`Error`] when the database fails.
    pub async fn account_matched(&self, account: AccountId) -> Result<Sequence, Error> {
        let no = self.account_no(account).await?;
        self.read(move |connection| Ok(matched(connection, no)?)).await
    }

    /// How far a subscription is; `None` when it was never on.
    ///
    /// # Errors
    /// [`Error`] when the database fails.
    pub async fn progress_get(&self, id: SubscriptionId) -> Result<Option<Progress>, Error> {
        self.read(move |connection| Ok(read(connection, id)?)).await
    }
}

/// Gives a subscription that was just switched on for the first time its progress. What it was
/// to begin with and the log has no more is passed over.
pub(crate) fn begin(group: &Group<'_>, no: i64, id: SubscriptionId, start: Sequence) -> Result<(), Error> {
    let connection = group.connection;
    let frontier = start.max(entries::beginning(connection, no)?.previous());
    connection
        .prepare_cached(
            "INSERT INTO progress (subscription, account, frontier, unsettled_from, delivered, skipped, dead,
                                   filtered_after_match, detail)
             VALUES (?1, ?2, ?3, ?3 + 1, 0, ?4, 0, 0, '')",
        )?
        .execute((id.as_bytes(), no, frontier.0.cast_signed(), (frontier.0 - start.0).cast_signed()))?;
    if frontier > start {
        let (reason, skipped_at) = (skipped::EXPIRED.to_owned(), group.now());
        skipped::add(connection, id, SkippedRange { first: start.next(), last: frontier, reason, skipped_at })?;
    }
    Ok(())
}

/// Gives a caught-up subscription a position of its own: where its account's stands now.
pub(crate) fn detach(connection: &Connection, no: i64, id: SubscriptionId) -> Result<(), Error> {
    connection
        .prepare_cached(
            "UPDATE progress SET frontier = ?2, unsettled_from = ?2 + 1 WHERE subscription = ?1 AND frontier IS NULL",
        )?
        .execute((id.as_bytes(), matched(connection, no)?.0.cast_signed()))?;
    Ok(())
}

pub(crate) fn matched(connection: &Connection, no: i64) -> Result<Sequence, rusqlite::Error> {
    let matched: i64 =
        connection.prepare_cached("SELECT matched FROM account WHERE no = ?1")?.query_row([no], |row| row.get(0))?;
    Ok(Sequence(matched.cast_unsigned()))
}

pub(crate) fn read(connection: &Connection, id: SubscriptionId) -> Result<Option<Progress>, rusqlite::Error> {
    connection
        .prepare_cached(
            "SELECT frontier, unsettled_from, delivered, skipped, dead, filtered_after_match, detail
             FROM progress WHERE subscription = ?1",
        )?
        .query_row([id.as_bytes()], |row| {
            Ok(Progress {
                frontier: row.get::<_, Option<i64>>(0)?.map(|frontier| Sequence(frontier.cast_unsigned())),
                unsettled_from: row.get::<_, Option<i64>>(1)?.map(|first| Sequence(first.cast_unsigned())),
                counts: Counts {
                    delivered: row.get::<_, i64>(2)?.cast_unsigned(),
                    skipped: row.get::<_, i64>(3)?.cast_unsigned(),
                    dead: row.get::<_, i64>(4)?.cast_unsigned(),
                    filtered_after_match: row.get::<_, i64>(5)?.cast_unsigned(),
                },
                detail: row.get(6)?,
            })
        })
        .optional()
}

pub(crate) fn write_one(group: &mut Group<'_>, no: i64, write: JournalWrite) -> Result<(), Error> {
    write_progress(group.connection, no, &write, group.now())?;
    for told in write.told {
        entries::append_system(group, write.account, no, told)?;
    }
    Ok(())
}

fn write_progress(connection: &Connection, no: i64, write: &JournalWrite, now: Timestamp) -> Result<(), Error> {
    connection
        .prepare_cached("UPDATE account SET matched = ?2 WHERE no = ?1 AND matched < ?2")?
        .execute((no, write.matched.0.cast_signed()))?;
    for (id, progress) in &write.progress {
        put(connection, no, *id, progress)?;
    }
    for letter in &write.dead {
        dead_letters::put(connection, letter)?;
    }
    for (id, range) in &write.skipped {
        skipped::add(connection, *id, range.clone())?;
    }
    jobs::write(connection, no, &write.jobs, now)?;
    attempts::write(connection, no, &write.attempts)
}

/// Replaces the progress of a subscription that has one.
pub(crate) fn put(connection: &Connection, no: i64, id: SubscriptionId, progress: &Progress) -> Result<(), Error> {
    connection
        .prepare_cached(
            "UPDATE progress SET frontier = ?2, unsettled_from = ?3, delivered = ?4, skipped = ?5, dead = ?6,
                                 filtered_after_match = ?7, detail = ?8
             WHERE subscription = ?1 AND account = ?9",
        )?
        .execute((
            id.as_bytes(),
            progress.frontier.map(|frontier| frontier.0.cast_signed()),
            progress.unsettled_from.map(|first| first.0.cast_signed()),
            progress.counts.delivered.cast_signed(),
            progress.counts.skipped.cast_signed(),
            progress.counts.dead.cast_signed(),
            progress.counts.filtered_after_match.cast_signed(),
            &progress.detail,
            no,
        ))?;
    Ok(())
}
