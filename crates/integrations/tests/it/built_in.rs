//! Every built-in template with entries of every kind and hostile texts.

use domain::Timestamp;
use integrations::{Catalogue, Item, Kind, Moment};
use serde_json::{Map, Value, json};

use crate::support::{BASE_URL, DATE, NOW, built_in, config, documents, entry, least_config, rendered, request};

const KEYS: [&str; 31] = [
    "chronosphere",
    "compass",
    "datadog",
    "datadog-logs",
    "datadog-private",
    "dynatrace",
    "dynatrace-v2",
    "elastic",
    "elastic-data-stream",
    "grafana",
    "honeycomb",
    "kosli",
    "last9",
    "logdna",
    "loki",
    "mattermost",
    "msteams",
    "msteams-app",
    "new-relic",
    "new-relic-apm",
    "new-relic-apm-insights",
    "new-relic-changes",
    "opsgenie",
    "pagerduty",
    "signalfx",
    "slack",
    "splunk",
    "splunk-raw",
    "terraform-cloud",
    "webhook-signed",
    "zapier",
];

/// These get the entry as the REST API gives it, with its empty members.
const WHOLE: [&str; 6] = ["chronosphere", "compass", "kosli", "msteams-app", "splunk-raw", "webhook-signed"];

const HOSTILE: [&str; 8] = [
    "say \"hi\" \\ back",
    "two\nlines\r\n\tand a tab",
    "emoji 😀 und Umlaute äöü \u{2028}",
    "</script><img src=x onerror=alert(1)>",
    "{{name}} {{{secret}}} {{#if x}}",
    "%%% ``` ~~ * _ [a](b)",
    "\u{0}\u{1}\u{7f}",
    "..",
];

/// Entries of every kind: with all that a producer may say, and with the least.
pub fn entries() -> Vec<Value> {
    let mut entries: Vec<Value> = [
        ("updateOn", "proj/shop:env/production:flag/checkout;payments,beta"),
        ("updateName", "proj/shop"),
        ("createEnvironment", "proj/shop:env/staging"),
        ("updateRole", "member/66f0c0ffee000000000000aa"),
        ("createMetric", "proj/shop:metric/orders"),
        ("updateIncluded", "proj/shop:env/production:segment/beta-users"),
        ("createWebhook", "webhook/66f0c0ffee000000000000bb"),
        ("resetAccessToken", "member/66f0c0ffee000000000000aa:token/66f0c0ffee000000000000cc"),
        ("updatePlan", "org/acme"),
        ("payInvoice", "org/acme:invoice/42"),
    ]
    .iter()
    .map(|(action, resource)| json!({ "date": DATE, "accesses": [{ "action": action, "resource": resource }] }))
    .collect();
    let mut full = entries.clone();
    for (index, entry) in full.iter_mut().enumerate() {
        complete(entry, index, "Checkout");
    }
    entries.append(&mut full);
    entries
}

/// Says everything about an entry, with `text` wherever a text may stand.
fn complete(entry: &mut Value, index: usize, text: &str) {
    let more = json!({
        "_id": format!("entry-{index}"),
        "name": text,
        "description": format!("* {text}\n* more"),
        "comment": text,
        "tags": [text, "", "plain"],
        "titleVerb": format!("changed {text} of"),
        "member": { "_id": "66f0c0ffee000000000000aa", "email": format!("{text}@corp.test"), "firstName": text, "lastName": "Okoye" },
        "project": {
            "key": "shop", "name": text, "tags": [text],
            "environment": { "key": "production", "name": text, "tags": [] },
        },
        "customProperties": { "dynatrace": { "name": "dynatrace", "values": [text, "", "svc"] } },
        "target": { "name": text },
    });
    merge(entry, more);
}

pub fn hostile_entries() -> Vec<Value> {
    let long = "ä\"😀".repeat(4_000);
    let mut entries = Vec::new();
    for (index, text) in HOSTILE.iter().copied().chain([long.as_str()]).enumerate() {
        for resource in ["proj/shop:env/production:flag/checkout", "org/acme:invoice/42"] {
            let mut entry = json!({ "date": DATE, "accesses": [{ "action": "updateOn", "resource": resource }] });
            complete(&mut entry, index, text);
            entries.push(entry.clone());
            merge(&mut entry, json!({ "kind": text, "key": text, "verbKind": text }));
            entries.push(entry);
        }
    }
    entries
}

fn merge(entry: &mut Value, more: Value) {
    if let (Value::Object(entry), Value::Object(more)) = (entry, more) {
        entry.extend(more);
    }
}

/// The least config, and others that choose other parts of the templates.
pub fn configs(key: &str) -> Vec<Map<String, Value>> {
    let least = least_config(key);
    let with = |more: Value| {
        let mut config = least.clone();
        config.extend(self::config(more));
        config
    };
    match key {
        "datadog" | "datadog-private" => vec![least.clone(), with(json!({ "hideMemberDetails": true }))],
        "dynatrace" => vec![least.clone(), with(json!({ "tag": "frontend", "entity": "SERVICE" }))],
        "honeycomb" => vec![least.clone(), with(json!({ "target": "markers" }))],
        "datadog-logs" => vec![
            with(json!({ "hideMemberDetails": true, "site": "us5.datadoghq.com", "service": "audit" })),
            least.clone(),
        ],
        "dynatrace-v2" => vec![least.clone(), with(json!({ "tag": "frontend", "entity": "SERVICE" }))],
        "elastic-data-stream" => vec![least.clone(), with(json!({ "dataset": "audit", "namespace": "prod" }))],
        "last9" => vec![least.clone(), with(json!({ "last9": "checkout" }))],
        "loki" => vec![least.clone(), with(json!({ "tenant": "acme", "job": "audit \"log\"" }))],
        "opsgenie" => vec![least.clone(), with(json!({ "api": "api.atlassian.com", "priority": "P1" }))],
        "pagerduty" => vec![
            least.clone(),
            with(json!({ "eventType": "alert", "severity": "critical", "domain": "events.eu.pagerduty.com" })),
        ],
        "splunk-raw" => vec![least.clone(), with(json!({ "index": "audit", "sourcetype": "acme:audit" }))],
        "webhook-signed" => vec![
            least.clone(),
            with(json!({
                "previousSecret": "whsec_cHJldmlvdXMgd2ViaG9vayBzZWNyZXQgOTg3NjU0MzIx",
                "ldSecret": "ld-webhook-secret",
            })),
        ],
        _ => vec![least],
    }
}

#[test]
fn all_are_there_and_everything_loads() {
    let catalogue = Catalogue::builtin().unwrap();
    let of_http = catalogue.listed().filter(|integration| integration.kind() == Kind::Http);
    let keys: Vec<_> = of_http.map(|integration| integration.key().to_owned()).collect();
    assert_eq!(keys, KEYS);
    for integration in catalogue.listed() {
        assert_eq!(integration.undeliverable(), None);
        assert!(!integration.default_policy().as_array().unwrap().is_empty());
        assert_eq!(integration.validate_config(&least_config(integration.key())), Ok(()));
    }
}

#[test]
fn the_least_entry_and_the_fullest_are_served_for_every_kind() {
    check_all(&entries());
}

#[test]
fn hostile_texts_give_bodies_that_the_destination_takes() {
    check_all(&hostile_entries());
}

fn check_all(entries: &[Value]) {
    for key in KEYS {
        let integration = built_in(key);
        for config in configs(key) {
            for value in entries {
                let entry = entry(value);
                let request = request(&integration, &config, &entry);
                let body = unpacked(&request);
                let documents = documents(&body);
                if !WHOLE.contains(&key) {
                    documents.iter().for_each(|document| assert_filled(document, key));
                }
                assert!(String::from_utf8_lossy(&body).contains(entry.id.as_str()), "{key} leaves the id out");
                check_limits(key, &body, &documents);
            }
        }
    }
}

fn unpacked(request: &integrations::HttpRequest) -> Vec<u8> {
    match crate::support::header(request, "content-encoding") {
        Some(_) => crate::requests::gunzip(&request.body),
        None => request.body.clone(),
    }
}

fn assert_filled(value: &Value, place: &str) {
    match value {
        Value::Null => panic!("{place} is null"),
        Value::String(text) => assert!(!text.is_empty(), "{place} is empty"),
        Value::Array(elements) => {
            assert!(!elements.is_empty(), "{place} is empty");
            elements.iter().enumerate().for_each(|(at, element)| assert_filled(element, &format!("{place}/{at}")));
        }
        Value::Object(members) => {
            assert!(!members.is_empty(), "{place} is empty");
            members.iter().for_each(|(name, member)| assert_filled(member, &format!("{place}/{name}")));
        }
        Value::Bool(_) | Value::Number(_) => {}
    }
}

fn characters(document: &Value, pointer: &str) -> usize {
    document.pointer(pointer).and_then(Value::as_str).map_or(0, |text| text.chars().count())
}

fn longest(document: &Value, pointer: &str) -> usize {
    let found = document.pointer(pointer);
    let texts: Vec<&Value> = match found {
        Some(Value::Array(elements)) => elements.iter().collect(),
        Some(Value::Object(members)) => members.values().collect(),
        _ => Vec::new(),
    };
    texts.iter().filter_map(|text| text.as_str()).map(|text| text.chars().count()).max().unwrap_or(0)
}

/// The limits that the vendors document.
fn check_limits(key: &str, body: &[u8], documents: &[Value]) {
    let document = &documents[0];
    match key {
        "datadog" => {
            assert!(characters(document, "/text") <= 4_000);
            assert!(document["text"].as_str().unwrap().starts_with("%%% \n"));
            assert!(document["text"].as_str().unwrap().ends_with("\n%%%"));
            assert!(characters(document, "/aggregation_key") <= 100);
            assert!(longest(document, "/tags") <= 200);
            assert!(document["tags"].as_array().unwrap().len() <= 100);
            assert!(document["date_happened"].is_i64());
        }
        "dynatrace" => {
            assert!(body.len() <= 1_000_000);
            assert!(longest(document, "/customProperties") <= 4_096);
            assert!(document["customProperties"].as_object().unwrap().keys().all(|key| !key.contains(' ')));
            let rules = document["attachRules"]["tagRule"].as_array().unwrap();
            assert!(rules.iter().all(|rule| rule["tags"][0]["key"].is_string()));
        }
        "elastic" => {
            assert_eq!(documents.len(), 2);
            assert_eq!(body.iter().filter(|byte| **byte == b'\n').count(), 2);
            assert!(body.ends_with(b"\n"));
            assert!(document["create"]["_id"].as_str().unwrap().len() <= 512);
            assert!(documents[1]["user"]["name"].is_string());
            assert_eq!(documents[1]["@timestamp"], "2026-09-21T14:13:20.123Z");
        }
        "honeycomb" => {
            assert!(body.len() <= 1_000_000);
            if let Some(event) = document.get(0) {
                assert!(
                    event["data"].as_object().unwrap().values().all(|value| value.as_str().unwrap().len() < 65_536)
                );
            } else {
                assert_eq!(document["start_time"], DATE / 1000);
            }
        }
        "logdna" => {
            assert_eq!(document["lines"][0]["timestamp"], DATE);
            assert!(document["lines"][0]["line"].as_str().unwrap().len() <= 16_000);
            assert!(document["lines"][0]["meta"].to_string().len() <= 32_000);
        }
        "msteams" => {
            // What Teams counts: the message as an escaped string, with an envelope of its own.
            let quoted = |c: char| match c {
                '"' | '\\' => 2,
                c if c.is_ascii() && !c.is_control() => 1,
                c => 6 * c.len_utf16(),
            };
            let size: usize = 1_024 + document.to_string().chars().map(quoted).sum::<usize>();
            assert!(size <= 28_672, "{size} bytes");
        }
        "new-relic-apm" => {
            assert!(characters(document, "/deployment/revision") <= 127);
            assert!(characters(document, "/deployment/user") <= 31);
            assert_eq!(document["deployment"]["timestamp"], "2026-09-21T14:13:20Z");
        }
        "signalfx" => {
            assert_eq!(document[0]["timestamp"], DATE);
            assert!(longest(&document[0], "/dimensions") <= 256);
        }
        "splunk" => {
            assert_eq!(document["time"].to_string(), "1790000000.123");
            assert!(document["event"].is_object());
        }
        // The receiver knows the limits of the others: see `delivered`.
        _ => {}
    }
}

#[test]
fn an_entry_with_very_many_tags_still_fits() {
    let tags: Vec<_> = (0..5_000).map(|number| format!("tag-{number}")).collect();
    check_all(&[json!({ "_id": "e1", "date": DATE, "tags": tags, "action": "updateOn", "resource": "org/acme" })]);
}

#[test]
fn members_can_be_hidden_from_datadog() {
    let mut value = entries().pop().unwrap();
    merge(&mut value, json!({ "member": { "email": "ada@corp.test", "firstName": "Ada", "lastName": "Okoye" } }));
    let integration = built_in("datadog");
    let mut config = least_config("datadog");
    let text =
        |config: &Map<String, Value>| String::from_utf8(rendered(&integration, config, &entry(&value)).body).unwrap();
    assert!(text(&config).contains("Okoye") && text(&config).contains("ada@corp.test"));
    config.insert("hideMemberDetails".into(), true.into());
    assert!(!text(&config).contains("Okoye") && !text(&config).contains("ada@corp.test"));
}

#[test]
fn events_beyond_the_age_window_are_stamped_anew_and_say_so() {
    const DAY: i64 = 24 * 60 * 60 * 1000;
    let entry = entry(&entries()[0]);
    for (key, pointer, now, stamped) in [
        ("datadog", "/date_happened", DATE + DAY, (DATE + DAY) / 1000),
        ("datadog", "/date_happened", DATE + DAY / 2, DATE / 1000),
        ("datadog", "/date_happened", DATE - DAY, (DATE - DAY) / 1000),
        ("dynatrace", "/start", DATE + 31 * DAY, DATE + 31 * DAY),
        ("dynatrace", "/start", DATE + 29 * DAY, DATE),
        ("logdna", "/timestamp", DATE + DAY, DATE + DAY),
        ("signalfx", "/timestamp", DATE + 400 * DAY, DATE),
        ("datadog-logs", "/timestamp", DATE + DAY, DATE + DAY),
        ("dynatrace-v2", "/startTime", DATE + 31 * DAY, DATE + 31 * DAY),
        ("new-relic", "/timestamp", DATE + 2 * DAY, DATE + 2 * DAY),
        ("new-relic", "/timestamp", DATE + DAY, DATE),
        ("new-relic-changes", "/variables/timestamp", DATE + DAY, DATE + DAY),
    ] {
        let integration = built_in(key);
        let now = Timestamp::from_millis(now);
        let item = integration.render_item(&least_config(key), &entry, BASE_URL, now).unwrap();
        let Item::Body(item) = item else { panic!("{key} sends nothing") };
        let document = &documents(&item.body)[0];
        assert_eq!(document.pointer(pointer), Some(&json!(stamped)), "{key} at {now}");
        let own_time = "2026-09-21T14:13:20Z";
        // Some say the event's own time always, in a member of its own.
        let always = ["/entry/time", "/entryTime"].iter().any(|at| document.pointer(at) == Some(&json!(own_time)));
        let says_so = document.to_string().contains(&format!("Happened at {own_time}"));
        assert!(always || says_so == (item.stamp != entry.facts().date()), "{key} at {now}");
    }
}

#[test]
fn an_ordered_destination_gets_times_that_only_grow() {
    let integration = built_in("new-relic-apm");
    let entry = entry(&entries()[0]);
    let not_before = Timestamp::from_millis(DATE + 2_000);
    let moment = Moment { not_before: Some(not_before), ..NOW.into() };
    let item = integration.render_item(&least_config("new-relic-apm"), &entry, BASE_URL, moment).unwrap();
    let Item::Body(item) = item else { panic!("nothing is sent") };
    assert_eq!(item.stamp, not_before);
    let deployment = &documents(&item.body)[0]["deployment"];
    assert_eq!(deployment["timestamp"], "2026-09-21T14:13:22Z");
    assert!(deployment["changelog"].as_str().unwrap().contains("Happened at 2026-09-21T14:13:20Z"));
}

#[test]
fn test_messages_are_served_by_every_integration() {
    for key in KEYS {
        let integration = built_in(key);
        let config = least_config(key);
        let Item::Body(item) = integration.validation_item(&config, crate::support::ACCOUNT, BASE_URL, NOW).unwrap()
        else {
            panic!("{key} has no test message");
        };
        let request = integration.request(&config, &[item]).unwrap();
        assert!(String::from_utf8_lossy(&request.body).contains("test message"), "{key}");
    }
}

#[test]
fn elastic_is_told_the_name_of_each_entry() {
    let naming: Vec<_> = KEYS.into_iter().filter(|key| built_in(key).names_entries()).collect();
    assert_eq!(naming, ["elastic", "elastic-data-stream"]);
}
