//! An entry as the log keeps it, and what it says.
//!
//! A producer's entry is checked once, in [`EntryDraft::parse`], and stored byte for byte.
//! Everything that the producer left out is derived from the stored bytes when it is asked
//! for: docs/entries.md says what from what. Deliberately absent: any memory of resources;
//! an entry is judged by what stands in it alone.

mod access;
mod check;
mod context;
mod derive;
#[cfg(test)]
mod example;
mod glance;
mod links;
mod markdown;
#[cfg(test)]
mod properties;
mod read;
mod representation;
#[cfg(test)]
mod tests;
mod topic;
mod verb;

use std::sync::{Arc, OnceLock};

use serde_json::{Map, Value};

pub use topic::{Actor, Searched, Term, Told, Topic, folded};

use crate::{Access, AccountId, EntryId, FieldError, Sequence, Timestamp};

/// A valid entry that has no place in the log yet.
#[derive(Clone, Debug)]
pub struct EntryDraft {
    /// The producer's `_id`, if it gave one.
    pub id: Option<EntryId>,
    /// What the producer sent, byte for byte.
    pub bytes: Arc<[u8]>,
}

impl EntryDraft {
    /// Checks one entry of a producer. White space around the object is cut off; the caller
    /// has judged the size.
    ///
    /// # Errors
    /// Every mistake at once, up to 100; a mistake of the bytes as a whole has no attribute.
    pub fn parse(bytes: &[u8]) -> Result<Self, Vec<FieldError>> {
        let bytes = trim(bytes);
        let text = read::text_of(bytes)?;
        if let Some(id) = glance::id_if_in_order(text) {
            return Ok(Self { id, bytes: bytes.into() });
        }
        let root = read::object(text)?;
        let mistakes = check::mistakes(&root);
        if mistakes.is_empty() { Ok(Self { id: id_of(&root), bytes: bytes.into() }) } else { Err(mistakes) }
    }

    /// An entry of the server itself: the same members, marked `_origin: "system"`, which
    /// [`Self::parse`] refuses. The caller gives at least one access and members of the
    /// right types; they are not checked here.
    pub fn system(members: &Map<String, Value>) -> Self {
        let mut root = members.clone();
        root.insert("_origin".to_owned(), "system".into());
        Self { id: id_of(&root), bytes: Value::Object(root).to_string().into_bytes().into() }
    }
}

/// One immutable record of the log.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Whose log it is in.
    pub account: AccountId,
    /// Its place in that log.
    pub sequence: Sequence,
    /// Unique within the account.
    pub id: EntryId,
    /// When it was received; never runs backwards within an account.
    pub received_at: Timestamp,
    /// What the producer sent, byte for byte.
    pub bytes: Arc<[u8]>,
    // Many subscriptions ask for them, and reading them takes longer than judging them.
    facts: OnceLock<EntryFacts>,
}

impl Entry {
    /// An entry at its place in the log.
    pub fn new(account: AccountId, sequence: Sequence, id: EntryId, received_at: Timestamp, bytes: Arc<[u8]>) -> Self {
        Self { account, sequence, id, received_at, bytes, facts: OnceLock::new() }
    }

    /// What matching needs, read when it is first asked for. Never fails: bytes that are damaged
    /// make facts without an access, which no policy matches.
    pub fn facts(&self) -> &EntryFacts {
        self.facts.get_or_init(|| self.read_facts())
    }

    /// What searches ask for. Read anew by each call; damaged bytes are about nothing.
    pub fn searched(&self) -> Searched {
        topic::searched(self)
    }

    /// What tells at little cost whether searches ask the same of another entry; `None` where only
    /// [`Self::searched`] can tell.
    pub fn told(&self) -> Option<Told<'_>> {
        topic::told(self)
    }

    fn read_facts(&self) -> EntryFacts {
        let root = read::for_matching(&self.bytes);
        let accesses = access::accesses(&root);
        let kind = read::text(&root, "kind").map_or_else(|| audit_kind(&accesses).to_owned(), str::to_owned);
        EntryFacts {
            account: self.account,
            id: self.id.clone(),
            date: check::date(&root).unwrap_or(self.received_at),
            kind,
            accesses,
            bytes: Arc::clone(&self.bytes),
        }
    }
}

/// What an entry says, given or derived.
#[derive(Clone, Debug)]
pub struct EntryFacts {
    account: AccountId,
    id: EntryId,
    date: Timestamp,
    kind: String,
    accesses: Vec<Access>,
    bytes: Arc<[u8]>,
}

impl EntryFacts {
    /// What was done to what: at least one, unless the stored bytes are damaged. The segments
    /// carry the tags, properties and views that the entry tells of them anywhere.
    pub fn accesses(&self) -> &[Access] {
        &self.accesses
    }

    /// The kind of the changed resource, such as `flag`.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// When the event happened; when it was received, if the entry does not say.
    pub fn date(&self) -> Timestamp {
        self.date
    }

    /// The object that templates see; links are absolute under `base_url`. Built anew by
    /// each call.
    pub fn context(&self, base_url: &str) -> Value {
        self.context_for(base_url, &|_, _| true)
    }

    /// The object that one template sees: as [`Self::context`], perhaps without what it does not
    /// look at, since deriving that takes longer than the rendering.
    ///
    /// `wants` is asked for a member by the name of the object that it stands in, empty for the
    /// context itself, and by its own: `("", "title")`, `("title", "plainText")`.
    pub fn context_for(&self, base_url: &str, wants: &dyn Fn(&str, &str) -> bool) -> Value {
        context::context(self, base_url, wants)
    }

    /// The entry as the REST API and the standard webhook give it; derived links are
    /// relative. Built anew by each call.
    pub fn representation(&self) -> Value {
        representation::representation(self)
    }

    /// The entry as it stands in a list of the REST API: [`Self::representation`] without
    /// `delta`, `merge`, `triggerBody`, `previousVersion`, `currentVersion` and `subentries`.
    pub fn listing(&self) -> Value {
        representation::without_changes(self.representation())
    }
}

impl EntryFacts {
    // Read anew by each call: matching does without it, and a rendered entry needs it once.
    fn root(&self, keeps: read::Keeps<'_>) -> read::Object {
        read::text_of(&self.bytes).map(|text| read::some_of(text, keeps)).unwrap_or_default()
    }
}

fn id_of(root: &read::Object) -> Option<EntryId> {
    root.get("_id").and_then(Value::as_str).and_then(|id| EntryId::parse(id).ok())
}

fn audit_kind(accesses: &[Access]) -> &str {
    match accesses.first().map(|access| access.resource.last().kind.as_str()) {
        Some("proj") => "project",
        Some("env") => "environment",
        Some("acct") => "account",
        Some(kind) => kind,
        None => "unknown",
    }
}

// The white space of JSON, which is less than that of Unicode.
fn trim(bytes: &[u8]) -> &[u8] {
    let is_space = |byte: &u8| b" \t\r\n".contains(byte);
    let start = bytes.iter().position(|byte| !is_space(byte)).unwrap_or(bytes.len());
    let end = bytes.iter().rposition(|byte| !is_space(byte)).map_or(start, |last| last + 1);
    &bytes[start..end]
}
