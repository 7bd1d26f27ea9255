//! Splunk Observability, formerly SignalFx, custom events:
//! <https://dev.splunk.com/observability/reference/api/ingest_data/latest>.

use serde_json::{Map, Value, json};

use super::{BadBody, Call, is_scalar};
use crate::{
    reply::{Judgement, Refusal, Reply, Verdict},
    time::DAY,
};

const CATEGORIES: [&str; 7] = ["USER_DEFINED", "ALERT", "AUDIT", "JOB", "COLLECTD", "SERVICE_DISCOVERY", "EXCEPTION"];
const BODY_MAX: usize = 2 << 20;
/// September 2001 in milliseconds: a smaller number is seconds.
const MILLIS_MIN: i64 = 1_000_000_000_000;

pub(super) fn judge(call: &mut Call<'_>) -> Verdict {
    if !call.is_post() || call.request.path != "/v2/event" {
        return Err(refuse(404, "Not Found"));
    }
    if call.request.header("x-sf-token") != Some(call.options.keys.signalfx.as_str()) {
        return Err(refuse(401, "Unauthorized"));
    }
    if !call.is_json() {
        return Err(refuse(415, "Content-Type must be application/json"));
    }
    let body = call.body(&["gzip"], BODY_MAX).map_err(|bad: BadBody| refuse(bad.status(), &bad.reason()))?;
    let Ok(Value::Array(events)) = serde_json::from_slice::<Value>(body) else {
        return Err(refuse(400, "the body is a list of events"));
    };
    if events.is_empty() {
        return Err(refuse(400, "the list has no event"));
    }
    for (at, event) in events.iter().enumerate() {
        let Value::Object(event) = event else { return Err(refuse(400, &format!("event {at} is no object"))) };
        check(event, call.now).map_err(|reason| refuse(400, &format!("event {at}: {reason}")))?;
    }
    let stored = events.iter().map(ToString::to_string).collect();
    Ok(Judgement { reply: Reply::json(200, &json!("OK")), refused: None, stored })
}

fn check(event: &Map<String, Value>, now: i64) -> Result<(), String> {
    let kind = event.get("eventType").and_then(Value::as_str).unwrap_or_default();
    if kind.is_empty() || kind.len() > 256 || !kind.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("eventType is 1 to 256 characters of ASCII without blanks".to_owned());
    }
    match event.get("category") {
        None => {}
        Some(Value::String(category)) if CATEGORIES.contains(&category.as_str()) => {}
        Some(_) => return Err(format!("category is one of {}", CATEGORIES.join(", "))),
    }
    match event.get("timestamp") {
        None => {}
        Some(value) => {
            let Some(millis) = value.as_i64() else {
                return Err("timestamp is a whole number of milliseconds".to_owned());
            };
            if millis < MILLIS_MIN || millis > now.saturating_add(DAY) {
                return Err("timestamp is no plausible number of milliseconds".to_owned());
            }
        }
    }
    match event.get("dimensions") {
        None => {}
        Some(Value::Object(dimensions)) => dimensions.iter().try_for_each(|(key, value)| dimension(key, value))?,
        Some(_) => return Err("dimensions is an object".to_owned()),
    }
    match event.get("properties") {
        None => Ok(()),
        Some(Value::Object(properties)) if properties.values().all(is_scalar) => Ok(()),
        Some(_) => Err("properties is an object of texts, numbers and booleans".to_owned()),
    }
}

fn dimension(key: &str, value: &Value) -> Result<(), String> {
    let starts = key.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic());
    let fits = key.len() <= 128 && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
    if !starts || !fits {
        return Err(format!("{key:?} is no name of a dimension"));
    }
    match value.as_str() {
        Some(text) if (1..=256).contains(&text.chars().count()) => Ok(()),
        _ => Err(format!("the dimension {key} has 1 to 256 characters")),
    }
}

fn refuse(status: u16, reason: &str) -> Refusal {
    Refusal::new(Reply::json(status, &json!({"code": status, "message": reason})), reason)
}
