//! Reading the log over HTTP.

use app::{
    Grant,
    testing::{self, ManualClock},
};
use serde_json::{Value, json};

use crate::support::{ADMIN, Options, TestApp};

const DAY: i64 = 86_400_000;

/// An entry about a flag in production, `at` milliseconds after the start of the tests.
fn flag(id: &str, at: i64) -> Value {
    json!({
        "_id": id, "kind": "flag", "name": format!("Flag {id}"), "date": ManualClock::START + at,
        "accesses": [{"action": "updateOn", "resource": format!("proj/shop:env/production:flag/{id}")}],
    })
}

async fn ingest(app: &TestApp, entries: &[Value]) {
    app.ingest("/ingest/entries", &[], Value::from(entries.to_vec()).to_string()).await.expect(202);
}

fn ids(body: &Value) -> Vec<&str> {
    body["items"].as_array().expect("a list").iter().map(|item| item["_id"].as_str().expect("an id")).collect()
}

/// The ids that a question finds with the index and without it, on one page.
async fn found(app: &TestApp, path: &str) -> Vec<String> {
    let ask = async || {
        let reply = app.admin("GET", path, Value::Null).await.expect(200);
        ids(&reply.body).into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    let before = ask().await;
    app.server.index(usize::MAX).await;
    assert_eq!(ask().await, before, "{path}");
    before
}

/// A server whose index is built by the tests alone.
async fn unindexed() -> TestApp {
    let server = testing::Options { indexes: false, ..testing::Options::default() };
    TestApp::with(Options { server, ..Options::default() }).await
}

#[tokio::test]
async fn entries_are_listed_newest_event_first() {
    let app = unindexed().await;
    ingest(&app, &[flag("b", 20), flag("c", 30), flag("a", 10)]).await;
    app.server.index(2).await;
    ingest(&app, &[flag("d", 20)]).await;
    let reply = app.admin("GET", "/api/v2/auditlog?after=1790000000000", Value::Null).await.expect(200);
    assert_eq!(ids(&reply.body), ["c", "d", "b", "a"]);
    let links = json!({"self": {"href": "/api/v2/auditlog?after=1790000000000", "type": "application/json"}});
    assert_eq!(reply.body["_links"], links);
    let all = app.admin("GET", "/api/v2/auditlog", Value::Null).await.expect(200).body;
    assert_eq!(ids(&all)[..4], ["c", "d", "b", "a"]);
    assert_eq!(all["items"][4]["titleVerb"], "created the access token");
}

#[tokio::test]
async fn a_listed_entry_has_all_that_clients_require_and_leaves_the_change_to_the_single_one() {
    let app = unindexed().await;
    let mut entry = flag("a", 1);
    entry["delta"] = json!([{"op": "replace", "path": "/on", "value": true}]);
    entry["previousVersion"] = json!({"on": false});
    entry["subentries"] = json!([]);
    ingest(&app, &[entry]).await;
    let list = app.admin("GET", "/api/v2/auditlog?limit=1", Value::Null).await.expect(200).body;
    let listed = &list["items"][0];
    for member in ["_id", "_accountId", "kind", "name", "description", "shortDescription", "comment"] {
        assert!(listed[member].is_string(), "{member} of {listed}");
    }
    assert_eq!(listed["_links"]["self"]["href"], "/api/v2/auditlog/a");
    assert_eq!(
        (&listed["date"], &listed["accesses"][0]["action"]),
        (&json!(1_790_000_000_001_i64), &json!("updateOn"))
    );
    let single = app.admin("GET", "/api/v2/auditlog/a", Value::Null).await.expect(200).body;
    assert_eq!(single["delta"][0]["path"], "/on");
    for member in ["delta", "previousVersion", "subentries"] {
        assert_eq!((listed.get(member), single.get(member).is_some()), (None, true), "{member}");
    }
}

#[tokio::test]
async fn an_entry_is_found_by_its_id_only_in_its_account() {
    let app = TestApp::start().await;
    ingest(&app, &[flag("a/ b?ä", 1)]).await;
    let path = "/api/v2/auditlog/a%2F%20b%3F%C3%A4";
    assert_eq!(app.admin("GET", path, Value::Null).await.expect(200).body["_id"], "a/ b?ä");
    for missing in ["/api/v2/auditlog/b", "/api/v2/auditlog/%00", "/api/v2/auditlog/%ff"] {
        app.admin("GET", missing, Value::Null).await.expect_problem(404, "not_found");
    }
    app.server.add_account("other").await;
    let other = app.server.app.token_create("other", "of a test", &Grant::Admin).await.expect("a token");
    app.call(other.expose(), "GET", path, Value::Null).await.expect_problem(404, "not_found");
    let list = app.call(other.expose(), "GET", "/api/v2/auditlog?q=flag", Value::Null).await.expect(200);
    assert_eq!(ids(&list.body), Vec::<&str>::new());
}

#[tokio::test]
async fn bounds_of_time_are_exclusive() {
    let app = unindexed().await;
    ingest(&app, &[flag("a", 10), flag("b", 20), flag("c", 30)]).await;
    let at = |at: i64| ManualClock::START + at;
    for (query, expected) in [
        (format!("after={}", at(10)), vec!["c", "b"]),
        (format!("after={}&before={}", at(0), at(30)), vec!["b", "a"]),
        (format!("after={}&before={}", at(10), at(30)), vec!["b"]),
        (format!("after={}&before={}", at(20), at(20)), vec![]),
        ("after=2026-09-21T14:13:20.015Z".to_owned(), vec!["c", "b"]),
    ] {
        assert_eq!(found(&app, &format!("/api/v2/auditlog?{query}")).await, expected, "{query}");
    }
}

#[tokio::test]
async fn entries_are_found_by_what_they_are_about_and_by_whom() {
    let app = unindexed().await;
    let by = |id: &str, member: Value, token: Value| {
        let mut entry = flag(id, 1);
        entry["member"] = member;
        entry["token"] = token;
        entry
    };
    let ann = json!({"_id": "m1", "firstName": "Ann"});
    let tagged = json!({
        "_id": "t", "kind": "segment", "name": "Große Ämter", "tags": ["beta"], "date": ManualClock::START + 1,
        "accesses": [{"action": "createSegment", "resource": "proj/web:env/staging:segment/vip"}],
        "target": {"resources": ["proj/web:env/staging:segment/vip", "proj/web:metric/spend"]},
    });
    ingest(
        &app,
        &[
            by("a", ann.clone(), Value::Null),
            by("b", json!({"_id": "m2"}), json!({"_id": "k1", "name": "CI"})),
            by("c", ann, json!({"_id": "k2"})),
            tagged,
            json!({"_id": "w", "action": "updateUrl", "resource": "webhook/6a01", "name": "x%y_z", "date": ManualClock::START + 1}),
        ],
    )
    .await;
    for (query, expected) in [
        ("q=flag", vec!["c", "b", "a"]),
        ("q=FLAG+B", vec!["b"]),
        ("q=%C3%A4MT", vec!["t"]),
        ("q=x%25y_z", vec!["w"]),
        ("q=x_y", vec![]),
        ("q=ag", vec!["c", "b", "a"]),
        ("q=%25", vec!["w"]),
        ("q=kind:segment", vec!["t"]),
        ("q=kind:flag,key:b", vec!["b"]),
        ("q=kind:flag,kind:segment", vec!["t", "c", "b", "a"]),
        ("q=key:6a01", vec!["w"]),
        ("q=kind:flag,g+c", vec!["c"]),
        ("spec=proj/*:env/production:flag/*", vec!["c", "b", "a"]),
        ("spec=proj/*:env/*:/flag/b", vec!["b"]),
        ("spec=proj/*:env/*:segment/*%3Bbeta", vec!["t"]),
        ("spec=proj/*:env/*:segment/*%3Bgamma", vec![]),
        ("spec=proj/web:metric/*", vec!["t"]),
        ("spec=proj/shop", vec![]),
        ("spec=webhook/6a01&q=x", vec!["w"]),
        ("member=m1", vec!["c", "a"]),
        ("member=m1&member=m2", vec!["c", "b", "a"]),
        ("member=m1&token=k2", vec!["c"]),
        ("member=m1&token=k1", vec![]),
        ("token=k1&token=k2", vec!["c", "b"]),
        ("token=nobody", vec![]),
        ("q=&spec=&member=&before=1790000000002&after=1790000000000", vec!["w", "t", "c", "b", "a"]),
    ] {
        assert_eq!(found(&app, &format!("/api/v2/auditlog?{query}")).await, expected, "{query}");
    }
}

#[tokio::test]
async fn a_search_takes_statements_and_goes_on_with_the_same_body() {
    let app = unindexed().await;
    let mut entries: Vec<Value> = (0..30).map(|at| flag(&format!("f{at:02}"), at)).collect();
    entries[7]["accesses"][0]["action"] = json!("deleteFlag");
    ingest(&app, &entries).await;
    app.server.index(20).await;
    let statements = json!([
        {"effect": "allow", "resources": ["proj/*:env/*:flag/*"], "actions": ["*"]},
        {"effect": "deny", "resources": ["proj/*:env/*:flag/f0*"], "notActions": ["delete*"]},
    ]);
    let mut next = Some("/api/v2/auditlog?limit=9".to_owned());
    let mut walked = Vec::new();
    while let Some(path) = next {
        let page = app.admin("POST", &path, statements.clone()).await.expect(200).body;
        walked.extend(ids(&page).into_iter().map(str::to_owned));
        next = page["_links"]["next"]["href"].as_str().map(str::to_owned);
    }
    let mut expected: Vec<String> = (10..30).rev().map(|at| format!("f{at:02}")).collect();
    expected.push("f07".to_owned());
    assert_eq!(walked, expected);
    for body in [Value::Null, json!([])] {
        let reply = app.admin("POST", "/api/v2/auditlog?q=flag+f0&spec=acct", body).await.expect(200);
        assert_eq!(ids(&reply.body).len(), 10, "a search has no spec");
    }
    let none = json!([{"effect": "deny", "resources": ["acct"], "actions": ["*"]}]);
    assert_eq!(ids(&app.admin("POST", "/api/v2/auditlog", none).await.expect(200).body), Vec::<&str>::new());
}

#[tokio::test]
async fn pages_neither_repeat_nor_skip_while_entries_of_any_date_come_in() {
    let app = unindexed().await;
    // Many share a date, so that pages end between them.
    let entries: Vec<Value> = (0..40).map(|at| flag(&format!("e{at:02}"), at / 8)).collect();
    ingest(&app, &entries).await;
    app.server.index(17).await;
    let mut next = Some("/api/v2/auditlog?q=Flag+e&limit=3".to_owned());
    let (mut walked, mut pages) = (Vec::new(), 0);
    while let Some(path) = next {
        let page = app.admin("GET", &path, Value::Null).await.expect(200).body;
        walked.extend(ids(&page).into_iter().map(str::to_owned));
        next = page["_links"]["next"]["href"].as_str().map(str::to_owned);
        assert!(next.as_deref().is_none_or(|next| next.starts_with("/api/v2/auditlog?q=Flag+e&limit=3&before=17900")));
        ingest(&app, &[flag(&format!("early {pages}"), -DAY), flag(&format!("e late {pages}"), DAY)]).await;
        app.server.index(pages % 5).await;
        pages += 1;
    }
    let expected: Vec<String> = (0..40).rev().map(|at| format!("e{at:02}")).collect();
    assert_eq!((walked, pages), (expected, 14));
}

#[tokio::test]
async fn entries_are_counted_over_time() {
    let app = unindexed().await;
    let entries: Vec<Value> = (0..30_i64).map(|at| flag(&format!("c{at}"), at * 1_800_000)).collect();
    ingest(&app, &entries).await;
    app.server.index(20).await;
    let start = ManualClock::START;
    let count = async |query: String, body: Value| {
        let first = app.admin("POST", &format!("/api/v2/auditlog/counts?{query}"), body.clone()).await.expect(200).body;
        app.server.index(3).await;
        let later = app.admin("POST", &format!("/api/v2/auditlog/counts?{query}"), body).await.expect(200).body;
        assert_eq!(first, later, "{query}");
        first
    };
    let flags = json!([{"effect": "allow", "resources": ["proj/*:env/*:flag/*"], "actions": ["*"]}]);
    let bounds = format!("after={start}&before={}", start + 15 * 3_600_000);
    let counted = count(format!("{bounds}&buckets=4"), flags.clone()).await;
    assert_eq!((&counted["totalCount"], &counted["bucketIntervalMs"]), (&json!(30), &json!(13_500_000)));
    let buckets: Vec<_> =
        counted["buckets"].as_array().expect("a list").iter().map(|bucket| &bucket["count"]).collect();
    assert_eq!(buckets, [8, 7, 8, 7]);
    assert_eq!(counted["buckets"][1]["timestamp"], start + 13_500_000);
    // The entry that records the token is of the very start.
    let all = count(format!("{bounds}&buckets=500"), json!([])).await;
    assert_eq!((&all["totalCount"], all["buckets"].as_array().map(Vec::len)), (&json!(31), Some(500)));
    assert_eq!(all["buckets"][0]["count"], 2);
    let late = count(format!("after={}&before={}&buckets=3", start + 1, start + 8), json!([])).await;
    assert_eq!((&late["totalCount"], &late["bucketIntervalMs"]), (&json!(0), &json!(3)));
    assert_eq!(late["buckets"].as_array().map(Vec::len), Some(3));
    let now = count(format!("after={}", start - 5), json!([])).await;
    assert_eq!((&now["totalCount"], now["buckets"].as_array().map(Vec::len)), (&json!(0), Some(50)));
}

#[tokio::test]
async fn what_has_left_the_log_is_found_no_more() {
    let app = unindexed().await;
    ingest(&app, &(0..10).map(|at| flag(&format!("e{at}"), 100 - at)).collect::<Vec<_>>()).await;
    let count = async || {
        let counts = "/api/v2/auditlog/counts?after=1&before=1790000086400000";
        app.admin("POST", counts, json!([])).await.expect(200).body["totalCount"].clone()
    };
    // The first entry is the one that records the token.
    for (indexed, left) in [(7, 8), (usize::MAX, 5)] {
        app.server.index(indexed).await;
        app.server.drop_entries(3).await;
        assert_eq!(count().await, left, "before the index has taken it out");
        let body = app.admin("GET", "/api/v2/auditlog?limit=20&q=flag", Value::Null).await.expect(200).body;
        assert_eq!(ids(&body).len(), left);
        app.server.index(usize::MAX).await;
        assert_eq!(count().await, left);
    }
}

#[tokio::test]
async fn a_cursor_that_no_page_gave_finds_what_there_is() {
    let app = unindexed().await;
    ingest(&app, &[flag("a", 1), flag("b", 2)]).await;
    app.server.index(1).await;
    for cursor in ["1790000086400000.1.18446744073709551615", "1790000086400000.18446744073709551615.9"] {
        let path = format!("/api/v2/auditlog?cursor={cursor}&q=flag");
        let body = app.admin("GET", &path, Value::Null).await.expect(200).body;
        assert_eq!(ids(&body), ["b", "a"], "{cursor}");
    }
}

#[tokio::test]
async fn who_may_not_see_the_log_does_not() {
    let app = TestApp::start().await;
    let only = |action| json!([{"effect": "allow", "resources": ["acct"], "actions": [action]}]);
    let mut tokens = Vec::new();
    for (grant, status) in [(Grant::Writer, 200), (Grant::Reader, 200), (Grant::Ingest, 403)] {
        tokens.push((app.token(grant).await, status));
    }
    tokens.push((app.policy_token(only("viewAuditLog")).await, 200));
    tokens.push((app.policy_token(only("viewMetrics")).await, 403));
    for (token, status) in tokens {
        let id = app.entries().await.last().expect("an entry").id.clone();
        for (method, path) in [
            ("GET", "/api/v2/auditlog".to_owned()),
            ("POST", "/api/v2/auditlog".to_owned()),
            ("GET", format!("/api/v2/auditlog/{id}")),
            ("POST", "/api/v2/auditlog/counts?after=0".to_owned()),
        ] {
            let body = if method == "POST" { json!([]) } else { Value::Null };
            let reply = app.call(&token, method, &path, body).await;
            assert_eq!(reply.status.as_u16(), status, "{method} {path}: {}", reply.text);
        }
    }
}

#[tokio::test]
async fn a_wrong_question_about_the_log_is_told() {
    let app = TestApp::start().await;
    let many = "&member=a".repeat(101);
    for (method, path, told) in [
        ("GET", "/api/v2/auditlog?limit=0", "limit must be a number from 1 to 20"),
        ("GET", "/api/v2/auditlog?limit=21", "limit must be a number from 1 to 20"),
        ("GET", "/api/v2/auditlog?before=soon", "before must be a time"),
        ("GET", "/api/v2/auditlog?after=-1", "after must be a time"),
        ("GET", "/api/v2/auditlog?cursor=1.2", "cursor must be left out"),
        ("GET", "/api/v2/auditlog?spec=flag", "spec cannot be read"),
        ("GET", "/api/v2/auditlog?spec=*", "(only acct has no name)"),
        ("GET", "/api/v2/auditlog?q=kind:", "has nothing after kind:"),
        ("GET", "/api/v2/auditlog?q=%ff", "q must be UTF-8"),
        ("GET", &format!("/api/v2/auditlog?{many}"), "member may come at most 100 times"),
        ("POST", "/api/v2/auditlog", "statements are not valid"),
        ("POST", "/api/v2/auditlog/counts", "after is missing"),
        ("POST", "/api/v2/auditlog/counts?after=5&before=5", "after must be earlier than before"),
        ("POST", "/api/v2/auditlog/counts?after=5&buckets=0", "buckets must be a number from 1 to 500"),
        ("POST", "/api/v2/auditlog/counts?after=5&buckets=501", "buckets must be a number from 1 to 500"),
    ] {
        let body = match (method, path) {
            ("POST", "/api/v2/auditlog") => json!([{"effect": "permit"}]),
            ("POST", _) => json!([]),
            _ => Value::Null,
        };
        let reply = app.call(ADMIN, method, path, body).await.expect_problem(400, "invalid_request");
        assert!(reply.text.contains(told), "{method} {path}: {}", reply.text);
    }
    let reply = app.admin("POST", "/api/v2/auditlog/counts?after=5", Value::Null).await;
    assert!(reply.expect_problem(400, "invalid_request").text.contains("the body is empty"));
}
