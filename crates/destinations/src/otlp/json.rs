//! Records in the JSON form of the protocol: names in lower camel case, 64-bit numbers as text,
//! bytes that are no ids in base64, default values left out.
//!
//! Source: OpenTelemetry Protocol Specification 1.8, JSON Protobuf Encoding.

use opentelemetry_proto::tonic::{
    common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value},
    logs::v1::LogRecord,
    resource::v1::Resource,
};
use serde_json::{Value, json};

pub(super) fn resource(resource: &Resource) -> Value {
    json!({ "attributes": attributes(&resource.attributes) })
}

pub(super) fn scope(scope: &InstrumentationScope) -> Value {
    json!({ "name": scope.name, "version": scope.version })
}

pub(super) fn log_record(record: &LogRecord) -> Value {
    let mut written = json!({
        "timeUnixNano": record.time_unix_nano.to_string(),
        "observedTimeUnixNano": record.observed_time_unix_nano.to_string(),
        "severityNumber": record.severity_number,
        "severityText": record.severity_text,
        "attributes": attributes(&record.attributes),
    });
    if let Some(body) = &record.body {
        written["body"] = any(body);
    }
    if !record.event_name.is_empty() {
        written["eventName"] = record.event_name.as_str().into();
    }
    written
}

fn attributes(attributes: &[KeyValue]) -> Value {
    let pair = |pair: &KeyValue| json!({ "key": pair.key, "value": pair.value.as_ref().map(any) });
    attributes.iter().map(pair).collect()
}

fn any(value: &AnyValue) -> Value {
    use any_value::Value as Any;
    match &value.value {
        Some(Any::StringValue(text)) => json!({ "stringValue": text }),
        Some(Any::BoolValue(flag)) => json!({ "boolValue": flag }),
        Some(Any::IntValue(number)) => json!({ "intValue": number.to_string() }),
        Some(Any::DoubleValue(number)) => json!({ "doubleValue": number }),
        Some(Any::ArrayValue(list)) => {
            json!({ "arrayValue": { "values": list.values.iter().map(any).collect::<Value>() } })
        }
        Some(Any::KvlistValue(list)) => json!({ "kvlistValue": { "values": attributes(&list.values) } }),
        // No record of ours has bytes or references; a value without content is an empty one.
        None | Some(_) => json!({}),
    }
}
