//! Entries of every kind, by which an integration is checked before it serves anybody.

use std::sync::Arc;

use domain::{AccountId, Entry, EntryId, Sequence, Timestamp};
use serde_json::{Map, Value, json};

/// An entry that nobody sent.
#[derive(Clone, Debug)]
pub struct Sample {
    /// What it tells of, such as `flag updated`.
    pub name: String,
    /// It is in no log: its sequence is 0.
    pub entry: Entry,
}

/// Stands in the texts of hostile samples: all that breaks bodies which are put together carelessly.
const HOSTILE: &str = " \"q\" \\ \u{8}\r\n\t'`&<b>={{x}}}}%0d%0a../ \u{2028}é😀";

/// Entries of `account` that happened at `now`, of every kind that the format knows and of one
/// that it does not: as producers send them, and once more with texts that no template expects.
#[must_use]
pub fn samples(account: AccountId, now: Timestamp) -> Vec<Sample> {
    let plain = events(now).into_iter().map(|(name, event)| (name.to_owned(), event));
    let hostile = events(now).into_iter().map(|(name, event)| (format!("{name}, with hostile texts"), hostile(event)));
    let entry = |(at, (name, event)): (u8, (String, Value))| {
        let mut id = [0x5a; 12];
        id[11] = at;
        let id = EntryId::from_bytes(id);
        let entry = Entry::new(account, Sequence(0), id, now, Arc::from(event.to_string().into_bytes()));
        Sample { name, entry }
    };
    (0..).zip(plain.chain(hostile)).map(entry).collect()
}

/// One entry of each kind, by what it tells of.
fn events(now: Timestamp) -> Vec<(&'static str, Value)> {
    let flag = "proj/garden:env/live;eu:flag/night-watering;water";
    let project = json!({ "name": "Garden", "key": "garden", "tags": ["outdoors"], "environment":
        { "name": "Live", "key": "live", "tags": ["eu"] } });
    let events = vec![
        (
            "flag updated",
            json!({ "kind": "flag", "name": "Night watering", "tags": ["water", "beds"],
            "titleVerb": "turned on the flag", "description": "* Turned the flag on\n* Changed ~~`off`~~ to `on`\n",
            "comment": "dry week", "project": project, "customProperties": {
                "datadog": { "name": "Datadog", "values": ["team:garden", "tier:1"] },
                "dynatrace": { "name": "Dynatrace", "values": ["garden"] },
                "dynatrace-v2": { "name": "Dynatrace", "values": ["garden"] } },
            "accesses": [{ "action": "updateOn", "resource": flag }] }),
        ),
        (
            "flag created",
            json!({ "kind": "flag", "name": "Night watering", "titleVerb": "created the flag",
            "accesses": [{ "action": "createFlag", "resource": "proj/garden:env/*:flag/night-watering" }] }),
        ),
        (
            "flag deleted",
            json!({ "kind": "flag", "name": "Night watering", "titleVerb": "deleted the flag",
            "accesses": [{ "action": "deleteFlag", "resource": "proj/garden:env/*:flag/night-watering" }] }),
        ),
        (
            "segment updated",
            json!({ "kind": "segment", "name": "Old beds", "titleVerb": "updated the segment",
            "description": "* Added `bed-7`\n", "project": project,
            "accesses": [{ "action": "updateRules", "resource": "proj/garden:env/live:segment/old-beds" }] }),
        ),
        (
            "environment updated",
            json!({ "kind": "environment", "name": "Live", "titleVerb": "updated the environment",
            "accesses": [{ "action": "updateName", "resource": "proj/garden:env/live" }] }),
        ),
        (
            "project created",
            json!({ "kind": "project", "name": "Garden", "titleVerb": "created the project",
            "accesses": [{ "action": "createProject", "resource": "proj/garden" }] }),
        ),
        (
            "member updated",
            json!({ "kind": "member", "name": "leo@garden.example", "tags": null,
            "titleVerb": "changed the role of", "accesses": [{ "action": "updateRole", "resource": "member/leo" }] }),
        ),
        (
            "metric updated",
            json!({ "kind": "metric", "name": "Litres", "titleVerb": "updated the metric",
            "accesses": [{ "action": "updateName", "resource": "proj/garden:metric/litres" }] }),
        ),
        (
            "webhook created",
            json!({ "kind": "webhook", "name": "Sprinkler", "titleVerb": "created the webhook",
            "accesses": [{ "action": "createWebhook", "resource": "webhook/5a5a" }] }),
        ),
        (
            "integration updated",
            json!({ "kind": "integration", "name": "Archive", "titleVerb": "updated the integration",
            "accesses": [{ "action": "updateOn", "resource": "integration/5a5a5a5a5a5a5a5a5a5a5a5a" }] }),
        ),
        (
            "invoice paid by a token",
            json!({ "kind": "invoice", "name": "No. 42", "member": null,
            "token": { "_id": "5a", "name": "billing", "ending": "9a9a", "serviceToken": true },
            "accesses": [{ "action": "payInvoice", "resource": "org/acme:invoice/42" }] }),
        ),
    ];
    let least = json!({ "action": "touch", "resource": "thing/1" });
    let with_common = |(name, event): (&'static str, Value)| {
        let common = json!({ "date": now.as_millis(), "member": { "_id": "5a5a5a5a5a5a5a5a5a5a5a01",
            "email": "mia@garden.example", "firstName": "Mia", "lastName": "Sundaram" } });
        let mut whole = members(common);
        whole.extend(members(event));
        whole.retain(|name, value| name != "member" || !value.is_null());
        (name, Value::Object(whole))
    };
    events.into_iter().map(with_common).chain([("the least that an entry may hold", least)]).collect()
}

fn members(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}

/// The same entry with all its texts prolonged, but for those that say what it is about.
fn hostile(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(text + HOSTILE),
        Value::Array(items) => items.into_iter().map(hostile).collect(),
        Value::Object(members) => members
            .into_iter()
            .map(|(name, value)| match name.as_str() {
                "accesses" | "action" | "resource" | "kind" | "_id" | "key" => (name, value),
                _ => (name, hostile(value)),
            })
            .collect(),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use domain::{AccountId, EntryDraft, Timestamp};

    use super::samples;

    #[test]
    fn samples_are_entries_that_ingest_would_take() {
        let samples = samples(AccountId::from_bytes([1; 12]), Timestamp::from_millis(1_790_000_000_000));
        assert_eq!(samples.len(), 24);
        for sample in samples {
            assert!(EntryDraft::parse(&sample.entry.bytes).is_ok(), "{}", sample.name);
        }
    }
}
