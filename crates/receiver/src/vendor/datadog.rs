//! Datadog, Events API v1: <https://docs.datadoghq.com/api/latest/events/#post-an-event>.

use serde_json::{Map, Value, json};

use super::{BadBody, Call, is_integer, not_text, unknown_key};
use crate::{
    reply::{Judgement, Refusal, Reply, Verdict},
    time::{DAY, HOUR, SECOND},
};

const FIELDS: [&str; 11] = [
    "aggregation_key",
    "alert_type",
    "date_happened",
    "device_name",
    "host",
    "priority",
    "related_event_id",
    "source_type_name",
    "tags",
    "text",
    "title",
];
const ALERT_TYPES: [&str; 7] = ["error", "warning", "info", "success", "user_update", "recommendation", "snapshot"];
const TEXT_MAX: usize = 4_000;
const AGGREGATION_KEY_MAX: usize = 100;
const TAGS_MAX: usize = 100;
const BODY_MAX: usize = 1 << 20;

pub(super) fn judge(call: &mut Call<'_>) -> Verdict {
    if !call.is_post() || call.request.path != "/api/v1/events" {
        return Err(refuse(404, "Not found"));
    }
    if call.request.header("dd-api-key") != Some(call.options.keys.datadog.as_str()) {
        return Err(refuse(403, "Forbidden"));
    }
    if !call.is_json() {
        return Err(refuse(415, "Content-Type must be application/json"));
    }
    let body = call.body(&[], BODY_MAX).map_err(|bad: BadBody| refuse(bad.status(), &bad.reason()))?;
    let Ok(Value::Object(event)) = serde_json::from_slice::<Value>(body) else {
        return Err(refuse(400, "Payload is not in the expected format: a JSON object"));
    };
    fields(&event).map_err(|reason| refuse(400, &reason))?;
    age(&event, call.now)?;
    let id = call.memory.number();
    let url = format!("https://app.datadoghq.com/event/event?id={id}");
    let reply = json!({"status": "ok", "event": {
        "id": id, "id_str": id.to_string(), "title": event.get("title"), "text": event.get("text"),
        "date_happened": event.get("date_happened"), "tags": event.get("tags"), "url": url,
    }});
    Ok(Judgement::stored(Reply::json(202, &reply), &Value::Object(event)))
}

fn fields(event: &Map<String, Value>) -> Result<(), String> {
    if let Some(key) = unknown_key(event, &FIELDS) {
        return Err(format!("Invalid field: {key}"));
    }
    let text = |key: &str| event.get(key).and_then(Value::as_str);
    if text("title").is_none_or(str::is_empty) {
        return Err("The field title is required and is text".to_owned());
    }
    let Some(message) = text("text") else {
        return Err("The field text is required and is text".to_owned());
    };
    if message.chars().count() > TEXT_MAX {
        return Err(format!("The field text has more than {TEXT_MAX} characters"));
    }
    let texts = ["aggregation_key", "alert_type", "device_name", "host", "priority", "source_type_name"];
    if let Some(key) = not_text(event, &texts) {
        return Err(format!("The field {key} is text"));
    }
    if text("aggregation_key").is_some_and(|key| key.chars().count() > AGGREGATION_KEY_MAX) {
        return Err(format!("The field aggregation_key has more than {AGGREGATION_KEY_MAX} characters"));
    }
    if text("alert_type").is_some_and(|value| !ALERT_TYPES.contains(&value)) {
        return Err(format!("The field alert_type is one of {}", ALERT_TYPES.join(", ")));
    }
    if text("priority").is_some_and(|value| !["normal", "low"].contains(&value)) {
        return Err("The field priority is normal or low".to_owned());
    }
    for key in ["date_happened", "related_event_id"] {
        if event.get(key).is_some_and(|value| !is_integer(value)) {
            return Err(format!("The field {key} is a whole number"));
        }
    }
    match event.get("tags") {
        None => Ok(()),
        Some(Value::Array(tags)) if tags.len() > TAGS_MAX => Err(format!("More than {TAGS_MAX} tags")),
        Some(Value::Array(tags)) if tags.iter().all(Value::is_string) => Ok(()),
        Some(_) => Err("The field tags is a list of texts".to_owned()),
    }
}

/// Eighteen hours are the age limit of the documentation. A date of tomorrow or later is refused
/// because it is what a number of milliseconds looks like when it is read as seconds.
fn age(event: &Map<String, Value>, now: i64) -> Result<(), Refusal> {
    let Some(seconds) = event.get("date_happened").and_then(Value::as_i64) else { return Ok(()) };
    let happened = seconds.saturating_mul(SECOND);
    let reason = if happened < now.saturating_sub(18 * HOUR) {
        "Event too far in the past"
    } else if happened > now.saturating_add(DAY) {
        "Event too far in the future"
    } else {
        return Ok(());
    };
    // The recorded answer of the vendor carries JSON and calls it text/plain.
    Err(Refusal::new(Reply::text(400, json!({"errors": [reason]}).to_string()), reason))
}

fn refuse(status: u16, reason: &str) -> Refusal {
    Refusal::new(Reply::json(status, &json!({"errors": [reason]})), reason)
}
