//! Mezmo, formerly LogDNA, log ingestion: <https://docs.mezmo.com/log-analysis-api/ref>.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use super::{BadBody, Call, not_text};
use crate::{
    reply::{Judgement, Refusal, Reply, Verdict},
    time::DAY,
};

const BODY_MAX: usize = 10_000_000;

pub(super) fn judge(call: &mut Call<'_>) -> Verdict {
    if !call.is_post() || call.request.path != "/logs/ingest" {
        return Err(refuse(404, "NotFound", "Not Found"));
    }
    if !knows_key(call) {
        return Err(refuse(401, "NotAuthorized", "Unauthorized"));
    }
    if call.request.parameter("hostname").is_none_or(|name| name.trim().is_empty()) {
        return Err(refuse(400, "BadRequest", "hostname is required"));
    }
    if call.request.parameter("now").is_some_and(|now| now.parse::<i64>().is_err()) {
        return Err(refuse(400, "BadRequest", "now is a whole number of milliseconds"));
    }
    if !call.is_json() {
        return Err(refuse(415, "UnsupportedMediaType", "Content-Type must be application/json"));
    }
    let body = call.body(&["gzip"], BODY_MAX).map_err(|bad| match bad {
        BadBody::Large(reason) => refuse(413, "PayloadTooLarge", &reason),
        BadBody::Coding(reason) => refuse(400, "BadRequest", &reason),
    })?;
    let sent: Value = serde_json::from_slice(body).map_err(|_| refuse(400, "BadRequest", "Invalid JSON"))?;
    let Some(lines) = sent.get("lines").and_then(Value::as_array).filter(|lines| !lines.is_empty()) else {
        return Err(refuse(400, "BadRequest", "lines is a list with at least one line"));
    };
    Ok(lines_stored(call, lines))
}

fn lines_stored(call: &mut Call<'_>, lines: &[Value]) -> Judgement {
    let (mut statuses, mut stored, mut refused) = (Vec::new(), Vec::new(), None);
    for (at, line) in lines.iter().enumerate() {
        let problem = match call.injected(at) {
            Some(status) => Some((status, "fault".to_owned())),
            None => line_problem(line, call.now).map(|reason| (400, reason)),
        };
        match problem {
            None => {
                statuses.push(200);
                stored.push(line.to_string());
            }
            Some((status, reason)) => {
                statuses.push(status);
                refused = Some(reason);
            }
        }
    }
    let reply = if refused.is_some() {
        Reply::json(207, &json!({"status": statuses}))
    } else {
        let batch = format!("{:08}-0000-4000-8000-000000000000:1:ld1", call.memory.number());
        Reply::json(200, &json!({"status": "ok", "batchID": batch}))
    };
    Judgement { reply, refused, stored }
}

/// The vendor puts its own time in the place of one that is a day off or more. Here such a line is
/// refused, so that a test sees it.
fn line_problem(line: &Value, now: i64) -> Option<String> {
    let Value::Object(line) = line else { return Some("a line is an object".to_owned()) };
    if line.get("line").and_then(Value::as_str).is_none_or(str::is_empty) {
        return Some("line is text and not empty".to_owned());
    }
    match line.get("timestamp") {
        None => {}
        Some(value) => match value.as_i64() {
            None => return Some("timestamp is a whole number of milliseconds".to_owned()),
            Some(millis) if millis.abs_diff(now) > DAY.unsigned_abs() => {
                return Some("timestamp is more than 24 hours off".to_owned());
            }
            Some(_) => {}
        },
    }
    if let Some(key) = not_text(line, &["app", "env", "level"]) {
        return Some(format!("{key} is text"));
    }
    line.get("meta").is_some_and(|meta| !meta.is_object()).then(|| "meta is an object".to_owned())
}

fn knows_key(call: &Call<'_>) -> bool {
    let key = call.options.keys.logdna.as_str();
    if let Some(sent) = call.request.header("apikey") {
        return sent == key;
    }
    let credentials = call.bearer("Basic").and_then(|encoded| STANDARD.decode(encoded).ok());
    credentials.is_some_and(|user| user.strip_prefix(key.as_bytes()) == Some(b":"))
}

fn refuse(status: u16, code: &str, reason: &str) -> Refusal {
    Refusal::new(Reply::json(status, &json!({"error": reason, "code": code, "status": "error"})), reason)
}
