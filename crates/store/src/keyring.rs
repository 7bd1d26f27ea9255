//! The data keys of the accounts, unwrapped when first needed.

use std::{collections::HashMap, sync::Arc};

use domain::{AccountId, DataKey, Keys, MasterKey, SealContext, SealError};
use parking_lot::RwLock;
use zeroize::Zeroizing;

use crate::{Error, Shared, Store, accounts};

/// Seals and opens with the data keys of one database under one master key.
pub struct Keyring {
    shared: Arc<Shared>,
    master: Option<MasterKey>,
    unwrapped: RwLock<HashMap<AccountId, DataKey>>,
}

impl Store {
    /// The keyring of this database. Without the right master key it opens nothing, and says so.
    pub fn keyring(&self, master: Option<MasterKey>) -> Keyring {
        Keyring { shared: Arc::clone(&self.shared), master, unwrapped: RwLock::default() }
    }
}

impl Keyring {
    /// The master key, to wrap the data keys of new accounts.
    pub fn master(&self) -> Option<&MasterKey> {
        self.master.as_ref()
    }

    /// Whether the account's data key can be had.
    ///
    /// # Errors
    /// [`SealError`] says why it cannot.
    pub fn check(&self, account: AccountId) -> Result<(), SealError> {
        self.key_of(account).map(drop)
    }

    fn key_of(&self, account: AccountId) -> Result<DataKey, SealError> {
        if let Some(key) = self.unwrapped.read().get(&account) {
            return Ok(key.clone());
        }
        let master = self.master.as_ref().ok_or(SealError::MasterKey)?;
        let (id, wrapped) = self
            .shared
            .readers
            .with(|connection| {
                let no = accounts::number_of(connection, account)?;
                Ok(connection
                    .prepare_cached("SELECT id, wrapped FROM data_key WHERE account = ?1 ORDER BY id DESC LIMIT 1")?
                    .query_row([no], |row| Ok((row.get::<_, u32>(0)?, row.get::<_, Vec<u8>>(1)?)))?)
            })
            .map_err(|error: Error| SealError::Unavailable(error.to_string()))?;
        let key = master.unwrap_key(account, id, &wrapped)?;
        self.unwrapped.write().insert(account, key.clone());
        Ok(key)
    }
}

impl Keys for Keyring {
    fn seal(&self, context: SealContext<'_>, plain: &[u8]) -> Result<Vec<u8>, SealError> {
        self.key_of(context.account)?.seal(context, plain)
    }

    fn open(&self, context: SealContext<'_>, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
        self.key_of(context.account)?.open(context, sealed)
    }
}
