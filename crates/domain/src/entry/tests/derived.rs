use std::sync::Arc;

use serde_json::{Value, json};

use super::{BASE, RECEIVED_AT, context, entry, facts, flag, refused, stored};
use crate::EntryId;
use crate::entry::EntryDraft;

#[test]
fn the_three_forms_of_an_access_say_the_same() {
    for (entry, access) in [
        (json!({"accesses": [{"action": "pay", "resource": "org/acme:invoice/42"}]}), "pay org/acme:invoice/42"),
        (json!({"action": "pay", "resource": "org/acme:invoice/42"}), "pay org/acme:invoice/42"),
        (json!({"kind": "invoice", "key": "42", "verbKind": "pay"}), "pay invoice/42"),
        (
            json!({"kind": "flag", "key": "checkout", "verbKind": "updateOn",
                   "project": {"key": "shop", "environment": {"key": "production"}}}),
            "updateOn proj/shop:env/production:flag/checkout",
        ),
        (json!({"kind": "project", "key": "shop", "verbKind": "x"}), "x proj/shop"),
        (json!({"kind": "project", "verbKind": "x", "project": {"key": "shop"}}), "x proj/shop"),
        (
            json!({"kind": "environment", "key": "eu", "verbKind": "x",
                   "project": {"key": "shop", "environment": {"key": "eu"}}}),
            "x proj/shop:env/eu",
        ),
        (json!({"kind": "account", "verbKind": "updateSubscription"}), "updateSubscription acct"),
    ] {
        let facts = facts(&entry);
        let [only] = facts.accesses() else { panic!("{entry}: {:?}", facts.accesses()) };
        assert_eq!(format!("{} {}", only.action, only.resource.plain()), access);
        let (action, resource) = access.split_once(' ').unwrap();
        assert_eq!(facts.representation()["accesses"], json!([{"action": action, "resource": resource}]));
    }
}

#[test]
fn null_counts_as_left_out() {
    let nothing = json!({"_id": null, "_links": null, "_origin": null, "date": null, "timestamp": null, "kind": null,
        "name": null, "tags": null, "title": null, "details": null, "project": null, "member": null, "target": null,
        "comment": null, "parent": null, "subentries": null, "_accountId": null});
    let (with, without) = (context(&flag(nothing)), context(&flag(json!({}))));
    for (name, value) in without.as_object().unwrap() {
        assert_eq!(&with[name], value, "{name}");
    }
}

#[test]
fn dates_come_in_four_forms() {
    for (members, millis) in [
        (json!({}), RECEIVED_AT),
        (json!({"date": 1_580_777_319_650_i64}), 1_580_777_319_650),
        (json!({"timestamp": 1_580_777_319_650_i64}), 1_580_777_319_650),
        (json!({"timestamp": {"milliseconds": 1_580_777_319_650_i64}}), 1_580_777_319_650),
        (json!({"timestamp": "2020-02-04T01:48:39.65+01:00"}), 1_580_777_319_650),
        (json!({"date": 1_i64, "timestamp": "2020-02-04T01:48:39Z"}), 1),
    ] {
        let facts = facts(&flag(members.clone()));
        assert_eq!(facts.date().as_millis(), millis, "{members}");
        assert_eq!(facts.representation()["date"], json!(millis));
        let timestamp = facts.context(BASE)["timestamp"].clone();
        assert!(timestamp["milliseconds"].is_i64() && timestamp["simple"].is_string(), "{timestamp}");
    }
    for date in [json!(1.0), json!("1580777319650"), json!(-1), json!(253_402_207_201_000_i64), json!(u64::MAX)] {
        refused(&flag(json!({"date": date})), "date", "must be milliseconds since 1970 as a whole number");
    }
    for timestamp in [json!("yesterday"), json!(1.5), json!(true), json!("1969-12-31T23:59:59Z")] {
        refused(&flag(json!({"date": 1, "timestamp": timestamp})), "timestamp", "or an RFC 3339 text");
    }
    refused(&flag(json!({"timestamp": {"seconds": 1}})), "timestamp.milliseconds", "must be milliseconds");
}

#[test]
fn a_specifier_tells_kind_key_project_environment_and_tags() {
    let resource = "proj/web;core:env/production;eu:flag/checkout;beta";
    let context = context(&json!({"action": "updateRules", "resource": resource}));
    for (pointer, value) in [
        ("/kind", json!("flag")),
        ("/key", json!("checkout")),
        ("/name", json!("checkout")),
        ("/tags", json!(["beta"])),
        ("/verbKind", json!("updateRules")),
        ("/titleVerb", json!("updated the rules of the flag")),
        ("/project/key", json!("web")),
        ("/project/name", json!("web")),
        ("/project/tags", json!(["core"])),
        ("/project/environment", json!({"name": "production", "key": "production", "tags": ["eu"]})),
        ("/target/name", json!("checkout")),
        ("/target/_id", json!("checkout")),
        ("/title/plainText", json!("Unknown updated the rules of the flag checkout in 'production'")),
        ("/resource", json!(resource)),
    ] {
        assert_eq!(context.pointer(pointer), Some(&value), "{pointer}");
    }
    assert_eq!(context.get("comment"), None);
}

#[test]
fn kinds_are_named_as_the_audit_log_names_them() {
    for (resource, kind, key) in [
        ("acct", "account", None),
        ("proj/shop", "project", Some("shop")),
        ("proj/shop:env/eu", "environment", Some("eu")),
        ("member/ada@corp.test", "member", None),
        ("member/ada@corp.test:token/t1", "token", Some("t1")),
        ("webhook/6a01", "webhook", None),
        ("org/acme:invoice/42", "invoice", Some("42")),
    ] {
        let facts = facts(&json!({"action": "x", "resource": resource}));
        assert_eq!(facts.kind(), kind);
        assert_eq!(facts.context(BASE).get("key").and_then(Value::as_str), key, "{resource}");
    }
    assert_eq!(facts(&flag(json!({"kind": "release"}))).kind(), "release");
}

#[test]
fn several_environments_are_all_environments() {
    let in_environment =
        |name| json!({"action": "createFlag", "resource": format!("proj/shop:env/{name}:flag/checkout")});
    let entry = json!({"accesses": [in_environment("production"), in_environment("test")]});
    let context = context(&entry);
    assert_eq!(context["project"]["environment"], json!({"name": "All environments", "key": "~", "tags": null}));
    assert_eq!(context["_links"]["site"]["href"], "https://audit.corp.test/shop/~/features/checkout");
    let details = "https://audit.corp.test/settings/history/aaaaaaaaaaaaaaaaaaaaaaaa/details";
    assert_eq!(context["_links"]["details"]["href"], details);
    assert_eq!(context["title"]["plainText"], "Unknown created the flag checkout");
    let representation = facts(&entry).representation();
    assert_eq!(representation.get("parent"), None);
    let resources = json!(["proj/shop:env/production:flag/checkout", "proj/shop:env/test:flag/checkout"]);
    assert_eq!(representation["target"]["resources"], resources);
}

#[test]
fn unused_parts_of_the_project_are_there_and_empty() {
    let context = context(&json!({"action": "updateUrl", "resource": "webhook/6a01"}));
    let environment = json!({"name": "", "key": "", "tags": null});
    assert_eq!(context["project"], json!({"name": "", "key": "", "tags": null, "environment": environment}));
    assert_eq!(context["tags"], json!([]));
}

#[test]
fn tags_properties_and_views_reach_the_accesses() {
    let facts = facts(&json!({
        "accesses": [
            {"action": "updateOn", "resource": "proj/shop;own:env/production;eu:flag/checkout;beta"},
            {"action": "updateOn", "resource": "proj/other:env/test:flag/checkout"},
        ],
        "tags": ["payments", "beta"],
        "views": ["web"],
        "project": {"key": "shop", "tags": ["core"],
                    "environment": {"key": "production", "tags": ["live", "eu"], "critical": true}},
    }));
    let [first, second] = facts.accesses() else { panic!("{facts:?}") };
    let [project, environment, flag] = first.resource.segments.as_slice() else { panic!("{first:?}") };
    assert_eq!(project.tags, ["own", "core"]);
    assert_eq!(environment.tags, ["eu", "live"]);
    assert_eq!(environment.properties, [("critical".to_owned(), "true".to_owned())]);
    assert_eq!(flag.tags, ["beta", "payments"]);
    assert_eq!(flag.views, ["web"]);
    // What is told of one project does not hold for another.
    let [project, environment, flag] = second.resource.segments.as_slice() else { panic!("{second:?}") };
    assert_eq!((project.tags.len(), environment.tags.len(), environment.properties.len()), (0, 0, 0));
    assert_eq!(flag.tags, ["payments", "beta"]);
}

#[test]
fn the_member_has_a_name_whoever_acted() {
    for (members, name, local_part) in [
        (json!({"member": {"firstName": "Ada", "lastName": "Okoye", "email": "ada@corp.test"}}), "Ada Okoye", "ada"),
        (json!({"member": {"firstName": "", "lastName": "", "email": "a@b@corp.test"}}), "a@b@corp.test", "a@b"),
        (json!({"member": {"firstName": "Ada"}, "token": {"name": "ci"}}), "Ada", ""),
        (json!({"member": {"displayName": "The boss"}}), "The boss", ""),
        (json!({"token": {"name": "terraform"}, "app": {"name": "x"}}), "terraform", ""),
        (json!({"app": {"name": "Scim"}}), "Scim", ""),
        (json!({"subject": {"name": "Robot"}}), "Robot", ""),
        (json!({"member": {"_id": "u1"}}), "u1", ""),
        (json!({}), "Unknown", ""),
    ] {
        let member = context(&flag(members.clone()))["member"].clone();
        assert_eq!(member["displayName"], name, "{members}");
        assert_eq!(member["emailLocalPart"], local_part, "{members}");
        for part in ["_id", "email", "firstName", "lastName"] {
            assert!(member[part].is_string(), "{part} {members}");
        }
        assert!(member["_links"].is_object());
    }
}

#[test]
fn a_given_title_is_markdown_and_makes_the_other_forms() {
    let title = "[Ada](mailto:ada@corp.test) archived [A & B](/shop/x) in `Production`";
    let context = context(&flag(json!({"title": title, "details": "* Changed ~~`a`~~ to `b`\n"})));
    assert_eq!(context["title"]["markdown"], title);
    assert_eq!(context["title"]["plainText"], "Ada archived A & B in 'Production'");
    let html = "<a href=\"mailto:ada@corp.test\">Ada</a> archived <a href=\"/shop/x\">A &amp; B</a> in <code>Production</code>";
    assert_eq!(context["title"]["html"], html);
    assert_eq!(context["details"]["plainText"], "Changed 'a' to 'b'");
    assert_eq!(facts(&flag(json!({"title": title}))).representation()["title"], title);
}

#[test]
fn given_forms_win_and_the_missing_ones_follow_from_them() {
    let entry = flag(json!({"title": {"plainText": "P", "markdown": "**M**"}, "details": {"plainText": "a_b"}}));
    let context = context(&entry);
    assert_eq!(context["title"], json!({"plainText": "P", "markdown": "**M**", "html": "<strong>M</strong>"}));
    assert_eq!(context["details"], json!({"plainText": "a_b", "markdown": "a\\_b", "html": "<p>a_b</p>"}));
    let representation = facts(&entry).representation();
    assert_eq!((&representation["title"], &representation["description"]), (&json!("**M**"), &json!("a\\_b")));
    assert_eq!(representation.get("details"), None);
}

#[test]
fn hostile_names_stay_text_in_every_form() {
    let context = context(&flag(json!({
        "name": "x](javascript:alert(1)) <img src=x onerror=y> `\n**bold**",
        "member": {"displayName": "[me](http://evil.test)", "email": "a\">)(b@corp.test"},
        "titleVerb": "did <b>it</b>",
        "project": {"environment": {"name": "a`</code><script>"}},
        "target": {"_links": {"site": {"href": "javascript:alert(1)"}}},
    })));
    assert_eq!(
        context["title"]["plainText"],
        "[me](http://evil.test) did <b>it</b> x](javascript:alert(1)) <img src=x onerror=y> ` **bold** in 'a`</code><script>'"
    );
    assert_eq!(
        context["title"]["markdown"],
        "[\\[me\\](http://evil.test)](mailto:a%22%3E%29%28b@corp.test) did \\<b\\>it\\</b\\> \
         x\\](javascript:alert(1)) \\<img src=x onerror=y\\> \\` \\*\\*bold\\*\\* in a\\`\\</code\\>\\<script\\>"
    );
    assert_eq!(
        context["title"]["html"],
        "<a href=\"mailto:a%22%3E%29%28b@corp.test\">[me](http://evil.test)</a> did &lt;b&gt;it&lt;/b&gt; \
         x](javascript:alert(1)) &lt;img src=x onerror=y&gt; ` **bold** in <code>a`&lt;/code&gt;&lt;script&gt;</code>"
    );
}

#[test]
fn what_is_deleted_is_not_linked() {
    let title = context(&json!({"action": "deleteFlag", "resource": "proj/shop:env/eu:flag/old"}))["title"].clone();
    assert_eq!(title["markdown"], "Unknown deleted the flag old in `eu`");
}

#[test]
fn a_change_of_the_account_names_no_target() {
    let context = context(&json!({"action": "updateSessionDuration", "resource": "acct"}));
    assert_eq!(context["title"]["plainText"], "Unknown updated the session duration of the account");
    assert_eq!(context["name"], "account");
}

#[test]
fn relative_links_become_absolute_for_templates_only() {
    let links = json!({"site": {"href": "/there"}, "other": {"href": "https://x.test/", "type": "text/html"}});
    let entry = flag(json!({"_links": links}));
    let context = facts(&entry).context("https://audit.corp.test/");
    assert_eq!(context["baseURL"], BASE);
    assert_eq!(context["_links"]["site"], json!({"href": "https://audit.corp.test/there"}));
    assert_eq!(context["_links"]["other"]["href"], "https://x.test/");
    assert!(context["title"]["markdown"].as_str().unwrap().contains("[checkout](https://audit.corp.test/there)"));
    let representation = facts(&entry).representation();
    assert_eq!(representation["_links"]["site"]["href"], "/there");
    assert_eq!(representation["_links"]["self"]["href"], "/api/v2/auditlog/aaaaaaaaaaaaaaaaaaaaaaaa");
}

#[test]
fn a_system_entry_is_marked_and_a_producer_cannot_make_one() {
    let members = flag(json!({"_id": "mine"}));
    let draft = EntryDraft::system(members.as_object().unwrap());
    assert_eq!(draft.id, EntryId::parse("mine").ok());
    assert!(EntryDraft::parse(&draft.bytes).is_err());
    let context = stored(draft).facts().context(BASE);
    assert_eq!((&context["_origin"], &context["member"]["displayName"]), (&json!("system"), &json!("System")));
}

#[test]
fn damaged_bytes_still_make_facts() {
    let mut entry = entry(&flag(json!({})));
    entry.bytes = Arc::from(&b"{\"kind\":"[..]);
    let facts = entry.facts();
    assert_eq!((facts.accesses(), facts.kind(), facts.date().as_millis()), ([].as_slice(), "unknown", RECEIVED_AT));
    assert_eq!(facts.context(BASE)["member"]["displayName"], "Unknown");
    assert_eq!(facts.representation()["name"], "aaaaaaaaaaaaaaaaaaaaaaaa");
}

#[test]
fn names_are_taken_from_where_they_stand() {
    for (entry, pointer, value) in [
        (flag(json!({"target": {"name": "T"}})), "/name", "T"),
        (flag(json!({"name": "", "key": "k"})), "/name", "k"),
        (json!({"action": "x", "resource": "webhook/6a01"}), "/name", "6a01"),
        (json!({"action": "x", "resource": "proj/shop", "project": {"name": "Shop"}}), "/name", "Shop"),
        (json!({"action": "x", "resource": "proj/shop", "name": "Shop"}), "/project/name", "Shop"),
        (
            json!({"action": "x", "resource": "proj/shop:env/eu", "project": {"environment": {"name": "Europe"}}}),
            "/name",
            "Europe",
        ),
        (
            json!({"action": "x", "resource": "proj/shop:env/eu", "name": "Europe"}),
            "/project/environment/name",
            "Europe",
        ),
    ] {
        assert_eq!(context(&entry).pointer(pointer), Some(&json!(value)), "{entry}");
    }
}

#[test]
fn a_member_is_addressed_by_its_id() {
    let context =
        context(&json!({"action": "updateRole", "resource": "member/ada@corp.test", "target": {"_id": "m1"}}));
    assert_eq!(context["_links"]["canonical"]["href"], "https://audit.corp.test/api/v2/members/m1");
    assert_eq!(context["target"]["_links"]["site"]["href"], "https://audit.corp.test/settings/members/m1/permissions");
    assert_eq!(context["name"], "ada@corp.test");
}

#[test]
fn a_copied_flag_is_in_no_single_environment() {
    let context = context(&flag(json!({"verbKind": "copyFlagConfigTo"})));
    assert_eq!(context["title"]["plainText"], "Unknown copied the config to the flag checkout");
    assert_eq!(context["_links"]["site"]["href"], "https://audit.corp.test/shop/~/features/checkout");
}

#[test]
fn an_empty_comment_is_no_comment() {
    let facts = facts(&flag(json!({"comment": ""})));
    assert_eq!(facts.context(BASE).get("comment"), None);
    assert_eq!(facts.representation()["comment"], "");
}

#[test]
fn a_resource_with_several_accesses_is_one_target() {
    let access = |action| json!({"action": action, "resource": "proj/shop:flag/a"});
    let representation = facts(&json!({"accesses": [access("updateOn"), access("updateRules")]})).representation();
    assert_eq!(representation["target"]["resources"], json!(["proj/shop:flag/a"]));
}

#[test]
fn what_is_said_of_another_project_is_not_taken_for_this_one() {
    let context = context(&flag(json!({
        "accesses": [{"action": "x", "resource": "proj/shop;a:env/production;{critical:false}:flag/checkout"}],
        "project": {"key": "other", "environment": {"critical": true}},
    })));
    assert_eq!((&context["project"]["key"], &context["project"]["tags"]), (&json!("other"), &json!([])));
}

#[test]
fn a_property_in_the_resource_stands_over_one_beside_it() {
    let facts = facts(&json!({
        "action": "x",
        "resource": "env/production;{critical:false}:flag/checkout",
        "project": {"environment": {"critical": true}},
    }));
    let environment = facts.accesses()[0].resource.segment("env").unwrap();
    assert_eq!(environment.properties, [("critical".to_owned(), "false".to_owned())]);
}

#[test]
fn the_documentation_gives_entries_that_are_accepted_and_what_follows() {
    let page = include_str!("../../../../../docs/entries.md");
    let blocks: Vec<Value> = page
        .split("```json\n")
        .skip(1)
        .map(|block| serde_json::from_str(block.split("```").next().unwrap()).unwrap())
        .collect();
    let [least @ .., sent, expected] = blocks.as_slice() else { panic!("{blocks:?}") };
    assert_eq!(least.len(), 3);
    least.iter().for_each(|least| drop(entry(least)));
    let context = context(sent);
    for (name, value) in expected.as_object().unwrap() {
        let title = json!({"plainText": context["title"]["plainText"]});
        assert_eq!(if name == "title" { &title } else { &context[name] }, value, "{name}");
    }
}
