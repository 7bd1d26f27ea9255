//! What is refused, and what is derived.

mod derived;
mod refused;
mod searched;

use serde_json::{Value, json};

use super::{Entry, EntryDraft, EntryFacts};
use crate::{AccountId, EntryId, Sequence, Timestamp};

const BASE: &str = "https://audit.corp.test";
const RECEIVED_AT: i64 = 1_790_000_000_999;

fn entry(value: &Value) -> Entry {
    stored(EntryDraft::parse(value.to_string().as_bytes()).unwrap_or_else(|mistakes| panic!("{value}: {mistakes:?}")))
}

fn stored(draft: EntryDraft) -> Entry {
    let account = AccountId::parse("66f0c0ffee00000000000acc").unwrap();
    let id = draft.id.unwrap_or_else(|| EntryId::from_bytes([0xaa; 12]));
    Entry::new(account, Sequence(1), id, Timestamp::from_millis(RECEIVED_AT), draft.bytes)
}

fn facts(value: &Value) -> EntryFacts {
    entry(value).facts().clone()
}

fn context(value: &Value) -> Value {
    facts(value).context(BASE)
}

/// The entry with these members beside one access to a flag.
fn flag(members: Value) -> Value {
    let mut entry = json!({"accesses": [{"action": "updateOn", "resource": "proj/shop:env/production:flag/checkout"}]});
    let Value::Object(members) = members else { panic!("{members}") };
    entry.as_object_mut().unwrap().extend(members);
    entry
}

fn mistakes(bytes: &[u8]) -> Vec<String> {
    let mistakes = EntryDraft::parse(bytes).expect_err("was accepted");
    mistakes.into_iter().map(|mistake| format!("{}: {}", mistake.attribute, mistake.reason)).collect()
}

/// Asserts that there is exactly one mistake, at `path`, and that its reason holds `reason`.
fn refused(entry: &Value, path: &str, reason: &str) {
    let mistakes = mistakes(entry.to_string().as_bytes());
    let [mistake] = mistakes.as_slice() else { panic!("{entry}: {mistakes:?}") };
    let (attribute, text) = mistake.split_once(": ").unwrap();
    assert_eq!(attribute, path, "{entry}: {mistake}");
    assert!(text.contains(reason), "{entry}: {mistake}");
}
