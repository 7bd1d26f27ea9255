//! Honeycomb events and markers.

use receiver::Request;
use serde_json::{Map, Value, json};

use crate::support::{NOW, SECOND, accepts, divides, gzip, intake, post, refuses, with};

const HEADERS: [(&str, &str); 2] = [("x-honeycomb-team", "honeycomb-key"), ("content-type", "application/json")];

fn event() -> Value {
    json!({"time": "2027-01-15T08:00:00.123Z", "samplerate": 1, "data": {"title": "t", "seq": 5, "deep": {"a": 1}}})
}

fn batch(events: &[Value]) -> Request {
    post("/1/batch/new%20set", &HEADERS, Value::from(events).to_string())
}

fn marker(body: &Value) -> Request {
    post("/1/markers/auditcast", &HEADERS, body.to_string())
}

#[test]
fn a_batch_is_answered_by_place() {
    let intake = intake();
    accepts(&intake, &batch(&[event(), event()]), 200, r#"[{"status":202},{"status":202}]"#, 2);
    let columns: Map<String, Value> = (0..2_001).map(|n| (format!("k{n}"), json!(n))).collect();
    let chunks: Map<String, Value> = (0..16).map(|n| (format!("k{n}"), json!("x".repeat(65_536)))).collect();
    let rows = [
        ("data", Value::Null, "Request body should not be empty."),
        ("data", json!({}), "Request body should not be empty."),
        ("data", json!([1]), "Request body should not be empty."),
        ("data", Value::Object(columns), "Event has too many columns."),
        ("data", json!({"k": "x".repeat(65_537)}), "64 KB"),
        ("data", Value::Object(chunks), "too large"),
        ("time", json!("yesterday"), "time"),
        ("time", json!(true), "time"),
        ("samplerate", json!(0), "samplerate"),
        ("samplerate", json!("1"), "samplerate"),
    ];
    for (key, value, words) in rows {
        let reply = divides(&intake, &batch(&[event(), with(&event(), key, value), event()]), 200, words, 2).value();
        let statuses: Vec<u64> =
            reply.as_array().unwrap().iter().map(|item| item["status"].as_u64().unwrap()).collect();
        assert_eq!(statuses, [202, 400, 202]);
    }
}

#[test]
fn a_packed_batch_is_taken_and_a_wrong_one_refused() {
    let intake = intake();
    let body = json!([event()]).to_string();
    let packed = [HEADERS[0], HEADERS[1], ("content-encoding", "gzip")];
    accepts(&intake, &post("/1/batch/a", &packed, gzip(body.as_bytes())), 200, "202", 1);
    refuses(&intake, &post("/1/batch/a", &packed, body.clone()), 400, "gzip");
    refuses(&intake, &post("/1/batch/a", &HEADERS, event().to_string()), 400, "array");
    refuses(&intake, &post("/1/batch/a", &HEADERS, "["), 400, "malformed");
    refuses(&intake, &post("/1/batch/a", &HEADERS, vec![b' '; 5_000_001]), 413, "too large");
    refuses(&intake, &post("/1/batch/a%2Fb", &HEADERS, body.clone()), 404, "not found");
    refuses(&intake, &post("/1/batch/a", &HEADERS[..1], body.clone()), 415, "Content-Type");
    refuses(&intake, &post("/1/batch/a", &HEADERS[1..], body), 401, "unknown API key - check your credentials");
}

#[test]
fn a_marker_needs_a_dataset() {
    let intake = intake();
    let body = json!({"message": "m", "type": "flag", "url": "https://e.test", "start_time": NOW / SECOND});
    let reply = accepts(&intake, &marker(&body), 201, r#""message":"m""#, 1);
    assert!(reply.value()["id"].is_string());
    accepts(&intake, &marker(&json!({})), 201, "id", 1);
    accepts(&intake, &post("/1/markers/__all__", &HEADERS, body.to_string()), 201, "id", 1);
    let other = post("/1/markers/New%20Set", &HEADERS, body.to_string());
    refuses(&intake, &other, 404, "Dataset not found");
    accepts(&intake, &batch(&[event()]), 200, "202", 1);
    accepts(&intake, &other, 201, "id", 1);
}

#[test]
fn a_marker_is_refused_for_what_is_in_it() {
    let intake = intake();
    for body in [
        json!({"start_time": NOW}),
        json!({"start_time": "1800000000"}),
        json!({"end_time": 1.5}),
        json!({"message": 5}),
        json!({"type": ["flag"]}),
    ] {
        refuses(&intake, &marker(&body), 422, "\"detail\"");
    }
    refuses(&intake, &marker(&json!([])), 400, "marker");
    let long = post("/1/markers/auditcast", &HEADERS, json!({"message": "m".repeat(100_000)}).to_string());
    refuses(&intake, &long, 413, "too large");
}
