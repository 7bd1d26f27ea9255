//! Mattermost, incoming webhooks: <https://developers.mattermost.com/integrate/webhooks/incoming/> and
//! message attachments: <https://developers.mattermost.com/integrate/reference/message-attachments/>.

use serde_json::{Map, Value, json};

use super::{BadBody, Call, not_text};
use crate::reply::{Judgement, Refusal, Reply, Verdict};

/// Longest text of a post in characters.
const TEXT_MAX: usize = 16_383;
/// Most characters of the attachments as JSON.
const PROPS_MAX: usize = 400_000;
const FOOTER_MAX: usize = 300;
const BODY_MAX: usize = 1 << 20;
const TEXTS: [&str; 9] =
    ["author_icon", "author_link", "author_name", "color", "fallback", "pretext", "text", "title", "title_link"];

pub(super) fn judge(call: &mut Call<'_>) -> Verdict {
    let segments = call.request.segments();
    let known = matches!(segments.as_slice(), [hooks, token] if hooks == "hooks" && *token == call.options.keys.hook);
    if !known {
        return Err(refuse(400, "invalid", "Invalid webhook."));
    }
    if !call.is_post() {
        return Err(refuse(405, "method", "Method not allowed."));
    }
    let parse = |reason: &str| refuse(400, "parse", reason);
    let body = call.body(&[], BODY_MAX).map_err(|bad: BadBody| parse(&bad.reason()))?;
    let Some(Value::Object(post)) = call.is_json().then(|| serde_json::from_slice(body).ok()).flatten() else {
        return Err(parse("Unable to parse incoming data."));
    };
    let text = post.get("text").and_then(Value::as_str).unwrap_or_default();
    let attachments = post.get("attachments").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    if text.is_empty() && attachments.is_empty() {
        return Err(refuse(400, "text", "No text specified."));
    }
    if text.chars().count() > TEXT_MAX {
        return Err(refuse(400, "text.length", "The text is too long."));
    }
    for attachment in attachments {
        let Value::Object(attachment) = attachment else { return Err(parse("An attachment is an object.")) };
        check(attachment).map_err(|reason| parse(&reason))?;
    }
    if Value::from(attachments).to_string().chars().count() > PROPS_MAX {
        return Err(refuse(400, "split_props_length", "The attachments are too long."));
    }
    Ok(Judgement::stored(Reply::text(200, "ok"), &Value::Object(post)))
}

fn check(attachment: &Map<String, Value>) -> Result<(), String> {
    if let Some(key) = not_text(attachment, &TEXTS) {
        return Err(format!("{key} is text"));
    }
    match attachment.get("footer") {
        None => {}
        Some(Value::String(footer)) if footer.chars().count() <= FOOTER_MAX => {}
        Some(_) => return Err(format!("footer is text of at most {FOOTER_MAX} characters")),
    }
    let fields = match attachment.get("fields") {
        None => return Ok(()),
        Some(Value::Array(fields)) => fields,
        Some(_) => return Err("fields is a list".to_owned()),
    };
    let right = |field: &Value| {
        field.get("title").is_some_and(Value::is_string)
            && field.get("value").is_some_and(Value::is_string)
            && field.get("short").is_none_or(Value::is_boolean)
    };
    if fields.iter().all(right) { Ok(()) } else { Err("a field has a title, a value and perhaps short".to_owned()) }
}

fn refuse(status: u16, id: &str, message: &str) -> Refusal {
    let id = format!("web.incoming_webhook.{id}.app_error");
    Refusal::new(Reply::json(status, &json!({"id": id, "message": message, "status_code": status})), message)
}
