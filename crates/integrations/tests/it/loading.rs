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
    let mut problems = catalogue.load_dir(dir.path(), &[]).unwrap();
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
        (
            variable(json!({ "key": "a", "type": "uri", "usualHosts": ["https://x.test"] })),
            "formVariables[0].usualHosts",
            "*.example.com",
        ),
    ] {
        let problem = problem(&manifest, "{}");
        assert_eq!(problem.file, "manifest.json");
        assert!(problem.place.starts_with(place) && problem.reason.contains(reason), "{problem:?}");
    }
}

#[test]
fn what_is_wrong_in_our_own_keys_is_reported_with_its_place() {
    let own =
        |keys: Value| with_own_keys(manifest(&json!([{ "key": "v", "type": "string" }]), "https://host.test/"), keys);
    for (manifest, place, reason) in [
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
            own(json!({ "requires": [{ "variable": "v", "needs": ["w"] }] })),
            "capabilities.auditLogEventsHook.auditcast.requires[0]",
            "\"w\" is no form variable",
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
        let place = "capabilities.auditLogEventsHook.endpoint.headers[0].name (line 1)";
        assert_eq!(problem(&with_header, "{}").place, place);
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
    let problems = catalogue.load_dir(dir.path(), &[]).unwrap();
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
    let problems = Catalogue::default().load_dir(dir.path(), &[]).unwrap();
    let files: Vec<_> = problems.iter().map(|problem| problem.file.as_str()).collect();
    assert_eq!(files, ["", "manifest.json"], "{problems:?}");
}

#[test]
fn a_directory_that_cannot_be_read_is_no_empty_one() {
    let dir = tempfile::tempdir().unwrap();
    let mut catalogue = Catalogue::builtin().unwrap();
    let problem = catalogue.load_dir(&dir.path().join("none"), &["splunk".to_owned()]).unwrap_err();
    assert_eq!(problem.folder, dir.path().join("none"));
    assert!(problem.reason.contains("cannot be read"), "{problem}");
}

#[test]
fn a_hidden_integration_cannot_be_replaced() {
    let dir = tempfile::tempdir().unwrap();
    write_folder(dir.path(), "webhook", &manifest(&json!([]), "https://host.test/"), "{}");
    let mut catalogue = Catalogue::builtin().unwrap();
    let problems = catalogue.load_dir(dir.path(), &["webhook".to_owned()]).unwrap();
    assert!(problems.len() == 1 && problems[0].reason.contains("server's own"), "{problems:?}");
    assert!(catalogue.get("webhook").unwrap().is_hidden());
    fs::remove_dir_all(dir.path().join("webhook")).unwrap();
    let mut catalogue = Catalogue::builtin().unwrap();
    assert_eq!(catalogue.load_dir(dir.path(), &["webhook".to_owned()]).unwrap(), []);
    assert!(catalogue.get("webhook").is_some());
}

#[test]
fn a_file_that_is_no_regular_one_or_too_large_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    write_folder(dir.path(), "sample", &manifest(&json!([]), "https://host.test/"), "{}");
    let template = dir.path().join("sample/templates/default.json.hbs");
    let reason = |catalogue: &mut Catalogue| catalogue.load_dir(dir.path(), &[]).unwrap()[0].reason.clone();
    fs::write(&template, " ".repeat(1024 * 1024 + 1)).unwrap();
    assert!(reason(&mut Catalogue::default()).contains("larger than"));
    fs::write(&template, [0xff]).unwrap();
    assert!(reason(&mut Catalogue::default()).contains("UTF-8"));
    fs::remove_file(&template).unwrap();
    // Reading one without an end would never be done.
    std::os::unix::fs::symlink("/dev/zero", &template).unwrap();
    assert!(reason(&mut Catalogue::default()).contains("regular file"));
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

#[test]
fn mistakes_in_a_manifest_are_told_with_their_line() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("sample")).unwrap();
    let text = "{\n  \"name\": \"x\",\n  \"formVariables\": [\n    {\"key\": \"a\", \"type\": \"string\"},\n    {\"key\": \"b\",\n     \"type\": \"int\"}\n  ],\n  \"capabilities\": {\"auditLogEventsHook\": {}}\n}\n";
    fs::write(dir.path().join("sample/manifest.json"), text).unwrap();
    let problems = Catalogue::default().load_dir(dir.path(), &[]).unwrap();
    assert_eq!(problems[0].place, "formVariables[1].type (line 6)");
    let shown = problems[0].to_string();
    assert!(shown.ends_with("sample/manifest.json, formVariables[1].type (line 6): \"int\" is no type of the format"));
    assert!(!problems[0].within_folder().contains(dir.path().to_str().unwrap()));
}

#[test]
fn what_goes_wrong_only_when_it_is_rendered_is_found_before_it_serves() {
    let of = |url: &str, template: &str| {
        let variables = json!([{ "key": "realm", "type": "string" }, { "key": "off", "type": "boolean", "defaultValue": false, "isOptional": true }]);
        problem(&manifest(&variables, url), template)
    };
    let host = "https://host.test/";
    for (url, template, file, reason) in [
        // Only members have no project, only a config with everything sets `off`.
        (host, "{\"a\": {{project.key}} }", "templates/default.json.hbs", "not JSON"),
        (host, "{ {{#if formVariables.off}}oops{{/if}} }", "templates/default.json.hbs", "not JSON"),
        (host, "{\"a\": \"{{{name}}} \"quoted\" \"}", "templates/default.json.hbs", "not JSON"),
        (host, "{{formatWithOffset timestamp.milliseconds 0 \"never\"}}", "templates/default.json.hbs", "milliseconds"),
        ("https://{{{realm}}}/{{{context.key}}}/{{realm}}/..", "{}", "manifest.json", "gives no address"),
        ("ftp://{{realm}}/x", "{}", "manifest.json", "gives no address"),
    ] {
        let problem = of(url, template);
        assert!(problem.file == file && problem.reason.contains(reason), "{url} {template}: {problem:?}");
        assert!(problem.reason.contains("the sample entry") || problem.reason.contains("a test message"), "{problem}");
    }
}

#[test]
fn what_is_built_in_stands_the_check_of_folders() {
    let built_in = std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../integrations"));
    assert_eq!(Catalogue::default().load_dir(built_in, &[]).unwrap(), []);
}

#[test]
fn a_bad_default_policy_is_a_mistake_of_the_folder() {
    let dir = tempfile::tempdir().unwrap();
    write_folder(dir.path(), "sample", &manifest(&json!([]), "https://host.test/"), "{}");
    let problems =
        Catalogue::default().load_dir_with(dir.path(), &[], &|_| Some("statement 1 is wrong".to_owned())).unwrap();
    assert!(problems[0].place.starts_with("capabilities.auditLogEventsHook.defaultPolicy"), "{problems:?}");
}
