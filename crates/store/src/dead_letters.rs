//! Reading the dead letters of a subscription.

use domain::{EntryId, Sequence, SubscriptionId, Timestamp};
use rusqlite::Row;

use crate::{DeadLetter, Error, Store, entries::SEQUENCE_BITS};

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

impl Store {
    /// The dead letters of a subscription before `before` or from the newest on, at most `count`
    /// and about `bytes` bytes of entries, but one where there is one.
    ///
    /// # Errors
    /// [`Error`] when the database fails.
    pub async fn dead_letter_page(
        &self,
        id: SubscriptionId,
        before: Option<Sequence>,
        count: usize,
        bytes: usize,
    ) -> Result<DeadLetterPage, Error> {
        self.read(move |connection| {
            let mut statement = connection.prepare_cached(&format!(
                "SELECT d.sequence, d.entry_id, d.reason, d.died_at, d.bytes, coalesce(e.received_at, d.died_at)
                 FROM dead_letter d
                 JOIN subscription s ON s.id = d.subscription
                 LEFT JOIN entry e ON e.place = (s.account << {SEQUENCE_BITS} | d.sequence)
                 WHERE d.subscription = ?1 AND d.sequence < ?2 ORDER BY d.sequence DESC",
            ))?;
            let before = before.and_then(|before| i64::try_from(before.0).ok()).unwrap_or(i64::MAX);
            let mut rows = statement.query((id.as_bytes(), before))?;
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
}

fn of_row(row: &Row<'_>, id: SubscriptionId) -> Result<StoredDeadLetter, Error> {
    let letter = DeadLetter {
        subscription: id,
        sequence: Sequence(row.get::<_, i64>(0)?.cast_unsigned()),
        entry_id: EntryId::parse(&row.get::<_, String>(1)?).map_err(Error::internal)?,
        reason: row.get(2)?,
        died_at: Timestamp::from_millis(row.get(3)?),
        bytes: row.get(4)?,
    };
    Ok(StoredDeadLetter { letter, received_at: Timestamp::from_millis(row.get(5)?) })
}
