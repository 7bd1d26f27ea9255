//! The entry that test messages are made of.

use std::sync::Arc;

use domain::{AccountId, Entry, EntryId, Sequence, Timestamp};
use serde_json::json;

/// An update of an environment at `now`. It is in no log: its sequence is 0.
pub(crate) fn environment_update(account: AccountId, now: Timestamp) -> Entry {
    let id = EntryId::from_bytes([0; 12]);
    let entry = json!({
        "_id": id.as_str(),
        "_accountId": account,
        "date": now.as_millis(),
        "kind": "environment",
        "name": "Test environment",
        "description": "* This is a test message: nothing was changed\n",
        "accesses": [{ "action": "updateName", "resource": "proj/test-project:env/test-environment" }],
        "member": {
            "_id": "000000000000000000000000",
            "email": "test@example.com",
            "firstName": "Test",
            "lastName": "Member",
        },
        "titleVerb": "updated the environment",
    });
    Entry::new(account, Sequence(0), id, now, Arc::from(entry.to_string().into_bytes()))
}
