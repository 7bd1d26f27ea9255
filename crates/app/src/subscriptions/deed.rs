//! The entries of what is done with a recipient and does not change it.

use domain::{EntryDraft, Timestamp};

use super::Recipient;
use crate::{Action, Caller, record::Record};

/// The entry. `done` is what was done, such as `started a replay of`.
pub(super) fn draft(
    caller: &Caller,
    (recipient, stored): (&Recipient, &store::Subscription),
    (action, done): (Action, &str),
    description: String,
    now: Timestamp,
) -> EntryDraft {
    let noun = recipient.noun();
    let record = Record {
        caller: Some(caller),
        actions: &[action],
        resource: recipient.resource().plain(),
        kind: noun,
        name: &stored.edit.name,
        title_verb: format!("{done} the {noun}"),
        href: recipient.href(),
        comment: None,
        before: None,
        after: None,
    };
    record.deed(description, now)
}
