//! New Relic events and changes.

use receiver::Request;
use serde_json::{Value, json};

use crate::support::{DAY, HOUR, NOW, accepts, gzip, intake, post, refuses, with};

const HEADERS: [(&str, &str); 2] = [("api-key", "newrelic-key"), ("content-type", "application/json")];

fn event() -> Value {
    json!({"eventType": "AuditLogEntry", "timestamp": NOW, "title": "t", "number": 5})
}

fn send(events: &Value) -> Request {
    post("/v1/accounts/7/events", &HEADERS, events.to_string())
}

#[test]
fn events_are_taken_alone_and_in_lists() {
    let intake = intake();
    accepts(&intake, &send(&event()), 200, r#""success":true"#, 1);
    accepts(&intake, &send(&json!([event(), with(&event(), "timestamp", json!(NOW / 1_000))])), 200, "uuid", 2);
    let packed = [HEADERS[0], HEADERS[1], ("content-encoding", "gzip")];
    accepts(&intake, &post("/v1/accounts/7/events", &packed, gzip(event().to_string().as_bytes())), 200, "uuid", 1);
    let insert = [("x-insert-key", "newrelic-key"), HEADERS[1]];
    accepts(&intake, &post("/v1/accounts/7/events", &insert, event().to_string()), 200, "uuid", 1);
}

#[test]
fn events_are_refused_that_would_be_dropped_later() {
    let intake = intake();
    for (key, value, words) in [
        ("eventType", Value::Null, "eventType"),
        ("eventType", json!("audit-log"), "eventType"),
        ("title", json!("t".repeat(4_097)), "4096"),
        ("title", json!(["t"]), "title"),
        ("title", json!(true), "title"),
        ("timestamp", json!(NOW.to_string()), "timestamp"),
        ("timestamp", json!(NOW - 2 * DAY - 1), "48"),
        ("timestamp", json!(NOW + DAY + 1), "24"),
    ] {
        refuses(&intake, &send(&json!([event(), with(&event(), key, value)])), 400, words);
    }
    let wide: serde_json::Map<String, Value> = (0..254).map(|number| (format!("a{number}"), json!(1))).collect();
    refuses(&intake, &send(&with(&Value::Object(wide), "eventType", json!("E"))), 400, "254");
    refuses(&intake, &send(&json!(vec![event(); 2_001])), 413, "2000");
    refuses(&intake, &send(&json!("text")), 400, "list");
    refuses(&intake, &post("/v1/accounts/x/events", &HEADERS, "{}"), 404, "Not found");
    refuses(&intake, &post("/v1/accounts/7/events", &HEADERS[1..], "{}"), 403, "license key");
}

const QUERY: &str = "mutation($query: String!, $timestamp: EpochMilliseconds, $flag: String!) { \
    changeTrackingCreateEvent(changeTrackingEvent: {categoryAndTypeData: {categoryFields: {featureFlag: \
    {featureFlagId: $flag} }, kind: {category: \"FEATURE_FLAG\", type: \"BASIC\"} }, entitySearch: {query: $query}, \
    timestamp: $timestamp}) { changeTrackingEvent { changeTrackingId } } }";

fn variables() -> Value {
    json!({"query": "id = 'MXxBUE18QVBQTElDQVRJT058MQ'", "timestamp": NOW, "flag": "checkout"})
}

fn change(query: &str, variables: &Value) -> Request {
    post("/graphql", &HEADERS, json!({"query": query, "variables": variables}).to_string())
}

#[test]
fn a_change_is_recorded() {
    let intake = intake();
    let reply = accepts(&intake, &change(QUERY, &variables()), 200, "changeTrackingId", 1);
    assert_eq!(reply.value().get("errors"), None);
    assert_eq!(intake.received(None).pop().unwrap().destination, "new-relic-changes");
}

#[test]
fn what_is_wrong_with_a_change_is_said_in_a_success() {
    let intake = intake();
    for (key, value, words) in [
        ("query", json!("id = 'other'"), "exactly one entity"),
        ("query", Value::Null, "$query"),
        ("timestamp", json!(NOW.to_string()), "$timestamp"),
        ("timestamp", json!(NOW - 25 * HOUR), "24 hours"),
        ("timestamp", json!(NOW + 25 * HOUR), "24 hours"),
        ("flag", json!(""), "featureFlagId"),
        ("flag", Value::Null, "$flag"),
        ("other", json!("x"), "not declared"),
    ] {
        refuses(&intake, &change(QUERY, &with(&variables(), key, value)), 200, words);
    }
    for (wrong, words) in [
        (QUERY.replacen("} }, kind", "}, kind", 1), "no changeTrackingCreateEvent"),
        (format!("{QUERY}}}"), "was not opened"),
        (QUERY.replace("BASIC", "ROLLING"), "category"),
        (QUERY.replace("String!", "Text"), "is no Text"),
        (QUERY.replace("timestamp: $timestamp", "user: \\\"x\\\""), "not used"),
        ("query { actor { user } }".to_owned(), "no changeTrackingCreateEvent"),
    ] {
        refuses(&intake, &change(&wrong, &variables()), 200, words);
    }
    refuses(&intake, &post("/graphql", &HEADERS[1..], "{}"), 401, "API key");
    refuses(&intake, &post("/graphql", &HEADERS, "{"), 400, "JSON");
}
