//! Honeycomb, events and markers: <https://docs.honeycomb.io/api/events/create-events> and
//! <https://docs.honeycomb.io/api/markers>; answers: <https://docs.honeycomb.io/api/errors>.

use serde_json::{Map, Value, json};

use super::{BadBody, Call, Memory, is_integer, not_text};
use crate::{
    reply::{Judgement, Refusal, Reply, Verdict},
    time,
};

const BATCH_MAX: usize = 5_000_000;
const EVENT_MAX: usize = 1_000_000;
const MARKER_MAX: usize = 100_000;
const COLUMNS_MAX: usize = 2_000;
const TEXT_MAX: usize = 64 * 1024;
/// The first second of the year 2100: a larger number of seconds is milliseconds.
const SECONDS_MAX: i64 = 4_102_444_800;

pub(super) fn judge(call: &mut Call<'_>) -> Verdict {
    if call.request.header("x-honeycomb-team") != Some(call.options.keys.honeycomb.as_str()) {
        return Err(refuse(401, "unknown API key - check your credentials"));
    }
    let segments = call.request.segments();
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    match segments.as_slice() {
        ["1", "batch", dataset] if call.is_post() && names_dataset(dataset) => batch(call, dataset),
        ["1", "markers", dataset] if call.is_post() && names_dataset(dataset) => marker(call, dataset),
        _ => Err(refuse(404, "not found")),
    }
}

fn names_dataset(name: &str) -> bool {
    !name.is_empty() && !name.contains('/')
}

fn batch(call: &mut Call<'_>, dataset: &str) -> Verdict {
    let Value::Array(events) = read(call, BATCH_MAX)? else {
        return Err(refuse(400, "request body should be an array of events"));
    };
    let (mut statuses, mut stored, mut refused) = (Vec::new(), Vec::new(), None);
    for (at, event) in events.iter().enumerate() {
        let problem = match call.injected(at) {
            Some(status) => Some((status, "fault".to_owned())),
            None => event_problem(event).map(|reason| (400, reason)),
        };
        match problem {
            None => {
                statuses.push(json!({"status": 202}));
                stored.push(event.to_string());
            }
            Some((status, reason)) => {
                statuses.push(json!({"status": status, "error": reason}));
                refused = Some(reason);
            }
        }
    }
    if !stored.is_empty() && call.memory.datasets.len() < Memory::NAMES_MAX {
        call.memory.datasets.insert(dataset.to_lowercase());
    }
    Ok(Judgement { reply: Reply::json(200, &Value::Array(statuses)), refused, stored })
}

fn event_problem(event: &Value) -> Option<String> {
    let Some(data) = event.get("data").and_then(Value::as_object).filter(|data| !data.is_empty()) else {
        return Some("Request body should not be empty.".to_owned());
    };
    if data.len() > COLUMNS_MAX {
        return Some("Event has too many columns.".to_owned());
    }
    if data.values().any(|value| value.as_str().is_some_and(|text| text.len() > TEXT_MAX)) {
        return Some("Event has a string of more than 64 KB.".to_owned());
    }
    if event.to_string().len() > EVENT_MAX {
        return Some("Event is too large.".to_owned());
    }
    match event.get("time") {
        None | Some(Value::Number(_)) => {}
        Some(Value::String(text)) if time::rfc3339(text).is_some() || text.parse::<f64>().is_ok() => {}
        Some(_) => return Some("Event has a time that cannot be read.".to_owned()),
    }
    match event.get("samplerate") {
        Some(rate) if rate.as_u64().is_none_or(|rate| rate == 0) => {
            Some("Event has a samplerate that is no whole number above zero.".to_owned())
        }
        _ => None,
    }
}

fn marker(call: &mut Call<'_>, dataset: &str) -> Verdict {
    let Value::Object(marker) = read(call, MARKER_MAX)? else {
        return Err(refuse(400, "request body should be a marker"));
    };
    if !dataset_exists(call, dataset) {
        return Err(problem(404, "not-found", "The requested resource cannot be found.", "Dataset not found"));
    }
    if let Some(reason) = marker_problem(&marker) {
        let title = "The provided input is invalid.";
        return Err(problem(422, "validation-failed", title, &reason));
    }
    let now = time::seconds_text(call.now);
    let mut reply = json!({"id": format!("m{}", call.memory.number()), "created_at": now, "updated_at": now});
    for (key, value) in &marker {
        reply[key] = value.clone();
    }
    Ok(Judgement::stored(Reply::json(201, &reply), &Value::Object(marker)))
}

fn dataset_exists(call: &Call<'_>, dataset: &str) -> bool {
    let dataset = dataset.to_lowercase();
    let configured = call.options.honeycomb_datasets.iter().any(|name| name.to_lowercase() == dataset);
    dataset == "__all__" || configured || call.memory.datasets.contains(&dataset)
}

fn marker_problem(marker: &Map<String, Value>) -> Option<String> {
    for key in ["start_time", "end_time"] {
        match marker.get(key) {
            Some(value) if !is_integer(value) => return Some(format!("{key} is a whole number of seconds")),
            Some(value) if !value.as_i64().is_some_and(|seconds| (0..SECONDS_MAX).contains(&seconds)) => {
                return Some(format!("{key} is no plausible number of seconds"));
            }
            _ => {}
        }
    }
    not_text(marker, &["message", "type", "url"]).map(|key| format!("{key} is text"))
}

fn read(call: &Call<'_>, most: usize) -> Result<Value, Refusal> {
    if !call.is_json() {
        return Err(refuse(415, "Content-Type must be application/json"));
    }
    let body = call.body(&["gzip"], most).map_err(|bad| match bad {
        BadBody::Large(_) => refuse(413, "request body too large"),
        BadBody::Coding(reason) => refuse(400, &reason),
    })?;
    serde_json::from_slice(body).map_err(|_| refuse(400, "request body is malformed and cannot be read as JSON"))
}

fn refuse(status: u16, reason: &str) -> Refusal {
    Refusal::new(Reply::json(status, &json!({"error": reason})), reason)
}

fn problem(status: u16, kind: &str, title: &str, detail: &str) -> Refusal {
    let kind = format!("https://api.honeycomb.io/problems/{kind}");
    let body = json!({"status": status, "type": kind, "title": title, "error": detail, "detail": detail});
    Refusal::new(Reply::json(status, &body), detail)
}
