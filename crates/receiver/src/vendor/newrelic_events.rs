//! New Relic, Event API: <https://docs.newrelic.com/docs/data-apis/ingest-apis/event-api/introduction-event-api/>.
//!
//! New Relic itself answers before it reads the events; this stand-in refuses at once what New Relic
//! would drop later.

use serde_json::{Map, Value, json};

use super::{BadBody, Call};
use crate::{
    reply::{Judgement, Refusal, Reply, Verdict},
    time::{DAY, SECOND},
};

const ITEMS_MAX: usize = 2_000;
const ATTRIBUTES_MAX: usize = 254;
const NAME_MAX: usize = 255;
const VALUE_MAX: usize = 4_096;
const BODY_MAX: usize = 1_000_000;

pub(super) fn judge(call: &mut Call<'_>) -> Verdict {
    let segments = call.request.segments();
    let known = matches!(segments.as_slice(), [v1, accounts, id, events]
        if v1 == "v1" && accounts == "accounts" && id.parse::<u64>().is_ok() && events == "events");
    if !call.is_post() || !known {
        return Err(refuse(404, "Not found"));
    }
    let keys = ["api-key", "x-insert-key"].map(|name| call.request.header(name));
    if !keys.contains(&Some(call.options.keys.newrelic.as_str())) {
        return Err(refuse(403, "Invalid license key"));
    }
    if !call.is_json() {
        return Err(refuse(415, "Content-Type must be application/json"));
    }
    let body = call.body(&["gzip", "deflate"], BODY_MAX).map_err(|bad: BadBody| refuse(bad.status(), &bad.reason()))?;
    let events = match serde_json::from_slice(body) {
        Ok(Value::Array(events)) => events,
        Ok(event @ Value::Object(_)) => vec![event],
        _ => return Err(refuse(400, "the body is a list of events")),
    };
    if events.len() > ITEMS_MAX {
        return Err(refuse(413, "more than 2000 events"));
    }
    for (at, event) in events.iter().enumerate() {
        let Value::Object(event) = event else { return Err(refuse(400, &format!("event {at} is no object"))) };
        check(event, call.now).map_err(|reason| refuse(400, &format!("event {at}: {reason}")))?;
    }
    let uuid = format!("{:032x}", call.memory.number());
    let stored = events.iter().map(ToString::to_string).collect();
    Ok(Judgement { reply: Reply::json(200, &json!({"success": true, "uuid": uuid})), refused: None, stored })
}

fn check(event: &Map<String, Value>, now: i64) -> Result<(), String> {
    let kind = event.get("eventType").and_then(Value::as_str).unwrap_or_default();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b":_ ".contains(&byte);
    if kind.is_empty() || kind.len() > NAME_MAX || !kind.bytes().all(plain) {
        return Err("eventType is 1 to 255 letters, digits, blanks, : and _".to_owned());
    }
    if event.len() > ATTRIBUTES_MAX {
        return Err(format!("more than {ATTRIBUTES_MAX} attributes"));
    }
    for (name, value) in event {
        if name.chars().count() > NAME_MAX {
            return Err(format!("the name {name:?} is too long"));
        }
        match value {
            Value::String(text) if text.chars().count() <= VALUE_MAX => {}
            Value::Number(_) => {}
            Value::String(_) => return Err(format!("{name} has more than {VALUE_MAX} characters")),
            _ => return Err(format!("{name} is text or a number")),
        }
    }
    let Some(timestamp) = event.get("timestamp") else { return Ok(()) };
    let Some(number) = timestamp.as_i64() else { return Err("timestamp is a number".to_owned()) };
    // Ten digits are seconds, thirteen milliseconds.
    let at = if number < 100_000_000_000 { number.saturating_mul(SECOND) } else { number };
    if (now - 2 * DAY..=now + DAY).contains(&at) {
        Ok(())
    } else {
        Err("timestamp is not within the last 48 and the next 24 hours".to_owned())
    }
}

fn refuse(status: u16, reason: &str) -> Refusal {
    Refusal::new(Reply::json(status, &json!({"success": false, "error": reason})), reason)
}
