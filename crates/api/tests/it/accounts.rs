//! Accounts as the operator has them: made, suspended, resumed, and let out to private addresses.

use std::time::Duration;

use app::Grant;
use axum::{Router, routing::post};
use serde_json::{Value, json};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::support::{ADMIN, Reply, TestApp, until};

const LIST: &str = "/api/v2/accounts";

async fn operator(app: &TestApp) -> String {
    app.token(Grant::Operator).await
}

async fn account(app: &TestApp, operator: &str, body: Value) -> String {
    let made = app.call(operator, "POST", LIST, body).await.expect(201);
    made.body["_links"]["self"]["href"].as_str().expect("a link").to_owned()
}

/// An admin token of the account at this path.
async fn admin_of(app: &TestApp, operator: &str, path: &str) -> String {
    let made = app.call(operator, "POST", &format!("{path}/tokens"), json!({"name": "first", "role": "admin"})).await;
    crate::tokens::value(&made.expect(201))
}

#[tokio::test]
async fn an_operator_makes_accounts_and_tokens_in_them() {
    let app = TestApp::start().await;
    let operator = operator(&app).await;
    let path = account(&app, &operator, json!({"name": "acme", "allowDestinations": ["10.0.0.0/8:8088"]})).await;
    let read = app.call(&operator, "GET", &path, Value::Null).await.expect(200).body;
    assert_eq!((&read["name"], &read["allowDestinations"]), (&json!("acme"), &json!(["10.0.0.0/8:8088"])));
    assert_eq!(app.call(&operator, "GET", &format!("{LIST}/acme"), Value::Null).await.body, read);
    let listed = app.call(&operator, "GET", LIST, Value::Null).await.expect(200).body;
    let names: Vec<_> = listed["items"].as_array().expect("a list").iter().map(|one| one["name"].clone()).collect();
    assert_eq!(names, ["default", "acme"]);
    let admin = admin_of(&app, &operator, &path).await;
    let identity = app.call(&admin, "GET", "/api/v2/caller-identity", Value::Null).await.expect(200).body;
    assert_eq!((&identity["accountId"], &identity["serviceToken"]), (&read["_id"], &json!(true)));
    // Its configurations can be sealed from the start.
    app.call(&admin, "POST", "/api/v2/integrations/splunk", crate::support::splunk()).await.expect(201);
    let limited = app.call(&operator, "POST", &format!("{path}/tokens"), json!({"customRoleIds": ["ingest"]})).await;
    app.call(&crate::tokens::value(&limited.expect(201)), "GET", LIST, Value::Null)
        .await
        .expect_problem(403, "forbidden");
    app.call(&operator, "POST", &format!("{path}/tokens"), json!({"role": "operator"})).await.expect(400);
}

#[tokio::test]
async fn an_operator_sees_nothing_that_is_in_an_account_and_no_other_token_is_one() {
    let app = TestApp::start().await;
    let operator = operator(&app).await;
    let subscription = app.create("splunk", crate::support::splunk()).await;
    for (method, path) in [
        ("GET", subscription.as_str()),
        ("DELETE", subscription.as_str()),
        ("GET", "/api/v2/integrations/splunk"),
        ("GET", "/api/v2/tokens"),
        ("POST", "/api/v2/tokens"),
        ("GET", "/metrics"),
        ("POST", "/ingest/entries"),
    ] {
        app.call(&operator, method, path, Value::Null).await.expect_problem(403, "forbidden");
    }
    let everything = json!([{"effect": "allow", "notResources": ["proj/none"], "actions": ["*"]}]);
    for token in [ADMIN.to_owned(), app.policy_token(everything).await] {
        for (method, path) in [("GET", LIST), ("POST", LIST), ("GET", "/api/v2/accounts/default")] {
            app.call(&token, method, path, Value::Null).await.expect_problem(403, "forbidden");
        }
    }
    // An admin of the account where it lives can take it back, and not take it over.
    let identity = app.call(&operator, "GET", "/api/v2/caller-identity", Value::Null).await.expect(200).body;
    let path = format!("/api/v2/tokens/{}", identity["tokenId"].as_str().expect("an id"));
    assert_eq!(app.admin("GET", &path, Value::Null).await.expect(200).body["role"], "operator");
    app.admin("POST", &format!("{path}/reset"), Value::Null).await.expect_problem(403, "forbidden");
    app.admin("PATCH", &path, json!([{"op": "replace", "path": "/name", "value": "renamed"}])).await.expect(200);
    app.call(&operator, "GET", LIST, Value::Null).await.expect(200);
    app.admin("DELETE", &path, Value::Null).await.expect(204);
    app.call(&operator, "GET", LIST, Value::Null).await.expect_problem(401, "unauthorized");
}

#[tokio::test]
async fn wrong_accounts_are_told_by_member() {
    let app = TestApp::start().await;
    let operator = operator(&app).await;
    for (body, attribute) in [
        (json!({}), "name"),
        (json!({"name": "Acme"}), "name"),
        (json!({"name": "-a"}), "name"),
        (json!({"name": "a".repeat(65)}), "name"),
        (json!({"name": "66f0c0ffee00000000000001"}), "name"),
        (json!({"name": "a", "allowDestinations": "10.0.0.0/8"}), "allowDestinations"),
        (json!({"name": "a", "allowDestinations": ["10.0.0.1/8"]}), "allowDestinations[0]"),
        (json!({"name": "a", "allowDestinations": ["10.0.0.0/8", "10.0.0.0/8:0"]}), "allowDestinations[1]"),
        (json!({"name": "a", "allowDestinations": [7]}), "allowDestinations[0]"),
    ] {
        let reply = app.call(&operator, "POST", LIST, body.clone()).await.expect_problem(400, "invalid_request");
        assert_eq!(reply.attributes(), [attribute], "{body}");
    }
    account(&app, &operator, json!({"name": "acme"})).await;
    app.call(&operator, "POST", LIST, json!({"name": "acme"})).await.expect_problem(409, "conflict");
    for path in ["/api/v2/accounts/nobody", "/api/v2/accounts/66f0c0ffee00000000000001"] {
        app.call(&operator, "GET", path, Value::Null).await.expect_problem(404, "not_found");
        app.call(&operator, "POST", &format!("{path}/resume"), Value::Null).await.expect_problem(404, "not_found");
        app.call(&operator, "POST", &format!("{path}/tokens"), json!({})).await.expect_problem(404, "not_found");
    }
    let suspend = "/api/v2/accounts/acme/suspend";
    for body in [json!({}), json!({"reason": ""}), json!({"reason": 7}), json!({"reason": "a\nb"})] {
        app.call(&operator, "POST", suspend, body).await.expect_problem(400, "invalid_request");
    }
    let own = "/api/v2/accounts/default/suspend";
    app.call(&operator, "POST", own, json!({"reason": "x"})).await.expect_problem(400, "invalid_request");
}

/// A collector in this machine that tells the bodies it gets.
async fn collector() -> (String, UnboundedReceiver<String>) {
    let (sender, bodies) = unbounded_channel();
    let collect = move |body: String| {
        let _ = sender.send(body);
        async { axum::Json(json!({"text": "Success", "code": 0})) }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("listens");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let router = Router::new().route("/services/collector/event", post(collect));
    tokio::spawn(async move { axum::serve(listener, router).await });
    (url, bodies)
}

async fn subscribe(app: &TestApp, admin: &str, url: &str) -> String {
    let body = json!({
        "name": "SIEM", "on": true,
        "config": {"base-url": url, "token": "one", "skip-ca-verification": false},
        "statements": [{"effect": "allow", "resources": ["order/*"], "actions": ["*"]}],
    });
    let made = app.call(admin, "POST", "/api/v2/integrations/splunk", body).await.expect(201);
    crate::tokens::path(&made)
}

async fn ingest(app: &TestApp, admin: &str, name: &str) -> Reply {
    app.call(
        admin,
        "POST",
        "/ingest/entries",
        json!({"action": "pay", "resource": format!("order/{name}"), "name": format!("order {name}")}),
    )
    .await
}

async fn next(bodies: &mut UnboundedReceiver<String>) -> String {
    let received = tokio::time::timeout(Duration::from_secs(30), bodies.recv()).await;
    received.expect("a delivery comes").expect("the collector runs")
}

#[tokio::test]
async fn a_suspended_account_stops_and_goes_on_whole() {
    let app = TestApp::start().await;
    let operator = operator(&app).await;
    let (url, mut bodies) = collector().await;
    let path = account(&app, &operator, json!({"name": "acme", "allowDestinations": ["127.0.0.0/8"]})).await;
    let admin = admin_of(&app, &operator, &path).await;
    let subscription = subscribe(&app, &admin, &url).await;
    ingest(&app, &admin, "1").await.expect(202);
    assert!(next(&mut bodies).await.contains("order 1"));
    let state = async || app.call(&admin, "GET", &subscription, Value::Null).await.body["_delivery"].clone();
    until("the delivery is written down", async || state().await["waiting"] == 0).await;

    let suspended = app.call(&operator, "POST", &format!("{path}/suspend"), json!({"reason": "bill 7 is open"})).await;
    assert_eq!(suspended.expect(200).body["suspended"]["reason"], "bill 7 is open");
    for reply in [
        ingest(&app, &admin, "2").await,
        app.call(&admin, "GET", &subscription, Value::Null).await,
        app.call(&admin, "GET", "/api/v2/caller-identity", Value::Null).await,
    ] {
        let refused = reply.expect_problem(403, "account_suspended");
        assert!(
            refused.body["message"].as_str().is_some_and(|text| text.contains("bill 7 is open")),
            "{}",
            refused.text
        );
    }
    // What the operator does there meanwhile is appended to its log, and passes nothing by.
    let second = admin_of(&app, &operator, &path).await;
    app.call(&second, "GET", "/api/v2/tokens", Value::Null).await.expect_problem(403, "account_suspended");
    app.admin("GET", "/api/v2/tokens", Value::Null).await.expect(200);

    app.call(&operator, "POST", &format!("{path}/resume"), Value::Null).await.expect(200);
    ingest(&app, &admin, "3").await.expect(202);
    assert!(next(&mut bodies).await.contains("order 3"));
    until("all is settled", async || state().await["waiting"] == 0).await;
    assert!(bodies.try_recv().is_err(), "something was sent twice");
    let again = app.call(&operator, "GET", &path, Value::Null).await.expect(200).body;
    assert_eq!(again.get("suspended"), None);
}

#[tokio::test]
async fn a_backlog_waits_through_a_suspension_and_a_restart() {
    let app = TestApp::start().await;
    let operator = operator(&app).await;
    let (url, mut bodies) = collector().await;
    // The address is not open at first, so that what comes waits.
    let path = account(&app, &operator, json!({"name": "acme"})).await;
    let admin = admin_of(&app, &operator, &path).await;
    let subscription = subscribe(&app, &admin, &url).await;
    ingest(&app, &admin, "1").await.expect(202);
    let state =
        async |app: &TestApp| app.call(&admin, "GET", &subscription, Value::Null).await.body["_delivery"].clone();
    until("the address is refused", async || state(&app).await["state"] == "suspended").await;

    app.call(&operator, "POST", &format!("{path}/suspend"), json!({"reason": "x"})).await.expect(200);
    let open = json!([{"op": "replace", "path": "/allowDestinations", "value": ["127.0.0.0/8"]}]);
    app.call(&operator, "PATCH", &path, open).await.expect(200);
    let app = app.restart(crate::support::Options::default()).await;
    app.server.clock.advance(Duration::from_secs(3_600));
    app.server.look().await;
    app.call(&admin, "GET", &subscription, Value::Null).await.expect_problem(403, "account_suspended");
    assert!(bodies.try_recv().is_err(), "a suspended account sent something");

    app.call(&operator, "POST", &format!("{path}/resume"), Value::Null).await.expect(200);
    // Its probe is due by now.
    app.server.look().await;
    assert!(next(&mut bodies).await.contains("order 1"));
    until("all is settled", async || state(&app).await["waiting"] == 0).await;
}

#[tokio::test]
async fn an_account_reaches_the_addresses_and_ports_that_it_is_allowed() {
    let app = TestApp::start().await;
    let operator = operator(&app).await;
    let (url, _bodies) = collector().await;
    let port = url.rsplit_once(':').expect("a port").1.to_owned();
    let path = account(&app, &operator, json!({"name": "acme"})).await;
    let admin = admin_of(&app, &operator, &path).await;
    let subscription = subscribe(&app, &admin, &url).await;
    let outcome = async || {
        let reply = app.call(&admin, "POST", &format!("{subscription}/test"), Value::Null).await.expect(200);
        (reply.body["outcome"].clone(), reply.body["reason"]["name"].clone())
    };
    let refused = (json!("misconfigured"), json!("address_blocked"));
    assert_eq!(outcome().await, refused);
    for (ranges, is_open) in [
        (json!(["127.0.0.0/8"]), true),
        (json!([]), false),
        (json!([format!("127.0.0.1:{port}")]), true),
        (json!(["127.0.0.0/8:1", "10.0.0.0/8"]), false),
        (json!(["::1", format!("127.0.0.0/8:{port}")]), true),
    ] {
        let body = json!({"merge": {"allowDestinations": ranges}});
        app.call(&operator, "PATCH", &path, body).await.expect(200);
        let found = outcome().await;
        assert_eq!((found == refused, found.0 == "accepted"), (!is_open, is_open), "{ranges}: {found:?}");
    }
}

#[tokio::test]
async fn what_the_operator_does_is_recorded_in_the_log_of_the_account() {
    let app = TestApp::start().await;
    let operator = operator(&app).await;
    let path = account(&app, &operator, json!({"name": "acme"})).await;
    let id = path.rsplit_once('/').expect("an id").1;
    admin_of(&app, &operator, &path).await;
    app.call(&operator, "POST", &format!("{path}/suspend"), json!({"reason": "bill 7"})).await.expect(200);
    app.call(&operator, "POST", &format!("{path}/suspend"), json!({"reason": "bill 7"})).await.expect(200);
    app.call(&operator, "POST", &format!("{path}/resume"), Value::Null).await.expect(200);
    app.call(&operator, "POST", &format!("{path}/resume"), Value::Null).await.expect(200);
    let body =
        json!({"comment": "ticket 8", "patch": [{"op": "add", "path": "/allowDestinations/-", "value": "10.0.0.0/8"}]});
    app.call(&operator, "PATCH", &path, body).await.expect(200);
    let log = app.server.entries_of("acme").await;
    let log: Vec<Value> = log.iter().map(|entry| serde_json::from_slice(&entry.bytes).expect("is JSON")).collect();
    let actions: Vec<_> = log.iter().map(|entry| entry["accesses"][0]["action"].clone()).collect();
    assert_eq!(actions, ["createAccount", "createAccessToken", "suspendAccount", "resumeAccount", "updateAccount"]);
    for entry in &log {
        assert_eq!((&entry["_origin"], &entry["token"]["name"]), (&json!("system"), &json!("of a test")), "{entry}");
    }
    assert_eq!((&log[0]["currentVersion"]["_id"], &log[0]["accesses"][0]["resource"]), (&json!(id), &json!("acct")));
    assert_eq!(log[2]["currentVersion"]["suspended"]["reason"], "bill 7");
    assert_eq!(log[3]["previousVersion"]["suspended"]["reason"], "bill 7");
    assert_eq!(log[4]["delta"], json!([{"op": "replace", "path": "/allowDestinations", "value": ["10.0.0.0/8"]}]));
    assert_eq!(log[4]["comment"], "ticket 8");
    assert_eq!(app.server.entries_of("default").await.len(), 2, "the token of the tests and that of the operator");
}
