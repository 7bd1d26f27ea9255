use serde_json::{Value, json};

use super::{Bounds, Failure, Operation, apply, merge};

const WRITABLE: &[&str] = &["name", "on", "tags", "config", "statements"];

fn document() -> Value {
    json!({
        "name": "SIEM", "on": false, "tags": ["a", "b"],
        "config": {"token": "canary", "url": "https://x.test", "a/b": 1, "m~n": 2},
        "statements": [{"effect": "allow", "resources": ["acct"]}],
    })
}

fn run(operations: &Value) -> Result<Value, Failure> {
    let mut document = document();
    let operations: Vec<_> = operations
        .as_array()
        .expect("a list")
        .iter()
        .map(|operation| Operation::parse(operation).expect("is an operation"))
        .collect();
    let readable = |names: &[String]| matches!(names, [first, rest @ ..] if first != "config" || rest.first().is_some_and(|name| name != "token"));
    let bounds = Bounds { writable: WRITABLE, readable: &readable };
    apply(&mut document, &operations, &bounds).map(|()| document)
}

fn check(operations: &Value, path: &str, expected: &Value) {
    let document = run(operations).unwrap_or_else(|failure| panic!("{operations}: {failure:?}"));
    assert_eq!(document.pointer(path), Some(expected), "{operations}");
}

fn refused(operations: &Value) -> Failure {
    match run(operations) {
        Err(failure) => failure,
        Ok(document) => panic!("{operations} gave {document}"),
    }
}

#[test]
fn operations_do_what_the_rfc_says() {
    check(&json!([{"op": "add", "path": "/tags/-", "value": "c"}]), "/tags", &json!(["a", "b", "c"]));
    check(&json!([{"op": "add", "path": "/tags/0", "value": "c"}]), "/tags", &json!(["c", "a", "b"]));
    check(&json!([{"op": "add", "path": "/tags/2", "value": "c"}]), "/tags", &json!(["a", "b", "c"]));
    check(&json!([{"op": "add", "path": "/config/url", "value": "n"}]), "/config/url", &json!("n"));
    check(&json!([{"op": "remove", "path": "/tags/0"}]), "/tags", &json!(["b"]));
    let removed = json!({"token": "canary", "url": "https://x.test", "m~n": 2});
    check(&json!([{"op": "remove", "path": "/config/a~1b"}]), "/config", &removed);
    check(&json!([{"op": "replace", "path": "/config/m~0n", "value": null}]), "/config/m~0n", &Value::Null);
    check(&json!([{"op": "replace", "path": "/tags/1", "value": "z"}]), "/tags", &json!(["a", "z"]));
    check(&json!([{"op": "move", "from": "/tags/0", "path": "/tags/1"}]), "/tags", &json!(["b", "a"]));
    check(&json!([{"op": "copy", "from": "/name", "path": "/config/url"}]), "/config/url", &json!("SIEM"));
    check(&json!([{"op": "test", "path": "/tags", "value": ["a", "b"]}]), "/name", &json!("SIEM"));
    check(&json!([{"op": "move", "from": "/name", "path": "/name"}]), "/name", &json!("SIEM"));
}

#[test]
fn replace_of_an_absent_member_adds_it_but_needs_its_parent() {
    check(&json!([{"op": "replace", "path": "/config/new", "value": 1}]), "/config/new", &json!(1));
    refused(&json!([{"op": "replace", "path": "/config/new/deeper", "value": 1}]));
    refused(&json!([{"op": "replace", "path": "/tags/2", "value": "c"}]));
}

#[test]
fn impossible_operations_are_refused_with_their_place() {
    for operation in [
        json!({"op": "remove", "path": "/config/absent"}),
        json!({"op": "remove", "path": "/tags/2"}),
        json!({"op": "remove", "path": "/tags/-"}),
        json!({"op": "add", "path": "/tags/3", "value": 1}),
        json!({"op": "add", "path": "/tags/01", "value": 1}),
        json!({"op": "add", "path": "/tags/+1", "value": 1}),
        json!({"op": "add", "path": "/name/x", "value": 1}),
        json!({"op": "copy", "from": "/config/absent", "path": "/name"}),
        json!({"op": "move", "from": "/statements", "path": "/statements/0/x"}),
        json!({"op": "add", "path": "/tags/99999999999999999999999", "value": 1}),
    ] {
        let failure = refused(&json!([{"op": "test", "path": "/on", "value": false}, operation]));
        assert!(matches!(failure, Failure::Invalid(1, ..)), "{failure:?}");
    }
    assert_eq!(refused(&json!([{"op": "test", "path": "/name", "value": "other"}])), Failure::Test(0));
    assert_eq!(refused(&json!([{"op": "test", "path": "/name/x", "value": "other"}])), Failure::Test(0));
}

#[test]
fn read_only_and_unknown_members_are_out_of_reach() {
    for path in ["", "/", "/_id", "/_links/self", "/kind", "/_status", "/foo"] {
        refused(&json!([{"op": "replace", "path": path, "value": {}}]));
        refused(&json!([{"op": "remove", "path": path}]));
        refused(&json!([{"op": "copy", "from": "/name", "path": path}]));
    }
    refused(&json!([{"op": "move", "from": "/_id", "path": "/name"}]));
}

#[test]
fn no_operation_reads_a_secret() {
    for pointer in ["", "/config", "/config/token", "/config/token/x"] {
        for operation in [
            json!({"op": "test", "path": pointer, "value": "canary"}),
            json!({"op": "copy", "from": pointer, "path": "/name"}),
            json!({"op": "move", "from": pointer, "path": "/name"}),
        ] {
            let failure = refused(&json!([operation]));
            assert!(matches!(failure, Failure::Invalid(..)), "{failure:?}");
        }
    }
    check(&json!([{"op": "replace", "path": "/config/token", "value": "new"}]), "/config/token", &json!("new"));
}

#[test]
fn copies_cannot_grow_without_bound() {
    let wide: Vec<_> = (0..60).map(|_| json!({"op": "copy", "from": "/tags", "path": "/tags/-"})).collect();
    assert!(matches!(refused(&Value::Array(wide)), Failure::Invalid(_, "value", _)));
    let mut deep = vec![json!({"op": "replace", "path": "/tags", "value": []})];
    deep.extend(
        (0..80).map(|at| json!({"op": "copy", "from": "/tags", "path": format!("/tags{}/-", "/0".repeat(at))})),
    );
    assert!(matches!(refused(&Value::Array(deep)), Failure::Invalid(..)));
}

#[test]
fn malformed_operations_are_refused() {
    for (operation, member) in [
        (json!("add"), ""),
        (json!({"path": "/name", "value": 1}), "op"),
        (json!({"op": "increment", "path": "/name", "value": 1}), "op"),
        (json!({"op": "add", "path": "/name"}), "value"),
        (json!({"op": "add", "value": 1}), "path"),
        (json!({"op": "add", "path": "name", "value": 1}), "path"),
        (json!({"op": "add", "path": "/a~2", "value": 1}), "path"),
        (json!({"op": "copy", "path": "/name"}), "from"),
    ] {
        assert_eq!(Operation::parse(&operation).map_err(|(member, _)| member), Err(member), "{operation}");
    }
}

#[test]
fn merge_replaces_adds_and_removes() {
    let mut merged = document();
    merge(&mut merged, &json!({"name": "n", "tags": null, "config": {"url": null, "deep": {"a": null, "b": 1}}}));
    let mut expected = document();
    expected["name"] = json!("n");
    expected.as_object_mut().expect("object").remove("tags");
    expected["config"] = json!({"token": "canary", "a/b": 1, "m~n": 2, "deep": {"b": 1}});
    assert_eq!(merged, expected);
}
