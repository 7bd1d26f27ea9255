//! Dynatrace events v1 and v2.

use receiver::Request;
use serde_json::{Map, Value, json};

use crate::support::{DAY, HOUR, NOW, SECOND, accepts, intake, post, refuses, with};

const HEADERS: [(&str, &str); 2] =
    [("authorization", "Api-Token dynatrace-token"), ("content-type", "application/json; charset=utf-8")];

fn v1() -> Value {
    let rule = json!([{"meTypes": ["APPLICATION"], "tags": [{"context": "CONTEXTLESS", "key": "web"}]}]);
    json!({"eventType": "CUSTOM_CONFIGURATION", "start": NOW, "end": NOW, "source": "auditcast",
        "description": "a change", "configuration": "flag", "customProperties": {"a": "b"},
        "attachRules": {"tagRule": rule}})
}

fn send_v1(body: &Value) -> Request {
    post("/api/v1/events", &HEADERS, body.to_string())
}

fn v2() -> Value {
    json!({"eventType": "CUSTOM_CONFIGURATION", "title": "a change", "startTime": NOW, "endTime": NOW,
        "timeout": 15, "entitySelector": "type(APPLICATION),tag(\"web\")", "properties": {"a": "b"}})
}

fn send_v2(body: &Value) -> Request {
    post("/api/v2/events/ingest", &HEADERS, body.to_string())
}

#[test]
fn a_v1_event_is_taken() {
    let intake = intake();
    let reply = accepts(&intake, &send_v1(&v1()), 200, "storedEventIds", 1);
    assert_eq!(reply.value()["storedEventIds"].as_array().unwrap().len(), 1);
    let by_id = with(&v1(), "attachRules", json!({"entityIds": ["APPLICATION-1"]}));
    accepts(&intake, &send_v1(&by_id), 200, "storedEventIds", 1);
    accepts(&intake, &send_v1(&with(&v1(), "start", json!(NOW - 30 * DAY))), 200, "storedEventIds", 1);
    accepts(&intake, &post("/e/abc/api/v1/events", &HEADERS, v1().to_string()), 200, "storedEventIds", 1);
}

#[test]
fn a_v1_event_is_refused_for_what_is_in_it() {
    let intake = intake();
    let rule = |types: Value, tags: Value| json!({"tagRule": [{"meTypes": types, "tags": tags}]});
    let tag = json!({"context": "CONTEXTLESS", "key": "web"});
    let rows = [
        ("eventType", Value::Null, "eventType"),
        ("eventType", json!("FLAG"), "eventType"),
        ("eventType", json!("CUSTOM_DEPLOYMENT"), "deploymentName"),
        ("eventType", json!("CUSTOM_ANNOTATION"), "annotationType"),
        ("source", Value::Null, "source"),
        ("configuration", json!(""), "configuration"),
        ("description", json!(5), "description"),
        ("timestamp", json!(5), "timestamp"),
        ("start", json!(NOW.to_string()), "start"),
        ("start", json!(NOW / SECOND), "past"),
        ("start", json!(NOW - 30 * DAY - 1), "past"),
        ("end", json!(NOW + 7 * DAY + 1), "future"),
        ("end", json!(NOW - 1), "before"),
        ("timeoutMinutes", json!("5"), "timeoutMinutes"),
        ("customProperties", json!({"a": {"b": 1}}), "customProperties"),
        ("attachRules", Value::Null, "attachRules"),
        ("attachRules", json!({}), "attachRules"),
        ("attachRules", json!({"tags": []}), "attachRules.tags"),
        ("attachRules", json!({"entityIds": [""]}), "entityIds"),
        ("attachRules", rule(json!([]), json!([tag])), "meTypes"),
        ("attachRules", rule(json!(["Application"]), json!([tag])), "meTypes"),
        ("attachRules", rule(json!(["HOST"]), json!([])), "tags"),
        ("attachRules", rule(json!(["HOST"]), json!([{"context": "OTHER", "key": "a"}])), "context"),
        ("attachRules", rule(json!(["HOST"]), json!([{"context": "AWS", "key": ""}])), "key"),
    ];
    for (key, value, words) in rows {
        refuses(&intake, &send_v1(&with(&v1(), key, value)), 400, words);
    }
    let problem = with(&with(&v1(), "eventType", json!("ERROR_EVENT")), "start", json!(NOW - HOUR - 1));
    refuses(&intake, &send_v1(&problem), 400, "past");
}

#[test]
fn a_v2_event_is_taken() {
    let intake = intake();
    accepts(&intake, &send_v2(&v2()), 201, r#""status":"OK""#, 1);
    accepts(&intake, &send_v2(&json!({"eventType": "CUSTOM_INFO", "title": "t"})), 201, r#""reportCount":1"#, 1);
    let open = json!({"dt.event.description": "d", "x": "v".repeat(4_096)});
    accepts(&intake, &send_v2(&with(&v2(), "properties", open)), 201, "OK", 1);
}

#[test]
fn a_v2_event_is_refused_for_what_is_in_it() {
    let intake = intake();
    let many: Map<String, Value> = (0..101).map(|n| (format!("k{n}"), json!("v"))).collect();
    let rows = [
        ("eventType", Value::Null, "eventType"),
        ("eventType", json!("RESOURCE_CONTENTION"), "eventType"),
        ("title", json!(""), "title"),
        ("source", json!("auditcast"), "source"),
        ("startTime", json!(NOW / SECOND), "past"),
        ("endTime", json!(NOW - 1), "before"),
        ("timeout", json!(361), "timeout"),
        ("timeout", json!("15"), "timeout"),
        ("entitySelector", json!("tag()"), "entitySelector"),
        ("entitySelector", json!("tag(web)"), "entitySelector"),
        ("entitySelector", json!(5), "entitySelector"),
        ("properties", json!([]), "properties"),
        ("properties", json!({"a": 5}), "property a"),
        ("properties", json!({"dt.owner": "x"}), "reserved"),
        ("properties", json!({"k".repeat(101): "x"}), "100 characters"),
        ("properties", json!({"k": "x".repeat(4_097)}), "4096"),
        ("properties", Value::Object(many), "100 properties"),
    ];
    for (key, value, words) in rows {
        refuses(&intake, &send_v2(&with(&v2(), key, value)), 400, words);
    }
    let problem = |start: i64| {
        let open = with(&with(&v2(), "eventType", json!("ERROR_EVENT")), "endTime", Value::Null);
        send_v2(&with(&open, "startTime", json!(start)))
    };
    refuses(&intake, &problem(NOW - 6 * HOUR - 1), 400, "past");
    refuses(&intake, &problem(NOW + 300 * SECOND + 1), 400, "future");
    accepts(&intake, &problem(NOW + 300 * SECOND), 201, "OK", 1);
}

#[test]
fn a_request_is_refused_for_its_form() {
    let intake = intake();
    let path = "/api/v2/events/ingest";
    let body = v2().to_string();
    refuses(&intake, &post(path, &HEADERS[1..], body.clone()), 401, "Missing authorization");
    refuses(
        &intake,
        &post(path, &[("authorization", "Bearer dynatrace-token"), HEADERS[1]], body.clone()),
        401,
        "code",
    );
    refuses(&intake, &post(path, &[("authorization", "Api-Token x"), HEADERS[1]], body.clone()), 401, "Authentication");
    refuses(&intake, &post(path, &HEADERS[..1], body.clone()), 415, "Unsupported");
    refuses(&intake, &post(path, &HEADERS, ""), 400, "JSON");
    refuses(&intake, &post(path, &HEADERS, "[]"), 400, "object");
    refuses(&intake, &post(path, &HEADERS, vec![b' '; 1_000_001]), 413, "bytes");
    refuses(&intake, &post("/x/api/v2/events/ingest", &HEADERS, body), 404, "Not found");
}
