//! SignalFx events.

use receiver::Request;
use serde_json::{Value, json};

use crate::support::{DAY, NOW, SECOND, accepts, gzip, intake, post, refuses, with};

const HEADERS: [(&str, &str); 2] = [("x-sf-token", "signalfx-token"), ("content-type", "application/json")];

fn event() -> Value {
    json!({"eventType": "flag_change", "category": "AUDIT", "timestamp": NOW, "dimensions": {"env": "prod"},
        "properties": {"title": "a change", "n": 5, "b": true}})
}

fn send(event: &Value) -> Request {
    post("/v2/event", &HEADERS, json!([event]).to_string())
}

#[test]
fn events_are_taken_with_a_quoted_ok() {
    let intake = intake();
    let body = json!([event(), event()]).to_string();
    let reply = accepts(&intake, &post("/v2/event", &HEADERS, body.clone()), 200, "OK", 2);
    assert_eq!(&reply.body[..], b"\"OK\"");
    accepts(&intake, &send(&json!({"eventType": "x"})), 200, "OK", 1);
    let packed = [HEADERS[0], HEADERS[1], ("content-encoding", "gzip")];
    accepts(&intake, &post("/v2/event", &packed, gzip(body.as_bytes())), 200, "OK", 2);
}

#[test]
fn an_event_is_refused_for_what_is_in_it() {
    let intake = intake();
    for (key, value, words) in [
        ("eventType", Value::Null, "eventType"),
        ("eventType", json!(""), "eventType"),
        ("eventType", json!("a flag change"), "eventType"),
        ("eventType", json!("änderung"), "eventType"),
        ("eventType", json!("x".repeat(257)), "eventType"),
        ("category", json!("FLAG"), "category"),
        ("timestamp", json!(NOW.to_string()), "timestamp"),
        ("timestamp", json!(NOW / SECOND), "timestamp"),
        ("timestamp", json!(1.5), "timestamp"),
        ("timestamp", json!(NOW + DAY + 1), "timestamp"),
        ("dimensions", json!([]), "dimensions"),
        ("dimensions", json!({"_env": "a"}), "_env"),
        ("dimensions", json!({"1": "a"}), "dimension"),
        ("dimensions", json!({"a.b": "a"}), "a.b"),
        ("dimensions", json!({"k".repeat(129): "a"}), "dimension"),
        ("dimensions", json!({"env": ""}), "env"),
        ("dimensions", json!({"env": 5}), "env"),
        ("dimensions", json!({"env": "v".repeat(257)}), "env"),
        ("properties", json!({"a": {"b": 1}}), "properties"),
        ("properties", json!({"a": null}), "properties"),
        ("properties", json!("a"), "properties"),
    ] {
        refuses(&intake, &send(&with(&event(), key, value)), 400, words);
    }
}

#[test]
fn a_request_is_refused_for_its_form() {
    let intake = intake();
    let body = json!([event()]).to_string();
    refuses(&intake, &post("/v2/event", &HEADERS[1..], body.clone()), 401, "Unauthorized");
    refuses(&intake, &post("/v2/event", &[("x-sf-token", "x"), HEADERS[1]], body.clone()), 401, "Unauthorized");
    refuses(&intake, &post("/v2/event", &HEADERS[..1], body.clone()), 415, "Content-Type");
    refuses(&intake, &post("/v2/event", &HEADERS, event().to_string()), 400, "list of events");
    refuses(&intake, &post("/v2/event", &HEADERS, "[]"), 400, "no event");
    refuses(&intake, &post("/v2/event", &HEADERS, "[5]"), 400, "no object");
    refuses(&intake, &post("/v2/event", &HEADERS, vec![b' '; (2 << 20) + 1]), 413, "bytes");
    let packed = [HEADERS[0], HEADERS[1], ("content-encoding", "deflate")];
    refuses(&intake, &post("/v2/event", &packed, body), 415, "deflate");
}
