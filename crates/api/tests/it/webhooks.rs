//! Webhooks: made, read, changed, deleted, delivered and signed.

use std::time::Duration;

use app::Grant;
use aws_lc_rs::hmac;
use axum::{Router, http::HeaderMap, routing::post};
use serde_json::{Value, json};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::support::{ADMIN, TestApp, until};

const LIST: &str = "/api/v2/webhooks";

/// A receiver in this machine that tells the signature and body of each request.
async fn receiver() -> (String, UnboundedReceiver<(Option<String>, String)>) {
    let (sender, received) = unbounded_channel();
    let collect = move |headers: HeaderMap, body: String| {
        assert_eq!(headers["content-type"], "application/json");
        let signature = headers.get("x-ld-signature").map(|value| value.to_str().unwrap_or_default().to_owned());
        let _ = sender.send((signature, body));
        async {}
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("listens");
    let url = format!("http://{}/hook", listener.local_addr().expect("an address"));
    let router = Router::new().route("/hook", post(collect));
    tokio::spawn(async move { axum::serve(listener, router).await });
    (url, received)
}

async fn next(received: &mut UnboundedReceiver<(Option<String>, String)>) -> (Option<String>, Value, String) {
    let one = tokio::time::timeout(Duration::from_secs(30), received.recv()).await;
    let (signature, text) = one.expect("a delivery comes").expect("the receiver runs");
    (signature, serde_json::from_str(&text).expect("is JSON"), text)
}

fn hmac_of(secret: &str, body: &str) -> String {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), body.as_bytes());
    tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

async fn make(app: &TestApp, body: Value) -> (String, Value) {
    let made = app.admin("POST", LIST, body).await.expect(200).body;
    (made["_links"]["self"]["href"].as_str().expect("a link").to_owned(), made)
}

async fn patched(app: &TestApp, path: &str, body: Value) -> Value {
    app.admin("PATCH", path, body).await.expect(200).body
}

fn replace(path: &str, value: impl Into<Value>) -> Value {
    let value: Value = value.into();
    json!([{"op": "replace", "path": path, "value": value}])
}

#[tokio::test]
async fn a_guess_of_the_secret_is_refused_whether_it_is_right_or_not() {
    let app = TestApp::start().await;
    let body = |secret: Option<&str>| json!({"url": "https://hook.test/a", "sign": false, "on": false, "name": "n", "secret": secret});
    let only_names = json!([{"effect": "allow", "resources": ["webhook/*"], "actions": ["updateName"]}]);
    let token = app.policy_token(only_names).await;
    for stored in [Some("s3cr3t-value"), None] {
        let (path, _) = make(&app, body(stored)).await;
        for guess in [json!("s3cr3t-value"), json!("other"), json!(""), Value::Null] {
            for change in [
                replace("/secret", guess.clone()),
                json!([{"op": "add", "path": "/secret", "value": guess}]),
                json!({"merge": {"secret": guess}}),
                json!([{"op": "copy", "from": "/name", "path": "/secret"}]),
                json!([{"op": "remove", "path": "/secret"}]),
            ] {
                app.call(&token, "PATCH", &path, change).await.expect_problem(403, "forbidden");
            }
        }
        app.call(&token, "PATCH", &path, replace("/name", "m")).await.expect(200);
        app.admin("PATCH", &path, replace("/secret", "s3cr3t-value")).await.expect(200);
    }
}

#[tokio::test]
async fn a_webhook_reads_back_as_it_was_sent_with_its_secret() {
    let app = TestApp::start().await;
    let statements =
        json!([{"effect": "allow", "resources": ["proj/shop:env/*:flag/*"], "notActions": ["updateTags"]}]);
    let body = json!({
        "url": "https://ci.corp.test/ld", "sign": true, "secret": "s3cr3t-value", "on": false, "name": "CI bridge",
        "tags": ["ci"], "statements": statements, "unknown": 1,
    });
    let (path, made) = make(&app, body).await;
    for (name, value) in [
        ("url", json!("https://ci.corp.test/ld")),
        ("secret", json!("s3cr3t-value")),
        ("name", json!("CI bridge")),
        ("on", json!(false)),
        ("tags", json!(["ci"])),
        ("statements", statements),
    ] {
        assert_eq!(made[name], value, "{name}");
    }
    assert_eq!(made.get("sign"), None);
    assert_eq!(app.admin("GET", &path, Value::Null).await.expect(200).body, made);
    let listed = app.admin("GET", LIST, Value::Null).await.expect(200).body;
    assert_eq!((&listed["items"], &listed["_links"]["self"]["href"]), (&json!([made]), &json!(LIST)));
    let bare = make(&app, json!({"url": "https://ci.corp.test", "sign": false, "on": false})).await.1;
    assert_eq!((&bare["tags"], bare.get("statements"), bare.get("secret")), (&json!([]), None, None));
}

#[tokio::test]
async fn one_without_statements_gets_every_entry_and_the_first_is_its_own() {
    let app = TestApp::start().await;
    let (url, mut received) = receiver().await;
    let (path, made) = make(&app, json!({"url": url, "sign": false, "on": true})).await;
    let (signature, own, _) = next(&mut received).await;
    let id = made["_id"].as_str().expect("an id");
    assert_eq!(
        (signature, &own["accesses"]),
        (None, &json!([{"action": "createWebhook", "resource": format!("webhook/{id}")}]))
    );
    let entry = json!({"_id": "e-1", "action": "pay", "resource": "order/1", "currentVersion": {"paid": true}});
    app.ingest("/ingest/entries", &[], entry.to_string()).await.expect(202);
    let (_, body, _) = next(&mut received).await;
    assert_eq!((&body["_id"], &body["currentVersion"]), (&json!("e-1"), &json!({"paid": true})));
    // What is sent is what the API shows.
    assert_eq!(app.admin("GET", "/api/v2/auditlog/e-1", Value::Null).await.expect(200).body, body);
    let waiting = async || app.admin("GET", &path, Value::Null).await.body["_delivery"]["waiting"].clone();
    until("all is settled", async || waiting().await == 0).await;
}

#[tokio::test]
async fn statements_choose_and_without_them_all_come_again() {
    let app = TestApp::start().await;
    let (url, mut received) = receiver().await;
    let statements = json!([{"effect": "allow", "resources": ["order/*"], "actions": ["*"]}]);
    let body = json!({"url": url, "sign": false, "on": true, "statements": statements});
    let (path, _) = make(&app, body).await;
    let send = async |resource: &str| {
        let entry = json!({"action": "pay", "resource": resource});
        app.ingest("/ingest/entries", &[], entry.to_string()).await.expect(202);
    };
    send("cart/1").await;
    send("order/1").await;
    assert_eq!(next(&mut received).await.1["accesses"][0]["resource"], "order/1");
    assert_eq!(patched(&app, &path, replace("/statements", json!([]))).await["statements"], json!([]));
    assert_eq!(next(&mut received).await.1["accesses"][0]["action"], "updateStatements");
    send("cart/2").await;
    assert_eq!(next(&mut received).await.1["accesses"][0]["resource"], "cart/2");
    let removed = patched(&app, &path, json!([{"op": "remove", "path": "/statements"}])).await;
    assert_eq!(removed.get("statements"), None);
    app.admin("PATCH", &path, json!([{"op": "remove", "path": "/statements"}])).await.expect(400);
}

#[tokio::test]
async fn requests_are_signed_when_that_was_asked_for_and_there_is_a_secret() {
    let app = TestApp::start().await;
    let (url, mut received) = receiver().await;
    let (path, made) = make(&app, json!({"url": url, "sign": true, "on": true})).await;
    let secret = made["secret"].as_str().expect("one was made").to_owned();
    assert!(secret.len() >= 32);
    let (signature, _, body) = next(&mut received).await;
    assert_eq!(signature, Some(hmac_of(&secret, &body)));
    patched(&app, &path, replace("/secret", json!("another"))).await;
    let (signature, _, body) = next(&mut received).await;
    assert_eq!(signature, Some(hmac_of("another", &body)));
    let without = patched(&app, &path, replace("/secret", json!(""))).await;
    assert_eq!(without.get("secret"), None);
    assert_eq!(next(&mut received).await.0, None);
    // A secret that comes without the wish to sign is kept; one that comes later is used.
    app.admin("DELETE", &path, Value::Null).await.expect(204);
    let (path, made) = make(&app, json!({"url": url, "sign": false, "secret": "kept", "on": true})).await;
    assert_eq!((&made["secret"], next(&mut received).await.0), (&json!("kept"), None));
    patched(&app, &path, replace("/secret", json!("used"))).await;
    let (signature, _, body) = next(&mut received).await;
    assert_eq!(signature, Some(hmac_of("used", &body)));
}

#[tokio::test]
async fn the_sequences_of_terraform() {
    let app = TestApp::start().await;
    let create = json!({"url": "https://ci.corp.test", "on": false, "name": "", "sign": false});
    let (path, _) = make(&app, create).await;
    patched(&app, &path, replace("/tags", json!(["terraform"]))).await;
    let read = async || app.admin("GET", &path, Value::Null).await.expect(200).body;
    assert_eq!((&read().await["tags"], &read().await["name"]), (&json!(["terraform"]), &json!("")));
    let statements = json!([{"effect": "allow", "resources": ["proj/*"], "actions": ["*"]}]);
    let update = |url: &str, secret: &str, name: &str, last: Value| {
        json!([
            {"op": "replace", "path": "/url", "value": url},
            {"op": "replace", "path": "/secret", "value": secret},
            {"op": "replace", "path": "/on", "value": true},
            {"op": "replace", "path": "/name", "value": name},
            {"op": "replace", "path": "/tags", "value": ["a"]},
            last,
        ])
    };
    let last = json!({"op": "replace", "path": "/statements", "value": statements});
    patched(&app, &path, update("https://other.corp.test", "SuperSecret", "named", last)).await;
    let read_back = read().await;
    assert_eq!((&read_back["secret"], &read_back["statements"]), (&json!("SuperSecret"), &statements));
    let last = json!({"op": "remove", "path": "/statements"});
    patched(&app, &path, update("https://other.corp.test", "", "", last)).await;
    assert_eq!((read().await.get("secret"), read().await.get("statements")), (None, None));
    app.admin("DELETE", &path, Value::Null).await.expect(204);
    app.admin("GET", &path, Value::Null).await.expect_problem(404, "not_found");
    app.admin("GET", "/api/v2/webhooks/fake-id", Value::Null).await.expect_problem(404, "not_found");
}

#[tokio::test]
async fn wrong_members_are_told_by_name() {
    let app = TestApp::start().await;
    for (body, attributes) in [
        (json!({}), vec!["sign", "on", "url"]),
        (json!({"url": "ftp://x.test", "sign": false, "on": false}), vec!["url"]),
        (json!({"url": "x", "sign": 1, "on": "no"}), vec!["sign", "on", "url"]),
        (
            json!({"url": "https://x.test", "sign": false, "on": false, "statements": [{}]}),
            vec!["statements[0].effect"],
        ),
        (
            json!({"url": "https://x.test", "sign": false, "on": false, "tags": [1], "name": "a\nb"}),
            vec!["name", "tags[0]"],
        ),
    ] {
        let reply = app.admin("POST", LIST, body.clone()).await.expect_problem(400, "invalid_request");
        for attribute in attributes {
            assert!(reply.attributes().contains(&attribute), "{body}: {}", reply.text);
        }
    }
    let (path, _) = make(&app, json!({"url": "https://x.test", "sign": false, "on": false})).await;
    for body in [
        json!([{"op": "replace", "path": "/sign", "value": true}]),
        json!([{"op": "remove", "path": "/url"}]),
        json!([{"op": "remove", "path": "/secret"}]),
        json!({"merge": {"sign": true}}),
        json!({"instructions": []}),
    ] {
        app.admin("PATCH", &path, body).await.expect_problem(400, "invalid_request");
    }
    app.admin("PATCH", &path, json!([{"op": "test", "path": "/on", "value": true}]))
        .await
        .expect_problem(409, "conflict");
}

#[tokio::test]
async fn the_secret_is_for_those_who_may_change_it() {
    let app = TestApp::start().await;
    let body = json!({"url": "https://x.test", "sign": true, "secret": "canary-secret-1", "on": false});
    let (path, _) = make(&app, body).await;
    let namer = json!([{"effect": "allow", "resources": ["webhook/*"], "actions": ["updateName"]}]);
    let (reader, namer) = (app.token(Grant::Reader).await, app.policy_token(namer).await);
    for token in [&reader, &namer] {
        for where_to in [LIST, path.as_str()] {
            let seen = app.call(token, "GET", where_to, Value::Null).await.expect(200);
            assert!(!seen.text.contains("canary-secret-1"), "{}", seen.text);
        }
    }
    app.call(&reader, "PATCH", &path, replace("/name", json!("n"))).await.expect_problem(403, "forbidden");
    app.call(&namer, "PATCH", &path, replace("/name", json!("n"))).await.expect(200);
    app.call(&namer, "PATCH", &path, replace("/on", json!(true))).await.expect_problem(403, "forbidden");
    let peek = json!([{"op": "copy", "from": "/secret", "path": "/name"}]);
    app.call(&namer, "PATCH", &path, peek).await.expect_problem(400, "invalid_request");
    let log: String =
        app.entries().await.iter().map(|entry| String::from_utf8_lossy(&entry.bytes).into_owned()).collect();
    assert!(!log.contains("canary-secret-1"));
    let writer = app.token(Grant::Writer).await;
    assert_eq!(app.call(&writer, "GET", &path, Value::Null).await.body["secret"], "canary-secret-1");
}

#[tokio::test]
async fn changes_are_recorded_under_the_names_of_webhooks() {
    let app = TestApp::start().await;
    let (path, made) = make(&app, json!({"url": "https://x.test", "sign": false, "on": false})).await;
    let resource = format!("webhook/{}", made["_id"].as_str().expect("an id"));
    for (member, value, action) in [
        ("/name", json!("n"), "updateName"),
        ("/on", json!(true), "updateOn"),
        ("/url", json!("https://y.test"), "updateUrl"),
        ("/secret", json!("s"), "updateSecret"),
        ("/tags", json!(["t"]), "updateTags"),
        ("/statements", json!([{"effect": "deny", "resources": ["acct"], "actions": ["*"]}]), "updateStatements"),
    ] {
        patched(&app, &path, replace(member, value)).await;
        let entry = app.last_entry().await;
        assert_eq!(entry["accesses"], json!([{"action": action, "resource": resource}]));
        assert_eq!((&entry["kind"], entry["previousVersion"].is_object()), (&json!("webhook"), true));
    }
    let entries = app.entries().await.len();
    patched(&app, &path, replace("/name", json!("n"))).await;
    assert_eq!(app.entries().await.len(), entries);
    app.admin("DELETE", &path, Value::Null).await.expect(204);
    assert_eq!(app.last_entry().await["accesses"][0]["action"], "deleteWebhook");
}

#[tokio::test]
async fn a_webhook_is_not_reached_as_an_integration_and_the_other_way_round() {
    let app = TestApp::start().await;
    let (path, made) = make(&app, json!({"url": "https://x.test", "sign": false, "on": false})).await;
    let id = made["_id"].as_str().expect("an id");
    for (method, where_to) in [
        ("GET", "/api/v2/integrations/webhook".to_owned()),
        ("POST", "/api/v2/integrations/webhook".to_owned()),
        ("GET", format!("/api/v2/integrations/webhook/{id}")),
        ("DELETE", format!("/api/v2/integrations/webhook/{id}")),
        ("GET", format!("/api/v2/integrations/splunk/{id}")),
    ] {
        app.call(ADMIN, method, &where_to, Value::Null).await.expect_problem(404, "not_found");
    }
    let subscription = app.create("splunk", crate::support::splunk()).await;
    let id = subscription.rsplit_once('/').expect("an id").1;
    app.admin("GET", &format!("{LIST}/{id}"), Value::Null).await.expect_problem(404, "not_found");
    app.admin("DELETE", &format!("{LIST}/{id}"), Value::Null).await.expect_problem(404, "not_found");
    let health = app.admin("GET", "/api/v2/integration-health", Value::Null).await.expect(200).body;
    let links: Vec<_> =
        health["items"].as_array().expect("a list").iter().map(|item| item["_links"]["self"]["href"].clone()).collect();
    assert!(links.contains(&json!(path)) && links.contains(&json!(subscription)), "{health}");
}
