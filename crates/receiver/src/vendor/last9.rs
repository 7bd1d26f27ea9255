//! Last9, change events: <https://last9.io/docs/change-events/>. The limits of the receiver for
//! LaunchDarkly are not public; it is asked for what its own integration sends.

use serde_json::{Value, json};

use super::{BadBody, Call};
use crate::reply::{Judgement, Refusal, Reply, Verdict};

const BODY_MAX: usize = 1 << 20;
const TEXTS: [&str; 5] = ["/version", "/eventSource", "/eventName", "/userIdentity/userName", "/eventTime"];

pub(super) fn judge(call: &mut Call<'_>) -> Verdict {
    if !call.is_post() || !call.request.path.ends_with("/events/receiver/launchdarkly") {
        return Err(refuse(404, "not found"));
    }
    let token = call.request.header("x-last9-api-token").and_then(|value| value.strip_prefix("Bearer "));
    if token != Some(call.options.keys.last9.as_str()) {
        return Err(refuse(401, "unauthorized"));
    }
    let body = call.body(&[], BODY_MAX).map_err(|bad: BadBody| refuse(bad.status(), &bad.reason()))?;
    let Some(event) = call.is_json().then(|| serde_json::from_slice::<Value>(body).ok()).flatten() else {
        return Err(refuse(400, "the body is not JSON"));
    };
    let text = |pointer: &str| event.pointer(pointer).and_then(Value::as_str).filter(|text| !text.is_empty());
    if let Some(missing) = TEXTS.into_iter().find(|pointer| text(pointer).is_none()) {
        return Err(refuse(400, &format!("{missing} is text")));
    }
    // Ten digits are seconds.
    if text("/eventTime").and_then(|text| text.parse::<i64>().ok()).is_none_or(|seconds| seconds >= 100_000_000_000) {
        return Err(refuse(400, "eventTime is a number of seconds"));
    }
    if !event.get("additionalEventData").is_some_and(Value::is_object) {
        return Err(refuse(400, "additionalEventData is an object"));
    }
    Ok(Judgement::stored(Reply::json(200, &json!({"status": "ok"})), &event))
}

fn refuse(status: u16, reason: &str) -> Refusal {
    Refusal::new(Reply::json(status, &json!({"error": reason})), reason)
}
