//! Microsoft Teams: the workflow trigger "When a Teams webhook request is received" and the old
//! Office 365 connector. <https://learn.microsoft.com/microsoftteams/platform/webhooks-and-connectors/>.

use serde_json::{Value, json};

use super::{BadBody, Call, card, unknown_key};
use crate::reply::{Judgement, Refusal, Reply, Verdict};

/// Most bytes that a message may have once Teams has encoded it.
const MESSAGE_MAX: usize = 28_672;
const BODY_MAX: usize = 1 << 20;

pub(super) fn judge(call: &mut Call<'_>) -> Verdict {
    let path = call.request.path.as_str();
    if !call.is_post() {
        return Err(Refusal::new(Reply::text(405, "Method not allowed"), "a webhook takes POST"));
    }
    if path.contains("/workflows/") && path.ends_with("/triggers/manual/paths/invoke") {
        workflow(call)
    } else if path.starts_with("/webhook") && path.contains("/IncomingWebhook/") {
        connector(call)
    } else {
        Err(Refusal::new(Reply::text(404, "Not Found"), "no webhook has this URL"))
    }
}

/// The text with which the connector reports, inside a 200, that Teams refused a message.
pub(crate) fn connector_error(status: u16) -> String {
    format!(
        "Webhook message delivery failed with error: Microsoft Teams endpoint returned HTTP error {status} with ContextId tcid=0"
    )
}

fn workflow(call: &mut Call<'_>) -> Verdict {
    if call.request.parameter("api-version").is_none_or(|version| version.is_empty()) {
        return Err(flow_error(400, "MissingApiVersionParameter", "The api-version query parameter is required."));
    }
    if call.request.parameter("sig").as_deref() != Some(call.options.keys.teams.as_str()) {
        let reason = "The provided workflow run authorization signature is not valid.";
        return Err(flow_error(401, "DirectApiAuthorizationRequired", reason));
    }
    if !call.is_json() {
        return Err(flow_error(415, "UnsupportedMediaType", "Content-Type must be application/json."));
    }
    let body = call.body(&[], BODY_MAX).map_err(|bad: BadBody| {
        let status = bad.status();
        flow_error(status, "InvalidRequestContent", &bad.reason())
    })?;
    let sent: Value = serde_json::from_slice(body)
        .map_err(|_| flow_error(400, "InvalidRequestContent", "The request content is not valid JSON."))?;
    if let Err(reason) = message(&sent) {
        return Err(flow_error(400, "TriggerInputSchemaMismatch", &reason));
    }
    let accepted = Reply::empty(202);
    let size = encoded_size(&sent);
    if size > MESSAGE_MAX {
        // The vendor answers before it posts, so that the sender never learns of this.
        return Err(Refusal::new(accepted, format!("about {size} bytes once encoded, {MESSAGE_MAX} are the most")));
    }
    Ok(Judgement::stored(accepted, &sent))
}

fn connector(call: &mut Call<'_>) -> Verdict {
    let bad =
        |reason: &str| Refusal::new(Reply::text(400, "Bad payload received by generic incoming webhook."), reason);
    if !call.is_json() {
        return Err(bad("Content-Type is not application/json"));
    }
    let body = call.body(&[], BODY_MAX).map_err(|problem| bad(&problem.reason()))?;
    let sent: Value = serde_json::from_slice(body).map_err(|_| bad("the body is not JSON"))?;
    if sent.get("attachments").is_some() {
        message(&sent).map_err(|reason| bad(&reason))?;
    } else if !["summary", "text"].iter().any(|key| sent.get(key).is_some_and(Value::is_string)) {
        let reason = "Summary or Text is required.";
        return Err(Refusal::new(Reply::text(400, reason), reason));
    }
    let size = encoded_size(&sent);
    if size > MESSAGE_MAX {
        let reason = format!("about {size} bytes once encoded, {MESSAGE_MAX} are the most");
        return Err(Refusal::new(Reply::text(200, connector_error(413)), reason));
    }
    Ok(Judgement::stored(Reply::text(200, "1"), &sent))
}

fn message(sent: &Value) -> Result<(), String> {
    if sent.get("type").and_then(Value::as_str) != Some("message") {
        return Err("the type of the body is message".to_owned());
    }
    let Some(attachments) = sent.get("attachments").and_then(Value::as_array).filter(|list| !list.is_empty()) else {
        return Err("attachments is a list with at least one card".to_owned());
    };
    for attachment in attachments {
        let Value::Object(attachment) = attachment else { return Err("an attachment is an object".to_owned()) };
        if let Some(key) = unknown_key(attachment, &["contentType", "contentUrl", "content", "name", "thumbnailUrl"]) {
            return Err(format!("an attachment has no {key}"));
        }
        let kind = attachment.get("contentType").and_then(Value::as_str);
        if kind != Some("application/vnd.microsoft.card.adaptive") {
            return Err("contentType is application/vnd.microsoft.card.adaptive".to_owned());
        }
        card::check(attachment.get("content").unwrap_or(&Value::Null))?;
    }
    Ok(())
}

/// How many bytes a message has once Teams has put it, as a string, into its own JSON: quotes and
/// backslashes take two bytes, characters outside ASCII six for each UTF-16 unit. With the
/// envelope this comes near the one measurement that is public: 24,453 bytes became 28,897.
fn encoded_size(message: &Value) -> usize {
    const ENVELOPE: usize = 1_024;
    let escaped = |c: char| match c {
        '"' | '\\' => 2,
        c if c.is_ascii() && !c.is_control() => 1,
        c => 6 * c.len_utf16(),
    };
    ENVELOPE + message.to_string().chars().map(escaped).sum::<usize>()
}

fn flow_error(status: u16, code: &str, reason: &str) -> Refusal {
    Refusal::new(Reply::json(status, &json!({"error": {"code": code, "message": reason}})), reason)
}
