//! The entries by which changes of webhooks record themselves.

use domain::{EntryDraft, SubscriptionId, Timestamp};
use integrations::Integration;
use serde_json::{Value, json};

use super::form::Form;
use crate::{Action, Caller, access::webhook_resource, record::Record};

/// The entry of a change. Without a form before it was created, without one after deleted.
pub(super) fn draft(
    caller: &Caller,
    (id, integration): (SubscriptionId, &Integration),
    (before, after): (Option<&Form>, Option<&Form>),
    (actions, comment): (&[Action], Option<&str>),
    (now, bytes_max): (Timestamp, usize),
) -> EntryDraft {
    let version = |form: &Form| version(id, integration, form);
    let record = Record {
        caller: Some(caller),
        actions,
        resource: webhook_resource(&id.to_string()).plain(),
        kind: "webhook",
        name: after.or(before).map_or("", |form| &form.name),
        title_verb: title_verb(actions, after).to_owned(),
        href: format!("/api/v2/webhooks/{id}"),
        comment,
        before: before.map(version),
        after: after.map(version),
    };
    record.draft(now, bytes_max)
}

fn title_verb(actions: &[Action], after: Option<&Form>) -> &'static str {
    match actions {
        [Action::CreateWebhook] => "created the webhook",
        [Action::DeleteWebhook] => "deleted the webhook",
        [Action::UpdateName] => "updated the name of the webhook",
        [Action::UpdateOn] if after.is_some_and(|form| form.on) => "turned on the webhook",
        [Action::UpdateOn] => "turned off the webhook",
        [Action::UpdateUrl] => "updated the URL of the webhook",
        [Action::UpdateSecret] => "updated the secret of the webhook",
        [Action::UpdateTags] => "updated the tags of the webhook",
        [Action::UpdateStatements] => "updated the statements of the webhook",
        _ => "updated the webhook",
    }
}

/// Of a URL that carries a key it has scheme and host, and the secret is masked.
fn version(id: SubscriptionId, integration: &Integration, form: &Form) -> Value {
    let shown = integration.redacted_config(&form.config());
    let mut version = json!({
        "_id": id.to_string(),
        "name": form.name,
        "url": shown.get("url"),
        "sign": form.sign,
        "on": form.on,
        "tags": form.tags,
    });
    if form.secret.is_some() {
        version["secret"] = shown.get("secret").cloned().unwrap_or_default();
    }
    if let Some(statements) = &form.statements {
        version["statements"] = statements.clone();
    }
    version
}
