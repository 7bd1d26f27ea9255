//! The figures of the server: what they tell, to whom, and what never stands in them.

use std::time::Duration;

use app::Grant;
use axum::{Router, http::StatusCode, routing::post};
use serde_json::{Value, json};

use crate::support::{ADMIN, Options, TestApp, until};

/// A collector that refuses the token `wrong-canary-token`.
async fn collector() -> String {
    let collect = async |headers: axum::http::HeaderMap| {
        let is_wrong = headers["authorization"].to_str().unwrap_or_default().contains("wrong");
        let status = if is_wrong { StatusCode::FORBIDDEN } else { StatusCode::OK };
        (status, axum::Json(json!({"text": "Success", "code": 0})))
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("listens");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let router = Router::new().route("/services/collector/event", post(collect));
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}

/// A subscription that is on; its id.
async fn subscribe(app: &TestApp, url: &str, token: &str) -> String {
    let body = json!({
        "name": "canary-name", "on": true,
        "config": {"base-url": url, "token": token, "skip-ca-verification": false},
        "statements": [{"effect": "allow", "resources": ["order/*"], "actions": ["*"]}],
    });
    id_of(&app.create("splunk", body).await)
}

/// The last part of a subscription's path.
fn id_of(path: &str) -> String {
    path.rsplit('/').next().unwrap_or_default().to_owned()
}

async fn metrics(app: &TestApp) -> String {
    app.admin("GET", "/metrics", Value::Null).await.expect(200).text
}

/// The value of a sample, which is named with its labels.
#[track_caller]
fn value(text: &str, sample: &str) -> f64 {
    let line = text.lines().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {sample} in {text}")).parse().expect("a number")
}

#[tokio::test]
async fn the_figures_tell_what_came_and_what_became_of_it() {
    let app = TestApp::start().await;
    let url = collector().await;
    subscribe(&app, &url, "right-canary-token").await;
    subscribe(&app, &url, "wrong-canary-token").await;
    app.create("splunk", crate::support::splunk()).await;
    let before = metrics(&app).await;
    let entry = json!({"_id": "a", "action": "pay", "resource": "order/canary-entry"}).to_string();
    for status in [202, 202] {
        app.ingest("/ingest/entries", &[], entry.clone()).await.expect(status);
    }
    app.ingest("/ingest/entries", &[], "{}").await.expect(400);
    let settled = async || {
        let text = metrics(&app).await;
        value(&text, r#"auditcast_subscriptions{integration="splunk",state="suspended"}"#) > 0.0
            && text.contains(r#"auditcast_delivery_entries_total{integration="splunk",outcome="delivered"} 1"#)
            && text.contains(r#"auditcast_delivery_failures_total{integration="splunk"} 1"#)
    };
    until("one delivered and the other was suspended", settled).await;
    app.server.clock.advance(Duration::from_secs(9));
    app.server.index(usize::MAX).await;
    let text = metrics(&app).await;
    for (sample, expected) in [
        (r#"auditcast_ingest_entries_total{result="accepted"}"#, 1.0),
        (r#"auditcast_ingest_entries_total{result="duplicate"}"#, 1.0),
        (r#"auditcast_ingest_refused_total{reason="invalid"}"#, 1.0),
        (r#"auditcast_ingest_refused_total{reason="busy"}"#, 0.0),
        ("auditcast_store_queue_bytes", 0.0),
        ("auditcast_unindexed_entries", 0.0),
        ("auditcast_permits", 8.0),
        ("auditcast_permits_in_use", 0.0),
        ("auditcast_request_duration_seconds_count", 2.0),
        (r#"auditcast_lag_entries{integration="splunk"}"#, 1.0),
        (r#"auditcast_oldest_unsettled_seconds{integration="splunk"}"#, 9.0),
        (r#"auditcast_subscriptions{integration="splunk",state="flowing"}"#, 1.0),
        (r#"auditcast_subscriptions{integration="splunk",state="suspended"}"#, 1.0),
        (r#"auditcast_subscriptions{integration="splunk",state="holding"}"#, 0.0),
        (r#"auditcast_subscriptions{integration="splunk",state="neverOn"}"#, 1.0),
        (r#"auditcast_subscriptions{integration="splunk",state="paused"}"#, 0.0),
        (r#"auditcast_attempts_total{integration="splunk",outcome="accepted"}"#, 1.0),
        (r#"auditcast_attempts_total{integration="splunk",outcome="misconfigured"}"#, 1.0),
        (r#"auditcast_attempts_total{integration="splunk",outcome="throttled"}"#, 0.0),
        (r#"auditcast_attempts_unrecorded_total{integration="splunk"}"#, 0.0),
        (r#"auditcast_attempt_duration_seconds_bucket{integration="splunk",le="0.05"}"#, 2.0),
        (r#"auditcast_attempt_duration_seconds_bucket{integration="splunk",le="60"}"#, 2.0),
        (r#"auditcast_attempt_duration_seconds_bucket{integration="splunk",le="+Inf"}"#, 2.0),
        (r#"auditcast_attempt_duration_seconds_count{integration="splunk"}"#, 2.0),
        (r#"auditcast_attempt_duration_seconds_sum{integration="splunk"}"#, 0.0),
        ("auditcast_subscriptions_left_out", 0.0),
    ] {
        assert_eq!(value(&text, sample), expected, "{sample}");
    }
    let entries = |text: &str| value(text, "auditcast_store_entries_total");
    assert_eq!(entries(&text) - entries(&before), 1.0);
    assert!(value(&text, "auditcast_store_commits_total") > value(&before, "auditcast_store_commits_total"));
    assert!(value(&text, "auditcast_store_wal_bytes") > 0.0);
    assert!(value(&text, "process_resident_memory_bytes") > 0.0);
    assert!(value(&text, "process_cpu_seconds_total") >= 0.0);
}

#[tokio::test]
async fn the_worst_subscriptions_are_told_one_by_one_and_the_others_counted() {
    let mut options = crate::support::Options::default();
    options.server.settings.metrics_subscriptions_max = 2;
    let app = TestApp::with(options).await;
    let url = collector().await;
    let right = subscribe(&app, &url, "right-canary-token").await;
    let also_right = subscribe(&app, &url, "right-canary-token").await;
    let wrong = subscribe(&app, &url, "wrong-canary-token").await;
    let off = id_of(&app.create("splunk", crate::support::splunk()).await);
    let entry = json!({"action": "pay", "resource": "order/canary-entry"}).to_string();
    app.ingest("/ingest/entries", &[], entry).await.expect(202);
    let state = |id: &str, state: &str| {
        format!(r#"auditcast_subscription_state{{integration="splunk",subscription="{id}",state="{state}"}}"#)
    };
    let settled = async || {
        let text = metrics(&app).await;
        text.contains(&state(&wrong, "suspended"))
            && text.contains(r#"auditcast_delivery_entries_total{integration="splunk",outcome="delivered"} 2"#)
    };
    until("two delivered and the other was suspended", settled).await;
    app.server.clock.advance(Duration::from_secs(9));
    let text = metrics(&app).await;
    let of = |family: &str, id: &str| {
        value(&text, &format!(r#"auditcast_subscription_{family}{{integration="splunk",subscription="{id}"}}"#))
    };
    assert_eq!(value(&text, &state(&wrong, "suspended")), 1.0);
    assert_eq!((of("lag_entries", &wrong), of("oldest_unsettled_seconds", &wrong)), (1.0, 9.0));
    let flowing = if text.contains(&state(&right, "flowing")) { &right } else { &also_right };
    assert_eq!(value(&text, &state(flowing, "flowing")), 1.0);
    assert_eq!((of("lag_entries", flowing), of("oldest_unsettled_seconds", flowing)), (0.0, 0.0));
    assert_eq!(text.matches("auditcast_subscription_state{").count(), 2);
    assert_eq!(value(&text, "auditcast_subscriptions_left_out"), 1.0);
    assert!(!text.contains(&off), "{text}");
}

#[tokio::test]
async fn every_figure_is_declared_and_none_names_accounts_or_secrets() {
    let app = TestApp::start().await;
    let url = collector().await;
    subscribe(&app, &url, "right-canary-token").await;
    let reply = app.admin("GET", "/metrics", Value::Null).await.expect(200);
    assert_eq!(reply.headers["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    let mut declared = "";
    for line in reply.text.lines() {
        match line.strip_prefix("# TYPE ") {
            Some(family) => declared = family.split(' ').next().expect("a name"),
            None => assert!(line.starts_with("# HELP ") || line.starts_with(declared), "{line} under {declared}"),
        }
    }
    let account = app.entries().await[0].account.to_string();
    for hidden in [account.as_str(), "canary", ADMIN, "127.0.0.1", "default"] {
        assert!(!reply.text.contains(hidden), "{hidden} stands in {}", reply.text);
    }
}

#[tokio::test]
async fn only_admins_and_tokens_made_for_it_see_the_figures() {
    let app = TestApp::start().await;
    for (grant, status) in [(Grant::Admin, 200), (Grant::Writer, 403), (Grant::Reader, 403), (Grant::Ingest, 403)] {
        let token = app.token(grant).await;
        app.call(&token, "GET", "/metrics", Value::Null).await.expect(status);
    }
    let only = json!([{"effect": "allow", "resources": ["acct"], "actions": ["viewMetrics"]}]);
    let token = app.policy_token(only).await;
    app.call(&token, "GET", "/metrics", Value::Null).await.expect(200);
    // The figures tell of all accounts together.
    app.server.add_account("other").await;
    let other = app.server.app.token_create("other", "of a test", &Grant::Admin).await.expect("a token");
    app.call(other.expose(), "GET", "/metrics", Value::Null).await.expect_problem(403, "forbidden");
    app.call("nobody", "GET", "/metrics", Value::Null).await.expect_problem(401, "unauthorized");
}

#[tokio::test]
async fn requests_beyond_a_limit_are_counted_by_the_limit() {
    let most = |number| std::num::NonZeroU32::new(number);
    let rates = api::RateLimits { token: most(2), ingest: most(1), address: None };
    let settings = api::Settings { rates, ..api::Settings::default() };
    let app = TestApp::with(Options { api: settings, ..Options::default() }).await;
    let reader = app.token(Grant::Reader).await;
    for status in [200, 200, 429, 429] {
        app.call(&reader, "GET", "/api/v2/caller-identity", Value::Null).await.expect(status);
    }
    for status in [202, 429] {
        let entry = json!({"action": "a", "resource": "acct"}).to_string();
        app.ingest("/ingest/entries", &[], entry).await.expect(status);
    }
    let text = metrics(&app).await;
    for (limit, count) in [("token", 2.0), ("ingest", 1.0), ("address", 0.0)] {
        assert_eq!(value(&text, &format!("auditcast_rate_limited_total{{limit=\"{limit}\"}}")), count, "{limit}");
    }
}
