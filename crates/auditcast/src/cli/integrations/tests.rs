use std::{collections::BTreeMap, fs, path::Path};

use super::{Asked, example::Example, new, subject};
use crate::settings::{Settings, parse};

fn settings() -> Settings {
    parse("", &BTreeMap::new()).expect("valid")
}

fn asked(integration: &Path) -> Asked {
    Asked { integration: integration.to_owned(), config: None, entry: None }
}

fn preview(asked: &Asked) -> Result<String, Vec<String>> {
    let settings = settings();
    Example::read(&settings, asked).and_then(|example| example.preview(&settings))
}

#[test]
fn a_new_folder_passes_the_check_and_previews_at_once() {
    let dir = tempfile::tempdir().expect("a directory");
    let folder = dir.path().join("acme-siem");
    let told = new::make(&folder).expect("is made");
    assert!(told.contains("acme-siem/manifest.json") && told.contains("auditcast integrations check"), "{told}");
    assert_eq!(subject::folder(&folder).expect("is good").name(), "Acme siem");
    let text = preview(&asked(&folder)).expect("renders");
    let (head, body) = text.split_once("\n\n").expect("has a body");
    assert!(
        head.starts_with("POST https://") && head.contains("/v1/events\n") && head.contains("Bearer ***"),
        "{head}"
    );
    let body: serde_json::Value = serde_json::from_str(body).expect("is JSON");
    assert_eq!((&body["kind"], &body["environment"]), (&"flag".into(), &"live".into()));
    // Nothing is written over, and nothing is made under a name that is no key.
    assert!(new::make(&folder).expect_err("is there")[0].contains("there already"));
    for name in ["Acme", "acme_siem", ".."] {
        let mistakes = new::make(&dir.path().join("more").join(name)).expect_err("is no key");
        assert!(mistakes[0].contains("lower-case"), "{mistakes:?}");
    }
    assert!(!dir.path().join("more").exists());
}

#[test]
fn every_built_in_integration_previews_without_a_config_of_ones_own() {
    let settings = settings();
    for folder in fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../../integrations")).expect("is there") {
        let key = folder.expect("is there").file_name();
        let example = Example::read(&settings, &asked(Path::new(&key))).expect("is known");
        let text = example.preview(&settings).expect("renders");
        assert!(text.lines().count() > 2, "{}: {text}", key.display());
    }
}

#[test]
fn mistakes_of_config_and_entry_are_told_together() {
    let dir = tempfile::tempdir().expect("a directory");
    let (config, entry) = (dir.path().join("config.json"), dir.path().join("entry.json"));
    fs::write(&config, r#"{"token": 7, "colour": "red"}"#).expect("writes");
    fs::write(&entry, r#"{"kind": 7}"#).expect("writes");
    let asked = Asked { config: Some(config.clone()), entry: Some(entry.clone()), ..asked(Path::new("splunk")) };
    let mistakes = preview(&asked).expect_err("has mistakes").join("\n");
    for part in ["config.json: config.token", "config.colour", "config.base-url", "entry.json: kind"] {
        assert!(mistakes.contains(part), "{part} is missing: {mistakes}");
    }
    fs::write(&config, "{").expect("writes");
    fs::remove_file(entry).expect("removes");
    let mistakes = preview(&asked).expect_err("has mistakes").join("\n");
    assert!(mistakes.contains("is not a JSON object") && mistakes.contains("cannot be read"), "{mistakes}");
}

#[test]
fn an_integration_that_is_not_there_is_answered_with_the_nearest_name() {
    let mistakes = preview(&asked(Path::new("splnk"))).expect_err("is not there");
    assert!(mistakes[0].contains("did you mean splunk?"), "{mistakes:?}");
    let mistakes = preview(&asked(Path::new("zzz"))).expect_err("is not there");
    assert!(mistakes[0].contains("integrations list"), "{mistakes:?}");
}

#[test]
fn the_reason_why_a_folder_was_left_out_is_told() {
    let dir = tempfile::tempdir().expect("a directory");
    fs::create_dir(dir.path().join("broken")).expect("makes a folder");
    fs::write(dir.path().join("broken/manifest.json"), "{").expect("writes");
    let file = format!("integrations_dir = {:?}", dir.path());
    let settings = parse(&file, &BTreeMap::new()).expect("valid");
    let mistakes = subject::named(&settings, Path::new("broken")).expect_err("has a mistake");
    assert!(mistakes[0].contains("broken/manifest.json"), "{mistakes:?}");
}

#[test]
fn a_bare_name_is_the_key_even_beside_a_folder_of_that_name() {
    // The folder `src` lies in the working directory of this test.
    let dir = tempfile::tempdir().expect("a directory");
    new::make(&dir.path().join("src")).expect("is made");
    let file = format!("integrations_dir = {:?}", dir.path());
    let settings = parse(&file, &BTreeMap::new()).expect("valid");
    assert_eq!(subject::named(&settings, Path::new("src")).expect("is known").name(), "Src");
    for folder in ["./src", "src/"] {
        let mistakes = subject::named(&settings, Path::new(folder)).expect_err("holds no manifest");
        assert!(mistakes[0].contains("src/manifest.json"), "{mistakes:?}");
    }
    // Where there is no such key, the folder is meant.
    let mistakes = subject::named(&self::settings(), Path::new("src")).expect_err("holds no manifest");
    assert!(mistakes[0].contains("src/manifest.json"), "{mistakes:?}");
}
