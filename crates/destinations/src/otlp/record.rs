//! From a rendered entry to a log record.

use domain::{Entry, Timestamp};
use integrations::RenderedItem;
use opentelemetry_proto::tonic::{
    common::v1::{AnyValue, ArrayValue, KeyValue, KeyValueList, any_value},
    logs::v1::{LogRecord, SeverityNumber},
};
use serde::Deserialize;
use serde_json::{Map, Value};

/// What the template gives: docs/integrations/otlp.md.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Rendered {
    #[serde(default)]
    event_name: String,
    body: Value,
    #[serde(default)]
    attributes: Map<String, Value>,
}

/// The record of an entry; with the entry as it was received, if `original`.
///
/// # Errors
/// What is wrong with the template's output.
pub(super) fn log_record(entry: &Entry, item: &RenderedItem, original: bool) -> Result<LogRecord, String> {
    let rendered: Rendered = serde_json::from_slice(&item.body)
        .map_err(|error| format!("the template gave no log record with body and attributes: {error}"))?;
    let mut attributes: Vec<_> =
        rendered.attributes.into_iter().map(|(key, value)| attribute(&key, any_value(value))).collect();
    if original {
        let text = String::from_utf8_lossy(&entry.bytes).into_owned();
        attributes.push(attribute("log.record.original", any_value(text.into())));
    }
    Ok(LogRecord {
        time_unix_nano: nanos(item.stamp),
        observed_time_unix_nano: nanos(entry.received_at),
        severity_number: SeverityNumber::Info.into(),
        severity_text: "INFO".to_owned(),
        body: Some(any_value(rendered.body)),
        attributes,
        event_name: rendered.event_name,
        ..LogRecord::default()
    })
}

pub(super) fn attribute(key: &str, value: AnyValue) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(value), ..KeyValue::default() }
}

/// Zero, which stands for an unknown time, where the protocol has no number for it.
fn nanos(at: Timestamp) -> u64 {
    u64::try_from(at.as_millis()).ok().and_then(|millis| millis.checked_mul(1_000_000)).unwrap_or(0)
}

pub(super) fn any_value(value: Value) -> AnyValue {
    use any_value::Value as Any;
    let value = match value {
        Value::Null => None,
        Value::Bool(flag) => Some(Any::BoolValue(flag)),
        Value::Number(number) => Some(match number.as_i64() {
            Some(number) => Any::IntValue(number),
            None => Any::DoubleValue(number.as_f64().unwrap_or_default()),
        }),
        Value::String(text) => Some(Any::StringValue(text)),
        Value::Array(values) => {
            Some(Any::ArrayValue(ArrayValue { values: values.into_iter().map(any_value).collect() }))
        }
        Value::Object(members) => {
            let values = members.into_iter().map(|(key, value)| attribute(&key, any_value(value))).collect();
            Some(Any::KvlistValue(KeyValueList { values }))
        }
    };
    AnyValue { value }
}
