//! New Relic deployments.

use http::Method;
use receiver::{Intake, Request};
use serde_json::{Value, json};

use crate::support::{accepts, intake, options, post, refuses, with};

const HEADERS: [(&str, &str); 2] = [("api-key", "newrelic-key"), ("content-type", "application/json")];

fn deployment() -> Value {
    json!({"revision": "r", "changelog": "c", "description": "d", "user": "u", "timestamp": "2027-01-15T07:59:59Z"})
}

fn to(application: u32, deployment: &Value) -> Request {
    let target = format!("/v2/applications/{application}/deployments.json");
    post(&target, &HEADERS, json!({"deployment": deployment}).to_string())
}

#[test]
fn deployments_of_an_application_come_in_order() {
    let intake = intake();
    let at = |time: &str| with(&deployment(), "timestamp", json!(time));
    accepts(&intake, &to(1, &at("2027-01-15T07:00:00Z")), 201, r#""timestamp":"2027-01-15T07:00:00Z""#, 1);
    accepts(&intake, &to(1, &at("2027-01-15T07:00:01Z")), 201, "revision", 1);
    refuses(&intake, &to(1, &at("2027-01-15T07:00:01Z")), 400, "not after");
    refuses(&intake, &to(1, &at("2027-01-15T06:59:59Z")), 400, "not after");
    accepts(&intake, &to(2, &at("2027-01-15T06:59:59Z")), 201, "revision", 1);
    let untimed = with(&deployment(), "timestamp", Value::Null);
    accepts(&intake, &to(1, &untimed), 201, "2027-01-15T08:00:00Z", 1);
    accepts(&intake, &to(1, &untimed), 201, "2027-01-15T08:00:00Z", 1);
    refuses(&intake, &to(1, &at("2027-01-15T08:00:00Z")), 400, "not after");
}

#[test]
fn a_deployment_is_refused_for_what_is_in_it() {
    let intake = intake();
    for (key, value, words) in [
        ("revision", Value::Null, "revision"),
        ("revision", json!(""), "revision"),
        ("revision", json!("r".repeat(128)), "127"),
        ("user", json!("u".repeat(32)), "31"),
        ("user", json!({"name": "u"}), "user"),
        ("changelog", json!("c".repeat(65_536)), "65535"),
        ("description", json!("d".repeat(65_536)), "65535"),
        ("timestamp", json!(1_800_000_000), "timestamp"),
        ("timestamp", json!("2027-01-15 07:00:00"), "ISO 8601"),
        ("timestamp", json!("2027-01-15T07:00:00.123Z"), "ISO 8601"),
        ("timestamp", json!("2027-01-15T07:00:00+00:00"), "ISO 8601"),
        ("timestamp", json!("2027-01-15T08:00:01Z"), "future"),
    ] {
        refuses(&intake, &to(1, &with(&deployment(), key, value)), 400, words);
    }
    let longest = with(&with(&deployment(), "revision", json!("r".repeat(127))), "user", json!("u".repeat(31)));
    accepts(&intake, &to(1, &longest), 201, "id", 1);
}

#[test]
fn a_request_is_refused_for_its_form() {
    let mut options = options();
    options.newrelic_applications = vec!["7".to_owned()];
    let intake = Intake::new(options);
    let target = "/v2/applications/7/deployments.json";
    let body = json!({"deployment": deployment()}).to_string();
    refuses(&intake, &to(1, &deployment()), 404, "No Application found with ID '1'");
    refuses(&intake, &post(target, &HEADERS[1..], body.clone()), 401, "API key");
    refuses(&intake, &post(target, &HEADERS[..1], body.clone()), 415, "Content-Type");
    refuses(&intake, &post(target, &HEADERS, deployment().to_string()), 400, "deployment");
    refuses(&intake, &post(target, &HEADERS, "{"), 400, "JSON");
    let packed = [HEADERS[0], HEADERS[1], ("content-encoding", "gzip")];
    refuses(&intake, &post(target, &packed, body.clone()), 415, "gzip");
    refuses(&intake, &post("/v2/applications/x/deployments.json", &HEADERS, body.clone()), 404, "not be found");
    let mut put = to(7, &deployment());
    put.method = Method::PUT;
    refuses(&intake, &put, 404, "not be found");
    accepts(&intake, &post(target, &[("x-api-key", "newrelic-key"), HEADERS[1]], body), 201, "id", 1);
}
