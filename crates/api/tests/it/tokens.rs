//! Access tokens: made, read, changed, reset, deleted, and what becomes of their values.

use std::time::Duration;

use app::Grant;
use serde_json::{Value, json};

use crate::support::{ADMIN, Reply, TestApp};

const LIST: &str = "/api/v2/tokens";
const SEEN: &str = "/api/v2/caller-identity";

pub(crate) async fn make(app: &TestApp, by: &str, body: Value) -> Reply {
    app.call(by, "POST", LIST, body).await.expect(201)
}

pub(crate) fn value(reply: &Reply) -> String {
    reply.body["token"].as_str().expect("a value").to_owned()
}

pub(crate) fn path(reply: &Reply) -> String {
    reply.body["_links"]["self"]["href"].as_str().expect("a link").to_owned()
}

async fn works(app: &TestApp, token: &str) -> bool {
    app.call(token, "GET", SEEN, Value::Null).await.status.as_u16() == 200
}

#[tokio::test]
async fn a_token_is_whole_in_the_answer_that_made_it_and_never_again() {
    let app = TestApp::start().await;
    let statements = json!([{"effect": "allow", "resources": ["integration/*"], "actions": ["*"]}]);
    let body = json!({
        "name": "exporter", "description": "to the lake", "serviceToken": true, "defaultApiVersion": 20_191_212,
        "inlineRole": statements, "unknown": 1,
    });
    let made = make(&app, ADMIN, body).await;
    let token = value(&made);
    assert!(token.starts_with("api-") && token.len() >= 44);
    let read = app.admin("GET", &path(&made), Value::Null).await.expect(200).body;
    let mut expected = made.body.clone();
    expected["token"] = token[token.len() - 4..].into();
    assert_eq!(read, expected);
    assert_eq!((&read["name"], &read["description"]), (&json!("exporter"), &json!("to the lake")));
    assert_eq!((&read["inlineRole"], read.get("role"), read.get("customRoleIds")), (&statements, None, None));
    assert_eq!((&read["serviceToken"], &read["defaultApiVersion"]), (&json!(true), &json!(20_191_212)));
    assert_eq!((&read["creationDate"], &read["lastModified"]), (&json!(1_790_000_000_000_i64), &read["creationDate"]));
    assert!(read["ownerId"].is_string() && read["ownerId"] == read["memberId"]);
    assert!(works(&app, &token).await);
    let listed = app.admin("GET", LIST, Value::Null).await.expect(200);
    assert!(!listed.text.contains(&token) && !app.last_entry().await.to_string().contains(&token));
}

#[tokio::test]
async fn what_a_new_token_lacks_is_that_of_its_maker() {
    let app = TestApp::start().await;
    let made = make(&app, ADMIN, json!({})).await;
    assert_eq!((&made.body["role"], &made.body["serviceToken"]), (&json!("admin"), &json!(false)));
    assert_eq!((&made.body["defaultApiVersion"], made.body.get("name")), (&json!(20_240_415), None));
    let statements = json!([
        {"effect": "allow", "resources": ["member/*:token/*"], "actions": ["createAccessToken"]},
    ]);
    let by = value(&make(&app, ADMIN, json!({"inlineRole": statements})).await);
    let heir = make(&app, &by, json!({"name": "heir"})).await;
    assert_eq!((&heir.body["inlineRole"], heir.body.get("_limited")), (&statements, None));
}

#[tokio::test]
async fn wrong_members_are_told_by_name() {
    let app = TestApp::start().await;
    for (body, attributes) in [
        (json!({"role": "owner"}), vec!["role"]),
        (json!({"role": "operator"}), vec!["role"]),
        (json!({"role": 7, "name": 1, "serviceToken": "yes"}), vec!["name", "role", "serviceToken"]),
        (json!({"role": "reader", "inlineRole": []}), vec!["inlineRole"]),
        (json!({"customRoleIds": ["ops"]}), vec!["customRoleIds"]),
        (json!({"customRoleIds": ["ingest", "ingest"]}), vec!["customRoleIds"]),
        (
            json!({"inlineRole": [{"effect": "allow", "resources": ["*"], "actions": ["*"]}]}),
            vec!["inlineRole[0].resources[0]"],
        ),
        (json!({"expiry": -1}), vec!["expiry"]),
        (json!({"expiry": 1.5}), vec!["expiry"]),
        (json!({"defaultApiVersion": 20_200_101}), vec!["defaultApiVersion"]),
        (json!({"name": "a\nb"}), vec!["name"]),
        (json!({"name": "x".repeat(257)}), vec!["name"]),
    ] {
        let reply = app.admin("POST", LIST, body.clone()).await.expect_problem(400, "invalid_request");
        assert_eq!(reply.attributes(), attributes, "{body}");
    }
    app.admin("POST", LIST, json!([])).await.expect_problem(400, "invalid_request");
}

#[tokio::test]
async fn a_token_works_until_its_expiry() {
    let app = TestApp::start().await;
    let now = 1_790_000_000_000_i64;
    let made = make(&app, ADMIN, json!({"role": "reader", "expiry": now + 1_000})).await;
    assert_eq!(made.body["expiry"], now + 1_000);
    let (token, path) = (value(&made), path(&made));
    assert!(works(&app, &token).await);
    app.server.clock.advance(Duration::from_millis(999));
    assert!(works(&app, &token).await);
    app.server.clock.advance(Duration::from_millis(1));
    app.call(&token, "GET", SEEN, Value::Null).await.expect_problem(401, "unauthorized");
    // Taken away, the token has no end; set to the past, it ends with the answer.
    app.admin("PATCH", &path, json!([{"op": "remove", "path": "/expiry"}])).await.expect(200);
    assert!(works(&app, &token).await);
    app.admin("PATCH", &path, json!([{"op": "add", "path": "/expiry", "value": 1}])).await.expect(200);
    assert!(!works(&app, &token).await);
}

#[tokio::test]
async fn a_deleted_token_works_no_more_once_that_is_answered() {
    let app = TestApp::start().await;
    let made = make(&app, ADMIN, json!({"role": "admin"})).await;
    let (token, path) = (value(&made), path(&made));
    assert!(works(&app, &token).await);
    app.call(&token, "DELETE", &path, Value::Null).await.expect(204);
    assert!(!works(&app, &token).await);
    app.admin("GET", &path, Value::Null).await.expect_problem(404, "not_found");
    app.admin("DELETE", &path, Value::Null).await.expect_problem(404, "not_found");
    app.admin("DELETE", "/api/v2/tokens/fake-id", Value::Null).await.expect_problem(404, "not_found");
}

#[tokio::test]
async fn a_change_of_its_role_takes_effect_with_the_answer() {
    let app = TestApp::start().await;
    let made = make(&app, ADMIN, json!({"role": "writer"})).await;
    let (token, path) = (value(&made), path(&made));
    app.call(&token, "POST", "/api/v2/integrations/splunk", crate::support::splunk()).await.expect(201);
    app.admin("PATCH", &path, json!([{"op": "replace", "path": "/role", "value": "reader"}])).await.expect(200);
    let refused = app.call(&token, "POST", "/api/v2/integrations/splunk", crate::support::splunk()).await;
    refused.expect_problem(403, "forbidden");
}

#[tokio::test]
async fn a_reset_ends_the_old_value_at_once_or_when_it_was_asked_to() {
    let app = TestApp::start().await;
    let now = 1_790_000_000_000_i64;
    let made = make(&app, ADMIN, json!({"name": "n", "role": "reader"})).await;
    let (first, path) = (value(&made), path(&made));
    let reset = |query: String| {
        let path = format!("{path}/reset{query}");
        let app = &app;
        async move { value(&app.admin("POST", &path, Value::Null).await.expect(200)) }
    };
    let second = reset(String::new()).await;
    assert!(!works(&app, &first).await && works(&app, &second).await);
    let third = reset(format!("?expiry={}", now + 1_000)).await;
    assert!(works(&app, &second).await && works(&app, &third).await);
    let fourth = reset(format!("?expiry={}", now + 1_000)).await;
    assert!(!works(&app, &second).await, "only the value before the last one may live on");
    assert!(works(&app, &third).await && works(&app, &fourth).await);
    app.server.clock.advance(Duration::from_millis(1_000));
    assert!(!works(&app, &third).await && works(&app, &fourth).await);
    let fifth = reset(format!("?expiry={}", now - 1)).await;
    assert!(!works(&app, &fourth).await && works(&app, &fifth).await);
    let read = app.admin("GET", &path, Value::Null).await.body;
    assert_eq!((&read["_id"], &read["token"]), (&made.body["_id"], &json!(fifth[fifth.len() - 4..])));
    app.admin("POST", &format!("{path}/reset?expiry=soon"), Value::Null).await.expect_problem(400, "invalid_request");
}

#[tokio::test]
async fn nobody_makes_a_token_that_may_do_more_than_the_maker() {
    let app = TestApp::start().await;
    let writer = app.token(Grant::Writer).await;
    for role in ["admin", "ingest"] {
        app.call(&writer, "POST", LIST, json!({"role": role})).await.expect_problem(403, "forbidden");
    }
    app.call(&writer, "POST", LIST, json!({"serviceToken": true})).await.expect_problem(403, "forbidden");
    let all = json!([{"effect": "allow", "resources": ["acct", "integration/*"], "actions": ["*"]}]);
    let made = make(&app, &writer, json!({"inlineRole": all})).await;
    assert_eq!(made.body["_limited"], true);
    let limited = value(&made);
    app.call(&limited, "GET", "/api/v2/integrations/splunk", Value::Null).await.expect(200);
    let entry = json!({"action": "a", "resource": "acct"});
    app.call(&limited, "POST", "/ingest/entries", entry.clone()).await.expect_problem(403, "forbidden");
    app.call(&limited, "POST", LIST, json!({})).await.expect_problem(403, "forbidden");
    // Nor does it raise one, its own included.
    let patch = json!([{"op": "replace", "path": "/role", "value": "admin"}]);
    let own = make(&app, &writer, json!({})).await;
    app.call(&writer, "PATCH", &path(&own), patch).await.expect_problem(403, "forbidden");
    // Nor does it take over one that may do more.
    let keeper = json!([{"effect": "allow", "resources": ["service-token/*", "member/*:token/*"], "actions": ["*"]}]);
    let keeper = app.policy_token(keeper).await;
    let admin = make(&app, ADMIN, json!({"role": "admin"})).await;
    let reset = format!("{}/reset", path(&admin));
    app.call(&keeper, "POST", &reset, Value::Null).await.expect_problem(403, "forbidden");
    app.call(&keeper, "PATCH", &path(&admin), json!([{"op": "replace", "path": "/name", "value": "n"}]))
        .await
        .expect(200);
    assert!(works(&app, &value(&admin)).await);
}

#[tokio::test]
async fn lists_hold_ones_own_and_those_of_programs_and_for_an_admin_on_request_all() {
    let app = TestApp::start().await;
    let ids = async |token: &str, query: &str| -> Vec<String> {
        let reply = app.call(token, "GET", &format!("{LIST}?limit=100{query}"), Value::Null).await.expect(200);
        let items = reply.body["items"].as_array().expect("a list");
        assert_eq!(reply.body["totalCount"], items.len());
        items.iter().map(|item| item["_id"].as_str().expect("an id").to_owned()).collect()
    };
    let id = |reply: &Reply| reply.body["_id"].as_str().expect("an id").to_owned();
    let programs = ids(ADMIN, "").await;
    let writer = app.token(Grant::Writer).await;
    let (own, of_writer) = (make(&app, ADMIN, json!({})).await, make(&app, &writer, json!({})).await);
    let all = ids(ADMIN, "&showAll=true").await;
    assert!(all.contains(&id(&own)) && all.contains(&id(&of_writer)));
    let of_admin = ids(ADMIN, "").await;
    assert!(of_admin.contains(&id(&own)) && !of_admin.contains(&id(&of_writer)));
    for query in ["", "&showAll=true"] {
        let found = ids(&writer, query).await;
        assert!(found.contains(&id(&of_writer)) && !found.contains(&id(&own)), "{query}");
        assert!(programs.iter().all(|id| found.contains(id)));
    }
    app.call(&writer, "GET", &path(&own), Value::Null).await.expect_problem(403, "forbidden");
    let ingest = app.token(Grant::Ingest).await;
    app.call(&ingest, "GET", LIST, Value::Null).await.expect_problem(403, "forbidden");
}

#[tokio::test]
async fn pages_of_a_list_lead_to_each_other() {
    let app = TestApp::start().await;
    for number in 0..4 {
        app.server.clock.advance(Duration::from_secs(1));
        make(&app, ADMIN, json!({"name": format!("n{number}")})).await;
    }
    let mut page = app.admin("GET", &format!("{LIST}?limit=2"), Value::Null).await.expect(200).body;
    assert_eq!((&page["totalCount"], page["_links"].get("prev")), (&json!(5), None));
    let mut names = Vec::new();
    loop {
        let items = page["items"].as_array().expect("a list");
        names.extend(items.iter().map(|item| item["name"].as_str().expect("a name").to_owned()));
        let Some(next) = page["_links"]["next"]["href"].as_str().map(str::to_owned) else { break };
        page = app.admin("GET", &next, Value::Null).await.expect(200).body;
    }
    assert_eq!(names, ["n3", "n2", "n1", "n0", "bootstrap token"]);
    assert_eq!(page["_links"]["prev"]["href"], format!("{LIST}?limit=2&offset=2"));
    assert_eq!(page["_links"]["first"]["href"], format!("{LIST}?limit=2&offset=0"));
    for query in ["?limit=0", "?limit=x", "?offset=-1", "?showAll=1"] {
        app.admin("GET", &format!("{LIST}{query}"), Value::Null).await.expect_problem(400, "invalid_request");
    }
}

#[tokio::test]
async fn the_last_use_is_told_and_written_down_now_and_then() {
    let app = TestApp::start().await;
    let made = make(&app, ADMIN, json!({"role": "reader"})).await;
    let (token, path) = (value(&made), path(&made));
    let last_used = async |app: &TestApp| app.admin("GET", &path, Value::Null).await.body["lastUsed"].clone();
    assert_eq!(last_used(&app).await, Value::Null);
    app.server.clock.advance(Duration::from_secs(2));
    assert!(works(&app, &token).await);
    let used = json!(1_790_000_002_000_i64);
    assert_eq!(last_used(&app).await, used);
    let entries = app.entries().await.len();
    app.server.app.token_write_used().await.expect("is written");
    assert_eq!((last_used(&app).await, app.entries().await.len()), (used.clone(), entries));
    let app = app.restart(crate::support::Options::default()).await;
    assert_eq!(last_used(&app).await, used);
}

#[tokio::test]
async fn what_is_done_to_tokens_is_recorded_without_their_values() {
    let app = TestApp::start().await;
    let made = make(&app, ADMIN, json!({"name": "n", "serviceToken": true, "role": "writer"})).await;
    let (id, path) = (made.body["_id"].as_str().expect("an id").to_owned(), path(&made));
    let resource = format!("service-token/{id}");
    let check = |entry: &Value, action: &str| {
        assert_eq!(entry["accesses"], json!([{"action": action, "resource": resource}]), "{entry}");
        assert_eq!((&entry["kind"], &entry["_origin"]), (&json!("token"), &json!("system")), "{entry}");
        assert_eq!(entry["token"]["name"], "bootstrap token");
    };
    let entry = app.last_entry().await;
    check(&entry, "createAccessToken");
    assert_eq!((&entry["currentVersion"]["role"], entry.get("previousVersion")), (&json!("writer"), None));
    let reset = value(&app.admin("POST", &format!("{path}/reset"), Value::Null).await.expect(200));
    let entry = app.last_entry().await;
    check(&entry, "resetAccessToken");
    assert_eq!(entry["currentVersion"]["ending"], reset[reset.len() - 4..]);
    assert!(!entry.to_string().contains(&reset));
    let body = json!({"comment": "ticket 7", "patch": [{"op": "replace", "path": "/role", "value": "reader"}]});
    app.admin("PATCH", &path, body).await.expect(200);
    let entry = app.last_entry().await;
    check(&entry, "updateAccessTokenPolicy");
    assert_eq!(entry["delta"], json!([{"op": "replace", "path": "/role", "value": "reader"}]));
    assert_eq!((&entry["previousVersion"]["role"], &entry["comment"]), (&json!("writer"), &json!("ticket 7")));
    app.admin("DELETE", &path, Value::Null).await.expect(204);
    check(&app.last_entry().await, "deleteAccessToken");
    let personal = make(&app, ADMIN, json!({})).await;
    let member = personal.body["memberId"].as_str().expect("an id");
    let resource = format!("member/{member}:token/{}", personal.body["_id"].as_str().expect("an id"));
    assert_eq!(app.last_entry().await["accesses"][0]["resource"], resource);
}

#[tokio::test]
async fn patches_that_cannot_be_applied_are_422_and_those_that_cannot_be_read_400() {
    let app = TestApp::start().await;
    let path = path(&make(&app, ADMIN, json!({"name": "n", "role": "writer"})).await);
    for (body, status, code) in [
        (json!([{"op": "remove", "path": "/inlineRole"}]), 422, "unprocessable_entity"),
        (json!([{"op": "replace", "path": "/token", "value": "x"}]), 422, "unprocessable_entity"),
        (json!([{"op": "replace", "path": "/_id", "value": "x"}]), 422, "unprocessable_entity"),
        (json!([{"op": "increment", "path": "/name"}]), 400, "invalid_request"),
        (json!({"instructions": []}), 400, "invalid_request"),
        (json!({"merge": {"serviceToken": true}}), 400, "invalid_request"),
        (json!([{"op": "remove", "path": "/role"}]), 400, "invalid_request"),
        (json!([{"op": "replace", "path": "/inlineRole", "value": []}]), 400, "invalid_request"),
        (json!([{"op": "test", "path": "/name", "value": "other"}]), 409, "conflict"),
    ] {
        app.admin("PATCH", &path, body).await.expect_problem(status, code);
    }
    assert_eq!(app.admin("GET", &path, Value::Null).await.body["role"], "writer");
    let entries = app.entries().await.len();
    app.admin("PATCH", &path, json!([{"op": "replace", "path": "/name", "value": "n"}])).await.expect(200);
    app.admin("PATCH", &path, json!({"merge": {"name": "n"}})).await.expect(200);
    assert_eq!(app.entries().await.len(), entries);
}

#[tokio::test]
async fn the_sequences_of_terraform() {
    let app = TestApp::start().await;
    let statements = json!([{"effect": "allow", "resources": ["integration/*"], "actions": ["*"]}]);
    let made = make(&app, ADMIN, json!({"name": "tf", "serviceToken": false, "role": "reader"})).await;
    let path = path(&made);
    let read = async || app.admin("GET", &path, Value::Null).await.expect(200).body;
    assert_eq!((&read().await["role"], &read().await["defaultApiVersion"]), (&json!("reader"), &json!(20_240_415)));
    let to_inline = json!([
        {"op": "replace", "path": "/name", "value": "tf 2"},
        {"op": "remove", "path": "/role"},
        {"op": "replace", "path": "/inlineRole", "value": statements},
    ]);
    app.admin("PATCH", &path, to_inline).await.expect(200);
    let inline = read().await;
    assert_eq!((&inline["inlineRole"], inline.get("role"), &inline["name"]), (&statements, None, &json!("tf 2")));
    let role = app.admin("GET", "/api/v2/roles/ingest", Value::Null).await.expect(200).body;
    let to_custom = json!([
        {"op": "replace", "path": "/name", "value": "tf 2"},
        {"op": "remove", "path": "/inlineRole"},
        {"op": "replace", "path": "/customRoleIds", "value": [role["_id"]]},
    ]);
    app.admin("PATCH", &path, to_custom).await.expect(200);
    let custom = read().await;
    assert_eq!((&custom["customRoleIds"], custom.get("role")), (&json!([role["key"]]), None));
    app.admin("GET", "/api/v2/roles/fake-id", Value::Null).await.expect_problem(404, "not_found");
    app.admin("DELETE", &path, Value::Null).await.expect(204);
    let identity = app.admin("GET", SEEN, Value::Null).await.expect(200).body;
    let members = app.admin("GET", "/api/v2/members?limit=1", Value::Null).await.expect(200).body;
    assert_eq!(members["items"][0]["_id"], identity["memberId"]);
}

#[tokio::test]
async fn another_bootstrap_value_ends_the_one_before_and_undoes_what_was_taken_from_it() {
    let app = TestApp::start().await;
    let bootstrap = async |value: &str| {
        app.server.app.token_bootstrap(Some(domain::Secret::new(value.to_owned()))).await.expect("works");
    };
    assert!(works(&app, ADMIN).await);
    bootstrap("another-value-of-the-setting").await;
    assert!(!works(&app, ADMIN).await && works(&app, "another-value-of-the-setting").await);
    assert_eq!(app.last_entry().await["accesses"][0]["action"], "resetAccessToken");
    let entries = app.entries().await.len();
    bootstrap("another-value-of-the-setting").await;
    assert_eq!(app.entries().await.len(), entries);
    let identity = app.call("another-value-of-the-setting", "GET", SEEN, Value::Null).await.body;
    let path = format!("{LIST}/{}", identity["tokenId"].as_str().expect("an id"));
    let patch =
        json!([{"op": "replace", "path": "/role", "value": "reader"}, {"op": "add", "path": "/expiry", "value": 1}]);
    app.call("another-value-of-the-setting", "PATCH", &path, patch).await.expect(200);
    assert!(!works(&app, "another-value-of-the-setting").await);
    bootstrap("another-value-of-the-setting").await;
    app.call("another-value-of-the-setting", "GET", "/metrics", Value::Null).await.expect(200);
    // Reset through the API, it has the value of the setting again at the next start.
    let reset = format!("{path}/reset?expiry=9999999999999");
    let made = value(&app.call("another-value-of-the-setting", "POST", &reset, Value::Null).await.expect(200));
    bootstrap("another-value-of-the-setting").await;
    assert!(!works(&app, &made).await && works(&app, "another-value-of-the-setting").await);
}
