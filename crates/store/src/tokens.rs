//! Access tokens: hashes, never values.

use domain::{AccountId, EntryDraft, Timestamp, TokenId};
use rusqlite::{OptionalExtension, Row};

use crate::{Error, Store, entries};

/// A token to store.
#[derive(Clone, Debug)]
pub struct NewToken {
    /// Its id.
    pub id: TokenId,
    /// Whose it is.
    pub account: AccountId,
    /// A hash of its value.
    pub hash: [u8; 32],
    /// The last four characters of its value.
    pub ending: String,
    /// What people call it.
    pub name: String,
    /// What it may do, as text that `app` reads.
    pub grant: String,
    /// When it stops working.
    pub expires_at: Option<Timestamp>,
}

/// A stored token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// Its id.
    pub id: TokenId,
    /// Whose it is.
    pub account: AccountId,
    /// What people call it.
    pub name: String,
    /// The last four characters of its value.
    pub ending: String,
    /// What it may do, as text that `app` reads.
    pub grant: String,
    /// When it stops working.
    pub expires_at: Option<Timestamp>,
}

impl Store {
    /// Stores a token and, in the same transaction, the entry that records it.
    ///
    /// # Errors
    /// [`Error::Conflict`] when a token with this hash exists.
    pub async fn token_create(&self, token: NewToken, record: EntryDraft) -> Result<(), Error> {
        let no = self.account_no(token.account).await?;
        self.shared
            .writer
            .run(move |group| {
                let expires_at = token.expires_at.map(Timestamp::as_millis);
                group
                    .connection
                    .prepare_cached(
                        "INSERT INTO token (id, account, hash, ending, name, \"grant\", created_at, expires_at)
                         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
                    )?
                    .execute((
                        token.id.as_bytes(),
                        no,
                        token.hash,
                        token.ending,
                        token.name,
                        token.grant,
                        group.now().as_millis(),
                        expires_at,
                    ))?;
                entries::append_system(group, token.account, no, record).map(drop)
            })
            .await
    }

    /// The token with this hash.
    ///
    /// # Errors
    /// [`Error`] when the database fails.
    pub async fn token_by_hash(&self, hash: [u8; 32]) -> Result<Option<Token>, Error> {
        self.read(move |connection| {
            let token = connection
                .prepare_cached(
                    "SELECT t.id, a.id, t.name, t.ending, t.\"grant\", t.expires_at
                     FROM token t JOIN account a ON a.no = t.account WHERE t.hash = ?1",
                )?
                .query_row([hash], token_of_row)
                .optional()?;
            Ok(token)
        })
        .await
    }

    /// Whether any token exists at all.
    ///
    /// # Errors
    /// [`Error`] when the database fails.
    pub async fn token_any(&self) -> Result<bool, Error> {
        self.read(|connection| Ok(connection.query_row("SELECT EXISTS (SELECT 1 FROM token)", [], |row| row.get(0))?))
            .await
    }
}

fn token_of_row(row: &Row<'_>) -> Result<Token, rusqlite::Error> {
    Ok(Token {
        id: TokenId::from_bytes(row.get(0)?),
        account: AccountId::from_bytes(row.get(1)?),
        name: row.get(2)?,
        ending: row.get(3)?,
        grant: row.get(4)?,
        expires_at: row.get::<_, Option<i64>>(5)?.map(Timestamp::from_millis),
    })
}
