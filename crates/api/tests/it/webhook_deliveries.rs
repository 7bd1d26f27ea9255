//! What lies below a webhook: attempts, dead letters, redeliveries, replays, its ledger, skips and test messages.

use std::sync::Arc;

use axum::{Router, http::StatusCode, routing::post};
use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::support::{TestApp, until};

/// A receiver that refuses what holds the word `poison` while it is told to; keeps what it takes.
#[derive(Clone, Default)]
struct Receiver {
    refuses: Arc<Mutex<bool>>,
    taken: Arc<Mutex<Vec<String>>>,
}

impl Receiver {
    async fn start() -> (Self, String) {
        let receiver = Self { refuses: Arc::new(Mutex::new(true)), ..Self::default() };
        let collect = {
            let receiver = receiver.clone();
            move |body: String| async move {
                if *receiver.refuses.lock() && body.contains("poison") {
                    return StatusCode::BAD_REQUEST;
                }
                receiver.taken.lock().push(body);
                StatusCode::OK
            }
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("listens");
        let url = format!("http://{}/hook", listener.local_addr().expect("an address"));
        tokio::spawn(async move { axum::serve(listener, Router::new().route("/hook", post(collect))).await });
        (receiver, url)
    }
}

/// A webhook for orders that is on; its path.
async fn orders(app: &TestApp, url: &str) -> String {
    let statements = json!([{"effect": "allow", "resources": ["order/*"], "actions": ["*"]}]);
    let body = json!({"url": url, "sign": false, "on": true, "name": "CI", "statements": statements});
    let made = app.admin("POST", "/api/v2/webhooks", body).await.expect(200).body;
    made["_links"]["self"]["href"].as_str().expect("a link").to_owned()
}

/// Stores an entry and waits for its fate; its sequence.
async fn deliver(app: &TestApp, path: &str, name: &str) -> u64 {
    let entry = json!({"action": "pay", "resource": format!("order/{name}")});
    let reply = app.ingest("/ingest/entries", &[], entry.to_string()).await.expect(202);
    let settled = async || app.admin("GET", path, Value::Null).await.body["_delivery"]["waiting"] == json!(0);
    until("everything has its fate", settled).await;
    reply.body["lastSequence"].as_u64().expect("a sequence")
}

async fn get(app: &TestApp, path: &str) -> Value {
    app.admin("GET", path, Value::Null).await.expect(200).body
}

async fn done(app: &TestApp, job: &str) -> Value {
    until("the job is done", async || get(app, job).await["state"] == "done").await;
    get(app, job).await
}

#[tokio::test]
async fn attempts_and_dead_letters_are_listed_and_dead_letters_sent_again() {
    let app = TestApp::start().await;
    let (receiver, url) = Receiver::start().await;
    let path = orders(&app, &url).await;
    deliver(&app, &path, "good").await;
    let dead = deliver(&app, &path, "poison").await;
    let attempts = format!("{path}/attempts?outcome=refused");
    until("the attempt is written", async || get(&app, &attempts).await["items"][0]["statusCode"] == 400).await;
    assert_eq!(get(&app, &attempts).await["_links"]["parent"]["href"], json!(path));
    let letters = get(&app, &format!("{path}/dead-letters")).await;
    assert_eq!((&letters["items"][0]["sequence"], letters["items"].as_array().map(Vec::len)), (&json!(dead), Some(1)));
    *receiver.refuses.lock() = false;
    let redeliver = format!("{path}/dead-letters/redeliver");
    let made = app.admin("POST", &redeliver, json!({"sequences": [dead]})).await.expect(202);
    let job = made.headers["location"].to_str().expect("is text").to_owned();
    assert!(job.starts_with(&format!("{path}/replays/")), "{job}");
    let record = app.last_entry().await;
    let id = path.rsplit('/').next().expect("an id");
    assert_eq!(record["accesses"], json!([{"action": "redeliver", "resource": format!("webhook/{id}")}]));
    assert_eq!(
        (&record["kind"], &record["titleVerb"]),
        (&json!("webhook"), &json!("started a redelivery of the webhook"))
    );
    assert_eq!(record["target"]["_links"]["canonical"]["href"], json!(path));
    assert_eq!(done(&app, &job).await["counts"]["accepted"], 1);
    assert!(receiver.taken.lock().iter().any(|body| body.contains("poison")));
    assert_eq!(get(&app, &format!("{path}/dead-letters")).await["items"], json!([]));
    app.admin("POST", &redeliver, json!({"all": true})).await.expect_problem(409, "conflict");
}

#[tokio::test]
async fn a_range_is_replayed_and_a_replay_listed_and_stopped() {
    let app = TestApp::start().await;
    let (receiver, url) = Receiver::start().await;
    let path = orders(&app, &url).await;
    let sequence = deliver(&app, &path, "good").await;
    let replays = format!("{path}/replays");
    let range = json!({"from": {"sequence": sequence}, "to": {"sequence": sequence}});
    let dry = json!({"from": {"sequence": sequence}, "dryRun": true});
    assert_eq!(app.admin("POST", &replays, dry).await.expect(200).body["matching"], 1);
    let made = app.admin("POST", &replays, range).await.expect(202).body;
    let job = made["_links"]["self"]["href"].as_str().expect("a link").to_owned();
    assert_eq!(app.last_entry().await["accesses"][0]["action"], "replayWebhook");
    assert_eq!(done(&app, &job).await["counts"]["accepted"], 1);
    assert_eq!(receiver.taken.lock().len(), 2);
    assert_eq!(get(&app, &replays).await["items"][0]["_id"], made["_id"]);
    app.admin("DELETE", &job, Value::Null).await.expect(204);
    let unknown = format!("{replays}/66f0c0ffee00000000000000");
    app.admin("DELETE", &unknown, Value::Null).await.expect_problem(404, "not_found");
}

#[tokio::test]
async fn a_webhook_has_a_test_message_a_ledger_that_outlives_it_and_skips() {
    let app = TestApp::start().await;
    let (receiver, url) = Receiver::start().await;
    let path = orders(&app, &url).await;
    let tested = app.admin("POST", &format!("{path}/test"), Value::Null).await.expect(200).body;
    assert_eq!((&tested["outcome"], &tested["statusCode"]), (&json!("accepted"), &json!(200)));
    assert_eq!(receiver.taken.lock().len(), 1);
    let off = json!([{"op": "replace", "path": "/on", "value": false}]);
    app.admin("PATCH", &path, off).await.expect(200);
    let entry = json!({"action": "pay", "resource": "order/1"});
    app.ingest("/ingest/entries", &[], entry.to_string()).await.expect(202);
    let skipped =
        app.admin("POST", &format!("{path}/skip-to-now"), Value::Null).await.expect(200).body["skipped"].clone();
    assert!(skipped.as_u64() > Some(0), "{skipped}");
    let record = app.last_entry().await;
    assert_eq!((&record["titleVerb"], &record["kind"]), (&json!("skipped to now with the webhook"), &json!("webhook")));
    assert_eq!(record["accesses"][0]["action"], "updateStatements");
    app.admin("DELETE", &path, Value::Null).await.expect(204);
    let ledger = get(&app, &format!("{path}/ledger")).await;
    assert_eq!((&ledger["counts"]["skipped"], &ledger["addsUp"]), (&skipped, &json!(true)));
    assert!(ledger["deletedAt"].is_number());
    app.admin("GET", &format!("{path}/attempts"), Value::Null).await.expect_problem(404, "not_found");
}

#[tokio::test]
async fn each_operation_takes_its_own_action_on_the_webhook() {
    let app = TestApp::start().await;
    let (_, url) = Receiver::start().await;
    let path = orders(&app, &url).await;
    let only = |action: &str| json!([{"effect": "allow", "resources": ["webhook/*"], "actions": [action]}]);
    let operations = [
        ("GET", "attempts", "viewDeliveries"),
        ("GET", "dead-letters", "viewDeliveries"),
        ("GET", "replays", "viewDeliveries"),
        ("GET", "ledger", "viewDeliveries"),
        ("POST", "dead-letters/redeliver", "redeliver"),
        ("POST", "replays", "replayWebhook"),
        ("POST", "skip-to-now", "updateStatements"),
        ("POST", "test", "validateConnection"),
    ];
    for action in
        ["viewDeliveries", "redeliver", "replayWebhook", "updateStatements", "validateConnection", "viewWebhook"]
    {
        let token = app.policy_token(only(action)).await;
        for (method, below, needed) in operations {
            let body = if method == "POST" { json!({}) } else { Value::Null };
            let status = app.call(&token, method, &format!("{path}/{below}"), body).await.status.as_u16();
            assert_eq!(status == 403, action != needed, "{action}: {method} {below} {status}");
        }
    }
    // The actions on subscriptions are not those on webhooks, and neither is reached as the other.
    let integrations = json!([{"effect": "allow", "resources": ["integration/*"], "actions": ["*"]}]);
    let token = app.policy_token(integrations).await;
    let subscription = app.create("splunk", crate::support::splunk()).await;
    let id = subscription.rsplit('/').next().expect("an id");
    for (method, below, _) in operations {
        let body = if method == "POST" { json!({"all": true, "from": {"sequence": 1}}) } else { Value::Null };
        app.call(&token, method, &format!("{path}/{below}"), body.clone()).await.expect_problem(403, "forbidden");
        let other = format!("/api/v2/webhooks/{id}/{below}");
        app.admin(method, &other, body).await.expect_problem(404, "not_found");
    }
}
