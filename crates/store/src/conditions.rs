//! What lasts and was told: conditions of subscriptions, beside the entries that tell of them.
//!
//! What the kinds mean and when they are told is not known here.

use domain::{AccountId, EntryDraft, Sequence, SubscriptionId, Timestamp};
use rusqlite::Row;

use crate::{Error, Store, entries, writer::Group};

/// A condition as it was last told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredCondition {
    /// Whose subscription it is.
    pub account: AccountId,
    /// The subscription.
    pub subscription: SubscriptionId,
    /// Its kind, as text of the caller.
    pub kind: String,
    /// Since when it has lasted.
    pub since: Timestamp,
    /// Why, for people.
    pub reason: String,
    /// When its beginning was told.
    pub started_at: Timestamp,
    /// When it was last told of.
    pub told_at: Timestamp,
    /// When its end was told; none while it lasts.
    pub ended_at: Option<Timestamp>,
    /// Where the newest entry that tells of it stands.
    pub sequence: Sequence,
}

/// An entry that tells of a condition, and the condition as it is from then on.
#[derive(Clone, Debug)]
pub struct ConditionTelling {
    /// What is to be stored; its sequence is given by the store.
    pub condition: StoredCondition,
    /// The entry.
    pub record: EntryDraft,
}

impl Store {
    /// All conditions that last, and those whose end was told not long ago.
    ///
    /// # Errors
    /// [`Error`] when the database fails.
    pub async fn condition_list(&self) -> Result<Vec<StoredCondition>, Error> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT a.id, c.subscription, c.kind, c.since, c.reason, c.started_at, c.told_at, c.ended_at, c.sequence
                 FROM condition c JOIN account a ON a.no = c.account ORDER BY c.subscription, c.kind",
            )?;
            let found = statement.query_map([], of_row)?.collect::<Result<_, _>>()?;
            Ok(found)
        })
        .await
    }

    /// The integration key and the name of a subscription, also of one that was deleted.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there never was one with this id.
    pub async fn subscription_label(&self, id: SubscriptionId) -> Result<(String, String), Error> {
        self.read(move |connection| {
            Ok(connection
                .prepare_cached("SELECT integration, name FROM subscription WHERE id = ?1")?
                .query_row([id.as_bytes()], |row| Ok((row.get(0)?, row.get(1)?)))?)
        })
        .await
    }

    /// Stores conditions with the entries that tell of them, all in one transaction, and forgets
    /// those that ended before `forget_before`. Gives back where the entries stand.
    ///
    /// # Errors
    /// [`Error`] when the database fails.
    pub async fn condition_tell(
        &self,
        tellings: Vec<ConditionTelling>,
        forget_before: Timestamp,
    ) -> Result<Vec<Sequence>, Error> {
        let mut numbered = Vec::with_capacity(tellings.len());
        for telling in tellings {
            numbered.push((self.account_no(telling.condition.account).await?, telling));
        }
        let work = move |group: &mut Group<'_>| {
            group
                .connection
                .prepare_cached("DELETE FROM condition WHERE ended_at < ?1")?
                .execute([forget_before.as_millis()])?;
            numbered.into_iter().map(|(no, telling)| tell(group, no, telling)).collect()
        };
        self.shared.writer.run(work).await
    }
}

fn tell(group: &mut Group<'_>, no: i64, telling: ConditionTelling) -> Result<Sequence, Error> {
    let ConditionTelling { condition, record } = telling;
    let sequence = entries::append_system(group, condition.account, no, record)?;
    group
        .connection
        .prepare_cached(
            "INSERT OR REPLACE INTO condition
                 (subscription, kind, account, since, reason, started_at, told_at, ended_at, sequence)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        )?
        .execute((
            condition.subscription.as_bytes(),
            condition.kind,
            no,
            condition.since.as_millis(),
            condition.reason,
            condition.started_at.as_millis(),
            condition.told_at.as_millis(),
            condition.ended_at.map(Timestamp::as_millis),
            sequence.0.cast_signed(),
        ))?;
    Ok(sequence)
}

fn of_row(row: &Row<'_>) -> Result<StoredCondition, rusqlite::Error> {
    let time = |column| row.get(column).map(Timestamp::from_millis);
    Ok(StoredCondition {
        account: AccountId::from_bytes(row.get(0)?),
        subscription: SubscriptionId::from_bytes(row.get(1)?),
        kind: row.get(2)?,
        since: time(3)?,
        reason: row.get(4)?,
        started_at: time(5)?,
        told_at: time(6)?,
        ended_at: row.get::<_, Option<i64>>(7)?.map(Timestamp::from_millis),
        sequence: Sequence(row.get::<_, i64>(8)?.cast_unsigned()),
    })
}
