//! Looking at the entries that were settled and not delivered, and are kept.

use std::sync::Arc;

use delivery::Reason;
use domain::{AccountId, Entry, EntryId, Sequence, Timestamp};
use serde_json::Value;
use store::{LetterFate, StoredDeadLetter};

use super::Recipient;
use crate::{Action, App, Caller, Error};

/// Bytes of entries of one page; a longer one ends early.
const PAGE_BYTES: usize = 4 * 1024 * 1024;

/// Which dead letters are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeadLettersAsked {
    /// Only those with a smaller sequence.
    pub before: Option<Sequence>,
    /// Only those with this fate; else all.
    pub fate: Option<LetterFate>,
    /// The most of them.
    pub limit: usize,
    /// Whether their entries are wanted, too.
    pub with_entries: bool,
}

impl DeadLettersAsked {
    /// The largest limit that is given.
    pub const LIMIT_MAX: usize = 100;
}

/// Some dead letters of a subscription.
#[derive(Clone, Debug, PartialEq)]
pub struct DeadLetters {
    /// Newest first.
    pub letters: Vec<DeadLetter>,
    /// Whether there are older ones.
    pub has_more: bool,
}

/// An entry that a destination refused for good, or that was passed over.
#[derive(Clone, Debug, PartialEq)]
pub struct DeadLetter {
    /// Its place in the log.
    pub sequence: Sequence,
    /// What the ledger counts it as.
    pub fate: LetterFate,
    /// Its id.
    pub entry_id: EntryId,
    /// Why.
    pub reason: Reason,
    /// When.
    pub died_at: Timestamp,
    /// The entry as the audit log shows it, if it was asked for.
    pub entry: Option<Value>,
}

impl App {
    /// The dead letters of a subscription or webhook, newest first.
    ///
    /// # Errors
    /// [`Error::Forbidden`]; [`Error::NotFound`] for an unknown integration or id, or one of
    /// another integration; or what the store says.
    pub async fn dead_letter_list(
        &self,
        caller: &Caller,
        recipient: &Recipient,
        asked: DeadLettersAsked,
    ) -> Result<DeadLetters, Error> {
        let (_, stored) = self.recipient(caller, Action::ViewDeliveries, recipient).await?;
        let limit = asked.limit.min(DeadLettersAsked::LIMIT_MAX);
        let page = self.store.dead_letter_page(stored.id, asked.before, asked.fate, limit, PAGE_BYTES).await?;
        let shown = |letter| shown(stored.account, letter, asked.with_entries);
        Ok(DeadLetters { letters: page.letters.into_iter().map(shown).collect(), has_more: page.has_more })
    }
}

fn shown(account: AccountId, stored: StoredDeadLetter, with_entry: bool) -> DeadLetter {
    let StoredDeadLetter { letter, received_at } = stored;
    let entry = with_entry.then(|| {
        let bytes = Arc::from(letter.bytes);
        let entry = Entry::new(account, letter.sequence, letter.entry_id.clone(), received_at, bytes);
        entry.facts().representation()
    });
    DeadLetter {
        sequence: letter.sequence,
        fate: letter.fate,
        entry_id: letter.entry_id,
        reason: reason(letter.reason),
        died_at: letter.died_at,
        entry,
    }
}

/// What the engine wrote; a text that is not of its form is shown as it is.
fn reason(text: String) -> Reason {
    let read: Option<Value> = serde_json::from_str(&text).ok();
    let member = |name: &str| Some(read.as_ref()?.get(name)?.as_str()?.to_owned());
    match (member("name"), member("text")) {
        (Some(name), Some(text)) => Reason::new(name, text),
        _ => Reason::new("unknown", text),
    }
}
