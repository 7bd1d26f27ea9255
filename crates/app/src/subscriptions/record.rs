//! The entries by which changes of subscriptions record themselves.

use domain::{EntryDraft, SubscriptionId, Timestamp};
use integrations::Integration;
use serde_json::{Map, Value, json};

use super::form::Form;
use crate::{Action, Caller};

/// A change of a subscription. Without `before` it was created, without `after` deleted.
pub(super) struct Record<'a> {
    pub(super) caller: &'a Caller,
    pub(super) id: SubscriptionId,
    pub(super) before: Option<Version<'a>>,
    pub(super) after: Option<Version<'a>>,
    pub(super) comment: Option<&'a str>,
}

/// A subscription before or after a change. Another version of the integration may call other
/// members of the config secrets, so each side is shown by the one that took it.
#[derive(Clone, Copy)]
pub(super) struct Version<'a> {
    pub(super) form: &'a Form,
    pub(super) integration: &'a Integration,
}

impl Record<'_> {
    /// The entry. Secrets are masked in it, and of values that carry a key it has scheme and host.
    ///
    /// Versions that would make it larger than `bytes_max` are left out; that is said in it.
    pub(super) fn draft(&self, actions: &[Action], now: Timestamp, bytes_max: usize) -> EntryDraft {
        let mut members = self.members(actions, now);
        let versions = self.versions();
        let with_versions: Map<_, _> = members.clone().into_iter().chain(versions).collect();
        let draft = EntryDraft::system(&with_versions);
        if draft.bytes.len() <= bytes_max {
            return draft;
        }
        members.insert("description".to_owned(), "What was changed is too large to be repeated here.".into());
        EntryDraft::system(&members)
    }

    fn members(&self, actions: &[Action], now: Timestamp) -> Map<String, Value> {
        let resource = format!("integration/{}", self.id);
        let accesses: Vec<_> =
            actions.iter().map(|action| json!({ "action": action.as_str(), "resource": resource })).collect();
        let version = self.after.or(self.before);
        let (name, key) = version.map_or(("", ""), |version| (&version.form.name, version.integration.key()));
        let href = format!("/api/v2/integrations/{key}/{}", self.id);
        let mut members = Map::new();
        let mut put = |key: &str, value: Value| members.insert(key.to_owned(), value);
        put("accesses", accesses.into());
        put("kind", "integration".into());
        put("name", name.into());
        put("titleVerb", self.title_verb(actions).into());
        put("date", now.as_millis().into());
        put("token", self.caller.represent());
        if let Some(comment) = self.comment {
            put("comment", comment.into());
        }
        let link = json!({ "canonical": { "href": href, "type": "application/json" } });
        put("target", json!({ "_links": link, "name": name, "resources": [resource] }));
        members
    }

    fn title_verb(&self, actions: &[Action]) -> &'static str {
        match actions {
            [Action::CreateIntegration] => "created the integration",
            [Action::DeleteIntegration] => "deleted the integration",
            [Action::UpdateName] => "updated the name of the integration",
            [Action::UpdateOn] if self.after.is_some_and(|after| after.form.on) => "turned on the integration",
            [Action::UpdateOn] => "turned off the integration",
            [Action::UpdateConfiguration] => "updated the configuration of the integration",
            _ => "updated the integration",
        }
    }

    fn versions(&self) -> Map<String, Value> {
        let mut versions = Map::new();
        if let (Some(before), Some(after)) = (self.before, self.after) {
            versions.insert("delta".to_owned(), delta(before.form, after.form, &self.shown(after)).into());
        }
        for (name, version) in [("previousVersion", self.before), ("currentVersion", self.after)] {
            if let Some(version) = version {
                versions.insert(name.to_owned(), self.version(version));
            }
        }
        versions
    }

    fn version(&self, version: Version<'_>) -> Value {
        let Version { form, integration } = version;
        json!({
            "_id": self.id.to_string(),
            "kind": integration.key(),
            "name": form.name,
            "config": self.shown(version),
            "statements": form.statements,
            "on": form.on,
            "tags": form.tags,
        })
    }

    /// The config of one side, as its own version of the integration shows it; what a newer version
    /// calls a secret no longer stands in clear either.
    fn shown(&self, Version { form, integration }: Version<'_>) -> Map<String, Value> {
        let mut shown = integration.redacted_config(&form.config);
        let Some(Version { integration: newer, .. }) = self.after else { return shown };
        let mut by_newer = newer.redacted_config(&form.config);
        for variable in newer.form_variables() {
            let is_clear = shown.get(&variable.key) == form.config.get(&variable.key);
            if let Some(value) = by_newer.remove(&variable.key).filter(|_| is_clear || variable.secret) {
                shown.insert(variable.key.clone(), value);
            }
        }
        shown
    }
}

/// A JSON Patch between the versions. A secret that changed is in it even when its mask did not.
///
/// `shown` is the config after it as it may be shown.
fn delta(before: &Form, after: &Form, shown: &Map<String, Value>) -> Vec<Value> {
    let mut delta = Vec::new();
    let mut replaced = |path: &str, changed: bool, value: Value| {
        if changed {
            delta.push(json!({ "op": "replace", "path": path, "value": value }));
        }
    };
    replaced("/name", before.name != after.name, after.name.as_str().into());
    replaced("/on", before.on != after.on, after.on.into());
    replaced("/tags", before.tags != after.tags, after.tags.clone().into());
    replaced("/statements", before.statements != after.statements, after.statements.clone());
    for name in before.config.keys().filter(|name| !after.config.contains_key(*name)) {
        delta.push(json!({ "op": "remove", "path": config_path(name) }));
    }
    for (name, value) in &after.config {
        let op = match before.config.get(name) {
            Some(old) if old == value => continue,
            Some(_) => "replace",
            None => "add",
        };
        delta.push(json!({ "op": op, "path": config_path(name), "value": shown.get(name) }));
    }
    delta
}

fn config_path(name: &str) -> String {
    format!("/config/{}", name.replace('~', "~0").replace('/', "~1"))
}
