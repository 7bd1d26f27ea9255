//! Sources that sign what they send: made, listed, deleted, recorded; signatures and limits.

use std::{net::SocketAddr, num::NonZeroU32};

use api::RateLimits;
use app::Grant;
use aws_lc_rs::hmac;
use axum::{body::Body, extract::ConnectInfo, http::Request};
use serde_json::{Value, json};

use crate::support::{Options, Reply, TestApp};

const PATH: &str = "/api/v2/ingest-sources";
const SECRET: &str = "canary-secret-of-a-source";

fn source() -> Value {
    json!({"kind": "launchdarkly", "name": "Hosted", "secret": SECRET})
}

fn entry(id: &str) -> String {
    json!({
        "_links": {"self": {"href": format!("/api/v2/auditlog/{id}"), "type": "application/json"}},
        "_id": id, "_accountId": "66f0c0ffee00000000000acc", "date": 1_790_000_000_000_i64, "kind": "flag", "name": "Checkout",
        "accesses": [{"action": "updateOn", "resource": "proj/shop:env/production:flag/checkout"}],
        "titleVerb": "turned on the flag", "description": "", "shortDescription": "",
    })
    .to_string()
}

fn sign(secret: &str, body: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    hmac::sign(&key, body.as_bytes()).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Sends as LaunchDarkly does: without a token.
async fn send(app: &TestApp, path: &str, headers: &[(&str, &str)], body: &str) -> Reply {
    let mut request = Request::post(path).header("content-type", "application/json");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    app.send(request.body(Body::from(body.to_owned())).expect("a request")).await
}

async fn signed(app: &TestApp, path: &str, secret: &str, body: &str) -> Reply {
    send(app, path, &[("x-ld-signature", &sign(secret, body))], body).await
}

async fn address(app: &TestApp) -> String {
    let made = app.admin("POST", PATH, source()).await.expect(201);
    made.body["url"].as_str().expect("a path").to_owned()
}

#[tokio::test]
async fn a_signed_entry_is_stored_byte_for_byte_under_its_own_id() {
    let app = TestApp::start().await;
    let path = address(&app).await;
    let body = entry("66f0c0ffee0000000000a001");
    let reply = signed(&app, &path, SECRET, &body).await.expect(202);
    assert_eq!(reply.body["accepted"], 1);
    let entries = app.entries().await;
    let last = entries.last().expect("an entry");
    assert_eq!((&*last.bytes, last.id.as_str()), (body.as_bytes(), "66f0c0ffee0000000000a001"));
    let again = signed(&app, &path, SECRET, &body).await.expect(202);
    assert_eq!(again.body["duplicates"], 1);
}

#[tokio::test]
async fn what_is_not_signed_with_the_secret_is_refused() {
    let app = TestApp::start().await;
    let path = address(&app).await;
    let body = entry("1");
    let before = app.entries().await.len();
    send(&app, &path, &[], &body).await.expect_problem(401, "unauthorized");
    signed(&app, &path, "another secret of 16 bytes", &body).await.expect_problem(401, "unauthorized");
    for signature in ["", "00", &sign(SECRET, &entry("2")), &format!("sha256={}", sign(SECRET, &body))] {
        send(&app, &path, &[("x-ld-signature", signature)], &body).await.expect_problem(401, "unauthorized");
    }
    let packed = [("x-ld-signature", sign(SECRET, &body)), ("content-encoding", "gzip".to_owned())];
    let packed = packed.each_ref().map(|(name, value)| (*name, value.as_str()));
    send(&app, &path, &packed, &body).await.expect_problem(415, "unsupported_media_type");
    for id in ["66f0c0ffee00000000000001", "x", "%ff"] {
        let path = format!("/ingest/launchdarkly/{id}");
        signed(&app, &path, SECRET, &body).await.expect_problem(404, "not_found");
    }
    assert_eq!(app.entries().await.len(), before);
}

#[tokio::test]
async fn a_signed_body_has_the_limits_and_mistakes_of_entries() {
    let mut options = Options::default();
    options.server.settings.entry_max_bytes = 1_000;
    let app = TestApp::with(options).await;
    let path = address(&app).await;
    signed(&app, &path, SECRET, &" ".repeat(1_001)).await.expect_problem(413, "request_too_large");
    let reply = signed(&app, &path, SECRET, "{\"_id\": 1}").await.expect_problem(400, "invalid_request");
    assert_eq!(reply.attributes(), ["_id", "accesses"]);
    let body = entry("1");
    let via = app.server.app.settings().instance.clone();
    let headers = [("x-ld-signature", sign(SECRET, &body)), ("auditcast-via", via)];
    let headers = headers.each_ref().map(|(name, value)| (*name, value.as_str()));
    send(&app, &path, &headers, &body).await.expect_problem(403, "forbidden");
}

#[tokio::test]
async fn a_secret_is_made_if_none_is_given_and_told_once() {
    let app = TestApp::start().await;
    let made = app.admin("POST", PATH, json!({"kind": "launchdarkly", "name": "Hosted"})).await.expect(201).body;
    let (secret, path) = (made["secret"].as_str().expect("a secret"), made["url"].as_str().expect("a path"));
    assert_eq!(secret.len(), 64);
    signed(&app, path, secret, &entry("1")).await.expect(202);
    let listed = app.admin("GET", PATH, Value::Null).await.expect(200);
    assert_eq!(listed.body["items"][0]["_id"], made["_id"]);
    assert!(listed.body["items"][0].get("secret").is_none() && !listed.text.contains(secret), "{}", listed.text);
    for entry in app.entries().await {
        assert!(!String::from_utf8_lossy(&entry.bytes).contains(secret));
    }
}

#[tokio::test]
async fn a_deleted_source_takes_nothing_and_all_changes_are_recorded() {
    let app = TestApp::start().await;
    let path = address(&app).await;
    let id = path.rsplit('/').next().expect("an id").to_owned();
    let created = app.last_entry().await;
    assert_eq!(created["titleVerb"], "created the ingest source");
    assert_eq!(created["currentVersion"], json!({"_id": id, "kind": "launchdarkly", "name": "Hosted"}));
    app.admin("DELETE", &format!("{PATH}/{id}"), Value::Null).await.expect(204);
    assert_eq!(app.last_entry().await["titleVerb"], "deleted the ingest source");
    signed(&app, &path, SECRET, &entry("1")).await.expect_problem(404, "not_found");
    app.admin("DELETE", &format!("{PATH}/{id}"), Value::Null).await.expect_problem(404, "not_found");
    assert_eq!(app.admin("GET", PATH, Value::Null).await.expect(200).body["items"], json!([]));
}

#[tokio::test]
async fn sources_outlive_a_restart_and_stay_sealed() {
    let app = TestApp::start().await;
    let path = address(&app).await;
    let app = app.restart(Options::default()).await;
    signed(&app, &path, SECRET, &entry("1")).await.expect(202);
}

#[tokio::test]
async fn only_who_may_ingest_and_make_tokens_of_programs_makes_sources() {
    let app = TestApp::start().await;
    for grant in [Grant::Reader, Grant::Writer, Grant::Ingest] {
        let token = app.token(grant).await;
        app.call(&token, "POST", PATH, source()).await.expect_problem(403, "forbidden");
        app.call(&token, "GET", PATH, Value::Null).await.expect_problem(403, "forbidden");
        app.call(&token, "DELETE", &format!("{PATH}/x"), Value::Null).await.expect_problem(403, "forbidden");
    }
}

#[tokio::test]
async fn a_token_that_expires_makes_no_source_since_that_does_not() {
    let app = TestApp::start().await;
    let made = app.admin("POST", "/api/v2/tokens", json!({"role": "admin", "expiry": 1_790_000_060_000_i64})).await;
    let token = made.body["token"].as_str().expect("a value");
    app.call(token, "POST", PATH, source()).await.expect_problem(403, "forbidden");
    app.call(token, "GET", PATH, Value::Null).await.expect(200);
}

#[tokio::test]
async fn every_mistake_of_a_source_is_told() {
    let app = TestApp::start().await;
    let bad = json!({"kind": "github", "name": " ", "secret": "short"});
    let reply = app.admin("POST", PATH, bad).await.expect_problem(400, "invalid_request");
    assert_eq!(reply.attributes(), ["kind", "name", "secret"]);
    assert!(!reply.text.contains("short\""), "{}", reply.text);
    app.admin("POST", PATH, json!([])).await.expect_problem(400, "invalid_request");
}

#[tokio::test]
async fn strangers_that_guess_sources_count_for_their_address_and_who_signs_does_not() {
    let rates = RateLimits { address: NonZeroU32::new(2), ..RateLimits::default() };
    let settings = api::Settings { rates, ..api::Settings::default() };
    let app = TestApp::with(Options { api: settings, ..Options::default() }).await;
    let path = address(&app).await;
    let body = entry("1");
    let from = async |address: &str, path: &str, secret: &str| {
        let peer: SocketAddr = format!("{address}:1234").parse().expect("is an address");
        let request = Request::post(path).header("x-ld-signature", sign(secret, &body)).extension(ConnectInfo(peer));
        app.send(request.body(Body::from(body.clone())).expect("a request")).await
    };
    let unknown = "/ingest/launchdarkly/66f0c0ffee00000000000000";
    from("192.0.2.7", &path, "another secret").await.expect_problem(401, "unauthorized");
    from("192.0.2.7", unknown, SECRET).await.expect_problem(404, "not_found");
    for (path, secret) in [(path.as_str(), "another secret"), (unknown, SECRET)] {
        let refused = from("192.0.2.7", path, secret).await.expect_problem(429, "rate_limited");
        assert!(refused.headers.contains_key("retry-after"));
    }
    for _ in 0..3 {
        from("192.0.2.7", &path, SECRET).await.expect(202);
    }
    from("192.0.2.8", unknown, SECRET).await.expect_problem(404, "not_found");
}

#[tokio::test]
async fn a_source_of_a_suspended_account_is_as_one_that_is_not_there() {
    let app = TestApp::start().await;
    let operator = app.token(Grant::Operator).await;
    app.call(&operator, "POST", "/api/v2/accounts", json!({"name": "acme"})).await.expect(201);
    let made = app.call(&operator, "POST", "/api/v2/accounts/acme/tokens", json!({"role": "admin"})).await.expect(201);
    let made = app.call(&crate::tokens::value(&made), "POST", PATH, source()).await.expect(201).body;
    let path = made["url"].as_str().expect("a path").to_owned();
    signed(&app, &path, SECRET, &entry("1")).await.expect(202);
    let before = app.server.entries_of("acme").await.len();
    app.call(&operator, "POST", "/api/v2/accounts/acme/suspend", json!({"reason": "unpaid"})).await.expect(200);
    signed(&app, &path, SECRET, &entry("2")).await.expect_problem(404, "not_found");
    assert_eq!(app.server.entries_of("acme").await.len(), before + 1, "the suspension alone is recorded");
    app.call(&operator, "POST", "/api/v2/accounts/acme/resume", Value::Null).await.expect(200);
    signed(&app, &path, SECRET, &entry("2")).await.expect(202);
}
