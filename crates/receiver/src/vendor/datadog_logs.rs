//! Datadog, Logs intake v2: <https://docs.datadoghq.com/api/latest/logs/#send-logs>.

use serde_json::{Map, Value, json};

use super::{BadBody, Call, not_text};
use crate::{
    reply::{Judgement, Refusal, Reply, Verdict},
    time::{self, HOUR},
};

const ITEMS_MAX: usize = 1_000;
const LOG_MAX: usize = 1_000_000;
const BODY_MAX: usize = 5_000_000;
/// September 2001 in milliseconds: a smaller number is seconds.
const MILLIS_MIN: i64 = 1_000_000_000_000;

pub(super) fn judge(call: &mut Call<'_>) -> Verdict {
    if !call.is_post() {
        return Err(refuse(404, "Not found"));
    }
    if call.request.header("dd-api-key") != Some(call.options.keys.datadog.as_str()) {
        return Err(refuse(403, "Forbidden"));
    }
    if !call.is_json() {
        return Err(refuse(415, "Content-Type must be application/json"));
    }
    let body = call.body(&["gzip"], BODY_MAX).map_err(|bad: BadBody| refuse(bad.status(), &bad.reason()))?;
    let logs = match serde_json::from_slice(body) {
        Ok(Value::Array(logs)) => logs,
        Ok(log @ Value::Object(_)) => vec![log],
        _ => return Err(refuse(400, "Payload is not in the expected format: a list of logs")),
    };
    if !(1..=ITEMS_MAX).contains(&logs.len()) {
        return Err(refuse(400, "a request has 1 to 1000 logs"));
    }
    for (at, log) in logs.iter().enumerate() {
        let Value::Object(log) = log else { return Err(refuse(400, &format!("log {at} is no object"))) };
        check(log, call.now).map_err(|reason| refuse(400, &format!("log {at}: {reason}")))?;
    }
    let stored = logs.iter().map(ToString::to_string).collect();
    Ok(Judgement { reply: Reply::json(202, &json!({})), refused: None, stored })
}

fn check(log: &Map<String, Value>, now: i64) -> Result<(), String> {
    if let Some(key) = not_text(log, &["ddsource", "ddtags", "hostname", "message", "service", "status"]) {
        return Err(format!("{key} is text"));
    }
    if log.get("message").and_then(Value::as_str).is_none_or(str::is_empty) {
        return Err("message is missing".to_owned());
    }
    // The vendor takes a longer log and cuts it, of which the sender never learns.
    if Value::Object(log.clone()).to_string().len() > LOG_MAX {
        return Err("the log is longer than 1 MB".to_owned());
    }
    let at = match log.get("timestamp") {
        None => return Ok(()),
        Some(Value::Number(number)) => number.as_i64().filter(|millis| *millis >= MILLIS_MIN),
        Some(Value::String(text)) => time::rfc3339(text),
        Some(_) => None,
    };
    // What is older is taken and not kept.
    match at {
        Some(at) if at < now - 18 * HOUR => Err("timestamp is more than 18 hours ago".to_owned()),
        Some(_) => Ok(()),
        None => Err("timestamp is milliseconds or ISO 8601".to_owned()),
    }
}

fn refuse(status: u16, reason: &str) -> Refusal {
    let title = http::StatusCode::from_u16(status).ok().and_then(|code| code.canonical_reason()).unwrap_or("Error");
    let error = json!({"status": status.to_string(), "title": title, "detail": reason});
    Refusal::new(Reply::json(status, &json!({"errors": [error]})), reason)
}
