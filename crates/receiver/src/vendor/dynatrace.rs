//! Dynatrace, Events API v1 and v2:
//! <https://docs.dynatrace.com/docs/shortlink/api-events-post-event> and
//! <https://docs.dynatrace.com/docs/shortlink/api-events-v2-post-event>.

use serde_json::{Map, Value, json};

use super::{BadBody, Call, is_integer, is_scalar, not_text, selector, unknown_key};
use crate::{
    reply::{Judgement, Refusal, Reply, Verdict},
    time::{DAY, HOUR, MINUTE},
};

const V1_FIELDS: [&str; 20] = [
    "allowDavisMerge",
    "annotationDescription",
    "annotationType",
    "attachRules",
    "changed",
    "ciBackLink",
    "configuration",
    "customProperties",
    "deploymentName",
    "deploymentProject",
    "deploymentVersion",
    "description",
    "end",
    "eventType",
    "original",
    "remediationAction",
    "source",
    "start",
    "timeoutMinutes",
    "title",
];
const V2_FIELDS: [&str; 7] = ["endTime", "entitySelector", "eventType", "properties", "startTime", "timeout", "title"];
const INFO_TYPES: [&str; 5] =
    ["CUSTOM_ANNOTATION", "CUSTOM_CONFIGURATION", "CUSTOM_DEPLOYMENT", "CUSTOM_INFO", "MARKED_FOR_TERMINATION"];
const V1_PROBLEM_TYPES: [&str; 4] = ["AVAILABILITY_EVENT", "ERROR_EVENT", "PERFORMANCE_EVENT", "RESOURCE_CONTENTION"];
const V2_PROBLEM_TYPES: [&str; 5] =
    ["AVAILABILITY_EVENT", "CUSTOM_ALERT", "ERROR_EVENT", "PERFORMANCE_EVENT", "RESOURCE_CONTENTION_EVENT"];
const TAG_CONTEXTS: [&str; 8] =
    ["AWS", "AWS_GENERIC", "AZURE", "CLOUD_FOUNDRY", "CONTEXTLESS", "ENVIRONMENT", "GOOGLE_CLOUD", "KUBERNETES"];
const BODY_MAX: usize = 1_000_000;

pub(super) fn judge_v1(call: &mut Call<'_>) -> Verdict {
    let event = event(call, "/api/v1/events")?;
    v1(&event, call.now).map_err(|reason| refuse(400, &reason))?;
    let id = call.memory.number();
    let stored = format!("{id}_{}", call.now);
    let reply = json!({"storedEventIds": [id], "storedIds": [stored], "storedCorrelationIds": []});
    Ok(Judgement::stored(Reply::json(200, &reply), &Value::Object(event)))
}

pub(super) fn judge_v2(call: &mut Call<'_>) -> Verdict {
    let event = event(call, "/api/v2/events/ingest")?;
    v2(&event, call.now).map_err(|reason| refuse(400, &reason))?;
    let id = call.memory.number();
    let failed = call.injected(0).is_some();
    let status = if failed { "INVALID_TIMESTAMPS" } else { "OK" };
    let result = json!({"correlationId": format!("{id:016x}"), "status": status});
    let reply = Reply::json(201, &json!({"reportCount": 1, "eventIngestResults": [result]}));
    if failed {
        return Err(Refusal::new(reply, "fault: the event was reported and not stored"));
    }
    Ok(Judgement::stored(reply, &Value::Object(event)))
}

/// The answer when no entity matches the rules: a success that stored nothing.
pub(super) fn nothing_stored() -> Reply {
    Reply::json(200, &json!({"storedEventIds": [], "storedIds": [], "storedCorrelationIds": []}))
}

fn event(call: &Call<'_>, path: &str) -> Result<Map<String, Value>, Refusal> {
    let sent = call.request.path.as_str();
    // Dynatrace Managed puts /e/ENVIRONMENT before every path.
    let managed = sent.strip_prefix("/e/").and_then(|rest| rest.split_once('/')).map(|(_, rest)| rest);
    if !call.is_post() || managed.map_or(sent, |rest| &sent[sent.len() - rest.len() - 1..]) != path {
        return Err(refuse(404, "Not found"));
    }
    match call.bearer("Api-Token") {
        Some(token) if token == call.options.keys.dynatrace => {}
        Some(_) => return Err(refuse(401, "Token Authentication failed")),
        None => return Err(refuse(401, "Missing authorization parameter.")),
    }
    if !call.is_json() {
        return Err(refuse(415, "HTTP 415 Unsupported Media Type"));
    }
    let body = call.body(&[], BODY_MAX).map_err(|bad: BadBody| refuse(bad.status(), &bad.reason()))?;
    match serde_json::from_slice(body) {
        Ok(Value::Object(event)) => Ok(event),
        Ok(_) => Err(refuse(400, "Could not map JSON: an object is expected")),
        Err(error) => Err(refuse(400, &format!("Could not parse JSON: {error}"))),
    }
}

fn v1(event: &Map<String, Value>, now: i64) -> Result<(), String> {
    if let Some(key) = unknown_key(event, &V1_FIELDS) {
        return Err(format!("Could not map JSON at '{key}'"));
    }
    let texts = V1_FIELDS.into_iter().filter(|key| {
        !["allowDavisMerge", "attachRules", "customProperties", "end", "start", "timeoutMinutes"].contains(key)
    });
    if let Some(key) = not_text(event, &texts.collect::<Vec<_>>()) {
        return Err(format!("{key} is text"));
    }
    let kind = required(event, "eventType")?;
    required(event, "source")?;
    let needed: &[&str] = match kind {
        "CUSTOM_ANNOTATION" => &["annotationType", "annotationDescription"],
        "CUSTOM_CONFIGURATION" => &["configuration"],
        "CUSTOM_DEPLOYMENT" => &["deploymentName", "deploymentVersion"],
        "CUSTOM_INFO" => &["description"],
        _ => &[],
    };
    for key in needed {
        required(event, key)?;
    }
    let window = window(kind, &V1_PROBLEM_TYPES, Window { past: HOUR, future: 7 * DAY })?;
    times(event, ["start", "end"], now, &window)?;
    if event.get("timeoutMinutes").is_some_and(|value| !is_integer(value)) {
        return Err("timeoutMinutes is a whole number".to_owned());
    }
    attach_rules(event.get("attachRules"))?;
    match event.get("customProperties") {
        None => Ok(()),
        Some(Value::Object(properties)) if properties.values().all(is_scalar) => Ok(()),
        Some(_) => Err("customProperties is a map of texts".to_owned()),
    }
}

fn v2(event: &Map<String, Value>, now: i64) -> Result<(), String> {
    if let Some(key) = unknown_key(event, &V2_FIELDS) {
        return Err(format!("Could not map JSON at '{key}'"));
    }
    let kind = required(event, "eventType")?;
    required(event, "title")?;
    let window = window(kind, &V2_PROBLEM_TYPES, Window { past: 6 * HOUR, future: 5 * MINUTE })?;
    times(event, ["startTime", "endTime"], now, &window)?;
    match event.get("timeout") {
        Some(value) if !value.as_i64().is_some_and(|minutes| (1..=360).contains(&minutes)) => {
            return Err("timeout is 1 to 360 minutes".to_owned());
        }
        _ => {}
    }
    match event.get("entitySelector") {
        None => {}
        Some(Value::String(text)) => selector::check(text).map_err(|reason| format!("entitySelector: {reason}"))?,
        Some(_) => return Err("entitySelector is text".to_owned()),
    }
    match event.get("properties") {
        None => Ok(()),
        Some(Value::Object(properties)) => v2_properties(properties),
        Some(_) => Err("properties is a map of texts".to_owned()),
    }
}

fn v2_properties(properties: &Map<String, Value>) -> Result<(), String> {
    if properties.len() > 100 {
        return Err("more than 100 properties".to_owned());
    }
    for (key, value) in properties {
        if key.is_empty() || key.chars().count() > 100 {
            return Err(format!("the property key {key:?} has not 1 to 100 characters"));
        }
        let open = ["dt.event", "dt.davis", "dt.entity"].iter().any(|prefix| key.starts_with(prefix));
        if key.starts_with("dt.") && !open {
            return Err(format!("the property key {key} is reserved"));
        }
        match value.as_str() {
            Some(text) if text.chars().count() <= 4_096 => {}
            Some(_) => return Err(format!("the property {key} has more than 4096 characters")),
            None => return Err(format!("the property {key} is text")),
        }
    }
    Ok(())
}

fn required<'v>(event: &'v Map<String, Value>, key: &str) -> Result<&'v str, String> {
    let text = event.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
    text.ok_or_else(|| format!("{key} must not be null or empty"))
}

/// How far from now the start of an event may lie, in milliseconds.
struct Window {
    past: i64,
    future: i64,
}

/// The window of events of this type; `problem` is that of the types that open a problem.
fn window(kind: &str, problems: &[&str], problem: Window) -> Result<Window, String> {
    if INFO_TYPES.contains(&kind) {
        Ok(Window { past: 30 * DAY, future: 7 * DAY })
    } else if problems.contains(&kind) {
        Ok(problem)
    } else {
        Err(format!("{kind} is no eventType"))
    }
}

fn times(event: &Map<String, Value>, keys: [&str; 2], now: i64, window: &Window) -> Result<(), String> {
    // An event may be open for longer than its start may lie ahead.
    let limits = [window.future, 7 * DAY];
    let mut instants = [None; 2];
    for ((slot, key), future) in instants.iter_mut().zip(keys).zip(limits) {
        let Some(value) = event.get(key) else { continue };
        let Some(millis) = value.as_i64() else { return Err(format!("{key} is a whole number of milliseconds")) };
        if millis < now.saturating_sub(window.past) {
            return Err(format!("{key} is too far in the past"));
        }
        if millis > now.saturating_add(future) {
            return Err(format!("{key} is too far in the future"));
        }
        *slot = Some(millis);
    }
    match instants {
        [Some(start), Some(end)] if end < start => Err(format!("{} is before {}", keys[1], keys[0])),
        _ => Ok(()),
    }
}

fn attach_rules(rules: Option<&Value>) -> Result<(), String> {
    let Some(Value::Object(rules)) = rules else { return Err("attachRules must not be null".to_owned()) };
    if let Some(key) = unknown_key(rules, &["entityIds", "tagRule"]) {
        return Err(format!("Could not map JSON at 'attachRules.{key}'"));
    }
    let ids = match rules.get("entityIds") {
        None => 0,
        Some(Value::Array(ids)) if ids.iter().all(|id| id.as_str().is_some_and(|id| !id.is_empty())) => ids.len(),
        Some(_) => return Err("attachRules.entityIds is a list of texts".to_owned()),
    };
    let tag_rules = match rules.get("tagRule") {
        None => &[][..],
        Some(Value::Array(rules)) => rules.as_slice(),
        Some(one) => std::slice::from_ref(one),
    };
    for rule in tag_rules {
        tag_rule(rule)?;
    }
    if ids == 0 && tag_rules.is_empty() { Err("attachRules names no entity and no tag".to_owned()) } else { Ok(()) }
}

fn tag_rule(rule: &Value) -> Result<(), String> {
    let is_type = |value: &Value| {
        value.as_str().is_some_and(|name| {
            !name.is_empty() && name.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
        })
    };
    match rule.get("meTypes") {
        Some(Value::Array(types)) if !types.is_empty() && types.iter().all(is_type) => {}
        _ => return Err("tagRule.meTypes is a list of entity types".to_owned()),
    }
    let Some(Value::Array(tags)) = rule.get("tags") else { return Err("tagRule.tags is a list".to_owned()) };
    for tag in tags {
        let Value::Object(tag) = tag else { return Err("a tag is an object".to_owned()) };
        if not_text(tag, &["value"]).is_some() || required(tag, "key").is_err() {
            return Err("a tag has a key that is text, and perhaps a value".to_owned());
        }
        if !required(tag, "context").is_ok_and(|context| TAG_CONTEXTS.contains(&context)) {
            return Err(format!("the context of a tag is one of {}", TAG_CONTEXTS.join(", ")));
        }
    }
    if tags.is_empty() { Err("tagRule.tags must not be empty".to_owned()) } else { Ok(()) }
}

fn refuse(status: u16, reason: &str) -> Refusal {
    Refusal::new(Reply::json(status, &json!({"error": {"code": status, "message": reason}})), reason)
}
