//! What previews show, and what they keep to themselves.

use std::{fs, path::Path};

use serde_json::{Value, json};

use crate::support::{ADMIN, Options, Reply, TestApp};

async fn preview(app: &TestApp, key: &str, body: Value) -> Reply {
    app.admin("POST", &format!("/api/v2/integration-preview/{key}"), body).await
}

fn splunk() -> Value {
    json!({ "base-url": "https://splunk.test:8088", "token": "canary-token-9a9a", "skip-ca-verification": false })
}

#[tokio::test]
async fn a_preview_shows_the_whole_request_with_secrets_masked() {
    let app = TestApp::start().await;
    let entry = json!({ "action": "pay", "resource": "order/1", "name": "No. \"1\"" });
    let shown = preview(&app, "splunk", json!({ "config": splunk(), "entry": entry })).await.expect(200);
    assert_eq!((&shown.body["outcome"], &shown.body["warnings"]), (&"request".into(), &json!([])), "{}", shown.text);
    let request = &shown.body["requests"][0];
    assert_eq!(request["method"], "POST");
    assert_eq!(request["url"], "https://splunk.test:8088/services/collector/event");
    let headers = json!([
        { "name": "Content-Type", "value": "application/json" },
        { "name": "Authorization", "value": "Splunk ********9a9a" },
    ]);
    assert_eq!(request["headers"], headers);
    let body: Value = serde_json::from_str(request["body"].as_str().expect("a text")).expect("is JSON");
    assert_eq!((&body["event"]["name"], &body["event"]["action"]), (&"No. \"1\"".into(), &"pay".into()));
    assert!(!shown.text.contains("canary"), "{}", shown.text);
}

#[tokio::test]
async fn no_form_of_a_secret_is_in_a_preview() {
    let app = TestApp::start().await;
    let secret = "whsec_Y2FuYXJ5LWNhbmFyeS1jYW5hcnktY2FuYXJ5";
    let long = "x".repeat(20_000);
    let entry = json!({ "action": "pay", "resource": "order/1", "description": long });
    for (key, config, host) in [
        (
            "msteams",
            json!({ "url": "https://prod-1.logic.azure.com/canary?sig=canary" }),
            "https://prod-1.logic.azure.com/…",
        ),
        ("slack", json!({ "url": "https://hooks.slack.com/services/canary/canary" }), "https://hooks.slack.com/…"),
        ("compass", json!({ "url": "https://c.test/in", "secret": "canary-secret-1f1f" }), "https://c.test/…"),
        ("webhook-signed", json!({ "url": "https://hook.test/in", "secret": secret }), "https://hook.test/…"),
        (
            "loki",
            json!({ "url": "https://loki.test", "user": "u", "password": "canary-password" }),
            "https://loki.test/loki/api/v1/push",
        ),
    ] {
        let shown = preview(&app, key, json!({ "config": config, "entry": entry })).await.expect(200);
        let request = &shown.body["requests"][0];
        assert_eq!(request["url"], host, "{key}: {}", shown.text);
        for form in ["canary", "Y2FuYXJ5", "Y2FuYXJ", "whsec"] {
            assert!(!shown.text.contains(form), "{key} shows {form}: {}", shown.text);
        }
    }
    let header = |shown: &Reply, name: &str| {
        let headers = shown.body["requests"][0]["headers"].as_array().cloned().unwrap_or_default();
        headers.iter().find(|one| one["name"] == name).map(|one| one["value"].clone()).unwrap_or_default()
    };
    let config = json!({ "url": "https://hook.test/in", "secret": secret });
    let shown = preview(&app, "webhook-signed", json!({ "config": config })).await.expect(200);
    assert_eq!(header(&shown, "webhook-signature"), "[hidden]", "{}", shown.text);
    assert!(header(&shown, "webhook-id").as_str().is_some_and(|id| id.len() > 10), "{}", shown.text);
    // Compressed on the way, and readable here.
    let shown = preview(&app, "splunk", json!({ "config": splunk(), "entry": entry })).await.expect(200);
    assert_eq!(header(&shown, "Content-Encoding"), "gzip", "{}", shown.text);
    assert!(shown.text.contains(&long));
}

#[tokio::test]
async fn a_preview_warns_of_what_one_might_not_expect() {
    let app = TestApp::start().await;
    let old = json!({ "action": "pay", "resource": "order/1", "date": 1_000_000_000_000_i64 });
    let long = json!({ "action": "pay", "resource": "order/1", "comment": "long ".repeat(5_000) });
    let plain = json!({ "action": "pay", "resource": "order/1" });
    let datadog = json!({ "apiKey": "canary-key-1f2e" });
    let open = json!({ "base-url": "http://splunk.test", "token": "t", "skip-ca-verification": true });
    for (key, config, entry, expected) in [
        ("datadog", datadog.clone(), &old, vec!["time of the request"]),
        ("datadog", datadog.clone(), &long, vec!["shortened"]),
        ("datadog", datadog, &plain, vec![]),
        (
            "msteams",
            json!({ "url": "https://proxy.test/x" }),
            &plain,
            vec!["config.url leads to another host than those of"],
        ),
        ("splunk", open, &plain, vec!["not encrypted", "certificate"]),
    ] {
        let shown = preview(&app, key, json!({ "config": config, "entry": entry })).await.expect(200);
        let warnings = shown.body["warnings"].as_array().cloned().unwrap_or_default();
        assert_eq!(warnings.len(), expected.len(), "{key}: {}", shown.text);
        for (warning, part) in warnings.iter().zip(expected) {
            assert!(warning.as_str().is_some_and(|text| text.contains(part)), "{key}: {}", shown.text);
        }
    }
}

/// An integration that sends little: nothing but young flags, and no long texts.
fn choosy(dir: &Path) {
    let manifest = json!({
        "name": "Choosy",
        "formVariables": [{ "key": "pin", "type": "string", "isSecret": true, "placeholder": "4711" }],
        "capabilities": { "auditLogEventsHook": {
            "endpoint": { "url": "https://choosy.test/in", "method": "POST" },
            "templates": { "flag": "entry.json", "order": "order.json" },
            "auditcast": { "age": { "pastMaxSeconds": 60, "onLate": "skip" }, "bodyBudget": { "bytesMax": 3_000 } },
        } },
    });
    let folder = dir.join("choosy");
    fs::create_dir_all(&folder).expect("makes a folder");
    fs::write(folder.join("manifest.json"), manifest.to_string()).expect("writes");
    fs::write(folder.join("entry.json"), r#"{"pin": {{{formVariables.pin}}}, "name": "{{{name}}}"}"#).expect("writes");
    fs::write(folder.join("order.json"), "{{#if never}}{}{{/if}}").expect("writes");
}

#[tokio::test]
async fn a_preview_says_why_nothing_would_be_sent() {
    let dir = tempfile::tempdir().expect("a directory");
    choosy(dir.path());
    let mut options = Options::default();
    options.server.integrations_dir = Some(dir.path().to_owned());
    let app = TestApp::with(options).await;
    let flag = json!({ "action": "updateOn", "resource": "proj/shop:env/live:flag/checkout" });
    let with = |name: &str, value: Value| {
        let mut changed = flag.clone();
        changed[name] = value;
        changed
    };
    for (entry, outcome, reason) in [
        (json!({ "action": "createProject", "resource": "proj/shop" }), "nothing", "no template"),
        (json!({ "action": "pay", "resource": "order/1" }), "nothing", "empty body"),
        (with("date", 1_000_000_000_000_i64.into()), "skipped", "older"),
        (with("name", "x".repeat(4_000).into()), "unrenderable", "the destination takes 3000"),
    ] {
        let shown = preview(&app, "choosy", json!({ "config": { "pin": "4711" }, "entry": entry })).await.expect(200);
        assert_eq!((&shown.body["outcome"], &shown.body["requests"]), (&outcome.into(), &json!([])), "{}", shown.text);
        assert!(shown.body["reason"].as_str().is_some_and(|why| why.contains(reason)), "{}", shown.text);
    }
    // A mask is no number.
    let shown = preview(&app, "choosy", json!({ "config": { "pin": "4711" }, "entry": flag })).await.expect(200);
    let request = &shown.body["requests"][0];
    assert_eq!((&request["body"], &request["headers"][0]["value"]), (&"[hidden]".into(), &"[hidden]".into()));
    assert!(!shown.text.contains("4711") && shown.text.contains("cannot be shown"), "{}", shown.text);
}

#[tokio::test]
async fn every_mistake_of_a_preview_is_named() {
    let app = TestApp::start().await;
    let wrong = preview(&app, "splunk", json!({ "config": { "token": 1 }, "entry": { "kind": 1 }, "extra": 1 })).await;
    let wrong = wrong.expect_problem(400, "invalid_request");
    let named = wrong.attributes();
    for attribute in ["extra", "config.token", "config.base-url"] {
        assert!(named.contains(&attribute), "{attribute} is missing: {}", wrong.text);
    }
    assert!(named.iter().any(|name| name.starts_with("entry")), "{}", wrong.text);
    for (body, attribute) in [
        (json!({}), "config"),
        (json!({ "config": [] }), "config"),
        (json!({ "config": { "token": "x".repeat(70_000) } }), "config"),
        (json!({ "config": splunk(), "entryId": 1 }), "entryId"),
        (json!({ "config": splunk(), "entryId": "a", "entry": { "action": "a", "resource": "a/1" } }), "entryId"),
        (
            json!({ "config": splunk(), "entry": { "action": "a", "resource": "a/1", "name": "x".repeat(300_000) } }),
            "entry",
        ),
    ] {
        let problem = preview(&app, "splunk", body).await.expect_problem(400, "invalid_request");
        assert_eq!(problem.attributes(), [attribute], "{}", problem.text);
    }
    preview(&app, "splunk", json!([])).await.expect_problem(400, "invalid_request");
    preview(&app, "none", json!({ "config": {} })).await.expect_problem(404, "not_found");
    preview(&app, "webhook", json!({ "config": {} })).await.expect_problem(404, "not_found");
}

#[tokio::test]
async fn entries_of_the_log_are_shown_to_those_who_may_see_them() {
    let app = TestApp::start().await;
    let entry = json!({ "_id": "mine", "action": "pay", "resource": "order/7" });
    app.ingest("/ingest/entries", &[], entry.to_string()).await.expect(202);
    let body = json!({ "config": splunk(), "entryId": "mine" });
    let shown = preview(&app, "splunk", body.clone()).await.expect(200);
    assert!(shown.text.contains("order/7") || shown.text.contains("mine"), "{}", shown.text);
    preview(&app, "splunk", json!({ "config": splunk(), "entryId": "none" })).await.expect_problem(404, "not_found");

    let operator = app.token(app::Grant::Operator).await;
    let made = app.call(&operator, "POST", "/api/v2/accounts", json!({ "name": "other" })).await.expect(201);
    let path = format!("/api/v2/accounts/{}/tokens", made.body["_id"].as_str().expect("an id"));
    let other = crate::tokens::value(&app.call(&operator, "POST", &path, json!({ "role": "admin" })).await.expect(201));
    let path = "/api/v2/integration-preview/splunk";
    app.call(&other, "POST", path, body.clone()).await.expect_problem(404, "not_found");
    app.call(ADMIN, "POST", path, body.clone()).await.expect(200);

    let only = |action: &str, resource: &str| {
        let statement = json!({ "effect": "allow", "actions": [action], "resources": [resource] });
        json!({ "name": "limited", "inlineRole": [statement] })
    };
    let made = app.admin("POST", "/api/v2/tokens", only("validateConnection", "integration/*")).await.expect(201);
    let token = crate::tokens::value(&made);
    app.call(&token, "POST", path, json!({ "config": splunk() })).await.expect(200);
    app.call(&token, "POST", path, body).await.expect_problem(403, "forbidden");
}
