//! Destinations that are not plain HTTP requests: what their manifests may hold.

use integrations::{Catalogue, Kind};
use serde_json::{Value, json};

use crate::support::{built_in, config, folder, manifest, with_own_keys, write_folder};

fn without_endpoint(keys: Value) -> Value {
    let mut manifest = with_own_keys(manifest(&json!([]), "https://host.test/"), keys);
    manifest["capabilities"]["auditLogEventsHook"].as_object_mut().unwrap().remove("endpoint");
    manifest
}

fn reason(manifest: &Value) -> String {
    let dir = tempfile::tempdir().unwrap();
    write_folder(dir.path(), "sample", manifest, "{}");
    let problems = Catalogue::default().load_dir(dir.path(), &[]).unwrap();
    assert_eq!(problems.len(), 1, "{problems:?}");
    problems[0].to_string()
}

#[test]
fn a_destination_of_another_kind_has_no_endpoint_and_needs_a_batch() {
    let batch = json!({ "itemsMax": 10, "bytesMax": 1_000 });
    let integration = folder(&without_endpoint(json!({ "destination": "otlp", "batch": batch })), "{}");
    assert_eq!((integration.kind(), integration.undeliverable()), (Kind::Otlp, None));
    assert_eq!(integration.validate_config(&config(json!({}))), Ok(()));
    assert!(!integration.host_is_fixed());

    let with_endpoint =
        with_own_keys(manifest(&json!([]), "https://host.test/"), json!({ "destination": "otlp", "batch": batch }));
    assert!(reason(&with_endpoint).contains("endpoint"), "{}", reason(&with_endpoint));
    let without_batch = without_endpoint(json!({ "destination": "otlp" }));
    assert!(reason(&without_batch).contains("batch"), "{}", reason(&without_batch));
    let unknown = without_endpoint(json!({ "destination": "pigeon", "batch": batch }));
    assert!(reason(&unknown).contains("pigeon"), "{}", reason(&unknown));
    assert!(reason(&without_endpoint(json!({ "batch": batch }))).contains("endpoint"));
}

#[test]
fn a_kind_has_the_name_that_manifests_use() {
    for kind in Kind::ALL {
        assert_eq!(serde_json::from_value::<Kind>(json!(kind.name())).unwrap(), kind);
    }
    assert_eq!(built_in("datadog").kind(), Kind::Http);
}

#[test]
fn a_certificate_is_checked_unless_the_config_or_its_default_says_no() {
    let variable = |default: Value| {
        let variables = json!([{ "key": "skip", "type": "boolean", "isOptional": true, "defaultValue": default }]);
        let keys = json!({ "skipVerification": "skip" });
        folder(&with_own_keys(manifest(&variables, "https://host.test/"), keys), "{}")
    };
    for (default, given, verifies) in [
        (Value::Null, json!({}), true),
        (Value::Null, json!({ "skip": true }), false),
        (json!(true), json!({}), false),
        (json!(true), json!({ "skip": null }), false),
        (json!(true), json!({ "skip": false }), true),
    ] {
        assert_eq!(variable(default.clone()).verifies_tls(&config(given.clone())), verifies, "{default} {given}");
    }
}
