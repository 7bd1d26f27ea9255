//! New Relic, the mutation `changeTrackingCreateEvent` of NerdGraph:
//! <https://docs.newrelic.com/docs/change-tracking/change-tracking-events/>.

use serde_json::{Map, Value, json};

use super::{BadBody, Call};
use crate::{
    reply::{Judgement, Refusal, Reply, Verdict},
    time::DAY,
};

const BODY_MAX: usize = 1_000_000;

pub(super) fn judge(call: &mut Call<'_>) -> Verdict {
    if !call.is_post() {
        return Err(refuse(404, "NOT_FOUND", "Not found"));
    }
    if call.request.header("api-key") != Some(call.options.keys.newrelic.as_str()) {
        return Err(refuse(401, "UNAUTHENTICATED", "Invalid API key"));
    }
    if !call.is_json() {
        return Err(refuse(415, "BAD_REQUEST", "Content-Type must be application/json"));
    }
    let body = call.body(&[], BODY_MAX).map_err(|bad: BadBody| refuse(bad.status(), "BAD_REQUEST", &bad.reason()))?;
    let sent: Value = serde_json::from_slice(body).map_err(|_| refuse(400, "BAD_REQUEST", "the body is not JSON"))?;
    let query = sent.get("query").and_then(Value::as_str).unwrap_or_default();
    let none = Map::new();
    let variables = sent.get("variables").and_then(Value::as_object).unwrap_or(&none);
    // GraphQL answers 200 to a query that is wrong.
    shape(query, variables).map_err(|reason| refuse(200, "INVALID_INPUT", &reason))?;
    event(variables, call.now).map_err(|reason| refuse(200, "INVALID_INPUT", &reason))?;
    let entity = variables.get("query").and_then(Value::as_str).unwrap_or_default();
    if entity != format!("id = '{}'", call.options.newrelic_entity) {
        return Err(refuse(200, "INVALID_INPUT", "entitySearch.query must resolve to exactly one entity"));
    }
    let id = format!("{:032x}", call.memory.number());
    let created = json!({"changeTrackingEvent": {"changeTrackingId": id}, "messages": []});
    let reply = json!({"data": {"changeTrackingCreateEvent": created}});
    Ok(Judgement::stored(Reply::json(200, &reply), &sent))
}

/// Braces in pairs, and each variable declared once and sent with a value of its type.
fn shape(query: &str, variables: &Map<String, Value>) -> Result<(), String> {
    let mut depth = 0_i32;
    for character in query.chars() {
        depth += i32::from(character == '{') - i32::from(character == '}');
        if depth < 0 {
            return Err("a brace is closed that was not opened".to_owned());
        }
    }
    if depth != 0 || !query.contains("changeTrackingCreateEvent(changeTrackingEvent: {") {
        return Err("the query is no changeTrackingCreateEvent".to_owned());
    }
    let (_, declared) = query.split_once("mutation(").ok_or("the query is no mutation with variables")?;
    let (declared, body) = declared.split_once(')').ok_or("the variables are not closed")?;
    for declaration in declared.split(", ") {
        let (name, kind) = declaration.split_once(": ").ok_or("a variable has a type")?;
        let value = variables.get(name.trim_start_matches('$'));
        let fits = match (kind, value) {
            ("String!", value) => value.is_some_and(Value::is_string),
            ("String", value) => value.is_none_or(|value| value.is_string() || value.is_null()),
            ("EpochMilliseconds", value) => value.is_none_or(Value::is_i64),
            _ => false,
        };
        if !fits || !body.contains(name) {
            return Err(format!("the variable {name} is no {kind}, or not used"));
        }
    }
    match variables.keys().find(|key| !declared.contains(&format!("${key}:"))) {
        Some(key) => Err(format!("the variable ${key} is not declared")),
        None => Ok(()),
    }
    .and_then(|()| category(body))
}

fn category(body: &str) -> Result<(), String> {
    let flag = body.contains("category: \"FEATURE_FLAG\", type: \"BASIC\"");
    let operational = body.contains("category: \"OPERATIONAL\", type: \"OTHER\"");
    match (flag, operational, body.contains("featureFlag: {featureFlagId: $flag}")) {
        (true, false, true) | (false, true, false) => Ok(()),
        _ => Err("category and type are not of the list, or their fields are missing".to_owned()),
    }
}

fn event(variables: &Map<String, Value>, now: i64) -> Result<(), String> {
    let text = |key: &str| variables.get(key).and_then(Value::as_str);
    if text("flag").is_some_and(str::is_empty) {
        return Err("featureFlagId is missing".to_owned());
    }
    match variables.get("timestamp").and_then(Value::as_i64) {
        Some(at) if (at - now).abs() > DAY => Err("timestamp is not within 24 hours of now".to_owned()),
        _ => Ok(()),
    }
}

fn refuse(status: u16, class: &str, reason: &str) -> Refusal {
    let error = json!({"message": reason, "extensions": {"errorClass": class}});
    Refusal::new(Reply::json(status, &json!({"data": null, "errors": [error]})), reason)
}
