//! Sources: programs that send entries and cannot send a token. What authorises them is an
//! address that cannot be guessed, and a secret that signs each request.

mod form;

use aws_lc_rs::{
    hmac,
    rand::{SecureRandom, SystemRandom},
};
use bytes::Bytes;
use domain::{AccountId, EntryDraft, IngestSourceId, Keys, SealContext, Secret, SubscriptionId, Timestamp};
use serde_json::{Value, json};
use store::IngestSource;

use crate::{
    Action, App, Batch, Caller, Error, Format, Ingested,
    access::{account_resource, token_resource},
    record::Record,
};

/// A source as users see it, without its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IngestSourceView {
    /// Its id, which stands in its address.
    pub id: IngestSourceId,
    /// What people call it.
    pub name: String,
    /// When it was made.
    pub created_at: Timestamp,
}

/// What LaunchDarkly's webhook sent.
#[derive(Clone, Debug)]
pub struct SignedEntry {
    /// The body as it came.
    pub body: Bytes,
    /// What stands in `X-LD-Signature`.
    pub signature: Option<String>,
    /// Ids of servers that the entry came through, separated by commas.
    pub via: Option<String>,
}

/// The one kind of source there is.
const LAUNCHDARKLY: &str = "launchdarkly";
/// What is sealed, as part of what binds the sealed text to its place.
const FIELD: &str = "ingest source secret";
/// Random bytes of a secret that the server makes.
const SECRET_BYTES: usize = 32;

impl App {
    /// Whether the caller may make or delete sources. A source is a token of a program in another
    /// form, so it takes what such a token takes, and the maker must be able to ingest.
    ///
    /// # Errors
    /// [`Error::Forbidden`].
    pub fn ingest_sources_may_change(&self, caller: &Caller) -> Result<(), Error> {
        caller.authorise(Action::IngestEntries, &account_resource())?;
        caller.authorise(Action::CreateAccessToken, &token_resource(self.store.token_id(), None))?;
        caller.authorise(Action::DeleteAccessToken, &token_resource(self.store.token_id(), None))
    }

    /// Makes a source of `body` and records that. Its secret is beside it, to be shown this once.
    ///
    /// # Errors
    /// [`Error::Forbidden`]; [`Error::BeyondMaker`] for a caller that expires, since a source does
    /// not; [`Error::Invalid`] with every mistake; or what the store says.
    pub async fn ingest_source_create(
        &self,
        caller: &Caller,
        body: &Value,
    ) -> Result<(IngestSourceView, Secret), Error> {
        self.ingest_sources_may_change(caller)?;
        if caller.ends_before(None) {
            let text = "the access token expires, and cannot make a source, which does not";
            return Err(Error::BeyondMaker(text.to_owned()));
        }
        self.source_make(caller.account, form::read(body, &self.settings)?, Some(caller)).await
    }

    /// Makes a source in the account of this name, and records that. Its secret is beside it, to
    /// be shown this once. For whoever runs the server: no token is asked for.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Invalid`] for a wrong name, or what the store says.
    pub async fn account_source_create(&self, account: &str, name: &str) -> Result<(IngestSourceView, Secret), Error> {
        let account = self.account_named(account).await?.id;
        let body = json!({ "kind": LAUNCHDARKLY, "name": name });
        self.source_make(account, form::read(&body, &self.settings)?, None).await
    }

    /// The sources of the account of this name, the oldest first. For whoever runs the server: no
    /// token is asked for.
    ///
    /// # Errors
    /// [`Error::NotFound`], or what the store says.
    pub async fn account_source_list(&self, account: &str) -> Result<Vec<IngestSourceView>, Error> {
        let account = self.account_named(account).await?.id;
        Ok(self.store.ingest_source_list(account).await?.into_iter().map(view).collect())
    }

    /// Deletes a source of the account of this name, and records that. For whoever runs the
    /// server: no token is asked for.
    ///
    /// # Errors
    /// [`Error::NotFound`], or what the store says.
    pub async fn account_source_delete(&self, account: &str, id: &str) -> Result<(), Error> {
        let account = self.account_named(account).await?.id;
        self.source_delete(account, id, None).await
    }

    async fn source_make(
        &self,
        account: AccountId,
        form: form::Form,
        caller: Option<&Caller>,
    ) -> Result<(IngestSourceView, Secret), Error> {
        let form::Form { name, secret } = form;
        let secret = secret.map_or_else(make_secret, Ok)?;
        let mut id = [0; 12];
        random(&mut id)?;
        let id = IngestSourceId::from_bytes(id);
        let sealed = self.keyring.seal(context(account, id), secret.expose().as_bytes())?;
        let kind = LAUNCHDARKLY.to_owned();
        let new = IngestSource { id, account, kind, name, secret: sealed, created_at: self.clock.now() };
        let record = self.source_record(caller, &new, Action::CreateAccessToken);
        let stored = self.store.ingest_source_create(new, record).await?;
        Ok((view(stored), secret))
    }

    async fn source_delete(&self, account: AccountId, id: &str, caller: Option<&Caller>) -> Result<(), Error> {
        let not_found = || Error::NotFound("source");
        let id = IngestSourceId::parse(id).map_err(|_| not_found())?;
        // Also of an account that is suspended.
        let stored = self.store.ingest_source_list(account).await?;
        let source = stored.into_iter().find(|source| source.id == id).ok_or_else(not_found)?;
        let record = self.source_record(caller, &source, Action::DeleteAccessToken);
        self.store.ingest_source_delete(account, id, record).await.map_err(|error| missing(error, not_found))
    }

    /// The account's sources, the oldest first.
    ///
    /// # Errors
    /// [`Error::Forbidden`], or what the store says.
    pub async fn ingest_source_list(&self, caller: &Caller) -> Result<Vec<IngestSourceView>, Error> {
        self.ingest_sources_may_change(caller)?;
        Ok(self.store.ingest_source_list(caller.account).await?.into_iter().map(view).collect())
    }

    /// Deletes a source: from the answer on, nothing of it is taken in.
    ///
    /// # Errors
    /// [`Error::Forbidden`], [`Error::NotFound`], or what the store says.
    pub async fn ingest_source_delete(&self, caller: &Caller, id: &str) -> Result<(), Error> {
        self.ingest_sources_may_change(caller)?;
        self.source_delete(caller.account, id, Some(caller)).await
    }

    /// Stores the entry that LaunchDarkly's webhook sent to a source, if its signature is right.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is no such source, [`Error::Signature`], and those of other
    /// ingest.
    pub async fn launchdarkly_ingest(&self, id: &str, sent: SignedEntry) -> Result<Ingested, Error> {
        let ingested = self.take_signed(id, sent).await;
        self.ingest_counts.note(ingested.as_ref());
        ingested
    }

    async fn take_signed(&self, id: &str, sent: SignedEntry) -> Result<Ingested, Error> {
        let not_found = || Error::NotFound("address");
        let id = IngestSourceId::parse(id).map_err(|_| not_found())?;
        let source = self.store.ingest_source_get(id).await.map_err(|error| missing(error, not_found))?;
        let secret = self.keyring.open(context(source.account, id), &source.secret)?;
        let SignedEntry { body, signature, via } = sent;
        if !is_signed(&secret, &body, signature.as_deref().unwrap_or_default()) {
            return Err(Error::Signature);
        }
        let batch = Batch { body, format: Format::Json, idempotency_key: None, via };
        self.ingest_of(source.account, batch).await
    }

    fn source_record(&self, caller: Option<&Caller>, source: &IngestSource, action: Action) -> EntryDraft {
        let version = json!({
            "_id": source.id.to_string(),
            "kind": source.kind,
            "name": source.name,
        });
        let is_new = action == Action::CreateAccessToken;
        let (before, after) = if is_new { (None, Some(version)) } else { (Some(version), None) };
        let record = Record {
            caller,
            actions: &[action],
            resource: format!("service-token/{}", source.id),
            kind: "token",
            name: &source.name,
            title_verb: if is_new { "created the ingest source" } else { "deleted the ingest source" }.to_owned(),
            href: "/api/v2/ingest-sources".to_owned(),
            comment: None,
            before,
            after,
        };
        record.draft(self.clock.now(), self.settings.entry_max_bytes)
    }
}

fn view(source: IngestSource) -> IngestSourceView {
    IngestSourceView { id: source.id, name: source.name, created_at: source.created_at }
}

fn missing(error: store::Error, not_found: impl Fn() -> Error) -> Error {
    match error {
        store::Error::NotFound => not_found(),
        other => other.into(),
    }
}

// The id of a source is random, so it cannot be that of a subscription, for which texts are bound
// to their place in the same way.
fn context(account: AccountId, id: IngestSourceId) -> SealContext<'static> {
    SealContext { account, subscription: SubscriptionId::from_bytes(*id.as_bytes()), field: FIELD }
}

fn random(bytes: &mut [u8]) -> Result<(), Error> {
    SystemRandom::new().fill(bytes).map_err(|_| Error::internal("the system gives no random bytes"))
}

fn make_secret() -> Result<Secret, Error> {
    let mut bytes = [0; SECRET_BYTES];
    random(&mut bytes)?;
    Ok(Secret::new(bytes.iter().map(|byte| format!("{byte:02x}")).collect()))
}

/// Whether `signature` is the HMAC-SHA256 of the body in hex digits; compared in constant time.
fn is_signed(secret: &[u8], body: &[u8], signature: &str) -> bool {
    let Some(tag) = from_hex(signature.trim()) else { return false };
    hmac::verify(&hmac::Key::new(hmac::HMAC_SHA256, secret), body, &tag).is_ok()
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::is_signed;

    #[test]
    fn only_the_signature_of_this_very_body_is_one() {
        let body = br#"{"_id":"66f0c0ffee0000000000a001","kind":"flag"}"#;
        let right = "f026a4bea486a46a01bf12dde589921bf834c1af74772fd746c9e316e9c1f1b9";
        let signed = |secret: &str, body: &[u8], signature: &str| is_signed(secret.as_bytes(), body, signature);
        assert!(signed("s3cr3t-value", body, right));
        assert!(signed("s3cr3t-value", body, &right.to_uppercase()));
        assert!(!signed("s3cr3t-valuE", body, right));
        assert!(!signed("s3cr3t-value", &body[1..], right));
        for wrong in ["", &right[2..], &right[1..], &format!("{right}00"), &right.replace('f', "g"), "é"] {
            assert!(!signed("s3cr3t-value", body, wrong), "{wrong}");
        }
    }
}
