//! Access tokens: hashes, never values.

use domain::{AccountId, EntryDraft, Timestamp, TokenId};
use rusqlite::{Connection, OptionalExtension, Row};

use crate::{
    Error, Store,
    account_limits::{self, Counted},
    entries,
};

/// A token to store.
#[derive(Clone, Debug)]
pub struct NewToken {
    /// Its id, from [`Store::token_id`].
    pub id: TokenId,
    /// Whose it is.
    pub account: AccountId,
    /// What it is known by.
    pub value: TokenValue,
    /// How it came to be.
    pub kind: TokenKind,
    /// Who made it: the id of the token for which people act, its own when no other made it.
    pub member: TokenId,
    /// The version of the API for requests that name none.
    pub api_version: u32,
    /// What a change can change.
    pub edit: TokenEdit,
}

/// What of a token's value is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenValue {
    /// A hash of it.
    pub hash: [u8; 32],
    /// Its last four characters.
    pub ending: String,
}

/// How a token came to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenKind {
    /// Of the one who made it.
    Personal,
    /// Of a program.
    Service,
    /// Of a program; the settings hold its value.
    Bootstrap,
}

impl TokenKind {
    const ALL: [Self; 3] = [Self::Personal, Self::Service, Self::Bootstrap];

    fn as_str(self) -> &'static str {
        match self {
            Self::Personal => "personal",
            Self::Service => "service",
            Self::Bootstrap => "bootstrap",
        }
    }

    // The column holds nothing else; whatever did would be no personal token.
    fn parse(text: &str) -> Self {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text).unwrap_or(Self::Service)
    }
}

/// What a change of a token stores: always all of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenEdit {
    /// What people call it; may be empty.
    pub name: String,
    /// What it is for; may be empty.
    pub description: String,
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
    /// The last four characters of its value.
    pub ending: String,
    /// How it came to be.
    pub kind: TokenKind,
    /// Who made it.
    pub member: TokenId,
    /// The version of the API for requests that name none.
    pub api_version: u32,
    /// What can be changed.
    pub edit: TokenEdit,
    /// Counts its changes, from 1.
    pub revision: u64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// When it was last used, as far as that is written down.
    pub last_used_at: Option<Timestamp>,
}

/// A token that was looked up by its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenFound {
    /// The token.
    pub token: Token,
    /// When this very value stops working; earlier than the token when it was reset.
    pub expires_at: Option<Timestamp>,
    /// Whether it is the value before the last reset.
    pub is_old: bool,
    /// Why its account is suspended, if it is.
    pub suspended: Option<String>,
}

const COLUMNS: &str = "t.id, a.id, t.ending, t.kind, t.member, t.api_version, t.name, t.description, t.\"grant\", \
                       t.expires_at, t.revision, t.created_at, t.updated_at, t.last_used_at";

impl Store {
    /// Stores a token and, in the same transaction, the entry that records it.
    ///
    /// # Errors
    /// [`Error::Conflict`] when a token with this hash exists; [`Error::Limit`] when the account has
    /// as many as it may have.
    pub async fn token_create(&self, new: NewToken, record: EntryDraft) -> Result<Token, Error> {
        let no = self.account_no(new.account).await?;
        let limits = self.shared.options.account_limits;
        self.shared
            .writer
            .run(move |group| {
                // The token of a setting is the way in when nothing else is.
                if new.kind != TokenKind::Bootstrap {
                    account_limits::check_room(group.connection, no, Counted::Tokens, limits)?;
                }
                let now = group.now();
                insert(group.connection, no, &new, now)?;
                entries::append_system(group, new.account, no, record)?;
                Ok(Token {
                    id: new.id,
                    account: new.account,
                    ending: new.value.ending,
                    kind: new.kind,
                    member: new.member,
                    api_version: new.api_version,
                    edit: new.edit,
                    revision: 1,
                    created_at: now,
                    updated_at: now,
                    last_used_at: None,
                })
            })
            .await
    }

    /// The token with a value of this hash.
    ///
    /// # Errors
    /// [`Error`] when the database fails.
    pub async fn token_by_hash(&self, hash: [u8; 32]) -> Result<Option<TokenFound>, Error> {
        self.read(move |connection| {
            let found = connection
                .prepare_cached(&format!(
                    "SELECT {COLUMNS}, t.hash <> ?1, t.old_expires_at, a.suspended_why
                     FROM token t JOIN account a ON a.no = t.account WHERE t.hash = ?1 OR t.old_hash = ?1"
                ))?
                .query_row([hash], found_of_row)
                .optional()?;
            Ok(found)
        })
        .await
    }

    /// One token of an account.
    ///
    /// # Errors
    /// [`Error::NotFound`] when the account has none with this id.
    pub async fn token_get(&self, account: AccountId, id: TokenId) -> Result<Token, Error> {
        let no = self.account_no(account).await?;
        self.read(move |connection| get(connection, no, id)).await
    }

    /// The tokens of an account, the newest first.
    ///
    /// # Errors
    /// [`Error`] when the database fails.
    pub async fn token_list(&self, account: AccountId) -> Result<Vec<Token>, Error> {
        let no = self.account_no(account).await?;
        self.read(move |connection| {
            let mut statement = connection.prepare_cached(&format!(
                "SELECT {COLUMNS} FROM token t JOIN account a ON a.no = t.account
                 WHERE t.account = ?1 ORDER BY t.created_at DESC, t.id DESC"
            ))?;
            let found = statement.query_map([no], of_row)?.collect::<Result<_, _>>()?;
            Ok(found)
        })
        .await
    }

    /// The token of the account whose value is a setting.
    ///
    /// # Errors
    /// [`Error`] when the database fails.
    pub async fn token_bootstrap(&self, account: AccountId) -> Result<Option<Token>, Error> {
        let found = self.token_list(account).await?;
        Ok(found.into_iter().find(|token| token.kind == TokenKind::Bootstrap))
    }

    /// Replaces what can be changed, as a new revision, and records it in the same transaction.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Conflict`] when the token has another revision by now.
    pub async fn token_update(
        &self,
        account: AccountId,
        id: TokenId,
        revision: u64,
        edit: TokenEdit,
        record: EntryDraft,
    ) -> Result<Token, Error> {
        let no = self.account_no(account).await?;
        self.shared
            .writer
            .run(move |group| {
                let stored = get_revision(group.connection, no, id, revision)?;
                let now = group.now();
                group
                    .connection
                    .prepare_cached(
                        "UPDATE token SET name = ?2, description = ?3, \"grant\" = ?4, expires_at = ?5,
                                          revision = revision + 1, updated_at = ?6 WHERE id = ?1",
                    )?
                    .execute((
                        id.as_bytes(),
                        &edit.name,
                        &edit.description,
                        &edit.grant,
                        edit.expires_at.map(Timestamp::as_millis),
                        now.as_millis(),
                    ))?;
                entries::append_system(group, account, no, record)?;
                Ok(Token { edit, revision: revision + 1, updated_at: now, ..stored })
            })
            .await
    }

    /// Gives a token another value and records it. Its present value works until
    /// `old_expires_at`, or ends now; one from before that ends now in any case.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Conflict`] when a token with this hash exists, or the token
    /// has another revision by now.
    pub async fn token_reset(
        &self,
        account: AccountId,
        (id, revision): (TokenId, u64),
        value: TokenValue,
        old_expires_at: Option<Timestamp>,
        record: EntryDraft,
    ) -> Result<Token, Error> {
        let no = self.account_no(account).await?;
        self.shared
            .writer
            .run(move |group| {
                let stored = get_revision(group.connection, no, id, revision)?;
                let now = group.now();
                group
                    .connection
                    .prepare_cached(
                        "UPDATE token SET old_hash = CASE WHEN ?4 IS NULL THEN NULL ELSE hash END, old_expires_at = ?4,
                                          hash = ?2, ending = ?3, revision = revision + 1, updated_at = ?5
                         WHERE id = ?1",
                    )?
                    .execute((
                        id.as_bytes(),
                        value.hash,
                        &value.ending,
                        old_expires_at.map(Timestamp::as_millis),
                        now.as_millis(),
                    ))?;
                entries::append_system(group, account, no, record)?;
                Ok(Token { ending: value.ending, revision: stored.revision + 1, updated_at: now, ..stored })
            })
            .await
    }

    /// Deletes a token and records it in the same transaction.
    ///
    /// # Errors
    /// [`Error::NotFound`] when the account has none with this id.
    pub async fn token_delete(&self, account: AccountId, id: TokenId, record: EntryDraft) -> Result<(), Error> {
        let no = self.account_no(account).await?;
        self.shared
            .writer
            .run(move |group| {
                get(group.connection, no, id)?;
                group.connection.prepare_cached("DELETE FROM token WHERE id = ?1")?.execute([id.as_bytes()])?;
                entries::append_system(group, account, no, record).map(drop)
            })
            .await
    }

    /// Notes when tokens were last used; never an earlier time than is there.
    ///
    /// # Errors
    /// [`Error`] when the database fails.
    pub async fn token_note_used(&self, used: Vec<(TokenId, Timestamp)>) -> Result<(), Error> {
        self.shared
            .writer
            .run(move |group| {
                let mut update = group.connection.prepare_cached(
                    "UPDATE token SET last_used_at = ?2 WHERE id = ?1 AND coalesce(last_used_at, 0) < ?2",
                )?;
                for (id, at) in &used {
                    update.execute((id.as_bytes(), at.as_millis()))?;
                }
                Ok(())
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

fn get(connection: &Connection, no: i64, id: TokenId) -> Result<Token, Error> {
    connection
        .prepare_cached(&format!(
            "SELECT {COLUMNS} FROM token t JOIN account a ON a.no = t.account WHERE t.id = ?1 AND t.account = ?2"
        ))?
        .query_row((id.as_bytes(), no), of_row)
        .optional()?
        .ok_or(Error::NotFound)
}

/// The same, as long as it has this revision.
fn get_revision(connection: &Connection, no: i64, id: TokenId, revision: u64) -> Result<Token, Error> {
    let stored = get(connection, no, id)?;
    if stored.revision == revision { Ok(stored) } else { Err(Error::Conflict) }
}

fn insert(connection: &Connection, no: i64, new: &NewToken, now: Timestamp) -> Result<(), Error> {
    let NewToken { id, value, kind, member, api_version, edit, .. } = new;
    connection
        .prepare_cached(
            "INSERT INTO token (id, account, hash, ending, name, description, \"grant\", kind, member, api_version,
                                revision, created_at, updated_at, expires_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, 1, ?11, ?11, ?12)",
        )?
        .execute((
            id.as_bytes(),
            no,
            value.hash,
            &value.ending,
            &edit.name,
            &edit.description,
            &edit.grant,
            kind.as_str(),
            member.as_bytes(),
            api_version,
            now.as_millis(),
            edit.expires_at.map(Timestamp::as_millis),
        ))?;
    Ok(())
}

fn time_of(row: &Row<'_>, column: usize) -> Result<Option<Timestamp>, rusqlite::Error> {
    Ok(row.get::<_, Option<i64>>(column)?.map(Timestamp::from_millis))
}

fn of_row(row: &Row<'_>) -> Result<Token, rusqlite::Error> {
    Ok(Token {
        id: TokenId::from_bytes(row.get(0)?),
        account: AccountId::from_bytes(row.get(1)?),
        ending: row.get(2)?,
        kind: TokenKind::parse(&row.get::<_, String>(3)?),
        member: TokenId::from_bytes(row.get(4)?),
        api_version: row.get(5)?,
        edit: TokenEdit {
            name: row.get(6)?,
            description: row.get(7)?,
            grant: row.get(8)?,
            expires_at: time_of(row, 9)?,
        },
        revision: row.get::<_, i64>(10)?.cast_unsigned(),
        created_at: Timestamp::from_millis(row.get(11)?),
        updated_at: Timestamp::from_millis(row.get(12)?),
        last_used_at: time_of(row, 13)?,
    })
}

fn found_of_row(row: &Row<'_>) -> Result<TokenFound, rusqlite::Error> {
    let token = of_row(row)?;
    let is_old = row.get(14)?;
    let old_expires_at = if is_old { time_of(row, 15)? } else { None };
    let expires_at = token.edit.expires_at.into_iter().chain(old_expires_at).min();
    Ok(TokenFound { token, expires_at, is_old, suspended: row.get(16)? })
}
