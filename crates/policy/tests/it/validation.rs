//! What is refused, and with which words at which place.

use domain::FieldError;
use policy::{ACTION_BYTES_MAX, ACTIONS_MAX, Decision, Policy, SPECIFIER_BYTES_MAX, SPECIFIERS_MAX, STATEMENTS_MAX};
use serde_json::{Value, json};

use crate::access;

/// The attributes of the mistakes, in the order in which they are told.
fn check(statements: &Value, attributes: &[&str]) {
    let mistakes = Policy::parse(statements).err().unwrap_or_default();
    let found: Vec<&str> = mistakes.iter().map(|mistake| mistake.attribute.as_str()).collect();
    assert_eq!(found, attributes, "{statements} gives {mistakes:?}");
}

fn mistake(statements: &Value) -> FieldError {
    let mistakes = Policy::parse(statements).expect_err("the statements are invalid");
    assert_eq!(mistakes.len(), 1, "{mistakes:?}");
    mistakes[0].clone()
}

fn statement(resources: &Value, actions: &Value) -> Value {
    json!({"effect": "allow", "resources": resources, "actions": actions})
}

#[test]
fn a_statement_has_exactly_one_of_each_pair() {
    for (statement, attributes) in [
        (json!({"effect": "allow", "resources": ["acct"], "actions": ["*"]}), &[][..]),
        (json!({"effect": "deny", "notResources": ["acct"], "actions": ["*"]}), &[]),
        (json!({"effect": "allow", "resources": ["acct"], "notActions": ["*"]}), &[]),
        (json!({"effect": "allow", "notResources": ["acct"], "notActions": ["*"]}), &[]),
        (
            json!({"effect": "allow", "resources": ["acct"], "notResources": ["acct"], "actions": ["*"]}),
            &["[0].notResources"],
        ),
        (json!({"effect": "allow", "resources": ["acct"], "actions": ["a"], "notActions": ["b"]}), &["[0].notActions"]),
        (json!({"effect": "allow", "actions": ["*"]}), &["[0].resources"]),
        (json!({"effect": "allow", "resources": ["acct"]}), &["[0].actions"]),
        (json!({"effect": "allow"}), &["[0].resources", "[0].actions"]),
    ] {
        check(&json!([statement]), attributes);
    }
}

#[test]
fn an_empty_array_and_null_count_as_absent() {
    for absent in [json!([]), Value::Null] {
        check(
            &json!([{"effect": "allow", "resources": ["acct"], "notResources": absent, "actions": ["*"], "notActions": absent}]),
            &[],
        );
        check(
            &json!([{"effect": "allow", "resources": absent, "notResources": ["acct"], "actions": absent, "notActions": ["*"]}]),
            &[],
        );
        check(
            &json!([{"effect": "allow", "resources": absent, "notResources": absent, "actions": absent}]),
            &["[0].resources", "[0].actions"],
        );
    }
}

#[test]
fn the_effect_is_allow_or_deny_to_the_letter() {
    for effect in [
        json!("Allow"),
        json!("ALLOW"),
        json!(" allow"),
        json!(""),
        json!("permit"),
        json!(true),
        Value::Null,
        json!(["allow"]),
    ] {
        check(&json!([{"effect": effect, "resources": ["acct"], "actions": ["*"]}]), &["[0].effect"]);
    }
    check(&json!([{"resources": ["acct"], "actions": ["*"]}]), &["[0].effect"]);
}

#[test]
fn wrong_types_are_named_where_they_are() {
    for statements in [json!({}), json!("allow"), Value::Null, json!(1)] {
        check(&statements, &[""]);
    }
    check(&json!(["allow", null, []]), &["[0]", "[1]", "[2]"]);
    check(&json!([statement(&json!("acct"), &json!({}))]), &["[0].resources", "[0].actions"]);
    check(
        &json!([statement(&json!(["acct", 1, null]), &json!([true]))]),
        &["[0].resources[1]", "[0].resources[2]", "[0].actions[0]"],
    );
}

#[test]
fn what_is_no_specifier_is_refused_with_its_place() {
    for specifier in ["*", "", "flag", "proj/", "proj/*:env/*:flag"] {
        check(&json!([statement(&json!(["acct", specifier]), &json!(["*"]))]), &["[0].resources[1]"]);
    }
    let refused = mistake(&json!([statement(&json!(["flag"]), &json!(["*"]))]));
    assert_eq!(refused.to_string(), "[0].resources[0] segment \"flag\" is not kind/name (only acct has no name)");
}

#[test]
fn actions_are_names_with_stars() {
    for action in ["*", "updateOn", "update*", "*Flag", "*a*", "user.login", "iam:CreateUser", "delete_thing-2"] {
        check(&json!([statement(&json!(["acct"]), &json!([action]))]), &[]);
    }
    for action in ["", "update On", "proj/*", "2fa", "updateOn,updateRules", ".x", "ü", "a\n"] {
        check(&json!([statement(&json!(["acct"]), &json!([action]))]), &["[0].actions[0]"]);
    }
}

#[test]
fn every_mistake_is_told_at_once() {
    check(
        &json!([
            {"effect": "maybe", "resources": ["flag", "acct", 7], "notResources": ["*"], "actions": [""]},
            {"effect": "allow", "resources": ["acct"], "actions": ["*"]},
            {"effect": "deny"},
        ]),
        &[
            "[0].effect",
            "[0].resources[0]",
            "[0].resources[2]",
            "[0].notResources[0]",
            "[0].notResources",
            "[0].actions[0]",
            "[2].resources",
            "[2].actions",
        ],
    );
}

#[test]
fn a_limit_is_kept_and_its_error_names_it() {
    let some = statement(&json!(["acct"]), &json!(["*"]));
    let lists = |specifiers: usize, actions: usize| {
        json!([statement(&vec!["acct"; specifiers].into(), &vec!["*"; actions].into())])
    };
    let lengths = |specifier: usize, action: usize| {
        json!([statement(&json!([format!("proj/{}", "x".repeat(specifier - 5))]), &json!(["x".repeat(action)]))])
    };
    check(&vec![some.clone(); STATEMENTS_MAX].into(), &[]);
    check(&lists(SPECIFIERS_MAX, ACTIONS_MAX), &[]);
    check(&lengths(SPECIFIER_BYTES_MAX, ACTION_BYTES_MAX), &[]);
    for (statements, expected) in [
        (vec![some; STATEMENTS_MAX + 1].into(), "has 65 statements; at most 64 are allowed"),
        (lists(SPECIFIERS_MAX + 1, 1), "[0].resources has 257 items; at most 256 are allowed"),
        (lists(1, ACTIONS_MAX + 1), "[0].actions has 257 items; at most 256 are allowed"),
        (lengths(SPECIFIER_BYTES_MAX + 1, 1), "[0].resources[0] is 1025 bytes long; at most 1024 are allowed"),
        (lengths(9, ACTION_BYTES_MAX + 1), "[0].actions[0] is 257 bytes long; at most 256 are allowed"),
    ] {
        assert_eq!(mistake(&statements).to_string(), expected);
    }
}

#[test]
fn an_empty_policy_is_valid_and_allows_nothing() {
    let policy = Policy::parse(&json!([])).expect("an empty policy is valid");
    assert!(policy.is_empty());
    assert_eq!(policy.decide(&access("updateOn acct")), Decision::NoMatch);
    assert!(!policy.allows(&[access("updateOn acct")]));
}

#[test]
fn an_entry_without_accesses_is_allowed_by_nothing() {
    let policy = Policy::parse(&json!([{"effect": "allow", "notResources": ["proj/x"], "actions": ["*"]}]));
    assert!(!policy.expect("the statements are valid").allows(&[]));
}

#[test]
fn a_decision_names_the_statement_that_made_it() {
    let policy = Policy::parse(&json!([
        {"effect": "allow", "resources": ["proj/a"], "actions": ["*"]},
        {"effect": "allow", "resources": ["proj/*"], "actions": ["update*"]},
        {"effect": "deny", "resources": ["proj/*"], "actions": ["updateTags"]},
    ]))
    .expect("the statements are valid");
    for (text, expected) in [
        ("updateName proj/a", Decision::Allowed { statement: 0 }),
        ("updateName proj/b", Decision::Allowed { statement: 1 }),
        ("updateTags proj/a", Decision::Denied { statement: 2 }),
        ("deleteProject proj/b", Decision::NoMatch),
    ] {
        assert_eq!(policy.decide(&access(text)), expected, "{text}");
    }
}

#[test]
fn a_placeholder_matches_nothing_and_its_complement_everything() {
    let with =
        |effect: &str, member: &str| json!({"effect": effect, member: ["proj/${roleAttribute/p}"], "actions": ["*"]});
    let all = json!({"effect": "allow", "notResources": ["acct"], "actions": ["*"]});
    for (statements, expected) in [
        (json!([with("allow", "resources")]), false),
        (json!([with("allow", "notResources")]), true),
        (json!([all, with("deny", "resources")]), true),
        (json!([all, with("deny", "notResources")]), false),
    ] {
        let policy = Policy::parse(&statements).expect("the statements are valid");
        assert_eq!(policy.allows_access(&access("updateName proj/p")), expected, "{statements}");
    }
}
