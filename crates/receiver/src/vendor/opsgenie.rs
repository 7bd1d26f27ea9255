//! Opsgenie, and Jira Service Management with the same form of alerts, Alert API:
//! <https://docs.opsgenie.com/docs/alert-api#create-alert>.

use serde_json::{Map, Value, json};

use super::{BadBody, Call, unknown_key};
use crate::reply::{Judgement, Refusal, Reply, Verdict};

const FIELDS: [&str; 13] = [
    "actions",
    "alias",
    "description",
    "details",
    "entity",
    "message",
    "note",
    "priority",
    "responders",
    "source",
    "tags",
    "user",
    "visibleTo",
];
/// Most characters of each text.
const LIMITS: [(&str, usize); 7] = [
    ("message", 130),
    ("alias", 512),
    ("description", 15_000),
    ("entity", 512),
    ("source", 100),
    ("user", 100),
    ("note", 25_000),
];
const TAGS_MAX: usize = 20;
const TAG_MAX: usize = 50;
const DETAILS_MAX: usize = 8_000;
const BODY_MAX: usize = 1 << 20;

pub(super) fn judge(call: &mut Call<'_>) -> Verdict {
    if !call.is_post() || !["/v2/alerts", "/jsm/ops/integration/v2/alerts"].contains(&call.request.path.as_str()) {
        return Err(refuse(404, "Not found"));
    }
    match call.bearer("GenieKey") {
        Some(key) if key == call.options.keys.opsgenie => {}
        Some(_) => return Err(refuse(401, "Could not authenticate")),
        None => return Err(refuse(401, "Authorization header is missing")),
    }
    if !call.is_json() {
        return Err(refuse(415, "Content-Type must be application/json"));
    }
    let body = call.body(&[], BODY_MAX).map_err(|bad: BadBody| refuse(bad.status(), &bad.reason()))?;
    let Ok(Value::Object(alert)) = serde_json::from_slice::<Value>(body) else {
        return Err(refuse(400, "Request body is not processable. Please check if your request body is valid."));
    };
    check(&alert).map_err(|reason| refuse(422, &reason))?;
    let request = format!("{:032x}", call.memory.number());
    let reply = json!({"result": "Request will be processed", "took": 0.1, "requestId": request});
    Ok(Judgement::stored(Reply::json(202, &reply), &Value::Object(alert)))
}

fn check(alert: &Map<String, Value>) -> Result<(), String> {
    if let Some(key) = unknown_key(alert, &FIELDS) {
        return Err(format!("{key} is no field of an alert"));
    }
    for (key, most) in LIMITS {
        match alert.get(key) {
            None => {}
            Some(Value::String(text)) if text.chars().count() <= most => {}
            Some(_) => return Err(format!("{key} is text of at most {most} characters")),
        }
    }
    if alert.get("message").and_then(Value::as_str).is_none_or(|message| message.trim().is_empty()) {
        return Err("Message can not be empty.".to_owned());
    }
    let priority = alert.get("priority").and_then(Value::as_str).unwrap_or("P3");
    if !["P1", "P2", "P3", "P4", "P5"].contains(&priority) {
        return Err("priority is P1 to P5".to_owned());
    }
    let fits = |tag: &Value| tag.as_str().is_some_and(|tag| !tag.is_empty() && tag.chars().count() <= TAG_MAX);
    match alert.get("tags") {
        None => {}
        Some(Value::Array(tags)) if tags.len() <= TAGS_MAX && tags.iter().all(fits) => {}
        Some(_) => return Err(format!("tags is a list of at most {TAGS_MAX} texts of {TAG_MAX} characters")),
    }
    let size =
        |(name, value): (&String, &Value)| value.as_str().map(|text| name.chars().count() + text.chars().count());
    match alert.get("details") {
        None => Ok(()),
        Some(Value::Object(details)) => match details.iter().map(size).sum::<Option<usize>>() {
            Some(sum) if sum <= DETAILS_MAX => Ok(()),
            _ => Err(format!("details is a map of texts of at most {DETAILS_MAX} characters in all")),
        },
        Some(_) => Err("details is a map of texts".to_owned()),
    }
}

fn refuse(status: u16, reason: &str) -> Refusal {
    let reply = json!({"message": reason, "took": 0.0, "requestId": "0"});
    Refusal::new(Reply::json(status, &reply), reason)
}
