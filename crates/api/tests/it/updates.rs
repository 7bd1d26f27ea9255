//! JSON Patch, its envelopes, merge patches, and what they refuse.

use serde_json::{Value, json};

use crate::support::{TestApp, datadog, splunk};

async fn patched(app: &TestApp, path: &str, body: Value) -> Value {
    app.admin("PATCH", path, body).await.expect(200).body
}

#[tokio::test]
async fn a_guess_of_a_secret_is_refused_whether_it_is_right_or_not() {
    let app = TestApp::start().await;
    let path = app.create("datadog", datadog()).await;
    let only_names = json!([{"effect": "allow", "resources": ["integration/*"], "actions": ["updateName"]}]);
    let token = app.policy_token(only_names).await;
    let config = |key: &str| json!({"apiKey": key, "hostURL": "https://api.datadoghq.eu"});
    for guess in ["canary-key-1f2e", "canary-key-other"] {
        for change in [
            json!([{"op": "replace", "path": "/config/apiKey", "value": guess}]),
            json!([{"op": "add", "path": "/apiKey", "value": guess}]),
            json!([{"op": "replace", "path": "/config", "value": config(guess)}]),
            json!({"merge": {"config": {"apiKey": guess}}}),
        ] {
            app.call(&token, "PATCH", &path, change).await.expect_problem(403, "forbidden");
        }
    }
    // What is shown may be repeated, since that tells nothing.
    let shown = app.call(&token, "GET", &path, Value::Null).await.expect(200).body;
    for change in [
        json!([{"op": "replace", "path": "/config", "value": shown["config"]}]),
        json!([{"op": "replace", "path": "/config/hostURL", "value": "https://api.datadoghq.eu"}]),
        json!({"merge": {"config": {"apiKey": shown["config"]["apiKey"]}, "name": "renamed"}}),
    ] {
        app.call(&token, "PATCH", &path, change).await.expect(200);
    }
    assert_eq!(app.admin("GET", &path, Value::Null).await.body["name"], "renamed");
}

#[tokio::test]
async fn operations_change_what_they_point_at() {
    let app = TestApp::start().await;
    let path = app.create("datadog", datadog()).await;
    let replace = |pointer: &str, value: Value| json!([{"op": "replace", "path": pointer, "value": value}]);
    assert_eq!(patched(&app, &path, replace("/name", json!("new"))).await["name"], "new");
    assert_eq!(patched(&app, &path, replace("/tags", json!([]))).await["tags"], json!([]));
    let add = json!([{"op": "add", "path": "/tags/-", "value": "a"}, {"op": "add", "path": "/tags/0", "value": "b"}]);
    assert_eq!(patched(&app, &path, add).await["tags"], json!(["b", "a"]));
    assert_eq!(patched(&app, &path, replace("/statements", json!([]))).await["statements"], json!([]));
    assert_eq!(
        patched(&app, &path, replace("/config/apiKey", json!("canary-newer-5678"))).await["config"]["apiKey"],
        "********5678"
    );
    // Absent so far: replace acts as add.
    assert_eq!(
        patched(&app, &path, replace("/config/hideMemberDetails", json!(true))).await["config"]["hideMemberDetails"],
        true
    );
    let cleared = patched(&app, &path, replace("/config/hideMemberDetails", Value::Null)).await;
    assert_eq!(cleared["config"], json!({"apiKey": "********5678", "hostURL": "https://api.datadoghq.eu"}));
    let removed = patched(&app, &path, json!([{"op": "remove", "path": "/config/hostURL"}])).await;
    assert_eq!(removed["config"], json!({"apiKey": "********5678"}));
    assert_eq!(patched(&app, &path, json!([{"op": "remove", "path": "/tags"}])).await["tags"], json!([]));
    let tested =
        json!([{"op": "test", "path": "/name", "value": "new"}, {"op": "copy", "from": "/name", "path": "/tags/-"}]);
    assert_eq!(patched(&app, &path, tested).await["tags"], json!(["new"]));
    assert_eq!(app.admin("GET", &path, Value::Null).await.body["tags"], json!(["new"]));
}

#[tokio::test]
async fn taken_away_statements_leave_none_rather_than_the_default_ones() {
    let app = TestApp::start().await;
    for body in [
        json!([{"op": "remove", "path": "/statements"}]),
        json!([{"op": "replace", "path": "/statements", "value": null}]),
        json!({"merge": {"statements": null}}),
    ] {
        let path = app.create("datadog", datadog()).await;
        assert_eq!(patched(&app, &path, body).await["statements"], json!([]));
    }
}

#[tokio::test]
async fn envelopes_carry_a_comment_or_a_merge() {
    let app = TestApp::start().await;
    let path = app.create("datadog", datadog()).await;
    let operations = json!([{"op": "replace", "path": "/name", "value": "one"}]);
    let body = json!({"comment": "ticket OPS-12", "patch": operations});
    assert_eq!(patched(&app, &path, body).await["name"], "one");
    assert_eq!(app.last_entry().await["comment"], "ticket OPS-12");
    let body = json!({"comment": "again", "merge": {"name": "two", "config": {"hostURL": null}, "unknown": 1}});
    let merged = patched(&app, &path, body).await;
    assert_eq!((&merged["name"], &merged["config"]), (&json!("two"), &json!({"apiKey": "********1f2e"})));
    assert_eq!(app.last_entry().await["comment"], "again");
}

#[tokio::test]
async fn a_list_is_a_patch_whatever_the_content_type_says() {
    let app = TestApp::start().await;
    let path = app.create("datadog", datadog()).await;
    for (at, content_type) in [
        Some("application/json; domain-model=launchdarkly.semanticpatch"),
        Some("application/json; charset=utf-8"),
        Some("application/json-patch+json"),
        None,
    ]
    .into_iter()
    .enumerate()
    {
        let body = json!([{"op": "replace", "path": "/name", "value": format!("n{at}")}]).to_string();
        let mut request = axum::http::Request::patch(&path).header("authorization", crate::support::ADMIN);
        if let Some(content_type) = content_type {
            request = request.header("content-type", content_type);
        }
        let reply = app.send(request.body(body.into()).expect("a request")).await.expect(200);
        assert_eq!(reply.body["name"], format!("n{at}"));
    }
}

#[tokio::test]
async fn bodies_and_operations_that_cannot_be_are_400() {
    let app = TestApp::start().await;
    let path = app.create("datadog", datadog()).await;
    let before = app.admin("GET", &path, Value::Null).await.text;
    let value = json!({"op": "replace", "path": "/name", "value": "n"});
    for body in [
        json!({"name": "n"}),
        json!({}),
        json!("text"),
        json!({"comment": "x"}),
        json!({"patch": {}}),
        json!({"patch": [value], "merge": {}}),
        json!({"comment": 7, "patch": [value]}),
        json!({"comment": "x".repeat(4_001), "patch": [value]}),
        json!({"comment": "x", "instructions": [{"kind": "turnOn"}]}),
        json!({"merge": {"_id": "x"}}),
        json!({"merge": {"kind": "splunk"}}),
        json!({"merge": {"name": null}}),
        json!([{"op": "increment", "path": "/name", "value": 1}]),
        json!([{"op": "replace", "path": "/_id", "value": "x"}]),
        json!([{"op": "replace", "path": "/kind", "value": "splunk"}]),
        json!([{"op": "add", "path": "/_status/errorCount", "value": 0}]),
        json!([{"op": "replace", "path": "", "value": {}}]),
        json!([{"op": "remove", "path": "/config/hideMemberDetails"}]),
        json!([{"op": "remove", "path": "/name"}]),
        json!([{"op": "replace", "path": "/name", "value": ""}]),
        json!([{"op": "remove", "path": "/config"}]),
        json!([{"op": "replace", "path": "/config/a/b", "value": 1}]),
        json!([{"op": "replace", "path": "/config/foo", "value": "x"}]),
        json!([{"op": "replace", "path": "/config/hostURL", "value": "https://evil.test"}]),
        json!([{"op": "add", "path": "/statements/-", "value": {"effect": "allow"}}]),
        json!([value, {"op": "add", "path": "/tags/7", "value": "x"}]),
        Value::Array(vec![value.clone(); 101]),
    ] {
        let reply = app.admin("PATCH", &path, body.clone()).await;
        assert_eq!((reply.status.as_u16(), &reply.body["code"]), (400, &json!("invalid_request")), "{body}");
    }
    assert_eq!(app.admin("GET", &path, Value::Null).await.text, before);
    let reply =
        app.admin("PATCH", &path, json!({"patch": [value, {"op": "add", "path": "/tags/7", "value": "x"}]})).await;
    assert_eq!(reply.attributes(), ["patch[1].path"]);
}

#[tokio::test]
async fn a_failed_test_is_a_conflict_and_stores_nothing() {
    let app = TestApp::start().await;
    let path = app.create("datadog", datadog()).await;
    let body = json!([
        {"op": "replace", "path": "/name", "value": "n"},
        {"op": "test", "path": "/on", "value": true},
    ]);
    app.admin("PATCH", &path, body).await.expect_problem(409, "conflict");
    assert_eq!(app.admin("GET", &path, Value::Null).await.body["name"], datadog()["name"]);
}

#[tokio::test]
async fn a_returned_mask_keeps_the_stored_secret() {
    let app = TestApp::start().await;
    let path = app.create("splunk", splunk()).await;
    let entries = app.entries().await.len();
    let read = app.admin("GET", &path, Value::Null).await.body;
    for body in [
        json!([{"op": "replace", "path": "/config", "value": read["config"]}]),
        json!([{"op": "replace", "path": "/config/token", "value": read["config"]["token"]}]),
        json!({"merge": {"config": read["config"], "name": read["name"]}}),
    ] {
        assert_eq!(patched(&app, &path, body).await["config"], read["config"]);
    }
    // Were the mask stored as the secret, the config would have changed and an entry said so.
    assert_eq!(app.entries().await.len(), entries);
    let other = json!([{"op": "replace", "path": "/config/token", "value": "********9a9b"}]);
    assert_eq!(patched(&app, &path, other).await["config"]["token"], "********9a9b");
}

#[tokio::test]
async fn no_patch_reads_a_secret() {
    let app = TestApp::start().await;
    let path = app.create("splunk", splunk()).await;
    for operation in [
        json!({"op": "test", "path": "/config/token", "value": "canary-token-9a9a"}),
        json!({"op": "test", "path": "/config/token", "value": "wrong"}),
        json!({"op": "test", "path": "/config", "value": {}}),
        json!({"op": "test", "path": "", "value": {}}),
        json!({"op": "copy", "from": "/config/token", "path": "/name"}),
        json!({"op": "move", "from": "/config/token", "path": "/tags/0"}),
        json!({"op": "copy", "from": "/config", "path": "/tags/0"}),
    ] {
        let reply = app.admin("PATCH", &path, json!([operation])).await.expect_problem(400, "invalid_request");
        assert!(!reply.text.contains("canary"), "{}", reply.text);
    }
}

#[tokio::test]
async fn a_change_that_changes_nothing_is_200_and_not_recorded() {
    let app = TestApp::start().await;
    let path = app.create("datadog", datadog()).await;
    let entries = app.entries().await.len();
    let before = app.admin("GET", &path, Value::Null).await.text;
    for body in
        [json!([]), json!({"merge": {}}), json!([{"op": "replace", "path": "/config", "value": datadog()["config"]}])]
    {
        assert_eq!(app.admin("PATCH", &path, body).await.expect(200).text, before);
    }
    assert_eq!(app.entries().await.len(), entries);
}

#[tokio::test]
async fn changes_at_the_same_time_all_take_effect() {
    let app = std::sync::Arc::new(TestApp::start().await);
    let path = app.create("datadog", datadog()).await;
    let changes: Vec<_> = (0..20)
        .map(|at| {
            let (app, path) = (std::sync::Arc::clone(&app), path.clone());
            let body = json!([{"op": "add", "path": "/tags/-", "value": format!("t{at}")}]);
            tokio::spawn(async move { app.admin("PATCH", &path, body).await.status.as_u16() })
        })
        .collect();
    for change in changes {
        assert_eq!(change.await.expect("ends"), 200);
    }
    let tags = app.admin("GET", &path, Value::Null).await.body["tags"].as_array().map(Vec::len);
    assert_eq!(tags, Some(21));
}
