//! The entry as the REST API returns it.

use serde_json::{Value, json};

use super::derive::Derived;
use super::read::{Object, fill, is_given, text};
use super::{EntryFacts, access};

// Given for templates or in another form; what they say stands under other names.
const NOT_SHOWN: &[&str] = &["baseURL", "details", "timestamp", "action", "resource"];

/// The members that clients require, then the rest as sent, then what was derived.
pub(super) fn representation(facts: &EntryFacts) -> Value {
    let root = &facts.root(&|_, _| true);
    // All that it shows is wanted; of the title and the details that is the Markdown.
    let wants = |of: &str, name: &str| !matches!((of, name), ("title" | "details", "plainText" | "html"));
    let derived = Derived::new(root, facts.id.as_str(), &facts.kind, &facts.accesses, "", &wants);
    let given_text = |name| text(root, name).unwrap_or_default();
    let named = access::named(root);
    let mut entry = Object::new();
    entry.insert("_links".to_owned(), derived.links().into());
    entry.insert("_id".to_owned(), facts.id.as_str().into());
    let account = text(root, "_accountId").map_or_else(|| facts.account.to_string(), str::to_owned);
    entry.insert("_accountId".to_owned(), account.into());
    entry.insert("date".to_owned(), facts.date.as_millis().into());
    let accesses: Vec<Value> =
        named.iter().map(|named| json!({"action": named.action, "resource": named.resource})).collect();
    entry.insert("accesses".to_owned(), accesses.into());
    entry.insert("kind".to_owned(), facts.kind.as_str().into());
    entry.insert("name".to_owned(), derived.name().into());
    entry.insert("description".to_owned(), description(root, &derived).into());
    entry.insert("shortDescription".to_owned(), given_text("shortDescription").into());
    entry.insert("comment".to_owned(), given_text("comment").into());
    for (name, value) in root {
        if !entry.contains_key(name) && !NOT_SHOWN.contains(&name.as_str()) {
            entry.insert(name.clone(), value.clone());
        }
    }
    entry.insert("titleVerb".to_owned(), derived.title_verb().into());
    entry.insert("title".to_owned(), derived.title().markdown.into());
    entry.insert("target".to_owned(), target(&derived, &named));
    if !is_given(root, "parent")
        && let Some(parent) = derived.parent()
    {
        entry.insert("parent".to_owned(), parent);
    }
    entry.into()
}

fn description(root: &Object, derived: &Derived<'_>) -> String {
    text(root, "description").map_or_else(|| derived.details().markdown, str::to_owned)
}

fn target(derived: &Derived<'_>, named: &[access::Named<'_>]) -> Value {
    let mut target = derived.target();
    if let Value::Object(target) = &mut target {
        fill(target, "resources", || {
            let mut resources: Vec<&str> = named.iter().map(|named| named.resource.as_ref()).collect();
            // Accesses to one resource stand beside each other.
            resources.dedup();
            json!(resources)
        });
    }
    target
}

/// The members that only a single entry has; lists leave them out.
pub(super) fn without_changes(mut representation: Value) -> Value {
    const CHANGES: &[&str] = &["delta", "merge", "triggerBody", "previousVersion", "currentVersion", "subentries"];
    if let Some(members) = representation.as_object_mut() {
        members.retain(|name, _| !CHANGES.contains(&name.as_str()));
    }
    representation
}
