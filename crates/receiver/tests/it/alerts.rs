//! PagerDuty, Opsgenie, Grafana, Last9 and Terraform.

use receiver::Request;
use serde_json::{Value, json};

use crate::support::{NOW, SECOND, accepts, intake, post, refuses, with};

const JSON: (&str, &str) = ("content-type", "application/json");
const ROUTING_KEY: &str = "0123456789abcdef0123456789abcdef";

fn payload() -> Value {
    json!({"summary": "s", "source": "x", "timestamp": "2027-01-15T08:00:00Z", "severity": "info", "custom_details": {}})
}

fn pagerduty(target: &str, event: &Value) -> Request {
    post(target, &[JSON], event.to_string())
}

fn change(payload: &Value) -> Value {
    json!({"routing_key": ROUTING_KEY, "payload": payload, "links": [{"href": "https://x.test/", "text": "t"}]})
}

fn alert(payload: &Value) -> Value {
    with(&with(&change(payload), "event_action", json!("trigger")), "dedup_key", json!("k".repeat(255)))
}

#[test]
fn pagerduty_takes_changes_and_alerts() {
    let intake = intake();
    accepts(&intake, &pagerduty("/v2/change/enqueue", &change(&payload())), 202, r#""status":"success""#, 1);
    accepts(&intake, &pagerduty("/v2/enqueue", &alert(&payload())), 202, "dedup_key", 1);
    accepts(&intake, &pagerduty("/v2/change/enqueue", &change(&json!({"summary": "s"}))), 202, "success", 1);
}

#[test]
fn pagerduty_refuses_events_for_what_is_in_them() {
    let intake = intake();
    for (key, value, words) in [
        ("summary", Value::Null, "summary"),
        ("summary", json!("s".repeat(1_025)), "1024"),
        ("timestamp", json!("2027-01-15 08:00:00"), "date-time"),
        ("timestamp", json!(NOW), "timestamp"),
        ("source", json!(5), "source"),
        ("custom_details", json!("text"), "custom_details"),
    ] {
        let wrong = with(&payload(), key, value);
        refuses(&intake, &pagerduty("/v2/change/enqueue", &change(&wrong)), 400, words);
        refuses(&intake, &pagerduty("/v2/enqueue", &alert(&wrong)), 400, words);
    }
    for (key, value) in [("severity", json!("grave")), ("severity", Value::Null), ("source", Value::Null)] {
        refuses(&intake, &pagerduty("/v2/enqueue", &alert(&with(&payload(), key, value))), 400, "required");
    }
    for (key, value, words) in [
        ("event_action", Value::Null, "event_action"),
        ("dedup_key", json!("k".repeat(256)), "dedup_key"),
        ("links", json!([{"text": "t"}]), "href"),
        ("payload", Value::Null, "payload"),
        ("routing_key", json!("other"), "routing_key"),
    ] {
        refuses(&intake, &pagerduty("/v2/enqueue", &with(&alert(&payload()), key, value)), 400, words);
    }
    let large = with(&payload(), "custom_details", json!({"a": "x".repeat(512 << 10)}));
    refuses(&intake, &pagerduty("/v2/change/enqueue", &change(&large)), 413, "524288");
}

const GENIE: [(&str, &str); 2] = [("authorization", "GenieKey opsgenie-key"), JSON];

#[test]
fn opsgenie_refuses_alerts_for_what_is_in_them() {
    let intake = intake();
    let alert = json!({"message": "m".repeat(130), "alias": "a", "description": "d".repeat(15_000), "priority": "P5",
        "tags": vec!["t".repeat(50); 20], "details": {"k": "v"}, "entity": "e", "source": "s", "user": "u"});
    let send = |alert: &Value| post("/v2/alerts", &GENIE, alert.to_string());
    accepts(&intake, &send(&alert), 202, "requestId", 1);
    let jsm = post("/jsm/ops/integration/v2/alerts", &GENIE, alert.to_string());
    accepts(&intake, &Request { host: "api.atlassian.com".to_owned(), ..jsm }, 202, "requestId", 1);
    for (key, value, words) in [
        ("message", Value::Null, "Message can not be empty"),
        ("message", json!("m".repeat(131)), "130"),
        ("alias", json!("a".repeat(513)), "512"),
        ("description", json!("d".repeat(15_001)), "15000"),
        ("priority", json!("P0"), "P1 to P5"),
        ("tags", json!(vec!["t"; 21]), "20"),
        ("tags", json!(["t".repeat(51)]), "50"),
        ("details", json!({"k": 5}), "details"),
        ("details", json!({"k": "v".repeat(8_000)}), "8000"),
        ("user", json!("u".repeat(101)), "100"),
        ("title", json!("t"), "title"),
    ] {
        refuses(&intake, &send(&with(&alert, key, value)), 422, words);
    }
    refuses(&intake, &post("/v2/alerts", &[("authorization", "GenieKey other"), JSON], "{}"), 401, "authenticate");
    refuses(&intake, &post("/v2/alerts", &[JSON], "{}"), 401, "missing");
    refuses(&intake, &post("/v2/alerts", &GENIE, "{"), 400, "processable");
}

const BEARER: [(&str, &str); 2] = [("authorization", "Bearer grafana-token"), JSON];

#[test]
fn grafana_refuses_annotations_for_what_is_in_them() {
    let intake = intake();
    let annotation = json!({"time": NOW, "text": "t", "tags": ["t".repeat(100)], "data": {"a": 1}});
    let send = |annotation: &Value| post("/api/annotations", &BEARER, annotation.to_string());
    accepts(&intake, &send(&annotation), 200, "Annotation added", 1);
    for (key, value, status, words) in [
        ("text", Value::Null, 400, "text field"),
        ("time", json!(NOW / SECOND), 400, "milliseconds"),
        ("time", json!(NOW.to_string()), 400, "time"),
        ("tags", json!("a,b"), 400, "tags"),
        ("tags", json!(["t".repeat(101)]), 500, "Failed to save"),
        ("tags", json!(vec!["t".repeat(100); 42]), 500, "Failed to save"),
        ("text", json!("t".repeat(65_536)), 500, "Failed to save"),
        ("title", json!("t"), 400, "title"),
    ] {
        refuses(&intake, &send(&with(&annotation, key, value)), status, words);
    }
    refuses(&intake, &post("/api/annotations", &[JSON], "{}"), 401, "API key");
}

#[test]
fn last9_is_sent_what_its_own_integration_sends() {
    let intake = intake();
    let event = json!({"version": "1.0", "eventSource": "s", "eventName": "n", "eventTime": (NOW / SECOND).to_string(),
        "userIdentity": {"userName": "u"}, "additionalEventData": {}});
    let target = "/v4/x/events/receiver/launchdarkly";
    let headers = [("x-last9-api-token", "Bearer last9-token"), JSON];
    let send = |event: &Value| post(target, &headers, event.to_string());
    accepts(&intake, &send(&event), 200, "ok", 1);
    for (key, value, words) in [
        ("version", Value::Null, "version"),
        ("eventName", json!(""), "eventName"),
        ("eventTime", json!(NOW.to_string()), "seconds"),
        ("eventTime", json!(NOW / SECOND), "eventTime"),
        ("userIdentity", Value::Null, "userName"),
        ("additionalEventData", json!([]), "additionalEventData"),
    ] {
        refuses(&intake, &send(&with(&event, key, value)), 400, words);
    }
    refuses(&intake, &post(target, &[JSON], event.to_string()), 401, "unauthorized");
}

#[test]
fn terraform_starts_runs_of_the_workspace_that_it_knows() {
    let intake = intake();
    let run = |id: &str| {
        json!({"data": {"type": "runs", "attributes": {"message": "m"},
            "relationships": {"workspace": {"data": {"type": "workspaces", "id": id}}}}})
    };
    let headers = [("authorization", "Bearer terraform-token"), ("content-type", "application/vnd.api+json")];
    let send = |headers: &[(&str, &str)], body: String| Request {
        host: "app.terraform.io".to_owned(),
        ..post("/api/v2/runs", headers, body)
    };
    let right = run("ws-4BVpp4ZcUkKQiYDR");
    accepts(&intake, &send(&headers, right.to_string()), 201, r#""type":"runs""#, 1);
    refuses(&intake, &send(&headers, run("ws-other").to_string()), 404, "not found");
    refuses(&intake, &send(&headers, json!({"data": {"type": "runs"}}).to_string()), 422, "workspace");
    refuses(&intake, &send(&headers, "{".to_owned()), 400, "JSON");
    refuses(&intake, &send(&headers[1..], right.to_string()), 401, "unauthorized");
    refuses(&intake, &send(&[headers[0], JSON], right.to_string()), 415, "vnd.api+json");
    let mut numbered = right.clone();
    numbered["data"]["attributes"]["message"] = json!(5);
    refuses(&intake, &send(&headers, numbered.to_string()), 422, "message");
}
