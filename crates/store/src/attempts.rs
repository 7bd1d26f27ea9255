//! The attempts of subscriptions: written with the journal, read newest first, and dropped by
//! age and number in small steps.
//!
//! Each subscription numbers its attempts 1, 2, 3, …; a row holds those that one flush of the
//! journal brought. Deliberately absent: what a row says of its attempts, which only `delivery`
//! reads.

use domain::{SubscriptionId, Timestamp};
use rusqlite::{Connection, OptionalExtension};

use crate::{Error, Store};

/// Rows that one step drops at most, so that no commit becomes long for it.
const DROPPED_ROWS_MAX: i64 = 200;
/// Subscriptions that one step looks at, so that no reader holds its snapshot for long.
const LOOKED_MAX: usize = 1_000;

/// Attempts of one subscription that one flush of the journal writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttemptsWrite {
    /// Whose they are.
    pub subscription: SubscriptionId,
    /// How many there are.
    pub count: u64,
    /// How many came after them and were not kept; their numbers stay empty.
    pub dropped: u64,
    /// When the last of them ended.
    pub ended_at: Timestamp,
    /// They themselves, in the order in which they ended.
    pub packed: Vec<u8>,
}

/// Attempts of one subscription as they are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttemptsRow {
    /// The number of the first.
    pub first: u64,
    /// They themselves.
    pub packed: Vec<u8>,
}

/// Which attempts are no longer kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttemptLimits {
    /// Those that ended before this.
    pub ended_before: Timestamp,
    /// All but this many, the newest, of each subscription; of the row that holds the oldest of
    /// them all stay.
    pub kept_max: u64,
}

/// What one step of dropping did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DropStep {
    /// Rows that are gone.
    pub rows: usize,
    /// Where the next step begins; `None` when every subscription was looked at.
    pub next: Option<SubscriptionId>,
}

impl Store {
    /// Attempts of a subscription with numbers below `below`, or from the newest on: rows, newest
    /// first, at most `rows` and about `bytes` bytes, but one where there is one. A row can reach
    /// up to `below` and beyond.
    ///
    /// # Errors
    /// [`Error`] when the database fails.
    pub async fn attempt_page(
        &self,
        id: SubscriptionId,
        below: Option<u64>,
        rows: usize,
        bytes: usize,
    ) -> Result<Vec<AttemptsRow>, Error> {
        self.read(move |connection| {
            let mut statement = connection.prepare_cached(
                "SELECT first, packed FROM attempt WHERE subscription = ?1 AND first < ?2 ORDER BY first DESC LIMIT ?3",
            )?;
            let below = below.and_then(|below| i64::try_from(below).ok()).unwrap_or(i64::MAX);
            let mut found = statement.query((id.as_bytes(), below, i64::try_from(rows).unwrap_or(i64::MAX)))?;
            let (mut page, mut room) = (Vec::new(), bytes);
            while let Some(row) = found.next()? {
                let packed: Vec<u8> = row.get(1)?;
                if packed.len() > room && !page.is_empty() {
                    break;
                }
                room = room.saturating_sub(packed.len());
                page.push(AttemptsRow { first: row.get::<_, i64>(0)?.cast_unsigned(), packed });
            }
            Ok(page)
        })
        .await
    }

    /// Looks at subscriptions in the order of their ids, from `from` on, and drops some of what
    /// the first one has that is no longer kept. Deleted subscriptions are among them. Where there
    /// is nothing to drop, the writer is not asked.
    ///
    /// # Errors
    /// [`Error`] when the database fails; nothing is lost but the step.
    pub async fn attempt_drop_step(&self, from: SubscriptionId, limits: AttemptLimits) -> Result<DropStep, Error> {
        let found = self.read(move |connection| Ok(look(connection, from, limits)?)).await?;
        let Found::Drop { id, kept_from } = found else {
            let next = if let Found::Nothing { next } = found { next } else { None };
            return Ok(DropStep { rows: 0, next });
        };
        let rows = self
            .shared
            .writer
            .run(move |group| {
                let mut delete = group
                    .connection
                    .prepare_cached("DELETE FROM attempt WHERE subscription = ?1 AND first < ?2")
                    .map_err(Error::from)?;
                delete.execute((id.as_bytes(), kept_from)).map_err(Error::from)
            })
            .await?;
        Ok(DropStep { rows, next: Some(id) })
    }
}

/// Writes the attempts of one flush, each subscription's under its next numbers.
pub(crate) fn write(connection: &Connection, account: i64, writes: &[AttemptsWrite]) -> Result<(), Error> {
    let mut number = connection.prepare_cached(
        "UPDATE progress SET attempts = attempts + ?3 WHERE subscription = ?1 AND account = ?2 RETURNING attempts",
    )?;
    let mut insert = connection.prepare_cached(
        "INSERT INTO attempt (subscription, first, count, ended_at, packed) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?;
    for write in writes {
        let AttemptsWrite { subscription, count, dropped, ended_at, packed } = write;
        let (count, dropped) = (count.cast_signed(), dropped.cast_signed());
        let id = subscription.as_bytes();
        let last: Option<i64> = number.query_row((id, account, count + dropped), |row| row.get(0)).optional()?;
        if let Some(last) = last.filter(|_| count > 0) {
            insert.execute((id, last - dropped - count + 1, count, ended_at.as_millis(), packed))?;
        }
    }
    Ok(())
}

enum Found {
    /// Of `id` everything before the row that begins with this number is no longer kept.
    Drop { id: SubscriptionId, kept_from: i64 },
    /// Nothing before `next`, or nothing at all.
    Nothing { next: Option<SubscriptionId> },
}

fn look(connection: &Connection, from: SubscriptionId, limits: AttemptLimits) -> Result<Found, rusqlite::Error> {
    let mut from_on =
        connection.prepare_cached("SELECT subscription FROM attempt WHERE subscription >= ?1 ORDER BY 1 LIMIT 1")?;
    let mut after =
        connection.prepare_cached("SELECT subscription FROM attempt WHERE subscription > ?1 ORDER BY 1 LIMIT 1")?;
    let mut next: Option<[u8; 12]> = from_on.query_row([from.as_bytes()], |row| row.get(0)).optional()?;
    for _ in 0..LOOKED_MAX {
        let Some(id) = next else { return Ok(Found::Nothing { next: None }) };
        if let Some(kept_from) = kept_from(connection, id, limits)? {
            return Ok(Found::Drop { id: SubscriptionId::from_bytes(id), kept_from });
        }
        next = after.query_row([id], |row| row.get(0)).optional()?;
    }
    Ok(Found::Nothing { next: next.map(SubscriptionId::from_bytes) })
}

/// Where what is kept begins, not looking further than one step drops; `None` when all is kept.
fn kept_from(connection: &Connection, id: [u8; 12], limits: AttemptLimits) -> Result<Option<i64>, rusqlite::Error> {
    let mut last = connection
        .prepare_cached("SELECT first + count FROM attempt WHERE subscription = ?1 ORDER BY first DESC LIMIT 1")?;
    let end: i64 = last.query_row([id], |row| row.get(0))?;
    let kept_max = i64::try_from(limits.kept_max).unwrap_or(i64::MAX);
    let mut oldest = connection.prepare_cached(
        "SELECT first + count, ended_at FROM attempt WHERE subscription = ?1 ORDER BY first LIMIT ?2",
    )?;
    let mut rows = oldest.query((id, DROPPED_ROWS_MAX))?;
    let mut kept_from = None;
    while let Some(row) = rows.next()? {
        let (after, ended_at): (i64, i64) = (row.get(0)?, row.get(1)?);
        let is_kept = ended_at >= limits.ended_before.as_millis() && after > end.saturating_sub(kept_max);
        if is_kept {
            break;
        }
        kept_from = Some(after);
    }
    Ok(kept_from)
}
