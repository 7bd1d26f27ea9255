//! Datadog events v1.

use http::Method;
use receiver::Request;
use serde_json::{Value, json};

use crate::support::{DAY, HOUR, NOW, SECOND, accepts, gzip, intake, post, refuses, with};

const HEADERS: [(&str, &str); 2] = [("dd-api-key", "datadog-key"), ("content-type", "application/json")];

fn event() -> Value {
    json!({"title": "a flag", "text": "was switched on", "date_happened": NOW / SECOND, "priority": "normal",
        "alert_type": "info", "tags": ["kind:flag"], "aggregation_key": "flag", "source_type_name": "x",
        "host": "h", "device_name": "d", "related_event_id": 5})
}

fn send(body: &Value) -> Request {
    post("/api/v1/events", &HEADERS, body.to_string())
}

#[test]
fn an_event_is_taken() {
    let intake = intake();
    let reply = accepts(&intake, &send(&event()), 202, r#""status":"ok""#, 1);
    assert!(reply.value()["event"]["id"].is_u64());
    accepts(&intake, &send(&json!({"title": "t".repeat(300), "text": "x".repeat(4_000)})), 202, "ok", 1);
    accepts(&intake, &send(&with(&event(), "text", json!("é".repeat(4_000)))), 202, "ok", 1);
    accepts(&intake, &send(&with(&event(), "tags", json!(vec!["t"; 100]))), 202, "ok", 1);
    accepts(&intake, &send(&with(&event(), "aggregation_key", json!("k".repeat(100)))), 202, "ok", 1);
    accepts(&intake, &send(&with(&event(), "date_happened", json!((NOW - 18 * HOUR) / SECOND))), 202, "ok", 1);
}

#[test]
fn an_event_is_refused_for_what_is_in_it() {
    let intake = intake();
    let rows = [
        ("title", Value::Null, "title"),
        ("title", json!(5), "title"),
        ("text", Value::Null, "text"),
        ("text", json!("x".repeat(4_001)), "4000"),
        ("host", json!(["h"]), "host"),
        ("aggregation_key", json!("k".repeat(101)), "aggregation_key"),
        ("alert_type", json!("audit"), "alert_type"),
        ("priority", json!("high"), "priority"),
        ("date_happened", json!("1800000000"), "date_happened"),
        ("date_happened", json!(1.5), "date_happened"),
        ("date_happened", json!(NOW), "future"),
        ("date_happened", json!((NOW + 2 * DAY) / SECOND), "future"),
        ("related_event_id", json!("5"), "related_event_id"),
        ("tags", json!("a,b"), "tags"),
        ("tags", json!(["a", 5]), "tags"),
        ("tags", json!(vec!["t"; 101]), "tags"),
        ("timestamp", json!(5), "timestamp"),
    ];
    for (key, value, words) in rows {
        refuses(&intake, &send(&with(&event(), key, value)), 400, words);
    }
}

#[test]
fn an_old_event_is_refused_in_json_that_is_called_text() {
    let intake = intake();
    let old = with(&event(), "date_happened", json!((NOW - 18 * HOUR) / SECOND - 1));
    let reply = refuses(&intake, &send(&old), 400, r#"{"errors":["Event too far in the past"]}"#);
    assert!(reply.headers[0].1.starts_with("text/plain"));
}

#[test]
fn a_request_is_refused_for_its_form() {
    let intake = intake();
    let body = event().to_string();
    refuses(&intake, &post("/api/v1/events", &HEADERS[1..], body.clone()), 403, "Forbidden");
    refuses(&intake, &post("/api/v1/events", &[("dd-api-key", "other"), HEADERS[1]], body.clone()), 403, "Forbidden");
    refuses(&intake, &post("/api/v1/events", &HEADERS[..1], body.clone()), 415, "Content-Type");
    refuses(&intake, &post("/api/v1/events", &HEADERS, "[]"), 400, "object");
    refuses(&intake, &post("/api/v1/events", &HEADERS, "{\"title\":\"a \\&quot;b\\&quot;\"}"), 400, "object");
    let mut headers = HEADERS.to_vec();
    headers.push(("content-encoding", "gzip"));
    refuses(&intake, &post("/api/v1/events", &headers, gzip(body.as_bytes())), 415, "gzip");
    let mut get = send(&event());
    get.method = Method::GET;
    refuses(&intake, &get, 404, "Not found");
}
