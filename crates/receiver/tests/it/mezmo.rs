//! Mezmo lines.

use receiver::Request;
use serde_json::{Value, json};

use crate::support::{DAY, NOW, SECOND, accepts, divides, gzip, intake, post, refuses, with};

const HEADERS: [(&str, &str); 2] = [("apikey", "logdna-key"), ("content-type", "application/json")];
const TARGET: &str = "/logs/ingest?hostname=auditcast&now=1800000000000";

fn line() -> Value {
    json!({"line": "a change", "timestamp": NOW, "app": "a", "level": "INFO", "env": "e", "meta": {"id": "1"}})
}

fn send(lines: &[Value]) -> Request {
    post(TARGET, &HEADERS, json!({"lines": lines}).to_string())
}

#[test]
fn lines_are_taken() {
    let intake = intake();
    let reply = accepts(&intake, &send(&[line(), line()]), 200, r#""status":"ok""#, 2);
    assert!(reply.value()["batchID"].is_string());
    accepts(&intake, &send(&[with(&line(), "timestamp", json!(NOW - DAY))]), 200, "ok", 1);
    accepts(&intake, &send(&[json!({"line": "x"})]), 200, "ok", 1);
    let packed = [HEADERS[0], HEADERS[1], ("content-encoding", "gzip")];
    accepts(&intake, &post(TARGET, &packed, gzip(json!({"lines": [line()]}).to_string().as_bytes())), 200, "ok", 1);
    // The user of Basic credentials is the key: `logdna-key:`.
    let basic = [("authorization", "Basic bG9nZG5hLWtleTo="), HEADERS[1]];
    accepts(&intake, &post(TARGET, &basic, json!({"lines": [line()]}).to_string()), 200, "ok", 1);
}

#[test]
fn a_bad_line_fails_alone_in_a_207() {
    let intake = intake();
    for (key, value) in [
        ("line", Value::Null),
        ("line", json!("")),
        ("line", json!(5)),
        ("timestamp", json!(NOW.to_string())),
        ("timestamp", json!(NOW / SECOND)),
        ("timestamp", json!(NOW - DAY - 1)),
        ("timestamp", json!(NOW + DAY + 1)),
        ("app", json!(5)),
        ("env", json!([])),
        ("level", json!(true)),
        ("meta", json!("a")),
    ] {
        let request = send(&[line(), with(&line(), key, value), line()]);
        divides(&intake, &request, 207, r#"{"status":[200,400,200]}"#, 2);
    }
    refuses(&intake, &send(&[json!("x")]), 207, r#"{"status":[400]}"#);
}

#[test]
fn a_request_is_refused_for_its_form() {
    let intake = intake();
    let body = json!({"lines": [line()]}).to_string();
    refuses(&intake, &post("/logs/ingest", &HEADERS, body.clone()), 400, "hostname");
    refuses(&intake, &post("/logs/ingest?hostname=", &HEADERS, body.clone()), 400, "hostname");
    refuses(&intake, &post("/logs/ingest?hostname=a&now=x", &HEADERS, body.clone()), 400, "now");
    refuses(&intake, &post(TARGET, &HEADERS[1..], body.clone()), 401, "NotAuthorized");
    refuses(&intake, &post(TARGET, &[("apikey", "x"), HEADERS[1]], body.clone()), 401, "NotAuthorized");
    refuses(&intake, &post(TARGET, &HEADERS[..1], body.clone()), 415, "Content-Type");
    let packed = [HEADERS[0], HEADERS[1], ("content-encoding", "br")];
    refuses(&intake, &post(TARGET, &packed, body), 400, "br");
    refuses(&intake, &post(TARGET, &HEADERS, "{"), 400, "JSON");
    refuses(&intake, &post(TARGET, &HEADERS, "[]"), 400, "lines");
    refuses(&intake, &post(TARGET, &HEADERS, r#"{"lines":[]}"#), 400, "lines");
    refuses(&intake, &post(TARGET, &HEADERS, vec![b' '; 10_000_001]), 413, "bytes");
}
