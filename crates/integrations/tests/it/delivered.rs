//! Requests go to the receiver, which refuses what the vendors refuse, and its answers are read.

use bytes::Bytes;
use domain::{FieldError, Timestamp};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use integrations::{HttpRequest, Integration, Item, Reply, ReplyReading, Verdict};
use receiver::{Intake, Options, Request};
use serde_json::{Map, Value, json};

use crate::{
    built_in::{configs, entries, hostile_entries},
    support::{ACCOUNT, BASE_URL, DATE, NOW, built_in, config, entry, item, least_config, rendered},
};

/// The nine others need a server that redirects connections; tests/destinations has them.
const KEYS: [&str; 22] = [
    "chronosphere",
    "compass",
    "datadog-logs",
    "datadog-private",
    "dynatrace-v2",
    "elastic-data-stream",
    "grafana",
    "kosli",
    "last9",
    "loki",
    "mattermost",
    "msteams-app",
    "new-relic",
    "new-relic-apm-insights",
    "new-relic-changes",
    "opsgenie",
    "pagerduty",
    "slack",
    "splunk-raw",
    "terraform-cloud",
    "webhook-signed",
    "zapier",
];

fn intake_at(now: Timestamp) -> Intake {
    Intake::new(Options::new(move || now.as_millis()))
}

fn intake() -> Intake {
    intake_at(NOW)
}

fn as_received(request: &HttpRequest) -> Request {
    let (_, rest) = request.url.split_once("://").unwrap();
    let (host, rest) = rest.split_at(rest.find('/').unwrap());
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    let mut headers = HeaderMap::new();
    for (name, value) in &request.headers {
        headers.append(HeaderName::try_from(name).unwrap(), HeaderValue::try_from(value).unwrap());
    }
    Request {
        method: Method::try_from(request.method).unwrap(),
        host: host.split(':').next().unwrap().to_owned(),
        path: path.to_owned(),
        query: query.to_owned(),
        headers,
        body: Bytes::from(request.body.clone()),
    }
}

/// The receiver's name for the vendor: two integrations send the same events to New Relic.
fn vendor_of(key: &str) -> &str {
    if key == "new-relic-apm-insights" { "new-relic" } else { key }
}

/// What the vendor's answer means, and why it refused something, if it did.
fn sent(
    intake: &Intake,
    integration: &Integration,
    request: &HttpRequest,
    items: usize,
) -> (ReplyReading, Option<String>) {
    let reply = intake.answer(&as_received(request)).reply;
    let received = intake.received(None).pop().unwrap();
    assert_eq!(received.destination, vendor_of(integration.key()));
    let reply =
        Reply { status: reply.status, headers: &reply.headers, body: &reply.body, truncated: false, shows_words: true };
    (integration.read_reply(items, &reply, NOW), received.refused)
}

#[track_caller]
fn assert_taken(intake: &Intake, integration: &Integration, config: &Map<String, Value>, values: &[Value]) {
    let key = integration.key();
    let items: Vec<_> = values.iter().map(|value| rendered(integration, config, &entry(value))).collect();
    let request = integration.request(config, &items).unwrap();
    let (reading, refused) = sent(intake, integration, &request, items.len());
    assert_eq!(refused, None, "{key} with {values:?}");
    match reading {
        ReplyReading::Whole(verdict) => assert_eq!(verdict, Verdict::Accepted, "{key}"),
        ReplyReading::Items(verdicts) => assert_eq!(verdicts, vec![Verdict::Accepted; items.len()], "{key}"),
    }
    assert_eq!(intake.received(None).pop().unwrap().stored_items, items.len(), "{key}");
}

#[test]
fn every_vendor_takes_every_kind_and_every_hostile_text() {
    let values = [entries(), hostile_entries()].concat();
    for key in KEYS {
        let integration = built_in(key);
        for config in configs(key) {
            // Another memory for each: two entries of one text may be one document.
            for value in &values {
                assert_taken(&intake(), &integration, &config, std::slice::from_ref(value));
            }
        }
    }
}

#[test]
fn every_vendor_takes_an_entry_with_very_many_tags_and_values() {
    let many: Vec<_> = (0..5_000).map(|number| format!("tag-{number}")).collect();
    let value = json!({
        "_id": "e1", "date": DATE, "tags": many, "action": "updateOn", "resource": "org/acme",
        "customProperties": { "last9": { "name": "last9", "values": many } },
    });
    for key in KEYS {
        assert_taken(&intake(), &built_in(key), &least_config(key), std::slice::from_ref(&value));
    }
}

#[test]
fn batches_are_taken_whole() {
    let mut values = entries();
    values.extend(hostile_entries());
    for (index, value) in values.iter_mut().enumerate() {
        value["_id"] = format!("batched-{index}").into();
    }
    for key in ["datadog-logs", "elastic-data-stream", "loki", "new-relic", "splunk-raw"] {
        let limits = built_in(key).batch(&least_config(key));
        assert_eq!(limits.items_max, 1_000, "{key}");
        // The delivery engine counts bytes; these are few enough to stay below.
        assert_taken(&intake(), &built_in(key), &least_config(key), &values[..values.len().min(24)]);
    }
}

#[test]
fn every_vendor_takes_the_test_message_and_late_entries() {
    const DAY: i64 = 24 * 60 * 60 * 1000;
    for key in KEYS {
        let integration = built_in(key);
        let config = least_config(key);
        let Item::Body(item) = integration.validation_item(&config, ACCOUNT, BASE_URL, NOW).unwrap() else {
            panic!("{key} has no test message");
        };
        let request = integration.request(&config, &[item]).unwrap();
        assert_eq!(sent(&intake(), &integration, &request, 1).1, None, "{key}");
        // Ages at which one vendor or another begins to refuse: an hour, 18, 24 and 48 hours, 7 and 30 days.
        for age in [DAY / 24 - 1, 18 * DAY / 24, DAY, 2 * DAY, 7 * DAY, 30 * DAY, 400 * DAY, -DAY / 48, -2 * DAY] {
            for around in [-60_000, 60_000] {
                let now = Timestamp::from_millis(DATE + age + around);
                let Item::Body(item) = integration.render_item(&config, &entry(&entries()[0]), BASE_URL, now).unwrap()
                else {
                    panic!("{key} sends nothing at {now}");
                };
                let request = integration.request(&config, &[item]).unwrap();
                assert_eq!(sent(&intake_at(now), &integration, &request, 1).1, None, "{key} at {now}");
            }
        }
    }
}

#[test]
fn loki_takes_what_happened_long_before_what_it_has_already() {
    const MINUTE: i64 = 60_000;
    let intake = intake();
    for (number, minutes) in [-4, 0, 40, 55, 300, 20].into_iter().enumerate() {
        let value = json!({
            "_id": format!("e{number}"), "date": NOW.as_millis() - minutes * MINUTE, "action": "pay", "resource": "org/a",
        });
        assert_taken(&intake, &built_in("loki"), &least_config("loki"), std::slice::from_ref(&value));
    }
}

#[test]
fn a_key_that_the_vendor_does_not_know_is_a_matter_of_the_config() {
    for (key, field, wrong) in [
        ("chronosphere", "secretToken", "wrong"),
        ("compass", "secret", "wrong"),
        ("datadog-logs", "apiKey", "wrong"),
        ("datadog-private", "apiKey", "wrong"),
        ("dynatrace-v2", "apiToken", "wrong"),
        ("elastic-data-stream", "token", "d3Jvbmc="),
        ("grafana", "apiKey", "wrong"),
        ("kosli", "secret", "wrong"),
        ("last9", "apiToken", "wrong"),
        ("loki", "password", "wrong"),
        ("mattermost", "url", "https://mattermost.example.test/hooks/wrong"),
        ("msteams-app", "secret", "wrong"),
        ("new-relic", "apiKey", "wrong"),
        ("new-relic-apm-insights", "licenseKey", "wrong"),
        ("new-relic-changes", "apiKey", "wrong"),
        ("new-relic-changes", "entityGuid", "MXxBUE18QVBQTElDQVRJT058Mg"),
        ("opsgenie", "apiKey", "wrong"),
        ("pagerduty", "integrationKey", "00000000000000000000000000000000"),
        ("slack", "url", "https://hooks.slack.com/services/T0001/B0001/wrong"),
        ("splunk-raw", "token", "wrong"),
        ("splunk-raw", "index", "nowhere"),
        ("terraform-cloud", "token", "wrong"),
        ("terraform-cloud", "workspaceId", "ws-other"),
        ("webhook-signed", "secret", "whsec_d3Jvbmcgd3Jvbmcgd3Jvbmcgd3Jvbmcgd3Jvbmcg"),
        ("zapier", "url", "https://hooks.zapier.com/hooks/catch/1234567/wrong/"),
    ] {
        let integration = built_in(key);
        let mut config = least_config(key);
        config.insert(field.into(), wrong.into());
        assert_eq!(integration.validate_config(&config), Ok(()), "{key}");
        let request = integration.request(&config, &[rendered(&integration, &config, &entry(&entries()[0]))]).unwrap();
        let (reading, refused) = sent(&intake(), &integration, &request, 1);
        assert!(refused.is_some(), "{key} took a wrong {field}");
        assert!(matches!(reading, ReplyReading::Whole(Verdict::Misconfigured { .. })), "{key}: {reading:?}");
    }
}

#[test]
fn a_config_that_cannot_be_right_is_refused() {
    for (key, field, wrong) in [
        ("chronosphere", "receiverURL", json!("acme.chronosphere.io")),
        ("compass", "url", json!("compass")),
        ("datadog-private", "hostURL", json!("datadog.example.test")),
        ("msteams-app", "url", json!("")),
        ("new-relic-apm-insights", "domain", json!("collector.evil.test")),
        ("terraform-cloud", "workspaceId", json!("ws/../..")),
        ("datadog-logs", "site", json!("datadoghq.com.evil.test")),
        ("dynatrace-v2", "entity", json!("TOASTER")),
        ("dynatrace-v2", "tag", json!("a\"),type(\"HOST")),
        ("elastic-data-stream", "dataset", json!("with-dash")),
        ("elastic-data-stream", "namespace", json!("Capital")),
        ("grafana", "endpointUrl", json!("ftp://grafana.example.test")),
        ("kosli", "secret", json!("")),
        ("last9", "apiToken", Value::Null),
        ("loki", "tenant", json!("a/b")),
        ("mattermost", "url", json!(5)),
        ("new-relic", "accountId", json!("47/11")),
        ("new-relic", "domain", json!("collector.evil.test")),
        ("new-relic-changes", "entityGuid", json!("x' OR id = 'y")),
        ("opsgenie", "api", json!("api.evil.test")),
        ("opsgenie", "priority", json!("P6")),
        ("pagerduty", "eventType", json!("incident")),
        ("pagerduty", "severity", json!("grave")),
        ("slack", "url", json!("https://hooks.slack.com.evil.test/services/T/B/x")),
        ("splunk-raw", "sourcetype", json!("a&index=secret")),
        ("splunk-raw", "skip-ca-verification", json!("no")),
        ("webhook-signed", "secret", json!("YXVkaXRjYXN0IHdlYmhvb2sgc2VjcmV0IDEyMzQ1Njc4")),
        ("webhook-signed", "secret", json!("whsec_dG9vIHNob3J0")),
        ("webhook-signed", "previousSecret", json!("whsec_not base64 at all, but long enough to be a key")),
        ("zapier", "url", json!("hooks.zapier.com/hooks/catch/1/2")),
    ] {
        let mut wrong_config = least_config(key);
        wrong_config.insert(field.into(), wrong.clone());
        let errors = built_in(key).validate_config(&wrong_config).unwrap_err();
        let attributes: Vec<_> = errors.iter().map(|FieldError { attribute, .. }| attribute.as_str()).collect();
        assert_eq!(attributes, [format!("config.{field}")], "{key} {wrong}");
        let unknown = config(json!({ "nobody": "knows" }));
        assert!(built_in(key).validate_config(&unknown).is_err());
    }
}

#[test]
fn texts_call_nobody_in_a_chat() {
    let hostile = "<!channel> <@U1|x> <https://evil.test|click> @all @here ![i](https://evil.test/i) & co";
    let value = json!({
        "_id": "e1", "date": DATE, "action": "updateOn", "resource": "proj/shop:env/production:flag/checkout",
        "name": hostile, "comment": hostile, "title": { "plainText": hostile, "markdown": hostile, "html": "x" },
        "member": { "email": "ada@corp.test", "firstName": hostile, "lastName": "x" },
        "project": { "key": "shop", "name": hostile, "environment": { "key": "production", "name": hostile } },
    });
    let body = |key: &str| {
        let Ok(Item::Body(item)) = item(&built_in(key), &least_config(key), &entry(&value)) else { panic!("{key}") };
        String::from_utf8(item.body).unwrap()
    };
    let slack = body("slack");
    assert!(!slack.contains("<!") && !slack.contains("<@") && !slack.contains("<https://evil"), "{slack}");
    assert!(slack.contains("&lt;!channel&gt;") && slack.contains("&amp; co"), "{slack}");
    let mattermost = body("mattermost");
    assert!(
        !mattermost.contains("@all") && !mattermost.contains("@here") && !mattermost.contains("![i]"),
        "{mattermost}"
    );
}

#[test]
fn members_can_be_hidden_from_datadogs_logs() {
    let integration = built_in("datadog-logs");
    let mut config = least_config("datadog-logs");
    for resource in ["proj/shop:env/production:flag/checkout", "member/66f0c0ffee000000000000aa"] {
        let value = json!({
            "_id": "e1", "date": DATE, "action": "updateRole", "resource": resource,
            "name": if resource.starts_with("member") { "Okoye" } else { "Checkout" },
            "member": { "email": "ada@corp.test", "firstName": "Ada", "lastName": "Okoye" },
        });
        for hidden in [false, true] {
            config.insert("hideMemberDetails".into(), hidden.into());
            let text = String::from_utf8(rendered(&integration, &config, &entry(&value)).body).unwrap();
            assert_eq!(text.contains("Okoye") || text.contains("ada@corp.test"), !hidden, "{text}");
        }
    }
}
