//! Taking entries in: forms, limits, duplicates, conflicts, repeats.

use std::io::Write;

use flate2::{Compression, write::GzEncoder};
use serde_json::{Value, json};

use crate::support::{Options, TestApp};

const PATH: &str = "/ingest/entries";
const NDJSON: (&str, &str) = ("content-type", "application/x-ndjson");

fn entry(id: &str) -> Value {
    json!({"_id": id, "accesses": [{"action": "updateOn", "resource": "proj/shop:env/production:flag/checkout"}]})
}

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(plain).expect("compresses");
    encoder.finish().expect("compresses")
}

/// The producers' entries in the log, as text.
async fn logged(app: &TestApp) -> Vec<String> {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("is text");
    let all = app.entries().await;
    all.iter().map(|entry| text(&entry.bytes)).filter(|text| !text.contains("_origin")).collect()
}

async fn small(change: impl FnOnce(&mut Options)) -> TestApp {
    let mut options = Options::default();
    change(&mut options);
    TestApp::with(options).await
}

#[tokio::test]
async fn one_entry_a_list_and_lines_are_taken_byte_for_byte() {
    let app = TestApp::start().await;
    let one = " {\"_id\":\"1\", \"action\":\"a\",\"resource\":\"x/1\", \"n\": 1.00e2, \"u\":\"\\u0041\"}\n";
    let reply = app.ingest(PATH, &[("content-type", "application/json")], one).await.expect(202);
    assert_eq!(reply.text, json!({"accepted": 1, "duplicates": 0, "firstSequence": 2, "lastSequence": 2}).to_string());
    let list = "[{\"_id\":\"2\",\"action\":\"a\",\"resource\":\"x/2\" } ,\n {\"_id\":\"3\",\"action\":\"a\",\"resource\":\"x/3\"}]";
    let reply = app.ingest(PATH, &[], list).await.expect(202);
    assert_eq!((&reply.body["firstSequence"], &reply.body["lastSequence"]), (&json!(3), &json!(4)));
    let lines = "{\"_id\":\"4\",\"action\":\"a\",\"resource\":\"x/4\"}\r\n\n{\"_id\":\"5\",\"action\":\"a\",\"resource\":\"x/5\"}";
    app.ingest(PATH, &[NDJSON], lines).await.expect(202);
    assert_eq!(
        logged(&app).await,
        [
            one.trim(),
            "{\"_id\":\"2\",\"action\":\"a\",\"resource\":\"x/2\" }",
            "{\"_id\":\"3\",\"action\":\"a\",\"resource\":\"x/3\"}",
            "{\"_id\":\"4\",\"action\":\"a\",\"resource\":\"x/4\"}",
            "{\"_id\":\"5\",\"action\":\"a\",\"resource\":\"x/5\"}",
        ]
    );
}

#[tokio::test]
async fn ids_are_told_when_asked_for() {
    let app = TestApp::start().await;
    let body = json!([entry("a"), {"action": "x", "resource": "y/z"}, entry("a")]).to_string();
    let reply = app.ingest("/ingest/entries?ids=true", &[], body).await.expect(202);
    assert_eq!((&reply.body["accepted"], &reply.body["duplicates"]), (&json!(2), &json!(1)));
    let items = reply.body["items"].as_array().expect("a list");
    assert_eq!(items[0], json!({"id": "a", "sequence": 2, "duplicate": false}));
    assert_eq!(items[1]["id"].as_str().map(str::len), Some(24));
    assert_eq!(items[2], json!({"id": "a", "sequence": 2, "duplicate": true}));
    assert_eq!(app.ingest("/ingest/entries?ids=false", &[], "[]").await.expect(202).body.get("items"), None);
    app.ingest("/ingest/entries?ids=1", &[], "[]").await.expect_problem(400, "invalid_request");
}

#[tokio::test]
async fn nothing_is_a_batch_too() {
    let app = TestApp::start().await;
    let nothing = json!({"accepted": 0, "duplicates": 0, "firstSequence": null, "lastSequence": null});
    assert_eq!(app.ingest(PATH, &[], "[]").await.expect(202).body, nothing);
    assert_eq!(app.ingest(PATH, &[NDJSON], "\n").await.expect(202).body, nothing);
    app.ingest(PATH, &[], "").await.expect_problem(400, "invalid_request");
}

#[tokio::test]
async fn the_same_entry_again_is_a_duplicate_and_another_one_of_its_id_a_conflict() {
    let app = TestApp::start().await;
    app.ingest(PATH, &[], entry("a").to_string()).await.expect(202);
    let again = app.ingest(PATH, &[], json!([entry("b"), entry("a")]).to_string()).await.expect(202).body;
    assert_eq!(again, json!({"accepted": 1, "duplicates": 1, "firstSequence": 3, "lastSequence": 3}));
    let mut other = entry("a");
    other["name"] = json!("other");
    let reply = app.ingest(PATH, &[], json!([entry("c"), other]).to_string()).await.expect_problem(409, "id_conflict");
    assert_eq!(
        (&reply.body["index"], &reply.body["entryId"], &reply.body["sequence"]),
        (&json!(1), &json!("a"), &json!(2))
    );
    let mut twin = entry("d");
    twin["name"] = json!("twin");
    let reply = app.ingest(PATH, &[], json!([entry("d"), twin]).to_string()).await.expect_problem(409, "id_conflict");
    assert_eq!((&reply.body["index"], &reply.body["sequence"]), (&json!(1), &Value::Null));
    assert_eq!(logged(&app).await.len(), 2);
}

#[tokio::test]
async fn bad_entries_are_listed_by_index_and_field_and_nothing_is_stored() {
    let app = TestApp::start().await;
    let mut bad = entry("b");
    bad["tags"] = json!("canary");
    bad["accesses"][0]["resource"] = json!("canary");
    let body = json!([entry("a"), bad, 7, {"_id": "c"}, {"_origin": "system", "action": "a", "resource": "b/c"}]);
    let reply = app.ingest(PATH, &[], body.to_string()).await.expect_problem(400, "invalid_request");
    assert_eq!(
        reply.attributes(),
        ["[1].accesses[0].resource", "[1].tags", "[2]", "[3].accesses", "[4]._origin"],
        "{}",
        reply.text
    );
    assert!(reply.body["message"].as_str().is_some_and(|message| message.contains("4 of 5")), "{}", reply.text);
    let reply = app.ingest(PATH, &[], r#"{"_id": 1}"#).await.expect_problem(400, "invalid_request");
    assert_eq!(reply.attributes(), ["_id", "accesses"]);
    let lines = format!("{}\n{{\"broken\n", entry("a"));
    let reply = app.ingest(PATH, &[NDJSON], lines).await.expect_problem(400, "invalid_request");
    assert_eq!(reply.attributes(), ["[1]"]);
    assert_eq!(logged(&app).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_long_list_of_mistakes_is_cut_and_counted() {
    let app = TestApp::start().await;
    let reply =
        app.ingest(PATH, &[], json!(vec![json!({}); 340]).to_string()).await.expect_problem(400, "invalid_request");
    assert_eq!(reply.attributes().len(), 100);
    assert_eq!(reply.body["errorsOmitted"], 240);
}

#[tokio::test]
async fn malformed_bodies_tell_their_place_and_not_their_content() {
    let app = TestApp::start().await;
    for (headers, body) in
        [(&[][..], "[{\"a\": \"canary\",}]"), (&[], "{\"canary\" 1}"), (&[NDJSON], "{\"a\": canary}")]
    {
        let reply = app.ingest(PATH, headers, body).await.expect_problem(400, "invalid_request");
        assert!(reply.text.contains("column") && !reply.text.contains("canary"), "{}", reply.text);
    }
}

#[tokio::test]
async fn what_is_too_large_is_413() {
    let app = small(|options| {
        options.server.settings.entry_max_bytes = 1_000;
        options.server.settings.batch_max_entries = 3;
        options.server.settings.ingest_body_max_bytes = 5_000;
    })
    .await;
    let mut large = entry("a");
    large["name"] = json!("x".repeat(1_000));
    let large = json!([entry("b"), large]).to_string();
    let reply = app.ingest(PATH, &[], large).await.expect_problem(413, "request_too_large");
    assert!(reply.text.contains("entry 1") && reply.text.contains("1000"), "{}", reply.text);
    let many = json!([entry("a"), entry("b"), entry("c"), entry("d")]).to_string();
    app.ingest(PATH, &[], many).await.expect_problem(413, "request_too_large");
    app.ingest(PATH, &[], " ".repeat(5_001)).await.expect_problem(413, "request_too_large");
    let declared = [("content-length", "5001")];
    app.ingest(PATH, &declared, "[]").await.expect_problem(413, "request_too_large");
    // A small body that becomes a large one.
    let bomb = gzip(&vec![b' '; 50_000_000]);
    app.ingest(PATH, &[("content-encoding", "gzip")], bomb[..4_000].to_vec())
        .await
        .expect_problem(413, "request_too_large");
    let all = json!([entry("a"), entry("b"), entry("c")]).to_string();
    app.ingest(PATH, &[], all).await.expect(202);
    assert_eq!(logged(&app).await.len(), 3);
}

#[tokio::test]
async fn the_documented_limits_are_the_real_ones() {
    let app = TestApp::start().await;
    let settings = app.server.app.settings();
    assert_eq!(settings.ingest_body_max_bytes, 10 * 1024 * 1024);
    assert_eq!((settings.entry_max_bytes, settings.batch_max_entries), (256 * 1024, 10_000));
    assert_eq!((settings.name_max_chars, settings.tags_max, settings.tag_max_chars), (256, 100, 256));
    assert_eq!((settings.config_max_bytes, settings.statements_max_bytes), (64 * 1024, 256 * 1024));
    assert_eq!((settings.patch_max_operations, settings.comment_max_chars), (100, 4_000));
    let batch: Vec<_> = (0..10_000).map(|at| entry(&at.to_string())).collect();
    let reply = app.ingest(PATH, &[], Value::Array(batch).to_string()).await.expect(202);
    assert_eq!(reply.body["accepted"], 10_000);
}

#[tokio::test]
async fn gzip_is_unpacked_and_other_encodings_are_refused() {
    let app = TestApp::start().await;
    let body = json!([entry("a"), entry("b")]).to_string();
    let packed = gzip(body.as_bytes());
    let reply = app.ingest(PATH, &[("content-encoding", "GZIP")], packed.clone()).await.expect(202);
    assert_eq!(reply.body["accepted"], 2);
    app.ingest(PATH, &[("content-encoding", "identity")], body.clone()).await.expect(202);
    for broken in [packed[..packed.len() - 6].to_vec(), body.into_bytes()] {
        app.ingest(PATH, &[("content-encoding", "gzip")], broken).await.expect_problem(400, "invalid_request");
    }
    for encoding in ["br", "deflate", "gzip, gzip"] {
        let headers = [("content-encoding", encoding)];
        app.ingest(PATH, &headers, packed.clone()).await.expect_problem(415, "unsupported_media_type");
    }
    for content_type in ["text/plain", "application/x-www-form-urlencoded", "application/xml"] {
        let headers = [("content-type", content_type)];
        app.ingest(PATH, &headers, "[]").await.expect_problem(415, "unsupported_media_type");
    }
    app.ingest(PATH, &[("content-type", "Application/JSON; charset=utf-8")], "[]").await.expect(202);
}

#[tokio::test]
async fn a_key_makes_a_batch_without_ids_repeatable() {
    let app = TestApp::start().await;
    let body = json!([{"action": "a", "resource": "x/1"}, {"action": "a", "resource": "x/2"}]).to_string();
    let key = [("idempotency-key", "key-1")];
    let path = "/ingest/entries?ids=true";
    let first = app.ingest(path, &key, body.clone()).await.expect(202);
    let again = app.ingest(path, &key, body.clone()).await.expect(202);
    assert_eq!(first.text, again.text);
    let replayed = |reply: &crate::support::Reply| reply.headers.get("idempotency-replayed").is_some();
    assert_eq!((replayed(&first), replayed(&again)), (false, true));
    assert_eq!(logged(&app).await.len(), 2);
    app.ingest(path, &key, "[]").await.expect_problem(422, "idempotency_key_reused");
    app.ingest(path, &[("idempotency-key", "key-2")], body.clone()).await.expect(202);
    assert_eq!(logged(&app).await.len(), 4);
    for bad in ["", "k\u{7f}", &"k".repeat(256)] {
        if axum::http::HeaderValue::from_str(bad).is_ok() {
            app.ingest(path, &[("idempotency-key", bad)], body.clone()).await.expect_problem(400, "invalid_request");
        }
    }
    app.server.clock.advance(std::time::Duration::from_secs(25 * 60 * 60));
    let later = app.ingest(path, &key, body).await.expect(202);
    assert_ne!(later.text, first.text);
}

#[tokio::test]
async fn entries_that_this_server_delivered_itself_are_refused() {
    let app = TestApp::start().await;
    let via = format!("elsewhere, {}", app.server.app.settings().instance);
    app.ingest(PATH, &[("auditcast-via", via.as_str())], "[]").await.expect_problem(403, "forbidden");
    app.ingest(PATH, &[("auditcast-via", "elsewhere")], "[]").await.expect(202);
}

#[tokio::test]
async fn a_full_disk_is_503_and_reads_go_on() {
    let app = small(|options| options.server.disk_free_min_bytes = u64::MAX).await;
    let reply = app.ingest(PATH, &[], entry("a").to_string()).await.expect_problem(503, "store_full");
    assert_eq!(reply.headers["retry-after"], "60");
    app.admin("GET", "/api/v2/integrations/datadog", Value::Null).await.expect(200);
    assert!(app.admin("GET", "/readyz", Value::Null).await.expect(503).text.contains("disk"));
}

#[tokio::test]
async fn bodies_beyond_the_room_for_them_are_503() {
    let app = small(|options| {
        options.api.ingest_bodies_max = 1;
        options.server.settings.ingest_body_max_bytes = 1_000;
    })
    .await;
    // Packed and unpacked it is more than there is room for.
    let packed = gzip(&[b' '; 1_000]);
    let reply = app.ingest(PATH, &[("content-encoding", "gzip")], packed).await.expect_problem(503, "busy");
    assert_eq!(reply.headers["retry-after"], "1");
    // The room is given back.
    app.ingest(PATH, &[], entry("a").to_string()).await.expect(202);
    app.ingest(PATH, &[], " ".repeat(1_000)).await.expect_problem(400, "invalid_request");
}
