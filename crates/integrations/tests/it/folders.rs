//! The folders in `folders`: manifests that use every construct of the public format.
//!
//! Each case within a folder is a test: a config and an entry give a request.

use std::{fmt::Write as _, fs, path::Path, sync::Arc};

use integrations::{Catalogue, Integration, Item, samples};
use serde_json::{Value, json};

use crate::support::{ACCOUNT, BASE_URL, NOW, config, entry, item, request};

fn folders() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/folders"))
}

fn catalogue() -> Catalogue {
    let mut catalogue = Catalogue::default();
    assert_eq!(catalogue.load_dir(folders(), &[]).unwrap(), []);
    catalogue
}

fn get(key: &str) -> Arc<Integration> {
    Arc::clone(catalogue().get(key).unwrap())
}

fn json_of(path: &Path) -> Value {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn each_case_of_a_folder_gives_its_request() {
    let catalogue = catalogue();
    let (mut failures, mut cases) = (String::new(), 0);
    for integration in catalogue.iter() {
        let Ok(folder) = fs::read_dir(folders().join(integration.key()).join("cases")) else { continue };
        for case in folder {
            let case = case.unwrap().path();
            let (config, entry) =
                (config(json_of(&case.join("config.json"))), entry(&json_of(&case.join("entry.json"))));
            assert_eq!(integration.validate_config(&config), Ok(()), "{}", case.display());
            let request = request(integration, &config, &entry);
            let mut actual = format!("{} {}\n", request.method, request.url);
            for (header, value) in &request.headers {
                writeln!(actual, "{header}: {value}").unwrap();
            }
            write!(actual, "\n{}\n", String::from_utf8(request.body).unwrap().trim_end()).unwrap();
            if actual != fs::read_to_string(case.join("request.http")).unwrap_or_default() {
                writeln!(failures, "{}\n{actual}", case.display()).unwrap();
            }
            cases += 1;
        }
    }
    assert!(failures.is_empty(), "these cases gave other requests:\n{failures}");
    assert!(cases >= 10, "only {cases} cases");
}

#[test]
fn every_entry_gives_json_where_the_template_is_for_json_or_nothing() {
    for integration in catalogue().iter().filter(|integration| integration.undeliverable().is_none()) {
        let least = json_of(&first_case(integration).join("config.json"));
        for sample in samples(ACCOUNT, NOW) {
            let rendered = item(integration, &config(least.clone()), &sample.entry);
            let rendered = rendered.unwrap_or_else(|error| panic!("{} {}: {error}", integration.key(), sample.name));
            if let Item::Body(item) = rendered
                && integration.key() != "text-line"
            {
                serde_json::from_slice::<Value>(&item.body)
                    .unwrap_or_else(|error| panic!("{} {}: {error}", integration.key(), sample.name));
            }
        }
    }
}

fn first_case(integration: &Integration) -> std::path::PathBuf {
    let cases = folders().join(integration.key()).join("cases");
    let mut cases: Vec<_> = fs::read_dir(cases).unwrap().map(|case| case.unwrap().path()).collect();
    cases.sort();
    cases.remove(0)
}

#[test]
fn a_kind_without_a_template_sends_nothing_and_test_messages_have_their_own() {
    let integration = get("by-kind");
    let config = config(json!({ "token": "kinds-token-0001" }));
    let segment = entry(&json!({ "action": "updateName", "resource": "proj/a:env/b:segment/c" }));
    assert!(matches!(item(&integration, &config, &segment), Ok(Item::Nothing(_))));
    let Item::Body(test) = integration.validation_item(&config, ACCOUNT, BASE_URL, NOW).unwrap() else {
        panic!("there is a template for test messages");
    };
    assert_eq!(String::from_utf8(test.body).unwrap(), format!("{{\"what\": \"test\", \"at\": {} }}", NOW.as_millis()));
}

#[test]
fn what_has_no_plain_request_is_listed_with_the_reason() {
    for (key, reason) in [("own-sender", "delivery method \"custom\""), ("oauth-app", "OAuth")] {
        let integration = get(key);
        assert!(integration.undeliverable().unwrap().contains(reason), "{key}");
        assert_eq!(integration.form_variables().len(), 2);
        assert!(integration.default_policy().as_array().is_some_and(|policy| policy.len() == 1));
    }
}

#[test]
fn a_value_has_to_be_of_its_variables_type() {
    let integration = get("every-variable");
    let least = json!({ "endpoint": "https://probe.test", "api-key": "k", "mustChoose": true, "externalId": "x" });
    let mistakes = |name: &str, value: Value| {
        let mut config = config(least.clone());
        config.insert(name.to_owned(), value);
        match integration.validate_config(&config) {
            Ok(()) => String::new(),
            Err(errors) => errors.iter().map(|error| format!("{} {};", error.attribute, error.reason)).collect(),
        }
    };
    for (name, value) in [
        ("board", json!("b1")),
        ("board", Value::Null),
        ("level", json!("")),
        ("services", json!(["pay", "anything"])),
        ("services", json!("pay")),
        ("services", json!([])),
        ("environments", json!(["production"])),
        ("publicKey", json!("ssh-ed25519 AAAA")),
        ("verbose", json!(true)),
    ] {
        assert_eq!(mistakes(name, value.clone()), "", "{name} {value}");
    }
    for (name, value, reason) in [
        ("board", json!(["b1"]), "must be a string"),
        ("board", json!(1), "must be a string"),
        ("externalId", json!(""), "must not be empty"),
        ("level", json!("loud"), "one of the allowed values: info, warning"),
        ("services", json!([1]), "a string or a list of strings"),
        ("services", json!({ "a": 1 }), "a string or a list of strings"),
        ("services", json!(["a\nb"]), "line breaks"),
        ("services", json!(vec!["a"; 1001]), "more than 1000 items"),
        ("verbose", json!("true"), "true or false"),
        ("mustChoose", Value::Null, "is required"),
        ("endpoint", json!("probe.test"), "absolute URL"),
        ("unknown", json!("x"), "not a field"),
    ] {
        let found = mistakes(name, value.clone());
        assert!(found.starts_with(&format!("config.{name} ")) && found.contains(reason), "{name} {value}: {found}");
    }
}

#[test]
fn what_forms_and_programs_read_is_kept_as_the_manifest_writes_it() {
    let integration = get("every-variable");
    let about = integration.about();
    let manifest = json_of(&folders().join("every-variable/manifest.json"));
    assert_eq!(about.form_variables, manifest["formVariables"]);
    assert_eq!(about.capabilities, ["auditLogEventsHook", "trigger", "reservedCustomProperties"]);
    assert_eq!((about.categories.as_slice(), about.requires_oauth), (&["monitoring".to_owned()][..], false));
    let names: Vec<_> = integration.form_variables().iter().map(|variable| variable.kind.name()).collect();
    let expected: Vec<_> = manifest["formVariables"]
        .as_array()
        .unwrap()
        .iter()
        .map(|variable| variable["type"].as_str().unwrap())
        .collect();
    assert_eq!(names, expected);
}

#[test]
fn the_hidden_webhook_signs_the_standard_payload_unless_told_not_to() {
    let webhook = crate::support::built_in("webhook");
    assert!(webhook.is_hidden());
    let listed = Catalogue::builtin().unwrap();
    assert!(listed.listed().all(|integration| integration.key() != "webhook"));
    let entry = entry(&json!({ "action": "updateOn", "resource": "org/acme" }));
    let signature = |values: Value| {
        let request = request(&webhook, &config(values), &entry);
        assert_eq!(serde_json::from_slice::<Value>(&request.body).unwrap(), entry.facts().representation());
        crate::support::header(&request, "x-ld-signature").map(ToOwned::to_owned)
    };
    let url = "https://hook.test/in?sig=%2Fa";
    assert_eq!(signature(json!({ "url": url, "secret": "s" })).unwrap().len(), 64);
    assert_eq!(signature(json!({ "url": url, "secret": "s", "sign": true })).unwrap().len(), 64);
    assert_eq!(signature(json!({ "url": url, "secret": "s", "sign": false })), None);
    assert_eq!(signature(json!({ "url": url })), None);
}
