//! Faults in process: the answers they make and what is stored under them.

use std::{collections::BTreeMap, time::Duration};

use receiver::{Delivery, Fault, FaultKind, Intake, Request};
use serde_json::{Value, json};

use crate::support::{NOW, accepts, divides, intake, post, refuses};

fn splunk(events: usize) -> Request {
    post("/services/collector/event", &[("authorization", "Splunk splunk-token")], "{\"event\":1}".repeat(events))
}

fn datadog() -> Request {
    let headers = [("dd-api-key", "datadog-key"), ("content-type", "application/json")];
    post("/api/v1/events", &headers, r#"{"title":"t","text":"x"}"#)
}

fn order(intake: &Intake, fault: Value) {
    intake.order(Fault::from_json(fault).unwrap()).unwrap();
}

fn header(intake: &Intake, request: &Request, name: &str) -> Option<String> {
    let headers = intake.answer(request).reply.headers;
    headers.into_iter().find(|(key, _)| key == name).map(|(_, value)| value)
}

#[test]
fn a_fault_meets_its_destination_as_often_as_ordered() {
    let intake = intake();
    order(&intake, json!({"destination": "splunk", "count": 2, "kind": "status", "status": 503}));
    accepts(&intake, &datadog(), 202, "ok", 1);
    refuses(&intake, &splunk(1), 503, r#""code":9"#);
    refuses(&intake, &splunk(1), 503, r#""code":9"#);
    accepts(&intake, &splunk(1), 200, "Success", 1);
    order(&intake, json!({"forever": true, "kind": "status", "status": 500, "body": "down"}));
    for _ in 0..3 {
        refuses(&intake, &datadog(), 500, "down");
        refuses(&intake, &splunk(1), 500, "down");
    }
    assert_eq!(intake.faults().len(), 1);
    intake.clear_faults();
    accepts(&intake, &splunk(1), 200, "Success", 1);
}

#[test]
fn waits_are_told_in_every_form() {
    let intake = intake();
    order(&intake, json!({"kind": "retry_after_seconds", "seconds": 7}));
    assert_eq!(header(&intake, &splunk(1), "retry-after").as_deref(), Some("7"));
    order(&intake, json!({"kind": "retry_after_date", "seconds": 90, "status": 503}));
    assert_eq!(header(&intake, &splunk(1), "retry-after").as_deref(), Some("Fri, 15 Jan 2027 08:01:30 GMT"));
    assert_eq!(intake.received(None).pop().unwrap().status, 503);
    order(&intake, json!({"kind": "vendor_rate_limit", "seconds": 7, "count": 3}));
    assert_eq!(header(&intake, &datadog(), "x-ratelimit-reset").as_deref(), Some("7"));
    let dynatrace = post("/api/v2/events/ingest", &[], "");
    let micros = ((NOW + 7_000) * 1_000).to_string();
    assert_eq!(header(&intake, &dynatrace, "x-ratelimit-reset"), Some(micros));
    assert_eq!(header(&intake, &post("/v2/event", &[], ""), "throttle-type").as_deref(), Some("token-throttled"));
    order(&intake, json!({"kind": "status", "status": 302, "headers": {"location": "https://e.test/"}}));
    assert_eq!(header(&intake, &datadog(), "location").as_deref(), Some("https://e.test/"));
}

#[test]
fn a_reset_after_the_body_stores_unless_told_otherwise() {
    let intake = intake();
    order(&intake, json!({"kind": "reset_after_body"}));
    assert_eq!(intake.answer(&splunk(2)).delivery, Delivery::Reset);
    assert_eq!(intake.summary()["splunk"].stored, 2);
    order(&intake, json!({"kind": "reset_after_body", "stored": false}));
    assert_eq!(intake.answer(&splunk(2)).delivery, Delivery::Reset);
    order(&intake, json!({"kind": "hang"}));
    assert_eq!(intake.answer(&splunk(2)).delivery, Delivery::Hang);
    assert_eq!(intake.summary()["splunk"].stored, 2);
    order(&intake, json!({"kind": "trickle", "interval_millis": 20}));
    assert_eq!(intake.answer(&splunk(1)).delivery, Delivery::Trickle(Duration::from_millis(20)));
    order(&intake, json!({"kind": "endless_body"}));
    assert_eq!(intake.answer(&splunk(1)).delivery, Delivery::Endless);
    assert_eq!(intake.summary()["splunk"].stored, 4);
}

#[test]
fn an_accepted_request_can_come_to_nothing() {
    let intake = intake();
    order(&intake, json!({"kind": "accepted_then_nothing", "count": 2}));
    refuses(&intake, &datadog(), 202, "ok");
    let dynatrace = [("authorization", "Api-Token dynatrace-token"), ("content-type", "application/json")];
    let event = json!({"eventType": "CUSTOM_INFO", "source": "s", "description": "d",
        "attachRules": {"entityIds": ["HOST-1"]}});
    refuses(&intake, &post("/api/v1/events", &dynatrace, event.to_string()), 200, r#""storedEventIds":[]"#);
}

#[test]
fn items_fail_inside_a_success() {
    let intake = intake();
    let fail = |destination: &str, status: u16| {
        order(&intake, json!({"destination": destination, "kind": "item_errors", "items": [1], "status": status}));
    };
    fail("splunk", 503);
    divides(&intake, &splunk(3), 503, r#""code":9,"invalid-event-number":1"#, 1);
    fail("splunk", 400);
    divides(&intake, &splunk(3), 400, r#""invalid-event-number":1"#, 1);
    fail("honeycomb", 429);
    let honeycomb = [("x-honeycomb-team", "honeycomb-key"), ("content-type", "application/json")];
    let batch = post("/1/batch/a", &honeycomb, r#"[{"data":{"a":1}},{"data":{"a":1}}]"#);
    divides(&intake, &batch, 200, r#"[{"status":202},{"status":429"#, 1);
    fail("logdna", 500);
    let mezmo = [("apikey", "logdna-key"), ("content-type", "application/json")];
    let lines = post("/logs/ingest?hostname=h", &mezmo, r#"{"lines":[{"line":"a"},{"line":"b"}]}"#);
    divides(&intake, &lines, 207, r#"{"status":[200,500]}"#, 1);
    fail("elastic", 429);
    let elastic = [("authorization", "ApiKey ZWxhc3RpYzprZXk="), ("content-type", "application/x-ndjson")];
    let pair = "{\"create\":{\"_index\":\"a\"}}\n{\"message\":\"m\"}\n";
    divides(&intake, &post("/_bulk", &elastic, pair.repeat(2)), 200, "es_rejected_execution_exception", 1);
    order(&intake, json!({"destination": "dynatrace-v2", "kind": "item_errors"}));
    let dynatrace = [("authorization", "Api-Token dynatrace-token"), ("content-type", "application/json")];
    let event = r#"{"eventType":"CUSTOM_INFO","title":"t"}"#;
    refuses(&intake, &post("/api/v2/events/ingest", &dynatrace, event), 201, r#""status":"INVALID"#);
}

#[test]
fn an_error_can_hide_in_the_text_of_a_200() {
    let intake = intake();
    order(&intake, json!({"kind": "text_error", "count": 2}));
    let teams = post("/webhookb2/a/IncomingWebhook/b", &[("content-type", "application/json")], r#"{"text":"t"}"#);
    refuses(&intake, &teams, 200, "Microsoft Teams endpoint returned HTTP error 429");
    refuses(&intake, &splunk(1), 200, "<html>");
}

#[test]
fn a_wrong_order_is_refused() {
    for (fault, words) in [
        (json!([]), "object"),
        (json!({"kind": "explode"}), "explode"),
        (json!({"kind": "status"}), "status"),
        (json!({"kind": "status", "status": 99}), "99"),
        (json!({"kind": "status", "status": 500, "times": 3}), "times"),
        (json!({"kind": "status", "status": 500, "headers": {"a b": "x"}}), "a b"),
        (json!({"kind": "hang", "count": 0}), "count"),
        (json!({"kind": "hang", "count": 1, "forever": true}), "both"),
        (json!({"kind": "hang", "destination": "fax"}), "fax"),
        (json!({"kind": "item_errors", "destination": "datadog"}), "item_errors"),
        (json!({"kind": "item_errors"}), "item_errors"),
    ] {
        let error = Fault::from_json(fault.clone()).unwrap_err();
        assert!(error.contains(words), "{error} for {fault}");
    }
    let kind = FaultKind::Status { status: 500, body: None, headers: BTreeMap::new(), stored: true };
    assert!(intake().order(Fault::new("nobody", 1, kind)).is_err());
}

#[test]
fn a_stored_request_can_be_answered_with_an_error() {
    let intake = intake();
    order(&intake, json!({"kind": "status", "status": 500, "stored": true}));
    let reply = intake.answer(&splunk(2)).reply;
    assert_eq!((reply.status, intake.summary()["splunk"].stored), (500, 2));
}
