//! Bodies are JSON and within the destination's limits, or they are not sent.

use integrations::{Item, Nothing, RenderError};
use serde_json::{Value, json};

use crate::support::{config, documents, entry, folder, item, manifest, rendered, with_own_keys};

fn body(keys: Value, template: &str, name: &str) -> Result<Vec<u8>, RenderError> {
    let integration = folder(&with_own_keys(manifest(&json!([]), "https://host.test/"), keys), template);
    let entry = entry(&json!({ "name": name, "action": "updateOn", "resource": "org/acme" }));
    match item(&integration, &config(json!({})), &entry)? {
        Item::Body(item) => Ok(item.body),
        Item::Nothing(nothing) => panic!("{nothing:?}"),
    }
}

fn cut(keys: Value, template: &str, name: &str) -> Value {
    documents(&body(keys, template, name).unwrap()).remove(0)
}

#[test]
fn texts_are_cut_between_characters_and_marked() {
    let template = r#"{"a":"{{{name}}}"}"#;
    for (limit, name, cut_to) in [
        (json!({ "charactersMax": 4 }), "äöüß", "äöüß"),
        (json!({ "charactersMax": 4 }), "äöüßx", "äöü…"),
        (json!({ "bytesMax": 8 }), "äöüß", "äöüß"),
        (json!({ "bytesMax": 8 }), "äöüßx", "äö…"),
        (json!({ "charactersMax": 6, "closing": "!!" }), "abcdefgh!!", "abc…!!"),
        (json!({ "charactersMax": 6, "closing": "!!" }), "abcdefgh", "abcde…"),
        (json!({ "charactersMax": 6, "closing": "!!" }), "abcd!!", "abcd!!"),
    ] {
        let mut rule = limit.clone();
        rule["at"] = "/a".into();
        assert_eq!(cut(json!({ "cut": [rule] }), template, name), json!({ "a": cut_to }), "{limit} {name}");
    }
}

#[test]
fn a_star_names_all_members_of_a_level() {
    let template = r#"{"a":[{"b":"{{{name}}}","c":"{{{name}}}"},{"b":"xy"}],"n":1}"#;
    let keys = json!({ "cut": [{ "at": "/a/*/b", "charactersMax": 3 }, { "at": "/none/*", "charactersMax": 1 }] });
    assert_eq!(cut(keys, template, "12345"), json!({ "a": [{ "b": "12…", "c": "12345" }, { "b": "xy" }], "n": 1 }));
}

#[test]
fn a_list_keeps_its_first_elements() {
    let template = r#"{"a":["1","2","{{{name}}}"],"b":"123"}"#;
    let keys = json!({ "cut": [{ "at": "/a", "itemsMax": 2 }, { "at": "/b", "itemsMax": 2 }] });
    assert_eq!(cut(keys, template, "3"), json!({ "a": ["1", "2"], "b": "123" }));
}

#[test]
fn a_budget_can_be_measured_as_the_destination_counts() {
    let template = r#"{"a":"{{{name}}}"}"#;
    let keys = json!({ "bodyBudget": { "bytesMax": 60, "measure": "quoted", "shorten": ["/a"] } });
    // The frame takes 8 bytes and 4 for its quotes, the mark 6; an umlaut 6, an emoji 12.
    assert_eq!(cut(keys.clone(), template, "ääääääää"), json!({ "a": "ääääääää" }));
    assert_eq!(cut(keys.clone(), template, "äääääääää"), json!({ "a": "äääääää…" }));
    assert_eq!(cut(keys, template, "😀😀😀😀😀"), json!({ "a": "😀😀😀…" }));
}

#[test]
fn a_body_that_needs_no_cut_stays_as_the_template_wrote_it() {
    let template = "{ \"a\" : \"{{{name}}}\",\n  \"time\": 1.500 }";
    let keys = json!({ "cut": [{ "at": "/a", "charactersMax": 10 }], "bodyBudget": { "bytesMax": 100 } });
    assert_eq!(body(keys, template, "short").unwrap(), b"{ \"a\" : \"short\",\n  \"time\": 1.500 }");
}

#[test]
fn a_body_over_its_budget_is_shortened_in_order() {
    let template = r#"{"first":"{{{name}}}","second":"{{{name}}}","id":"7"}"#;
    let keys = json!({ "bodyBudget": { "bytesMax": 120, "shorten": ["/first", "/second"] } });
    for name in ["x".repeat(60), "\u{1}".repeat(20), "😀".repeat(30), "\"".repeat(50), "y".repeat(5_000)] {
        let body = body(keys.clone(), template, &name).unwrap();
        assert!(body.len() <= 120, "{}", body.len());
        let document = documents(&body).remove(0);
        assert_eq!(document["id"], "7");
        assert!(document["first"].as_str().unwrap().ends_with('…'));
        if name.len() == 60 {
            assert_eq!(document["second"], name);
            assert!(body.len() > 110, "no more than needed is cut: {}", body.len());
        }
    }
}

#[test]
fn a_body_that_cannot_be_shortened_enough_is_an_error_of_the_entry() {
    let keys = json!({ "bodyBudget": { "bytesMax": 100, "shorten": ["/none"] } });
    let error = body(keys, r#"{"a":"{{{name}}}"}"#, &"x".repeat(200)).unwrap_err();
    assert!(matches!(error, RenderError::TooLarge { bytes: 208, bytes_max: 100 }), "{error}");
    assert!(error.is_of_entry());
}

#[test]
fn a_body_that_is_not_json_is_never_a_request() {
    for template in ["{\"a\": {{{name}}} }", "{} {}", "{", "\"", "{\"a\":1,}"] {
        let error = body(json!({}), template, "x").unwrap_err();
        assert!(
            matches!(&error, RenderError::InvalidBody { template, .. } if template == "templates/default.json.hbs")
        );
        assert!(error.is_of_entry());
    }
}

#[test]
fn a_blank_body_and_a_kind_without_template_send_nothing() {
    let blank = folder(&manifest(&json!([]), "https://host.test/"), " {{#if none}}x{{/if}}\n");
    let entry = entry(&json!({ "action": "updateOn", "resource": "org/acme" }));
    assert_eq!(item(&blank, &config(json!({})), &entry).unwrap(), Item::Nothing(Nothing::EmptyBody));
    let mut flags_only = manifest(&json!([]), "https://host.test/");
    flags_only["capabilities"]["auditLogEventsHook"]["templates"] =
        json!({ "flag": "templates/default.json.hbs", "validation": "templates/default.json.hbs" });
    let flags_only = folder(&flags_only, "{}");
    assert_eq!(item(&flags_only, &config(json!({})), &entry).unwrap(), Item::Nothing(Nothing::NoTemplate));
    for kind in ["validation", "default"] {
        let disguised = crate::support::entry(
            &json!({ "kind": kind, "accesses": [{ "action": "updateOn", "resource": "org/acme" }] }),
        );
        assert_eq!(item(&flags_only, &config(json!({})), &disguised).unwrap(), Item::Nothing(Nothing::NoTemplate));
    }
    let flag = crate::support::entry(&json!({ "action": "updateOn", "resource": "proj/a:env/b:flag/c" }));
    assert_eq!(rendered(&flags_only, &config(json!({})), &flag).body, b"{}");
}

#[test]
fn an_entry_that_is_too_late_is_skipped_where_the_manifest_says_so() {
    let keys = json!({ "age": { "pastMaxSeconds": 4, "onLate": "skip" } });
    let integration = folder(&with_own_keys(manifest(&json!([]), "https://host.test/"), keys), "{}");
    let late = entry(&json!({ "date": crate::support::DATE, "action": "updateOn", "resource": "org/acme" }));
    assert_eq!(item(&integration, &config(json!({})), &late).unwrap(), Item::Nothing(Nothing::Late));
}
