//! What the operator does with accounts: make, list, suspend, and open addresses to them.

use domain::{AccountId, DataKey, EntryDraft, MasterKey, Timestamp};
use rusqlite::{Connection, OptionalExtension, Row};

use super::{Account, Suspension};
use crate::{Error, Store, entries, progress, writer::Group};

/// An account to make.
#[derive(Clone, Debug)]
pub struct NewAccount {
    /// Its id, from [`Store::account_id`].
    pub id: AccountId,
    /// Unique.
    pub name: String,
    /// Address ranges that its deliveries may reach beside public ones, as text that `app` reads.
    pub allow_destinations: String,
}

/// What a change of an account stores: always all of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountEdit {
    /// Address ranges that its deliveries may reach beside public ones, as text that `app` reads.
    pub allow_destinations: String,
    /// Since when and why it is suspended.
    pub suspension: Option<Suspension>,
}

const COLUMNS: &str = "id, name, created_at, suspended_at, suspended_why, allow_destinations";

impl Store {
    /// Makes an account with a data key of its own and, in the same transaction, the first entry
    /// of its log, which records it.
    ///
    /// # Errors
    /// [`Error::Conflict`] when there is one of this name; [`Error`] when the database fails or
    /// no random bytes are to be had.
    pub async fn account_create(
        &self,
        new: NewAccount,
        master: &MasterKey,
        record: EntryDraft,
    ) -> Result<Account, Error> {
        let wrapped = DataKey::generate(1).and_then(|key| master.wrap(new.id, &key)).map_err(Error::internal)?;
        self.shared
            .writer
            .run(move |group| {
                let created_at = group.now();
                group
                    .connection
                    .prepare_cached(
                        "INSERT INTO account (id, name, created_at, allow_destinations) VALUES (?1, ?2, ?3, ?4)",
                    )?
                    .execute((new.id.as_bytes(), &new.name, created_at.as_millis(), &new.allow_destinations))?;
                let no = super::number_of(group.connection, new.id)?;
                group
                    .connection
                    .prepare_cached("INSERT INTO data_key (account, id, wrapped) VALUES (?1, 1, ?2)")?
                    .execute((no, wrapped))?;
                entries::append_system(group, new.id, no, record)?;
                let NewAccount { id, name, allow_destinations } = new;
                Ok(Account { id, name, created_at, suspension: None, allow_destinations })
            })
            .await
    }

    /// One account.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is none with this id.
    pub async fn account_get(&self, id: AccountId) -> Result<Account, Error> {
        self.read(move |connection| get(connection, id)).await
    }

    /// All accounts, the oldest first.
    ///
    /// # Errors
    /// [`Error`] when the database fails.
    pub async fn account_list(&self) -> Result<Vec<Account>, Error> {
        self.read(list).await
    }

    /// Changes an account, and records it in its log in the same transaction.
    ///
    /// Suspending one gives its caught-up subscriptions positions of their own, so that nothing
    /// which is appended meanwhile passes them by.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is none with this id.
    pub async fn account_update(&self, id: AccountId, edit: AccountEdit, record: EntryDraft) -> Result<Account, Error> {
        let no = self.account_no(id).await?;
        self.shared
            .writer
            .run(move |group| {
                let account = get(group.connection, id)?;
                entries::append_system(group, id, no, record)?;
                if edit.suspension.is_some() {
                    detach_all(group, no)?;
                }
                let (at, why) = edit.suspension.as_ref().map(|held| (held.since.as_millis(), held.reason.as_str())).unzip();
                group
                    .connection
                    .prepare_cached(
                        "UPDATE account SET suspended_at = ?2, suspended_why = ?3, allow_destinations = ?4 WHERE no = ?1",
                    )?
                    .execute((no, at, why, &edit.allow_destinations))?;
                let AccountEdit { allow_destinations, suspension } = edit;
                Ok(Account { suspension, allow_destinations, ..account })
            })
            .await
    }
}

fn detach_all(group: &Group<'_>, no: i64) -> Result<(), Error> {
    let at = progress::matched(group.connection, no)?.0.cast_signed();
    group
        .connection
        .prepare_cached(
            "UPDATE progress SET frontier = ?2, unsettled_from = ?2 + 1 WHERE account = ?1 AND frontier IS NULL",
        )?
        .execute((no, at))?;
    Ok(())
}

/// All accounts, the oldest first.
pub(crate) fn list(connection: &Connection) -> Result<Vec<Account>, Error> {
    let mut statement = connection.prepare_cached(&format!("SELECT {COLUMNS} FROM account ORDER BY no"))?;
    let found = statement.query_map([], of_row)?.collect::<Result<_, _>>()?;
    Ok(found)
}

fn get(connection: &Connection, id: AccountId) -> Result<Account, Error> {
    connection
        .prepare_cached(&format!("SELECT {COLUMNS} FROM account WHERE id = ?1"))?
        .query_row([id.as_bytes()], of_row)
        .optional()?
        .ok_or(Error::NotFound)
}

pub(super) fn by_name(connection: &Connection, name: &str) -> Result<Option<Account>, rusqlite::Error> {
    connection
        .prepare_cached(&format!("SELECT {COLUMNS} FROM account WHERE name = ?1"))?
        .query_row([name], of_row)
        .optional()
}

fn of_row(row: &Row<'_>) -> Result<Account, rusqlite::Error> {
    let since: Option<i64> = row.get(3)?;
    let reason: Option<String> = row.get(4)?;
    Ok(Account {
        id: AccountId::from_bytes(row.get(0)?),
        name: row.get(1)?,
        created_at: Timestamp::from_millis(row.get(2)?),
        suspension: since
            .zip(reason)
            .map(|(since, reason)| Suspension { since: Timestamp::from_millis(since), reason }),
        allow_destinations: row.get(5)?,
    })
}
