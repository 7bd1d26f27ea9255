//! How long an account's entries are kept, where that is not as for all.

use domain::{AccountId, EntryDraft, Timestamp};
use rusqlite::{Connection, OptionalExtension};

use crate::{Error, Store, entries};

/// What holds for the entries of one account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AccountRetention {
    /// Days for which they are kept, by the time of their receipt; none: as long as those of all.
    pub days: Option<u32>,
    /// While it stands, no entry leaves the log.
    pub legal_hold: bool,
}

const DAY_MILLIS: i64 = 24 * 60 * 60 * 1_000;

impl Store {
    /// How long the account's entries are kept.
    ///
    /// # Errors
    /// [`Error`] when the database fails.
    pub async fn account_retention(&self, account: AccountId) -> Result<AccountRetention, Error> {
        let no = self.account_no(account).await?;
        self.read(move |connection| Ok(read(connection, no)?)).await
    }

    /// Changes how long the account's entries are kept, with the entry that records it. From then on
    /// nothing leaves the log that would not under it.
    ///
    /// # Errors
    /// [`Error::Conflict`] when it is not `expected` any more.
    pub async fn account_retention_update(
        &self,
        account: AccountId,
        expected: AccountRetention,
        retention: AccountRetention,
        record: EntryDraft,
    ) -> Result<(), Error> {
        let no = self.account_no(account).await?;
        self.shared
            .writer
            .run(move |group| {
                if read(group.connection, no)? != expected {
                    return Err(Error::Conflict);
                }
                group
                    .connection
                    .prepare_cached(
                        "INSERT OR REPLACE INTO account_retention (account, days, legal_hold) VALUES (?1, ?2, ?3)",
                    )?
                    .execute((no, retention.days, retention.legal_hold))?;
                entries::append_system(group, account, no, record).map(drop)
            })
            .await
    }
}

pub(crate) fn read(connection: &Connection, no: i64) -> Result<AccountRetention, rusqlite::Error> {
    let stored = connection
        .prepare_cached("SELECT days, legal_hold FROM account_retention WHERE account = ?1")?
        .query_row([no], |row| Ok(AccountRetention { days: row.get(0)?, legal_hold: row.get(1)? }))
        .optional()?;
    Ok(stored.unwrap_or_default())
}

impl AccountRetention {
    /// What was received before this may leave the log at `now`; `before` where the account has no
    /// age of its own. None under a legal hold.
    pub(crate) fn cut(self, now: Timestamp, before: Timestamp) -> Option<Timestamp> {
        let own = self.days.map(|days| now.as_millis().saturating_sub(i64::from(days) * DAY_MILLIS));
        (!self.legal_hold).then(|| own.map_or(before, Timestamp::from_millis))
    }
}
