//! Grafana Loki, push API: <https://grafana.com/docs/loki/latest/reference/loki-http-api/#ingest-logs>
//! and the default limits: <https://grafana.com/docs/loki/latest/configure/#limits_config>.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Map, Value};

use super::{BadBody, Call, Memory};
use crate::{
    reply::{Judgement, Refusal, Reply, Verdict},
    time::{DAY, HOUR, MINUTE},
};

const LABELS_MAX: usize = 15;
const LABEL_NAME_MAX: usize = 1_024;
const LABEL_VALUE_MAX: usize = 2_048;
const LINE_MAX: usize = 256 << 10;
const METADATA_MAX: usize = 128;
const METADATA_BYTES_MAX: usize = 64 << 10;
const BODY_MAX: usize = 4 << 20;
const NANOS_PER_MILLI: i64 = 1_000_000;

pub(super) fn judge(call: &mut Call<'_>) -> Verdict {
    if !call.is_post() || call.request.path != "/loki/api/v1/push" {
        return Err(refuse(404, "404 page not found"));
    }
    let credentials = call.bearer("Basic").and_then(|text| STANDARD.decode(text).ok());
    if credentials.as_deref() != Some(call.options.keys.loki.as_bytes()) {
        return Err(refuse(401, "authentication error: invalid authentication credentials"));
    }
    if !call.is_json() {
        return Err(refuse(415, "unsupported Content-Type"));
    }
    let body = call.body(&["gzip", "deflate"], BODY_MAX).map_err(|bad: BadBody| refuse(bad.status(), &bad.reason()))?;
    let sent: Value = serde_json::from_slice(body).map_err(|error| refuse(400, &format!("loghttp: {error}")))?;
    let Some(streams) = sent.get("streams").and_then(Value::as_array).filter(|streams| !streams.is_empty()) else {
        return Err(refuse(400, "error at least one label pair is required per stream"));
    };
    // What does not parse refuses the request whole; what a limit refuses is left out of what is stored.
    let parsed: Vec<Stream<'_>> =
        streams.iter().map(stream).collect::<Result<_, _>>().map_err(|reason| refuse(400, &reason))?;
    let (mut stored, mut refused) = (Vec::new(), None);
    for (stream, sent) in parsed.iter().zip(streams) {
        match limits(stream, call) {
            Ok(new) => stored.extend(new.then(|| sent.to_string())),
            Err(reason) => refused = Some(reason),
        }
    }
    let reply = refused.as_ref().map_or_else(|| Reply::empty(204), |reason| Reply::text(400, reason.clone()));
    Ok(Judgement { reply, refused, stored })
}

/// A stream with the one line that senders here put into each.
struct Stream<'a> {
    labels: String,
    nanos: i64,
    line: &'a str,
    metadata: Option<&'a Map<String, Value>>,
}

fn stream(stream: &Value) -> Result<Stream<'_>, String> {
    let labels = stream.get("stream").and_then(Value::as_object).ok_or("loghttp: a stream has labels")?;
    let values = stream.get("values").and_then(Value::as_array).map(Vec::as_slice);
    let Some([Value::Array(value)]) = values else { return Err("loghttp: a stream has one value here".to_owned()) };
    let (at, line, metadata) = match value.as_slice() {
        [Value::String(at), Value::String(line)] => (at, line, None),
        [Value::String(at), Value::String(line), Value::Object(metadata)] => (at, line, Some(metadata)),
        _ => return Err("loghttp: a value is a text of nanoseconds, a line and perhaps metadata".to_owned()),
    };
    let nanos = at.parse::<i64>().map_err(|_| "loghttp: the time is no number of nanoseconds".to_owned())?;
    if labels.is_empty() || labels.len() > LABELS_MAX || !labels.iter().all(|(name, value)| is_label(name, value)) {
        return Err("error parsing labels".to_owned());
    }
    if metadata.is_some_and(|metadata| !metadata.iter().all(|(name, value)| is_name(name) && value.is_string())) {
        return Err("loghttp: structured metadata is texts under names of labels".to_owned());
    }
    Ok(Stream { labels: Value::Object(labels.clone()).to_string(), nanos, line, metadata })
}

/// Whether the line is new; or why Loki leaves it out.
fn limits(stream: &Stream<'_>, call: &mut Call<'_>) -> Result<bool, String> {
    let at = stream.nanos / NANOS_PER_MILLI;
    if at < call.now - 7 * DAY {
        return Err(format!("entry for stream '{}' has timestamp too old", stream.labels));
    }
    if at > call.now + 10 * MINUTE {
        return Err(format!("entry for stream '{}' has timestamp too new", stream.labels));
    }
    if stream.line.len() > LINE_MAX {
        return Err(format!("Max entry size '{LINE_MAX}' bytes exceeded for stream '{}'", stream.labels));
    }
    let bytes: usize = stream.metadata.into_iter().flatten().map(|(name, value)| name.len() + text(value).len()).sum();
    if stream.metadata.is_some_and(|metadata| metadata.len() > METADATA_MAX) || bytes > METADATA_BYTES_MAX {
        return Err(format!("stream '{}' has structured metadata too large", stream.labels));
    }
    let newest = call.memory.streams.get(&stream.labels).copied().unwrap_or(at);
    if at < newest - HOUR {
        return Err(format!(
            "entry too far behind, the oldest acceptable timestamp of the stream is {}",
            newest - HOUR
        ));
    }
    if call.memory.streams.len() < Memory::NAMES_MAX || call.memory.streams.contains_key(&stream.labels) {
        call.memory.streams.insert(stream.labels.clone(), newest.max(at));
    }
    // The same line at the same time is kept once.
    Ok(call.memory.document("loki", &format!("{}{}{}", stream.labels, stream.nanos, stream.line)))
}

fn is_label(name: &str, value: &Value) -> bool {
    is_name(name) && value.as_str().is_some_and(|value| value.len() <= LABEL_VALUE_MAX)
}

fn is_name(name: &str) -> bool {
    let starts = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_');
    starts && name.len() <= LABEL_NAME_MAX && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn refuse(status: u16, reason: &str) -> Refusal {
    Refusal::new(Reply::text(status, reason), reason)
}
