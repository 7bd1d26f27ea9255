//! Places in the log by the time of receipt, which never runs backwards within an account.

use domain::{AccountId, Sequence, Timestamp};
use rusqlite::{Connection, OptionalExtension};

use crate::{
    Error, Store,
    entries::{SEQUENCE_MAX, place, sequence_of},
};

impl Store {
    /// The first entry of an account that is kept and was received at `time` or later; the place
    /// after the end of the log when there is none.
    ///
    /// # Errors
    /// [`Error`] when the database fails.
    pub async fn entry_first_received(&self, account: AccountId, time: Timestamp) -> Result<Sequence, Error> {
        let no = self.account_no(account).await?;
        let last = self.entry_last_sequence(account).await?;
        self.read(move |connection| {
            // There is no index by time: halving looks at a few dozen entries.
            let (mut low, mut high) = (1, last.0 + 1);
            let mut found = last.next();
            while low < high {
                let middle = low + (high - low) / 2;
                match first_from(connection, no, Sequence(middle))? {
                    Some((_, received_at)) if received_at < time => low = middle + 1,
                    Some((sequence, _)) => (found, high) = (sequence, middle),
                    None => high = middle,
                }
            }
            Ok(found)
        })
        .await
    }
}

fn first_from(
    connection: &Connection,
    no: i64,
    from: Sequence,
) -> Result<Option<(Sequence, Timestamp)>, rusqlite::Error> {
    connection
        .prepare_cached(
            "SELECT place, received_at FROM entry WHERE place >= ?1 AND place <= ?2 ORDER BY place LIMIT 1",
        )?
        .query_row((place(no, from), place(no, SEQUENCE_MAX)), |row| {
            let place: i64 = row.get(0)?;
            Ok((sequence_of(place), Timestamp::from_millis(row.get(1)?)))
        })
        .optional()
}
