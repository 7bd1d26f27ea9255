//! An entry as the log keeps it, and what it says.

use std::sync::Arc;

use serde_json::Value;

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
    /// Checks one entry of a producer.
    ///
    /// # Errors
    /// Every mistake at once.
    pub fn parse(bytes: &[u8]) -> Result<Self, Vec<FieldError>> {
        let _ = bytes;
        unimplemented!()
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
}

impl Entry {
    /// Reads the entry and derives what the producer left out.
    pub fn facts(&self) -> EntryFacts {
        unimplemented!()
    }
}

/// What an entry says, given or derived.
#[derive(Clone, Debug)]
pub struct EntryFacts {
    accesses: Vec<Access>,
    kind: String,
    date: Timestamp,
}

impl EntryFacts {
    /// What was done to what: at least one.
    pub fn accesses(&self) -> &[Access] {
        &self.accesses
    }

    /// The kind of the changed resource, such as `flag`.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// When the event happened.
    pub fn date(&self) -> Timestamp {
        self.date
    }

    /// The object that templates see; links are absolute under `base_url`.
    pub fn context(&self, base_url: &str) -> Value {
        let _ = base_url;
        unimplemented!()
    }

    /// The entry as the REST API and the standard webhook give it; links are relative.
    pub fn representation(&self) -> Value {
        unimplemented!()
    }
}
