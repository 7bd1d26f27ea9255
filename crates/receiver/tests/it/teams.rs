//! Teams workflows and connectors.

use http::Method;
use receiver::Request;
use serde_json::{Value, json};

use crate::support::{accepts, gzip, intake, post, refuses, with};

const HEADERS: [(&str, &str); 1] = [("content-type", "application/json")];
const FLOW: &str = "/workflows/abc/triggers/manual/paths/invoke?api-version=2016-06-01&sp=x&sv=1.0&sig=teams-signature";
const CONNECTOR: &str = "/webhookb2/a@b/IncomingWebhook/c/d";

fn card() -> Value {
    json!({"type": "AdaptiveCard", "$schema": "http://adaptivecards.io/schemas/adaptive-card.json", "version": "1.2",
        "body": [
            {"type": "TextBlock", "text": "**a**", "size": "Medium", "weight": "Bolder", "wrap": true},
            {"type": "FactSet", "facts": [{"title": "t", "value": "v"}]},
            {"type": "Container", "items": [{"type": "ColumnSet", "columns": [{"type": "Column", "items": []}]}]},
        ],
        "actions": [{"type": "Action.OpenUrl", "title": "open", "url": "https://e.test"}]})
}

fn message(card: &Value) -> Value {
    json!({"type": "message", "attachments": [
        {"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": null, "content": card}]})
}

fn flow(body: &Value) -> Request {
    post(FLOW, &HEADERS, body.to_string())
}

fn body(elements: Value) -> Value {
    message(&with(&card(), "body", elements))
}

#[test]
fn a_flow_answers_202_and_a_connector_1() {
    let intake = intake();
    let reply = accepts(&intake, &flow(&message(&card())), 202, "", 1);
    assert!(reply.body.is_empty());
    let reply = accepts(&intake, &post(CONNECTOR, &HEADERS, message(&card()).to_string()), 200, "1", 1);
    assert_eq!(&reply.body[..], b"1");
    accepts(&intake, &post(CONNECTOR, &HEADERS, r#"{"text":"plain"}"#), 200, "1", 1);
}

#[test]
fn a_message_is_refused_for_what_is_in_it() {
    let intake = intake();
    let good = message(&card());
    let rows = [
        (with(&good, "type", json!("card")), "type"),
        (with(&good, "attachments", Value::Null), "attachments"),
        (with(&good, "attachments", json!([])), "attachments"),
        (with(&good, "attachments", json!([5])), "attachment"),
        (with(&good, "attachments", json!([{"contentType": "text/html", "content": card()}])), "contentType"),
        (json!({"@type": "MessageCard", "text": "t"}), "message"),
        (message(&with(&card(), "type", json!("Card"))), "AdaptiveCard"),
        (message(&with(&card(), "version", json!(1.2))), "version"),
        (message(&with(&card(), "version", json!("2.0"))), "version"),
        (message(&with(&card(), "$schema", json!("http://e.test"))), "$schema"),
        (message(&with(&card(), "actions", json!([{"type": "Action.OpenUrl", "url": "x"}]))), "url"),
        (message(&with(&card(), "actions", json!([{"type": "Open"}]))), "action"),
        (body(json!({})), "body is a list"),
        (body(json!(["text"])), "body[0] is an object"),
        (body(json!([{"text": "t"}])), "type"),
        (body(json!([{"type": "Heading"}])), "Heading"),
        (body(json!([{"type": "TextBlock"}])), "text"),
        (body(json!([{"type": "TextBlock", "text": 5}])), "text"),
        (body(json!([{"type": "TextBlock", "text": "t", "size": "huge"}])), "size"),
        (body(json!([{"type": "TextBlock", "text": "t", "wrap": "true"}])), "wrap"),
        (body(json!([{"type": "FactSet"}])), "facts"),
        (body(json!([{"type": "FactSet", "facts": [{"title": "t"}]}])), "fact"),
        (body(json!([{"type": "Container", "items": [{"type": "Image"}]}])), "items[0]: url"),
    ];
    for (sent, words) in rows {
        refuses(&intake, &flow(&sent), 400, words);
    }
    let deep = (0..40)
        .fold(json!({"type": "TextBlock", "text": "t"}), |inner, _| json!({"type": "Container", "items": [inner]}));
    refuses(&intake, &flow(&body(json!([deep]))), 400, "nested too deep");
}

#[test]
fn a_message_that_grows_too_large_is_lost_silently_or_in_a_text() {
    let intake = intake();
    let large = |length: usize| body(json!([{"type": "TextBlock", "text": "\"".repeat(length)}]));
    accepts(&intake, &flow(&large(6_000)), 202, "", 1);
    // Eight thousand quotes take 16,000 bytes here and 32,000 in the JSON that holds this JSON.
    refuses(&intake, &flow(&large(8_000)), 202, "");
    let text = "Webhook message delivery failed with error: Microsoft Teams endpoint returned HTTP error 413";
    refuses(&intake, &post(CONNECTOR, &HEADERS, large(8_000).to_string()), 200, text);
}

#[test]
fn a_request_is_refused_for_its_form() {
    let intake = intake();
    let good = message(&card()).to_string();
    refuses(
        &intake,
        &post(&FLOW.replace("teams-s", "s"), &HEADERS, good.clone()),
        401,
        "DirectApiAuthorizationRequired",
    );
    refuses(
        &intake,
        &post(&FLOW.replace("api-version", "v"), &HEADERS, good.clone()),
        400,
        "MissingApiVersionParameter",
    );
    refuses(&intake, &post(FLOW, &[], good.clone()), 415, "Content-Type");
    refuses(&intake, &post(FLOW, &HEADERS, "{"), 400, "JSON");
    let packed = [HEADERS[0], ("content-encoding", "gzip")];
    refuses(&intake, &post(FLOW, &packed, gzip(good.as_bytes())), 415, "gzip");
    refuses(&intake, &post("/webhookb2/a@b", &HEADERS, good.clone()), 404, "Not Found");
    refuses(&intake, &post(CONNECTOR, &[], good.clone()), 400, "Bad payload");
    refuses(&intake, &post(CONNECTOR, &HEADERS, "{"), 400, "Bad payload");
    refuses(&intake, &post(CONNECTOR, &HEADERS, "{}"), 400, "Summary or Text is required.");
    refuses(&intake, &post(CONNECTOR, &HEADERS, body(json!([{}])).to_string()), 400, "Bad payload");
    let mut get = post(FLOW, &HEADERS, good);
    get.method = Method::GET;
    refuses(&intake, &get, 405, "not allowed");
}
