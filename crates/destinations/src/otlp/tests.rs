use std::sync::Arc;

use delivery::destination::{Destination, To};
use domain::{AccountId, Entry, EntryId, Sequence, Timestamp};
use integrations::{Catalogue, CommonLine, Integration, Item, RenderedItem};
use opentelemetry_proto::tonic::{
    collector::logs::v1::ExportLogsServiceRequest,
    common::v1::{AnyValue, any_value::Value as Any},
    logs::v1::LogRecord,
};
use prost::Message;
use serde_json::{Map, Value, json};

use super::{Otlp, address, json_body, protobuf_body};

const NOW: Timestamp = Timestamp::from_millis(1_790_000_005_000);

fn integration() -> Arc<Integration> {
    Arc::clone(Catalogue::builtin().unwrap().get("otlp").unwrap())
}

fn config(value: Value) -> Map<String, Value> {
    let Value::Object(mut config) = value else { panic!("a config is an object") };
    config.insert("url".to_owned(), "https://otel.test".into());
    config
}

/// An entry with a quote in its name, as it is encoded.
fn encoded(config: &Map<String, Value>) -> RenderedItem {
    let integration = integration();
    let entry = json!({
        "action": "updateOn", "resource": "proj/web:env/production:flag/checkout;beta", "name": "a \"b\"",
        "date": 1_790_000_000_123_i64, "comment": "c",
    });
    let bytes = Arc::from(entry.to_string().into_bytes());
    let entry = Entry::new(AccountId::from_bytes([7; 12]), Sequence(42), EntryId::from_bytes([1; 12]), NOW, bytes);
    let Item::Body(mut item) = integration.render_item(config, &entry, "https://audit.test", NOW).unwrap() else {
        panic!("there is something to send")
    };
    Otlp.encode(&To { integration: &integration, config, common: &CommonLine::default() }, &entry, &mut item).unwrap();
    item
}

fn attribute(record: &LogRecord, key: &str) -> Option<Any> {
    record.attributes.iter().find(|one| one.key == key).and_then(|one| one.value.clone()?.value)
}

#[test]
fn a_record_says_what_the_entry_says() {
    let item = encoded(&config(json!({})));
    let body = protobuf_body("shop".to_owned(), &[item]).unwrap();
    let request = ExportLogsServiceRequest::decode(body.as_slice()).unwrap();
    let resource_logs = &request.resource_logs[0];
    assert_eq!(resource_logs.resource.as_ref().unwrap().attributes[0].key, "service.name");
    let record = &resource_logs.scope_logs[0].log_records[0];
    assert_eq!(record.time_unix_nano, 1_790_000_000_123_000_000);
    assert_eq!(record.observed_time_unix_nano, 1_790_000_005_000_000_000);
    assert_eq!((record.event_name.as_str(), record.severity_number), ("flag.updateOn", 9));
    let Some(AnyValue { value: Some(Any::StringValue(title)) }) = &record.body else { panic!("{record:?}") };
    assert!(title.contains("a \"b\""), "{title}");
    assert_eq!(attribute(record, "auditcast.sequence"), Some(Any::IntValue(42)));
    assert_eq!(attribute(record, "audit.name"), Some(Any::StringValue("a \"b\"".to_owned())));
    assert!(matches!(attribute(record, "audit.tags"), Some(Any::ArrayValue(tags)) if tags.values.len() == 1));
    assert!(matches!(attribute(record, "log.record.original"), Some(Any::StringValue(text)) if text.starts_with('{')));
    assert!(matches!(attribute(record, "log.record.uid"), Some(Any::StringValue(uid)) if uid.len() > 40));
}

#[test]
fn json_has_text_for_numbers_of_64_bits_and_an_object_for_each_value() {
    let item = encoded(&config(json!({ "encoding": "json", "original": false })));
    let request: Value = serde_json::from_slice(&json_body("shop", &[item.clone(), item])).unwrap();
    let records = request.pointer("/resourceLogs/0/scopeLogs/0/logRecords").and_then(Value::as_array).unwrap();
    assert_eq!(records.len(), 2);
    assert_eq!(records[0]["timeUnixNano"], "1790000000123000000");
    let attributes = records[0]["attributes"].as_array().unwrap();
    let value = |key: &str| attributes.iter().find(|one| one["key"] == key).map(|one| &one["value"]);
    assert_eq!(value("auditcast.sequence"), Some(&json!({ "intValue": "42" })));
    assert_eq!(value("audit.tags"), Some(&json!({ "arrayValue": { "values": [{ "stringValue": "beta" }] } })));
    assert_eq!(value("log.record.original"), None);
}

#[test]
fn a_request_carries_the_key_and_says_how_it_is_written() {
    for (encoding, content_type) in [("json", "application/json"), ("protobuf", "application/x-protobuf")] {
        let config = config(json!({ "encoding": encoding, "headerName": "api-key", "headerValue": "k" }));
        let integration = integration();
        let to = To { integration: &integration, config: &config, common: &CommonLine::default() };
        let request = super::export(&to, &[encoded(&config)]).unwrap().request;
        let header = |name: &str| request.headers.iter().find(|(one, _)| one == name).map(|(_, value)| value.as_str());
        assert_eq!((header("Content-Type"), header("api-key")), (Some(content_type), Some("k")));
        assert_eq!((request.url.as_str(), request.verify_tls), ("https://otel.test/v1/logs", true));
    }
}

#[test]
fn the_path_of_logs_stands_at_the_end_once() {
    for (given, expected) in [
        ("https://otel.test:4318", "https://otel.test:4318/v1/logs"),
        ("https://otel.test:4318/", "https://otel.test:4318/v1/logs"),
        ("https://otel.test/otlp/", "https://otel.test/otlp/v1/logs"),
        ("https://otel.test/otlp/v1/logs", "https://otel.test/otlp/v1/logs"),
        ("https://otel.test/otlp?tenant=a#b", "https://otel.test/otlp/v1/logs?tenant=a"),
    ] {
        assert_eq!(address(given).as_deref(), Some(expected), "{given}");
    }
    assert_eq!(address("no address"), None);
}
