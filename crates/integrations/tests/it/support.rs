//! Entries, configs and folders for the tests.

use std::{fs, path::Path, sync::Arc};

use domain::{AccountId, Entry, EntryDraft, EntryId, Sequence, Timestamp};
use integrations::{Catalogue, HttpRequest, Integration, Item, RenderError, RenderedItem};
use serde_json::{Map, Value, json};

pub const BASE_URL: &str = "https://audit.corp.test";

pub const ACCOUNT: AccountId = AccountId::from_bytes([0xac; 12]);

/// When the events of the sample entries happened.
pub const DATE: i64 = 1_790_000_000_123;

/// The time of the requests: five seconds later.
pub const NOW: Timestamp = Timestamp::from_millis(DATE + 5_000);

pub fn built_in(key: &str) -> Arc<Integration> {
    let catalogue = Catalogue::builtin().unwrap();
    Arc::clone(catalogue.get(key).unwrap())
}

/// An integration from a manifest and one template, without a look at what they give for samples.
pub fn folder(manifest: &Value, template: &str) -> Arc<Integration> {
    let files = [("manifest.json", manifest.to_string()), ("templates/default.json.hbs", template.to_owned())];
    let source = files.map(|(file, text)| (file.to_owned(), text)).into_iter().collect();
    Arc::new(Integration::from_source("sample", &source).unwrap())
}

pub fn write_folder(dir: &Path, key: &str, manifest: &Value, template: &str) {
    let folder = dir.join(key);
    fs::create_dir_all(folder.join("templates")).unwrap();
    fs::write(folder.join("manifest.json"), manifest.to_string()).unwrap();
    fs::write(folder.join("templates/default.json.hbs"), template).unwrap();
}

/// A manifest with these form variables and this URL template.
pub fn manifest(variables: &Value, url: &str) -> Value {
    json!({
        "name": "Sample",
        "formVariables": variables,
        "capabilities": { "auditLogEventsHook": {
            "endpoint": { "url": url, "method": "POST" },
            "templates": { "default": "templates/default.json.hbs" },
        } },
    })
}

/// The same manifest with our own keys.
pub fn with_own_keys(mut manifest: Value, keys: Value) -> Value {
    manifest["capabilities"]["auditLogEventsHook"]["auditcast"] = keys;
    manifest
}

pub fn config(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(config) => config,
        other => panic!("{other} is no config"),
    }
}

/// A config with the required fields of a built-in integration.
pub fn least_config(key: &str) -> Map<String, Value> {
    config(match key {
        "datadog" => json!({ "apiKey": "datadog-key-0001" }),
        "dynatrace" => json!({ "apiToken": "dynatrace-token-1", "url": "https://abc.live.dynatrace.com/" }),
        "elastic" => json!({ "url": "https://es.corp.test:9200", "token": "ZWxhc3RpYzprZXk=", "index": "audit" }),
        "honeycomb" => json!({ "datasetName": "audit log", "apiKey": "honeycomb-key-01" }),
        "logdna" => json!({ "ingestionKey": "mezmo-key-00001" }),
        "msteams" => json!({ "url": "https://teams.corp.test/hook?sv=1.0&sig=a%2Fb-secret-signature" }),
        "new-relic-apm" => json!({ "apiKey": "NRAK-key-000001", "applicationId": "4711" }),
        "signalfx" => json!({ "accessToken": "signalfx-token-1", "realm": "us1" }),
        "splunk" => json!({
            "base-url": "https://splunk.corp.test:8088",
            "token": "11111111-2222-3333-4444-555555555555",
            "skip-ca-verification": false,
        }),
        "s3" => json!({ "bucket": "audit", "accessKeyId": "AKIA0001", "secretAccessKey": "s3-secret-key-1" }),
        "kafka" => json!({ "brokers": "one.corp.test:9092,two.corp.test:9092", "topic": "audit" }),
        "syslog" => json!({ "address": "logs.corp.test:6514" }),
        "otlp" => json!({ "url": "https://otel.corp.test:4318" }),
        other => further_config(other),
    })
}

/// Of the integrations whose vendors the receiver plays in these tests: with the keys that it knows.
fn further_config(key: &str) -> Value {
    match key {
        "chronosphere" => json!({
            "receiverURL": "https://acme.chronosphere.io/api/v1/data/events/receiver/launchdarkly",
            "secretToken": "ld-webhook-secret",
        }),
        "compass" => json!({ "url": "https://compass.example.test/webhooks/1", "secret": "ld-webhook-secret" }),
        "datadog-logs" => json!({ "apiKey": "datadog-key" }),
        "datadog-private" => json!({ "apiKey": "datadog-key", "hostURL": "https://datadog.example.test/" }),
        "dynatrace-v2" => json!({ "apiToken": "dynatrace-token", "url": "https://abc.live.dynatrace.com/" }),
        "elastic-data-stream" => json!({ "url": "https://elastic.example.test", "token": "ZWxhc3RpYzprZXk=" }),
        "grafana" => json!({ "endpointUrl": "https://grafana.example.test", "apiKey": "grafana-token" }),
        "kosli" => json!({ "webhookUrl": "https://app.kosli.com/api/v2/webhooks/1", "secret": "ld-webhook-secret" }),
        "last9" => {
            json!({ "endpointUrl": "https://last9.example.test/v4/organizations/acme", "apiToken": "last9-token" })
        }
        "loki" => json!({ "url": "https://loki.example.test", "user": "loki", "password": "loki-password" }),
        "mattermost" => json!({ "url": "https://mattermost.example.test/hooks/hook-token" }),
        "msteams-app" => json!({ "url": "https://msteams-app.example.test/hook", "secret": "ld-webhook-secret" }),
        "new-relic" => json!({ "accountId": "4711", "apiKey": "newrelic-key" }),
        "new-relic-apm-insights" => json!({ "accountId": "4711", "licenseKey": "newrelic-key" }),
        "new-relic-changes" => json!({ "apiKey": "newrelic-key", "entityGuid": "MXxBUE18QVBQTElDQVRJT058MQ" }),
        "opsgenie" => json!({ "apiKey": "opsgenie-key" }),
        "pagerduty" => json!({ "integrationKey": "0123456789abcdef0123456789abcdef" }),
        "slack" => json!({ "url": "https://hooks.slack.com/services/T0001/B0001/hook-token" }),
        "splunk-raw" => json!({ "base-url": "https://splunk.example.test", "token": "splunk-token" }),
        "terraform-cloud" => json!({ "token": "terraform-token", "workspaceId": "ws-4BVpp4ZcUkKQiYDR" }),
        "webhook-signed" => json!({
            "url": "https://webhook.example.test/audit?tenant=1",
            "secret": "whsec_YXVkaXRjYXN0IHdlYmhvb2sgc2VjcmV0IDEyMzQ1Njc4",
        }),
        "zapier" => json!({ "url": "https://hooks.zapier.com/hooks/catch/1234567/hook-token/" }),
        other => panic!("{other} is not built in"),
    }
}

pub fn entry(value: &Value) -> Entry {
    let draft = EntryDraft::parse(value.to_string().as_bytes()).unwrap_or_else(|errors| panic!("{errors:?}: {value}"));
    let id = draft.id.unwrap_or_else(|| EntryId::from_bytes([0xe1; 12]));
    Entry::new(ACCOUNT, Sequence(42), id, NOW, draft.bytes)
}

/// The item, if a request can be made of it.
pub fn item(integration: &Integration, config: &Map<String, Value>, entry: &Entry) -> Result<Item, RenderError> {
    let item = integration.render_item(config, entry, BASE_URL, NOW)?;
    if let Item::Body(rendered) = &item {
        integration.request(config, std::slice::from_ref(rendered))?;
    }
    Ok(item)
}

pub fn rendered(integration: &Integration, config: &Map<String, Value>, entry: &Entry) -> RenderedItem {
    match item(integration, config, entry).unwrap() {
        Item::Body(item) => item,
        Item::Nothing(nothing) => panic!("{nothing:?}"),
    }
}

pub fn request(integration: &Integration, config: &Map<String, Value>, entry: &Entry) -> HttpRequest {
    integration.request(config, &[rendered(integration, config, entry)]).unwrap()
}

/// The JSON texts of a body one after the other: one document, lines, or concatenated objects.
pub fn documents(body: &[u8]) -> Vec<Value> {
    let stream = serde_json::Deserializer::from_slice(body).into_iter();
    stream.collect::<Result<_, _>>().unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(body)))
}

pub fn header<'a>(request: &'a HttpRequest, name: &str) -> Option<&'a str> {
    let found = request.headers.iter().find(|(header, _)| header.eq_ignore_ascii_case(name));
    found.map(|(_, value)| value.as_str())
}
