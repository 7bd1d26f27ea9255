//! Redeliveries and replays over the API: made, listed, stopped, refused, and who may ask.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, Ordering},
};

use app::Grant;
use axum::{Router, http::StatusCode, routing::post};
use serde_json::{Value, json};

use crate::support::{ADMIN, TestApp, splunk, until};

/// A collector that refuses what holds the word `poison` until it is healed.
#[derive(Clone, Default)]
struct Collector {
    healed: Arc<AtomicBool>,
    bodies: Arc<Mutex<Vec<String>>>,
}

impl Collector {
    async fn start(&self) -> String {
        let collector = self.clone();
        let collect = move |body: String| {
            let refuses = body.contains("poison") && !collector.healed.load(Ordering::SeqCst);
            collector.bodies.lock().expect("whole").push(body);
            let answer = match refuses {
                true => (StatusCode::BAD_REQUEST, axum::Json(json!({"text": "Invalid data format", "code": 6}))),
                false => (StatusCode::OK, axum::Json(json!({"text": "Success", "code": 0}))),
            };
            async { answer }
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("listens");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let router = Router::new().route("/services/collector/event", post(collect));
        tokio::spawn(async move { axum::serve(listener, router).await });
        url
    }

    fn received(&self) -> usize {
        self.bodies.lock().expect("whole").len()
    }
}

/// A subscription that has met good, poison, poison, good: its path and their sequences.
async fn with_history(app: &TestApp, collector: &Collector) -> (String, Vec<u64>) {
    let body = json!({
        "name": "SIEM", "on": true,
        "config": {"base-url": collector.start().await, "token": "canary-token-9a9a", "skip-ca-verification": false},
        "statements": [{"effect": "allow", "resources": ["order/*"], "actions": ["*"]}],
    });
    let path = app.create("splunk", body).await;
    let mut sequences = Vec::new();
    for name in ["good", "poison-1", "poison-2", "good"] {
        let entry = json!({"action": "pay", "resource": format!("order/{name}")});
        let reply = app.ingest("/ingest/entries", &[], entry.to_string()).await.expect(202);
        sequences.push(reply.body["lastSequence"].as_u64().expect("a sequence"));
        let settled = async || app.admin("GET", &path, Value::Null).await.body["_delivery"]["waiting"] == json!(0);
        until("everything has its fate", settled).await;
    }
    let dead = async || dead_letters(app, &path).await.len() == 2;
    until("the dead letters are written down", dead).await;
    (path, sequences)
}

async fn dead_letters(app: &TestApp, path: &str) -> Vec<u64> {
    let page = app.admin("GET", &format!("{path}/dead-letters"), Value::Null).await.expect(200).body;
    page["items"].as_array().expect("a list").iter().filter_map(|item| item["sequence"].as_u64()).collect()
}

/// The job at this place, once it has ended.
async fn ended(app: &TestApp, place: &str) -> Value {
    let is_over = async || app.admin("GET", place, Value::Null).await.expect(200).body["state"] != json!("running");
    until("the job ends", is_over).await;
    app.admin("GET", place, Value::Null).await.body
}

async fn counts_of(app: &TestApp) -> Value {
    app.admin("GET", "/api/v2/integration-health", Value::Null).await.expect(200).body["items"][0]["counts"].clone()
}

#[tokio::test]
async fn refused_entries_are_redelivered_once_the_destination_takes_them() {
    let app = TestApp::start().await;
    let collector = Collector::default();
    let (path, sequences) = with_history(&app, &collector).await;
    let redeliver = format!("{path}/dead-letters/redeliver");

    let reply = app.admin("POST", &redeliver, json!({"sequences": [sequences[1]]})).await.expect(202);
    let place = reply.headers["location"].to_str().expect("is text").to_owned();
    assert_eq!(reply.body["_links"]["self"]["href"], json!(place));
    assert_eq!((&reply.body["kind"], &reply.body["total"]), (&json!("redelivery"), &json!(1)));
    assert_eq!(reply.body["madeBy"]["ending"], json!("0001"));
    let job = ended(&app, &place).await;
    assert_eq!(job["counts"], json!({"accepted": 0, "refused": 1, "filtered": 0, "skipped": 0}));
    assert_eq!(dead_letters(&app, &path).await, [sequences[2], sequences[1]], "it stays dead");

    collector.healed.store(true, Ordering::SeqCst);
    let reply = app.admin("POST", &redeliver, json!({"all": true})).await.expect(202);
    let job = ended(&app, reply.headers["location"].to_str().expect("is text")).await;
    assert_eq!(job["counts"], json!({"accepted": 2, "refused": 0, "filtered": 0, "skipped": 0}));
    assert_eq!((&job["state"], &job["pending"]), (&json!("done"), &json!(0)));
    assert!(job["endedAt"].is_u64(), "{job}");
    assert_eq!(dead_letters(&app, &path).await, Vec::<u64>::new());
    assert_eq!(counts_of(&app).await["delivered"], json!(4));
    assert_eq!(counts_of(&app).await["dead"], json!(0));
    app.admin("POST", &redeliver, json!({"all": true})).await.expect_problem(409, "conflict");
}

#[tokio::test]
async fn a_replay_sends_a_range_once_more_and_changes_no_count_of_the_ledger() {
    let app = TestApp::start().await;
    let collector = Collector::default();
    let (path, sequences) = with_history(&app, &collector).await;
    let before = (counts_of(&app).await, collector.received());
    let from = json!({"sequence": sequences[0]});
    let body = json!({"from": from, "to": {"sequence": sequences[2]}});

    let mut dry = body.clone();
    dry["dryRun"] = json!(true);
    let reply = app.admin("POST", &format!("{path}/replays"), dry).await.expect(200);
    let expected = json!({
        "dryRun": true,
        "from": from, "to": {"sequence": sequences[2]},
        "entries": 3, "matching": 3, "isLowerBound": false,
        "alreadyThere": "stored again",
    });
    assert_eq!(reply.body, expected);
    assert_eq!(app.admin("GET", &format!("{path}/replays"), Value::Null).await.body["items"], json!([]));

    let reply = app.admin("POST", &format!("{path}/replays"), body).await.expect(202);
    let job = ended(&app, reply.headers["location"].to_str().expect("is text")).await;
    assert_eq!(job["counts"], json!({"accepted": 1, "refused": 2, "filtered": 0, "skipped": 0}));
    assert_eq!((&job["kind"], &job["from"], &job["total"]), (&json!("replay"), &from, &json!(3)));
    assert_eq!(counts_of(&app).await, before.0);
    // A batch that is refused whole comes again in halves.
    assert!(collector.received() >= before.1 + 3, "{}", collector.received());
    assert_eq!(dead_letters(&app, &path).await.len(), 2);
}

#[tokio::test]
async fn a_range_may_be_told_by_the_time_of_receipt() {
    let app = TestApp::start().await;
    let (path, sequences) = with_history(&app, &Collector::default()).await;
    app.server.clock.advance(std::time::Duration::from_secs(60));
    let start = app::testing::ManualClock::START;
    let ask = async |from: i64, to: i64| {
        let body = json!({"from": {"receivedAt": from}, "to": {"receivedAt": to}, "dryRun": true});
        app.admin("POST", &format!("{path}/replays"), body).await
    };
    let whole = ask(start, start + 60_000).await.expect(200).body;
    assert_eq!((&whole["from"], &whole["matching"]), (&json!({"sequence": 1}), &json!(4)));
    assert!(whole["to"]["sequence"].as_u64() >= sequences.last().copied(), "{whole}");
    ask(start + 1, start + 60_000).await.expect_problem(400, "invalid_request");
    ask(1, start - 1).await.expect_problem(400, "invalid_request");
}

#[tokio::test]
async fn jobs_are_listed_newest_first_and_wait_while_the_subscription_is_off() {
    let app = TestApp::start().await;
    let (path, sequences) = with_history(&app, &Collector::default()).await;
    app.admin("PATCH", &path, json!([{"op": "replace", "path": "/on", "value": false}])).await.expect(200);
    let replays = format!("{path}/replays");
    let mut made = Vec::new();
    for _ in 0..3 {
        let reply = app.admin("POST", &replays, json!({"from": {"sequence": sequences[0]}})).await.expect(202);
        made.push(reply.body["_id"].clone());
    }
    let mut listed = Vec::new();
    let mut next = format!("{replays}?limit=2");
    loop {
        let page = app.admin("GET", &next, Value::Null).await.expect(200).body;
        assert_eq!(page["_links"]["self"]["href"], json!(next));
        listed.extend(page["items"].as_array().expect("a list").iter().map(|item| item["_id"].clone()));
        let Some(href) = page["_links"]["next"]["href"].as_str() else { break };
        next = href.to_owned();
    }
    made.reverse();
    assert_eq!(listed, made);

    let place = format!("{replays}/{}", made[0].as_str().expect("an id"));
    let entries = app.entries().await.len();
    for recorded in [1, 1] {
        app.admin("DELETE", &place, Value::Null).await.expect(204);
        assert_eq!(app.entries().await.len(), entries + recorded, "what has ended is not stopped again");
    }
    let stopped = app.admin("GET", &place, Value::Null).await.expect(200).body;
    assert_eq!((&stopped["state"], stopped["pending"].as_u64()), (&json!("stopped"), stopped["total"].as_u64()));
    for _ in 0..8 {
        app.admin("POST", &replays, json!({"from": {"sequence": 1}})).await.expect(202);
    }
    app.admin("POST", &replays, json!({"from": {"sequence": 1}})).await.expect_problem(409, "conflict");
}

#[tokio::test]
async fn making_and_stopping_a_job_record_themselves() {
    let app = TestApp::start().await;
    let (path, sequences) = with_history(&app, &Collector::default()).await;
    app.admin("PATCH", &path, json!([{"op": "replace", "path": "/on", "value": false}])).await.expect(200);
    let resource = format!("integration/{}", path.rsplit('/').next().expect("an id"));
    let replay = app.admin("POST", &format!("{path}/replays"), json!({"from": {"sequence": 1}})).await.expect(202);
    let entry = app.last_entry().await;
    assert_eq!(entry["accesses"], json!([{"action": "replayIntegration", "resource": resource}]));
    assert_eq!(entry["titleVerb"], "started a replay of the integration");
    assert!(entry["description"].as_str().is_some_and(|text| text.starts_with("Entries 1 to ")), "{entry}");
    let body = json!({"sequences": [sequences[1], sequences[2]]});
    app.admin("POST", &format!("{path}/dead-letters/redeliver"), body).await.expect(202);
    let entry = app.last_entry().await;
    assert_eq!(entry["accesses"], json!([{"action": "redeliver", "resource": resource}]));
    assert_eq!(entry["description"], json!(format!("Entries {}, {}.", sequences[1], sequences[2])));
    let place = replay.body["_links"]["self"]["href"].as_str().expect("a link").to_owned();
    app.admin("DELETE", &place, Value::Null).await.expect(204);
    assert_eq!(app.last_entry().await["titleVerb"], "stopped a replay of the integration");
}

#[tokio::test]
async fn a_wrong_redelivery_is_told() {
    let app = TestApp::start().await;
    let (path, sequences) = with_history(&app, &Collector::default()).await;
    let redeliver = format!("{path}/dead-letters/redeliver");
    let reply = app.admin("POST", &redeliver, json!({"sequences": [sequences[1], sequences[3], 99]})).await;
    let reply = reply.expect_problem(400, "invalid_request");
    let reason = reply.body["errors"][0]["reason"].as_str().expect("a reason");
    assert!(reason.ends_with(&format!(": {}, 99", sequences[3])), "{reason}");
    let many: Vec<_> = (1..=1_001).collect();
    for body in [
        json!([]),
        json!({}),
        json!({"all": false}),
        json!({"all": "yes"}),
        json!({"all": true, "sequences": [1]}),
        json!({"sequences": []}),
        json!({"sequences": [0]}),
        json!({"sequences": ["1"]}),
        json!({"sequences": many}),
        json!({"all": true, "fate": "delivered"}),
        json!({"sequences": [1], "fate": "dead"}),
    ] {
        app.admin("POST", &redeliver, body).await.expect_problem(400, "invalid_request");
    }
    app.admin("PATCH", &path, json!([{"op": "replace", "path": "/on", "value": false}])).await.expect(200);
    app.admin("POST", &redeliver, json!({"sequences": [sequences[1]]})).await.expect(202);
    let again = app.admin("POST", &redeliver, json!({"sequences": [sequences[1], sequences[2]]})).await;
    let message = again.expect_problem(409, "conflict").body["message"].to_string();
    assert!(message.contains(&sequences[1].to_string()), "{message}");
}

#[tokio::test]
async fn a_wrong_replay_is_told() {
    let app = TestApp::start().await;
    let (path, sequences) = with_history(&app, &Collector::default()).await;
    let replays = format!("{path}/replays");
    let far = app.admin("POST", &replays, json!({"from": {"sequence": 1}, "to": {"sequence": 99}})).await;
    assert_eq!(far.expect_problem(400, "invalid_request").attributes(), ["to.sequence"]);
    for (body, attributes) in [
        (json!([]), vec![]),
        (json!({}), vec!["from"]),
        (json!({"from": 1}), vec!["from"]),
        (json!({"from": {}}), vec!["from"]),
        (json!({"from": {"sequence": 0}}), vec!["from"]),
        (json!({"from": {"sequence": 1, "receivedAt": 1}}), vec!["from"]),
        (json!({"from": {"sequence": 1}, "to": {"receivedAt": "now"}}), vec!["to"]),
        (json!({"from": {"sequence": 1}, "dryRun": 1}), vec!["dryRun"]),
        (json!({"from": {"sequence": sequences[1]}, "to": {"sequence": sequences[0]}}), vec![]),
        (json!({"from": {"sequence": u64::MAX}}), vec![]),
        (json!({"from": {"receivedAt": u64::MAX}}), vec!["from"]),
        (json!({"from": {"receivedAt": i64::MAX}}), vec![]),
    ] {
        let reply = app.admin("POST", &replays, body.clone()).await.expect_problem(400, "invalid_request");
        assert_eq!(reply.attributes(), attributes, "{body}");
    }
    for query in ["limit=0", "limit=101", "before=x", "before=66f0c0ffee00000000000001"] {
        let list = format!("{replays}?{query}");
        app.admin("GET", &list, Value::Null).await.expect_problem(400, "invalid_request");
    }
    let off = app.create("splunk", splunk()).await;
    app.admin("POST", &format!("{off}/replays"), json!({"from": {"sequence": 1}}))
        .await
        .expect_problem(409, "conflict");
}

#[tokio::test]
async fn each_call_asks_for_its_own_permission() {
    let app = TestApp::start().await;
    let (path, _) = with_history(&app, &Collector::default()).await;
    app.admin("PATCH", &path, json!([{"op": "replace", "path": "/on", "value": false}])).await.expect(200);
    let job = app.admin("POST", &format!("{path}/replays"), json!({"from": {"sequence": 1}})).await.expect(202);
    let place = job.body["_links"]["self"]["href"].as_str().expect("a link").to_owned();
    let calls = [
        ("viewDeliveries", "GET", format!("{path}/replays"), Value::Null, 200),
        ("viewDeliveries", "GET", place.clone(), Value::Null, 200),
        ("redeliver", "POST", format!("{path}/dead-letters/redeliver"), json!({"all": true}), 202),
        ("replayIntegration", "POST", format!("{path}/replays"), json!({"from": {"sequence": 1}}), 202),
        ("replayIntegration", "DELETE", place, Value::Null, 204),
    ];
    for (own, method, path, body, status) in &calls {
        for action in ["viewDeliveries", "redeliver", "replayIntegration", "updateOn"] {
            let statements = json!([{"effect": "allow", "resources": ["integration/*"], "actions": [action]}]);
            let token = app.policy_token(statements).await;
            let expected = if action == *own { *status } else { 403 };
            app.call(&token, method, path, body.clone()).await.expect(expected);
        }
        for (grant, may) in [(Grant::Reader, *own == "viewDeliveries"), (Grant::Ingest, false)] {
            let token = app.token(grant).await;
            let reply = app.call(&token, method, path, body.clone()).await;
            assert_eq!(reply.status != StatusCode::FORBIDDEN, may, "{method} {path}");
        }
        let elsewhere = path.replace("/splunk/", "/datadog/");
        app.call(ADMIN, method, &elsewhere, body.clone()).await.expect_problem(404, "not_found");
    }
    let unknown = format!("{path}/replays/66f0c0ffee00000000000001");
    for method in ["GET", "DELETE"] {
        app.admin(method, &unknown, Value::Null).await.expect_problem(404, "not_found");
        app.admin(method, &format!("{path}/replays/x"), Value::Null).await.expect_problem(404, "not_found");
    }
}

#[tokio::test]
async fn a_delete_of_the_subscription_ends_its_jobs() {
    let app = TestApp::start().await;
    let (path, _) = with_history(&app, &Collector::default()).await;
    app.admin("PATCH", &path, json!([{"op": "replace", "path": "/on", "value": false}])).await.expect(200);
    app.admin("POST", &format!("{path}/replays"), json!({"from": {"sequence": 1}})).await.expect(202);
    app.admin("DELETE", &path, Value::Null).await.expect(204);
    app.admin("GET", &format!("{path}/replays"), Value::Null).await.expect_problem(404, "not_found");
}
