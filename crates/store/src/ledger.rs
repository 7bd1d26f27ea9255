//! The ledger of a subscription: what became of each entry, as far as it is written down.

use domain::{AccountId, Sequence, SubscriptionId, Timestamp};
use rusqlite::{Connection, OptionalExtension, Row};

use crate::{Error, LetterFate, Progress, SkippedRange, Store, entries, progress, skipped};

/// What is kept of one subscription's fates, as of one moment. It outlives the subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ledger {
    /// Whose it is.
    pub subscription: SubscriptionId,
    /// The subscription's account.
    pub account: AccountId,
    /// The integration key.
    pub integration: String,
    /// What people call the subscription.
    pub name: String,
    /// The statements that judge now, as sent.
    pub statements: String,
    /// How many revisions there were.
    pub revision: u64,
    /// The sequence before the first one that it judges; `None` until it is first on.
    pub start: Option<Sequence>,
    /// Where it is to start when it is first on, if that was asked for.
    pub asked_start: Option<Sequence>,
    /// When it was deleted.
    pub deleted_at: Option<Timestamp>,
    /// How far it is, with its own frontier also where it is caught up; `None` until it is first on.
    pub progress: Option<Progress>,
    /// The last sequence of the account's log.
    pub last: Sequence,
    /// Which statements judged which entries, oldest first.
    pub revisions: Vec<Revision>,
    /// The entries that were passed over.
    pub skipped: Vec<SkippedRange>,
    /// The entries that were refused for good.
    pub dead: Vec<Sequence>,
    /// The entries that were passed over and of which a copy is kept.
    pub late: Vec<Sequence>,
    /// How long the lists are when they are whole.
    pub totals: LedgerTotals,
}

/// Which part of a ledger's lists is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LedgerPart {
    /// The lists begin after this sequence.
    pub after: Sequence,
    /// The list of revisions begins after this one, too: any number of them may have judged
    /// nothing at one sequence. 0: with the first.
    pub after_revision: u64,
    /// The most items of each list.
    pub count: usize,
}

impl LedgerPart {
    /// All of it.
    pub const WHOLE: Self = Self { after: Sequence(0), after_revision: 0, count: usize::MAX };
}

/// How much there is, however much of it is listed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LedgerTotals {
    /// Ranges of entries that were passed over.
    pub skipped_ranges: u64,
    /// Entries in them.
    pub skipped: u64,
    /// Dead letters.
    pub dead: u64,
    /// Entries that were passed over and of which a copy is kept.
    pub late: u64,
}

/// One revision of a subscription, and what it judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revision {
    /// Counts the changes, from 1.
    pub revision: u64,
    /// As sent.
    pub statements: String,
    /// Whether it delivered.
    pub on: bool,
    /// The sequence before the first one that it judged.
    pub after: Sequence,
    /// The last sequence that it judged; `None` while it is the present one.
    pub until: Option<Sequence>,
    /// What the delivery engine kept when it began: among that, what was unsettled then.
    pub detail: String,
    /// When it began.
    pub made_at: Timestamp,
}

impl Store {
    /// The ledger of a subscription, also of one that was deleted.
    ///
    /// # Errors
    /// [`Error::NotFound`] when the account never had such a subscription.
    pub async fn ledger_get(&self, account: AccountId, id: SubscriptionId, part: LedgerPart) -> Result<Ledger, Error> {
        let no = self.account_no(account).await?;
        self.read(move |connection| read(connection, (account, no), id, part)).await
    }
}

pub(crate) fn read(
    connection: &Connection,
    (account, no): (AccountId, i64),
    id: SubscriptionId,
    part: LedgerPart,
) -> Result<Ledger, Error> {
    let mut ledger = head(connection, (account, no), id)?;
    ledger.progress = progress::read(connection, id)?;
    if let Some(progress) = &mut ledger.progress
        && progress.frontier.is_none()
    {
        progress.frontier = Some(progress::matched(connection, no)?);
    }
    let count = i64::try_from(part.count).unwrap_or(i64::MAX);
    // No sequence and no revision is that large; a caller may ask for anything.
    let after = Sequence(part.after.0.min(entries::SEQUENCE_MAX.0));
    let after_revision = i64::try_from(part.after_revision).unwrap_or(i64::MAX);
    ledger.revisions = revisions(connection, id, (after, after_revision), count)?;
    ledger.skipped = skipped::list(connection, id, after, count)?;
    ledger.dead = letters(connection, id, LetterFate::Dead, after, count)?;
    ledger.late = letters(connection, id, LetterFate::Skipped, after, count)?;
    let (skipped_ranges, skipped) = skipped::totals(connection, id)?;
    let total = |fate| letter_total(connection, id, fate);
    ledger.totals =
        LedgerTotals { skipped_ranges, skipped, dead: total(LetterFate::Dead)?, late: total(LetterFate::Skipped)? };
    Ok(ledger)
}

fn head(connection: &Connection, (account, no): (AccountId, i64), id: SubscriptionId) -> Result<Ledger, Error> {
    let sequence =
        |row: &Row<'_>, at| row.get::<_, Option<i64>>(at).map(|found| found.map(|one| Sequence(one.cast_unsigned())));
    let of_row = |row: &Row<'_>| {
        Ok(Ledger {
            subscription: id,
            account,
            integration: row.get(0)?,
            name: row.get(1)?,
            statements: row.get(2)?,
            revision: row.get::<_, i64>(3)?.cast_unsigned(),
            start: sequence(row, 4)?,
            asked_start: sequence(row, 5)?,
            deleted_at: row.get::<_, Option<i64>>(6)?.map(Timestamp::from_millis),
            last: Sequence(row.get::<_, i64>(7)?.cast_unsigned()),
            progress: None,
            revisions: Vec::new(),
            skipped: Vec::new(),
            dead: Vec::new(),
            late: Vec::new(),
            totals: LedgerTotals::default(),
        })
    };
    connection
        .prepare_cached(
            "SELECT s.integration, s.name, s.statements, s.revision, s.start, s.asked_start, s.deleted_at,
                    a.last_sequence
             FROM subscription s JOIN account a ON a.no = s.account WHERE s.id = ?1 AND s.account = ?2",
        )?
        .query_row((id.as_bytes(), no), of_row)
        .optional()?
        .ok_or(Error::NotFound)
}

/// The later revisions that judged something after `after`, and those that judged nothing from
/// there on.
fn revisions(
    connection: &Connection,
    id: SubscriptionId,
    (after, after_revision): (Sequence, i64),
    count: i64,
) -> Result<Vec<Revision>, rusqlite::Error> {
    let mut statement = connection.prepare_cached(
        "SELECT * FROM (
             SELECT revision, statements, is_on, frontier,
                    lead(frontier) OVER (ORDER BY revision) AS until, detail, made_at
             FROM revision WHERE subscription = ?1)
         WHERE (until IS NULL OR until >= ?2) AND revision > ?3 ORDER BY revision LIMIT ?4",
    )?;
    let of_row = |row: &Row<'_>| {
        Ok(Revision {
            revision: row.get::<_, i64>(0)?.cast_unsigned(),
            statements: row.get(1)?,
            on: row.get(2)?,
            after: Sequence(row.get::<_, i64>(3)?.cast_unsigned()),
            until: row.get::<_, Option<i64>>(4)?.map(|until| Sequence(until.cast_unsigned())),
            detail: row.get(5)?,
            made_at: Timestamp::from_millis(row.get(6)?),
        })
    };
    statement.query_map((id.as_bytes(), after.0.cast_signed(), after_revision, count), of_row)?.collect()
}

fn letters(
    connection: &Connection,
    id: SubscriptionId,
    fate: LetterFate,
    after: Sequence,
    count: i64,
) -> Result<Vec<Sequence>, rusqlite::Error> {
    let mut statement = connection.prepare_cached(
        "SELECT sequence FROM dead_letter
         WHERE subscription = ?1 AND fate = ?2 AND sequence > ?3 ORDER BY sequence LIMIT ?4",
    )?;
    let of_row = |row: &Row<'_>| row.get::<_, i64>(0).map(|sequence| Sequence(sequence.cast_unsigned()));
    statement.query_map((id.as_bytes(), fate.as_str(), after.0.cast_signed(), count), of_row)?.collect()
}

fn letter_total(connection: &Connection, id: SubscriptionId, fate: LetterFate) -> Result<u64, rusqlite::Error> {
    connection
        .prepare_cached("SELECT count(*) FROM dead_letter WHERE subscription = ?1 AND fate = ?2")?
        .query_row((id.as_bytes(), fate.as_str()), |row| row.get::<_, i64>(0).map(i64::cast_unsigned))
}
