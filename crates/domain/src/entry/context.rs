//! The object that templates see.

use serde_json::{Value, json};

use super::EntryFacts;
use super::derive::{Derived, is_input};
use super::read::{Object, fill, is_given, object_in, text};

/// Whether a member of the context is looked at, by the name of the object that it stands in and
/// by its own. The context itself has the empty name.
pub(super) type Wants<'a> = &'a dyn Fn(&str, &str) -> bool;

/// What was sent, in its order, then what was derived, each as far as it is wanted.
pub(super) fn context(facts: &EntryFacts, base_url: &str, wants: Wants<'_>) -> Value {
    let mut root = facts.root(&|of, name| wants(of, name) || is_input(of, name, wants));
    let made = derived(facts, &root, base_url, wants);
    root.retain(|name, _| wants("", name));
    root.extend(made.into_iter().map(|(name, value)| (name.to_owned(), value)));
    // Templates ask `{{#if comment}}`, and a strict one fails on null.
    if text(&root, "comment").is_none() {
        root.shift_remove("comment");
    }
    root.into()
}

/// The wanted members that do not stand in the entry as they are given to templates.
fn derived(facts: &EntryFacts, root: &Object, base_url: &str, wants: Wants<'_>) -> Vec<(&'static str, Value)> {
    let derived = Derived::new(root, facts.id.as_str(), &facts.kind, &facts.accesses, base_url, wants);
    let mut made = Vec::with_capacity(16);
    let mut make = |name: &'static str, value: &dyn Fn() -> Value| {
        if wants("", name) {
            made.push((name, value()));
        }
    };
    make("baseURL", &|| base_url.trim_end_matches('/').into());
    make("_id", &|| facts.id.as_str().into());
    make("_links", &|| {
        let mut links = derived.links();
        if wants("_links", "details") {
            fill(&mut links, "details", || derived.details_link());
        }
        links.into()
    });
    make("timestamp", &|| timestamp(facts, root, wants));
    make("title", &|| derived.title().complete(object_in(root, "title")));
    make("details", &|| derived.details().complete(object_in(root, "details")));
    make("project", &|| derived.project());
    make("member", &|| derived.member());
    make("target", &|| derived.target());

    let mut complete = |name: &'static str, value: &dyn Fn() -> Value| {
        if wants("", name) && text(root, name).is_none() {
            made.push((name, value()));
        }
    };
    complete("kind", &|| facts.kind.as_str().into());
    complete("name", &|| derived.name().into());
    complete("titleVerb", &|| derived.title_verb().into());
    complete("verbKind", &|| derived.verb_kind().into());
    if let Some(key) = derived.key() {
        complete("key", &|| key.into());
    }
    for (name, value) in
        [("_accountId", &(|| facts.account.to_string().into()) as &dyn Fn() -> Value), ("tags", &|| derived.tags())]
    {
        if wants("", name) && !is_given(root, name) {
            made.push((name, value()));
        }
    }
    made
}

fn timestamp(facts: &EntryFacts, root: &Object, wants: Wants<'_>) -> Value {
    let mut timestamp = object_in(root, "timestamp").cloned().unwrap_or_default();
    let mut complete = |name: &str, value: &dyn Fn() -> Value| {
        if wants("timestamp", name) {
            fill(&mut timestamp, name, value);
        }
    };
    complete("milliseconds", &|| json!(facts.date.as_millis()));
    complete("seconds", &|| json!(facts.date.as_seconds()));
    complete("rfc3339", &|| facts.date.rfc3339().into());
    complete("simple", &|| facts.date.simple().into());
    timestamp.into()
}
