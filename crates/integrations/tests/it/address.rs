//! A value of a config or an entry stays in its part of the URL and of the header.

use integrations::RenderError;
use serde_json::{Value, json};

use crate::support::{config, entry, folder, item, manifest, request};

/// The URL that this template gives for a form variable `v`, or why there is none.
fn url(template: &str, value: &str) -> Result<String, String> {
    let integration = folder(&manifest(&json!([{ "key": "v", "type": "string" }]), template), "{}");
    let config = config(json!({ "v": value }));
    let entry = entry(&json!({ "action": "updateOn", "resource": "org/acme" }));
    match item(&integration, &config, &entry) {
        Ok(_) => Ok(request(&integration, &config, &entry).url),
        Err(error @ RenderError::Url { .. }) => {
            assert!(value.len() < 3 || !error.to_string().contains(value), "{error}");
            Err(error.to_string())
        }
        Err(other) => panic!("{other:?}"),
    }
}

#[test]
fn a_value_in_the_path_adds_no_segment() {
    for (value, path) in [
        ("plain", "plain"),
        ("a/b", "a%2Fb"),
        ("a?b#c", "a%3Fb%23c"),
        ("a\\b", "a%5Cb"),
        ("audit log", "audit%20log"),
        ("ä", "%C3%A4"),
        ("a.b", "a.b"),
        ("a%2fb", "a%252fb"),
        ("%2e%2e", "%252e%252e"),
        ("a%20b", "a%20b"),
        ("50%", "50%25"),
        ("...", "..."),
        ("a\r\nb", "a%0D%0Ab"),
    ] {
        assert_eq!(url("https://host.test/v1/{{{v}}}/end", value), Ok(format!("https://host.test/v1/{path}/end")));
        assert_eq!(url("https://host.test/v1/{{v}}/end", value), Ok(format!("https://host.test/v1/{path}/end")));
    }
    for value in [".", ".."] {
        assert!(url("https://host.test/v1/{{{v}}}/end", value).is_err(), "{value}");
        assert!(url("https://host.test/v1/{{{v}}}", value).is_err(), "{value}");
    }
    assert!(url("https://host.test/v1/{{{v}}}{{{v}}}/end", ".").is_err());
    assert!(url("https://host.test/v1/.{{{v}}}/end", ".").is_err());
}

#[test]
fn a_value_in_the_query_adds_no_parameter() {
    for (value, query) in
        [("a&b=c", "a%26b%3Dc"), ("a#b", "a%23b"), ("a b+c", "a%20b%2Bc"), ("%20", "%20"), ("..", "..")]
    {
        assert_eq!(url("https://host.test/?q={{{v}}}&n=1", value), Ok(format!("https://host.test/?q={query}&n=1")));
    }
}

#[test]
fn a_value_in_the_host_stays_in_it() {
    let template = "https://ingest.{{{v}}}.corp.test/v2";
    assert_eq!(url(template, "us1"), Ok("https://ingest.us1.corp.test/v2".into()));
    for value in [
        "evil.com/#",
        "evil.com/",
        "a@evil.com",
        "evil.com?",
        "evil.com\\",
        "a b",
        "ä",
        "evil。com",
        "evil．com",
        "%2e",
        "a\r\nb",
    ] {
        assert!(url(template, value).is_err(), "{value}");
    }
    assert!(url(template, "evil.com:443").is_err());
    assert!(url("https://{{{v}}}/v2", "evil.com#").is_err());
    assert_eq!(url("https://{{{v}}}/v2", "host.test:8443"), Ok("https://host.test:8443/v2".into()));
    assert!(url("https://{{{v}}}/v2", "").is_err());
}

#[test]
fn a_value_in_the_credentials_of_a_url_is_encoded() {
    let template = "https://user:{{{v}}}@host.test/v1";
    assert_eq!(url(template, "a@b/c:d"), Ok("https://user:a%40b%2Fc%3Ad@host.test/v1".into()));
    assert_eq!(url(template, "evil.com/#"), Ok("https://user:evil.com%2F%23@host.test/v1".into()));
}

#[test]
fn a_base_url_is_kept_and_joined_with_one_slash() {
    for (base, joined) in [
        ("https://host.test", "https://host.test/v1"),
        ("https://host.test/", "https://host.test/v1"),
        ("https://host.test:8443/sub/", "https://host.test:8443/sub/v1"),
        ("http://user:pass@host.test", "http://user:pass@host.test/v1"),
        ("HTTPS://Host.Test", "https://host.test/v1"),
        ("https://[2001:db8::1]:1", "https://[2001:db8::1]:1/v1"),
    ] {
        assert_eq!(url("{{{v}}}/v1", base), Ok(joined.into()));
    }
    for base in [
        "host.test",
        "//host.test",
        "ftp://host.test",
        "javascript:alert(1)",
        "https:host.test",
        "https:/host.test",
        "https:\\\\host.test",
        "https://",
        "https://host.test?x=",
        "https://host.test#",
        "https://host.test/a/../b",
        "https://host.test/%2E%2e/b",
        "https://host.test\\@evil.com",
        "https://host .test",
        "https://host.test\r\nX: y",
    ] {
        assert!(url("{{{v}}}/v1", base).is_err(), "{base}");
    }
}

#[test]
fn a_url_that_is_one_value_is_kept_whole_but_for_its_fragment() {
    let signed = "https://host.test/workflows/1?sp=%2Ftriggers%2Fmanual&sv=1.0&sig=a-b_c%3D";
    assert_eq!(url("{{{v}}}", signed), Ok(signed.into()));
    assert_eq!(url(" {{v}} ", signed), Ok(signed.into()));
    assert_eq!(url("{{{v}}}", "https://host.test/a?b=c&d='e'#f"), Ok("https://host.test/a?b=c&d=%27e%27".into()));
}

#[test]
fn a_value_never_prolongs_the_host_of_a_base_url() {
    let variables = json!([{ "key": "v", "type": "string" }, { "key": "w", "type": "string" }]);
    let integration = folder(&manifest(&variables, "{{{v}}}{{{w}}}/x"), "{}");
    let entry = entry(&json!({ "action": "updateOn", "resource": "org/acme" }));
    for rest in [".evil.com", "@evil.com", ":1@evil.com", "x"] {
        let config = config(json!({ "v": "https://host.test", "w": rest }));
        assert!(item(&integration, &config, &entry).is_err(), "{rest}");
    }
}

#[test]
fn a_value_of_the_entry_is_blamed_on_the_entry() {
    let integration = folder(&manifest(&json!([]), "https://host.test/{{{context.key}}}/x"), "{}");
    let dots = entry(&json!({ "key": "..", "action": "updateOn", "resource": "org/acme" }));
    let error = item(&integration, &config(json!({})), &dots).unwrap_err();
    assert!(error.is_of_entry(), "{error:?}");
    let good = entry(&json!({ "key": "a/b", "action": "updateOn", "resource": "org/acme" }));
    assert_eq!(request(&integration, &config(json!({})), &good).url, "https://host.test/a%2Fb/x");
}

#[test]
fn header_values_are_not_escaped_and_inject_nothing() {
    let mut manifest = manifest(&json!([{ "key": "v", "type": "string" }]), "https://host.test/");
    manifest["capabilities"]["auditLogEventsHook"]["endpoint"]["headers"] =
        json!([{ "name": "X-Key", "value": "Key {{v}}" }, { "name": "X-Bare", "value": "{{{v}}}" }]);
    let integration = folder(&manifest, "{}");
    let entry = entry(&json!({ "action": "updateOn", "resource": "org/acme" }));
    let headers = |value: &str| {
        let config = config(json!({ "v": value }));
        match item(&integration, &config, &entry) {
            Ok(_) => Ok(request(&integration, &config, &entry).headers),
            Err(error) => Err(error.to_string()),
        }
    };
    let sent = headers("a&<>\"'`=ä").unwrap();
    assert_eq!(sent[0], ("X-Key".to_owned(), "Key a&<>\"'`=ä".to_owned()));
    assert_eq!(sent[2], ("Content-Type".to_owned(), "application/json".to_owned()));
    let without = headers("").unwrap();
    assert!(without.iter().all(|(name, _)| name != "X-Bare"));
    for value in ["a\r\nX-Other: b", "a\nb", "a\0b", "a\u{7f}", "a\u{85}"] {
        let error = headers(value).unwrap_err();
        assert!(error.contains("X-Key") && !error.contains(value), "{error}");
    }
}

#[test]
fn only_hosts_that_the_manifest_names_count_as_fixed() {
    let variables = json!([
        { "key": "text", "type": "string" },
        { "key": "list", "type": "enum", "allowedValues": ["a.test", "b.test"] },
        { "key": "uri", "type": "uri" },
    ]);
    let fixed = |url: &str| folder(&manifest(&variables, url), "{}").host_is_fixed();
    for url in [
        "https://host.test/{{{text}}}",
        "https://host.test?x={{{text}}}",
        "https://{{{list}}}/{{{text}}}",
        "https://a.{{{text}}}.corp.test/x",
        "https://{{{text}}}:{{{text}}}@host.test/x",
        "{{#equal list \"a.test\"}}https://a.test{{/equal}}/x",
    ] {
        assert!(fixed(url), "{url}");
    }
    for url in [
        "{{{uri}}}",
        "{{{uri}}}/x",
        "https://{{{text}}}/x",
        "https://a.{{{text}}}/x",
        "https://{{{text}}}.test/x",
        "https://{{{list}}}{{{text}}}/x",
        "{{#if text}}{{{uri}}}{{/if}}/x",
        "{{{context.key}}}/x",
    ] {
        assert!(!fixed(url), "{url}");
    }
    let named: Vec<Value> = integrations::Catalogue::builtin()
        .unwrap()
        .iter()
        .filter(|integration| integration.host_is_fixed())
        .map(|integration| integration.key().into())
        .collect();
    let expected = [
        "datadog",
        "datadog-logs",
        "honeycomb",
        "logdna",
        "new-relic",
        "new-relic-apm",
        "new-relic-apm-insights",
        "new-relic-changes",
        "opsgenie",
        "pagerduty",
        "signalfx",
    ];
    assert_eq!(named, expected);
}
