//! The entries that subscriptions passed over, as ranges.

use domain::{Sequence, SubscriptionId, Timestamp};
use rusqlite::{Connection, OptionalExtension, Row};

use crate::Error;

/// The reason of entries that the log lost before they got another fate.
pub const EXPIRED: &str = r#"{"name":"expired","text":"the entry was older than entries are kept"}"#;

/// A run of entries that a subscription passed over for one reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SkippedRange {
    /// The first of them.
    pub first: Sequence,
    /// The last of them.
    pub last: Sequence,
    /// Why, as text that `delivery` writes.
    pub reason: String,
    /// When; of a run that has grown, when it last did.
    pub skipped_at: Timestamp,
}

/// Keeps a range; one that touches another with the same reason becomes one with it.
pub(crate) fn add(connection: &Connection, id: SubscriptionId, mut range: SkippedRange) -> Result<(), Error> {
    let before = touching(connection, id, "last = ?2", range.first.previous())?;
    let after = touching(connection, id, "first = ?2", range.last.next())?;
    for other in [before, after].into_iter().flatten().filter(|other| other.reason == range.reason) {
        range.first = range.first.min(other.first);
        range.last = range.last.max(other.last);
        connection
            .prepare_cached("DELETE FROM skipped WHERE subscription = ?1 AND first = ?2")?
            .execute((id.as_bytes(), other.first.0.cast_signed()))?;
    }
    connection
        .prepare_cached(
            "INSERT INTO skipped (subscription, first, last, reason, skipped_at) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute((
            id.as_bytes(),
            range.first.0.cast_signed(),
            range.last.0.cast_signed(),
            &range.reason,
            range.skipped_at.as_millis(),
        ))?;
    Ok(())
}

/// The ranges that end after `after`, in order, at most `count`.
pub(crate) fn list(
    connection: &Connection,
    id: SubscriptionId,
    after: Sequence,
    count: i64,
) -> Result<Vec<SkippedRange>, Error> {
    let mut statement = connection.prepare_cached(
        "SELECT first, last, reason, skipped_at FROM skipped
         WHERE subscription = ?1 AND last > ?2 ORDER BY first LIMIT ?3",
    )?;
    let found =
        statement.query_map((id.as_bytes(), after.0.cast_signed(), count), of_row)?.collect::<Result<_, _>>()?;
    Ok(found)
}

/// How many ranges there are, and how many entries in them.
pub(crate) fn totals(connection: &Connection, id: SubscriptionId) -> Result<(u64, u64), Error> {
    let mut statement = connection
        .prepare_cached("SELECT count(*), coalesce(sum(last - first + 1), 0) FROM skipped WHERE subscription = ?1")?;
    let count = |row: &Row<'_>, column| row.get::<_, i64>(column).map(i64::cast_unsigned);
    Ok(statement.query_row([id.as_bytes()], |row| Ok((count(row, 0)?, count(row, 1)?)))?)
}

/// The range at the sequence `?2`, which lies beside a new one. Ranges do not overlap, so the
/// last one that begins at or before it is the only one that can end there.
fn touching(
    connection: &Connection,
    id: SubscriptionId,
    is_beside: &str,
    beside: Sequence,
) -> Result<Option<SkippedRange>, Error> {
    let found = connection
        .prepare_cached(&format!(
            "SELECT first, last, reason, skipped_at FROM (
                 SELECT * FROM skipped WHERE subscription = ?1 AND first <= ?2 ORDER BY first DESC LIMIT 1)
             WHERE {is_beside}"
        ))?
        .query_row((id.as_bytes(), beside.0.cast_signed()), of_row)
        .optional()?;
    Ok(found)
}

fn of_row(row: &Row<'_>) -> Result<SkippedRange, rusqlite::Error> {
    Ok(SkippedRange {
        first: Sequence(row.get::<_, i64>(0)?.cast_unsigned()),
        last: Sequence(row.get::<_, i64>(1)?.cast_unsigned()),
        reason: row.get(2)?,
        skipped_at: Timestamp::from_millis(row.get(3)?),
    })
}
