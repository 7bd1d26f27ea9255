//! Turns of accounts at work that takes long.

use std::{
    collections::HashMap,
    sync::{Arc, Weak},
};

use domain::AccountId;
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Lets a few requests of each account work at a time, so that one account's many keep none of
/// another waiting.
pub(crate) struct Turns {
    each: usize,
    accounts: Mutex<HashMap<AccountId, Weak<Semaphore>>>,
}

impl Turns {
    /// `each` requests of an account at a time.
    pub(crate) fn new(each: usize) -> Self {
        Self { each, accounts: Mutex::default() }
    }

    /// Waits for a turn of the account; those who wait get theirs in order.
    pub(crate) async fn take(&self, account: AccountId) -> OwnedSemaphorePermit {
        let turns = self.of(account);
        turns.acquire_owned().await.expect("it is never closed")
    }

    fn of(&self, account: AccountId) -> Arc<Semaphore> {
        let mut accounts = self.accounts.lock();
        if let Some(turns) = accounts.get(&account).and_then(Weak::upgrade) {
            return turns;
        }
        // Nobody is at work for these, so they have nothing to remember.
        accounts.retain(|_, turns| turns.strong_count() > 0);
        let turns = Arc::new(Semaphore::new(self.each));
        accounts.insert(account, Arc::downgrade(&turns));
        turns
    }
}

#[cfg(test)]
mod tests {
    use domain::AccountId;

    use super::Turns;

    #[tokio::test]
    async fn an_account_takes_turns_from_nobody_else_and_gives_them_back() {
        let turns = Turns::new(2);
        let [one, other] = [1, 2].map(|byte| AccountId::from_bytes([byte; 12]));
        let taken = (turns.take(one).await, turns.take(one).await, turns.take(other).await);
        let free = |account| turns.of(account).available_permits();
        assert_eq!((free(one), free(other)), (0, 1));
        drop(taken);
        assert_eq!((free(one), free(other)), (2, 2));
    }
}
