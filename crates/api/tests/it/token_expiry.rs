//! A token that expires neither makes, resets nor changes one into one that works for longer.

use serde_json::{Value, json};

use crate::{
    support::{ADMIN, Reply, TestApp},
    tokens::{make, path, value},
};

const NOW: i64 = 1_790_000_000_000;
const SOON: i64 = NOW + 60_000;
const LIST: &str = "/api/v2/tokens";

fn set(expiry: i64) -> Value {
    json!([{"op": "add", "path": "/expiry", "value": expiry}])
}

fn remove() -> Value {
    json!([{"op": "remove", "path": "/expiry"}])
}

/// An admin token that works until [`SOON`].
async fn short_lived(app: &TestApp) -> Reply {
    make(app, ADMIN, json!({"role": "admin", "expiry": SOON})).await
}

#[tokio::test]
async fn what_it_makes_works_no_longer_than_itself() {
    let app = TestApp::start().await;
    let token = value(&short_lived(&app).await);
    for later in [SOON + 1, NOW + 9_000_000_000] {
        let body = json!({"role": "reader", "expiry": later});
        let reply = app.call(&token, "POST", LIST, body).await.expect_problem(403, "forbidden");
        assert!(reply.text.contains("no later than its own"), "{}", reply.text);
    }
    assert_eq!(make(&app, &token, json!({"role": "reader"})).await.body["expiry"], SOON);
    let shorter = make(&app, &token, json!({"serviceToken": true, "expiry": SOON - 1})).await;
    assert_eq!(shorter.body["expiry"], SOON - 1);
    let heir = make(&app, &value(&shorter), json!({})).await;
    assert_eq!(heir.body["expiry"], SOON - 1);
}

#[tokio::test]
async fn it_changes_no_expiry_to_a_later_one_its_own_included() {
    let app = TestApp::start().await;
    let own = short_lived(&app).await;
    let token = value(&own);
    let other = make(&app, ADMIN, json!({"role": "reader", "expiry": SOON + 500})).await;
    let endless = make(&app, ADMIN, json!({"role": "reader"})).await;
    for (whose, change) in [
        (&own, remove()),
        (&own, set(SOON + 1)),
        (&own, json!({"merge": {"expiry": null}})),
        (&other, remove()),
        (&other, set(SOON + 501)),
    ] {
        app.call(&token, "PATCH", &path(whose), change).await.expect_problem(403, "forbidden");
    }
    // To make one shorter takes nothing that the caller lacks, and other changes keep it as it is.
    for (whose, change, expected) in [
        (&other, set(SOON + 400), json!(SOON + 400)),
        (&other, set(SOON - 400), json!(SOON - 400)),
        (&other, set(SOON), json!(SOON)),
        (&endless, set(SOON + 400), json!(SOON + 400)),
        (&own, json!([{"op": "replace", "path": "/name", "value": "n"}]), json!(SOON)),
        (&own, set(SOON - 1), json!(SOON - 1)),
    ] {
        assert_eq!(app.call(&token, "PATCH", &path(whose), change).await.expect(200).body["expiry"], expected);
    }
    let admin = app.admin("PATCH", &path(&own), remove()).await.expect(200);
    assert_eq!(admin.body.get("expiry"), None);
}

#[tokio::test]
async fn it_gives_no_more_rights_to_a_token_that_works_for_longer() {
    let app = TestApp::start().await;
    let own = short_lived(&app).await;
    let token = value(&own);
    let role = |role: &str| json!([{"op": "replace", "path": "/role", "value": role}]);
    let endless = make(&app, ADMIN, json!({"role": "reader"})).await;
    let longer = make(&app, ADMIN, json!({"role": "writer", "expiry": SOON + 1})).await;
    for (whose, change) in [(&endless, role("writer")), (&endless, role("admin")), (&longer, role("admin"))] {
        let reply = app.call(&token, "PATCH", &path(whose), change).await.expect_problem(403, "forbidden");
        assert!(reply.text.contains("works for longer"), "{}", reply.text);
    }
    // Fewer rights are no heritage, nor are more that end in time.
    app.call(&token, "PATCH", &path(&longer), role("reader")).await.expect(200);
    let both = json!([
        {"op": "replace", "path": "/role", "value": "admin"},
        {"op": "add", "path": "/expiry", "value": SOON},
    ]);
    app.call(&token, "PATCH", &path(&endless), both).await.expect(200);
}

#[tokio::test]
async fn it_resets_no_token_that_works_for_longer() {
    let app = TestApp::start().await;
    let own = short_lived(&app).await;
    let token = value(&own);
    let endless = make(&app, ADMIN, json!({"role": "reader"})).await;
    let reset = |whose: &Reply| format!("{}/reset", path(whose));
    app.call(&token, "POST", &reset(&endless), Value::Null).await.expect_problem(403, "forbidden");
    let next = value(&app.call(&token, "POST", &reset(&own), Value::Null).await.expect(200));
    assert_eq!(app.call(&next, "GET", &path(&own), Value::Null).await.expect(200).body["expiry"], SOON);
}

#[tokio::test]
async fn a_value_that_was_replaced_makes_nothing_that_outlives_it() {
    let app = TestApp::start().await;
    let made = make(&app, ADMIN, json!({"role": "admin"})).await;
    let reset = format!("{}/reset?expiry={SOON}", path(&made));
    app.admin("POST", &reset, Value::Null).await.expect(200);
    let old = value(&made);
    assert_eq!(make(&app, &old, json!({})).await.body["expiry"], SOON);
    let again = format!("{}/reset", path(&made));
    app.call(&old, "POST", &again, Value::Null).await.expect_problem(403, "forbidden");
}

#[tokio::test]
async fn an_operator_whose_token_expires_makes_none_that_does_not() {
    let app = TestApp::start().await;
    let operator = app.token(app::Grant::Operator).await;
    app.call(&operator, "POST", "/api/v2/accounts", json!({"name": "acme"})).await.expect(201);
    let identity = app.call(&operator, "GET", "/api/v2/caller-identity", Value::Null).await.body;
    let own = format!("{LIST}/{}", identity["tokenId"].as_str().expect("an id"));
    app.admin("PATCH", &own, set(SOON)).await.expect(200);
    let tokens = "/api/v2/accounts/acme/tokens";
    let later = json!({"role": "admin", "expiry": SOON + 1});
    app.call(&operator, "POST", tokens, later).await.expect_problem(403, "forbidden");
    let made = app.call(&operator, "POST", tokens, json!({"role": "admin"})).await.expect(201);
    assert_eq!(made.body["expiry"], SOON);
}
