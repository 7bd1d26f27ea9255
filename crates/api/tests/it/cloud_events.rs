//! Taking CloudEvents in: the three modes, duplicates, mistakes, limits.

use app::Grant;
use axum::{body::Body, http::Request};
use serde_json::{Value, json};

use crate::support::{Options, TestApp};

const PATH: &str = "/ingest/cloudevents";
const STRUCTURED: (&str, &str) = ("content-type", "application/cloudevents+json; charset=utf-8");
const BATCHED: (&str, &str) = ("content-type", "application/cloudevents-batch+json");

fn event(id: &str) -> Value {
    json!({
        "specversion": "1.0", "id": id, "source": "/shop", "type": "com.example.invoice.paid",
        "subject": "org/acme:invoice/42", "time": "2026-09-21T14:13:20Z",
        "datacontenttype": "application/json", "data": {"total": 12.50},
    })
}

#[tokio::test]
async fn an_event_is_the_same_entry_in_each_mode() {
    let app = TestApp::start().await;
    let reply = app.ingest(PATH, &[STRUCTURED], event("1").to_string()).await.expect(202);
    assert_eq!(reply.body, json!({"accepted": 1, "duplicates": 0, "firstSequence": 2, "lastSequence": 2}));
    let entry = app.last_entry().await;
    assert_eq!(entry["_id"], "/shop 1");
    assert_eq!(entry["accesses"][0], json!({"action": "com.example.invoice.paid", "resource": "org/acme:invoice/42"}));
    assert_eq!(entry["cloudEvent"], event("1"));
    let batch = json!([event("1"), event("2")]).to_string();
    let reply = app.ingest("/ingest/cloudevents?ids=true", &[BATCHED], batch).await.expect(202);
    assert_eq!((&reply.body["accepted"], &reply.body["duplicates"]), (&json!(1), &json!(1)));
    assert_eq!(reply.body["items"][1]["id"], "/shop 2");
    let headers = [
        ("content-type", "application/json"),
        ("ce-specversion", "1.0"),
        ("ce-id", "2"),
        ("ce-source", "/shop"),
        ("ce-type", "com.example.invoice.paid"),
        ("ce-subject", "org/acme:invoice%2F42"),
        ("ce-time", "2026-09-21T14:13:20Z"),
    ];
    let reply = app.ingest(PATH, &headers, " {\"total\":12.5}\n").await.expect(202);
    assert_eq!((&reply.body["accepted"], &reply.body["duplicates"]), (&json!(0), &json!(1)), "{}", reply.text);
    assert_eq!(app.ingest(PATH, &[BATCHED], "[]").await.expect(202).body["accepted"], 0);
}

#[tokio::test]
async fn another_event_of_the_same_name_is_a_conflict() {
    let app = TestApp::start().await;
    app.ingest(PATH, &[STRUCTURED], event("1").to_string()).await.expect(202);
    let mut other = event("1");
    other["data"] = json!(null);
    let batch = json!([event("2"), other]).to_string();
    let reply = app.ingest(PATH, &[BATCHED], batch).await.expect_problem(409, "id_conflict");
    assert_eq!((&reply.body["index"], &reply.body["entryId"]), (&json!(1), &json!("/shop 1")));
}

#[tokio::test]
async fn bad_events_are_listed_by_index_and_attribute() {
    let app = TestApp::start().await;
    let batch = json!([event("1"), {"specversion": "1.0", "id": "a", "source": "b"}, 7]).to_string();
    let reply = app.ingest(PATH, &[BATCHED], batch).await.expect_problem(400, "invalid_request");
    assert_eq!(reply.attributes(), ["[1].type", "[2]"]);
    let reply = app.ingest(PATH, &[STRUCTURED], "{}").await.expect_problem(400, "invalid_request");
    assert_eq!(reply.attributes(), ["specversion", "id", "source", "type"]);
    let binary = |id: &'static str| [("ce-specversion", "1.0"), ("ce-id", id), ("ce-source", "a"), ("ce-type", "t")];
    app.ingest(PATH, &binary("%ff"), "").await.expect_problem(400, "invalid_request");
    let reply = app.ingest(PATH, &binary("1"), "{").await.expect_problem(400, "invalid_request");
    assert_eq!(reply.attributes(), ["data"]);
    let twice: Vec<_> = binary("1").into_iter().chain([("ce-id", "2")]).collect();
    app.ingest(PATH, &twice, "").await.expect_problem(400, "invalid_request");
    for content_type in ["application/cloudevents+avro", "application/cloudevents", "application/json", "text/plain"] {
        let headers = [("content-type", content_type)];
        app.ingest(PATH, &headers, "{}").await.expect_problem(415, "unsupported_media_type");
    }
}

#[tokio::test]
async fn events_have_the_limits_of_entries() {
    let mut options = Options::default();
    options.server.settings.entry_max_bytes = 1_000;
    options.server.settings.batch_max_entries = 2;
    let app = TestApp::with(options).await;
    let many = json!([event("1"), event("2"), event("3")]).to_string();
    app.ingest(PATH, &[BATCHED], many).await.expect_problem(413, "request_too_large");
    let mut large = event("1");
    large["data"] = json!("x".repeat(900));
    app.ingest(PATH, &[STRUCTURED], large.to_string()).await.expect_problem(413, "request_too_large");
    assert_eq!(app.entries().await.len(), 1);
}

#[tokio::test]
async fn a_token_that_may_not_ingest_sends_no_events() {
    let app = TestApp::start().await;
    for grant in [Grant::Reader, Grant::Writer] {
        let token = app.token(grant).await;
        for path in [PATH, "/v1/logs"] {
            let request = Request::post(path).header("authorization", &token).body(Body::from("{}"));
            app.send(request.expect("a request")).await.expect_problem(403, "forbidden");
        }
    }
}
