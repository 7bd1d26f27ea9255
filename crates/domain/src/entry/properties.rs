//! Whatever comes in: no panic, and what is accepted has the shape that clients check.

use proptest::prelude::{Just, Strategy, any, prop, prop_compose, prop_oneof, proptest};
use proptest::strategy::ValueTree as _;
use serde_json::{Map, Value, json};

use super::{Entry, EntryDraft, EntryFacts, check, glance, read};
use crate::{AccountId, EntryId, Sequence, Timestamp};

const NAMES: &[&str] = &[
    "_id",
    "_accountId",
    "_links",
    "_origin",
    "accesses",
    "action",
    "resource",
    "kind",
    "key",
    "name",
    "tags",
    "views",
    "title",
    "titleVerb",
    "verbKind",
    "details",
    "description",
    "shortDescription",
    "comment",
    "date",
    "timestamp",
    "project",
    "environment",
    "member",
    "token",
    "app",
    "subject",
    "target",
    "parent",
    "subentries",
    "relatedFlag",
    "customProperties",
    "milliseconds",
    "seconds",
    "critical",
    "email",
    "displayName",
    "firstName",
    "plainText",
    "markdown",
    "html",
    "site",
    "self",
    "href",
    "type",
    "resources",
    "delta",
    "formVariables",
    "baseURL",
    "x",
    "",
];

const TEXTS: &[&str] = &[
    "",
    "acct",
    "proj/shop",
    "proj/shop;a:env/eu;b,{critical:true}:flag/x;view:y",
    "webhook/6a01",
    "member/a@b.c",
    "org/acme:invoice/42",
    "flag",
    "*",
    "~",
    "updateOn",
    "copyFlagConfigTo",
    "a.b:c",
    "project",
    "environment",
    "javascript:x",
    "/rel",
    "https://x.test",
    "[a](b)`~~**\\",
    "<b>&\"'",
    "\u{202e}ü\u{0}\n",
    "2026-09-21T14:13:20Z",
    "9999-12-31T23:59:59Z",
    "-009999-01-01T00:00:00Z",
];

const RESOURCES: &[&str] = &[
    "acct",
    "proj/shop",
    "proj/shop;a:env/eu;b,{critical:true}:flag/x;view:y",
    "proj/shop:env/~:flag/<b>[x](y)",
    "proj/shop:env/*:flag/..",
    "webhook/6a01",
    "member/a@b.c",
    "org/acme:invoice/42 \u{202e}ü%",
];

fn text() -> impl Strategy<Value = String> {
    prop_oneof![3 => proptest::sample::select(TEXTS).prop_map(str::to_owned), 1 => any::<String>()]
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 48, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            members(inner).prop_map(Value::from),
        ]
    })
}

fn members(value: impl Strategy<Value = Value>) -> impl Strategy<Value = Map<String, Value>> {
    let name = prop_oneof![9 => proptest::sample::select(NAMES).prop_map(str::to_owned), 1 => any::<String>()];
    prop::collection::vec((name, value), 0..8).prop_map(Map::from_iter)
}

prop_compose! {
    /// Often right: every member has the type that it should have, and there is an access.
    fn likely_entry()(
        free in members(json_value()),
        texts in prop::collection::vec(text(), 20),
        list in prop::collection::vec(text(), 0..3),
        id in prop_oneof![1 => text(), 9 => Just("01J8-/?x".to_owned())],
        resources in prop::collection::vec(proptest::sample::select(RESOURCES), 3),
        date in prop_oneof![1 => any::<i64>(), 9 => 0..253_402_207_200_999_i64],
        left_out in any::<u32>(),
    ) -> Value {
        let one = |index: usize| texts[index].as_str();
        let links = json!({"site": {"href": one(0)}, "self": {"href": one(1), "type": one(2)}});
        let forms = json!({"plainText": one(3), "markdown": one(4)});
        let environment = json!({"key": one(5), "name": one(6), "tags": list, "critical": true});
        let known = [
            ("_id", json!(id)), ("_links", links.clone()), ("kind", json!(one(8))), ("key", json!(one(9))),
            ("name", json!(one(10))), ("tags", json!(list)), ("views", json!(list)), ("title", forms.clone()),
            ("titleVerb", json!(one(11))), ("verbKind", json!(one(12))), ("details", forms),
            ("description", json!(one(13))), ("comment", json!(one(14))), ("date", json!(date)),
            ("timestamp", json!({"milliseconds": date})),
            ("project", json!({"key": one(15), "environment": environment})),
            ("member", json!({"_id": one(7), "_links": links, "email": one(16), "firstName": one(17)})),
            ("token", json!({"name": one(18)})), ("target", json!({"_id": one(19), "resources": list})),
            ("action", json!("updateOn")), ("resource", json!(resources[0])),
            ("accesses", json!([{"action": "a", "resource": resources[1]}, {"action": "b", "resource": resources[2]}])),
        ];
        let mut entry: Map<String, Value> = free.into_iter().filter(|(name, _)| !NAMES.contains(&name.as_str())).collect();
        for (index, (name, value)) in known.into_iter().enumerate() {
            if left_out & (1 << index) == 0 {
                entry.insert(name.to_owned(), value);
            }
        }
        entry.into()
    }
}

fn stored(draft: EntryDraft) -> Entry {
    let id = draft.id.unwrap_or_else(|| EntryId::from_bytes([2; 12]));
    Entry::new(AccountId::from_bytes([1; 12]), Sequence(1), id, Timestamp::from_millis(5), draft.bytes)
}

fn check_outcome(bytes: &[u8]) {
    let Ok(draft) = EntryDraft::parse(bytes) else { return };
    let sent: Value = serde_json::from_slice(&draft.bytes).expect("accepted bytes are JSON");
    let entry = stored(draft);
    let facts = entry.facts();
    assert_ne!(facts.accesses(), []);
    check_representation(&facts.representation());
    let context = facts.context("https://audit.corp.test");
    check_context(&context);
    check_parts(facts, &context);
    for (name, value) in sent.as_object().expect("an entry is an object") {
        assert!(NAMES.contains(&name.as_str()) || context[name] == *value, "{name} was changed");
    }
}

/// What is asked for alone is what it is among all.
fn check_parts(facts: &EntryFacts, whole: &Value) {
    for (name, value) in whole.as_object().expect("a context is an object") {
        let alone = facts.context_for("https://audit.corp.test", &|of, other| !of.is_empty() || other == name);
        assert_eq!(alone, json!({ name: value }));
        for (form, value) in value.as_object().into_iter().flatten() {
            let wants =
                |of: &str, other: &str| (of.is_empty() && other == name) || (of == name && other == form) || of == form;
            let alone = facts.context_for("https://audit.corp.test", &wants);
            assert_eq!(alone[name][form], *value, "{name}.{form}");
        }
    }
    assert_eq!(facts.context_for("https://audit.corp.test", &|_, _| false), json!({}));
}

fn check_representation(entry: &Value) {
    for name in
        ["_id", "_accountId", "kind", "name", "description", "shortDescription", "comment", "titleVerb", "title"]
    {
        assert!(entry[name].is_string(), "{name} of {entry}");
    }
    assert!(entry["date"].is_i64(), "{entry}");
    for object in [entry, &entry["member"], &entry["target"], &entry["parent"]] {
        for link in object["_links"].as_object().into_iter().flat_map(Map::values) {
            assert!(link.is_object(), "{object}");
        }
    }
    for access in entry["accesses"].as_array().expect("accesses are a list") {
        assert!(access["action"].is_string() && access["resource"].is_string(), "{access}");
    }
    assert!(entry["target"]["resources"].as_array().expect("resources are a list").iter().all(Value::is_string));
}

fn check_context(context: &Value) {
    for pointer in [
        "/kind",
        "/name",
        "/titleVerb",
        "/verbKind",
        "/title/plainText",
        "/title/markdown",
        "/title/html",
        "/details/plainText",
        "/details/markdown",
        "/details/html",
        "/project/key",
        "/project/environment/key",
        "/member/displayName",
        "/member/email",
        "/member/emailLocalPart",
        "/target/name",
        "/timestamp/rfc3339",
    ] {
        assert!(context.pointer(pointer).is_some_and(Value::is_string), "{pointer} of {context}");
    }
    assert!(context["timestamp"]["milliseconds"].is_i64() && context["_links"]["details"].is_object(), "{context}");
}

proptest! {
    #[test]
    fn any_bytes_are_answered(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        check_outcome(&bytes);
    }

    #[test]
    fn any_json_is_answered(value in members(json_value())) {
        check_outcome(Value::from(value).to_string().as_bytes());
    }

    #[test]
    fn any_accepted_entry_has_the_shapes_that_clients_check(entry in likely_entry()) {
        check_outcome(entry.to_string().as_bytes());
    }

    #[test]
    fn system_entries_and_damaged_bytes_make_facts_too(members in members(json_value()), cut in 0..400_usize) {
        let draft = EntryDraft::system(&members);
        let cut = cut.min(draft.bytes.len());
        let damaged = EntryDraft { id: None, bytes: draft.bytes[..cut].into() };
        let entry = stored(draft);
        entry.facts().context("");
        entry.facts().representation();
        let entry = stored(damaged);
        entry.facts().context("");
        entry.facts().representation();
    }
}

#[test]
fn the_strategy_makes_entries_that_are_accepted() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let accepted = (0..500)
        .filter(|_| {
            let entry = likely_entry().new_tree(&mut runner).expect("a value").current();
            EntryDraft::parse(entry.to_string().as_bytes()).is_ok()
        })
        .count();
    assert!(accepted > 250, "only {accepted} of 500");
}

/// What the full check says, with the id of what it passes.
fn checked_in_full(bytes: &[u8]) -> Option<Option<EntryId>> {
    let root = read::text_of(bytes).and_then(read::object).ok()?;
    check::mistakes(&root).is_empty().then(|| super::id_of(&root))
}

fn glance_agrees(bytes: &[u8]) {
    if let Some(id) = std::str::from_utf8(bytes).ok().and_then(glance::id_if_in_order) {
        assert_eq!(checked_in_full(bytes), Some(id), "{}", String::from_utf8_lossy(bytes));
    }
}

proptest! {
    #[test]
    fn a_glance_passes_nothing_that_the_full_check_refuses(
        likely in likely_entry(),
        changed in proptest::sample::select(NAMES),
        value in json_value(),
        at in any::<proptest::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let text = likely.to_string();
        glance_agrees(text.as_bytes());
        let mut damaged = text.clone().into_bytes();
        let place = at.index(damaged.len());
        damaged[place] = byte;
        glance_agrees(&damaged);
        // One more member, of a name that may be there already and of any type.
        let member = format!(",{}:{value}}}", json!(changed));
        glance_agrees(format!("{}{member}", &text[..text.len() - 1]).as_bytes());
        // And one inside what the tables know.
        let nested = text.replacen("\"key\":", &format!("{}:{value},\"key\":", json!(changed)), 1);
        glance_agrees(nested.as_bytes());
    }
}

#[test]
fn a_glance_is_enough_for_what_producers_send() {
    for entry in [
        json!({"accesses": [{"action": "updateOn", "resource": "proj/shop:env/eu;a,{critical:true}:flag/x"}]}),
        json!({
            "_id": "66f0", "_accountId": "a", "date": 1_790_000_000_000_i64, "kind": "flag", "name": "x", "extra": [1.5, null],
            "accesses": [{"action": "updateOn", "resource": "flag/x", "more": {"a": true}}], "comment": null,
            "member": {"_id": "m", "_links": {"self": {"href": "/x", "type": "text/html"}}, "email": "a@b.c"},
            "title": {"plainText": "t"}, "details": "d", "tags": ["a"], "customProperties": {"a": [1]},
            "project": {"key": "shop", "environment": {"key": "eu", "critical": true}}, "relatedFlag": {"key": "y"},
            "previousVersion": {"on": false}, "currentVersion": {"on": true},
        }),
    ] {
        let text = entry.to_string();
        assert_eq!(glance::id_if_in_order(&text), checked_in_full(text.as_bytes()), "{text}");
        assert!(glance::id_if_in_order(&text).is_some(), "{text}");
    }
}

#[test]
fn a_glance_is_not_enough_where_a_library_or_a_repeated_name_makes_a_difference() {
    let accesses = r#""accesses":[{"action":"a","resource":"acct"}]"#;
    for text in [
        format!(r#"{{{accesses},{accesses}}}"#),
        format!(r#"{{{accesses},"x":1,"x":1}}"#),
        format!(r#"{{{accesses},"x":{{"$serde_json::private::RawValue":"["}}}}"#),
        format!(r#"{{{accesses},"relatedFlag":{{"key":"a","key":null}}}}"#),
        format!(r#"{{{accesses},"x":1e999}}"#),
        format!(r#"{{{accesses},"x":"\ud800"}}"#),
        format!(r#"{{{accesses}}} {{}}"#),
        format!(r#"{{{accesses},"_origin":"system"}}"#),
        format!(r#"{{{accesses},"timestamp":"2026"}}"#),
        r#"{"accesses":[{"action":"a","resource":"acct","action":1}]}"#.to_owned(),
    ] {
        assert_eq!(glance::id_if_in_order(&text), None, "{text}");
    }
}
