//! Taking log records of OpenTelemetry in: both forms, partial success, errors.

use axum::{
    body::{Body, Bytes},
    http::{HeaderMap, Request, StatusCode},
};
use http_body_util::BodyExt;
use opentelemetry_proto::tonic::{
    collector::logs::v1::{ExportLogsServiceRequest, ExportLogsServiceResponse},
    common::v1::{AnyValue, KeyValue, any_value},
    logs::v1::{LogRecord, ResourceLogs, ScopeLogs},
    resource::v1::Resource,
};
use prost::Message;
use serde_json::{Value, json};

use crate::support::{ADMIN, Options, TestApp};

const PATH: &str = "/v1/logs";
const JSON: (&str, &str) = ("content-type", "application/json");

fn attribute(key: &str, value: any_value::Value) -> KeyValue {
    let value = Some(AnyValue { value: Some(value) });
    KeyValue { key: key.to_owned(), value, ..KeyValue::default() }
}

fn record(event_name: &str, uid: &str) -> LogRecord {
    LogRecord {
        time_unix_nano: 1_790_000_000_123_456_789,
        event_name: event_name.to_owned(),
        attributes: vec![
            attribute("log.record.uid", any_value::Value::StringValue(uid.to_owned())),
            attribute("count", any_value::Value::IntValue(3)),
            attribute("raw", any_value::Value::BytesValue(vec![255])),
        ],
        trace_id: vec![0xab; 16],
        ..LogRecord::default()
    }
}

fn request(records: Vec<LogRecord>) -> Vec<u8> {
    let attributes = vec![attribute("service.name", any_value::Value::StringValue("shop".to_owned()))];
    let scope_logs = vec![ScopeLogs { log_records: records, ..ScopeLogs::default() }];
    let resource = Some(Resource { attributes, ..Resource::default() });
    let resource_logs = vec![ResourceLogs { resource, scope_logs, ..ResourceLogs::default() }];
    ExportLogsServiceRequest { resource_logs }.encode_to_vec()
}

async fn send(app: &TestApp, body: Vec<u8>) -> (StatusCode, HeaderMap, Bytes) {
    let request = Request::post(PATH).header("authorization", ADMIN).header("content-type", "application/x-protobuf");
    let response = app.answer(request.body(Body::from(body)).expect("a request")).await;
    let (parts, body) = response.into_parts();
    assert_eq!(parts.headers["content-type"], "application/x-protobuf");
    (parts.status, parts.headers, body.collect().await.expect("a body").to_bytes())
}

/// How many records were rejected of a request that was answered with 200, and why.
async fn taken(app: &TestApp, body: Vec<u8>) -> (i64, String) {
    let (status, _, body) = send(app, body).await;
    assert_eq!(status, 200, "{body:?}");
    let answer = ExportLogsServiceResponse::decode(body).expect("is the answer");
    answer.partial_success.map_or((0, String::new()), |partial| (partial.rejected_log_records, partial.error_message))
}

async fn logged(app: &TestApp) -> usize {
    app.entries().await.len() - 1
}

#[tokio::test]
async fn a_record_is_the_same_entry_in_both_forms() {
    let app = TestApp::start().await;
    assert_eq!(taken(&app, request(vec![record("user.login", "u-1")])).await, (0, String::new()));
    let entry = app.last_entry().await;
    assert_eq!(
        entry,
        json!({
            "_id": "u-1",
            "date": 1_790_000_000_123_i64,
            "accesses": [{"action": "user.login", "resource": "service/shop"}],
            "logRecord": {
                "timeUnixNano": "1790000000123456789",
                "eventName": "user.login",
                "traceId": "abababababababababababababababab",
                "attributes": {"log.record.uid": "u-1", "count": 3, "raw": "/w=="},
                "resource": {"service.name": "shop"},
            },
        })
    );
    let text = |key: &str, value: &str| json!({"key": key, "value": {"stringValue": value}});
    let record = json!({
        "timeUnixNano": "1790000000123456789",
        "eventName": "user.login",
        "traceId": "abababababababababababababababab",
        "attributes": [
            text("log.record.uid", "u-1"),
            {"key": "count", "value": {"intValue": "3"}},
            {"key": "raw", "value": {"bytesValue": "/w=="}},
        ],
        "body": null,
    });
    let resource = json!({"attributes": [text("service.name", "shop")]});
    let body = json!({"resourceLogs": [{"resource": resource, "scopeLogs": [{"logRecords": [record]}]}]});
    assert_eq!(app.ingest(PATH, &[JSON], body.to_string()).await.expect(200).body, json!({}));
    assert_eq!(logged(&app).await, 1, "the second one is a duplicate");
}

#[tokio::test]
async fn good_records_are_stored_and_bad_ones_counted() {
    let app = TestApp::start().await;
    let records = vec![record("a", "u-1"), record("", "u-2"), record("b", "u-3"), record("1", "u-4")];
    let (rejected, message) = taken(&app, request(records)).await;
    assert_eq!(rejected, 2);
    assert!(message.starts_with("2 of 4") && message.contains("record 1: ") && message.contains("record 3: "));
    assert_eq!(logged(&app).await, 2);
    let body =
        json!({"resourceLogs": [{"scopeLogs": [{"logRecords": [{"eventName": "c"}, {}, {"timeUnixNano": "x"}]}]}]});
    let reply = app.ingest(PATH, &[JSON], body.to_string()).await.expect(200);
    assert_eq!(reply.body["partialSuccess"]["rejectedLogRecords"], "2");
    assert!(reply.body["partialSuccess"]["errorMessage"].as_str().is_some_and(|text| text.contains("timeUnixNano")));
    assert_eq!(app.last_entry().await["accesses"][0], json!({"action": "c", "resource": "service/unknown"}));
}

#[tokio::test]
async fn a_record_with_the_id_of_another_entry_keeps_no_other_from_being_stored() {
    let app = TestApp::start().await;
    assert_eq!(taken(&app, request(vec![record("a", "u-1")])).await.0, 0);
    let (rejected, message) =
        taken(&app, request(vec![record("b", "u-2"), record("other", "u-1"), record("c", "u-3"), record("d", "u-2")]))
            .await;
    assert_eq!(rejected, 2);
    assert!(message.contains("record 1: ") && message.contains("record 3: ") && message.contains("u-1"), "{message}");
    assert_eq!(logged(&app).await, 3);
}

#[tokio::test]
async fn records_have_the_limits_of_entries() {
    let mut options = Options::default();
    options.server.settings.entry_max_bytes = 1_000;
    options.server.settings.batch_max_entries = 2;
    let app = TestApp::with(options).await;
    let (status, ..) = send(&app, request(vec![LogRecord::default(); 3])).await;
    assert_eq!(status, 413);
    let mut large = record("a", "u-1");
    large.severity_text = "x".repeat(900);
    let (rejected, message) = taken(&app, request(vec![large, record("a", "u-2")])).await;
    assert!(rejected == 1 && message.contains("record 0: ") && message.contains("1000 bytes"), "{message}");
    let many = json!({"resourceLogs": [{"scopeLogs": [{"logRecords": [{}, {}, {}]}]}]});
    app.ingest(PATH, &[JSON], many.to_string()).await.expect_problem(413, "request_too_large");
}

#[tokio::test]
async fn a_resource_that_all_entries_repeat_does_not_make_them_larger_than_a_body() {
    let mut options = Options::default();
    options.server.settings.ingest_body_max_bytes = 3_000;
    let app = TestApp::with(options).await;
    let resource = json!({"attributes": [{"key": "a", "value": {"stringValue": "x".repeat(1_000)}}]});
    let body = |records: usize| {
        let records = vec![json!({"eventName": "a"}); records];
        json!({"resourceLogs": [{"resource": resource, "scopeLogs": [{"logRecords": records}]}]}).to_string()
    };
    app.ingest(PATH, &[JSON], body(2)).await.expect(200);
    app.ingest(PATH, &[JSON], body(3)).await.expect_problem(413, "request_too_large");
    assert_eq!(logged(&app).await, 2);
}

#[tokio::test]
async fn errors_come_in_the_form_of_the_request() {
    let app = TestApp::start().await;
    for broken in
        [b"\x0a\xff".to_vec(), b"\x0a".to_vec(), b"{}".to_vec(), request(vec![record("a", "b")])[..40].to_vec()]
    {
        let (status, headers, body) = send(&app, broken).await;
        assert_eq!(status, 400);
        // google.rpc.Status: the message is field 2.
        assert!(body.starts_with(&[0x12]) && headers.contains_key("x-request-id"), "{body:?}");
    }
    for broken in ["", "[]", "{\"resourceLogs\": 1}"] {
        app.ingest(PATH, &[JSON], broken).await.expect_problem(400, "invalid_request");
    }
    app.ingest(PATH, &[("content-type", "text/plain")], "{}").await.expect_problem(415, "unsupported_media_type");
    assert_eq!(taken(&app, Vec::new()).await.0, 0);
    assert_eq!(app.ingest(PATH, &[JSON], "{}").await.expect(200).body, Value::Object(serde_json::Map::new()));
    let mut options = Options::default();
    options.server.disk_free_min_bytes = u64::MAX;
    let full = TestApp::with(options).await;
    let (status, headers, _) = send(&full, request(vec![record("a", "b")])).await;
    assert_eq!((status.as_u16(), &headers["retry-after"]), (503, &"60".parse().expect("is a value")));
}
