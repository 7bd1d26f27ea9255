//! Elasticsearch documents and bulk requests.

use http::Method;
use receiver::{Intake, Request};
use serde_json::{Value, json};

use crate::support::{accepts, divides, gzip, intake, post, refuses, with};

const KEY: (&str, &str) = ("authorization", "ApiKey ZWxhc3RpYzprZXk=");
const NDJSON: [(&str, &str); 2] = [KEY, ("content-type", "application/x-ndjson")];
const JSON: [(&str, &str); 2] = [KEY, ("content-type", "application/json")];

fn document() -> Value {
    json!({"@timestamp": "2027-01-15T08:00:00.000Z", "message": "m", "tags": ["a", "b"], "labels": {"a": "b"},
        "event": {"kind": "event", "category": ["configuration"], "sequence": 5}, "user": {"name": "n", "id": 7}})
}

fn bulk(pairs: &[(Value, Value)]) -> Request {
    let body: String = pairs.iter().map(|(action, source)| format!("{action}\n{source}\n")).collect();
    post("/_bulk", &NDJSON, body)
}

fn create(index: &str, id: &str) -> Value {
    json!({"create": {"_index": index, "_id": id}})
}

#[track_caller]
fn item(intake: &Intake, action: Value, source: &Value, status: u16, kind: &str) {
    let request = bulk(&[(action, source.clone())]);
    let reply = refuses(intake, &request, 200, r#""errors":true"#).value();
    let item = reply["items"][0].as_object().unwrap().values().next().unwrap().clone();
    assert_eq!((item["status"].as_u64(), item["error"]["type"].as_str()), (Some(u64::from(status)), Some(kind)));
}

#[test]
fn documents_are_taken_once() {
    let intake = intake();
    let two = bulk(&[(create("audit", "1"), document()), (create("audit", "2"), document())]);
    let reply = accepts(&intake, &two, 200, r#""errors":false"#, 2).value();
    assert_eq!(reply["items"][1]["create"]["status"], 201);
    let three = bulk(&[(create("audit", "2"), document()), (create("audit", "3"), document())]);
    let reply = divides(&intake, &three, 200, "version_conflict_engine_exception", 1).value();
    assert_eq!(reply["items"][0]["create"]["status"], 409);
    let again = bulk(&[(json!({"index": {"_index": "audit", "_id": "2"}}), document())]);
    accepts(&intake, &again, 200, r#""result":"updated""#, 1);
}

#[test]
fn a_packed_body_and_an_index_in_the_path_are_taken() {
    let intake = intake();
    let body = format!("{}\n{}\n", json!({"create": {"_id": "1"}}), document());
    let headers = [NDJSON[0], NDJSON[1], ("content-encoding", "gzip")];
    accepts(&intake, &post("/logs-audit-default/_bulk", &headers, gzip(body.as_bytes())), 200, "created", 1);
    refuses(&intake, &post("/_bulk", &headers, body.clone()), 400, "gzip");
    let headers = [NDJSON[0], NDJSON[1], ("content-encoding", "zstd")];
    refuses(&intake, &post("/_bulk", &headers, body), 400, "zstd");
}

#[test]
fn an_item_is_refused_and_the_others_are_stored() {
    let intake = intake();
    let source = document();
    let rows = [
        ("@timestamp", json!("yesterday")),
        ("@timestamp", json!(1.5)),
        ("user", json!({"name": {"first": "n"}})),
        ("user", json!("n")),
        ("event", json!({"kind": {"a": 1}})),
        ("event", json!({"sequence": "many"})),
        ("event.category", json!({"a": 1})),
        ("source", json!({"ip": "nowhere"})),
        ("labels", json!("a")),
        ("tags", json!([{"a": 1}])),
    ];
    for (key, value) in rows {
        item(&intake, create("audit", "x"), &with(&source, key, value), 400, "document_parsing_exception");
    }
    item(&intake, create("Audit", "x"), &source, 400, "invalid_index_name_exception");
    item(&intake, create("_audit", "x"), &source, 400, "invalid_index_name_exception");
    item(&intake, create("a b", "x"), &source, 400, "invalid_index_name_exception");
    item(&intake, create("audit", "x"), &json!([]), 400, "document_parsing_exception");
    let stream = "logs-audit-default";
    item(&intake, json!({"index": {"_index": stream}}), &source, 400, "illegal_argument_exception");
    item(&intake, create(stream, "x"), &with(&source, "@timestamp", Value::Null), 400, "document_parsing_exception");
    let mixed =
        bulk(&[(create("audit", "1"), source.clone()), (create("audit", "2"), with(&source, "user", json!(5)))]);
    divides(&intake, &mixed, 200, "object mapping for [user]", 1);
}

#[test]
fn a_bulk_request_is_refused_whole_for_its_form() {
    let intake = intake();
    let good = format!("{}\n{}\n", create("audit", "1"), document());
    refuses(&intake, &post("/_bulk", &NDJSON, good.trim_end().to_owned()), 400, "terminated by a newline");
    refuses(&intake, &post("/_bulk", &NDJSON, ""), 400, "request body is required");
    refuses(&intake, &post("/_bulk", &NDJSON, "\n"), 400, "no requests added");
    refuses(&intake, &post("/_bulk", &NDJSON, "[]\n{}\n"), 400, "Malformed action/metadata line [1]");
    refuses(&intake, &post("/_bulk", &NDJSON, format!("{good}{{\"create\":5}}\n{{}}\n")), 400, "line [3]");
    refuses(&intake, &post("/_bulk", &NDJSON, "{\"delete\":{\"_id\":\"1\"}}\n"), 400, "delete");
    refuses(&intake, &post("/_bulk", &NDJSON, "{\"create\":{\"_type\":\"x\"}}\n{}\n"), 400, "_type");
    refuses(&intake, &post("/_bulk", &NDJSON, "{\"create\":{}}\n{}\n"), 400, "index is missing");
    refuses(&intake, &post("/_bulk", &NDJSON, format!("{}\n", create("audit", "1"))), 400, "no source line");
    let long = format!("{}\n{{}}\n", create("audit", &"i".repeat(513)));
    refuses(&intake, &post("/_bulk", &NDJSON, long), 400, "512 bytes but was: 513");
    refuses(&intake, &post("/_bulk", &[KEY, ("content-type", "text/plain")], good.clone()), 406, "text/plain");
    refuses(&intake, &post("/_bulk", &NDJSON[1..], good.clone()), 401, "missing authentication");
    refuses(&intake, &post("/_bulk", &[("authorization", "ApiKey x"), NDJSON[1]], good), 401, "unable to authenticate");
}

#[test]
fn one_document_is_taken_or_refused() {
    let intake = intake();
    let body = document().to_string();
    accepts(&intake, &post("/audit/_doc", &JSON, body.clone()), 201, r#""result":"created""#, 1);
    accepts(&intake, &post("/logs-a-b/_doc", &JSON, body.clone()), 201, "created", 1);
    let mut put = post("/audit/_create/7", &JSON, body.clone());
    put.method = Method::PUT;
    accepts(&intake, &put, 201, r#""_id":"7""#, 1);
    refuses(&intake, &put, 409, "version_conflict_engine_exception");
    put.path = "/audit/_doc/7".to_owned();
    accepts(&intake, &put, 200, "updated", 1);
    put.query = "op_type=create".to_owned();
    refuses(&intake, &put, 409, "version_conflict");
    refuses(&intake, &post("/audit/_doc", &JSON, ""), 400, "required");
    refuses(&intake, &post("/audit/_doc", &JSON, "{"), 400, "document_parsing_exception");
    refuses(&intake, &post("/Audit/_doc", &JSON, body.clone()), 400, "must be lowercase");
    refuses(&intake, &post("/audit/_doc", &JSON, r#"{"user":{"name":{}}}"#), 400, "[user.name] of type [keyword]");
    refuses(&intake, &post("/audit/_doc", &NDJSON, body.clone()), 406, "not supported");
    let mut get = post("/audit/_doc", &JSON, body);
    get.method = Method::GET;
    refuses(&intake, &get, 405, "GET");
}
