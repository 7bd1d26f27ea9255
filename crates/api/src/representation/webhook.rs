//! How webhooks look on the wire.

use app::Webhook;
use serde_json::{Value, json};

use super::{delivery, link, status};

pub(crate) const LIST: &str = "/api/v2/webhooks";

/// One webhook.
pub(crate) fn webhook(webhook: &Webhook) -> Value {
    let own = format!("{LIST}/{}", webhook.id);
    let mut members = json!({
        "_links": { "parent": link(LIST), "self": link(&own) },
        "_id": webhook.id.to_string(),
        "name": webhook.name,
        "url": webhook.url,
        "on": webhook.on,
        "tags": webhook.tags,
        "_status": status(&webhook.status, webhook.shows_response_body),
        "_delivery": delivery(&webhook.status),
    });
    if let Some(secret) = &webhook.secret {
        members["secret"] = secret.as_str().into();
    }
    if let Some(statements) = &webhook.statements {
        members["statements"] = statements.clone();
    }
    members
}
