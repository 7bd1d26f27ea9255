//! No value of a config changes where a request of a built-in integration goes, or adds to its
//! headers: every form variable with every text that has done so elsewhere.

use integrations::{Catalogue, FormVariable, HttpRequest, Integration, Kind, VariableType};
use serde_json::{Map, Value};
use url::Url;

use crate::support::{ACCOUNT, BASE_URL, NOW};

const HOSTILE: [&str; 44] = [
    "evil.test/#",
    "evil.test/",
    "evil.test?",
    "evil.test\\",
    "@evil.test",
    "x@evil.test/",
    "x:y@evil.test",
    ".evil.test",
    ":80",
    ":80@evil.test",
    "[::1]",
    "//evil.test",
    "/\\evil.test",
    "http://evil.test",
    "https://evil.test/#",
    "evil。test",
    "evil．test",
    "evil｡test",
    "\u{ff0f}evil.test",
    "\u{2044}evil.test",
    "..",
    ".",
    "../..",
    "%2e%2e",
    "%2E.",
    "..%2f..",
    "%252e%252e",
    "a/../../b",
    "a\\..\\b",
    "a/b",
    "a?b=c",
    "a&b=c",
    "a#b",
    "a;b=c",
    "a\r\nX-Evil: 1",
    "a\nb",
    "a\rb",
    "a\tb",
    "a\0b",
    "a\u{7f}b",
    "a\u{85}b",
    "a\u{2028}b",
    "%0d%0aX-Evil:%201",
    "{{{token}}}",
];

/// The request for one sample entry under this config; none where the config is refused.
fn sent(integration: &Integration, config: &Map<String, Value>) -> Option<HttpRequest> {
    integration.validate_config(config).ok()?;
    let entry = integrations::samples(ACCOUNT, NOW).into_iter().next().expect("there are samples").entry;
    let integrations::Item::Body(item) = integration.render_item(config, &entry, BASE_URL, NOW).ok()? else {
        panic!("{} sends nothing for a flag", integration.key());
    };
    integration.request(config, &[item]).ok()
}

fn with(config: &Map<String, Value>, key: &str, value: &str) -> Map<String, Value> {
    let mut config = config.clone();
    config.insert(key.to_owned(), value.into());
    config
}

fn segments(url: &Url) -> Vec<&str> {
    url.path_segments().into_iter().flatten().filter(|segment| !segment.is_empty()).collect()
}

fn parameters(url: &Url) -> Vec<String> {
    url.query_pairs().map(|(name, _)| name.into_owned()).collect()
}

fn header_names(request: &HttpRequest) -> Vec<&str> {
    request.headers.iter().map(|(name, _)| name.as_str()).collect()
}

/// What holds of every request, whatever the config says.
fn check_form(what: &str, request: &HttpRequest) -> Url {
    let url = Url::parse(&request.url).unwrap_or_else(|error| panic!("{what}: {error}"));
    assert_eq!(url.as_str(), request.url, "{what}: is read the same by whoever reads it");
    let other = request.url.parse::<http::Uri>().unwrap_or_else(|error| panic!("{what}: {error}"));
    let plain = |host: Option<&str>| host.unwrap_or_default().to_owned();
    assert_eq!(plain(url.host_str()), plain(other.host()), "{what}: two parsers see two hosts");
    assert!(url.fragment().is_none() && matches!(url.scheme(), "http" | "https"), "{what}: {url}");
    for (name, value) in &request.headers {
        assert!(!value.chars().any(char::is_control), "{what}: {name}: {value:?}");
        assert!(http::HeaderValue::try_from(value).is_ok(), "{what}: {name}: {value:?}");
    }
    url
}

/// Tries hostile values of a variable that is a part of the request; says how many were taken.
fn check_part(integration: &Integration, config: &Map<String, Value>, variable: &FormVariable) -> usize {
    let usual = sent(integration, config).expect("the sample config is good");
    let usual_url = check_form(integration.key(), &usual);
    let mut taken = 0;
    for value in HOSTILE {
        let what = format!("{} with {}={value:?}", integration.key(), variable.key);
        let Some(request) = sent(integration, &with(config, &variable.key, value)) else { continue };
        taken += 1;
        let url = check_form(&what, &request);
        assert_eq!(url.host_str(), usual_url.host_str(), "{what}");
        assert_eq!(url.port(), usual_url.port(), "{what}");
        assert_eq!(segments(&url).len(), segments(&usual_url).len(), "{what}: {url}");
        assert_eq!(parameters(&url), parameters(&usual_url), "{what}: {url}");
        assert_eq!(header_names(&request), header_names(&usual), "{what}");
        assert_eq!(
            (url.username().is_empty(), request.method),
            (usual_url.username().is_empty(), usual.method),
            "{what}"
        );
    }
    taken
}

/// Tries hostile values of a variable that is an address, which may lead anywhere, but nowhere
/// else than where it says.
fn check_base(integration: &Integration, config: &Map<String, Value>, variable: &FormVariable) -> usize {
    let base = "https://good.test";
    let usual = sent(integration, &with(config, &variable.key, base));
    let added = usual.as_ref().map(|usual| segments(&check_form(integration.key(), usual)).len());
    let mut taken = 0;
    for hostile in HOSTILE {
        for value in [hostile.to_owned(), format!("{base}{hostile}"), format!("{base}/in/{hostile}")] {
            let what = format!("{} with {}={value:?}", integration.key(), variable.key);
            let Some(request) = sent(integration, &with(config, &variable.key, &value)) else { continue };
            taken += 1;
            let url = check_form(&what, &request);
            let given = Url::parse(&value).expect("what is taken is an address");
            assert_eq!((url.host_str(), url.port()), (given.host_str(), given.port()), "{what}: {url}");
            let path = value.split(['?', '#']).next().unwrap_or_default();
            assert!(!path.split('/').any(|segment| matches!(segment, "." | "..")), "{what} is taken");
            if let Some(added) = added {
                assert_eq!(segments(&url).len(), segments(&given).len() + added, "{what}: {url}");
            }
        }
    }
    taken
}

#[test]
fn no_form_variable_changes_host_segments_or_headers() {
    let (mut taken, mut tried) = (0, 0);
    for integration in Catalogue::builtin().unwrap().iter().filter(|one| one.kind() == Kind::Http) {
        let config = integration.sample_config(true);
        for variable in integration.form_variables() {
            let is_base = config.get(&variable.key).and_then(Value::as_str).is_some_and(|text| text.contains("://"));
            tried += HOSTILE.len();
            taken += match variable.kind {
                VariableType::Boolean => 0,
                VariableType::Enum => {
                    for value in HOSTILE {
                        assert!(integration.validate_config(&with(&config, &variable.key, value)).is_err());
                    }
                    0
                }
                VariableType::Uri => check_base(integration, &config, variable),
                _ if is_base => check_base(integration, &config, variable),
                _ => check_part(integration, &config, variable),
            };
        }
    }
    // Both happens: what is refused, and what is taken and does no harm.
    assert!(taken > 500 && tried > 2_000, "{taken} of {tried}");
}

/// The names in the part of a URL template between `://` and the path.
fn names_in_host(template: &str) -> Vec<String> {
    // Any other begins with a value that is an address, or chooses from addresses of its own.
    let Some((_, rest)) = template.split_once("://").filter(|_| template.starts_with("http")) else {
        return Vec::new();
    };
    let host = rest.split(['/', '?']).next().unwrap_or_default();
    let host = host.rsplit('@').next().unwrap_or_default();
    let tags = host.split("{{").skip(1).filter_map(|tag| tag.split("}}").next());
    // A block only chooses between texts of the template.
    let is_printed = |tag: &&str| !tag.starts_with(['#', '/']) && *tag != "else";
    tags.filter(is_printed).map(|tag| tag.trim_matches(['{', ' ']).to_owned()).collect()
}

#[test]
fn what_stands_in_a_host_is_held_to_a_list_or_a_pattern() {
    let mut found = Vec::new();
    for integration in Catalogue::builtin().unwrap().iter() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../integrations");
        let manifest = std::fs::read(format!("{folder}/{}/manifest.json", integration.key())).unwrap();
        let manifest: Value = serde_json::from_slice(&manifest).unwrap();
        let url = manifest.pointer("/capabilities/auditLogEventsHook/endpoint/url").and_then(Value::as_str);
        for name in names_in_host(url.unwrap_or_default()) {
            let variable = integration.form_variables().iter().find(|variable| variable.key == name);
            let variable = variable.unwrap_or_else(|| panic!("{}: {name} is no form variable", integration.key()));
            let written =
                &manifest["formVariables"].as_array().unwrap().iter().find(|one| one["key"] == *name).unwrap();
            let is_held = variable.kind == VariableType::Enum || written["pattern"].is_string();
            assert!(is_held, "{}: {name}", integration.key());
            found.push(format!("{}.{name}", integration.key()));
        }
    }
    assert!(found.iter().any(|one| one == "signalfx.realm"), "{found:?}");
}
