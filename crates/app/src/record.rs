//! The entries by which changes of tokens, accounts and webhooks record themselves.

use domain::{EntryDraft, Timestamp};
use serde_json::{Map, Value, json};

use crate::{Action, Caller};

/// Something that was made, changed or deleted.
pub(crate) struct Record<'a> {
    /// Who did it; none for the command line and the start of the server.
    pub(crate) caller: Option<&'a Caller>,
    /// What was done, at least one.
    pub(crate) actions: &'a [Action],
    /// The resource to which it was done.
    pub(crate) resource: String,
    /// The kind of the entry.
    pub(crate) kind: &'static str,
    /// The name of the thing.
    pub(crate) name: &'a str,
    /// Such as `created the access token`.
    pub(crate) title_verb: String,
    /// Where it is to be found.
    pub(crate) href: String,
    /// Why, if the caller said so.
    pub(crate) comment: Option<&'a str>,
    /// As it was, secrets masked; none when it was made.
    pub(crate) before: Option<Value>,
    /// As it is, secrets masked; none when it was deleted.
    pub(crate) after: Option<Value>,
}

impl Record<'_> {
    /// The entry. Versions that would make it larger than `bytes_max` are left out; that is said in it.
    pub(crate) fn draft(&self, now: Timestamp, bytes_max: usize) -> EntryDraft {
        let mut members = self.members(now);
        let with_versions: Map<_, _> = members.clone().into_iter().chain(self.versions()).collect();
        let draft = EntryDraft::system(&with_versions);
        if draft.bytes.len() <= bytes_max {
            return draft;
        }
        members.insert("description".to_owned(), "What was changed is too large to be repeated here.".into());
        EntryDraft::system(&members)
    }

    /// The entry of something that was done and changed nothing of the thing itself.
    pub(crate) fn deed(&self, description: String, now: Timestamp) -> EntryDraft {
        let mut members = self.members(now);
        members.insert("description".to_owned(), description.into());
        EntryDraft::system(&members)
    }

    fn members(&self, now: Timestamp) -> Map<String, Value> {
        let access = |action: &Action| json!({ "action": action.as_str(), "resource": self.resource });
        let accesses: Vec<_> = self.actions.iter().map(access).collect();
        let mut members = Map::new();
        let mut put = |key: &str, value: Value| members.insert(key.to_owned(), value);
        put("accesses", accesses.into());
        put("kind", self.kind.into());
        put("name", self.name.into());
        put("titleVerb", self.title_verb.as_str().into());
        put("date", now.as_millis().into());
        if let Some(caller) = self.caller {
            put("token", caller.represent());
        }
        if let Some(comment) = self.comment {
            put("comment", comment.into());
        }
        let link = json!({ "canonical": { "href": self.href, "type": "application/json" } });
        put("target", json!({ "_links": link, "name": self.name, "resources": [self.resource] }));
        members
    }

    fn versions(&self) -> Map<String, Value> {
        let mut versions = Map::new();
        if let (Some(Value::Object(before)), Some(Value::Object(after))) = (&self.before, &self.after) {
            versions.insert("delta".to_owned(), delta(before, after).into());
        }
        for (name, version) in [("previousVersion", &self.before), ("currentVersion", &self.after)] {
            if let Some(version) = version {
                versions.insert(name.to_owned(), version.clone());
            }
        }
        versions
    }
}

/// A JSON Patch from one version to the other, member by member.
fn delta(before: &Map<String, Value>, after: &Map<String, Value>) -> Vec<Value> {
    let removed = before
        .keys()
        .filter(|name| !after.contains_key(*name))
        .map(|name| json!({ "op": "remove", "path": format!("/{name}") }));
    let changed = after.iter().filter(|(name, value)| before.get(*name) != Some(value)).map(|(name, value)| {
        let op = if before.contains_key(name) { "replace" } else { "add" };
        json!({ "op": op, "path": format!("/{name}"), "value": value })
    });
    removed.chain(changed).collect()
}
