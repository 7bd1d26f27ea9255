use serde_json::{Value, json};

use super::{flag, mistakes, refused};
use crate::EntryId;
use crate::entry::{EntryDraft, access, read};

#[test]
fn bytes_are_kept_but_for_white_space_around_them() {
    let draft = EntryDraft::parse(b" \n{ \"action\":\"a\", \"resource\":\"acct\",\"x\": 1.10 }\r\n\t").unwrap();
    assert_eq!(&*draft.bytes, b"{ \"action\":\"a\", \"resource\":\"acct\",\"x\": 1.10 }");
    assert_eq!(draft.id, None);
}

#[test]
fn what_is_not_one_json_object_is_refused() {
    let deep = |levels: usize| {
        format!("{{\"action\":\"a\",\"resource\":\"acct\",\"x\":{}{}}}", "[".repeat(levels), "]".repeat(levels))
    };
    assert!(EntryDraft::parse(deep(63).as_bytes()).is_ok());
    for (bytes, reason) in [
        (b"".as_slice(), ": must be one JSON object"),
        (b"[]", ": must be one JSON object"),
        (b"{\"a\":\xff}", ": is not UTF-8 text after 5 bytes"),
        (b"{\"a\":1}{}", ": is not valid JSON: trailing characters at line 1 column 8"),
        (b"{\"a\":\"\\ud800\"}", ": is not valid JSON: unexpected end of hex escape at line 1 column 13"),
        (b"{\"a\":1e999}", ": is not valid JSON: number out of range at line 1 column 10"),
        (deep(64).as_bytes(), ": is nested deeper than 64 levels"),
        ("{\"a\":".repeat(100_000).as_bytes(), ": is nested deeper than 64 levels"),
    ] {
        assert_eq!(mistakes(bytes), [reason], "{}", String::from_utf8_lossy(bytes));
    }
    // Brackets and quotes inside a text are no nesting.
    let text = format!("{{\"action\":\"a\",\"resource\":\"acct\",\"x\":\"\\\\\\\"{}\"}}", "[".repeat(100));
    assert!(EntryDraft::parse(text.as_bytes()).is_ok());
}

#[test]
fn a_name_that_stands_twice_is_refused() {
    assert_eq!(
        mistakes(br#"{"kind":"flag","x":1,"kind":"flag","x":2,"\u0078":3}"#),
        [
            "kind: stands in the entry more than once; give it once",
            "x: stands in the entry more than once; give it once"
        ]
    );
}

#[test]
fn all_mistakes_are_told_at_once() {
    let entry = json!({
        "_id": "", "date": 1.5, "tags": ["a", 1], "member": {"email": 5},
        "accesses": [{"action": "1x", "resource": "flag"}, 7],
    });
    let paths: Vec<String> = mistakes(entry.to_string().as_bytes())
        .iter()
        .map(|mistake| mistake.split_once(": ").unwrap().0.to_owned())
        .collect();
    assert_eq!(
        paths,
        ["_id", "accesses[0].action", "accesses[0].resource", "accesses[1]", "date", "tags[1]", "member.email"]
    );
    let many = json!({"accesses": vec![json!(1); 1_000]});
    assert_eq!(mistakes(many.to_string().as_bytes()).len(), 100);
}

#[test]
fn an_entry_needs_an_access() {
    refused(&json!({}), "accesses", "are missing: give accesses: [{action, resource}]");
    refused(&json!({"accesses": []}), "accesses", "are missing");
    refused(&json!({"accesses": {}}), "accesses", "must be a list");
    refused(&json!({"accesses": vec![json!({"action": "a", "resource": "acct"}); 1_001]}), "accesses", "at most 1000");
    refused(&json!({"action": "a"}), "resource", "must be a text such as proj/");
    refused(&json!({"resource": "acct"}), "action", "must be the name of an action");
    refused(&json!({"action": "a", "resource": "flag"}), "resource", "is not kind/name");
    refused(&json!({"kind": "flag", "verbKind": "x"}), "key", "must be given with kind");
    refused(&json!({"kind": "flag", "key": "k"}), "verbKind", "must be the name of an action");
    refused(&json!({"kind": "Flag", "key": "k", "verbKind": "x"}), "kind", "do not make a resource");
    refused(&json!({"kind": "flag", "key": "k:env/b", "verbKind": "x"}), "key", "must not hold");
    refused(
        &json!({"kind": "flag", "key": "k", "verbKind": "x", "project": {"key": "a;b"}}),
        "project.key",
        "must not hold",
    );
    for action in ["", "1", "a b", "ä", "a/b", &"a".repeat(129)] {
        refused(&json!({"action": action, "resource": "acct"}), "action", "at most 128");
    }
    assert!(EntryDraft::parse(json!({"action": "a".repeat(128), "resource": "acct"}).to_string().as_bytes()).is_ok());
}

#[test]
fn members_that_clients_read_must_have_their_types() {
    let link = json!({"href": "/x", "type": "text/html"});
    let subentry = json!({"_links": {"self": link}, "_id": "a", "_accountId": "b", "date": 1, "kind": "flag", "name": "n",
        "accesses": [{"action": "x", "resource": "y"}], "description": "", "shortDescription": ""});
    let with = |name: &str, value: Value| {
        let mut changed = subentry.clone();
        changed[name] = value;
        json!({"subentries": [subentry, changed]})
    };
    for (members, path, reason) in [
        (json!({"_id": 5}), "_id", "must be a text of 1 to 256 bytes"),
        (json!({"_id": "a\nb"}), "_id", "without control characters"),
        (json!({"_origin": "system"}), "_origin", "is reserved for the server"),
        (json!({"_origin": false}), "_origin", "is reserved for the server"),
        (json!({"_accountId": 1}), "_accountId", "must be a text"),
        (json!({"_links": {"site": null}}), "_links.site", "must be an object"),
        (json!({"_links": {"site": {"href": 1}}}), "_links.site.href", "must be a text"),
        (json!({"_links": []}), "_links", "must be an object of {\"href\""),
        (json!({"kind": 1}), "kind", "must be a text"),
        (json!({"key": 42}), "key", "must be a text"),
        (json!({"name": {}}), "name", "must be a text"),
        (json!({"comment": []}), "comment", "must be a text"),
        (json!({"tags": "a"}), "tags", "must be a list of texts"),
        (json!({"tags": ["a", null]}), "tags[1]", "must be a text"),
        (json!({"views": [1]}), "views[0]", "must be a text"),
        (json!({"title": 1}), "title", "must be a text or an object of plainText"),
        (json!({"title": {"html": 1}}), "title.html", "must be a text"),
        (json!({"details": []}), "details", "must be a text or an object of plainText"),
        (json!({"customProperties": []}), "customProperties", "must be an object"),
        (json!({"project": "shop"}), "project", "must be an object"),
        (json!({"project": {"environment": {"critical": "true"}}}), "project.environment.critical", "true or false"),
        (json!({"member": "ada"}), "member", "must be an object"),
        (json!({"token": {"serviceToken": 1}}), "token.serviceToken", "must be true or false"),
        (json!({"app": {"isAgent": "no"}}), "app.isAgent", "must be true or false"),
        (json!({"subject": {"avatarUrl": 1}}), "subject.avatarUrl", "must be a text"),
        (json!({"target": {"resources": [{}]}}), "target.resources[0]", "must be a text"),
        (json!({"parent": {"resource": []}}), "parent.resource", "must be a text"),
        (json!({"relatedFlag": {}}), "relatedFlag.key", "is missing"),
        (json!({"subentries": {}}), "subentries", "must be a list of objects"),
        (with("name", Value::Null), "subentries[1].name", "is missing"),
        (with("date", json!(1.0)), "subentries[1].date", "must be a whole number"),
        (with("accesses", json!([{"action": 1}])), "subentries[1].accesses[0].action", "must be a text"),
    ] {
        refused(&flag(members), path, reason);
    }
    assert!(EntryDraft::parse(flag(json!({"subentries": [subentry]})).to_string().as_bytes()).is_ok());
}

#[test]
fn the_documentation_says_the_limits_that_hold() {
    let text = include_str!("../../../../../docs/entries.md");
    for limit in [
        format!("at most {} accesses", access::ACCESSES_MAX),
        format!("at most {} characters", access::ACTION_BYTES_MAX),
        format!("at most {} bytes", EntryId::BYTES_MAX),
        format!("deeper than {} levels", read::DEPTH_MAX),
    ] {
        assert!(text.contains(&limit), "{limit}");
    }
}
