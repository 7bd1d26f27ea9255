//! What Terraform's provider sends, in its order, and what it needs back.

use axum::http::Request;
use serde_json::{Value, json};

use crate::support::{ADMIN, TestApp};

async fn send(app: &TestApp, method: &str, path: &str, body: &Value) -> (u16, Value) {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("authorization", ADMIN)
        .header("content-type", "application/json")
        // Its HTTP library and the provider itself both set the version.
        .header("ld-api-version", "20240415")
        .header("ld-api-version", "20240415")
        .header("user-agent", "launchdarkly-terraform-provider/2.25.0");
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let reply = app.send(request.body(body.into()).expect("a request")).await;
    (reply.status.as_u16(), reply.body)
}

#[tokio::test]
async fn the_life_of_a_resource() {
    let app = TestApp::start().await;
    let list = "/api/v2/integrations/splunk";
    let statements = json!([{"effect": "deny", "resources": ["proj/*"], "actions": ["*"]}]);
    let config =
        json!({"base-url": "https://hec.test/a/", "token": "canary-terraform-1", "skip-ca-verification": true});
    let create = json!({"name": "terraform", "on": true, "tags": [], "config": config, "statements": statements});
    let (status, created) = send(&app, "POST", list, &create).await;
    assert_eq!(status, 201);
    let path = format!("{list}/{}", created["_id"].as_str().expect("an id"));
    let (status, read) = send(&app, "GET", &path, &Value::Null).await;
    assert_eq!((status, &read["on"], &read["tags"], &read["statements"]), (200, &json!(true), &json!([]), &statements));
    assert_eq!(read["config"]["base-url"], "https://hec.test/a/");
    assert_eq!(read["config"]["skip-ca-verification"], json!(true));

    let statements = json!([{"effect": "allow", "notResources": ["proj/*"], "notActions": ["createFlag"]}]);
    let config = json!({"base-url": "http://hec.test", "token": "canary-terraform-2", "skip-ca-verification": false});
    let update = json!([
        {"op": "replace", "path": "/name", "value": "terraform 2"},
        {"op": "replace", "path": "/tags", "value": ["a", "b"]},
        {"op": "replace", "path": "/config", "value": config},
        {"op": "replace", "path": "/on", "value": false},
        {"op": "replace", "path": "/statements", "value": statements},
    ]);
    let (status, updated) = send(&app, "PATCH", &path, &update).await;
    assert_eq!(status, 200);
    let (status, read) = send(&app, "GET", &path, &Value::Null).await;
    assert_eq!((status, &read), (200, &updated));
    assert_eq!((&read["name"], &read["tags"], &read["on"]), (&json!("terraform 2"), &json!(["a", "b"]), &json!(false)));
    assert_eq!(read["statements"], statements);
    assert_eq!(
        read["config"],
        json!({"base-url": "http://hec.test", "token": "********rm-2", "skip-ca-verification": false})
    );

    assert_eq!(send(&app, "DELETE", &path, &Value::Null).await, (204, Value::Null));
    assert_eq!(send(&app, "GET", &path, &Value::Null).await.0, 404);
}

#[tokio::test]
async fn a_data_source_creates_without_on_and_asks_for_an_id_that_is_none() {
    let app = TestApp::start().await;
    let list = "/api/v2/integrations/datadog";
    let body = json!({
        "name": "data source", "config": {"apiKey": "canary", "hostURL": "https://api.datadoghq.com"},
        "statements": [{"effect": "allow", "resources": ["proj/*"], "actions": ["*"]}],
    });
    let (status, created) = send(&app, "POST", list, &body).await;
    assert_eq!((status, &created["on"], &created["config"]["apiKey"]), (201, &json!(false), &json!("********")));
    assert_eq!(send(&app, "GET", &format!("{list}/fake-id"), &Value::Null).await.0, 404);
}
