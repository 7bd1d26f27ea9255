//! The copies of entries that were settled and not delivered.

use std::sync::Arc;

use domain::{AccountId, Entry, EntryId, JobId, Sequence, SubscriptionId, Timestamp};
use rusqlite::{Connection, Row};

use crate::{DeadLetter, Error, LetterFate, Store, entries::SEQUENCE_BITS};

/// Some dead letters of a subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetterPage {
    /// Newest first.
    pub letters: Vec<StoredDeadLetter>,
    /// Whether there are older ones.
    pub has_more: bool,
}

/// A dead letter as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredDeadLetter {
    /// What was written down.
    pub letter: DeadLetter,
    /// When the entry was received; of one that is no longer in the log, when it died.
    pub received_at: Timestamp,
}

/// An entry that a redelivery sends, and what the ledger counts it as until then.
#[derive(Clone, Debug)]
pub struct Letter {
    /// The copy of the entry.
    pub entry: Arc<Entry>,
    /// Its fate so far.
    pub fate: LetterFate,
}

impl LetterFate {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Dead => "dead",
            Self::Skipped => "skipped",
        }
    }

    fn of(text: &str) -> Result<Self, Error> {
        match text {
            "dead" => Ok(Self::Dead),
            "skipped" => Ok(Self::Skipped),
            _ => Err(Error::internal(format!("there is no fate {text}"))),
        }
    }
}

const LETTER: &str = "d.sequence, d.entry_id, d.reason, d.died_at, d.bytes, coalesce(e.received_at, d.died_at), d.fate";

impl Store {
    /// The dead letters of a subscription before `before` or from the newest on, at most `count`
    /// and about `bytes` bytes of entries, but one where there is one; with `fate` only those that
    /// have it.
    ///
    /// # Errors
    /// [`Error`] when the database fails.
    pub async fn dead_letter_page(
        &self,
        id: SubscriptionId,
        before: Option<Sequence>,
        fate: Option<LetterFate>,
        count: usize,
        bytes: usize,
    ) -> Result<DeadLetterPage, Error> {
        self.read(move |connection| {
            let mut statement = connection.prepare_cached(&format!(
                "SELECT {LETTER} FROM dead_letter d
                 JOIN subscription s ON s.id = d.subscription
                 LEFT JOIN entry e ON e.place = (s.account << {SEQUENCE_BITS} | d.sequence)
                 WHERE d.subscription = ?1 AND d.sequence < ?2 AND (?3 IS NULL OR d.fate = ?3)
                 ORDER BY d.sequence DESC",
            ))?;
            let before = before.and_then(|before| i64::try_from(before.0).ok()).unwrap_or(i64::MAX);
            let mut rows = statement.query((id.as_bytes(), before, fate.map(LetterFate::as_str)))?;
            let (mut letters, mut room) = (Vec::new(), bytes);
            while let Some(row) = rows.next()? {
                if letters.len() >= count || (room == 0 && !letters.is_empty()) {
                    return Ok(DeadLetterPage { letters, has_more: true });
                }
                let stored = of_row(row, id)?;
                room = room.saturating_sub(stored.letter.bytes.len());
                letters.push(stored);
            }
            Ok(DeadLetterPage { letters, has_more: false })
        })
        .await
    }

    /// The letters that the redelivery `job` of `account` has claimed after `after`, in order, at
    /// most `count` and about `bytes` bytes, but one where there is one.
    ///
    /// # Errors
    /// [`Error`] when the database fails.
    pub async fn dead_letter_claimed(
        &self,
        account: AccountId,
        job: JobId,
        after: Sequence,
        count: usize,
        bytes: usize,
    ) -> Result<Vec<Letter>, Error> {
        let no = self.account_no(account).await?;
        self.read(move |connection| {
            let mut statement = connection.prepare_cached(&format!(
                "SELECT {LETTER}, d.subscription FROM dead_letter d
                 LEFT JOIN entry e ON e.place = (?1 << {SEQUENCE_BITS} | d.sequence)
                 WHERE d.job = ?2 AND d.sequence > ?3 ORDER BY d.sequence LIMIT ?4",
            ))?;
            let most = i64::try_from(count).unwrap_or(i64::MAX);
            let after = i64::try_from(after.0).unwrap_or(i64::MAX);
            let mut rows = statement.query((no, job.as_bytes(), after, most))?;
            let (mut letters, mut read) = (Vec::new(), 0);
            while let Some(row) = rows.next()? {
                let StoredDeadLetter { letter, received_at } = of_row(row, SubscriptionId::from_bytes(row.get(7)?))?;
                read += letter.bytes.len();
                let DeadLetter { sequence, entry_id: id, fate, bytes: copy, .. } = letter;
                let entry = Arc::new(Entry::new(account, sequence, id, received_at, copy.into()));
                letters.push(Letter { entry, fate });
                if read >= bytes {
                    break;
                }
            }
            Ok(letters)
        })
        .await
    }
}

/// Keeps a letter, or the newest of what is known of it; no redelivery has it any more.
pub(crate) fn put(connection: &Connection, letter: &DeadLetter) -> Result<(), Error> {
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO dead_letter (subscription, sequence, fate, entry_id, reason, died_at, bytes)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?
        .execute((
            letter.subscription.as_bytes(),
            letter.sequence.0.cast_signed(),
            letter.fate.as_str(),
            letter.entry_id.as_str(),
            &letter.reason,
            letter.died_at.as_millis(),
            &letter.bytes,
        ))?;
    Ok(())
}

/// Drops a letter that was delivered after all.
pub(crate) fn drop_delivered(connection: &Connection, id: SubscriptionId, sequence: Sequence) -> Result<(), Error> {
    connection
        .prepare_cached("DELETE FROM dead_letter WHERE subscription = ?1 AND sequence = ?2")?
        .execute((id.as_bytes(), sequence.0.cast_signed()))?;
    Ok(())
}

/// Lets other redeliveries have what `job` has claimed.
pub(crate) fn release(connection: &Connection, job: JobId) -> Result<(), Error> {
    connection.prepare_cached("UPDATE dead_letter SET job = NULL WHERE job = ?1")?.execute([job.as_bytes()])?;
    Ok(())
}

fn of_row(row: &Row<'_>, id: SubscriptionId) -> Result<StoredDeadLetter, Error> {
    let letter = DeadLetter {
        subscription: id,
        sequence: Sequence(row.get::<_, i64>(0)?.cast_unsigned()),
        entry_id: EntryId::parse(&row.get::<_, String>(1)?).map_err(Error::internal)?,
        reason: row.get(2)?,
        died_at: Timestamp::from_millis(row.get(3)?),
        bytes: row.get(4)?,
        fate: LetterFate::of(row.get_ref(6)?.as_str().map_err(Error::internal)?)?,
    };
    Ok(StoredDeadLetter { letter, received_at: Timestamp::from_millis(row.get(5)?) })
}
