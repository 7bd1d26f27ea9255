//! Folders from outside: a good one loads unchanged, a bad one is reported and left out.

use std::fs;

use integrations::{Catalogue, LoadProblem};
use serde_json::{Value, json};

use crate::support::{config, entry, folder, item, manifest, with_own_keys, write_folder};

/// The problem that this manifest and template give.
fn problem(manifest: &Value, template: &str) -> LoadProblem {
    let dir = tempfile::tempdir().unwrap();
    write_folder(dir.path(), "sample", manifest, template);
    write_folder(dir.path(), "good", &self::manifest(&json!([]), "https://host.test/"), "{}");
    let mut catalogue = Catalogue::default();
    let mut problems = catalogue.load_dir(dir.path());
    assert!(catalogue.get("sample").is_none() && catalogue.get("good").is_some());
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert_eq!(problems[0].folder, dir.path().join("sample"));
    problems.remove(0)
}

#[test]
fn what_is_wrong_is_reported_with_file_and_place() {
    let hook = |path: &str, value: Value| {
        let mut changed = manifest(&json!([{ "key": "v", "type": "string" }]), "https://host.test/");
        *changed.pointer_mut("/capabilities/auditLogEventsHook").unwrap().pointer_mut(path).unwrap() = value;
        changed
    };
    let own = |keys: Value| with_own_keys(hook("/templates/default", "templates/default.json.hbs".into()), keys);
    let variable = |value: Value| manifest(&json!([value]), "https://host.test/");
    for (manifest, place, reason) in [
        (json!({ "name": "x" }), "capabilities", "auditLogEventsHook"),
        (json!({}), "line 1 column 2", "missing field `name`"),
        (hook("/endpoint", Value::Null), "capabilities.auditLogEventsHook.endpoint", "required"),
        (hook("/endpoint/method", "SEND".into()), "capabilities.auditLogEventsHook.endpoint.method", "POST"),
        (hook("/endpoint/url", "{{#if v}}".into()), "capabilities.auditLogEventsHook.endpoint.url", ""),
        (variable(json!({ "key": "", "type": "string" })), "formVariables[0].key", "1 to 20"),
        (variable(json!({ "key": "a b", "type": "string" })), "formVariables[0].key", "no blanks"),
        (variable(json!({ "key": "a", "type": "int" })), "formVariables[0].type", "int"),
        (variable(json!({ "key": "a", "type": "uri", "isSecret": true })), "formVariables[0].isSecret", "string only"),
        (variable(json!({ "key": "a", "type": "enum" })), "formVariables[0].allowedValues", "list of strings"),
        (
            variable(json!({ "key": "a", "type": "boolean", "defaultValue": "x" })),
            "formVariables[0].defaultValue",
            "type",
        ),
        (variable(json!({ "key": "a", "type": "string", "pattern": "(" })), "formVariables[0].pattern", ""),
        (own(json!({ "colour": 1 })), "line 1 column", "colour"),
        (
            own(json!({ "reply": [{ "status": [200] }] })),
            "capabilities.auditLogEventsHook.auditcast.reply[0]",
            "verdict or items",
        ),
        (own(json!({ "reply": [{ "verdict": "maybe" }] })), "line 1 column", "maybe"),
        (own(json!({ "cut": [{ "at": "/a" }] })), "capabilities.auditLogEventsHook.auditcast.cut[0]", "charactersMax"),
        (
            own(json!({ "cut": [{ "at": "a", "bytesMax": 1 }] })),
            "capabilities.auditLogEventsHook.auditcast.cut[0].at",
            "pointer",
        ),
        (
            own(json!({ "pace": { "target": ["w"] } })),
            "capabilities.auditLogEventsHook.auditcast.pace.target[0]",
            "no form variable",
        ),
        (
            own(json!({ "skipVerification": "v" })),
            "capabilities.auditLogEventsHook.auditcast.skipVerification",
            "boolean",
        ),
        (
            own(json!({ "batch": { "itemsMax": 0, "bytesMax": 1 } })),
            "capabilities.auditLogEventsHook.auditcast.batch.itemsMax",
            "at least 1",
        ),
        (
            own(json!({ "batch": { "onlyIf": { "w": 1 }, "itemsMax": 1, "bytesMax": 1 } })),
            "capabilities.auditLogEventsHook.auditcast.batch.onlyIf",
            "w",
        ),
    ] {
        let problem = problem(&manifest, "{}");
        assert_eq!(problem.file, "manifest.json");
        assert!(problem.place.starts_with(place) && problem.reason.contains(reason), "{problem:?}");
    }
}

#[test]
fn header_names_and_signatures_are_checked() {
    let mut with_header = manifest(&json!([{ "key": "v", "type": "string" }]), "https://host.test/");
    for name in ["", "X Y", "X\r\nY", "Host", "content-length"] {
        with_header["capabilities"]["auditLogEventsHook"]["endpoint"]["headers"] =
            json!([{ "name": name, "value": "x" }]);
        assert_eq!(problem(&with_header, "{}").place, "capabilities.auditLogEventsHook.endpoint.headers[0].name");
    }
    let mut signed = manifest(&json!([{ "key": "v", "type": "string" }]), "https://host.test/");
    signed["capabilities"]["auditLogEventsHook"]["endpoint"]["hmacSignature"] =
        json!({ "headerName": "X-Signature", "hmacSecretFormVariableKey": "v" });
    assert!(problem(&signed, "{}").reason.contains("isSecret"));
}

#[test]
fn a_template_that_does_not_parse_is_reported_with_its_line() {
    let problem = problem(&manifest(&json!([]), "https://host.test/"), "{\n  \"a\": \"{{#if x}}\"\n}");
    assert_eq!(problem.file, "templates/default.json.hbs");
    assert!(problem.place.starts_with("line "), "{problem:?}");
}

#[test]
fn templates_lie_inside_of_their_folder() {
    for path in ["../other.json", "/etc/passwd", "templates/../../x", "", "templates\\..\\x", "missing.json"] {
        let mut outside = manifest(&json!([]), "https://host.test/");
        outside["capabilities"]["auditLogEventsHook"]["templates"]["default"] = path.into();
        let problem = problem(&outside, "{}");
        assert_eq!(problem.file, path);
        let reason = if path == "missing.json" { "cannot be read" } else { "not a path inside of the folder" };
        assert!(problem.reason.contains(reason), "{problem:?}");
    }
}

#[test]
fn a_folder_cannot_take_the_place_of_a_built_in_one() {
    let dir = tempfile::tempdir().unwrap();
    write_folder(dir.path(), "datadog", &manifest(&json!([]), "https://host.test/"), "{}");
    let mut catalogue = Catalogue::builtin().unwrap();
    let problems = catalogue.load_dir(dir.path());
    assert!(problems.len() == 1 && problems[0].reason.contains("exists already"), "{problems:?}");
    assert_eq!(catalogue.get("datadog").unwrap().name(), "Datadog");
}

#[test]
fn folders_that_are_no_integrations_are_reported_or_passed_over() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("Upper")).unwrap();
    fs::create_dir(dir.path().join("empty")).unwrap();
    fs::create_dir(dir.path().join(".git")).unwrap();
    fs::write(dir.path().join("README.md"), "x").unwrap();
    let problems = Catalogue::default().load_dir(dir.path());
    let files: Vec<_> = problems.iter().map(|problem| problem.file.as_str()).collect();
    assert_eq!(files, ["", "manifest.json"], "{problems:?}");
    let missing = Catalogue::default().load_dir(&dir.path().join("none"));
    assert_eq!(missing.len(), 1);
}

#[test]
fn what_cannot_be_delivered_to_loads_and_says_so() {
    let mut oauth = manifest(&json!([]), "{{{oauth.baseURI}}}/x");
    oauth["requiresOAuth"] = true.into();
    let mut custom = manifest(&json!([]), "");
    let hook = &mut custom["capabilities"]["auditLogEventsHook"];
    hook["deliveryMethod"] = "custom".into();
    hook.as_object_mut().unwrap().remove("endpoint");
    for (manifest, reason) in [(oauth, "OAuth"), (custom, "custom")] {
        let integration = folder(&manifest, "{}");
        assert!(integration.undeliverable().unwrap().contains(reason));
        assert_eq!(integration.validate_config(&config(json!({}))), Ok(()));
        let entry = entry(&json!({ "action": "updateOn", "resource": "org/acme" }));
        let error = item(&integration, &config(json!({})), &entry).unwrap_err();
        assert!(error.to_string().contains(reason) && !error.is_of_entry());
    }
}

#[test]
fn keys_of_the_public_format_that_mean_nothing_here_are_ignored() {
    let mut rich = manifest(
        &json!([{ "key": "v", "type": "string", "isHidden": false, "placeholder": "x" }]),
        "https://host.test/",
    );
    rich["version"] = "1.0.0".into();
    rich["icons"] = json!({ "square": "assets/square.svg" });
    rich["otherCapabilities"] = json!(["external"]);
    rich["capabilities"]["triggers"] = json!({});
    rich["capabilities"]["auditLogEventsHook"]["new"] = json!([]);
    assert_eq!(folder(&rich, "{}").name(), "Sample");
}
