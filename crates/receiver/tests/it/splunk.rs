//! Splunk's HTTP Event Collector.

use http::Method;
use receiver::{Intake, Request};
use serde_json::{Value, json};

use crate::support::{NOW, accepts, divides, gzip, intake, options, post, refuses, with};

const KEY: (&str, &str) = ("authorization", "Splunk splunk-token");
const TARGET: &str = "/services/collector/event";
const CHANNEL: (&str, &str) = ("x-splunk-request-channel", "11111111-1111-1111-1111-111111111111");

fn event() -> Value {
    json!({"time": 1_800_000_000.123, "host": "h", "source": "s", "sourcetype": "st", "index": "audit",
        "event": {"title": "t"}, "fields": {"kind": "flag", "list": ["a", "b"]}})
}

fn send(events: &[Value]) -> Request {
    let body: String = events.iter().map(ToString::to_string).collect();
    post(TARGET, &[KEY], body)
}

#[test]
fn events_back_to_back_are_taken() {
    let intake = intake();
    accepts(&intake, &send(&[event(), event()]), 200, r#"{"text":"Success","code":0}"#, 2);
    let lines = format!("{}\n{}\n", event(), event());
    accepts(&intake, &post("/services/collector/event/1.0", &[KEY], lines.clone()), 200, "Success", 2);
    let packed = [KEY, ("content-encoding", "gzip")];
    accepts(&intake, &post(TARGET, &packed, gzip(lines.as_bytes())), 200, "Success", 2);
    accepts(&intake, &send(&[json!({"event": "text"})]), 200, "Success", 1);
}

#[test]
fn a_bad_event_is_named_and_those_before_it_are_stored() {
    let intake = intake();
    for (key, value, code) in [
        ("event", Value::Null, 12),
        ("event", json!(""), 13),
        ("time", json!("1800000000"), 6),
        ("time", json!(NOW), 6),
        ("time", json!(-1), 6),
        ("host", json!(5), 6),
        ("index", json!("other"), 7),
        ("fields", json!([]), 15),
        ("fields", json!({"a": {"b": 1}}), 15),
        ("fields", json!({"a": null}), 15),
    ] {
        let request = send(&[event(), event(), with(&event(), key, value), event()]);
        let reply = divides(&intake, &request, 400, r#""invalid-event-number":2"#, 2).value();
        assert_eq!(reply["code"], code, "{key}");
    }
    refuses(&intake, &post(TARGET, &[KEY], r#"{"event":null}"#), 400, r#""code":6"#);
    refuses(&intake, &post(TARGET, &[KEY], json!([event()]).to_string()), 400, r#""code":6"#);
    divides(&intake, &post(TARGET, &[KEY], format!("{}{{", event())), 400, r#""invalid-event-number":1"#, 1);
}

#[test]
fn a_request_is_refused_for_its_form() {
    let intake = intake();
    let body = event().to_string();
    let refused = |headers: &[(&str, &str)], body: String, status: u16, words: &str| {
        refuses(&intake, &post(TARGET, headers, body), status, words);
    };
    refused(&[], body.clone(), 401, r#"{"text":"Token is required","code":2}"#);
    refused(&[("authorization", "Bearer splunk-token")], body.clone(), 401, r#""code":3"#);
    refused(&[("authorization", "Splunk x")], body.clone(), 403, r#""code":4"#);
    refused(&[("authorization", "Splunk splunk-disabled")], body.clone(), 403, r#""code":1"#);
    refused(&[KEY], " \n".to_owned(), 400, r#""code":5"#);
    refused(&[KEY, ("content-encoding", "gzip")], body.clone(), 400, r#""code":6"#);
    refused(&[KEY], " ".repeat((1 << 20) + 1), 413, r#""code":27"#);
    refused(&[KEY, ("x-splunk-request-channel", "mine")], body.clone(), 400, r#""code":11"#);
    refuses(&intake, &post("/services/collector/ack", &[KEY], r#"{"acks":[0]}"#), 400, r#""code":14"#);
    refuses(&intake, &post("/services/collector/mint", &[KEY], body), 404, "not found");
}

#[test]
fn acknowledgement_needs_a_channel_and_tells_what_it_took() {
    let mut options = options();
    options.splunk_ack = true;
    let intake = Intake::new(options);
    let body = event().to_string();
    refuses(&intake, &post(TARGET, &[KEY], body.clone()), 400, r#""code":10"#);
    accepts(&intake, &post(TARGET, &[KEY, CHANNEL], body), 200, r#""ackId":0"#, 1);
    let ask = post("/services/collector/ack", &[KEY, CHANNEL], r#"{"acks":[0,1]}"#);
    accepts(&intake, &ask, 200, r#"{"acks":{"0":true,"1":false}}"#, 0);
}

#[test]
fn health_needs_no_token() {
    let mut ask = post("/services/collector/health/1.0", &[], "");
    ask.method = Method::GET;
    accepts(&intake(), &ask, 200, r#""code":17"#, 0);
}
