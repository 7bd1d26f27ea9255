//! Receivers of signed webhooks.

use aws_lc_rs::hmac;
use base64::{Engine, engine::general_purpose::STANDARD};
use http::Method;
use receiver::{Keys, Request};
use serde_json::{Value, json};

use crate::support::{NOW, SECOND, accepts, intake, post, refuses, with};

const JSON: (&str, &str) = ("content-type", "application/json");

fn entry() -> Value {
    json!({"_id": "e1", "_accountId": "a", "kind": "flag", "name": "n", "date": NOW,
        "accesses": [{"action": "updateOn", "resource": "proj/p:env/e:flag/f"}]})
}

fn sign(secret: &str, id: &str, timestamp: &str, body: &str) -> String {
    let key = STANDARD.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), format!("{id}.{timestamp}.{body}").as_bytes());
    format!("v1,{}", STANDARD.encode(tag))
}

fn hex_of(secret: &str, body: &str) -> String {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), body.as_bytes());
    tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn message(id: &str, timestamp: &str, signature: &str, body: &str) -> Request {
    let headers = [JSON, ("webhook-id", id), ("webhook-timestamp", timestamp), ("webhook-signature", signature)];
    post("/webhook-signed", &headers, body.to_owned())
}

#[test]
fn either_secret_signs() {
    let (intake, body, keys) = (intake(), entry().to_string(), Keys::default());
    let now = (NOW / SECOND).to_string();
    for secret in [&keys.webhook, &keys.webhook_previous] {
        let signature = sign(secret, "msg_1", &now, &body);
        accepts(&intake, &message("msg_1", &now, &signature, &body), 200, "received", 1);
        let among_others = format!("v1a,abc v1,AAAA {signature}");
        accepts(&intake, &message("msg_1", &now, &among_others, &body), 200, "received", 1);
    }
}

#[test]
fn what_is_not_signed_as_it_came_is_refused() {
    let (intake, body, keys) = (intake(), entry().to_string(), Keys::default());
    let now = (NOW / SECOND).to_string();
    let right = sign(&keys.webhook, "msg_1", &now, &body);
    refuses(&intake, &message("msg_2", &now, &right, &body), 401, "No matching signature");
    refuses(&intake, &message("msg_1", &now, &right, &format!("{body} ")), 401, "No matching signature");
    let other = sign("whsec_b3RoZXIgb3RoZXIgb3RoZXIgb3RoZXI=", "msg_1", &now, &body);
    refuses(&intake, &message("msg_1", &now, &other, &body), 401, "No matching signature");
    refuses(&intake, &message("msg_1", &now, &right[3..], &body), 401, "No matching signature");
    refuses(&intake, &message("msg.1", &now, &right, &body), 400, "Missing required headers");
    refuses(&intake, &message("msg_1", "", &right, &body), 400, "Missing required headers");
    refuses(&intake, &message("msg_1", "soon", &right, &body), 400, "Invalid Signature Headers");
    for seconds in [-301, 301] {
        let at = (NOW / SECOND + seconds).to_string();
        let signature = sign(&keys.webhook, "msg_1", &at, &body);
        refuses(&intake, &message("msg_1", &at, &signature, &body), 400, "timestamp too old or too new");
    }
}

#[test]
fn the_signature_of_launchdarkly_is_checked_where_it_is() {
    let (intake, body, keys) = (intake(), entry().to_string(), Keys::default());
    let now = (NOW / SECOND).to_string();
    let signature = sign(&keys.webhook, "msg_1", &now, &body);
    let with_ld = |ld: &str| {
        let mut request = message("msg_1", &now, &signature, &body);
        request.headers.append("x-ld-signature", ld.parse().unwrap());
        request
    };
    accepts(&intake, &with_ld(&hex_of(&keys.ld_webhook, &body)), 200, "received", 1);
    refuses(&intake, &with_ld(&hex_of("other", &body)), 401, "X-LD-Signature");
    let chronosphere = "/api/v1/data/events/receiver/launchdarkly";
    let right = hex_of(&keys.ld_webhook, &body);
    accepts(&intake, &post(chronosphere, &[JSON, ("x-ld-signature", &right)], body.clone()), 200, "received", 1);
    refuses(&intake, &post(chronosphere, &[JSON], body.clone()), 401, "X-LD-Signature");
    refuses(&intake, &post(chronosphere, &[("x-ld-signature", &right)], body), 415, "Content-Type");
}

#[test]
fn a_body_that_is_no_entry_is_refused() {
    let (intake, keys) = (intake(), Keys::default());
    let send = |body: &str| {
        let ld = hex_of(&keys.ld_webhook, body);
        post("/api/v1/data/events/receiver/launchdarkly", &[JSON, ("x-ld-signature", &ld)], body.to_owned())
    };
    for (key, value) in [
        ("_id", Value::Null),
        ("_accountId", json!("")),
        ("kind", json!(5)),
        ("name", Value::Null),
        ("date", json!("2027")),
        ("accesses", json!([])),
    ] {
        refuses(&intake, &send(&with(&entry(), key, value).to_string()), 400, key);
    }
    refuses(&intake, &send("[]"), 400, "object");
    let mut get = send(&entry().to_string());
    get.method = Method::GET;
    refuses(&intake, &get, 405, "POST");
}
