//! Tokens that were lately found in the store, so that ingest does not read it per request.

use std::{collections::HashMap, sync::Arc, time::Duration};

use domain::{AccountId, Timestamp, TokenId};
use parking_lot::Mutex;

use crate::Caller;

/// How long a token that was found in the store is not looked up again.
const CACHE_TIME: Duration = Duration::from_secs(5);
/// The most tokens that are remembered; far more than work at the same time.
const CACHE_MAX: usize = 10_000;

/// Only what was found is remembered: a token works from the moment that it is stored.
#[derive(Default)]
pub(crate) struct Cache(Mutex<State>);

#[derive(Default)]
struct State {
    tokens: HashMap<[u8; 32], Cached>,
    /// Uses that are not written down yet; no more than there are tokens.
    used: HashMap<TokenId, Timestamp>,
    /// Counts what was taken back, so that nothing is remembered that was read before.
    changes: u64,
}

struct Cached {
    caller: Arc<Caller>,
    until: Duration,
}

/// The state in which a token was looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Before(u64);

impl Cache {
    /// The owner of a token that was found lately and works now; else what to hand to [`Self::put`]
    /// with what the store says.
    pub(super) fn get(&self, hash: [u8; 32], now: Timestamp, monotonic: Duration) -> Result<Arc<Caller>, Before> {
        let mut state = self.0.lock();
        let before = Before(state.changes);
        let cached = state.tokens.get(&hash).ok_or(before)?;
        if monotonic >= cached.until || !is_valid(cached.caller.expires_at, now) {
            return Err(before);
        }
        let caller = Arc::clone(&cached.caller);
        state.note_used(caller.token, now);
        Ok(caller)
    }

    /// Remembers what was found, unless a token was taken back since it was looked up.
    pub(super) fn put(
        &self,
        hash: [u8; 32],
        caller: &Arc<Caller>,
        now: Timestamp,
        monotonic: Duration,
        before: Before,
    ) {
        let mut state = self.0.lock();
        state.note_used(caller.token, now);
        if before != Before(state.changes) {
            return;
        }
        if state.tokens.len() >= CACHE_MAX {
            state.tokens.retain(|_, cached| monotonic < cached.until);
        }
        if state.tokens.len() >= CACHE_MAX {
            state.tokens.clear();
        }
        state.tokens.insert(hash, Cached { caller: Arc::clone(caller), until: monotonic + CACHE_TIME });
    }

    /// Forgets what is remembered of a token: the store has it otherwise now, or not at all.
    pub(super) fn forget(&self, token: TokenId) {
        self.forget_if(|caller| caller.token == token);
    }

    /// Forgets what is remembered of the tokens of an account.
    pub(crate) fn forget_account(&self, account: AccountId) {
        self.forget_if(|caller| caller.account == account);
    }

    fn forget_if(&self, is_meant: impl Fn(&Caller) -> bool) {
        let mut state = self.0.lock();
        state.changes += 1;
        state.tokens.retain(|_, cached| !is_meant(&cached.caller));
    }

    /// When a token was last used, if that is not written down yet.
    pub(super) fn last_used(&self, token: TokenId) -> Option<Timestamp> {
        self.0.lock().used.get(&token).copied()
    }

    /// The uses that are not written down yet; they count as written then.
    pub(super) fn take_used(&self) -> Vec<(TokenId, Timestamp)> {
        self.0.lock().used.drain().collect()
    }
}

impl State {
    fn note_used(&mut self, token: TokenId, now: Timestamp) {
        self.used.insert(token, now);
    }
}

pub(super) fn is_valid(expires_at: Option<Timestamp>, now: Timestamp) -> bool {
    expires_at.is_none_or(|expires_at| now < expires_at)
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use domain::{AccountId, Timestamp, TokenId};

    use super::Cache;
    use crate::{Caller, Grant};

    const NOW: Timestamp = Timestamp::from_millis(1_790_000_000_000);

    fn caller(id: u8) -> Arc<Caller> {
        until(id, None)
    }

    fn until(id: u8, expires_at: Option<Timestamp>) -> Arc<Caller> {
        let token = TokenId::from_bytes([id; 12]);
        Arc::new(Caller {
            account: AccountId::from_bytes([1; 12]),
            token,
            name: String::new(),
            ending: String::new(),
            grant: Grant::Reader,
            member: token,
            is_service: true,
            expires_at,
        })
    }

    fn at(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn a_token_is_remembered_for_a_while_and_forgotten_at_once() {
        let cache = Cache::default();
        let before = cache.get([1; 32], NOW, at(0)).expect_err("is not there");
        cache.put([1; 32], &caller(1), NOW, at(0), before);
        assert!(cache.get([1; 32], NOW, at(4_999)).is_ok());
        assert!(cache.get([1; 32], NOW, at(5_000)).is_err());
        cache.forget(caller(1).token);
        assert!(cache.get([1; 32], NOW, at(1)).is_err());
    }

    #[test]
    fn what_was_read_before_a_token_was_taken_back_is_not_remembered() {
        let cache = Cache::default();
        let before = cache.get([1; 32], NOW, at(0)).expect_err("is not there");
        cache.forget(caller(1).token);
        cache.put([1; 32], &caller(1), NOW, at(0), before);
        assert!(cache.get([1; 32], NOW, at(1)).is_err());
    }

    #[test]
    fn an_expired_value_is_not_given_out() {
        let cache = Cache::default();
        let before = cache.get([1; 32], NOW, at(0)).expect_err("is not there");
        cache.put([1; 32], &until(1, Some(NOW.plus(at(10)))), NOW, at(0), before);
        assert!(cache.get([1; 32], NOW.plus(at(9)), at(1)).is_ok());
        assert!(cache.get([1; 32], NOW.plus(at(10)), at(1)).is_err());
    }

    #[test]
    fn uses_are_kept_until_they_are_taken() {
        let cache = Cache::default();
        let before = cache.get([1; 32], NOW, at(0)).expect_err("is not there");
        cache.put([1; 32], &caller(1), NOW, at(0), before);
        let later = NOW.plus(at(3));
        assert!(cache.get([1; 32], later, at(3)).is_ok());
        let token = caller(1).token;
        assert_eq!(cache.last_used(token), Some(later));
        assert_eq!(cache.take_used(), [(token, later)]);
        assert_eq!((cache.last_used(token), cache.take_used()), (None, vec![]));
    }
}
