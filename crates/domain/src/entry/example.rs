//! One entry of a toggled flag, and all that templates and clients get of it.

use serde_json::{Value, json};

use super::{Entry, EntryDraft};
use crate::{AccountId, EntryId, Sequence, Timestamp};

const TITLE: &str = "[Mia Sundaram](mailto:mia@garden.test) turned on the flag \
                     [Night watering](https://log.garden.test/beds/live/features/night-watering) in `Live`";

fn sent() -> Value {
    json!({
        "_id": "77a1c0ffee0000000000b007",
        "_accountId": "77a1c0ffee00000000000acc",
        "date": 1_700_000_000_123_i64,
        "accesses": [{"action": "updateOn", "resource": "proj/beds:env/live;eu:flag/night-watering;water"}],
        "name": "Night watering",
        "titleVerb": "turned on the flag",
        "comment": "dry week",
        "member": {"_id": "77a1c0ffee000000000000aa", "email": "mia@garden.test", "firstName": "Mia", "lastName": "Sundaram"},
        "project": {"name": "Beds", "environment": {"name": "Live"}},
        "customProperties": {"datadog": {"name": "Datadog tags", "values": ["team:garden"]}},
        "delta": [{"op": "replace", "path": "/on", "value": true}],
        "x-trace": {"span": 18_446_744_073_709_551_615_u64},
    })
}

fn entry() -> Entry {
    let account = AccountId::parse("66f0c0ffee00000000000acc").unwrap();
    let id = EntryId::parse("77a1c0ffee0000000000b007").unwrap();
    let bytes = EntryDraft::parse(sent().to_string().as_bytes()).unwrap().bytes;
    Entry::new(account, Sequence(7), id, Timestamp::from_millis(1), bytes)
}

fn link(href: &str, of: &str) -> Value {
    json!({"href": href, "type": of})
}

#[test]
fn templates_get_the_whole_context() {
    const API: &str = "application/json";
    const PAGE: &str = "text/html";
    let canonical = link("https://log.garden.test/api/v2/flags/beds/night-watering", API);
    let site = link("https://log.garden.test/beds/live/features/night-watering", PAGE);
    let mut expected = sent();
    let derived = json!({
        "baseURL": "https://log.garden.test",
        "_links": {
            "canonical": canonical,
            "site": site,
            "parent": link("https://log.garden.test/api/v2/auditlog", API),
            "self": link("https://log.garden.test/api/v2/auditlog/77a1c0ffee0000000000b007", API),
            "details": link("https://log.garden.test/beds/live/audit/77a1c0ffee0000000000b007/details", PAGE),
        },
        "timestamp": {
            "milliseconds": 1_700_000_000_123_i64, "seconds": 1_700_000_000,
            "rfc3339": "2023-11-14T22:13:20Z", "simple": "2023-11-14 22:13:20",
        },
        "kind": "flag",
        "key": "night-watering",
        "tags": ["water"],
        "verbKind": "updateOn",
        "title": {
            "plainText": "Mia Sundaram turned on the flag Night watering in 'Live'",
            "markdown": TITLE,
            "html": "<a href=\"mailto:mia@garden.test\">Mia Sundaram</a> turned on the flag \
                     <a href=\"https://log.garden.test/beds/live/features/night-watering\">Night watering</a> \
                     in <code>Live</code>",
        },
        "details": {"plainText": "", "markdown": "", "html": ""},
        "project": {
            "name": "Beds", "key": "beds", "tags": [],
            "environment": {"name": "Live", "key": "live", "tags": ["eu"]},
        },
        "member": {
            "_links": {
                "parent": link("https://log.garden.test/api/v2/members", API),
                "self": link("https://log.garden.test/api/v2/members/77a1c0ffee000000000000aa", API),
            },
            "_id": "77a1c0ffee000000000000aa", "email": "mia@garden.test", "emailLocalPart": "mia",
            "firstName": "Mia", "lastName": "Sundaram", "displayName": "Mia Sundaram",
        },
        "target": {"_links": {"canonical": canonical, "site": site}, "name": "Night watering", "_id": "night-watering"},
    });
    let Value::Object(derived) = derived else { panic!("{derived}") };
    expected.as_object_mut().unwrap().extend(derived);
    let context = entry().facts().context("https://log.garden.test");
    assert_eq!(context, expected);
    // What was sent stands first, in its own order.
    let names = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&context)[..12], names(&sent()));
}

#[test]
fn clients_get_the_whole_representation() {
    const API: &str = "application/json";
    let canonical = link("/api/v2/flags/beds/night-watering", API);
    let site = link("/beds/live/features/night-watering", "text/html");
    let mut expected = json!({
        "_links": {
            "canonical": canonical,
            "site": site,
            "parent": link("/api/v2/auditlog", API),
            "self": link("/api/v2/auditlog/77a1c0ffee0000000000b007", API),
        },
        "kind": "flag",
        "description": "",
        "shortDescription": "",
        "title": TITLE.replace("https://log.garden.test", ""),
        "target": {
            "_links": {"canonical": canonical, "site": site}, "name": "Night watering", "_id": "night-watering",
            "resources": ["proj/beds:env/live;eu:flag/night-watering;water"],
        },
        "parent": {
            "_links": {"canonical": link("/api/v2/projects/beds/environments/live", API)},
            "name": "Live", "resource": "proj/beds:env/live",
        },
    });
    let Value::Object(sent) = sent() else { panic!("an entry is an object") };
    expected.as_object_mut().unwrap().extend(sent);
    let entry = entry();
    let facts = entry.facts();
    assert_eq!(facts.representation(), expected);
    assert_eq!(facts.representation().to_string().matches("1700000000123").count(), 1);
    let listing = facts.listing();
    assert_eq!((listing.get("delta"), &listing["x-trace"]), (None, &expected["x-trace"]));
}
