//! The published schema is that of the types, and says what the reader says.

use std::{fs, path::Path};

use jsonschema::Validator;
use serde_json::{Map, Value, json};

use super::MANIFEST_SCHEMA;
use crate::{catalogue::Mistake, format::Manifest, manifest};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

fn validator() -> Validator {
    let schema = serde_json::from_str(MANIFEST_SCHEMA).expect("is JSON");
    jsonschema::validator_for(&schema).expect("is a schema")
}

/// Every built-in manifest, by its key.
fn built_in() -> Vec<(String, Value)> {
    let folders = fs::read_dir(Path::new(ROOT).join("integrations")).expect("is there");
    let read = |folder: fs::DirEntry| {
        let key = folder.file_name().to_string_lossy().into_owned();
        let text = fs::read_to_string(folder.path().join("manifest.json")).expect("is there");
        (key, serde_json::from_str(&text).expect("is JSON"))
    };
    let mut manifests: Vec<_> = folders.map(|folder| read(folder.expect("is there"))).collect();
    manifests.sort_by(|(one, _), (other, _)| one.cmp(other));
    manifests
}

/// What the reader says of a manifest whose templates are all good.
fn read(manifest: &Value) -> Result<(), Mistake> {
    manifest::load("sample", &manifest.to_string(), &|_| Ok("{}".to_owned())).map(drop)
}

#[test]
fn the_published_schema_is_that_of_the_types_that_read_a_manifest() {
    let schema = schemars::schema_for!(Manifest);
    let text = format!("{}\n", serde_json::to_string_pretty(&schema).expect("is JSON"));
    if text != MANIFEST_SCHEMA {
        let target = Path::new(ROOT).join("target");
        fs::create_dir_all(&target).expect("makes a folder");
        fs::write(target.join("manifest.schema.json"), text).expect("writes");
        panic!("docs/manifest.schema.json is out of date; run: cp target/manifest.schema.json docs/");
    }
}

#[test]
fn every_built_in_manifest_fits_the_schema() {
    let validator = validator();
    for (key, manifest) in built_in() {
        let errors: Vec<_> = validator.iter_errors(&manifest).map(|error| error.to_string()).collect();
        assert_eq!(errors, Vec::<String>::new(), "{key}");
    }
}

#[test]
fn mistakes_of_shape_are_seen_by_the_schema() {
    let validator = validator();
    let with = |place: &str, value: Value| {
        let mut manifest = json!({
            "name": "Sample",
            "formVariables": [{ "key": "v", "type": "string" }],
            "capabilities": { "auditLogEventsHook": {
                "endpoint": { "url": "https://host.test/", "method": "POST", "headers": [{ "name": "X", "value": "x" }] },
                "templates": { "default": "a.json" }, "auditcast": {} } },
        });
        assert!(validator.is_valid(&manifest) && read(&manifest).is_ok());
        let (parent, member) = place.rsplit_once('/').expect("is a pointer");
        manifest.pointer_mut(parent).expect("is there")[member] = value;
        manifest
    };
    let hook = "/capabilities/auditLogEventsHook";
    for (place, value) in [
        ("/name", Value::Null),
        ("/formVariables", json!({})),
        ("/formVariables/0/key", "a b".into()),
        ("/formVariables/0/key", "a".repeat(21).into()),
        ("/formVariables/0/key", "".into()),
        ("/formVariables/0/type", "int".into()),
        ("/formVariables/0/isSecret", "yes".into()),
        ("/formVariables/0/usualHosts", json!(["https://x.test"])),
        (&format!("{hook}/endpoint/method"), "SEND".into()),
        (&format!("{hook}/endpoint/headers/0/name"), "X Y".into()),
        (&format!("{hook}/templates/default"), 1.into()),
        (&format!("{hook}/auditcast/colour"), 1.into()),
        (&format!("{hook}/auditcast/destination"), "ftp".into()),
        (&format!("{hook}/auditcast/batch"), json!({ "itemsMax": 0, "bytesMax": 1 })),
        (&format!("{hook}/auditcast/batch"), json!({ "itemsMax": 1 })),
        (&format!("{hook}/auditcast/reply"), json!([{ "verdict": "maybe" }])),
        (&format!("{hook}/auditcast/reply"), json!([{ "status": [70_000], "verdict": "accepted" }])),
        (&format!("{hook}/auditcast/age"), json!({ "pastMaxSeconds": 1 })),
        (&format!("{hook}/auditcast/cut"), json!([{ "at": "a", "bytesMax": 1 }])),
        (&format!("{hook}/auditcast/standardWebhook"), json!({ "secrets": [] })),
    ] {
        let bad = with(place, value);
        assert!(!validator.is_valid(&bad), "{place}: the schema takes {bad}");
        assert!(read(&bad).is_err(), "{place}: the reader takes {bad}");
    }
}

/// What the schema cannot know: what is named elsewhere, and rules between several members.
const BEYOND_SHAPE: [&str; 12] = [
    "no form variable",
    "form variable of type",
    "is the key of an earlier",
    "is not a value of the variable's type",
    "an enum needs a list of strings",
    "string only",
    "that are not marked isSecret",
    "needs either verdict or items",
    "needs one of charactersMax",
    "is required",
    "auditLogEventsHook",
    "not beside them",
];

#[test]
fn the_schema_takes_what_the_reader_takes_and_nothing_that_does_not_parse() {
    let validator = validator();
    let (mut taken, mut refused) = (0, 0);
    for (key, manifest) in built_in() {
        for (place, mutant) in mutants(&manifest) {
            let fits = validator.is_valid(&mutant);
            match (serde_json::from_value::<Manifest>(mutant.clone()), read(&mutant)) {
                (_, Ok(())) => assert!(fits, "{key}{place}: the reader takes it, and the schema does not"),
                (Err(error), _) => assert!(!fits, "{key}{place}: the schema takes it: {error}"),
                (Ok(_), Err(mistake)) if fits => {
                    let is_beyond = BEYOND_SHAPE.iter().any(|known| mistake.reason.contains(known));
                    assert!(is_beyond, "{key}{place}: the schema could know that: {mistake:?}");
                }
                (Ok(_), Err(_)) => {}
            }
            *(if fits { &mut taken } else { &mut refused }) += 1;
        }
    }
    assert!(taken > 1_000 && refused > 1_000, "{taken} {refused}");
}

/// Copies of a manifest with one value removed, renamed, or of another type. Lists in place of
/// objects are left out: the reader takes them by order, and nobody writes a manifest so.
fn mutants(manifest: &Value) -> Vec<(String, Value)> {
    let mut places = Vec::new();
    collect(manifest, "", &mut places);
    let mut mutants = Vec::new();
    for place in places {
        let (parent, member) = place.rsplit_once('/').unwrap_or_default();
        for value in [Value::Null, json!(1), json!(-1), json!("x y"), json!(true), json!([]), json!([1]), json!({})] {
            let mut mutant = manifest.clone();
            let at = mutant.pointer_mut(&place).expect("is there");
            if !(at.is_object() && value.is_array()) {
                *at = value;
                mutants.push((place.clone(), mutant));
            }
        }
        let mut without = manifest.clone();
        if let Some(Value::Object(members)) = without.pointer_mut(parent) {
            let value = members.remove(&unescaped(member)).unwrap_or_default();
            mutants.push((format!("{place} removed"), without.clone()));
            let mut renamed = without;
            if let Some(Value::Object(members)) = renamed.pointer_mut(parent) {
                members.insert("another".to_owned(), value);
            }
            mutants.push((format!("{place} renamed"), renamed));
        }
    }
    mutants
}

fn collect(value: &Value, place: &str, places: &mut Vec<String>) {
    if !place.is_empty() {
        places.push(place.to_owned());
    }
    let children: Map<String, Value> = match value {
        Value::Object(members) => members.clone(),
        Value::Array(items) => items.iter().enumerate().map(|(at, item)| (at.to_string(), item.clone())).collect(),
        _ => Map::new(),
    };
    for (name, child) in &children {
        collect(child, &format!("{place}/{}", name.replace('~', "~0").replace('/', "~1")), places);
    }
}

fn unescaped(member: &str) -> String {
    member.replace("~1", "/").replace("~0", "~")
}
