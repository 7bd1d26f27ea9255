//! From a header to the owner of a token.

use std::{sync::Arc, time::Duration};

use store::TokenKind;

use super::{cache, grant_of, value};
use crate::{App, Caller, Error};

/// How often the last uses of tokens are written down, all in one.
const USED_WRITE_EVERY: Duration = Duration::from_secs(60);

impl App {
    /// The owner of the token in an `Authorization` header: the bare value, or after `Bearer`.
    ///
    /// # Errors
    /// [`Error::Unauthorized`] when there is no such token or it has expired;
    /// [`Error::Suspended`] when its account may not do anything.
    pub async fn authenticate(&self, authorization: &str) -> Result<Arc<Caller>, Error> {
        let value = value::token_of(authorization).ok_or(Error::Unauthorized)?;
        let hash = value::hash_of(value);
        let (now, monotonic) = (self.clock.now(), self.clock.monotonic());
        let before = match self.tokens.get(hash, now, monotonic) {
            Ok(caller) => return Ok(caller),
            Err(before) => before,
        };
        let found = self.store.token_by_hash(hash).await?.ok_or(Error::Unauthorized)?;
        if !cache::is_valid(found.expires_at, now) {
            return Err(Error::Unauthorized);
        }
        if let Some(reason) = found.suspended {
            return Err(Error::Suspended(reason));
        }
        let grant = grant_of(&found.token)?;
        let token = found.token;
        let caller = Arc::new(Caller {
            account: token.account,
            token: token.id,
            name: token.edit.name,
            ending: token.ending,
            grant,
            member: token.member,
            is_service: token.kind != TokenKind::Personal,
            expires_at: found.expires_at,
        });
        self.tokens.put(hash, &caller, now, monotonic, before);
        Ok(caller)
    }

    /// Writes down when tokens were last used. What could not be written is lost, which makes
    /// the time of a last use older than it was.
    ///
    /// # Errors
    /// What the store says.
    pub async fn token_write_used(&self) -> Result<(), Error> {
        let used = self.tokens.take_used();
        if used.is_empty() {
            return Ok(());
        }
        Ok(self.store.token_note_used(used).await?)
    }

    /// How often [`Self::token_write_used`] is to be called.
    pub fn token_write_used_every(&self) -> Duration {
        USED_WRITE_EVERY
    }
}
