//! Limits of requests, per token and per address.

use std::{net::SocketAddr, num::NonZeroU32, time::Duration};

use api::RateLimits;
use app::Grant;
use axum::{body::Body, extract::ConnectInfo, http::Request};
use serde_json::{Value, json};

use crate::support::{ADMIN, Options, Reply, TestApp};

const PATH: &str = "/api/v2/caller-identity";

async fn app_with(rates: RateLimits) -> TestApp {
    TestApp::with(Options { api: api::Settings { rates, ..api::Settings::default() }, ..Options::default() }).await
}

fn most(number: u32) -> Option<NonZeroU32> {
    NonZeroU32::new(number)
}

/// A request from this address, to the server itself or to ingest.
async fn from(app: &TestApp, address: &str, token: &str, path: &str) -> Reply {
    let peer: SocketAddr = format!("{address}:1234").parse().expect("is an address");
    let is_ingest = path.starts_with("/ingest");
    let request = Request::builder().method(if is_ingest { "POST" } else { "GET" }).uri(path);
    let body = if is_ingest { json!({"action": "a", "resource": "acct"}).to_string() } else { String::new() };
    let request = request.header("authorization", token).extension(ConnectInfo(peer));
    app.send(request.body(Body::from(body)).expect("a request")).await
}

fn number(reply: &Reply, name: &str) -> Option<i64> {
    reply.headers.get(name).and_then(|value| value.to_str().ok()?.parse().ok())
}

#[tokio::test]
async fn a_token_has_so_many_requests_in_each_window_and_is_told() {
    let app = app_with(RateLimits { token: most(2), ..RateLimits::default() }).await;
    let other = app.token(Grant::Reader).await;
    let now = 1_790_000_000_000_i64;
    app.server.clock.advance(Duration::from_secs(4));
    for remaining in [1, 0] {
        let reply = app.admin("GET", PATH, Value::Null).await.expect(200);
        assert_eq!(number(&reply, "x-ratelimit-auth-token-limit"), Some(2));
        assert_eq!(number(&reply, "x-ratelimit-auth-token-remaining"), Some(remaining));
        assert_eq!(number(&reply, "x-ratelimit-reset"), Some(now + 10_000));
    }
    let refused = app.admin("DELETE", "/api/v2/tokens/x", Value::Null).await.expect_problem(429, "rate_limited");
    assert_eq!(number(&refused, "x-ratelimit-auth-token-remaining"), Some(0));
    assert_eq!((number(&refused, "x-ratelimit-reset"), number(&refused, "retry-after")), (Some(now + 10_000), Some(6)));
    app.call(&other, "GET", PATH, Value::Null).await.expect(200);
    let entry = json!({"action": "a", "resource": "acct"}).to_string();
    app.ingest("/ingest/entries", &[], entry).await.expect(202);
    app.server.clock.advance(Duration::from_secs(6));
    app.admin("GET", PATH, Value::Null).await.expect(200);
}

#[tokio::test]
async fn an_address_has_so_many_requests_whatever_its_tokens() {
    let app = app_with(RateLimits { address: most(2), ..RateLimits::default() }).await;
    for token in ["guess-1", ADMIN] {
        from(&app, "192.0.2.7", token, PATH).await;
    }
    let refused = from(&app, "192.0.2.7", ADMIN, PATH).await.expect_problem(429, "rate_limited");
    assert_eq!(number(&refused, "retry-after"), Some(10));
    assert!(number(&refused, "x-ratelimit-reset").is_some());
    from(&app, "192.0.2.8", ADMIN, PATH).await.expect(200);
    // Of an IPv6 network each address counts as one.
    for host in 1..=2 {
        from(&app, &format!("[2001:db8::{host}]"), ADMIN, PATH).await.expect(200);
    }
    from(&app, "[2001:db8::3]", ADMIN, PATH).await.expect_problem(429, "rate_limited");
    // Producers go on, and those who guess tokens there do not.
    for _ in 0..3 {
        from(&app, "192.0.2.7", ADMIN, "/ingest/entries").await.expect(202);
    }
    from(&app, "192.0.2.7", "guess-2", "/ingest/entries").await.expect_problem(429, "rate_limited");
    app.server.clock.advance(Duration::from_secs(10));
    from(&app, "192.0.2.7", "guess-3", "/ingest/entries").await.expect_problem(401, "unauthorized");
}

#[tokio::test]
async fn ingest_has_a_limit_of_its_own_where_one_is_set() {
    let app = app_with(RateLimits { ingest: most(1), ..RateLimits::default() }).await;
    let entry = || json!({"action": "a", "resource": "acct"}).to_string();
    let first = app.ingest("/ingest/entries", &[], entry()).await.expect(202);
    assert_eq!(number(&first, "x-ratelimit-auth-token-remaining"), Some(0));
    app.ingest("/ingest/entries", &[], entry()).await.expect_problem(429, "rate_limited");
    let unlimited = app.admin("GET", PATH, Value::Null).await.expect(200);
    assert_eq!(unlimited.headers.get("x-ratelimit-auth-token-limit"), None);
}

#[tokio::test]
async fn logs_count_as_ingest_and_refusals_are_in_the_form_of_the_request() {
    let app = app_with(RateLimits { ingest: most(1), token: most(9), ..RateLimits::default() }).await;
    let json = [("content-type", "application/json")];
    let first = app.ingest("/v1/logs", &json, "{}").await.expect(200);
    assert_eq!(number(&first, "x-ratelimit-auth-token-limit"), Some(1));
    let refused = app.ingest("/v1/logs", &json, "{}").await.expect_problem(429, "rate_limited");
    assert_eq!(number(&refused, "retry-after"), Some(10));
    // One limit for all ways in.
    let entry = json!({"action": "a", "resource": "acct"}).to_string();
    app.ingest("/ingest/entries", &[], entry).await.expect_problem(429, "rate_limited");
    app.server.clock.advance(Duration::from_secs(10));
    app.ingest("/v1/logs", &json, "{}").await.expect(200);
}
