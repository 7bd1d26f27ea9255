//! Retention: what is old enough leaves the log, from its beginning and in small steps.
//!
//! A step never takes an entry that some subscription has not settled. Whoever gives such an
//! entry up settles it first. Sequences are never given again: the end of the log stands.

use domain::{AccountId, EntryId, Sequence, SubscriptionId, Timestamp};
use rusqlite::{Connection, OptionalExtension};

use crate::{
    Error, JournalWrite, Progress, Store, account_retention,
    entries::{SEQUENCE_BITS, SEQUENCE_MAX, id_key, place},
    progress,
    writer::Group,
};

/// Accounts that one read looks at, so that no reader holds its snapshot for long.
const ACCOUNTS_PAGE: i64 = 1_000;

/// One step of retention.
#[derive(Clone, Copy, Debug)]
pub struct EntryDrop {
    /// Whose log.
    pub account: AccountId,
    /// Only entries received before this.
    pub before: Timestamp,
    /// Most entries of the step.
    pub entries_max: usize,
    /// About the most bytes of entries of the step.
    pub bytes_max: usize,
}

/// What a step has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntriesDropped {
    /// Entries that are gone.
    pub entries: usize,
    /// Whether a limit ended the step, so that another one may find more.
    pub has_more: bool,
}

/// An account whose log begins with something that is old enough to leave it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OldLog {
    /// The account.
    pub account: AccountId,
    /// What was received before this may leave.
    pub before: Timestamp,
}

/// A subscription whose first unsettled entry is still in the log and old.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeldUp {
    /// The subscription.
    pub subscription: SubscriptionId,
    /// The first entry without a fate.
    pub unsettled_from: Sequence,
    /// When the first entry from there on was received.
    pub received_at: Timestamp,
}

impl Store {
    /// The accounts whose first entry may leave the log at `now` for its age: their own, or `before`
    /// where they have none. Those under a legal hold are not among them.
    ///
    /// # Errors
    /// [`Error`] when the database fails.
    pub async fn account_list_older(&self, now: Timestamp, before: Timestamp) -> Result<Vec<OldLog>, Error> {
        let mut found = Vec::new();
        let mut after = Some(0);
        while let Some(from) = after {
            let (page, next) = self.read(move |connection| Ok(older_page(connection, from, now, before)?)).await?;
            found.extend(page);
            after = next;
        }
        Ok(found)
    }

    /// The subscriptions of an account, on or off, whose first unsettled entry was received
    /// before `before`; the one that is furthest behind first.
    ///
    /// # Errors
    /// [`Error`] when the database fails.
    pub async fn subscription_list_held_up(&self, account: AccountId, before: Timestamp) -> Result<Vec<HeldUp>, Error> {
        let no = self.account_no(account).await?;
        self.read(move |connection| Ok(held_up(connection, no, before)?)).await
    }

    /// Takes one step: drops entries from the beginning of the log, up to the first one that is
    /// too young or that some subscription has not settled. What the account's own retention keeps
    /// stays, whatever the step says.
    ///
    /// # Errors
    /// [`Error`] when the database fails.
    pub async fn entry_drop(&self, step: EntryDrop) -> Result<EntriesDropped, Error> {
        let no = self.account_no(step.account).await?;
        let dropped = self.shared.writer.run(move |group| drop_step(group, no, step)).await?;
        if dropped.entries > 0 {
            self.shared.index.note_dropped(step.account);
        }
        Ok(dropped)
    }

    /// Writes the progress of a subscription that nobody delivers for, with what tells of it.
    ///
    /// # Errors
    /// [`Error::Conflict`] when its progress is not `expected` any more.
    pub async fn progress_replace(
        &self,
        id: SubscriptionId,
        expected: Progress,
        write: JournalWrite,
    ) -> Result<(), Error> {
        let no = self.account_no(write.account).await?;
        let work = move |group: &mut Group<'_>| {
            if progress::read(group.connection, id)? != Some(expected) {
                return Err(Error::Conflict);
            }
            progress::write_one(group, no, write)
        };
        self.shared.writer.run(work).await
    }
}

/// Accounts after the number `after`, and where the next page begins.
fn older_page(
    connection: &Connection,
    after: i64,
    now: Timestamp,
    before: Timestamp,
) -> Result<(Vec<OldLog>, Option<i64>), rusqlite::Error> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT a.no, a.id, (SELECT e.received_at FROM entry e
                             WHERE e.place > a.no << {SEQUENCE_BITS} AND e.place < (a.no + 1) << {SEQUENCE_BITS}
                             ORDER BY e.place LIMIT 1)
         FROM account a WHERE a.no > ?1 ORDER BY a.no LIMIT ?2"
    ))?;
    let mut rows = statement.query((after, ACCOUNTS_PAGE))?;
    let (mut found, mut last, mut count) = (Vec::new(), after, 0);
    while let Some(row) = rows.next()? {
        (last, count) = (row.get(0)?, count + 1);
        let received_at: Option<i64> = row.get(2)?;
        let Some(cut) = account_retention::read(connection, last)?.cut(now, before) else { continue };
        if received_at.is_some_and(|at| at < cut.as_millis()) {
            found.push(OldLog { account: AccountId::from_bytes(row.get(1)?), before: cut });
        }
    }
    Ok((found, (count == ACCOUNTS_PAGE).then_some(last)))
}

fn held_up(connection: &Connection, no: i64, before: Timestamp) -> Result<Vec<HeldUp>, rusqlite::Error> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT p.subscription, p.unsettled_from,
                (SELECT e.received_at FROM entry e
                 WHERE e.place >= (?1 << {SEQUENCE_BITS} | p.unsettled_from) AND e.place <= ?2
                 ORDER BY e.place LIMIT 1)
         FROM progress p JOIN subscription s ON s.id = p.subscription
         WHERE p.account = ?1 AND p.unsettled_from IS NOT NULL AND s.deleted_at IS NULL
         ORDER BY p.unsettled_from"
    ))?;
    let mut rows = statement.query((no, place(no, SEQUENCE_MAX)))?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let received_at: Option<i64> = row.get(2)?;
        // What comes later in the log was received later.
        let Some(received_at) = received_at.filter(|at| *at < before.as_millis()) else { break };
        found.push(HeldUp {
            subscription: SubscriptionId::from_bytes(row.get(0)?),
            unsettled_from: Sequence(row.get::<_, i64>(1)?.cast_unsigned()),
            received_at: Timestamp::from_millis(received_at),
        });
    }
    Ok(found)
}

fn drop_step(group: &Group<'_>, no: i64, step: EntryDrop) -> Result<EntriesDropped, Error> {
    let connection = group.connection;
    // It may have been changed since the step was thought of.
    let Some(cut) = account_retention::read(connection, no)?.cut(group.now(), step.before) else {
        return Ok(EntriesDropped { entries: 0, has_more: false });
    };
    let before = cut.min(step.before);
    let end = first_unsettled(connection, no)?.map_or(i64::MAX, |first| place(no, first)).min(place(no, SEQUENCE_MAX));
    let mut old = connection.prepare_cached(
        "SELECT place, received_at, id, length(bytes) FROM entry WHERE place > ?1 AND place < ?2 ORDER BY place LIMIT ?3",
    )?;
    let most = i64::try_from(step.entries_max).unwrap_or(i64::MAX);
    let mut rows = old.query((place(no, Sequence(0)), end, most))?;
    let mut forget = connection.prepare_cached("DELETE FROM entry_id WHERE id_key = ?1 AND place = ?2")?;
    let (mut dropped, mut bytes, mut last) = (0, 0, 0_i64);
    while let Some(row) = rows.next()? {
        if row.get::<_, i64>(1)? >= before.as_millis() || bytes >= step.bytes_max {
            break;
        }
        last = row.get(0)?;
        let id = EntryId::parse(&row.get::<_, String>(2)?).map_err(Error::internal)?;
        forget.execute((id_key(no, &id), last))?;
        dropped += 1;
        bytes += usize::try_from(row.get::<_, i64>(3)?).unwrap_or(usize::MAX);
    }
    connection
        .prepare_cached("DELETE FROM entry WHERE place > ?1 AND place <= ?2")?
        .execute((place(no, Sequence(0)), last))?;
    Ok(EntriesDropped { entries: dropped, has_more: dropped >= step.entries_max || bytes >= step.bytes_max })
}

/// The first entry that some subscription of the account has not settled, whether it is on or
/// off; none when nobody waits for anything.
fn first_unsettled(connection: &Connection, no: i64) -> Result<Option<Sequence>, rusqlite::Error> {
    let own: Option<i64> = connection
        .prepare_cached(
            "SELECT p.unsettled_from FROM progress p JOIN subscription s ON s.id = p.subscription
             WHERE p.account = ?1 AND p.unsettled_from IS NOT NULL AND s.deleted_at IS NULL
             ORDER BY p.unsettled_from LIMIT 1",
        )?
        .query_row([no], |row| row.get(0))
        .optional()?;
    // Those that have caught up stand where their account was matched.
    let has_caught_up: bool = connection
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM progress WHERE account = ?1 AND unsettled_from IS NULL)")?
        .query_row([no], |row| row.get(0))?;
    let shared = if has_caught_up { Some(progress::matched(connection, no)?.next()) } else { None };
    Ok([own.map(|first| Sequence(first.cast_unsigned())), shared].into_iter().flatten().min())
}
