//! How all subscriptions of an account fare, over the API.

use std::time::Duration;

use app::Grant;
use axum::{Router, http::StatusCode, routing::post};
use serde_json::{Value, json};

use crate::support::{TestApp, until};

const PATH: &str = "/api/v2/integration-health";

/// A collector that answers by the token of the request, which is the status.
async fn collector() -> String {
    let collect = async |headers: axum::http::HeaderMap| {
        let token = headers["authorization"].to_str().unwrap_or_default().trim_start_matches("Splunk ");
        let status = StatusCode::from_bytes(token.as_bytes()).expect("a status");
        (status, axum::Json(json!({"text": "Success", "code": 0})))
    };
    serve(Router::new().route("/services/collector/event", post(collect))).await
}

async fn serve(router: Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("listens");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}

async fn subscribe(app: &TestApp, url: &str, name: &str, on: bool) -> String {
    let body = json!({
        "name": name, "on": on,
        "config": {"base-url": url, "token": name, "skip-ca-verification": false},
        "statements": [{"effect": "allow", "resources": ["order/*"], "actions": ["*"]}],
    });
    app.create("splunk", body).await
}

async fn items(app: &TestApp) -> Vec<Value> {
    let reply = app.admin("GET", PATH, Value::Null).await.expect(200);
    reply.body["items"].as_array().expect("a list").clone()
}

#[tokio::test]
async fn the_worst_subscription_comes_first_and_tells_why() {
    let app = TestApp::start().await;
    let url = collector().await;
    let off = subscribe(&app, &url, "off", false).await;
    subscribe(&app, &url, "200", true).await;
    let wrong_key = subscribe(&app, &url, "403", true).await;
    let entry = json!({"action": "pay", "resource": "order/1"});
    app.ingest("/ingest/entries", &[], entry.to_string()).await.expect(202);
    let settled = async || {
        let found = items(&app).await;
        found[0]["state"] == "suspended" && found[1]["counts"]["delivered"] == 1
    };
    until("one is suspended and the other has delivered", settled).await;
    app.server.clock.advance(Duration::from_secs(7));

    let found = items(&app).await;
    let names: Vec<_> = found.iter().map(|item| item["name"].as_str().expect("a name")).collect();
    assert_eq!(names, ["403", "200", "off"]);
    let [worst, flowing, never_on] = &found[..] else { panic!("{found:?}") };
    assert_eq!((&worst["kind"], &worst["_links"]["self"]["href"]), (&json!("splunk"), &json!(wrong_key)));
    assert!(worst["reason"].is_string() && worst["probeAt"].is_i64() && worst["position"].is_u64(), "{worst}");
    assert_eq!((&worst["waiting"], &worst["oldestUnsettledSeconds"]), (&json!(1), &json!(7)));
    assert_eq!((&worst["errorCount"], worst.get("lastSuccess")), (&json!(1), None));
    assert_eq!(worst["lastError"], json!(app::testing::ManualClock::START));
    assert_eq!((&flowing["state"], flowing.get("oldestUnsettledSeconds")), (&json!("flowing"), None));
    assert_eq!(flowing["counts"], json!({"delivered": 1, "skipped": 0, "dead": 0}));
    assert_eq!((&never_on["state"], &never_on["_links"]["self"]["href"]), (&json!("neverOn"), &json!(off)));
}

#[tokio::test]
async fn what_lasts_is_shown_everywhere_until_it_ends() {
    let app = TestApp::start().await;
    let url = collector().await;
    let wrong_key = subscribe(&app, &url, "403", true).await;
    let entry = json!({"action": "pay", "resource": "order/1"});
    app.ingest("/ingest/entries", &[], entry.to_string()).await.expect(202);
    until("it is suspended", async || items(&app).await[0]["state"] == "suspended").await;
    let found = items(&app).await;
    assert_eq!((&found[0]["since"], found[0].get("conditions")), (&json!(app::testing::ManualClock::START), None));
    let gauge = |value| format!("auditcast_conditions{{integration=\"splunk\",condition=\"suspended\"}} {value}\n");
    let metrics = async || app.admin("GET", "/metrics", Value::Null).await.expect(200).text;
    assert!(metrics().await.contains(&gauge(0)));

    app.server.look().await;
    let shown = items(&app).await[0]["conditions"].clone();
    assert_eq!((&shown[0]["kind"], &shown[0]["since"]), (&json!("suspended"), &found[0]["since"]));
    assert_eq!(shown[0]["reason"], found[0]["reason"]);
    let subscription = app.admin("GET", &wrong_key, Value::Null).await.expect(200).body;
    assert_eq!(subscription["_delivery"]["conditions"], shown);
    assert!(metrics().await.contains(&gauge(1)));
    let told = app.last_entry().await;
    assert_eq!(told["accesses"][0]["action"], "reportTrouble");

    let off = json!([{"op": "replace", "path": "/on", "value": false}]);
    app.admin("PATCH", &wrong_key, off).await.expect(200);
    app.server.look().await;
    assert_eq!(items(&app).await[0].get("conditions"), None);
    assert!(metrics().await.contains(&gauge(0)));
    assert_eq!(app.last_entry().await["accesses"][0]["action"], "reportRecovery");
}

#[tokio::test]
async fn what_waits_for_minutes_while_more_comes_makes_a_subscription_behind() {
    let app = TestApp::start().await;
    let never = std::future::pending::<StatusCode>;
    let url = serve(Router::new().route("/services/collector/event", post(never))).await;
    subscribe(&app, &url, "200", true).await;
    let ingest = async || {
        let entry = json!({"action": "pay", "resource": "order/1"});
        app.ingest("/ingest/entries", &[], entry.to_string()).await.expect(202);
    };
    ingest().await;
    until("it waits", async || items(&app).await[0]["oldestUnsettledSeconds"] == 0).await;
    let mut states = Vec::new();
    for seconds in [0, 200, 99, 1] {
        app.server.clock.advance(Duration::from_secs(seconds));
        ingest().await;
        app.server.look().await;
        states.push(items(&app).await[0]["state"].clone());
    }
    assert_eq!(states, ["flowing", "flowing", "flowing", "behind"]);
    assert_eq!(items(&app).await[0]["conditions"][0]["kind"], "behind");
}

#[tokio::test]
async fn a_token_sees_the_health_of_its_own_subscriptions_only() {
    let app = TestApp::start().await;
    let url = collector().await;
    let mine = subscribe(&app, &url, "mine", false).await;
    subscribe(&app, &url, "other", false).await;
    let id = mine.rsplit('/').next().expect("an id");
    let allow =
        |resource: &str, action: &str| json!([{"effect": "allow", "resources": [resource], "actions": [action]}]);
    let token = app.policy_token(allow(&format!("integration/{id}"), "viewDeliveries")).await;
    let reply = app.call(&token, "GET", PATH, Value::Null).await.expect(200);
    let names: Vec<_> = reply.body["items"].as_array().expect("a list").iter().map(|item| &item["name"]).collect();
    assert_eq!(names, [&json!("mine")]);
    let nothing = app.policy_token(allow("integration/66f0c0ffee00000000000001", "viewDeliveries")).await;
    app.call(&nothing, "GET", PATH, Value::Null).await.expect_problem(403, "forbidden");
    let blind = app.policy_token(allow("integration/*", "viewIntegration")).await;
    app.call(&blind, "GET", PATH, Value::Null).await.expect_problem(403, "forbidden");
    for (grant, status) in [(Grant::Reader, 200), (Grant::Writer, 200), (Grant::Ingest, 403)] {
        let token = app.token(grant).await;
        app.call(&token, "GET", PATH, Value::Null).await.expect(status);
    }
}
