//! Log records in protobuf.
//!
//! The outer messages are walked field by field and only records are decoded, one at a time: of
//! a body of empty records, a list of all of them would take a hundred times its memory.

use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use opentelemetry_proto::tonic::{
    common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value},
    logs::v1::LogRecord,
    resource::v1::Resource,
};
use prost::{
    DecodeError, Message,
    encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field},
};
use serde_json::{Map, Value};

use super::{Group, Limits, too_large, too_many};
use crate::{
    Error,
    ingest::logs::record::{Record, double},
};

// Numbers of fields: `resource_logs` of the request, then those of ResourceLogs and ScopeLogs.
const RESOURCE_LOGS: u32 = 1;
const RESOURCE: u32 = 1;
const SCOPE_LOGS: u32 = 2;
const SCOPE: u32 = 1;
const LOG_RECORDS: u32 = 2;

/// The records of a request.
///
/// # Errors
/// [`Error::Invalid`] when it is no such message, [`Error::TooLarge`].
pub(super) fn groups(body: &[u8], limits: &Limits) -> Result<Vec<Group>, Error> {
    let mut groups = Vec::new();
    let mut count = 0;
    for logs in messages(body, RESOURCE_LOGS).map_err(|error| wrong(&error))? {
        let resource: Resource = last(logs, RESOURCE, limits)?;
        let resource = Arc::new(attributes(resource.attributes));
        for scope_logs in messages(logs, SCOPE_LOGS).map_err(|error| wrong(&error))? {
            let records = messages(scope_logs, LOG_RECORDS).map_err(|error| wrong(&error))?;
            count += records.len();
            if count > limits.entries {
                return Err(too_many(limits));
            }
            if records.is_empty() {
                continue;
            }
            let scope: InstrumentationScope = last(scope_logs, SCOPE, limits)?;
            let records = records.into_iter().map(|slice| record(slice, limits)).collect();
            groups.push(Group { resource: Arc::clone(&resource), scope: scope_members(scope), records });
        }
    }
    Ok(groups)
}

fn wrong(error: &DecodeError) -> Error {
    Error::invalid(format!("the body is not an ExportLogsServiceRequest: {error}"))
}

/// The messages in the field of this number.
fn messages(mut bytes: &[u8], number: u32) -> Result<Vec<&[u8]>, DecodeError> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let (field, wire_type) = decode_key(&mut bytes)?;
        if wire_type != WireType::LengthDelimited {
            skip_field(wire_type, field, &mut bytes, DecodeContext::default())?;
            continue;
        }
        let length = usize::try_from(decode_varint(&mut bytes)?).unwrap_or(usize::MAX);
        // A message that is cut off is no message; its own decoder says so.
        let Some((message, rest)) = bytes.split_at_checked(length) else { return Err(cut_off()) };
        bytes = rest;
        if field == number {
            found.push(message);
        }
    }
    Ok(found)
}

fn cut_off() -> DecodeError {
    // The one way to make such an error: a field that says to be longer than what is there.
    Resource::decode(&[0x0a, 0x01][..]).expect_err("the message ends within its first field")
}

/// The one message of a field; of several the last, and without any the empty one.
fn last<M: Message + Default>(bytes: &[u8], number: u32, limits: &Limits) -> Result<M, Error> {
    let Some(slice) = messages(bytes, number).map_err(|error| wrong(&error))?.pop() else { return Ok(M::default()) };
    if slice.len() > limits.entry_bytes {
        return Err(Error::TooLarge(format!("a resource or scope is larger than {} bytes", limits.entry_bytes)));
    }
    M::decode(slice).map_err(|error| wrong(&error))
}

fn record(slice: &[u8], limits: &Limits) -> Result<Record, String> {
    if slice.len() > limits.entry_bytes {
        return Err(too_large(limits));
    }
    let record = LogRecord::decode(slice).map_err(|error| format!("it cannot be decoded: {error}"))?;
    Ok(Record {
        time: record.time_unix_nano,
        observed: record.observed_time_unix_nano,
        severity_number: record.severity_number.into(),
        severity_text: record.severity_text,
        event_name: record.event_name,
        body: record.body.map_or(Value::Null, any),
        attributes: attributes(record.attributes),
        trace_id: hex(&record.trace_id),
        span_id: hex(&record.span_id),
    })
}

fn scope_members(scope: InstrumentationScope) -> Map<String, Value> {
    let mut members = Map::new();
    for (name, text) in [("name", scope.name), ("version", scope.version)] {
        if !text.is_empty() {
            members.insert(name.to_owned(), text.into());
        }
    }
    members
}

fn attributes(pairs: Vec<KeyValue>) -> Map<String, Value> {
    pairs.into_iter().map(|pair| (pair.key, pair.value.map_or(Value::Null, any))).collect()
}

fn any(value: AnyValue) -> Value {
    use any_value::Value as Any;
    match value.value {
        Some(Any::StringValue(text)) => text.into(),
        Some(Any::BoolValue(flag)) => flag.into(),
        Some(Any::IntValue(number)) => number.into(),
        Some(Any::DoubleValue(number)) => double(number),
        Some(Any::ArrayValue(list)) => list.values.into_iter().map(any).collect(),
        Some(Any::KvlistValue(list)) => attributes(list.values).into(),
        Some(Any::BytesValue(bytes)) => STANDARD.encode(bytes).into(),
        // References to texts are for another signal, and count as absent in this one.
        Some(Any::StringValueStrindex(_)) | None => Value::Null,
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
