//! What searches ask for.

use serde_json::json;

use super::{Entry, EntryDraft, RECEIVED_AT, entry, flag, stored};
use crate::{Actor, EntryId, Term, Topic};

#[test]
fn entries_about_the_same_have_one_topic() {
    let (one, other) = (
        flag(json!({"name": "Checkout", "tags": ["b"], "comment": "x", "member": {"_id": "m"}, "date": 5})),
        flag(json!({"tags": ["b"], "name": "Checkout", "delta": [1], "token": {"_id": "k"}})),
    );
    let (one, other) = (entry(&one).searched(), entry(&other).searched());
    assert_eq!(one.topic, other.topic);
    assert_eq!((one.date.as_millis(), other.date.as_millis()), (5, RECEIVED_AT));
    assert_eq!(one.actor, Actor { member: Some("m".to_owned()), token: None });
    assert_eq!(other.actor, Actor { member: None, token: Some("k".to_owned()) });
}

/// As an entry stands in a log that was written under other rules.
fn unchecked(value: &serde_json::Value, id: u8) -> Entry {
    stored(EntryDraft { id: Some(EntryId::from_bytes([id; 12])), bytes: value.to_string().into_bytes().into() })
}

#[test]
fn who_tells_the_same_is_about_the_same() {
    let parts = [
        json!({"name": "Checkout"}),
        json!({"key": "checkout", "kind": "flag"}),
        json!({"accesses": [{"action": "a", "resource": "proj/p:env/e:flag/f"}]}),
        json!({"action": "a", "resource": "acct"}),
        json!({"tags": ["b"], "views": ["v"]}),
        json!({"target": {"_id": "t", "name": "T", "resources": ["proj/web"]}}),
        json!({"project": {"key": "shop", "environment": {"key": "eu", "tags": ["x"]}}}),
        json!({"member": {"_id": "m"}}),
        json!({"token": {"_id": "k"}}),
        json!({"date": 7}),
        json!({"timestamp": "2026-01-02T03:04:05Z"}),
        json!({"comment": "which says nothing of it"}),
    ];
    let value = |set: usize| {
        let chosen = parts.iter().enumerate().filter(|(at, _)| set & 1 << at != 0);
        let members = chosen.flat_map(|(_, part)| part.as_object().expect("an object").clone());
        unchecked(&serde_json::Value::Object(members.collect()), u8::try_from(set % 256).expect("fits"))
    };
    let all: Vec<_> = (0..1 << parts.len()).map(value).collect();
    let mut by_topic = std::collections::HashMap::new();
    let mut by_actor = std::collections::HashMap::new();
    for entry in &all {
        let (told, searched) = (entry.told().expect("it is not damaged"), entry.searched());
        assert_eq!(told.date, searched.date);
        let known = by_topic.entry(told.topic().collect::<Vec<_>>()).or_insert_with(|| searched.topic.clone());
        assert!(*known == searched.topic || !searched.is_shared, "{known} {}", searched.topic);
        let known = by_actor.entry(told.actor().collect::<Vec<_>>()).or_insert_with(|| searched.actor.clone());
        assert_eq!(*known, searched.actor);
    }
    assert!(by_topic.len() < all.len() / 8 && by_actor.len() == 4, "{} {}", by_topic.len(), by_actor.len());
}

#[test]
fn an_entry_that_only_its_id_names_shares_its_topic_with_none() {
    assert!(entry(&json!({"action": "a", "resource": "acct"})).searched().is_shared);
    assert!(entry(&flag(json!({}))).searched().is_shared);
    assert!(!unchecked(&json!({"kind": "flag", "accesses": []}), 1).searched().is_shared);
}

#[test]
fn a_topic_says_what_the_entry_says() {
    for value in [
        flag(json!({"tags": ["b"], "views": ["v"], "project": {"key": "shop", "name": "Shop", "tags": ["p"],
                    "environment": {"key": "production", "name": "P", "critical": true}}})),
        json!({"kind": "environment", "key": "eu", "verbKind": "updateColor", "project": {"key": "shop"}}),
        json!({"kind": "project", "verbKind": "updateTags", "project": {"key": "shop", "name": "The Shop"}}),
        json!({"action": "updateUrl", "resource": "webhook/6a01", "target": {"name": "CI"}}),
        json!({"action": "a", "resource": "acct"}),
    ] {
        let entry = entry(&value);
        let (topic, facts) = (Topic::read(&entry.searched().topic), entry.facts());
        assert_eq!((topic.kind.as_str(), topic.accesses.as_slice()), (facts.kind(), facts.accesses()), "{value}");
        assert_eq!(json!(topic.name), facts.representation()["name"], "{value}");
    }
}

#[test]
fn a_topic_has_the_key_or_the_id_and_the_targets() {
    let topic = |value| Topic::read(&entry(&value).searched().topic);
    assert_eq!(topic(flag(json!({}))).key.as_deref(), Some("checkout"));
    assert_eq!(topic(flag(json!({"key": "other"}))).key.as_deref(), Some("other"));
    assert_eq!(topic(json!({"action": "a", "resource": "webhook/6a01"})).key.as_deref(), Some("6a01"));
    assert_eq!(topic(json!({"action": "a", "resource": "acct"})).key, None);
    let targets = topic(flag(json!({"target": {"resources": ["proj/web", "not one"]}}))).targets;
    assert_eq!(targets.iter().map(crate::Resource::plain).collect::<Vec<_>>(), ["proj/web"]);
}

#[test]
fn every_part_of_a_name_is_among_its_terms() {
    let topic = |name: &str| Topic::read(&entry(&flag(json!({ "name": name }))).searched().topic);
    let name = "Große ÄMTER 2";
    let terms = topic(name).terms();
    let letters: Vec<char> = crate::folded(name).chars().collect();
    for from in 0..letters.len() {
        for to in from + 1..=letters.len() {
            let part = String::from_iter(&letters[from..to]);
            assert!(topic(name).name_holds(&part) && terms.is_superset(&Term::of_name_part(&part)), "{part}");
        }
    }
    assert!(!terms.is_superset(&Term::of_name_part("amt")) && !terms.contains(&Term::long_name()));
    assert!(topic(&"x".repeat(257)).terms().contains(&Term::long_name()));
    assert!(Term::of_name_part("").is_empty());
}
