//! PagerDuty, Events API v2: <https://developer.pagerduty.com/docs/events-api-v2-overview>.

use serde_json::{Map, Value, json};

use super::{BadBody, Call, not_text};
use crate::{
    reply::{Judgement, Refusal, Reply, Verdict},
    time,
};

const SUMMARY_MAX: usize = 1_024;
const DEDUP_KEY_MAX: usize = 255;
const BODY_MAX: usize = 512 << 10;
const SEVERITIES: [&str; 4] = ["critical", "error", "warning", "info"];

pub(super) fn judge(call: &mut Call<'_>) -> Verdict {
    let is_change = match call.request.path.as_str() {
        "/v2/change/enqueue" => true,
        "/v2/enqueue" => false,
        _ => return Err(refuse(404, "Not Found")),
    };
    if !call.is_post() {
        return Err(refuse(405, "Method not allowed"));
    }
    let body = call.body(&[], BODY_MAX).map_err(|bad: BadBody| refuse(bad.status(), &bad.reason()))?;
    let Some(Value::Object(event)) = call.is_json().then(|| serde_json::from_slice(body).ok()).flatten() else {
        return Err(refuse(400, "JSON cannot be parsed"));
    };
    if event.get("routing_key").and_then(Value::as_str) != Some(call.options.keys.pagerduty.as_str()) {
        return Err(refuse(400, "Invalid routing_key"));
    }
    check(&event, is_change).map_err(|reason| refuse(400, &reason))?;
    let mut reply = json!({"status": "success", "message": "Event processed"});
    if !is_change {
        let made = format!("{:032x}", call.memory.number());
        reply["dedup_key"] = event.get("dedup_key").cloned().unwrap_or_else(|| json!(made));
    }
    Ok(Judgement::stored(Reply::json(202, &reply), &Value::Object(event)))
}

fn check(event: &Map<String, Value>, is_change: bool) -> Result<(), String> {
    let Some(Value::Object(payload)) = event.get("payload") else { return Err("payload is missing".to_owned()) };
    if let Some(key) = not_text(payload, &["source", "timestamp", "component", "group", "class", "severity"]) {
        return Err(format!("payload.{key} is text"));
    }
    let text = |key: &str| payload.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
    match text("summary") {
        Some(summary) if summary.chars().count() <= SUMMARY_MAX => {}
        _ => return Err(format!("payload.summary is 1 to {SUMMARY_MAX} characters")),
    }
    if payload.contains_key("timestamp") && text("timestamp").and_then(time::rfc3339).is_none() {
        return Err("payload.timestamp is no date-time".to_owned());
    }
    if payload.get("custom_details").is_some_and(|details| !details.is_object()) {
        return Err("payload.custom_details is an object".to_owned());
    }
    let is_url = |link: &Value| link.get("href").and_then(Value::as_str).is_some_and(|href| href.contains("://"));
    match event.get("links") {
        None => {}
        Some(Value::Array(links)) if links.iter().all(is_url) => {}
        Some(_) => return Err("a link has an href that is a URL".to_owned()),
    }
    if is_change {
        return Ok(());
    }
    if event.get("event_action").and_then(Value::as_str) != Some("trigger") {
        return Err("event_action is trigger".to_owned());
    }
    if text("source").is_none() || !text("severity").is_some_and(|severity| SEVERITIES.contains(&severity)) {
        return Err("payload.source and payload.severity are required".to_owned());
    }
    match event.get("dedup_key") {
        None => Ok(()),
        Some(Value::String(key)) if key.chars().count() <= DEDUP_KEY_MAX => Ok(()),
        Some(_) => Err(format!("dedup_key has at most {DEDUP_KEY_MAX} characters")),
    }
}

fn refuse(status: u16, reason: &str) -> Refusal {
    let reply = json!({"status": "invalid event", "message": "Event object is invalid", "errors": [reason]});
    Refusal::new(Reply::json(status, &reply), reason)
}
