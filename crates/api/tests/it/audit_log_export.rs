//! Exports of the log.

use std::time::Duration;

use app::{Grant, testing::ManualClock};
use axum::{
    body::Body,
    http::{Request, Response},
};
use http_body_util::BodyExt;
use serde_json::{Value, json};

use crate::support::{ADMIN, Reply, TestApp, until};

const EXPORT: &str = "/api/v2/auditlog/export";

/// Stores so many entries, each a second after the one before.
async fn ingest(app: &TestApp, count: usize) {
    for number in 0..count {
        app.server.clock.advance(Duration::from_secs(1));
        let entry = json!({"_id": format!("e{number}"), "action": "pay", "resource": "order/1", "name": "Order"});
        app.ingest("/ingest/entries", &[], entry.to_string()).await.expect(202);
    }
}

async fn export(app: &TestApp, query: &str) -> Reply {
    app.admin("GET", &format!("{EXPORT}{query}"), Value::Null).await.expect(200)
}

fn sequences(reply: &Reply) -> Vec<u64> {
    let sequence = |line: &str| {
        serde_json::from_str::<Value>(line).expect("each line is JSON")["sequence"].as_u64().expect("a number")
    };
    reply.text.lines().map(sequence).collect()
}

fn range(reply: &Reply) -> Option<(u64, u64)> {
    let of = |name: &str| reply.headers.get(name)?.to_str().ok()?.parse().ok();
    Some((of("auditcast-first-sequence")?, of("auditcast-last-sequence")?))
}

#[tokio::test]
async fn the_whole_log_is_exported_in_order_and_the_export_is_recorded() {
    let app = TestApp::start().await;
    ingest(&app, 3).await;
    let exported = export(&app, "").await;
    assert_eq!(exported.headers["content-type"], "application/x-ndjson");
    assert_eq!((sequences(&exported), range(&exported)), (vec![1, 2, 3, 4], Some((1, 4))));
    let last: Value = serde_json::from_str(exported.text.lines().last().expect("a line")).expect("is JSON");
    let sent = json!({"_id": "e2", "action": "pay", "resource": "order/1", "name": "Order"});
    let received_at = ManualClock::START + 3_000;
    assert_eq!(last, json!({"sequence": 4, "receivedAt": received_at, "_id": "e2", "entry": sent}));
    let record = app.last_entry().await;
    assert_eq!(record["accesses"], json!([{"action": "exportAuditLog", "resource": "acct"}]));
    assert_eq!((&record["kind"], &record["_origin"]), (&json!("account"), &json!("system")));
    assert_eq!(record["currentVersion"], json!({"firstSequence": 1, "lastSequence": 4, "format": "ndjson"}));
    assert!(record["token"]["_id"].is_string());
}

#[tokio::test]
async fn ranges_are_by_sequence_or_by_time_of_receipt() {
    let app = TestApp::start().await;
    ingest(&app, 5).await;
    let at = |seconds: i64| ManualClock::START + seconds * 1_000;
    for (query, expected) in [
        ("?fromSequence=5".to_owned(), vec![5, 6]),
        ("?fromSequence=2&toSequence=3".to_owned(), vec![2, 3]),
        (format!("?from={}&to={}", at(2), at(4)), vec![3, 4]),
    ] {
        assert_eq!(sequences(&export(&app, &query).await), expected, "{query}");
    }
    for nothing in ["?fromSequence=100", "?to=1", "?fromSequence=3&toSequence=2"] {
        let reply = export(&app, nothing).await;
        assert_eq!((reply.text.as_str(), range(&reply)), ("", None), "{nothing}");
    }
}

#[tokio::test]
async fn an_export_that_was_cut_off_goes_on_after_its_last_line() {
    let app = TestApp::start().await;
    ingest(&app, 8).await;
    let whole = export(&app, "").await;
    let (_, last) = range(&whole).expect("there is something");
    let got: Vec<&str> = whole.text.lines().take(3).collect();
    app.admin("POST", "/api/v2/tokens", json!({"name": "meanwhile", "role": "reader"})).await.expect(201);
    let rest = export(&app, &format!("?fromSequence=4&toSequence={last}")).await;
    let both: Vec<&str> = got.into_iter().chain(rest.text.lines()).collect();
    assert_eq!(both, whole.text.lines().collect::<Vec<_>>());
}

#[tokio::test]
async fn a_table_has_headings_and_a_row_for_each_entry() {
    let app = TestApp::start().await;
    ingest(&app, 2).await;
    let table = export(&app, "?format=csv&fromSequence=2").await;
    assert_eq!(table.headers["content-type"], "text/csv; charset=utf-8");
    let rows: Vec<&str> = table.text.split("\r\n").collect();
    assert_eq!(rows.len(), 4, "headings, two rows, and the end of the last one");
    assert!(rows[0].starts_with("sequence,receivedAt,date,_id,kind,name,accesses,"), "{}", rows[0]);
    assert!(rows[2].starts_with("3,2026-09-21T14:13:22.000Z,2026-09-21T14:13:22.000Z,\"e1\",\"order\",\"Order\","));
    assert!(rows[2].contains(",\"pay order/1\","), "{}", rows[2]);
    assert_eq!(export(&app, "?format=csv&fromSequence=99").await.text.split("\r\n").count(), 2);
}

#[tokio::test]
async fn only_who_may_export_does_and_wrong_questions_are_told() {
    let app = TestApp::start().await;
    let only = |action| json!([{"effect": "allow", "resources": ["acct"], "actions": [action]}]);
    for (grant, status) in [(Grant::Admin, 200), (Grant::Writer, 403), (Grant::Reader, 403), (Grant::Ingest, 403)] {
        let token = app.token(grant).await;
        app.call(&token, "GET", EXPORT, Value::Null).await.expect(status);
    }
    for (action, status) in [("exportAuditLog", 200), ("viewAuditLog", 403)] {
        let token = app.policy_token(only(action)).await;
        app.call(&token, "GET", EXPORT, Value::Null).await.expect(status);
    }
    for (query, told) in [
        ("?format=xml", "format must be one of ndjson, csv"),
        ("?fromSequence=0", "fromSequence must be a number from 1 on"),
        ("?from=x", "from must be a time"),
        ("?from=1&toSequence=2", "give either sequences"),
    ] {
        let reply = app.admin("GET", &format!("{EXPORT}{query}"), Value::Null).await;
        let reply = reply.expect_problem(400, "invalid_request");
        assert!(reply.text.contains(told), "{query}: {}", reply.text);
    }
}

/// Fills the log with entries that take several pages of an export.
async fn ingest_large(app: &TestApp) {
    let big = "x".repeat(200_000);
    for number in 0..40 {
        let entry = json!({"_id": format!("b{number}"), "action": "pay", "resource": "order/1", "name": big});
        app.ingest("/ingest/entries", &[], entry.to_string()).await.expect(202);
    }
}

async fn begin(app: &TestApp, query: &str) -> Response<Body> {
    let request = Request::get(format!("{EXPORT}{query}")).header("authorization", ADMIN).body(Body::empty());
    app.answer(request.expect("a request")).await
}

async fn page(body: &mut Body) -> Option<usize> {
    let frame = body.frame().await?.ok()?;
    Some(frame.into_data().expect("bytes").len())
}

#[tokio::test]
async fn an_export_is_made_as_it_is_read_and_one_of_an_account_at_a_time() {
    let app = TestApp::start().await;
    ingest_large(&app).await;
    let mut first = begin(&app, "").await.into_body();
    assert!(page(&mut first).await.expect("a page") < 2_000_000);
    let refused = app.admin("GET", EXPORT, Value::Null).await.expect_problem(503, "service_unavailable");
    assert!(refused.text.contains("of this account"), "{}", refused.text);
    app.server.add_account("other").await;
    let other = app.server.app.token_create("other", "of a test", &Grant::Admin).await.expect("a token");
    app.call(other.expose(), "GET", EXPORT, Value::Null).await.expect(200);
    let rest = first.collect().await.expect("is read").to_bytes();
    assert!(rest.len() > 6_000_000, "{}", rest.len());
    // A reader that went away gives its turn back with the next page.
    let mut second = begin(&app, "").await.into_body();
    assert!(page(&mut second).await.is_some());
    drop(second);
    until("the turn is free", async || begin(&app, "").await.status().as_u16() == 200).await;
}

#[tokio::test]
async fn an_export_whose_entries_leave_the_log_is_broken_off() {
    let app = TestApp::start().await;
    for format in ["ndjson", "csv"] {
        ingest_large(&app).await;
        let mut body = begin(&app, &format!("?format={format}")).await.into_body();
        assert!(page(&mut body).await.is_some());
        app.server.drop_entries(usize::MAX).await;
        assert!(body.collect().await.is_err(), "{format}: the end of the answer is no end of the export");
        assert_eq!(begin(&app, "").await.status().as_u16(), 200);
    }
}
