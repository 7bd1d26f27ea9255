//! What the vendors answer, and what it means.

use std::time::Duration;

use domain::Timestamp;
use integrations::{RETRY_AFTER_MAX, Reply, ReplyReading, Verdict};
use serde_json::json;

use crate::support::{built_in, folder, manifest, with_own_keys};

const NOW: Timestamp = Timestamp::from_millis(1_790_000_000_000);

fn read(key: &str, items: usize, status: u16, body: &str) -> ReplyReading {
    read_with(key, items, status, &[], body)
}

fn read_with(key: &str, items: usize, status: u16, headers: &[(&str, &str)], body: &str) -> ReplyReading {
    let headers: Vec<_> = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let reply = Reply { status, headers: &headers, body: body.as_bytes(), truncated: false, shows_words: true };
    built_in(key).read_reply(items, &reply, NOW)
}

/// One word for a verdict and the machine name of its reason.
fn word(verdict: &Verdict) -> String {
    let name = verdict.reason().map_or("", |reason| reason.name.as_ref());
    match verdict {
        Verdict::Accepted => "accepted".into(),
        Verdict::Refused { .. } => format!("refused {name}"),
        Verdict::Misconfigured { .. } => format!("misconfigured {name}"),
        Verdict::Throttled { retry_after: None, .. } => format!("throttled {name}"),
        Verdict::Throttled { retry_after: Some(wait), .. } => format!("throttled {name} {}", wait.as_millis()),
        Verdict::Unavailable { .. } => format!("unavailable {name}"),
    }
}

fn words(reading: &ReplyReading) -> Vec<String> {
    match reading {
        ReplyReading::Whole(verdict) => vec![format!("whole: {}", word(verdict))],
        ReplyReading::Items(verdicts) => verdicts.iter().map(word).collect(),
    }
}

#[test]
fn replies_about_the_whole_request_are_read_per_vendor() {
    for (key, status, body, expected) in [
        ("datadog", 202, r#"{"status":"ok","event":{"id":1}}"#, "accepted"),
        ("datadog", 202, r#"{"status":"error"}"#, "unavailable unexpected_reply"),
        ("datadog", 202, "", "unavailable unexpected_reply"),
        ("datadog", 200, r#"{"status":"ok"}"#, "unavailable unexpected_reply"),
        ("datadog", 202, "<html>login</html>", "unavailable reply_unreadable"),
        ("datadog", 400, r#"{"errors":["Event too far in the past"]}"#, "refused too_old"),
        ("datadog", 400, r#"{"errors":["bad"]}"#, "refused bad_request"),
        ("datadog", 403, r#"{"errors":["Forbidden"]}"#, "misconfigured forbidden"),
        ("dynatrace", 200, r#"{"storedEventIds":[1],"storedIds":["a"],"storedCorrelationIds":[]}"#, "accepted"),
        ("dynatrace", 200, r#"{"storedEventIds":[],"storedIds":["a"]}"#, "accepted"),
        ("dynatrace", 200, r#"{"storedEventIds":[],"storedIds":[],"storedCorrelationIds":[]}"#, "refused no_entity"),
        ("dynatrace", 200, r#"{"storedIds":[]}"#, "refused no_entity"),
        ("dynatrace", 200, "{}", "unavailable unexpected_reply"),
        ("dynatrace", 401, "", "misconfigured unauthorized"),
        ("elastic", 200, r#"{"took":1,"errors":false}"#, "unavailable unexpected_reply"),
        ("elastic", 200, r#"{"items":[]}"#, "unavailable reply_unreadable"),
        ("elastic", 413, "", "refused too_large"),
        ("elastic", 429, "", "throttled rate_limited"),
        ("elastic", 406, "", "misconfigured client_error"),
        ("honeycomb", 201, r#"{"id":"x"}"#, "accepted"),
        ("honeycomb", 401, r#"{"error":"unknown API key - check your credentials"}"#, "misconfigured unauthorized"),
        ("logdna", 200, r#"{"status":"ok","batchID":"1"}"#, "accepted"),
        ("logdna", 200, r#"{"status":"error"}"#, "unavailable unexpected_reply"),
        ("logdna", 507, "", "unavailable server_error"),
        ("msteams", 202, "", "accepted"),
        ("msteams", 200, "1", "accepted"),
        ("msteams", 200, " 1\r\n", "accepted"),
        ("msteams", 200, "11", "unavailable unexpected_reply"),
        (
            "msteams",
            200,
            "Webhook message delivery failed with error: Microsoft Teams endpoint returned HTTP error 429 with ContextId x",
            "throttled rate_limited",
        ),
        (
            "msteams",
            200,
            "Webhook message delivery failed with error: Microsoft Teams endpoint returned HTTP error 413 with ContextId x",
            "refused too_large",
        ),
        (
            "msteams",
            200,
            "Webhook message delivery failed with error: Microsoft Teams endpoint returned HTTP error 502",
            "unavailable not_posted",
        ),
        ("msteams", 404, "", "misconfigured not_found"),
        ("new-relic-apm", 201, r#"{"deployment":{"id":1}}"#, "accepted"),
        ("new-relic-apm", 200, "", "unavailable unexpected_reply"),
        ("new-relic-apm", 422, "", "refused unprocessable"),
        ("signalfx", 200, "\"OK\"", "accepted"),
        ("signalfx", 200, "OK", "unavailable reply_unreadable"),
        ("signalfx", 200, "{}", "unavailable unexpected_reply"),
        ("signalfx", 204, "", "unavailable unexpected_reply"),
    ] {
        assert_eq!(words(&read(key, 1, status, body)), [format!("whole: {expected}")], "{key} {status} {body}");
    }
}

#[test]
fn the_codes_of_the_splunk_collector_are_read() {
    for (status, body, expected) in [
        (200, r#"{"text":"Success","code":0}"#, "accepted"),
        (200, r#"{"text":"HEC is healthy","code":17}"#, "unavailable unexpected_reply"),
        (400, r#"{"text":"No data","code":5}"#, "refused bad_request"),
        (400, r#"{"text":"Invalid data format","code":6,"invalid-event-number":0}"#, "refused bad_request"),
        (400, r#"{"text":"Incorrect index","code":7,"invalid-event-number":1}"#, "misconfigured incorrect_index"),
        (400, r#"{"text":"Data channel is missing","code":10}"#, "misconfigured channel_required"),
        (400, r#"{"text":"Invalid data channel","code":11}"#, "misconfigured channel_required"),
        (400, r#"{"text":"Event field is required","code":12}"#, "refused bad_request"),
        (400, r#"{"text":"Event field cannot be blank","code":13}"#, "refused bad_request"),
        (400, r#"{"text":"ACK is disabled","code":14}"#, "misconfigured ack_disabled"),
        (400, r#"{"text":"Error in handling indexed fields","code":15}"#, "refused bad_request"),
        (401, r#"{"text":"Token is required","code":2}"#, "misconfigured unauthorized"),
        (403, r#"{"text":"Invalid token","code":4}"#, "misconfigured forbidden"),
        (500, r#"{"text":"Internal server error","code":8}"#, "unavailable server_error"),
        (503, r#"{"text":"Server is busy","code":9}"#, "unavailable unavailable"),
        (503, r#"{"text":"Server is shutting down","code":23}"#, "unavailable unavailable"),
        (429, r#"{"text":"capacity","code":26}"#, "throttled rate_limited"),
    ] {
        assert_eq!(words(&read("splunk", 1, status, body)), [format!("whole: {expected}")], "{status} {body}");
    }
}

#[test]
fn statuses_without_a_rule_of_the_vendor_have_one_meaning() {
    for (status, expected) in [
        (301, "misconfigured redirect"),
        (400, "refused bad_request"),
        (401, "misconfigured unauthorized"),
        (403, "misconfigured forbidden"),
        (404, "misconfigured not_found"),
        (405, "misconfigured client_error"),
        (408, "unavailable timeout"),
        (410, "misconfigured gone"),
        (413, "refused too_large"),
        (418, "misconfigured client_error"),
        (422, "refused unprocessable"),
        (425, "unavailable too_early"),
        (429, "throttled rate_limited"),
        (500, "unavailable server_error"),
        (501, "misconfigured not_supported"),
        (503, "unavailable unavailable"),
        (505, "misconfigured not_supported"),
        (521, "unavailable server_error"),
        (100, "unavailable unexpected_status"),
        (999, "unavailable unexpected_status"),
    ] {
        assert_eq!(words(&read("splunk", 1, status, "")), [format!("whole: {expected}")], "{status}");
    }
    let plain = folder(&manifest(&json!([]), "https://host.test/"), "{}");
    for (status, expected) in [(200, "accepted"), (204, "accepted"), (299, "accepted"), (300, "misconfigured redirect")]
    {
        let reply = Reply { status, headers: &[], body: b"anything", truncated: true, shows_words: true };
        assert_eq!(words(&plain.read_reply(1, &reply, NOW)), [format!("whole: {expected}")]);
    }
}

#[test]
fn elastic_tells_of_each_item() {
    let body = r#"{"took":1,"errors":true,"items":[
        {"create":{"_id":"a","status":201}},
        {"create":{"_id":"b","status":409,"error":{"type":"version_conflict_engine_exception","reason":"exists"}}},
        {"create":{"_id":"c","status":400,"error":{"type":"document_parsing_exception","reason":"bad date"}}},
        {"create":{"_id":"d","status":429,"error":{"type":"es_rejected_execution_exception","reason":"full"}}},
        {"create":{"_id":"e","status":503}},
        {"create":{"_id":"f","status":403,"error":{"reason":"no"}}},
        {"create":{"_id":"g","status":404,"error":{"reason":"no such index"}}},
        {"create":{"_id":"h"}}]}"#;
    let reading = read("elastic", 8, 200, body);
    assert_eq!(
        words(&reading),
        [
            "accepted",
            "accepted",
            "refused bad_request",
            "throttled rate_limited",
            "unavailable unavailable",
            "misconfigured forbidden",
            "misconfigured not_found",
            "unavailable reply_unreadable",
        ]
    );
    let ReplyReading::Items(verdicts) = reading else { panic!() };
    assert!(verdicts[2].reason().unwrap().text.ends_with("(400): bad date"));
    let hidden = Reply { status: 200, headers: &[], body: body.as_bytes(), truncated: false, shows_words: false };
    let ReplyReading::Items(verdicts) = built_in("elastic").read_reply(8, &hidden, NOW) else { panic!() };
    assert!(verdicts[2].reason().unwrap().text.ends_with("(400)"), "{verdicts:?}");
    assert_eq!(words(&read("elastic", 7, 200, body)), ["whole: unavailable reply_unreadable"]);
}

#[test]
fn honeycomb_tells_of_each_item() {
    let body = r#"[{"status":202},{"status":400,"error":"event has too many columns"},{"status":403},{"status":429},{"status":500}]"#;
    assert_eq!(
        words(&read("honeycomb", 5, 200, body)),
        [
            "accepted",
            "refused bad_request",
            "throttled forbidden",
            "throttled rate_limited",
            "unavailable server_error"
        ]
    );
    assert_eq!(words(&read("honeycomb", 1, 200, "{}")), ["whole: unavailable unexpected_reply"]);
}

#[test]
fn mezmo_tells_of_each_line_with_207() {
    let words = words(&read("logdna", 3, 207, r#"{"status":[200,200,400]}"#));
    assert_eq!(words, ["accepted", "accepted", "refused bad_request"]);
}

#[test]
fn a_success_that_was_not_read_whole_is_none() {
    for (key, status, body) in [
        ("signalfx", 200, "\"OK\""),
        ("elastic", 200, r#"{"items":[{"create":{"status":201}}]}"#),
        ("msteams", 200, "1"),
    ] {
        let reply = Reply { status, headers: &[], body: body.as_bytes(), truncated: true, shows_words: true };
        assert_eq!(words(&built_in(key).read_reply(1, &reply, NOW)), ["whole: unavailable reply_too_long"], "{key}");
    }
}

#[test]
fn the_first_invalid_event_of_splunk_is_known() {
    let number = |status, body: &str| {
        built_in("splunk").first_invalid(&Reply {
            status,
            headers: &[],
            body: body.as_bytes(),
            truncated: false,
            shows_words: true,
        })
    };
    assert_eq!(number(400, r#"{"text":"x","code":6,"invalid-event-number":3}"#), Some(3));
    assert_eq!(number(503, r#"{"text":"x","code":9,"invalid-event-number":1}"#), Some(1));
    assert_eq!(number(400, r#"{"text":"x","code":6}"#), None);
    assert_eq!(number(400, r#"{"invalid-event-number":-1}"#), None);
    assert_eq!(number(400, "x"), None);
}

#[test]
fn waits_are_taken_from_the_header_that_says_them() {
    const DATE: &str = "Mon, 21 Sep 2026 14:00:00 GMT";
    for (key, status, headers, expected) in [
        ("splunk", 429, vec![("retry-after", "30")], "throttled rate_limited 30000"),
        ("splunk", 429, vec![("retry-after", " 0 ")], "throttled rate_limited 0"),
        ("splunk", 503, vec![("retry-after", "7")], "throttled unavailable 7000"),
        ("splunk", 502, vec![("retry-after", "7")], "unavailable server_error"),
        ("splunk", 429, vec![("retry-after", "999999999999999999999999")], "throttled rate_limited 86400000"),
        ("splunk", 429, vec![("retry-after", "86401")], "throttled rate_limited 86400000"),
        ("splunk", 429, vec![("retry-after", "-5")], "throttled rate_limited"),
        ("splunk", 429, vec![("retry-after", "1.5")], "throttled rate_limited"),
        ("splunk", 429, vec![("retry-after", "soon")], "throttled rate_limited"),
        // Against the answer's own date when it has one, else against ours: 14:13:20.
        (
            "splunk",
            429,
            vec![("retry-after", "Mon, 21 Sep 2026 14:01:00 GMT"), ("date", DATE)],
            "throttled rate_limited 60000",
        ),
        ("splunk", 429, vec![("retry-after", "Mon, 21 Sep 2026 14:14:20 GMT")], "throttled rate_limited 60000"),
        (
            "splunk",
            429,
            vec![("retry-after", "Mon, 21 Sep 2026 13:00:00 GMT"), ("date", DATE)],
            "throttled rate_limited 0",
        ),
        ("datadog", 429, vec![("x-ratelimit-reset", "12")], "throttled rate_limited 12000"),
        ("datadog", 429, vec![("x-ratelimit-reset", "12"), ("retry-after", "20")], "throttled rate_limited 20000"),
        ("datadog", 503, vec![("x-ratelimit-reset", "12")], "unavailable unavailable"),
        ("dynatrace", 429, vec![("x-ratelimit-reset", "1790000005000000")], "throttled rate_limited 5001"),
        ("dynatrace", 429, vec![("x-ratelimit-reset", "1")], "throttled rate_limited 0"),
        ("dynatrace", 429, vec![("x-ratelimit-reset", "-1")], "throttled rate_limited"),
    ] {
        assert_eq!(
            words(&read_with(key, 1, status, &headers, "")),
            [format!("whole: {expected}")],
            "{key} {status} {headers:?}"
        );
    }
    assert_eq!(RETRY_AFTER_MAX, Duration::from_secs(86_400));
}

#[test]
fn rules_are_tried_in_order_and_may_rename_the_reason() {
    let keys = json!({ "reply": [
        { "status": [200], "json": { "/a": [1, 2], "/b": [true] }, "verdict": "accepted" },
        { "contains": "later", "verdict": "throttled", "reason": "busy", "explain": "it is busy" },
        { "verdict": "misconfigured" },
    ] });
    let integration = folder(&with_own_keys(manifest(&json!([]), "https://host.test/"), keys), "{}");
    let read = |status, body: &str| {
        let reply = Reply { status, headers: &[], body: body.as_bytes(), truncated: false, shows_words: true };
        words(&integration.read_reply(1, &reply, NOW)).remove(0)
    };
    assert_eq!(read(200, r#"{"a":2,"b":true}"#), "whole: accepted");
    assert_eq!(read(200, r#"{"a":3,"b":true}"#), "whole: misconfigured unexpected_reply");
    assert_eq!(read(200, r#"{"a":2}"#), "whole: misconfigured unexpected_reply");
    assert_eq!(read(500, "try later"), "whole: throttled busy");
    assert_eq!(read(500, ""), "whole: misconfigured server_error");
}

#[test]
fn a_rule_can_ask_for_a_list_or_a_text_that_is_not_empty() {
    let keys = json!({ "reply": [{ "anyFilled": ["/errors", "/error"], "verdict": "refused", "reason": "named" }] });
    let integration = folder(&with_own_keys(manifest(&json!([]), "https://host.test/"), keys), "{}");
    for (body, expected) in [
        (json!({"errors": ["a"]}), "refused named"),
        (json!({"error": "a"}), "refused named"),
        (json!({"errors": [], "error": "a"}), "refused named"),
        (json!({"errors": [], "error": ""}), "accepted"),
        (json!({"errors": {"a": 1}, "error": 1}), "accepted"),
        (json!({}), "accepted"),
    ] {
        let text = body.to_string();
        let reply = Reply { status: 200, headers: &[], body: text.as_bytes(), truncated: false, shows_words: true };
        // No rule says what a success looks like, so any 200 is one.
        assert_eq!(words(&integration.read_reply(1, &reply, NOW)), [format!("whole: {expected}")], "{body}");
    }
}
