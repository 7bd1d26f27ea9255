//! Attempts over the API: the list, its filters and pages, and who may look.

use std::{collections::BTreeSet, time::Duration};

use app::{Grant, testing::ManualClock};
use axum::{Router, http::StatusCode, routing::post};
use serde_json::{Value, json};

use crate::support::{TestApp, splunk, until};

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

async fn subscribe(app: &TestApp) -> String {
    let body = json!({
        "name": "SIEM", "on": true,
        "config": {"base-url": collector().await, "token": "canary-token-9a9a", "skip-ca-verification": false},
        "statements": [{"effect": "allow", "resources": ["order/*"], "actions": ["*"]}],
    });
    app.create("splunk", body).await
}

/// Has these orders delivered, each by a request of its own and a second later; their sequences.
async fn deliver(app: &TestApp, path: &str, orders: &[&str]) -> Vec<u64> {
    let mut sequences = Vec::new();
    for order in orders {
        let entry = json!({"action": "pay", "resource": format!("order/{order}")});
        let reply = app.ingest("/ingest/entries", &[], entry.to_string()).await.expect(202);
        let sequence = reply.body["lastSequence"].as_u64().expect("a sequence");
        let is_listed = async || !items(app, &format!("{path}/attempts?sequence={sequence}")).await.is_empty();
        until("its attempt is listed", is_listed).await;
        sequences.push(sequence);
        app.server.clock.advance(Duration::from_secs(1));
    }
    sequences
}

async fn items(app: &TestApp, path: &str) -> Vec<Value> {
    let body = app.admin("GET", path, Value::Null).await.expect(200).body;
    body["items"].as_array().expect("a list").clone()
}

async fn numbers(app: &TestApp, path: &str) -> Vec<u64> {
    items(app, path).await.iter().filter_map(|item| item["number"].as_u64()).collect()
}

#[tokio::test]
async fn attempts_are_listed_newest_first_with_their_evidence() {
    let app = TestApp::start().await;
    let path = subscribe(&app).await;
    let sequences = deliver(&app, &path, &["good", "poison"]).await;
    let listed = items(&app, &format!("{path}/attempts")).await;
    let start = ManualClock::START;
    let accepted = json!({
        "number": 1, "endedAt": start, "durationMs": 0, "outcome": "accepted", "statusCode": 200, "entries": 1,
        "firstSequence": sequences[0], "lastSequence": sequences[0], "probe": false, "job": false,
    });
    assert_eq!(listed[1], accepted);
    let refused = &listed[0];
    for (member, expected) in [
        ("number", json!(2)),
        ("endedAt", json!(start + 1_000)),
        ("outcome", json!("refused")),
        ("statusCode", json!(400)),
        ("firstSequence", json!(sequences[1])),
        ("sent", json!(true)),
        ("failedEntries", json!(1)),
        ("deadEntries", json!(1)),
        ("next", json!({"does": "nothing"})),
    ] {
        assert_eq!(refused[member], expected, "{member} of {refused}");
    }
    assert!(refused["reason"]["name"].is_string() && refused["reason"]["text"].is_string(), "{refused}");
    // The config names the host, so it might be one within the network.
    for hidden in ["responseBody", "address", "tls"] {
        assert_eq!(refused.get(hidden), None, "{refused}");
    }
    assert_eq!(listed.len(), 2);
}

#[tokio::test]
async fn attempts_are_found_by_outcome_time_and_entry() {
    let app = TestApp::start().await;
    let path = subscribe(&app).await;
    let sequences = deliver(&app, &path, &["good", "poison", "good", "poison", "good"]).await;
    let at = |seconds: i64| ManualClock::START + seconds * 1_000;
    for (query, expected) in [
        (String::new(), vec![5, 4, 3, 2, 1]),
        ("outcome=accepted".to_owned(), vec![5, 3, 1]),
        ("outcome=failed".to_owned(), vec![4, 2]),
        ("outcome=refused".to_owned(), vec![4, 2]),
        ("outcome=throttled".to_owned(), vec![]),
        (format!("sequence={}", sequences[3]), vec![4]),
        (format!("sequence={}", sequences[4] + 1), vec![]),
        (format!("after={}", at(3)), vec![5, 4]),
        (format!("before={}", at(3)), vec![3, 2, 1]),
        (format!("after={}&before={}&outcome=failed", at(1), at(3)), vec![2]),
        ("after=2026-09-21T14:13:23Z".to_owned(), vec![5, 4]),
        ("beforeNumber=3".to_owned(), vec![2, 1]),
        ("beforeNumber=1".to_owned(), vec![]),
        ("limit=2&outcome=accepted".to_owned(), vec![5, 3]),
    ] {
        assert_eq!(numbers(&app, &format!("{path}/attempts?{query}")).await, expected, "{query}");
    }
}

#[tokio::test]
async fn pages_repeat_and_miss_nothing_while_attempts_come_in() {
    let app = TestApp::start().await;
    let path = subscribe(&app).await;
    deliver(&app, &path, &["a", "poison", "b", "poison", "c"]).await;
    for (filter, expected) in [("", vec![5, 4, 3, 2, 1]), ("&outcome=failed", vec![4, 2])] {
        let before: BTreeSet<u64> = numbers(&app, &format!("{path}/attempts")).await.into_iter().collect();
        let newest = before.last().map_or(0, |newest| newest + 1);
        let mut next = format!("{path}/attempts?limit=2{filter}&beforeNumber={newest}");
        let mut seen = Vec::new();
        loop {
            let page = app.admin("GET", &next, Value::Null).await.expect(200).body;
            assert_eq!(page["_links"]["self"]["href"], json!(next));
            assert_eq!(page["_links"]["parent"]["href"], json!(path));
            seen.extend(page["items"].as_array().expect("a list").iter().filter_map(|item| item["number"].as_u64()));
            deliver(&app, &path, &["late"]).await;
            let Some(href) = page["_links"]["next"]["href"].as_str() else { break };
            next = href.to_owned();
        }
        seen.retain(|number| *number <= 5);
        assert_eq!(seen, expected);
    }
}

#[tokio::test]
async fn readers_may_look_at_attempts_and_ingest_tokens_may_not() {
    let app = TestApp::start().await;
    let path = format!("{}/attempts", app.create("splunk", splunk()).await);
    for (grant, status) in [(Grant::Writer, 200), (Grant::Reader, 200), (Grant::Ingest, 403)] {
        let token = app.token(grant).await;
        app.call(&token, "GET", &path, Value::Null).await.expect(status);
    }
    let only = |action| json!([{"effect": "allow", "resources": ["integration/*"], "actions": [action]}]);
    for (action, status) in [("viewDeliveries", 200), ("viewIntegration", 403)] {
        let token = app.policy_token(only(action)).await;
        app.call(&token, "GET", &path, Value::Null).await.expect(status);
    }
}

#[tokio::test]
async fn attempts_of_others_of_deleted_ones_and_of_another_integration_are_not_found() {
    let app = TestApp::start().await;
    let path = subscribe(&app).await;
    deliver(&app, &path, &["good"]).await;
    app.server.add_account("other").await;
    let other = app.server.app.token_create("other", "of a test", &Grant::Admin).await.expect("a token");
    let attempts = format!("{path}/attempts");
    app.call(other.expose(), "GET", &attempts, Value::Null).await.expect_problem(404, "not_found");
    let elsewhere = attempts.replace("/splunk/", "/datadog/");
    app.admin("GET", &elsewhere, Value::Null).await.expect_problem(404, "not_found");
    app.admin("DELETE", &path, Value::Null).await.expect(204);
    app.admin("GET", &attempts, Value::Null).await.expect_problem(404, "not_found");
}

#[tokio::test]
async fn a_wrong_question_about_attempts_is_told() {
    let app = TestApp::start().await;
    let path = app.create("splunk", splunk()).await;
    for (query, told) in [
        ("limit=0", "limit must be a number from 1 to 100"),
        ("limit=101", "limit must be a number from 1 to 100"),
        ("sequence=0", "sequence must be a number from 1 on"),
        ("beforeNumber=x", "beforeNumber must be a number from 1 on"),
        ("after=yesterday", "after must be a time"),
        ("before=-1", "before must be a time"),
        ("outcome=skipped", "outcome must be one of accepted, unrenderable, refused"),
    ] {
        let reply = app.admin("GET", &format!("{path}/attempts?{query}"), Value::Null).await;
        let reply = reply.expect_problem(400, "invalid_request");
        assert!(reply.text.contains(told), "{query}: {}", reply.text);
    }
}
