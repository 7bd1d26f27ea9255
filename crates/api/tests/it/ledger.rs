//! The ledger over the API, the start of a subscription, and skipping to now.

use app::{Grant, testing::ManualClock};
use axum::{Router, http::StatusCode, routing::post};
use serde_json::{Value, json};

use crate::support::{TestApp, splunk, until};

/// A collector that takes everything but what holds the word `poison`.
async fn collector() -> String {
    let collect = async |body: String| match body.contains("poison") {
        true => (StatusCode::BAD_REQUEST, axum::Json(json!({"text": "Invalid data format", "code": 6}))),
        false => (StatusCode::OK, axum::Json(json!({"text": "Success", "code": 0}))),
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("listens");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let router = Router::new().route("/services/collector/event", post(collect));
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}

/// A body that makes a subscription to orders.
async fn orders(on: bool) -> Value {
    json!({
        "name": "SIEM", "on": on,
        "config": {"base-url": collector().await, "token": "canary-token-9a9a", "skip-ca-verification": false},
        "statements": [{"effect": "allow", "resources": ["order/*"], "actions": ["*"]}],
    })
}

async fn ingest(app: &TestApp, name: &str) -> u64 {
    let entry = json!({"action": "pay", "resource": format!("order/{name}")});
    let reply = app.ingest("/ingest/entries", &[], entry.to_string()).await.expect(202);
    reply.body["lastSequence"].as_u64().expect("a sequence")
}

async fn settle(app: &TestApp, path: &str) {
    let is_settled = async || app.admin("GET", path, Value::Null).await.body["_delivery"]["waiting"] == json!(0);
    until("everything has its fate", is_settled).await;
}

async fn ledger(app: &TestApp, path: &str, query: &str) -> Value {
    app.admin("GET", &format!("{path}/ledger{query}"), Value::Null).await.expect(200).body
}

/// The ledger once it is written down up to `last`.
async fn ledger_up_to(app: &TestApp, path: &str, last: u64) -> Value {
    let is_written = async || ledger(app, path, "").await["position"].as_u64() >= Some(last);
    until("the ledger is written", is_written).await;
    ledger(app, path, "").await
}

async fn switch(app: &TestApp, path: &str, on: bool) -> Value {
    app.admin("PATCH", path, json!([{"op": "replace", "path": "/on", "value": on}])).await.expect(200).body
}

#[tokio::test]
async fn the_ledger_tells_the_fate_of_every_entry() {
    let app = TestApp::start().await;
    let path = app.create("splunk", orders(true).await).await;
    for name in ["1", "poison", "2"] {
        ingest(&app, name).await;
        settle(&app, &path).await;
    }
    let other = json!({"action": "pay", "resource": "invoice/1"}).to_string();
    let last = app.ingest("/ingest/entries", &[], other).await.expect(202).body["lastSequence"].as_u64().expect("one");
    let ledger = ledger_up_to(&app, &path, last).await;
    let start = ledger["start"].as_u64().expect("it was on");
    let expected = json!({"delivered": 2, "filtered": last - start - 3, "skipped": 0, "dead": 1});
    assert_eq!((&ledger["counts"], &ledger["addsUp"]), (&expected, &json!(true)));
    assert_eq!((&ledger["position"], &ledger["lastSequence"]), (&json!(last), &json!(last)));
    assert_eq!((&ledger["unsettled"], &ledger["settledAbovePosition"]), (&json!(0), &json!(0)));
    assert_eq!(ledger["deadLetters"], json!({"total": 1, "sequences": [start + 3]}));
    assert_eq!(ledger["skipped"], json!({"total": 0, "items": []}));
    let present = json!([{"revision": 1, "on": true, "madeAt": ManualClock::START, "first": start + 1, "last": last}]);
    assert_eq!(ledger["revisions"], json!({"total": 1, "items": present}));
    assert_eq!(ledger["_links"]["parent"]["href"], json!(path));
    assert_eq!(ledger.get("deletedAt"), None);
}

#[tokio::test]
async fn the_ledger_outlives_the_subscription() {
    let app = TestApp::start().await;
    let path = app.create("splunk", orders(true).await).await;
    let last = ingest(&app, "1").await;
    ledger_up_to(&app, &path, last).await;
    app.admin("DELETE", &path, Value::Null).await.expect(204);
    let ledger = ledger(&app, &path, "").await;
    assert_eq!((&ledger["counts"]["delivered"], &ledger["addsUp"]), (&json!(1), &json!(true)));
    assert_eq!(ledger["deletedAt"], json!(ManualClock::START));
    app.admin("GET", &path, Value::Null).await.expect_problem(404, "not_found");
    app.admin("POST", &format!("{path}/skip-to-now"), Value::Null).await.expect_problem(404, "not_found");
}

#[tokio::test]
async fn the_ledger_of_one_that_was_never_on_has_no_counts() {
    let app = TestApp::start().await;
    let mut body = splunk();
    body["start"] = json!("beginning");
    let asked = ledger(&app, &app.create("splunk", body).await, "").await;
    assert_eq!((&asked["start"], &asked["startAsked"], asked.get("counts")), (&Value::Null, &json!(0), None));
    let plain = ledger(&app, &app.create("splunk", splunk()).await, "").await;
    assert_eq!(plain.get("startAsked"), None);
}

#[tokio::test]
async fn revisions_are_paged_by_their_numbers() {
    let app = TestApp::start().await;
    let path = app.create("splunk", splunk()).await;
    for name in ["a", "b", "c"] {
        app.admin("PATCH", &path, json!([{"op": "replace", "path": "/name", "value": name}])).await.expect(200);
    }
    let page = ledger(&app, &path, "?limit=2&afterRevision=2").await;
    let numbers: Vec<_> =
        page["revisions"]["items"].as_array().expect("a list").iter().map(|one| &one["revision"]).collect();
    assert_eq!((numbers, &page["revisions"]["total"]), (vec![&json!(3), &json!(4)], &json!(4)));
    assert_eq!(page["_links"]["self"]["href"], format!("{path}/ledger?limit=2&after=0&afterRevision=2"));
    assert_eq!(ledger(&app, &path, "?afterRevision=4").await["revisions"]["items"], json!([]));
}

#[tokio::test]
async fn only_who_may_see_deliveries_sees_the_ledger() {
    let app = TestApp::start().await;
    let path = format!("{}/ledger", app.create("splunk", splunk()).await);
    for (grant, status) in [(Grant::Writer, 200), (Grant::Reader, 200), (Grant::Ingest, 403)] {
        let token = app.token(grant).await;
        app.call(&token, "GET", &path, Value::Null).await.expect(status);
    }
    for query in ["limit=0", "limit=1001", "limit=x", "after=-1", "after=x", "afterRevision=x"] {
        app.admin("GET", &format!("{path}?{query}"), Value::Null).await.expect_problem(400, "invalid_request");
    }
    app.admin("GET", &format!("{path}?after=18446744073709551615"), Value::Null).await.expect(200);
    app.server.add_account("other").await;
    let stranger = app.server.app.token_create("other", "of a test", &Grant::Admin).await.expect("a token");
    for (method, path) in [("GET", path.clone()), ("POST", path.replace("/ledger", "/skip-to-now"))] {
        app.call(stranger.expose(), method, &path, Value::Null).await.expect_problem(404, "not_found");
        let elsewhere = path.replace("/splunk/", "/datadog/");
        app.admin(method, &elsewhere, Value::Null).await.expect_problem(404, "not_found");
    }
}

#[tokio::test]
async fn a_subscription_starts_where_it_is_asked_to() {
    let app = TestApp::start().await;
    let first = ingest(&app, "1").await;
    app.server.clock.advance(std::time::Duration::from_secs(60));
    ingest(&app, "2").await;
    let last = ingest(&app, "3").await;
    let second_at = ManualClock::START + 60_000;
    for (start, expected) in [
        (json!("beginning"), 3),
        (json!({"sequence": 0}), 3),
        (json!({"sequence": first}), 2),
        (json!({"receivedAt": second_at}), 2),
        (json!({"receivedAt": "2020-01-01T00:00:00Z"}), 3),
        (json!({"sequence": last}), 0),
        (json!("now"), 0),
        (Value::Null, 0),
    ] {
        let mut body = orders(true).await;
        body["start"] = start.clone();
        let path = app.create("splunk", body).await;
        settle(&app, &path).await;
        let ledger = ledger_up_to(&app, &path, last).await;
        assert_eq!((&ledger["counts"]["delivered"], &ledger["addsUp"]), (&json!(expected), &json!(true)), "{start}");
    }
}

#[tokio::test]
async fn an_asked_start_is_kept_until_the_subscription_is_first_on() {
    let app = TestApp::start().await;
    let first = ingest(&app, "1").await;
    ingest(&app, "2").await;
    let mut body = orders(false).await;
    body["start"] = json!({"sequence": first});
    let path = app.create("splunk", body).await;
    let last = ingest(&app, "3").await;
    switch(&app, &path, true).await;
    settle(&app, &path).await;
    let ledger = ledger_up_to(&app, &path, last).await;
    assert_eq!((&ledger["start"], &ledger["counts"]["delivered"]), (&json!(first), &json!(2)));
}

#[tokio::test]
async fn a_start_that_is_no_place_in_the_log_is_told() {
    let app = TestApp::start().await;
    let last = ingest(&app, "1").await;
    for (start, attribute) in [
        (json!({"sequence": last + 1}), "start.sequence"),
        (json!({"receivedAt": ManualClock::START + 1}), "start.receivedAt"),
        (json!({"receivedAt": "soon"}), "start.receivedAt"),
        (json!("yesterday"), "start"),
    ] {
        let mut body = splunk();
        body["start"] = start;
        let reply = app.admin("POST", "/api/v2/integrations/splunk", body).await.expect_problem(400, "invalid_request");
        assert_eq!(reply.attributes(), [attribute]);
    }
    assert_eq!(app.entries().await.len() as u64, last, "nothing was made");
}

#[tokio::test]
async fn resuming_says_how_many_wait() {
    let app = TestApp::start().await;
    let mut body = orders(true).await;
    // Nobody listens there.
    body["config"]["base-url"] = json!("http://127.0.0.1:1");
    let path = app.create("splunk", body).await;
    settle(&app, &path).await;
    switch(&app, &path, false).await;
    for name in ["1", "2", "3"] {
        ingest(&app, name).await;
    }
    // With them wait the entry that records this change and, until it is judged, the one of the pause.
    let waiting = switch(&app, &path, true).await["_delivery"]["waiting"].as_u64();
    assert!(waiting == Some(4) || waiting == Some(5), "{waiting:?}");
}

#[tokio::test]
async fn skipping_to_now_lets_go_of_what_waits_and_is_recorded() {
    let app = TestApp::start().await;
    let path = app.create("splunk", orders(true).await).await;
    ingest(&app, "1").await;
    settle(&app, &path).await;
    switch(&app, &path, false).await;
    ingest(&app, "2").await;
    let last = ingest(&app, "3").await;
    let skipped = app.admin("POST", &format!("{path}/skip-to-now"), Value::Null).await.expect(200).body;
    // The entry that records the pause is among them.
    assert_eq!(skipped, json!({"skipped": 3}));
    let record = app.last_entry().await;
    assert_eq!(record["accesses"][0]["action"], json!("updateConfiguration"));
    assert_eq!(record["titleVerb"], json!("skipped to now with the integration"));
    assert!(record["description"].as_str().is_some_and(|text| text.starts_with("3 entries ")), "{record}");

    let kept = ledger(&app, &path, "").await;
    assert_eq!(
        (&kept["counts"]["skipped"], &kept["addsUp"], &kept["position"]),
        (&json!(3), &json!(true), &json!(last))
    );
    let range = &kept["skipped"]["items"][0];
    assert_eq!((&range["first"], &range["last"]), (&json!(last - 2), &json!(last)));
    assert_eq!(range["reason"]["name"], json!("skipped_to_now"));
    assert_eq!((&range["reason"]["by"], &range["reason"]["at"]), (&record["token"], &json!(ManualClock::START)));

    app.server.clock.advance(std::time::Duration::from_millis(1));
    let again = app.admin("POST", &format!("{path}/skip-to-now"), Value::Null).await.expect(200).body;
    assert_eq!(again, json!({"skipped": 1}), "the record of the first skip came after it");
    switch(&app, &path, true).await;
    let newest = ingest(&app, "4").await;
    settle(&app, &path).await;
    let ledger = ledger_up_to(&app, &path, newest).await;
    assert_eq!(ledger["counts"]["delivered"], json!(2), "what was skipped is not delivered, what follows is");
    assert_eq!((&ledger["addsUp"], &ledger["skipped"]["total"]), (&json!(true), &json!(2)));
}

#[tokio::test]
async fn skipping_survives_a_restart_and_works_without_a_lane() {
    let app = TestApp::start().await;
    let path = app.create("splunk", orders(true).await).await;
    switch(&app, &path, false).await;
    let last = ingest(&app, "1").await;
    let app = app.restart(crate::support::Options::default()).await;
    let skipped =
        app.admin("POST", &format!("{path}/skip-to-now"), Value::Null).await.expect(200).body["skipped"].clone();
    let app = app.restart(crate::support::Options::default()).await;
    let kept = ledger(&app, &path, "").await;
    assert_eq!(
        (&kept["counts"]["skipped"], &kept["position"], &kept["addsUp"]),
        (&skipped, &json!(last), &json!(true))
    );
    switch(&app, &path, true).await;
    let newest = ingest(&app, "2").await;
    settle(&app, &path).await;
    assert_eq!(ledger_up_to(&app, &path, newest).await["counts"]["delivered"], json!(1));
}

#[tokio::test]
async fn with_nothing_to_skip_nothing_is_recorded() {
    let app = TestApp::start().await;
    let path = app.create("splunk", splunk()).await;
    let before = app.entries().await.len();
    let skipped = app.admin("POST", &format!("{path}/skip-to-now"), Value::Null).await.expect(200).body;
    assert_eq!((skipped, app.entries().await.len()), (json!({"skipped": 0}), before));
}

#[tokio::test]
async fn skipping_takes_the_action_for_the_configuration() {
    let app = TestApp::start().await;
    let path = format!("{}/skip-to-now", app.create("splunk", splunk()).await);
    for (grant, status) in [(Grant::Writer, 200), (Grant::Reader, 403), (Grant::Ingest, 403)] {
        let token = app.token(grant).await;
        app.call(&token, "POST", &path, Value::Null).await.expect(status);
    }
    for (action, status) in [("updateConfiguration", 200), ("updateOn", 403), ("viewDeliveries", 403)] {
        let statements = json!([{"effect": "allow", "resources": ["integration/*"], "actions": [action]}]);
        let token = app.policy_token(statements).await;
        app.call(&token, "POST", &path, Value::Null).await.expect(status);
    }
}
