//! The object that templates see.

use serde_json::{Value, json};

use super::EntryFacts;
use super::derive::Derived;
use super::read::{Object, fill, object_in, text};

/// Everything that was sent, in its order, then everything that was derived.
pub(super) fn context(facts: &EntryFacts, base_url: &str) -> Value {
    let root = facts.root();
    let derived = Derived::new(&root, facts.id.as_str(), &facts.kind, &facts.accesses, base_url);
    let mut context = root.clone();
    context.insert("baseURL".to_owned(), base_url.trim_end_matches('/').into());
    context.insert("_id".to_owned(), facts.id.as_str().into());
    fill(&mut context, "_accountId", || facts.account.to_string().into());
    let mut links = derived.links();
    fill(&mut links, "details", || derived.details_link());
    context.insert("_links".to_owned(), links.into());
    context.insert("timestamp".to_owned(), timestamp(facts, &root));
    fill_text(&mut context, "kind", || facts.kind.clone());
    fill_text(&mut context, "name", || derived.name().to_owned());
    if let Some(key) = derived.key() {
        fill_text(&mut context, "key", || key.to_owned());
    }
    fill(&mut context, "tags", || derived.tags());
    fill_text(&mut context, "titleVerb", || derived.title_verb());
    fill_text(&mut context, "verbKind", || derived.verb_kind().to_owned());
    let title = derived.title().complete(object_in(&root, "title"));
    context.insert("title".to_owned(), title);
    let details = derived.details().complete(object_in(&root, "details"));
    context.insert("details".to_owned(), details);
    // Templates ask `{{#if comment}}`, and a strict one fails on null.
    if text(&context, "comment").is_none() {
        context.shift_remove("comment");
    }
    context.insert("project".to_owned(), derived.project());
    context.insert("member".to_owned(), derived.member());
    context.insert("target".to_owned(), derived.target());
    context.into()
}

fn fill_text(object: &mut Object, name: &str, derive: impl FnOnce() -> String) {
    if text(object, name).is_none() {
        object.insert(name.to_owned(), derive().into());
    }
}

fn timestamp(facts: &EntryFacts, root: &Object) -> Value {
    let mut timestamp = object_in(root, "timestamp").cloned().unwrap_or_default();
    fill(&mut timestamp, "milliseconds", || json!(facts.date.as_millis()));
    fill(&mut timestamp, "seconds", || json!(facts.date.as_seconds()));
    fill(&mut timestamp, "rfc3339", || facts.date.rfc3339().into());
    fill(&mut timestamp, "simple", || facts.date.simple().into());
    timestamp.into()
}
