//! Rendered items become requests.

use std::io::Read as _;

use domain::Timestamp;
use flate2::read::GzDecoder;
use integrations::{BatchLimits, CommonLine, RenderError, RenderedItem};
use serde_json::{Value, json};

use crate::support::{
    BASE_URL, DATE, NOW, built_in, config, documents, entry, folder, header, least_config, manifest, rendered, request,
};

pub fn gunzip(body: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    GzDecoder::new(body).read_to_end(&mut plain).unwrap();
    plain
}

fn items(key: &str, count: usize) -> Vec<RenderedItem> {
    let integration = built_in(key);
    let one = |index: usize| {
        let resource = format!("org/acme:invoice/{index}");
        let value = json!({ "_id": format!("e{index}"), "date": DATE, "action": "payInvoice", "resource": resource });
        rendered(&integration, &least_config(key), &entry(&value))
    };
    (0..count).map(one).collect()
}

#[test]
fn batches_are_assembled_as_the_vendor_wants_them() {
    let documents_of = |key: &str| {
        let request = built_in(key).request(&least_config(key), &items(key, 3)).unwrap();
        let body = if header(&request, "content-encoding").is_some() { gunzip(&request.body) } else { request.body };
        documents(&body)
    };
    assert_eq!(documents_of("elastic").len(), 6);
    assert_eq!(documents_of("splunk").len(), 3);
    assert_eq!(documents_of("splunk")[2]["event"]["id"], "e2");
    assert_eq!(documents_of("honeycomb")[0].as_array().map(Vec::len), Some(3));
    assert_eq!(documents_of("signalfx")[0].as_array().map(Vec::len), Some(3));
    assert_eq!(documents_of("logdna")[0]["lines"].as_array().map(Vec::len), Some(3));
}

#[test]
fn what_has_no_batches_takes_exactly_one_item() {
    for key in ["datadog", "dynatrace", "msteams", "new-relic-apm"] {
        let integration = built_in(key);
        assert_eq!(integration.batch(&least_config(key)).items_max, 1);
        let error = integration.request(&least_config(key), &items(key, 2)).unwrap_err();
        assert!(matches!(error, RenderError::ItemCount { items: 2 }) && !error.is_of_entry());
        assert!(integration.request(&least_config(key), &[]).is_err());
    }
    for key in ["elastic", "honeycomb", "logdna", "signalfx", "splunk"] {
        assert_eq!(built_in(key).batch(&least_config(key)), BatchLimits { items_max: 1_000, bytes_max: 1_000_000 });
    }
}

#[test]
fn a_config_can_choose_requests_without_batches() {
    let integration = built_in("honeycomb");
    let mut markers = least_config("honeycomb");
    markers.insert("target".into(), "markers".into());
    assert_eq!(integration.batch(&markers).items_max, 1);
    let entry = entry(&json!({ "_id": "e1", "date": DATE, "action": "payInvoice", "resource": "org/acme:invoice/1" }));
    let request = request(&integration, &markers, &entry);
    assert_eq!(request.url, "https://api.honeycomb.io/1/markers/audit%20log");
    assert!(documents(&request.body)[0].is_object());
}

#[test]
fn large_bodies_are_compressed_where_the_vendor_takes_it() {
    for (key, count, compressed) in [
        ("splunk", 1, false),
        ("splunk", 100, true),
        ("elastic", 100, true),
        ("honeycomb", 100, true),
        ("logdna", 100, true),
        ("signalfx", 100, true),
    ] {
        let items = items(key, count);
        let request = built_in(key).request(&least_config(key), &items).unwrap();
        assert_eq!(header(&request, "content-encoding"), compressed.then_some("gzip"), "{key}");
        let body = if compressed { gunzip(&request.body) } else { request.body.clone() };
        assert!(!documents(&body).is_empty());
        assert!(!compressed || request.body.len() < body.len() / 2);
    }
}

#[test]
fn the_handle_names_the_content() {
    let integration = built_in("elastic");
    let id_of = |value: Value| {
        documents(&rendered(&integration, &least_config("elastic"), &entry(&value)).body)[0]["create"]["_id"].clone()
    };
    let value = json!({ "_id": "e\"1", "date": DATE, "action": "payInvoice", "resource": "org/acme:invoice/1" });
    let handle = id_of(value.clone());
    assert!(handle.as_str().unwrap().starts_with("acacacacacacacacacacacac-e\"1-"));
    assert_eq!(id_of(value.clone()), handle);
    let mut other = value.clone();
    other["comment"] = "changed".into();
    assert_ne!(id_of(other), handle);
    let mut longest = value;
    longest["_id"] = "x".repeat(256).into();
    assert_eq!(id_of(longest).as_str().unwrap().len(), 314);
}

#[test]
fn addresses_of_batches_know_the_time_of_the_request() {
    let integration = built_in("logdna");
    let request = integration.request(&least_config("logdna"), &items("logdna", 2)).unwrap();
    let now = NOW.as_millis();
    assert_eq!(request.url, format!("https://logs.mezmo.com/logs/ingest?hostname=auditcast&now={now}"));
}

#[test]
fn certificate_checks_are_off_only_where_the_config_says_so() {
    let integration = built_in("splunk");
    let mut config = least_config("splunk");
    let verifies =
        |config: &serde_json::Map<String, Value>| integration.request(config, &items("splunk", 1)).unwrap().verify_tls;
    assert!(verifies(&config));
    config.insert("skip-ca-verification".into(), true.into());
    assert!(!verifies(&config));
    assert!(built_in("datadog").request(&least_config("datadog"), &items("datadog", 1)).unwrap().verify_tls);
}

#[test]
fn targets_tell_destinations_apart_without_telling_what_they_are() {
    let integration = built_in("new-relic-apm");
    let target = |more: Value| {
        let mut config = least_config("new-relic-apm");
        config.extend(self::config(more));
        integration.target(&config)
    };
    let first = target(json!({}));
    assert_eq!(first, target(json!({ "domain": "api.newrelic.com", "apiKey": "another-key-1" })));
    assert_ne!(first, target(json!({ "applicationId": "4712" })));
    let pace = integration.pace().unwrap();
    assert!(pace.ordered() && pace.spacing().as_millis() == 1_000);
    assert!(!built_in("msteams").target(&least_config("msteams")).contains("secret"));
}

#[test]
fn standard_payloads_are_signed() {
    let variables =
        json!([{ "key": "secret", "type": "string", "isSecret": true, "isOptional": true, "defaultValue": "" }]);
    let mut manifest = manifest(&variables, "https://host.test/hook");
    let hook = &mut manifest["capabilities"]["auditLogEventsHook"];
    hook["useStandardWebhookPayload"] = true.into();
    hook["templates"] = json!({});
    hook["endpoint"]["hmacSignature"] =
        json!({ "headerName": "X-LD-Signature", "hmacSecretFormVariableKey": "secret" });
    let integration = folder(&manifest, "");
    let entry = entry(&json!({ "_id": "e1", "date": DATE, "action": "updateOn", "resource": "org/acme" }));
    let signed = request(&integration, &config(json!({ "secret": "key" })), &entry);
    assert_eq!(documents(&signed.body)[0], entry.facts().representation());
    // HMAC-SHA256 with the key "key", computed anew here from the primitive of RFC 2104.
    assert_eq!(header(&signed, "x-ld-signature").unwrap(), hmac_sha256(b"key", &signed.body));
    assert_eq!(header(&request(&integration, &config(json!({})), &entry), "x-ld-signature"), None);
}

#[test]
fn a_stored_entry_is_sent_byte_for_byte() {
    let mut manifest = manifest(&json!([]), "https://host.test/hook");
    let hook = &mut manifest["capabilities"]["auditLogEventsHook"];
    hook["templates"] = json!({});
    hook["auditcast"]["body"] = "storedEntry".into();
    let mut entry = entry(&json!({ "_id": "e1", "date": DATE, "action": "updateOn", "resource": "org/acme" }));
    entry.bytes = (*b"{\"action\" : \"a\",\n \"resource\":\"org/acme\",\"x\":1.0e2}").into();
    let integration = folder(&manifest, "");
    assert_eq!(request(&integration, &config(json!({})), &entry).body, *entry.bytes);
}

fn hmac_sha256(key: &[u8], message: &[u8]) -> String {
    use aws_lc_rs::digest::{SHA256, digest};
    let pad = |with: u8| {
        let mut block = [with; 64];
        key.iter().zip(&mut block).for_each(|(byte, padded)| *padded ^= byte);
        block
    };
    let inner = digest(&SHA256, &[&pad(0x36), message].concat());
    let outer = digest(&SHA256, &[&pad(0x5c), inner.as_ref()].concat());
    outer.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn debug_output_shows_no_key() {
    let integration = built_in("datadog");
    let config = least_config("datadog");
    let entry = entry(&json!({ "action": "updateOn", "resource": "org/acme" }));
    let item = integration.render_item(&config, &entry, BASE_URL, Timestamp::from_millis(DATE)).unwrap();
    let request = request(&integration, &config, &entry);
    assert!(!format!("{item:?} {request:?}").contains("datadog-key"));
}

#[test]
fn requests_share_no_more_than_what_is_the_same_for_all_entries() {
    let variables = json!([{ "key": "v", "type": "string" }]);
    let entries = ["flag/a", "flag/b"]
        .map(|flag| entry(&json!({ "action": "updateOn", "resource": format!("proj/p:env/e:{flag}") })));
    let of = |url: &str| {
        let (integration, config, common) =
            (folder(&manifest(&variables, url), "{}"), config(json!({ "v": "x" })), CommonLine::default());
        entries.each_ref().map(|entry| {
            let items = [rendered(&integration, &config, entry)];
            let request = integration.request_sharing(&config, &common, &items).unwrap();
            assert!(request == integration.request(&config, &items).unwrap(), "{url}");
            request.url
        })
    };
    assert_eq!(of("https://host.test/{{v}}"), ["https://host.test/x"; 2]);
    assert_eq!(of("https://host.test/{{context.target.name}}"), ["https://host.test/a", "https://host.test/b"]);
}
