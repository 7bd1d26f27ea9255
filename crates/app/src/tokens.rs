//! Access tokens: made once, shown once, kept as hashes.

use std::{collections::HashMap, sync::Arc, time::Duration};

use aws_lc_rs::{
    digest,
    rand::{SecureRandom, SystemRandom},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use domain::{EntryDraft, Secret, Timestamp};
use parking_lot::Mutex;
use serde_json::{Map, Value, json};
use store::{Account, NewToken};

use crate::{App, Caller, DEFAULT_ACCOUNT, Error, Grant};

/// How long a token that was found in the store is not looked up again.
const CACHE_TIME: Duration = Duration::from_secs(5);
/// The most tokens that are remembered; far more than work at the same time.
const CACHE_MAX: usize = 10_000;
/// Random bytes of a token: 240 bits, 40 characters.
const RANDOM_BYTES: usize = 30;
/// The longest value that is looked at.
const VALUE_BYTES_MAX: usize = 512;

/// Tokens that were lately found in the store, so that ingest does not read it per request.
///
/// Only what was found is remembered: a token works from the moment that it is stored.
#[derive(Default)]
pub(crate) struct Cache(Mutex<HashMap<[u8; 32], Cached>>);

struct Cached {
    caller: Arc<Caller>,
    expires_at: Option<Timestamp>,
    until: Duration,
}

impl Cache {
    fn get(&self, hash: [u8; 32], now: Timestamp, monotonic: Duration) -> Option<Arc<Caller>> {
        let cached = self.0.lock();
        let cached = cached.get(&hash)?;
        (monotonic < cached.until && is_valid(cached.expires_at, now)).then(|| Arc::clone(&cached.caller))
    }

    fn put(&self, hash: [u8; 32], cached: Cached, monotonic: Duration) {
        let mut tokens = self.0.lock();
        if tokens.len() >= CACHE_MAX {
            tokens.retain(|_, cached| monotonic < cached.until);
        }
        if tokens.len() >= CACHE_MAX {
            tokens.clear();
        }
        tokens.insert(hash, cached);
    }
}

impl App {
    /// The owner of the token in an `Authorization` header: the bare value, or after `Bearer`.
    ///
    /// # Errors
    /// [`Error::Unauthorized`] when there is no such token or it has expired.
    pub async fn authenticate(&self, authorization: &str) -> Result<Arc<Caller>, Error> {
        let value = token_of(authorization).ok_or(Error::Unauthorized)?;
        let hash = hash_of(value);
        let (now, monotonic) = (self.clock.now(), self.clock.monotonic());
        if let Some(caller) = self.tokens.get(hash, now, monotonic) {
            return Ok(caller);
        }
        let token = self.store.token_by_hash(hash).await?.ok_or(Error::Unauthorized)?;
        if !is_valid(token.expires_at, now) {
            return Err(Error::Unauthorized);
        }
        let grant = Grant::from_text(&token.grant)
            .ok_or_else(|| Error::internal(format!("the grant of token {} cannot be read", token.id)))?;
        let caller =
            Arc::new(Caller { account: token.account, token: token.id, name: token.name, ending: token.ending, grant });
        let until = monotonic + CACHE_TIME;
        self.tokens.put(hash, Cached { caller: Arc::clone(&caller), expires_at: token.expires_at, until }, monotonic);
        Ok(caller)
    }

    /// Makes sure that the account `default` exists and can be entered.
    ///
    /// With a `value`, an admin token of exactly this value exists afterwards. Without one, a
    /// token is made if there is none at all, and returned to be shown this once.
    ///
    /// # Errors
    /// [`Error::Invalid`] when the value cannot be a token, or is one that may do less;
    /// otherwise what the store says.
    pub async fn token_bootstrap(&self, value: Option<Secret>) -> Result<Option<Secret>, Error> {
        let account = self.store.account_ensure(DEFAULT_ACCOUNT, self.keyring.master()).await?;
        let Some(value) = value else {
            if self.store.token_any().await? {
                return Ok(None);
            }
            return self.token_make(&account, "first token", &Grant::Admin).await.map(Some);
        };
        if token_of(value.expose()) != Some(value.expose()) {
            return Err(Error::invalid(format!(
                "the bootstrap token must be 1 to {VALUE_BYTES_MAX} printable ASCII characters without blanks"
            )));
        }
        match self.store.token_by_hash(hash_of(value.expose())).await? {
            None => self.token_store(&account, "bootstrap token", &Grant::Admin, &value).await?,
            Some(token) if token.account == account.id && Grant::from_text(&token.grant) == Some(Grant::Admin) => {}
            Some(_) => return Err(Error::invalid("the bootstrap token exists already and is not an admin token")),
        }
        Ok(None)
    }

    /// Makes a token in the account of this name, and returns its value to be shown this once.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is no such account; [`Error::Invalid`] for a bad name.
    pub async fn token_create(&self, account: &str, name: &str, grant: &Grant) -> Result<Secret, Error> {
        let account = self.store.account_by_name(account).await?.ok_or(Error::NotFound("account"))?;
        if name.is_empty() || name.chars().count() > self.settings.name_max_chars || name.chars().any(char::is_control)
        {
            return Err(Error::invalid(format!("a token's name has 1 to {} characters", self.settings.name_max_chars)));
        }
        self.token_make(&account, name, grant).await
    }

    async fn token_make(&self, account: &Account, name: &str, grant: &Grant) -> Result<Secret, Error> {
        let mut random = [0; RANDOM_BYTES];
        SystemRandom::new().fill(&mut random).map_err(|_| Error::internal("the system gives no random bytes"))?;
        let value = Secret::new(format!("api-{}", URL_SAFE_NO_PAD.encode(random)));
        self.token_store(account, name, grant, &value).await?;
        Ok(value)
    }

    async fn token_store(&self, account: &Account, name: &str, grant: &Grant, value: &Secret) -> Result<(), Error> {
        let token = NewToken {
            id: self.store.token_id(),
            account: account.id,
            hash: hash_of(value.expose()),
            ending: ending_of(value.expose()),
            name: name.to_owned(),
            grant: grant.to_text(),
            expires_at: None,
        };
        let record = EntryDraft::system(&record_of(&token, self.clock.now()));
        Ok(self.store.token_create(token, record).await?)
    }
}

/// The entry that records a new token.
fn record_of(token: &NewToken, now: Timestamp) -> Map<String, Value> {
    let resource = format!("service-token/{}", token.id);
    let mut version: Map<String, Value> = serde_json::from_str(&token.grant).unwrap_or_default();
    version.insert("name".to_owned(), token.name.as_str().into());
    version.insert("ending".to_owned(), token.ending.as_str().into());
    let record = json!({
        "accesses": [{ "action": "createAccessToken", "resource": resource }],
        "kind": "token",
        "name": token.name,
        "titleVerb": "created the access token",
        "date": now.as_millis(),
        "target": { "name": token.name, "resources": [resource] },
        "currentVersion": version,
    });
    match record {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}

fn is_valid(expires_at: Option<Timestamp>, now: Timestamp) -> bool {
    expires_at.is_none_or(|expires_at| now < expires_at)
}

fn token_of(authorization: &str) -> Option<&str> {
    const SCHEME: &str = "bearer ";
    let text = authorization.trim();
    let value = match text.get(..SCHEME.len()) {
        Some(scheme) if scheme.eq_ignore_ascii_case(SCHEME) => text[SCHEME.len()..].trim_start(),
        _ => text,
    };
    let fits = !value.is_empty() && value.len() <= VALUE_BYTES_MAX;
    (fits && value.bytes().all(|byte| byte.is_ascii_graphic())).then_some(value)
}

// Values are random or chosen by the operator for a machine; a slow hash would be paid by ingest.
fn hash_of(value: &str) -> [u8; 32] {
    let hash = digest::digest(&digest::SHA256, &[b"auditcast token ", value.as_bytes()].concat());
    *hash.as_ref().first_chunk().expect("a SHA-256 hash has 32 bytes")
}

/// The last four characters, which lists show; nothing of a short value.
fn ending_of(value: &str) -> String {
    const SHORT: usize = 12;
    if value.len() < SHORT { String::new() } else { value[value.len() - 4..].to_owned() }
}

#[cfg(test)]
mod tests {
    use super::{ending_of, token_of};

    #[test]
    fn a_token_may_stand_alone_or_after_bearer() {
        for header in ["api-1", "Bearer api-1", "bearer  api-1", " api-1 ", "BEARER api-1"] {
            assert_eq!(token_of(header), Some("api-1"), "{header}");
        }
        let long = "a".repeat(513);
        for header in ["", " ", "Bearer", "Bearer a b", "Basic YTpi x", "a\tb", "schlüssel", &long] {
            assert!(token_of(header).is_none_or(|token| token == "Bearer"), "{header}");
        }
    }

    #[test]
    fn short_tokens_show_no_ending() {
        assert_eq!((ending_of("api-123456789"), ending_of("short")), ("6789".to_owned(), String::new()));
    }
}
