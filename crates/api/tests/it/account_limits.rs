//! How much one account may have.

use app::{AccountLimits, testing};
use serde_json::{Value, json};

use crate::support::{Options, TestApp, datadog, splunk};

async fn limited(account_limits: AccountLimits) -> TestApp {
    let server = testing::Options { account_limits, ..testing::Options::default() };
    TestApp::with(Options { server, ..Options::default() }).await
}

/// Makes one, which is refused with this text; the log stays as it is.
async fn refused(app: &TestApp, path: &str, body: Value, told: &str) {
    let before = app.entries().await.len();
    let reply = app.admin("POST", path, body).await.expect_problem(409, "conflict");
    assert!(reply.text.contains(told), "{}", reply.text);
    assert_eq!(app.entries().await.len(), before);
}

#[tokio::test]
async fn an_account_has_a_bounded_number_of_tokens() {
    // One of them is the bootstrap token.
    let app = limited(AccountLimits { tokens: 3, ..AccountLimits::default() }).await;
    let first = app.admin("POST", "/api/v2/tokens", json!({"role": "reader", "expiry": 1})).await.expect(201).body;
    app.admin("POST", "/api/v2/tokens", json!({"role": "reader"})).await.expect(201);
    let told = "the account has 3 access tokens, as many as it may; delete one first";
    refused(&app, "/api/v2/tokens", json!({"role": "reader"}), told).await;
    assert!(app.server.app.token_create("default", "n", &app::Grant::Admin).await.is_err());
    let path = first["_links"]["self"]["href"].as_str().expect("a link");
    app.admin("DELETE", path, Value::Null).await.expect(204);
    app.admin("POST", "/api/v2/tokens", json!({"role": "reader"})).await.expect(201);
}

#[tokio::test]
async fn subscriptions_and_webhooks_share_a_bound() {
    let app = limited(AccountLimits { subscriptions: 2, ..AccountLimits::default() }).await;
    let path = app.create("splunk", splunk()).await;
    let webhook = json!({"url": "https://hook.test/a", "sign": false, "on": false});
    app.admin("POST", "/api/v2/webhooks", webhook.clone()).await.expect(200);
    let told = "the account has 2 subscriptions and webhooks, as many as it may";
    refused(&app, "/api/v2/webhooks", webhook, told).await;
    refused(&app, "/api/v2/integrations/datadog", datadog(), told).await;
    app.admin("DELETE", &path, Value::Null).await.expect(204);
    app.create("datadog", datadog()).await;
}

#[tokio::test]
async fn an_account_has_a_bounded_number_of_sources() {
    let app = limited(AccountLimits { ingest_sources: 1, ..AccountLimits::default() }).await;
    let source = json!({"kind": "launchdarkly", "name": "n"});
    app.admin("POST", "/api/v2/ingest-sources", source.clone()).await.expect(201);
    refused(&app, "/api/v2/ingest-sources", source, "the account has 1 sources, as many as it may").await;
}
