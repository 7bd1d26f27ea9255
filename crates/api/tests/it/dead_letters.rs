//! Dead letters over the API: the list, its pages, and who may look.

use app::Grant;
use axum::{Router, http::StatusCode, routing::post};
use serde_json::{Value, json};

use crate::support::{TestApp, splunk};

/// A collector that takes everything but what holds the word `poison`.
async fn collector() -> String {
    let collect = async |body: String| match body.contains("poison") {
        true => (StatusCode::BAD_REQUEST, axum::Json(json!({"text": "Invalid data format", "code": 6}))),
        false => (StatusCode::OK, axum::Json(json!({"text": "Success", "code": 0}))),
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("listens");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let router = Router::new().route("/services/collector/event", post(collect));
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}

/// A subscription with three dead letters; their sequences, oldest first, and its path.
async fn with_dead_letters(app: &TestApp) -> (String, Vec<u64>) {
    let body = json!({
        "name": "SIEM", "on": true,
        "config": {"base-url": collector().await, "token": "canary-token-9a9a", "skip-ca-verification": false},
        "statements": [{"effect": "allow", "resources": ["order/*"], "actions": ["*"]}],
    });
    let path = app.create("splunk", body).await;
    let mut sequences = Vec::new();
    for name in ["good", "poison-1", "poison-2", "good", "poison-3"] {
        let entry =
            json!({"_id": format!("id-{}", sequences.len()), "action": "pay", "resource": format!("order/{name}")});
        let reply = app.ingest("/ingest/entries", &[], entry.to_string()).await.expect(202);
        sequences.push(reply.body["lastSequence"].as_u64().expect("a sequence"));
        let delivered = async || app.admin("GET", &path, Value::Null).await.body["_delivery"]["waiting"] == json!(0);
        crate::support::until("everything has its fate", delivered).await;
    }
    app.server.stop_deliveries().await;
    (path, vec![sequences[1], sequences[2], sequences[4]])
}

#[tokio::test]
async fn dead_letters_are_listed_in_pages_newest_first() {
    let app = TestApp::start().await;
    let (path, dead) = with_dead_letters(&app).await;
    let whole = app.admin("GET", &format!("{path}/dead-letters"), Value::Null).await.expect(200).body;
    let sequences = |body: &Value| -> Vec<u64> {
        let items = body["items"].as_array().expect("a list");
        items.iter().filter_map(|item| item["sequence"].as_u64()).collect()
    };
    assert_eq!(sequences(&whole), [dead[2], dead[1], dead[0]]);
    let first = &whole["items"][0];
    assert_eq!((&first["entryId"], first.get("entry")), (&json!("id-4"), None));
    assert_eq!(first["fate"], json!("dead"));
    for (fate, count) in [("dead", 3), ("skipped", 0)] {
        let page = app.admin("GET", &format!("{path}/dead-letters?fate={fate}"), Value::Null).await.expect(200).body;
        assert_eq!(page["items"].as_array().map(Vec::len), Some(count), "{fate}");
    }
    assert!(first["reason"]["name"].is_string() && first["reason"]["text"].is_string(), "{first}");
    assert_eq!(first["diedAt"], json!(app::testing::ManualClock::START));
    assert_eq!(whole["_links"]["parent"]["href"], json!(path));
    assert_eq!(whole["_links"].get("next"), None);

    let mut next = format!("{path}/dead-letters?limit=2&fate=dead");
    let mut pages = Vec::new();
    loop {
        let page = app.admin("GET", &next, Value::Null).await.expect(200).body;
        assert_eq!(page["_links"]["self"]["href"], json!(next));
        pages.push(sequences(&page));
        let Some(href) = page["_links"]["next"]["href"].as_str() else { break };
        next = href.to_owned();
    }
    assert_eq!(pages, [vec![dead[2], dead[1]], vec![dead[0]]]);
}

#[tokio::test]
async fn dead_letters_come_with_their_entries_when_asked() {
    let app = TestApp::start().await;
    let (path, _) = with_dead_letters(&app).await;
    let page =
        app.admin("GET", &format!("{path}/dead-letters?limit=1&withEntries=true"), Value::Null).await.expect(200);
    let entry = &page.body["items"][0]["entry"];
    assert_eq!(entry["_id"], json!("id-4"));
    assert_eq!(entry["accesses"], json!([{"action": "pay", "resource": "order/poison-3"}]));
    let next = page.body["_links"]["next"]["href"].as_str().expect("there is more");
    assert!(next.ends_with("&withEntries=true"), "{next}");
}

#[tokio::test]
async fn readers_may_look_at_dead_letters_and_ingest_tokens_may_not() {
    let app = TestApp::start().await;
    let path = format!("{}/dead-letters", app.create("splunk", splunk()).await);
    for (grant, status) in [(Grant::Writer, 200), (Grant::Reader, 200), (Grant::Ingest, 403)] {
        let token = app.token(grant).await;
        app.call(&token, "GET", &path, Value::Null).await.expect(status);
    }
    let only = |action| json!([{"effect": "allow", "resources": ["integration/*"], "actions": [action]}]);
    for (action, status) in [("viewDeliveries", 200), ("viewIntegration", 403), ("updateOn", 403)] {
        let token = app.policy_token(only(action)).await;
        app.call(&token, "GET", &path, Value::Null).await.expect(status);
    }
}

#[tokio::test]
async fn a_wrong_question_about_dead_letters_is_told() {
    let app = TestApp::start().await;
    let path = app.create("splunk", splunk()).await;
    for query in ["limit=0", "limit=101", "limit=x", "before=0", "before=-1", "fate=lost", "withEntries=yes"] {
        app.admin("GET", &format!("{path}/dead-letters?{query}"), Value::Null)
            .await
            .expect_problem(400, "invalid_request");
    }
    let elsewhere = path.replace("/splunk/", "/datadog/");
    app.admin("GET", &format!("{elsewhere}/dead-letters"), Value::Null).await.expect_problem(404, "not_found");
    let empty = app.admin("GET", &format!("{path}/dead-letters?before=1"), Value::Null).await.expect(200);
    assert_eq!(empty.body["items"], json!([]));
}
