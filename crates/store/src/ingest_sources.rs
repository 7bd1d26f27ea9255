//! Sources: programs that send entries and cannot send a token.

use domain::{AccountId, EntryDraft, IngestSourceId, Timestamp};
use rusqlite::{OptionalExtension, Row};

use crate::{
    Error, Store,
    account_limits::{self, Counted},
    entries,
};

/// A stored source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IngestSource {
    /// Its id, which stands in the address that it sends to and cannot be guessed.
    pub id: IngestSourceId,
    /// Whose log it writes to.
    pub account: AccountId,
    /// What it sends, as text that `app` reads.
    pub kind: String,
    /// What people call it.
    pub name: String,
    /// What signs its requests, sealed.
    pub secret: Vec<u8>,
    /// When it was made.
    pub created_at: Timestamp,
}

const COLUMNS: &str = "s.id, a.id, s.kind, s.name, s.secret, s.created_at";

impl Store {
    /// Stores a source and, in the same transaction, the entry that records it. Its time is that
    /// of the transaction.
    ///
    /// # Errors
    /// [`Error::Limit`] when the account has as many as it may have.
    pub async fn ingest_source_create(&self, new: IngestSource, record: EntryDraft) -> Result<IngestSource, Error> {
        let no = self.account_no(new.account).await?;
        let limits = self.shared.options.account_limits;
        self.shared
            .writer
            .run(move |group| {
                account_limits::check_room(group.connection, no, Counted::IngestSources, limits)?;
                let created_at = group.now();
                group
                    .connection
                    .prepare_cached(
                        "INSERT INTO ingest_source (id, account, kind, name, secret, created_at)
                         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                    )?
                    .execute((new.id.as_bytes(), no, &new.kind, &new.name, &new.secret, created_at.as_millis()))?;
                entries::append_system(group, new.account, no, record)?;
                Ok(IngestSource { created_at, ..new })
            })
            .await
    }

    /// The source with this id, of whatever account that is not suspended.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is none.
    pub async fn ingest_source_get(&self, id: IngestSourceId) -> Result<IngestSource, Error> {
        self.read(move |connection| {
            connection
                .prepare_cached(&format!(
                    "SELECT {COLUMNS} FROM ingest_source s JOIN account a ON a.no = s.account
                     WHERE s.id = ?1 AND a.suspended_at IS NULL"
                ))?
                .query_row([id.as_bytes()], of_row)
                .optional()?
                .ok_or(Error::NotFound)
        })
        .await
    }

    /// The sources of an account, the oldest first.
    ///
    /// # Errors
    /// [`Error`] when the database fails.
    pub async fn ingest_source_list(&self, account: AccountId) -> Result<Vec<IngestSource>, Error> {
        let no = self.account_no(account).await?;
        self.read(move |connection| {
            let mut statement = connection.prepare_cached(&format!(
                "SELECT {COLUMNS} FROM ingest_source s JOIN account a ON a.no = s.account
                 WHERE s.account = ?1 ORDER BY s.created_at, s.id"
            ))?;
            let found = statement.query_map([no], of_row)?.collect::<Result<_, _>>()?;
            Ok(found)
        })
        .await
    }

    /// Deletes a source and records it in the same transaction.
    ///
    /// # Errors
    /// [`Error::NotFound`] when the account has none with this id.
    pub async fn ingest_source_delete(
        &self,
        account: AccountId,
        id: IngestSourceId,
        record: EntryDraft,
    ) -> Result<(), Error> {
        let no = self.account_no(account).await?;
        self.shared
            .writer
            .run(move |group| {
                let deleted = group
                    .connection
                    .prepare_cached("DELETE FROM ingest_source WHERE id = ?1 AND account = ?2")?
                    .execute((id.as_bytes(), no))?;
                if deleted == 0 {
                    return Err(Error::NotFound);
                }
                entries::append_system(group, account, no, record).map(drop)
            })
            .await
    }
}

fn of_row(row: &Row<'_>) -> Result<IngestSource, rusqlite::Error> {
    Ok(IngestSource {
        id: IngestSourceId::from_bytes(row.get(0)?),
        account: AccountId::from_bytes(row.get(1)?),
        kind: row.get(2)?,
        name: row.get(3)?,
        secret: row.get(4)?,
        created_at: Timestamp::from_millis(row.get(5)?),
    })
}
