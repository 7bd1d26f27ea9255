//! Subscriptions and their revisions.

use domain::{AccountId, EntryDraft, Sequence, SubscriptionId, Timestamp};
use rusqlite::{Connection, OptionalExtension, Params, Row};

use crate::{
    Error, Store,
    account_limits::{self, Counted},
    entries, jobs,
    progress::{self, Progress},
    writer::Group,
};

/// A subscription to store.
#[derive(Clone, Debug)]
pub struct NewSubscription {
    /// Its id, from [`Store::subscription_id`].
    pub id: SubscriptionId,
    /// Whose it is.
    pub account: AccountId,
    /// The integration key.
    pub integration: String,
    /// What a change can change.
    pub edit: SubscriptionEdit,
    /// The sequence before the first one that it is to judge; `None`: it starts just before the
    /// entry that records its creation or, if that comes later, its first switch-on.
    pub start: Option<Sequence>,
}

/// What a change of a subscription stores: always all of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubscriptionEdit {
    /// What people call it.
    pub name: String,
    /// Whether it delivers.
    pub on: bool,
    /// JSON array of strings.
    pub tags: String,
    /// JSON array of statements, as sent.
    pub statements: String,
    /// The configuration, sealed.
    pub config: Vec<u8>,
    /// JSON object of further members that are kept as sent.
    pub extra: String,
}

/// A stored subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// Its id.
    pub id: SubscriptionId,
    /// Whose it is.
    pub account: AccountId,
    /// The integration key.
    pub integration: String,
    /// What can be changed.
    pub edit: SubscriptionEdit,
    /// Counts its changes, from 1.
    pub revision: u64,
    /// The sequence before the first one that it judges; `None` until it is first on.
    pub start: Option<Sequence>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// How many subscriptions to one integration there are, of all accounts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubscriptionCount {
    /// The integration key.
    pub integration: String,
    /// Those that are on.
    pub on: u64,
    /// Those that are off, and were on before.
    pub paused: u64,
    /// Those that were never on.
    pub never_on: u64,
}

const COLUMNS: &str = "s.id, a.id, s.integration, s.name, s.is_on, s.tags, s.statements, s.config, s.extra, \
                       s.revision, s.start, s.created_at";

impl Store {
    /// Stores a subscription and, in the same transaction, the entry that records it.
    ///
    /// When it is on, it starts where that was asked for, or just before that entry.
    ///
    /// # Errors
    /// [`Error::Limit`] when the account has as many as it may have.
    pub async fn subscription_create(&self, new: NewSubscription, record: EntryDraft) -> Result<Subscription, Error> {
        let no = self.account_no(new.account).await?;
        let limits = self.shared.options.account_limits;
        self.shared
            .writer
            .run(move |group| {
                account_limits::check_room(group.connection, no, Counted::Subscriptions, limits)?;
                let recorded = entries::append_system(group, new.account, no, record)?;
                let start = new.edit.on.then(|| new.start.unwrap_or(recorded.previous()));
                let now = group.now();
                insert(group.connection, no, &new, start, now)?;
                if let Some(start) = start {
                    progress::begin(group, no, new.id, start)?;
                }
                write_revision(group.connection, new.id, 1, &new.edit, now)?;
                let NewSubscription { id, account, integration, edit, .. } = new;
                Ok(Subscription { id, account, integration, edit, revision: 1, start, created_at: now })
            })
            .await
    }

    /// One subscription of an account.
    ///
    /// # Errors
    /// [`Error::NotFound`] when the account has none with this id, or it was deleted.
    pub async fn subscription_get(&self, account: AccountId, id: SubscriptionId) -> Result<Subscription, Error> {
        let no = self.account_no(account).await?;
        self.read(move |connection| get(connection, no, id)).await
    }

    /// The account's subscriptions to one integration, oldest first.
    ///
    /// # Errors
    /// [`Error`] when the database fails.
    pub async fn subscription_list(&self, account: AccountId, integration: &str) -> Result<Vec<Subscription>, Error> {
        let no = self.account_no(account).await?;
        let integration = integration.to_owned();
        let oldest_first = "s.integration = ?2 ORDER BY s.created_at, s.id";
        self.read(move |connection| list(connection, oldest_first, (no, &integration))).await
    }

    /// All subscriptions of an account, oldest first.
    ///
    /// # Errors
    /// [`Error`] when the database fails.
    pub async fn subscription_list_all(&self, account: AccountId) -> Result<Vec<Subscription>, Error> {
        let no = self.account_no(account).await?;
        self.read(move |connection| list(connection, "true ORDER BY s.created_at, s.id", [no])).await
    }

    /// The subscriptions of all accounts to one integration, oldest first.
    ///
    /// # Errors
    /// [`Error`] when the database fails.
    pub async fn subscription_list_of_integration(&self, integration: &str) -> Result<Vec<Subscription>, Error> {
        let integration = integration.to_owned();
        self.read(move |connection| {
            let mut statement = connection.prepare_cached(&format!(
                "SELECT {COLUMNS} FROM subscription s JOIN account a ON a.no = s.account
                 WHERE s.integration = ?1 AND s.deleted_at IS NULL ORDER BY s.created_at, s.id"
            ))?;
            let found = statement.query_map([&integration], of_row)?.collect::<Result<_, _>>()?;
            Ok(found)
        })
        .await
    }

    /// How many subscriptions there are, by integration.
    ///
    /// # Errors
    /// [`Error`] when the database fails.
    pub async fn subscription_counts(&self) -> Result<Vec<SubscriptionCount>, Error> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT integration, sum(is_on), sum(NOT is_on AND start IS NOT NULL), sum(NOT is_on AND start IS NULL)
                 FROM subscription WHERE deleted_at IS NULL GROUP BY integration ORDER BY integration",
            )?;
            let of_row = |row: &Row<'_>| {
                let count = |column| row.get::<_, i64>(column).map(i64::cast_unsigned);
                Ok(SubscriptionCount {
                    integration: row.get(0)?,
                    on: count(1)?,
                    paused: count(2)?,
                    never_on: count(3)?,
                })
            };
            let found = statement.query_map([], of_row)?.collect::<Result<_, _>>()?;
            Ok(found)
        })
        .await
    }

    /// The ids of an account's subscriptions that are on.
    ///
    /// # Errors
    /// [`Error`] when the database fails.
    pub async fn subscription_ids_on(&self, account: AccountId) -> Result<Vec<SubscriptionId>, Error> {
        let no = self.account_no(account).await?;
        self.read(move |connection| {
            let mut statement = connection
                .prepare_cached("SELECT id FROM subscription WHERE account = ?1 AND deleted_at IS NULL AND is_on")?;
            let ids = statement.query_map([no], |row| Ok(SubscriptionId::from_bytes(row.get(0)?)))?;
            Ok(ids.collect::<Result<_, _>>()?)
        })
        .await
    }

    /// Those of an account's subscriptions that are there and have been on, with their progress, in the
    /// order of `ids`.
    ///
    /// # Errors
    /// [`Error`] when the database fails.
    pub async fn subscription_list_begun(
        &self,
        account: AccountId,
        ids: Vec<SubscriptionId>,
    ) -> Result<Vec<(Subscription, Progress)>, Error> {
        let no = self.account_no(account).await?;
        self.read(move |connection| {
            let mut found = Vec::with_capacity(ids.len());
            for id in ids {
                if let Some(subscription) = find(connection, no, id)?
                    && let Some(progress) = progress::read(connection, id)?
                {
                    found.push((subscription, progress));
                }
            }
            Ok(found)
        })
        .await
    }

    /// Replaces what can be changed, as a new revision, and records it in the same transaction.
    ///
    /// `revision` is the one that the change was made from. A caught-up subscription gets a
    /// position of its own, so that each sequence is judged by one revision.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Conflict`] when the subscription has another revision by now.
    pub async fn subscription_update(
        &self,
        account: AccountId,
        id: SubscriptionId,
        revision: u64,
        edit: SubscriptionEdit,
        record: EntryDraft,
    ) -> Result<Subscription, Error> {
        let no = self.account_no(account).await?;
        self.shared
            .writer
            .run(move |group| {
                let stored = get(group.connection, no, id)?;
                if stored.revision != revision {
                    return Err(Error::Conflict);
                }
                let recorded = entries::append_system(group, account, no, record)?;
                progress::detach(group.connection, no, id)?;
                let asked = asked_start(group.connection, id)?;
                let start = stored.start.or_else(|| edit.on.then(|| asked.unwrap_or(recorded.previous())));
                if let (None, Some(start)) = (stored.start, start) {
                    progress::begin(group, no, id, start)?;
                }
                let now = group.now();
                update(group.connection, id, revision + 1, &edit, start, now)?;
                write_revision(group.connection, id, revision + 1, &edit, now)?;
                Ok(Subscription { edit, revision: revision + 1, start, ..stored })
            })
            .await
    }

    /// Deletes a subscription and records it in the same transaction. Its ledger stays.
    ///
    /// # Errors
    /// [`Error::NotFound`] when the account has none with this id.
    pub async fn subscription_delete(
        &self,
        account: AccountId,
        id: SubscriptionId,
        record: EntryDraft,
    ) -> Result<(), Error> {
        let no = self.account_no(account).await?;
        self.shared
            .writer
            .run(move |group| {
                get(group.connection, no, id)?;
                entries::append_system(group, account, no, record)?;
                progress::detach(group.connection, no, id)?;
                jobs::stop_all(group, no, id)?;
                freeze(group, id)
            })
            .await
    }
}

pub(crate) fn get(connection: &Connection, no: i64, id: SubscriptionId) -> Result<Subscription, Error> {
    find(connection, no, id)?.ok_or(Error::NotFound)
}

fn find(connection: &Connection, no: i64, id: SubscriptionId) -> Result<Option<Subscription>, rusqlite::Error> {
    connection
        .prepare_cached(&format!(
            "SELECT {COLUMNS} FROM subscription s JOIN account a ON a.no = s.account
             WHERE s.id = ?1 AND s.account = ?2 AND s.deleted_at IS NULL"
        ))?
        .query_row((id.as_bytes(), no), of_row)
        .optional()
}

/// The subscriptions of the account `?1` that are not deleted, for which `rest` holds.
fn list(connection: &Connection, rest: &str, params: impl Params) -> Result<Vec<Subscription>, Error> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM subscription s JOIN account a ON a.no = s.account
         WHERE s.account = ?1 AND s.deleted_at IS NULL AND {rest}"
    ))?;
    let found = statement.query_map(params, of_row)?.collect::<Result<_, _>>()?;
    Ok(found)
}

fn insert(
    connection: &Connection,
    no: i64,
    new: &NewSubscription,
    start: Option<Sequence>,
    now: Timestamp,
) -> Result<(), Error> {
    let NewSubscription { id, integration, edit, .. } = new;
    connection
        .prepare_cached(
            "INSERT INTO subscription (id, account, integration, name, is_on, tags, statements, config, extra,
                                       revision, start, asked_start, created_at, updated_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, 1, ?10, ?11, ?12, ?12)",
        )?
        .execute((
            id.as_bytes(),
            no,
            integration,
            &edit.name,
            edit.on,
            &edit.tags,
            &edit.statements,
            &edit.config,
            &edit.extra,
            start.map(|start| start.0.cast_signed()),
            new.start.map(|start| start.0.cast_signed()),
            now.as_millis(),
        ))?;
    Ok(())
}

/// Where a subscription is to start when it is first on, if that was asked for.
fn asked_start(connection: &Connection, id: SubscriptionId) -> Result<Option<Sequence>, rusqlite::Error> {
    let asked: Option<i64> = connection
        .prepare_cached("SELECT asked_start FROM subscription WHERE id = ?1")?
        .query_row([id.as_bytes()], |row| row.get(0))?;
    Ok(asked.map(|start| Sequence(start.cast_unsigned())))
}

fn update(
    connection: &Connection,
    id: SubscriptionId,
    revision: u64,
    edit: &SubscriptionEdit,
    start: Option<Sequence>,
    now: Timestamp,
) -> Result<(), Error> {
    connection
        .prepare_cached(
            "UPDATE subscription SET name = ?2, is_on = ?3, tags = ?4, statements = ?5, config = ?6, extra = ?7,
                                     revision = ?8, start = ?9, updated_at = ?10 WHERE id = ?1",
        )?
        .execute((
            id.as_bytes(),
            &edit.name,
            edit.on,
            &edit.tags,
            &edit.statements,
            &edit.config,
            &edit.extra,
            revision.cast_signed(),
            start.map(|start| start.0.cast_signed()),
            now.as_millis(),
        ))?;
    Ok(())
}

/// Ends a subscription: it is seen no more, and its secrets are gone.
fn freeze(group: &mut Group<'_>, id: SubscriptionId) -> Result<(), Error> {
    group
        .connection
        .prepare_cached("UPDATE subscription SET deleted_at = ?2, is_on = 0, config = x'' WHERE id = ?1")?
        .execute((id.as_bytes(), group.now().as_millis()))?;
    Ok(())
}

fn write_revision(
    connection: &Connection,
    id: SubscriptionId,
    revision: u64,
    edit: &SubscriptionEdit,
    now: Timestamp,
) -> Result<(), Error> {
    connection
        .prepare_cached(
            "INSERT INTO revision (subscription, revision, statements, is_on, frontier, detail, made_at)
             SELECT ?1, ?2, ?3, ?4, coalesce(p.frontier, 0), coalesce(p.detail, ''), ?5
             FROM (SELECT 1) LEFT JOIN progress p ON p.subscription = ?1",
        )?
        .execute((id.as_bytes(), revision.cast_signed(), &edit.statements, edit.on, now.as_millis()))?;
    Ok(())
}

fn of_row(row: &Row<'_>) -> Result<Subscription, rusqlite::Error> {
    Ok(Subscription {
        id: SubscriptionId::from_bytes(row.get(0)?),
        account: AccountId::from_bytes(row.get(1)?),
        integration: row.get(2)?,
        edit: SubscriptionEdit {
            name: row.get(3)?,
            on: row.get(4)?,
            tags: row.get(5)?,
            statements: row.get(6)?,
            config: row.get(7)?,
            extra: row.get(8)?,
        },
        revision: row.get::<_, i64>(9)?.cast_unsigned(),
        start: row.get::<_, Option<i64>>(10)?.map(|start| Sequence(start.cast_unsigned())),
        created_at: Timestamp::from_millis(row.get(11)?),
    })
}
