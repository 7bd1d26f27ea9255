//! How long the entries of an account are kept, as the operator says it.

use app::Grant;
use serde_json::{Value, json};

use crate::support::{ADMIN, TestApp};

const PATH: &str = "/api/v2/accounts/acme/retention";

/// A server with the account acme, and its operator's token.
async fn with_account() -> (TestApp, String) {
    let app = TestApp::start().await;
    let operator = app.token(Grant::Operator).await;
    app.call(&operator, "POST", "/api/v2/accounts", json!({"name": "acme"})).await.expect(201);
    (app, operator)
}

fn merge(change: &Value) -> Value {
    json!({"comment": "contract", "merge": change})
}

#[tokio::test]
async fn an_operator_reads_and_changes_it_and_the_change_is_recorded_in_the_account() {
    let (app, operator) = with_account().await;
    let read = async || app.call(&operator, "GET", PATH, Value::Null).await.expect(200).body;
    let before = read().await;
    assert_eq!((&before["days"], &before["legalHold"]), (&Value::Null, &json!(false)));
    let parent = before["_links"]["parent"]["href"].as_str().expect("a link");
    assert_eq!(app.call(&operator, "GET", parent, Value::Null).await.expect(200).body["name"], "acme");
    let change = merge(&json!({"days": 2555, "legalHold": true}));
    let changed = app.call(&operator, "PATCH", PATH, change.clone()).await.expect(200).body;
    assert_eq!((&changed["days"], &changed["legalHold"]), (&json!(2555), &json!(true)));
    assert_eq!(read().await, changed);
    let entries = app.server.entries_of("acme").await;
    let record: Value = serde_json::from_slice(&entries.last().expect("an entry").bytes).expect("is JSON");
    let access = |action: &str| json!({"action": action, "resource": "acct"});
    assert_eq!(record["accesses"], json!([access("updateRetention"), access("updateLegalHold")]));
    assert_eq!((&record["token"]["name"], &record["comment"]), (&json!("of a test"), &json!("contract")));
    assert_eq!(record["currentVersion"], json!({"legalHold": true, "retentionDays": 2555}));
    app.call(&operator, "PATCH", PATH, change).await.expect(200);
    assert_eq!(app.server.entries_of("acme").await.len(), entries.len(), "what changes nothing is not recorded");
    let patch = json!([{"op": "remove", "path": "/days"}, {"op": "test", "path": "/legalHold", "value": true}]);
    assert_eq!(app.call(&operator, "PATCH", PATH, patch).await.expect(200).body["days"], Value::Null);
    assert_eq!(read().await["legalHold"], true);
}

#[tokio::test]
async fn a_hold_is_never_lifted_by_what_was_left_out_and_mistakes_are_told() {
    let (app, operator) = with_account().await;
    app.call(&operator, "PATCH", PATH, merge(&json!({"legalHold": true}))).await.expect(200);
    for (change, attributes) in [
        (json!([{"op": "remove", "path": "/legalHold"}]), vec!["legalHold"]),
        (merge(&json!({"legalHold": null})), vec!["legalHold"]),
        (merge(&json!({"days": 0, "legalHold": "no"})), vec!["days", "legalHold"]),
        (merge(&json!({"days": 36_501})), vec!["days"]),
        (merge(&json!({"days": "7"})), vec!["days"]),
    ] {
        let reply = app.call(&operator, "PATCH", PATH, change.clone()).await.expect_problem(400, "invalid_request");
        assert_eq!(reply.attributes(), attributes, "{change}");
    }
    let failed = json!([{"op": "test", "path": "/days", "value": 1}]);
    app.call(&operator, "PATCH", PATH, failed).await.expect_problem(409, "conflict");
    app.call(&operator, "PATCH", PATH, merge(&json!({"days": 1}))).await.expect(200);
    assert_eq!(app.call(&operator, "GET", PATH, Value::Null).await.body["legalHold"], true);
}

#[tokio::test]
async fn only_the_operator_reaches_it_and_only_of_accounts_that_there_are() {
    let (app, operator) = with_account().await;
    for token in [ADMIN.to_owned(), app.token(Grant::Writer).await] {
        app.call(&token, "GET", PATH, Value::Null).await.expect_problem(403, "forbidden");
        app.call(&token, "PATCH", PATH, merge(&json!({"days": 1}))).await.expect_problem(403, "forbidden");
    }
    let nobody = "/api/v2/accounts/nobody/retention";
    app.call(&operator, "GET", nobody, Value::Null).await.expect_problem(404, "not_found");
    app.call(&operator, "PATCH", nobody, merge(&json!({"days": 1}))).await.expect_problem(404, "not_found");
}
