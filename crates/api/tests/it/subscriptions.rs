//! Create, list, get, delete, and what each refuses.

use app::Grant;
use axum::{body::Body, http::Request};
use serde_json::{Value, json};

use crate::support::{ADMIN, Options, TestApp, datadog, splunk};

const LIST: &str = "/api/v2/integrations/datadog";
const UNKNOWN: &str = "/api/v2/integrations/datadog/66f0c0ffee00000000000009";

#[tokio::test]
async fn create_answers_the_whole_subscription_with_its_secret_masked() {
    let app = TestApp::start().await;
    let reply = app.admin("POST", LIST, datadog()).await.expect(201);
    let id = reply.body["_id"].as_str().expect("an id");
    let expected = json!({
        "_links": {
            "parent": {"href": LIST, "type": "application/json"},
            "self": {"href": format!("{LIST}/{id}"), "type": "application/json"},
        },
        "_id": id,
        "kind": "datadog",
        "name": "Production flag changes",
        "config": {"apiKey": "********1f2e", "hostURL": "https://api.datadoghq.eu"},
        "statements": [{"effect": "allow", "resources": ["proj/*:env/production:flag/*"], "actions": ["*"]}],
        "on": false,
        "tags": ["ops"],
        "_status": {"successCount": 0, "errorCount": 0, "errors": []},
        "_delivery": {"state": "neverOn"},
    });
    // As text, for the order of members counts too.
    assert_eq!(reply.text, expected.to_string());
    let read = app.admin("GET", &format!("{LIST}/{id}"), Value::Null).await.expect(200);
    assert_eq!(read.text, reply.text);
}

#[tokio::test]
async fn list_holds_the_subscriptions_of_one_integration_oldest_first() {
    let app = TestApp::start().await;
    let empty = app.admin("GET", LIST, Value::Null).await.expect(200);
    assert_eq!(
        empty.body,
        json!({"_links": {"self": {"href": LIST, "type": "application/json"}}, "key": "datadog", "items": []})
    );
    app.create("splunk", splunk()).await;
    let first = app.create("datadog", datadog()).await;
    app.server.clock.advance(std::time::Duration::from_secs(2));
    let second = app.create("datadog", datadog()).await;
    let list = app.admin("GET", LIST, Value::Null).await.expect(200);
    let items = list.body["items"].as_array().expect("a list");
    let hrefs: Vec<_> = items.iter().map(|item| item["_links"]["self"]["href"].as_str()).collect();
    assert_eq!(hrefs, [Some(first.as_str()), Some(second.as_str())]);
    assert_eq!(items[0], app.admin("GET", &first, Value::Null).await.body);
}

#[tokio::test]
async fn what_is_left_out_has_its_documented_default() {
    let app = TestApp::start().await;
    let body = app.admin("POST", "/api/v2/integrations/splunk", splunk()).await.expect(201).body;
    assert_eq!((&body["on"], &body["tags"]), (&json!(false), &json!([])));
    let default = json!([{"effect": "allow", "resources": ["proj/*:env/production:flag/*"], "actions": ["*"]}]);
    assert_eq!(body["statements"], default);
    // Defaults of form variables are not returned, or clients would see a change that nobody made.
    let minimal = json!({"name": "n", "config": {}, "statements": [], "tags": null, "unknown": {"x": 1}});
    let body = app.admin("POST", LIST, minimal).await.expect(201).body;
    assert_eq!((&body["config"], &body["statements"]), (&json!({}), &json!([])));
    assert_eq!(body.get("unknown"), None);
}

#[tokio::test]
async fn values_come_back_as_they_were_sent() {
    let app = TestApp::start().await;
    let mut sent = splunk();
    sent["name"] = json!("  Käse ; \"quotes\" 🎉 ");
    sent["tags"] = json!(["b", "a", "b", ""]);
    sent["config"]["base-url"] = json!("HTTPS://Splunk.Test:443/a//b/");
    sent["statements"] = json!([
        {"actions": ["*"], "notResources": ["proj/*:/flag/a;t,{critical:true}"], "effect": "deny", "resources": [], "x": 1},
        {"effect": "allow", "resources": ["proj/*"], "notActions": ["update*"]},
    ]);
    let path = app.create("splunk", sent.clone()).await;
    let got = app.admin("GET", &path, Value::Null).await.expect(200);
    for member in ["name", "tags", "statements"] {
        assert_eq!(got.body[member].to_string(), sent[member].to_string());
    }
    assert_eq!(got.body["config"]["base-url"], sent["config"]["base-url"]);
    assert_eq!(got.body["config"]["skip-ca-verification"], json!(false));
}

#[tokio::test]
async fn the_legacy_api_key_beside_the_config_is_taken() {
    let app = TestApp::start().await;
    let body = json!({"name": "n", "apiKey": "canary-legacy-77aa", "config": {}});
    assert_eq!(app.admin("POST", LIST, body).await.expect(201).body["config"], json!({"apiKey": "********77aa"}));
    let body = json!({"name": "n", "apiKey": "canary-legacy-77aa", "config": {"apiKey": "canary-new-88bb"}});
    let path = app.create("datadog", body).await;
    assert_eq!(app.admin("GET", &path, Value::Null).await.body["config"]["apiKey"], "********88bb");
    let patch = json!([{"op": "replace", "path": "/apiKey", "value": "canary-newest-99cc"}]);
    assert_eq!(app.admin("PATCH", &path, patch).await.expect(200).body["config"]["apiKey"], "********99cc");
}

#[tokio::test]
async fn every_mistake_of_a_create_is_named() {
    let app = TestApp::start().await;
    let body = json!({
        "on": "yes", "tags": ["a", 1],
        "config": {"token": "", "base-url": "ftp://x", "skip-ca-verification": "false", "foo": 1},
        "statements": [{"effect": "maybe", "resources": ["*"], "actions": ["*"]}],
    });
    let reply = app.admin("POST", "/api/v2/integrations/splunk", body).await.expect_problem(400, "invalid_request");
    let mut found = reply.attributes();
    found.sort_unstable();
    assert_eq!(
        found,
        [
            "config.base-url",
            "config.foo",
            "config.skip-ca-verification",
            "config.token",
            "name",
            "on",
            "statements[0].effect",
            "statements[0].resources[0]",
            "tags[1]",
        ]
    );
}

#[tokio::test]
async fn bad_creates_are_400() {
    let app = TestApp::start().await;
    let with = |member: &str, value: Value| {
        let mut body = datadog();
        body[member] = value;
        body
    };
    let long = "x".repeat(257);
    for body in [
        json!([]),
        json!("text"),
        with("name", Value::Null),
        with("name", json!("")),
        with("name", json!(7)),
        with("name", json!("a\nb")),
        with("name", json!(long)),
        with("config", Value::Null),
        with("config", json!("x")),
        with("config", json!({"hostURL": "https://evil.test"})),
        with("config", json!({"apiKey": "k".repeat(70_000)})),
        with("tags", json!({})),
        with("tags", json!([long])),
        with("tags", vec!["t"; 101].into()),
        with("statements", json!({})),
        with(
            "statements",
            json!([{"effect": "allow", "resources": ["acct"], "notResources": ["acct"], "actions": ["*"]}]),
        ),
    ] {
        let reply = app.admin("POST", LIST, body.clone()).await;
        assert_eq!((reply.status.as_u16(), &reply.body["code"]), (400, &json!("invalid_request")), "{body}");
    }
    assert_eq!(app.admin("GET", LIST, Value::Null).await.body["items"], json!([]));
}

#[tokio::test]
async fn unknown_keys_and_ids_of_any_shape_are_404() {
    let app = TestApp::start().await;
    let own = app.create("datadog", datadog()).await;
    let elsewhere = own.replace("datadog", "splunk");
    let unknown_key = own.replace("datadog", "nothing");
    let patch = json!([{"op": "replace", "path": "/name", "value": "n"}]);
    for path in [
        UNKNOWN,
        "/api/v2/integrations/datadog/fake-id",
        "/api/v2/integrations/datadog/%00%ff",
        "/api/v2/integrations/datadog/a%2Fb;c,d",
        &elsewhere,
        &unknown_key,
    ] {
        for (method, body) in [("GET", Value::Null), ("PATCH", patch.clone()), ("DELETE", Value::Null)] {
            app.admin(method, path, body).await.expect_problem(404, "not_found");
        }
    }
    app.admin("POST", "/api/v2/integrations/nothing", datadog()).await.expect_problem(404, "not_found");
    app.admin("GET", "/api/v2/integrations/nothing", Value::Null).await.expect_problem(404, "not_found");
    app.admin("GET", "/api/v2/integrations/Datadog", Value::Null).await.expect_problem(404, "not_found");
    // What is not there cannot be changed, however wrong the change is.
    app.admin("PATCH", UNKNOWN, json!([{"op": "nonsense"}])).await.expect_problem(404, "not_found");
}

#[tokio::test]
async fn a_deleted_subscription_is_gone() {
    let app = TestApp::start().await;
    let path = app.create("datadog", datadog()).await;
    let reply = app.admin("DELETE", &path, Value::Null).await.expect(204);
    assert_eq!(reply.text, "");
    for method in ["GET", "DELETE"] {
        app.admin(method, &path, Value::Null).await.expect_problem(404, "not_found");
    }
    let patch = json!([{"op": "replace", "path": "/name", "value": "n"}]);
    app.admin("PATCH", &path, patch).await.expect_problem(404, "not_found");
    assert_eq!(app.admin("GET", LIST, Value::Null).await.body["items"], json!([]));
}

#[tokio::test]
async fn roles_may_do_what_they_say_and_nothing_else() {
    let app = TestApp::start().await;
    let path = app.create("datadog", datadog()).await;
    let patch = || json!([{"op": "replace", "path": "/name", "value": "n"}]);
    let (reader, ingest) = (app.token(Grant::Reader).await, app.token(Grant::Ingest).await);
    for (token, read, write) in [(&reader, 200, 403), (&ingest, 403, 403)] {
        app.call(token, "GET", &path, Value::Null).await.expect(read);
        app.call(token, "GET", LIST, Value::Null).await.expect(read);
        app.call(token, "POST", LIST, datadog()).await.expect(write);
        app.call(token, "PATCH", &path, patch()).await.expect(write);
        app.call(token, "DELETE", &path, Value::Null).await.expect_problem(write, "forbidden");
    }
    // Nor is looked at what they send.
    for (method, target) in [("POST", LIST), ("PATCH", path.as_str()), ("POST", "/ingest/entries")] {
        let request = Request::builder().method(method).uri(target).header("authorization", &reader);
        app.send(request.body(Body::from("{bad")).unwrap()).await.expect_problem(403, "forbidden");
    }
    let request = Request::post("/api/v2/integrations/nothing").header("authorization", ADMIN);
    app.send(request.body(Body::from("{bad")).unwrap()).await.expect_problem(404, "not_found");
    // Whoever may not do it does not learn whether it is there.
    app.call(&reader, "DELETE", UNKNOWN, Value::Null).await.expect_problem(403, "forbidden");
    app.call(&ingest, "GET", "/api/v2/integrations/nothing", Value::Null).await.expect_problem(403, "forbidden");
    let writer = app.token(Grant::Writer).await;
    app.call(&writer, "POST", LIST, datadog()).await.expect(201);
    app.call(&writer, "PATCH", &path, patch()).await.expect(200);
    app.call(&writer, "DELETE", &path, Value::Null).await.expect(204);
    app.call(&writer, "POST", "/ingest/entries", json!([])).await.expect_problem(403, "forbidden");
    app.call(&reader, "POST", "/ingest/entries", json!([])).await.expect_problem(403, "forbidden");
    app.call(&ingest, "POST", "/ingest/entries", json!([])).await.expect(202);
}

#[tokio::test]
async fn inline_policies_are_judged_by_resource_and_by_what_really_changes() {
    let app = TestApp::start().await;
    let (mine, other) = (app.create("datadog", datadog()).await, app.create("datadog", datadog()).await);
    let id = mine.rsplit('/').next().expect("an id");
    let token = app
        .policy_token(json!([{"effect": "allow", "resources": [format!("integration/{id}")], "actions": ["updateOn"]}]))
        .await;
    app.call(&token, "GET", &mine, Value::Null).await.expect(200);
    app.call(&token, "GET", &other, Value::Null).await.expect_problem(403, "forbidden");
    let listed = app.call(&token, "GET", LIST, Value::Null).await.expect(200);
    assert_eq!(listed.body["items"].as_array().map(Vec::len), Some(1));
    app.call(&token, "GET", "/api/v2/integrations/splunk", Value::Null).await.expect_problem(403, "forbidden");
    let replace = |path: &str, value: Value| json!({"op": "replace", "path": path, "value": value});
    // Terraform writes every member, changed or not; only what changes needs an action.
    let same_name = replace("/name", datadog()["name"].clone());
    app.call(&token, "PATCH", &mine, json!([same_name, replace("/on", json!(true))])).await.expect(200);
    for operation in [replace("/name", json!("n")), replace("/tags", json!([])), replace("/config/apiKey", json!("k"))]
    {
        let reply = app.call(&token, "PATCH", &mine, json!([operation])).await.expect_problem(403, "forbidden");
        assert!(reply.body["message"].as_str().is_some_and(|message| message.contains("update")), "{}", reply.text);
    }
    app.call(&token, "POST", LIST, datadog()).await.expect_problem(403, "forbidden");
}

#[tokio::test]
async fn the_state_of_deliveries_stands_beside_the_status() {
    let app = TestApp::start().await;
    let mut body = datadog();
    body["on"] = json!(true);
    body["statements"] = json!([]);
    let path = app.create("datadog", body).await;
    let shown = app.admin("GET", &path, Value::Null).await.expect(200).body["_delivery"].clone();
    assert_eq!(shown["state"], "flowing");
    assert!(shown["position"].is_u64(), "{shown}");
    let off = json!([{"op": "replace", "path": "/on", "value": false}]);
    assert_eq!(app.admin("PATCH", &path, off).await.expect(200).body["_delivery"]["state"], "paused");
}

#[tokio::test]
async fn a_wrong_master_key_makes_configs_unreadable_and_changes_nothing() {
    let app = TestApp::start().await;
    let path = app.create("datadog", datadog()).await;
    let before = app.admin("GET", &path, Value::Null).await.text;
    let mut other_key = Options::default();
    other_key.server.master = [8; 32];
    let app = app.restart(other_key).await;
    let patch = json!([{"op": "replace", "path": "/name", "value": "n"}]);
    for (method, body) in [("GET", Value::Null), ("PATCH", patch)] {
        app.admin(method, &path, body).await.expect_problem(503, "service_unavailable");
    }
    app.admin("POST", LIST, datadog()).await.expect_problem(503, "service_unavailable");
    let ready = app.admin("GET", "/readyz", Value::Null).await.expect(503);
    assert!(ready.text.contains("master key"), "{}", ready.text);
    let app = app.restart(Options::default()).await;
    assert_eq!(app.admin("GET", &path, Value::Null).await.expect(200).text, before);
    assert_eq!(app.admin("GET", "/readyz", Value::Null).await.expect(200).body, json!({"status": "ready"}));
}
