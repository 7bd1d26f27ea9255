//! Slack, Mattermost and Zapier: addresses that are keys.

use http::Method;
use receiver::Request;
use serde_json::{Value, json};

use crate::support::{accepts, intake, post, refuses, with};

const JSON: [(&str, &str); 1] = [("content-type", "application/json")];

fn slack(body: &Value) -> Request {
    post("/services/T1/B1/hook-token", &JSON, body.to_string())
}

fn section(kind: &str, text: &str) -> Value {
    json!({"text": "t", "blocks": [{"type": "section", "text": {"type": kind, "text": text}}]})
}

#[test]
fn slack_takes_messages_within_its_limits() {
    let intake = intake();
    accepts(&intake, &slack(&json!({"text": "t"})), 200, "ok", 1);
    accepts(&intake, &slack(&section("mrkdwn", &"m".repeat(3_000))), 200, "ok", 1);
    let context =
        json!([{"type": "context", "elements": vec![json!({"type": "plain_text", "text": "t", "emoji": false}); 10]}]);
    accepts(&intake, &slack(&json!({"text": "t", "blocks": context})), 200, "ok", 1);
}

#[test]
fn slack_refuses_blocks_for_what_is_in_them() {
    let intake = intake();
    for body in [
        section("mrkdwn", ""),
        section("mrkdwn", &"m".repeat(3_001)),
        section("plain_text", &"😀".repeat(1_501)),
        section("markdown", "m"),
        json!({"text": "t", "blocks": []}),
        json!({"text": "t", "blocks": vec![json!({"type": "divider"}); 51]}),
        json!({"text": "t", "blocks": [{"type": "header", "text": {"type": "plain_text", "text": "h".repeat(151)}}]}),
        json!({"text": "t", "blocks": [{"type": "context", "elements": []}]}),
        json!({"text": "t", "blocks": [{"type": "context", "elements": vec![json!({"type": "mrkdwn", "text": "t"}); 11]}]}),
        json!({"text": "t", "blocks": [{"type": "section", "text": {"type": "mrkdwn", "text": "t", "emoji": true}}]}),
        json!({"text": "t", "blocks": [{"type": "toaster"}]}),
    ] {
        refuses(&intake, &slack(&body), 400, "invalid_blocks");
    }
    refuses(&intake, &slack(&json!({"text": ""})), 400, "no_text");
    refuses(&intake, &slack(&json!({"text": "t".repeat(40_001)})), 400, "msg_too_long");
}

#[test]
fn slack_refuses_requests_for_their_form() {
    let intake = intake();
    let body = json!({"text": "t"}).to_string();
    refuses(&intake, &post("/services/T1/B1/other", &JSON, body.clone()), 403, "invalid_token");
    refuses(&intake, &post("/services/X1/B1/hook-token", &JSON, body.clone()), 404, "no_service");
    refuses(&intake, &post("/services/T1", &JSON, body.clone()), 404, "no_service");
    refuses(&intake, &post("/services/T1/B1/hook-token", &[], body), 400, "invalid_payload");
    refuses(&intake, &post("/services/T1/B1/hook-token", &JSON, "{"), 400, "invalid_payload");
}

#[test]
fn mattermost_refuses_posts_for_what_is_in_them() {
    let intake = intake();
    let send = |body: &Value| post("/hooks/hook-token", &JSON, body.to_string());
    let attachment = json!({"fallback": "f", "title": "t", "text": "x", "footer": "f", "fields": [{"short": true, "title": "t", "value": "v"}]});
    let with_it = |key: &str, value: Value| json!({"attachments": [with(&attachment, key, value)]});
    accepts(&intake, &send(&with_it("pretext", json!("p"))), 200, "ok", 1);
    accepts(&intake, &send(&json!({"text": "t".repeat(16_383)})), 200, "ok", 1);
    for (body, words) in [
        (json!({}), "incoming_webhook.text.app_error"),
        (json!({"text": "t".repeat(16_384)}), "incoming_webhook.text.length"),
        (with_it("text", json!("x".repeat(400_001))), "split_props_length"),
        (with_it("footer", json!("f".repeat(301))), "footer"),
        (with_it("title", json!(5)), "title"),
        (with_it("fields", json!({})), "fields"),
        (with_it("fields", json!([{"title": "t"}])), "field"),
        (json!({"attachments": ["a"]}), "attachment"),
    ] {
        refuses(&intake, &send(&body), 400, words);
    }
    refuses(&intake, &post("/hooks/other", &JSON, "{}"), 400, "Invalid webhook");
    refuses(&intake, &post("/hooks/hook-token", &[], json!({"text": "t"}).to_string()), 400, "parse");
}

#[test]
fn zapier_takes_any_object() {
    let intake = intake();
    let address = "/hooks/catch/1234/hook-token/";
    accepts(&intake, &post(address, &JSON, "{\"a\": 1}"), 200, r#""status":"success""#, 1);
    refuses(&intake, &post(address, &JSON, "[1]"), 400, "object");
    refuses(&intake, &post(address, &[], "{}"), 400, "JSON");
    refuses(&intake, &post("/hooks/catch/1234/other/", &JSON, "{}"), 404, "no hook");
    refuses(&intake, &post("/hooks/catch/x/hook-token/", &JSON, "{}"), 404, "no hook");
    let mut get = post(address, &JSON, "{}");
    get.method = Method::GET;
    refuses(&intake, &get, 405, "POST");
}
