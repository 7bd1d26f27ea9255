//! Datadog's logs, Loki, Splunk's raw endpoint and Elastic's data streams.

use receiver::Request;
use serde_json::{Value, json};

use crate::support::{DAY, HOUR, NOW, accepts, divides, gzip, intake, post, refuses, with};

const DATADOG: [(&str, &str); 2] = [("dd-api-key", "datadog-key"), ("content-type", "application/json")];
const LOKI: [(&str, &str); 2] =
    [("authorization", "Basic bG9raTpsb2tpLXBhc3N3b3Jk"), ("content-type", "application/json")];
const SPLUNK: [(&str, &str); 1] = [("authorization", "Splunk splunk-token")];

fn log() -> Value {
    json!({"message": "m", "ddsource": "auditcast", "ddtags": "a:b", "service": "s", "status": "info", "timestamp": NOW})
}

fn datadog(logs: &Value) -> Request {
    post("/api/v2/logs", &DATADOG, logs.to_string())
}

#[test]
fn datadog_takes_a_list_of_logs() {
    let intake = intake();
    accepts(&intake, &datadog(&json!([log(), log()])), 202, "{}", 2);
    accepts(&intake, &datadog(&with(&log(), "timestamp", json!("2027-01-15T07:59:59Z"))), 202, "{}", 1);
    let packed = [DATADOG[0], DATADOG[1], ("content-encoding", "gzip")];
    accepts(&intake, &post("/api/v2/logs", &packed, gzip(json!([log()]).to_string().as_bytes())), 202, "{}", 1);
    for (key, value, words) in [
        ("message", Value::Null, "message"),
        ("message", json!({"a": 1}), "message"),
        ("message", json!("m".repeat(1_000_000)), "1 MB"),
        ("ddtags", json!(["a:b"]), "ddtags"),
        ("timestamp", json!(NOW / 1_000), "milliseconds"),
        ("timestamp", json!(NOW - 18 * HOUR - 1), "18 hours"),
        ("timestamp", json!(NOW.to_string()), "ISO 8601"),
    ] {
        refuses(&intake, &datadog(&json!([log(), with(&log(), key, value)])), 400, words);
    }
    refuses(&intake, &datadog(&json!([])), 400, "1 to 1000");
    refuses(&intake, &datadog(&json!(vec![log(); 1_001])), 400, "1 to 1000");
    refuses(&intake, &datadog(&json!("text")), 400, "expected format");
    refuses(&intake, &post("/api/v2/logs", &DATADOG[1..], json!([log()]).to_string()), 403, "Forbidden");
    refuses(&intake, &post("/api/v2/logs", &DATADOG[..1], json!([log()]).to_string()), 415, "Content-Type");
}

fn stream(millis: i64, line: &str) -> Value {
    json!({"stream": {"job": "j"}, "values": [[format!("{millis}000000"), line, {"a_1": "b"}]]})
}

fn loki(streams: &Value) -> Request {
    post("/loki/api/v1/push", &LOKI, json!({"streams": streams}).to_string())
}

#[test]
fn loki_keeps_the_rest_when_it_refuses_a_line() {
    let intake = intake();
    accepts(&intake, &loki(&json!([stream(NOW, "a"), stream(NOW - HOUR, "b")])), 204, "", 2);
    divides(&intake, &loki(&json!([stream(NOW, "c"), stream(NOW - 8 * DAY, "d")])), 400, "too old", 1);
    divides(&intake, &loki(&json!([stream(NOW, "e"), stream(NOW + HOUR, "f")])), 400, "too new", 1);
    divides(&intake, &loki(&json!([stream(NOW - HOUR - 1, "g"), stream(NOW, "h")])), 400, "too far behind", 1);
    refuses(&intake, &loki(&json!([stream(NOW, &"x".repeat(262_145))])), 400, "Max entry size");
}

#[test]
fn loki_keeps_the_same_line_of_one_time_once() {
    let intake = intake();
    accepts(&intake, &loki(&json!([stream(NOW, "a"), stream(NOW, "a"), stream(NOW - 1, "a")])), 204, "", 2);
    accepts(&intake, &loki(&json!([stream(NOW, "a")])), 204, "", 0);
}

#[test]
fn loki_refuses_requests_that_it_cannot_read() {
    let intake = intake();
    let values = |value: Value| json!([{"stream": {"job": "j"}, "values": [value]}]);
    let at = format!("{NOW}000000");
    for (streams, words) in [
        (json!([]), "label pair"),
        (json!([{"stream": {}, "values": [[at, "a"]]}]), "labels"),
        (json!([{"stream": {"a-b": "c"}, "values": [[at, "a"]]}]), "labels"),
        (json!([{"stream": {"a": 5}, "values": [[at, "a"]]}]), "labels"),
        (values(json!([NOW, "a"])), "nanoseconds"),
        (values(json!(["soon", "a"])), "nanoseconds"),
        (values(json!([at, {"a": 1}])), "a line"),
        (values(json!([at, "a", {"n": 5}])), "metadata"),
        (values(json!([at, "a", {"a.b": "c"}])), "metadata"),
    ] {
        refuses(&intake, &loki(&streams), 400, words);
    }
    let large = json!({"a": "x".repeat(65_536)});
    refuses(&intake, &loki(&values(json!([at, "a", large]))), 400, "metadata too large");
    let body = json!({"streams": [stream(NOW, "a")]}).to_string();
    refuses(&intake, &post("/loki/api/v1/push", &LOKI[1..], body.clone()), 401, "credentials");
    refuses(&intake, &post("/loki/api/v1/push", &LOKI[..1], body), 415, "Content-Type");
}

#[test]
fn splunk_takes_lines_as_they_are() {
    let intake = intake();
    let raw = |query: &str, body: &str| post(&format!("/services/collector/raw{query}"), &SPLUNK, body.to_owned());
    accepts(&intake, &raw("?index=audit&sourcetype=x", "{\"a\":1}\n{\"a\":2}\n"), 200, r#""code":0"#, 2);
    assert_eq!(intake.received(None).pop().unwrap().destination, "splunk-raw");
    refuses(&intake, &raw("?index=nowhere", "{}"), 400, "Incorrect index");
    refuses(&intake, &raw("?channel=1", "{}"), 400, "Invalid data channel");
    refuses(&intake, &raw("", " \n"), 400, "No data");
    refuses(&intake, &raw("", "{\"a\":1}\nplain text\n"), 400, "Invalid data format");
    refuses(&intake, &raw("", &format!("{{\"a\":\"{}\"}}", "x".repeat(1 << 20))), 413, "too large");
    refuses(&intake, &post("/services/collector/raw", &[], "{}"), 401, "Token is required");
}

#[test]
fn a_data_stream_takes_its_own_names_only() {
    let intake = intake();
    let headers = [("authorization", "ApiKey ZWxhc3RpYzprZXk="), ("content-type", "application/x-ndjson")];
    let send = |id: &str, stream: Value| {
        let source = json!({"@timestamp": "2027-01-15T08:00:00.000Z", "data_stream": stream});
        post("/logs-audit-prod/_bulk", &headers, format!("{}\n{source}\n", json!({"create": {"_id": id}})))
    };
    accepts(&intake, &send("1", json!({"type": "logs", "dataset": "audit", "namespace": "prod"})), 200, "created", 1);
    accepts(&intake, &send("2", json!({"dataset": "audit"})), 200, "created", 1);
    assert_eq!(intake.received(None).pop().unwrap().destination, "elastic-data-stream");
    for wrong in [json!({"dataset": "other"}), json!({"namespace": "test"}), json!({"type": "metrics"})] {
        refuses(&intake, &send("3", wrong), 200, "constant_keyword");
    }
}
