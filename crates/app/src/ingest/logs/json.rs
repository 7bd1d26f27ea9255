//! Log records in the JSON form of the protocol: names in lower camel case, 64-bit numbers as
//! text or number, bytes in base64, ids in hex digits; `null` is a default value.
//!
//! Source: OpenTelemetry Protocol Specification 1.8, JSON Protobuf Encoding.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Map, Value, value::RawValue};

use super::{Group, Limits, too_large, too_many};
use crate::{
    Error,
    ingest::logs::record::{Record, double},
};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request<'a> {
    #[serde(borrow)]
    resource_logs: Option<Vec<ResourceLogs<'a>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ResourceLogs<'a> {
    resource: Option<Value>,
    #[serde(borrow)]
    scope_logs: Option<Vec<ScopeLogs<'a>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ScopeLogs<'a> {
    scope: Option<Value>,
    // Read one at a time: as values, all of them would take many times the memory of the body.
    #[serde(borrow)]
    log_records: Option<Vec<&'a RawValue>>,
}

/// The records of a request.
///
/// # Errors
/// [`Error::Invalid`] when it is no such message, [`Error::TooLarge`].
pub(super) fn groups(body: &[u8], limits: &Limits) -> Result<Vec<Group>, Error> {
    let wrong = |error| Error::invalid(format!("the body is not an ExportLogsServiceRequest in JSON: {error}"));
    let request: Request<'_> = serde_json::from_slice(body).map_err(wrong)?;
    let mut groups = Vec::new();
    let mut count = 0;
    for logs in request.resource_logs.unwrap_or_default() {
        let resource = logs.resource.as_ref().and_then(|resource| resource.get("attributes"));
        let resource = Arc::new(attributes(resource));
        for scope_logs in logs.scope_logs.unwrap_or_default() {
            let slices = scope_logs.log_records.unwrap_or_default();
            count += slices.len();
            if count > limits.entries {
                return Err(too_many(limits));
            }
            if slices.is_empty() {
                continue;
            }
            let records = slices.into_iter().map(|slice| record(slice.get(), limits)).collect();
            let scope = scope_members(scope_logs.scope.as_ref());
            groups.push(Group { resource: Arc::clone(&resource), scope, records });
        }
    }
    Ok(groups)
}

fn record(slice: &str, limits: &Limits) -> Result<Record, String> {
    if slice.len() > limits.entry_bytes {
        return Err(too_large(limits));
    }
    let record: Map<String, Value> =
        serde_json::from_str(slice).map_err(|error| format!("it is no object: {error}"))?;
    let text = |name: &str| record.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let severity = record.get("severityNumber").and_then(Value::as_i64).unwrap_or_default();
    Ok(Record {
        time: nanos(&record, "timeUnixNano")?,
        observed: nanos(&record, "observedTimeUnixNano")?,
        severity_number: severity,
        severity_text: text("severityText"),
        event_name: text("eventName"),
        body: record.get("body").map_or(Value::Null, any),
        attributes: attributes(record.get("attributes")),
        trace_id: text("traceId"),
        span_id: text("spanId"),
    })
}

fn nanos(record: &Map<String, Value>, name: &str) -> Result<u64, String> {
    let number = match record.get(name) {
        None | Some(Value::Null) => Some(0),
        Some(Value::String(text)) => text.parse().ok(),
        Some(number) => number.as_u64(),
    };
    number.ok_or_else(|| format!("{name} must be nanoseconds since 1970, as a text of digits"))
}

fn scope_members(scope: Option<&Value>) -> Map<String, Value> {
    let mut members = Map::new();
    for name in ["name", "version"] {
        if let Some(text) = scope.and_then(|scope| scope[name].as_str()).filter(|text| !text.is_empty()) {
            members.insert(name.to_owned(), text.into());
        }
    }
    members
}

fn attributes(pairs: Option<&Value>) -> Map<String, Value> {
    let pairs = pairs.and_then(Value::as_array).into_iter().flatten();
    let read = |pair: &Value| Some((pair.get("key")?.as_str()?.to_owned(), pair.get("value").map_or(Value::Null, any)));
    pairs.filter_map(read).collect()
}

fn any(value: &Value) -> Value {
    let Some((name, value)) = value.as_object().and_then(|members| members.iter().next()) else { return Value::Null };
    let values = || value.get("values").and_then(Value::as_array).into_iter().flatten();
    match (name.as_str(), value) {
        ("stringValue" | "bytesValue", Value::String(_)) | ("boolValue", Value::Bool(_)) => value.clone(),
        ("intValue", Value::String(text)) => text.parse::<i64>().map_or(Value::Null, Value::from),
        ("intValue" | "doubleValue", Value::Number(_)) => value.clone(),
        // Infinities and what is no number stand there as texts, and stay texts.
        ("doubleValue", Value::String(text)) => text.parse().map_or(Value::Null, double),
        ("arrayValue", _) => values().map(any).collect(),
        ("kvlistValue", _) => attributes(value.get("values")).into(),
        _ => Value::Null,
    }
}
