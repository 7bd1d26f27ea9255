//! Splunk, HTTP Event Collector:
//! <https://help.splunk.com/en/splunk-enterprise/get-data-in/collect-http-event-data/troubleshoot-http-event-collector>.

use http::Method;
use serde_json::{Map, Value, json};

use super::{BadBody, Call, is_scalar, not_text};
use crate::reply::{Judgement, Refusal, Reply, Verdict};

/// The first second of the year 2100: a larger number of seconds is milliseconds.
const SECONDS_MAX: f64 = 4_102_444_800.0;

pub(super) fn reply(status: u16, code: u32, text: &str) -> Reply {
    Reply::json(status, &json!({"text": text, "code": code}))
}

pub(super) fn judge(call: &mut Call<'_>) -> Verdict {
    let path = call.request.path.trim_end_matches("/1.0");
    match path {
        "/services/collector/health" if call.request.method == Method::GET => {
            Ok(Judgement::nothing(reply(200, 17, "HEC is healthy")))
        }
        "/services/collector" | "/services/collector/event" if call.is_post() => events(call),
        "/services/collector/raw" if call.is_post() => raw(call),
        "/services/collector/ack" if call.is_post() => acks(call),
        _ => Err(refuse(404, 404, "The requested URL was not found on this server.")),
    }
}

fn events(call: &mut Call<'_>) -> Verdict {
    authorise(call)?;
    channel(call)?;
    let most = call.options.splunk_body_max;
    let body = call.body(&["gzip"], most).map_err(|bad| match bad {
        BadBody::Large(_) => refuse(413, 27, "Request entity too large"),
        BadBody::Coding(_) => refuse(400, 6, "Invalid data format"),
    })?;
    if body.iter().all(u8::is_ascii_whitespace) {
        return Err(refuse(400, 5, "No data"));
    }
    let mut stored = Vec::new();
    for (at, event) in serde_json::Deserializer::from_slice(body).into_iter::<Value>().enumerate() {
        let problem = match (call.injected(at), event) {
            (Some(503), _) => Err((503, 9, "Server is busy".to_owned())),
            (Some(status), _) => Err((status, 6, "Invalid data format".to_owned())),
            (None, Ok(Value::Object(event))) => check(call, &event).map(|()| event),
            (None, _) => Err((400, 6, "Invalid data format".to_owned())),
        };
        match problem {
            Ok(event) => stored.push(Value::Object(event).to_string()),
            // What stands before the bad event is stored already, and the answer says how much that is.
            Err((status, code, text)) => {
                let reply = Reply::json(status, &json!({"text": text, "code": code, "invalid-event-number": at}));
                return Ok(Judgement { reply, refused: Some(format!("event {at}: {text}")), stored });
            }
        }
    }
    let reply = if call.options.splunk_ack {
        call.memory.acks += 1;
        Reply::json(200, &json!({"text": "Success", "code": 0, "ackId": call.memory.acks - 1}))
    } else {
        reply(200, 0, "Success")
    };
    Ok(Judgement { reply, refused: None, stored })
}

/// The raw endpoint, for a source type that reads each line as one JSON object.
fn raw(call: &mut Call<'_>) -> Verdict {
    authorise(call)?;
    channel(call)?;
    let index = call.request.parameter("index");
    if index.is_some_and(|index| !call.options.splunk_indexes.contains(&index)) {
        return Err(refuse(400, 7, "Incorrect index"));
    }
    let body = call.body(&["gzip"], call.options.splunk_body_max).map_err(|bad| match bad {
        BadBody::Large(_) => refuse(413, 27, "Request entity too large"),
        BadBody::Coding(_) => refuse(400, 6, "Invalid data format"),
    })?;
    if body.iter().all(u8::is_ascii_whitespace) {
        return Err(refuse(400, 5, "No data"));
    }
    // Splunk itself takes any text; a line that is no object would be an event that nobody can read.
    let lines = body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let stored: Result<Vec<String>, _> = lines
        .map(|line| serde_json::from_slice::<Map<String, Value>>(line).map(|event| Value::Object(event).to_string()))
        .collect();
    match stored {
        Ok(stored) => Ok(Judgement { reply: reply(200, 0, "Success"), refused: None, stored }),
        Err(error) => Err(Refusal::new(reply(400, 6, "Invalid data format"), format!("a line is no object: {error}"))),
    }
}

type Problem = (u16, u32, String);

fn check(call: &Call<'_>, event: &Map<String, Value>) -> Result<(), Problem> {
    let format = || (400, 6, "Invalid data format".to_owned());
    match event.get("event") {
        None => return Err((400, 12, "Event field is required".to_owned())),
        // The server's own log says that it expects raw text and got a null element.
        Some(Value::Null) => return Err(format()),
        Some(Value::String(text)) if text.is_empty() => {
            return Err((400, 13, "Event field cannot be blank".to_owned()));
        }
        Some(_) => {}
    }
    // Splunk itself guesses the unit of a large number and takes digits in quotes; the servers
    // that speak its protocol do not.
    let seconds = |value: &Value| value.as_f64().is_some_and(|seconds| (0.0..SECONDS_MAX).contains(&seconds));
    if event.get("time").is_some_and(|value| !seconds(value)) {
        return Err(format());
    }
    if not_text(event, &["host", "index", "source", "sourcetype"]).is_some() {
        return Err(format());
    }
    if let Some(index) = event.get("index").and_then(Value::as_str)
        && !call.options.splunk_indexes.iter().any(|known| known == index)
    {
        return Err((400, 7, "Incorrect index".to_owned()));
    }
    let flat = |value: &Value| match value {
        Value::Array(values) => values.iter().all(is_scalar),
        value => is_scalar(value),
    };
    match event.get("fields") {
        None => Ok(()),
        Some(Value::Object(fields)) if fields.values().all(flat) => Ok(()),
        Some(_) => Err((400, 15, "Error in handling indexed fields".to_owned())),
    }
}

fn acks(call: &mut Call<'_>) -> Verdict {
    authorise(call)?;
    if !call.options.splunk_ack {
        return Err(refuse(400, 14, "ACK is disabled"));
    }
    channel(call)?;
    let body = call.body(&[], call.options.splunk_body_max).map_err(|_| refuse(400, 6, "Invalid data format"))?;
    let asked: Value = serde_json::from_slice(body).map_err(|_| refuse(400, 6, "Invalid data format"))?;
    let Some(ids) = asked.get("acks").and_then(Value::as_array) else {
        return Err(refuse(400, 6, "Invalid data format"));
    };
    let given = call.memory.acks;
    let known = ids.iter().filter_map(Value::as_u64).map(|id| (id.to_string(), json!(id < given)));
    let reply = json!({"acks": known.collect::<Map<_, _>>()});
    Ok(Judgement::nothing(Reply::json(200, &reply)))
}

fn authorise(call: &Call<'_>) -> Result<(), Refusal> {
    let keys = &call.options.keys;
    match (call.request.header("authorization"), call.bearer("Splunk")) {
        (None, _) => Err(refuse(401, 2, "Token is required")),
        (Some(_), None) => Err(refuse(401, 3, "Invalid authorization")),
        (_, Some(token)) if token == keys.splunk_disabled => Err(refuse(403, 1, "Token disabled")),
        (_, Some(token)) if token == keys.splunk => Ok(()),
        _ => Err(refuse(403, 4, "Invalid token")),
    }
}

/// A token with acknowledgement needs a channel; one without takes it where it is there.
fn channel(call: &Call<'_>) -> Result<(), Refusal> {
    let header = call.request.header("x-splunk-request-channel").map(str::to_owned);
    match header.or_else(|| call.request.parameter("channel")) {
        None if call.options.splunk_ack => Err(refuse(400, 10, "Data channel is missing")),
        Some(channel) if !is_guid(&channel) => Err(refuse(400, 11, "Invalid data channel")),
        _ => Ok(()),
    }
}

fn is_guid(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    parts.iter().map(|part| part.len()).eq([8, 4, 4, 4, 12])
        && text.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit())
}

fn refuse(status: u16, code: u32, text: &str) -> Refusal {
    Refusal::new(reply(status, code, text), text)
}
