//! Every route, taken from the router's own list, with tokens that may not use it: of another
//! account, and of each role.

use std::collections::{BTreeMap, BTreeSet};

use app::Grant;
use serde_json::{Value, json};

use crate::support::{ADMIN, Reply, TestApp, splunk};

/// The page that says which role may use which route.
const PAGE: &str = include_str!("../../../../docs/tokens.md");

/// The columns of its table, in order.
const ROLES: [&str; 5] = ["admin", "writer", "reader", "ingest", "operator"];

/// What belongs to one account, and a name for each thing that can stand in a path.
struct Belongings {
    /// What a parameter of a path stands for, by the path before it.
    places: Vec<(&'static str, String)>,
    /// Texts that no other account may see.
    canaries: Vec<String>,
}

impl Belongings {
    /// One of each, in the account of this token.
    async fn make(app: &TestApp, admin: &str) -> Self {
        let made = app.call(admin, "POST", "/api/v2/integrations/splunk", splunk()).await.expect(201);
        let subscription = id(&made);
        let token = app.call(admin, "POST", "/api/v2/tokens", json!({"name": "canary token", "serviceToken": true}));
        let token = id(&token.await.expect(201));
        let hook = json!({"url": "https://x.test/canary", "sign": true, "on": false});
        let webhook = id(&app.call(admin, "POST", "/api/v2/webhooks", hook).await.expect(200));
        let source = json!({"kind": "launchdarkly", "name": "canary source"});
        let source = id(&app.call(admin, "POST", "/api/v2/ingest-sources", source).await.expect(201));
        let entry = json!({"_id": format!("canary-{subscription}"), "action": "a", "resource": "canary/1"});
        app.call(admin, "POST", "/ingest/entries", entry).await.expect(202);
        let identity = app.call(admin, "GET", "/api/v2/caller-identity", Value::Null).await.expect(200).body;
        let own = |member: &str| identity[member].as_str().expect("an id").to_owned();
        let places = vec![
            ("/api/v2/integrations/", "splunk".to_owned()),
            ("/api/v2/integration-preview/", "splunk".to_owned()),
            ("/api/v2/integrations/splunk/", subscription.clone()),
            ("/replays/", "66f0c0ffee00000000000000".to_owned()),
            ("/api/v2/tokens/", token.clone()),
            ("/api/v2/webhooks/", webhook.clone()),
            ("/api/v2/ingest-sources/", source.clone()),
            ("/api/v2/roles/", "ingest".to_owned()),
            ("/api/v2/auditlog/", format!("canary-{subscription}")),
            ("/api/v2/accounts/", own("accountId")),
        ];
        let canaries =
            vec![subscription, webhook, token, source, own("accountId"), own("tokenId"), "canary".to_owned()];
        Self { places, canaries }
    }

    /// The path with its parameters filled in.
    #[track_caller]
    fn fill(&self, pattern: &str) -> String {
        let mut path = String::new();
        for segment in pattern.split('/').skip(1) {
            path.push('/');
            if !segment.starts_with('{') {
                path.push_str(segment);
                continue;
            }
            let place =
                self.places.iter().filter(|(before, _)| path.ends_with(before)).max_by_key(|(before, _)| before.len());
            let (_, value) = place.unwrap_or_else(|| panic!("say what stands for {segment} in {pattern}"));
            path.push_str(value);
        }
        if pattern.ends_with("/counts") {
            path.push_str("?after=1");
        }
        path
    }
}

fn id(reply: &Reply) -> String {
    reply.body["_id"].as_str().expect("an id").to_owned()
}

/// A body with which the request would do something, so that it is not refused for the body.
fn body(method: &str, pattern: &str) -> Value {
    match (method, pattern.rsplit('/').next().unwrap_or_default()) {
        ("PATCH", _) => json!([{"op": "replace", "path": "/name", "value": "stolen"}]),
        ("POST", "redeliver") => json!({"all": true}),
        ("POST", "replays") => json!({"from": {"sequence": 1}}),
        ("POST", "auditlog" | "counts") => {
            json!([{"effect": "allow", "resources": ["canary/*"], "actions": ["*"]}])
        }
        ("POST", "suspend") => json!({"reason": "stolen"}),
        ("POST", _) => json!({}),
        _ => Value::Null,
    }
}

#[tokio::test]
async fn a_token_of_another_account_reaches_nothing() {
    let app = TestApp::start().await;
    let operator = app.token(Grant::Operator).await;
    let made = app.call(&operator, "POST", "/api/v2/accounts", json!({"name": "other"})).await.expect(201);
    let path = format!("/api/v2/accounts/{}/tokens", id(&made));
    let other = crate::tokens::value(&app.call(&operator, "POST", &path, json!({"role": "admin"})).await.expect(201));
    let mine = Belongings::make(&app, ADMIN).await;
    for route in api::routes().into_iter().filter(|route| route.needs_token) {
        let (method, path) = (route.method.as_str(), mine.fill(route.path));
        let reply = app.call(&other, method, &path, body(method, route.path)).await;
        let names_something = route.path.contains("{id}") && !route.path.starts_with("/api/v2/roles");
        let status = reply.status.as_u16();
        match route.path {
            // Only the operator learns which accounts there are.
            path if path.starts_with("/api/v2/accounts") => assert_eq!(status, 403, "{method} {path}"),
            "/metrics" => assert_eq!(status, 403, "{method} {path}"),
            _ if names_something => assert_eq!(status, 404, "{method} {path}: {}", reply.text),
            _ => assert!(status < 500, "{method} {path}: {}", reply.text),
        }
        // An answer may repeat what was asked for.
        for canary in mine.canaries.iter().filter(|canary| !path.contains(canary.as_str())) {
            assert!(!reply.text.contains(canary.as_str()), "{method} {path} shows {canary}: {}", reply.text);
        }
    }
    for (_, place) in mine.places.iter().filter(|(before, _)| before.ends_with("/tokens/")) {
        assert_eq!(
            app.admin("GET", &format!("/api/v2/tokens/{place}"), Value::Null).await.expect(200).body["name"],
            "canary token"
        );
    }
    let subscription = mine.fill("/api/v2/integrations/{key}/{id}");
    assert_eq!(app.admin("GET", &subscription, Value::Null).await.expect(200).body["name"], splunk()["name"]);
}

/// What a cell of the table says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum May {
    Yes,
    No,
    /// With a token that it made for itself, and with no other.
    Own,
}

/// The rows of the table: route, and for each role whether it may.
fn rows() -> BTreeMap<String, Vec<May>> {
    let (_, table) = PAGE.split_once("<!-- routes -->").expect("the page marks its table");
    let (table, _) = table.split_once("<!-- /routes -->").expect("the page marks the end of its table");
    let lines = table.lines().filter(|line| line.starts_with("| `"));
    lines
        .map(|line| {
            let mut cells = line.trim_matches('|').split('|').map(str::trim);
            let route = cells.next().unwrap_or_default().trim_matches('`').to_owned();
            let may = cells.map(|cell| match cell {
                "yes" => May::Yes,
                "–" => May::No,
                "own" => May::Own,
                other => panic!("{route}: {other:?} is none of yes, own and –"),
            });
            (route.clone(), may.collect())
        })
        .collect()
}

/// Whether the request is allowed with a token that the caller itself made.
async fn may_with_own(app: &TestApp, token: &str, pattern: &str, method: &str) -> bool {
    let Some(rest) = pattern.strip_prefix("/api/v2/tokens/{id}") else { return false };
    let made = app.call(token, "POST", "/api/v2/tokens", json!({})).await;
    if made.status.as_u16() != 201 {
        return false;
    }
    let path = format!("/api/v2/tokens/{}{rest}", id(&made));
    app.call(token, method, &path, body(method, pattern)).await.status.as_u16() != 403
}

#[tokio::test]
async fn each_role_may_use_the_routes_that_the_documentation_says() {
    let app = TestApp::start().await;
    let rows = rows();
    let served: Vec<_> = api::routes().into_iter().filter(|route| route.needs_token).collect();
    let names: BTreeSet<_> = served.iter().map(|route| format!("{} {}", route.method, route.path)).collect();
    assert_eq!(
        names,
        rows.keys().cloned().collect::<BTreeSet<_>>(),
        "the table in docs/tokens.md has one row for each route"
    );
    let grants = [Grant::Admin, Grant::Writer, Grant::Reader, Grant::Ingest, Grant::Operator];
    let mut wrong = Vec::new();
    for (role, grant) in ROLES.into_iter().zip(grants) {
        for route in &served {
            // Each gets its own, for what may be deleted is deleted.
            let mine = Belongings::make(&app, ADMIN).await;
            let token = app.token(grant.clone()).await;
            let method = route.method.as_str();
            let reply = app.call(&token, method, &mine.fill(route.path), body(method, route.path)).await;
            let name = format!("{method} {}", route.path);
            let column = ROLES.iter().position(|one| *one == role).expect("is a column");
            let may = match reply.status.as_u16() {
                403 if may_with_own(&app, &token, route.path, method).await => May::Own,
                403 => May::No,
                _ => May::Yes,
            };
            if rows[&name].get(column) != Some(&may) {
                wrong.push(format!("{role} {name}: {may:?}, {}", reply.status));
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}
