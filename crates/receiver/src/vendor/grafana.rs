//! Grafana, annotations: <https://grafana.com/docs/grafana/latest/developers/http_api/annotations/>.

use serde_json::{Map, Value, json};

use super::{BadBody, Call, is_integer, unknown_key};
use crate::reply::{Judgement, Refusal, Reply, Verdict};

const FIELDS: [&str; 8] = ["dashboardUID", "data", "isRegion", "panelId", "tags", "text", "time", "timeEnd"];
/// What the columns of Grafana's database hold.
const TAG_MAX: usize = 100;
const TAGS_MAX: usize = 4_096;
const TEXT_BYTES_MAX: usize = 65_535;
const BODY_MAX: usize = 1 << 20;
/// September 2001 in milliseconds: a smaller number is seconds.
const MILLIS_MIN: i64 = 1_000_000_000_000;

pub(super) fn judge(call: &mut Call<'_>) -> Verdict {
    if !call.is_post() || !call.request.path.ends_with("/api/annotations") {
        return Err(refuse(404, "Not found"));
    }
    match call.bearer("Bearer") {
        Some(token) if token == call.options.keys.grafana => {}
        _ => return Err(refuse(401, "Invalid API key")),
    }
    let body = call.body(&[], BODY_MAX).map_err(|bad: BadBody| refuse(bad.status(), &bad.reason()))?;
    let Some(Value::Object(annotation)) = call.is_json().then(|| serde_json::from_slice(body).ok()).flatten() else {
        return Err(refuse(400, "bad request data"));
    };
    check(&annotation)?;
    let reply = json!({"id": call.memory.number(), "message": "Annotation added"});
    Ok(Judgement::stored(Reply::json(200, &reply), &Value::Object(annotation)))
}

fn check(annotation: &Map<String, Value>) -> Result<(), Refusal> {
    if let Some(key) = unknown_key(annotation, &FIELDS) {
        return Err(refuse(400, &format!("bad request data: {key}")));
    }
    let Some(text) = annotation.get("text").and_then(Value::as_str).filter(|text| !text.is_empty()) else {
        return Err(refuse(400, "Failed to save annotation: text field should not be empty"));
    };
    for key in ["time", "timeEnd"] {
        if annotation.get(key).is_some_and(|value| !is_integer(value)) {
            return Err(refuse(400, &format!("bad request data: {key}")));
        }
    }
    // A number of seconds is taken and drawn in January 1970.
    if annotation.get("time").and_then(Value::as_i64).is_some_and(|time| time < MILLIS_MIN) {
        return Err(refuse(400, "time is milliseconds"));
    }
    let tags = match annotation.get("tags") {
        None => &[][..],
        Some(Value::Array(tags)) if tags.iter().all(Value::is_string) => tags.as_slice(),
        Some(_) => return Err(refuse(400, "bad request data: tags")),
    };
    let long = tags.iter().filter_map(Value::as_str).any(|tag| tag.chars().count() > TAG_MAX);
    if long || Value::from(tags).to_string().chars().count() > TAGS_MAX || text.len() > TEXT_BYTES_MAX {
        return Err(refuse(500, "Failed to save annotation"));
    }
    Ok(())
}

fn refuse(status: u16, message: &str) -> Refusal {
    Refusal::new(Reply::json(status, &json!({"message": message})), message)
}
