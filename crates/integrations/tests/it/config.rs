//! What a config may hold, and what is shown of it.

use integrations::redact;
use serde_json::{Map, Value, json};

use crate::support::{built_in, config, folder, least_config, manifest};

/// The mistakes in the least config of `key` with these members put in, or taken out by null.
fn mistakes(key: &str, changes: Value) -> Vec<(String, String)> {
    let mut config = least_config(key);
    for (name, value) in self::config(changes) {
        config.insert(name, value);
    }
    match built_in(key).validate_config(&config) {
        Ok(()) => Vec::new(),
        Err(errors) => errors.into_iter().map(|error| (error.attribute, error.reason)).collect(),
    }
}

#[test]
fn what_the_vendors_take_is_accepted() {
    for (key, changes) in [
        ("datadog", json!({ "apiKey": null })),
        ("datadog", json!({ "apiKey": "" })),
        ("datadog", json!({ "hostURL": "https://api.datadoghq.eu", "hideMemberDetails": true })),
        ("datadog", json!({ "hostURL": "https://us3.datadoghq.com" })),
        ("datadog", json!({ "hostURL": "https://app.ddog-gov.com" })),
        ("dynatrace", json!({ "entity": "VMWARE_DATACENTER", "tag": "" })),
        ("elastic", json!({ "index": "logs-auditcast-default" })),
        ("elastic", json!({ "index": ".hidden_Alias" })),
        ("honeycomb", json!({ "datasetName": "__all__", "target": "markers" })),
        ("honeycomb", json!({ "domain": "api.eu1.honeycomb.io" })),
        ("logdna", json!({ "level": "DEBUG" })),
        ("msteams", json!({ "url": "https://x.webhook.office.com/webhookb2/a@b/IncomingWebhook/c/d" })),
        ("new-relic-apm", json!({ "domain": "api.eu.newrelic.com" })),
        ("signalfx", json!({ "realm": "eu0" })),
        ("splunk", json!({ "base-url": "http://10.0.0.1:8088/", "skip-ca-verification": true })),
    ] {
        assert_eq!(mistakes(key, changes.clone()), [], "{key} {changes}");
    }
}

#[test]
fn what_they_do_not_take_is_refused_by_name() {
    for (key, changes, attribute, reason) in [
        ("datadog", json!({ "site": "eu" }), "config.site", "not a field"),
        ("datadog", json!({ "hostURL": "https://evil.com" }), "config.hostURL", "one of the allowed values"),
        ("datadog", json!({ "hostURL": 1 }), "config.hostURL", "must be a string"),
        ("datadog", json!({ "hideMemberDetails": "true" }), "config.hideMemberDetails", "true or false"),
        ("datadog", json!({ "apiKey": "a\r\nb" }), "config.apiKey", "line breaks"),
        ("datadog", json!({ "apiKey": "k".repeat(8193) }), "config.apiKey", "longer than 8192"),
        ("dynatrace", json!({ "entity": "PLANET" }), "config.entity", "one of the allowed values"),
        ("dynatrace", json!({ "apiToken": null }), "config.apiToken", "is required"),
        ("dynatrace", json!({ "apiToken": "" }), "config.apiToken", "must not be empty"),
        ("dynatrace", json!({ "url": "abc.live.dynatrace.com" }), "config.url", "absolute URL"),
        ("dynatrace", json!({ "url": "file:///etc/passwd" }), "config.url", "absolute URL"),
        ("dynatrace", json!({ "url": "https://abc.live.dynatrace.com?x" }), "config", "query"),
        ("elastic", json!({ "index": "../_cluster" }), "config.index", "name of an index"),
        ("elastic", json!({ "index": "-a" }), "config.index", "name of an index"),
        ("elastic", json!({ "index": ["a"] }), "config.index", "must be a string"),
        ("honeycomb", json!({ "datasetName": "a/b" }), "config.datasetName", "no slashes"),
        ("honeycomb", json!({ "datasetName": ".." }), "config", "segment"),
        ("honeycomb", json!({ "target": "columns" }), "config.target", "one of the allowed values"),
        ("logdna", json!({ "level": "a b" }), "config.level", "must be a level"),
        ("msteams", json!({ "url": "" }), "config.url", "must not be empty"),
        ("new-relic-apm", json!({ "applicationId": "1/../2" }), "config.applicationId", "id of an application"),
        ("new-relic-apm", json!({ "domain": "api.evil.com" }), "config.domain", "one of the allowed values"),
        ("signalfx", json!({ "realm": "us1.evil.com/#" }), "config.realm", "must be a realm"),
        ("signalfx", json!({ "realm": "US1" }), "config.realm", "must be a realm"),
        ("splunk", json!({ "skip-ca-verification": null }), "config.skip-ca-verification", "is required"),
        ("splunk", json!({ "skip-ca-verification": "" }), "config.skip-ca-verification", "true or false"),
        ("splunk", json!({ "base-url": "https://" }), "config.base-url", "absolute URL"),
    ] {
        let found = mistakes(key, changes.clone());
        let [(at, why)] = found.as_slice() else { panic!("{key} {changes}: {found:?}") };
        assert!(at == attribute && why.contains(reason), "{key} {changes}: {at} {why}");
    }
}

#[test]
fn every_mistake_is_reported_at_once_and_no_value_is_repeated() {
    let config =
        config(json!({ "apiToken": "canary\n", "url": "canary", "entity": "canary", "tag": 1, "extra": "canary" }));
    let errors = built_in("dynatrace").validate_config(&config).unwrap_err();
    let attributes: Vec<_> = errors.iter().map(|error| error.attribute.as_str()).collect();
    assert_eq!(attributes, ["config.extra", "config.apiToken", "config.url", "config.entity", "config.tag"]);
    assert!(!format!("{errors:?}").contains("canary"));
}

#[test]
fn every_spelling_of_a_datadog_site_leads_to_its_api() {
    let integration = built_in("datadog");
    let spellings = &integration.form_variables().iter().find(|variable| variable.key == "hostURL").unwrap().allowed;
    assert_eq!(spellings.len(), 18);
    let entry = crate::support::entry(&json!({ "action": "updateOn", "resource": "org/acme" }));
    for spelling in spellings {
        let config = config(json!({ "hostURL": spelling }));
        let url = crate::support::request(&integration, &config, &entry).url;
        let site = spelling.trim_start_matches("https://").trim_start_matches("api.").trim_start_matches("app.");
        assert_eq!(url, format!("https://api.{site}/api/v1/events"));
    }
}

#[test]
fn an_optional_value_that_is_left_out_has_its_default() {
    let entry = crate::support::entry(&json!({ "action": "updateOn", "resource": "org/acme" }));
    let integration = built_in("new-relic-apm");
    for domain in [Value::Null, "".into()] {
        let mut config = least_config("new-relic-apm");
        config.insert("domain".into(), domain);
        assert_eq!(integration.validate_config(&config), Ok(()));
        let url = crate::support::request(&integration, &config, &entry).url;
        assert_eq!(url, "https://api.newrelic.com/v2/applications/4711/deployments.json");
    }
}

#[test]
fn secrets_are_masked_and_credentials_only_where_others_look() {
    let splunk = least_config("splunk");
    let masked = built_in("splunk").masked_config(&splunk);
    assert_eq!(
        Value::Object(masked),
        json!({ "base-url": "https://splunk.corp.test:8088", "token": "********5555", "skip-ca-verification": false })
    );
    let teams = least_config("msteams");
    let integration = built_in("msteams");
    assert_eq!(integration.masked_config(&teams), teams);
    assert_eq!(Value::Object(integration.redacted_config(&teams)), json!({ "url": "https://teams.corp.test" }));
    let unknown = config(json!({ "url": "https://teams.corp.test/hook", "oldSecret": "canary-canary" }));
    assert_eq!(integration.masked_config(&unknown)["oldSecret"], "********nary");
}

#[test]
fn a_uri_with_a_password_or_a_query_counts_as_a_credential() {
    let integration = built_in("elastic");
    for (url, shown) in [
        ("https://es.test:9200/path", "https://es.test:9200/path"),
        ("https://user:canary@es.test:9200/path", "https://es.test:9200"),
        ("https://es.test/?key=canary", "https://es.test"),
    ] {
        let config = config(json!({ "url": url }));
        assert_eq!(integration.redacted_config(&config)["url"], shown);
    }
}

#[test]
fn a_returned_mask_keeps_the_stored_secret() {
    let integration = built_in("splunk");
    let stored = least_config("splunk");
    let keep = |token: &str| {
        let mut new: Map<String, Value> = stored.clone();
        new.insert("token".into(), token.into());
        integration.keep_masked(&mut new, &stored);
        new["token"].clone()
    };
    assert_eq!(keep("********5555"), stored["token"]);
    assert_eq!(keep("********5556"), "********5556");
    assert_eq!(keep("another-token-1"), "another-token-1");
}

#[test]
fn evidence_holds_no_secret_in_any_form() {
    let integration = built_in("msteams");
    let secrets = integration.secret_values(&least_config("msteams"));
    let shown = |body: &str| redact(body.as_bytes(), &secrets, 1_000);
    assert_eq!(
        shown("no trigger at https://teams.corp.test/hook?sv=1.0&sig=a%2Fb-secret-signature!"),
        "no trigger at [hidden]!"
    );
    assert_eq!(shown("bad sig a/b-secret-signature"), "bad sig [hidden]");
    assert_eq!(shown("bad sig a%2Fb-secret-signature"), "bad sig [hidden]");
    assert_eq!(shown("{\"sig\":\"a/b-secret-sig"), "{\"sig\":\"[hidden]");
    let secrets = integration_secret("quote\"and\\slash");
    assert_eq!(redact(br#"{"key":"quote\"and\\slash"}"#, &secrets, 1_000), r#"{"key":"[hidden]"}"#);
}

fn integration_secret(value: &str) -> Vec<domain::Secret> {
    built_in("signalfx").secret_values(&config(json!({ "accessToken": value, "realm": "us1" })))
}

#[test]
fn evidence_is_cut_between_characters_after_it_is_redacted() {
    let secrets = integration_secret("canary-canary");
    assert_eq!(redact("ääää".as_bytes(), &secrets, 5), "ää…");
    assert_eq!(redact(b"aaa canary-canary", &secrets, 8), "aaa [hid…");
    assert_eq!(redact(b"\xff\xfe", &secrets, 100), "\u{fffd}\u{fffd}");
    assert_eq!(redact(b"", &secrets, 100), "");
}

#[test]
fn types_that_are_only_passed_on_take_texts_and_lists_of_texts() {
    let variables = json!([{ "key": "v", "type": "multiselect" }, { "key": "w", "type": "string", "isOptional": true, "defaultValue": "x" }]);
    let integration = folder(&manifest(&variables, "https://host.test/"), "{}");
    for (value, accepted) in
        [(json!("a"), true), (json!(["a", "b"]), true), (json!([1]), false), (json!({}), false), (json!(1), false)]
    {
        assert_eq!(integration.validate_config(&config(json!({ "v": value }))).is_ok(), accepted, "{value}");
    }
}

#[test]
fn what_a_value_asks_for_is_required_beside_it() {
    let mistakes = |key: &str, more: Value| {
        let mut config = least_config(key);
        config.extend(self::config(more));
        let found = built_in(key).validate_config(&config).err().unwrap_or_default();
        found.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let both = |login: &str| {
        ["username", "password"].map(|name| format!("config.{name} is required where login is \"{login}\"")).to_vec()
    };
    for login in ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] {
        assert_eq!(mistakes("kafka", json!({ "login": login })), both(login));
        assert_eq!(mistakes("kafka", json!({ "login": login, "username": "u", "password": "" })), both(login)[1..]);
        assert_eq!(
            mistakes("kafka", json!({ "login": login, "username": "u", "password": "p" })),
            Vec::<String>::new()
        );
    }
    assert_eq!(mistakes("kafka", json!({ "login": "none" })), Vec::<String>::new());
    assert_eq!(mistakes("loki", json!({ "user": "" })), ["config.user is required beside password"]);
    assert_eq!(mistakes("loki", json!({ "password": "" })), Vec::<String>::new());
}
