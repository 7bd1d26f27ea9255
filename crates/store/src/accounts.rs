//! Accounts, and the ids that the store makes.

mod operate;

use std::collections::HashMap;

use aws_lc_rs::rand;
use domain::{AccountId, DataKey, JobId, MasterKey, Sequence, SubscriptionId, Timestamp, TokenId};
use parking_lot::RwLock;
use rusqlite::Connection;

use crate::{Error, Store, writer::Group};

pub(crate) use operate::list;
pub use operate::{AccountEdit, NewAccount};

/// A tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Its id.
    pub id: AccountId,
    /// Unique; `default` is made at the first start.
    pub name: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// Since when and why it is suspended.
    pub suspension: Option<Suspension>,
    /// Address ranges that its deliveries may reach beside public ones, as text that `app` reads.
    pub allow_destinations: String,
}

/// Since when and why an account may not do anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suspension {
    /// Since when.
    pub since: Timestamp,
    /// Why, for those who are refused.
    pub reason: String,
}

/// An account with entries that some subscription has not settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccountWork {
    /// The account.
    pub account: AccountId,
    /// The end of its log.
    pub last: Sequence,
}

/// The numbers by which rows name accounts. An account never changes its number.
#[derive(Default)]
pub(crate) struct Numbers(RwLock<HashMap<AccountId, i64>>);

impl Numbers {
    pub(crate) fn get(&self, account: AccountId) -> Option<i64> {
        self.0.read().get(&account).copied()
    }

    pub(crate) fn put(&self, account: AccountId, no: i64) {
        self.0.write().insert(account, no);
    }
}

impl Store {
    /// The account of this name, made when there is none.
    ///
    /// It has a data key of its own afterwards if there is a master key to wrap it; one that
    /// is there already is left alone, whatever wraps it.
    ///
    /// # Errors
    /// [`Error`] when the database fails or no random bytes are to be had.
    pub async fn account_ensure(&self, name: &str, master: Option<&MasterKey>) -> Result<Account, Error> {
        let found = self.account_by_name(name).await?;
        let id = match (&found, master) {
            (Some(account), None) => return Ok(account.clone()),
            (Some(account), Some(_)) if self.has_data_key(account.id).await? => return Ok(account.clone()),
            (Some(account), Some(_)) => account.id,
            (None, _) => AccountId::from_bytes(object_id(self.now())),
        };
        let wrapped = match master {
            Some(master) => Some(DataKey::generate(1).and_then(|key| master.wrap(id, &key)).map_err(Error::internal)?),
            None => None,
        };
        let name = name.to_owned();
        self.shared.writer.run(move |group| make(group, id, &name, wrapped)).await
    }

    async fn has_data_key(&self, account: AccountId) -> Result<bool, Error> {
        let no = self.account_no(account).await?;
        self.read(move |connection| {
            Ok(connection
                .prepare_cached("SELECT EXISTS (SELECT 1 FROM data_key WHERE account = ?1)")?
                .query_row([no], |row| row.get(0))?)
        })
        .await
    }

    /// The account of this name.
    ///
    /// # Errors
    /// [`Error`] when the database fails.
    pub async fn account_by_name(&self, name: &str) -> Result<Option<Account>, Error> {
        let name = name.to_owned();
        self.read(move |connection| Ok(operate::by_name(connection, &name)?)).await
    }

    /// The accounts in which a subscription that is on has something to do, or may have.
    ///
    /// # Errors
    /// [`Error`] when the database fails.
    pub async fn account_list_work(&self) -> Result<Vec<AccountWork>, Error> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT a.id, a.last_sequence FROM account a WHERE a.suspended_at IS NULL AND EXISTS (
                     SELECT 1 FROM subscription s JOIN progress p ON p.subscription = s.id
                     WHERE s.account = a.no AND s.is_on AND s.deleted_at IS NULL
                       AND (p.frontier IS NOT NULL OR a.matched < a.last_sequence
                            OR EXISTS (SELECT 1 FROM job j WHERE j.account = a.no AND j.subscription = s.id
                                       AND j.state = 'running')))",
            )?;
            let work = statement
                .query_map([], |row| {
                    let last: i64 = row.get(1)?;
                    Ok(AccountWork {
                        account: AccountId::from_bytes(row.get(0)?),
                        last: Sequence(last.cast_unsigned()),
                    })
                })?
                .collect::<Result<Vec<_>, _>>()?;
            Ok(work)
        })
        .await
    }

    /// A new id for a subscription.
    pub fn subscription_id(&self) -> SubscriptionId {
        SubscriptionId::from_bytes(object_id(self.now()))
    }

    /// A new id for a replay or a redelivery.
    pub fn job_id(&self) -> JobId {
        JobId::from_bytes(object_id(self.now()))
    }

    /// A new id for an account.
    pub fn account_id(&self) -> AccountId {
        AccountId::from_bytes(object_id(self.now()))
    }

    /// A new id for a token.
    pub fn token_id(&self) -> TokenId {
        TokenId::from_bytes(object_id(self.now()))
    }
}

/// Makes the account, and its data key if it has none.
fn make(group: &Group<'_>, id: AccountId, name: &str, wrapped: Option<Vec<u8>>) -> Result<Account, Error> {
    let connection = group.connection;
    connection
        .prepare_cached("INSERT INTO account (id, name, created_at) VALUES (?1, ?2, ?3) ON CONFLICT (name) DO NOTHING")?
        .execute((id.as_bytes(), name, group.now().as_millis()))?;
    let account = operate::by_name(connection, name)?.ok_or(Error::NotFound)?;
    // Another caller may have made the account meanwhile, under an id that our key is not bound to.
    if let Some(wrapped) = wrapped.filter(|_| account.id == id) {
        connection
            .prepare_cached(
                "INSERT INTO data_key (account, id, wrapped) VALUES (?1, 1, ?2) ON CONFLICT (account, id) DO NOTHING",
            )?
            .execute((number_of(connection, id)?, wrapped))?;
    }
    Ok(account)
}

pub(crate) fn number_of(connection: &Connection, account: AccountId) -> Result<i64, Error> {
    Ok(connection
        .prepare_cached("SELECT no FROM account WHERE id = ?1")?
        .query_row([account.as_bytes()], |row| row.get(0))?)
}

/// Four bytes of seconds and eight random ones: sorted roughly by age, never guessed.
pub(crate) fn object_id(now: Timestamp) -> [u8; 12] {
    let mut id = [0; 12];
    // The seconds of the next century still fit into four bytes.
    let seconds = u32::try_from(now.as_seconds()).unwrap_or(u32::MAX);
    id[..4].copy_from_slice(&seconds.to_be_bytes());
    rand::fill(&mut id[4..]).expect("the operating system gives random bytes");
    id
}
