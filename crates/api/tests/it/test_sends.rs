//! Test messages over the API: what is answered, and who may ask.

use app::Grant;
use axum::{Router, http::StatusCode, routing::post};
use serde_json::{Value, json};

use crate::support::{TestApp, splunk};

/// A collector that answers everything alike.
async fn collector(status: u16, answer: Value) -> String {
    let collect = move || async move { (StatusCode::from_u16(status).expect("a status"), axum::Json(answer)) };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("listens");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let router = Router::new().route("/services/collector/event", post(collect));
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}

async fn subscribe(app: &TestApp, url: &str) -> String {
    let config = json!({"base-url": url, "token": "canary-token-9a9a", "skip-ca-verification": false});
    app.create("splunk", json!({"name": "SIEM", "config": config})).await
}

#[tokio::test]
async fn an_accepted_test_message_is_told_with_its_request() {
    let app = TestApp::start().await;
    let url = collector(200, json!({"text": "Success", "code": 0})).await;
    let path = subscribe(&app, &url).await;
    let before = app.admin("GET", &path, Value::Null).await.body;
    let entries = app.entries().await.len();
    let reply = app.admin("POST", &format!("{path}/test"), Value::Null).await.expect(200);
    let request = &reply.body["request"];
    assert_eq!((&reply.body["outcome"], &reply.body["statusCode"]), (&json!("accepted"), &json!(200)));
    assert_eq!((reply.body.get("reason"), &reply.body["durationMs"]), (None, &json!(0)));
    assert_eq!(
        (&request["method"], &request["url"]),
        (&json!("POST"), &json!(format!("{url}/services/collector/event")))
    );
    assert!(request["bytes"].as_u64().is_some_and(|bytes| bytes > 100), "{}", reply.text);
    assert_eq!(app.admin("GET", &path, Value::Null).await.body, before, "it counts nowhere");
    assert_eq!(app.entries().await.len(), entries, "it is not recorded");
}

#[tokio::test]
async fn a_failed_test_message_is_an_answer_and_no_error() {
    let app = TestApp::start().await;
    let url = collector(403, json!({"text": "Invalid token canary-token-9a9a", "code": 4})).await;
    let path = subscribe(&app, &url).await;
    let reply = app.admin("POST", &format!("{path}/test"), Value::Null).await.expect(200);
    assert_eq!((&reply.body["outcome"], &reply.body["statusCode"]), (&json!("misconfigured"), &json!(403)));
    assert!(reply.body["reason"]["name"].is_string() && reply.body["reason"]["text"].is_string(), "{}", reply.text);
    assert!(!reply.text.contains("canary"), "{}", reply.text);
    // Nobody listens at a port that was just given back.
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("listens").local_addr().expect("an address");
    let path = subscribe(&app, &format!("http://{closed}")).await;
    let reply = app.admin("POST", &format!("{path}/test"), Value::Null).await.expect(200);
    assert_eq!((&reply.body["outcome"], reply.body.get("statusCode")), (&json!("unavailable"), None));
    assert!(reply.body["request"].is_object(), "{}", reply.text);
}

#[tokio::test]
async fn writers_may_test_and_readers_may_not() {
    let app = TestApp::start().await;
    let url = collector(200, json!({"text": "Success", "code": 0})).await;
    let path = format!("{}/test", subscribe(&app, &url).await);
    for (grant, status) in [(Grant::Writer, 200), (Grant::Reader, 403), (Grant::Ingest, 403)] {
        let token = app.token(grant).await;
        app.call(&token, "POST", &path, Value::Null).await.expect(status);
    }
    let only = json!([{"effect": "allow", "resources": ["integration/*"], "actions": ["validateConnection"]}]);
    let token = app.policy_token(only).await;
    app.call(&token, "POST", &path, Value::Null).await.expect(200);
    app.call("nobody", "POST", &path, Value::Null).await.expect(401);
}

#[tokio::test]
async fn only_what_is_there_can_be_tested() {
    let app = TestApp::start().await;
    let path = app.create("splunk", splunk()).await;
    let elsewhere = path.replace("/splunk/", "/datadog/");
    let unknown = "/api/v2/integrations/splunk/66f0c0ffee00000000000001".to_owned();
    for path in [elsewhere, unknown, "/api/v2/integrations/nothing/x".to_owned()] {
        app.admin("POST", &format!("{path}/test"), Value::Null).await.expect_problem(404, "not_found");
    }
    app.admin("GET", &format!("{path}/test"), Value::Null).await.expect_problem(405, "method_not_allowed");
}
