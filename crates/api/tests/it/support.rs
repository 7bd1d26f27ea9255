//! A whole server without sockets.

use std::sync::Arc;

use app::{
    DEFAULT_ACCOUNT, Grant, Statements,
    testing::{self, Server},
};
use axum::{
    body::Body,
    http::{HeaderMap, Method, Request, Response, StatusCode},
};
use domain::{Entry, Secret};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::contract;

/// The admin token of every test server.
pub(crate) const ADMIN: &str = "api-admin-of-the-tests-0001";

/// How a test server differs from the usual one.
#[derive(Clone, Default)]
pub(crate) struct Options {
    pub(crate) server: testing::Options,
    pub(crate) api: api::Settings,
}

pub(crate) struct TestApp {
    pub(crate) server: Server,
    api: api::Api,
}

/// An answer.
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    /// Null when there is no body.
    pub(crate) body: Value,
    pub(crate) text: String,
}

impl Reply {
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        self
    }

    #[track_caller]
    pub(crate) fn expect_problem(self, status: u16, code: &str) -> Self {
        let reply = self.expect(status);
        assert_eq!(reply.body["code"], code, "{}", reply.text);
        assert!(reply.body["message"].as_str().is_some_and(|message| !message.is_empty()), "{}", reply.text);
        assert!(reply.body["id"].is_string(), "{}", reply.text);
        reply
    }

    /// The attributes of the listed mistakes.
    pub(crate) fn attributes(&self) -> Vec<&str> {
        let errors = self.body["errors"].as_array().map_or(&[][..], Vec::as_slice);
        errors.iter().filter_map(|error| error["attribute"].as_str()).collect()
    }
}

impl TestApp {
    pub(crate) async fn start() -> Self {
        Self::with(Options::default()).await
    }

    pub(crate) async fn with(options: Options) -> Self {
        Self::on(Server::start(options.server).await, options.api).await
    }

    /// Stops, and starts anew on the same data.
    pub(crate) async fn restart(self, options: Options) -> Self {
        Self::on(self.server.restart(options.server).await, options.api).await
    }

    async fn on(server: Server, settings: api::Settings) -> Self {
        server.app.token_bootstrap(Some(Secret::new(ADMIN.to_owned()))).await.expect("a token");
        let api = api::Api::new(Arc::clone(&server.app), settings);
        Self { server, api }
    }

    /// A token with this grant.
    pub(crate) async fn token(&self, grant: Grant) -> String {
        let value = self.server.app.token_create(DEFAULT_ACCOUNT, "of a test", &grant).await.expect("a token");
        value.expose().to_owned()
    }

    /// A token with these statements.
    pub(crate) async fn policy_token(&self, statements: Value) -> String {
        self.token(Grant::Policy(Statements::parse(&statements).expect("is valid"))).await
    }

    /// An answer whose body is not read yet.
    pub(crate) async fn answer(&self, request: Request<Body>) -> Response<Body> {
        self.api.clone().oneshot(request).await.expect("an answer")
    }

    /// Sends a request; the answer has to be one that `/openapi.json` knows.
    pub(crate) async fn send(&self, request: Request<Body>) -> Reply {
        let (method, path) = (method_of(&request), request.uri().path().to_owned());
        let reply = self.send_unjudged(request).await;
        let contract = contract::of(async {
            let request = Request::get("/openapi.json").body(Body::empty()).expect("a request");
            self.send_unjudged(request).await.body
        });
        contract.await.check(&method, &path, reply.status.as_u16(), &reply.headers, &reply.body);
        reply
    }

    async fn send_unjudged(&self, request: Request<Body>) -> Reply {
        let is_export = request.uri().path() == "/api/v2/auditlog/export";
        let is_json = !is_export && request.uri().path() != "/metrics";
        let (parts, body) = self.answer(request).await.into_parts();
        let bytes = body.collect().await.expect("a body").to_bytes();
        let text = String::from_utf8(bytes.to_vec()).expect("is text");
        assert_eq!(parts.headers.get("content-type").is_some(), !text.is_empty() || is_export);
        let is_plain = !is_json && parts.status.is_success();
        let has_json = !text.is_empty() && !is_plain;
        if has_json {
            assert_eq!(parts.headers["content-type"], "application/json");
        }
        let body = if has_json { serde_json::from_str(&text).expect("is JSON") } else { Value::Null };
        assert!(parts.headers.contains_key("x-request-id"));
        Reply { status: parts.status, headers: parts.headers, body, text }
    }

    /// A request with a token; a null body is left out.
    pub(crate) async fn call(&self, token: &str, method: &str, path: &str, body: Value) -> Reply {
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        let request = Request::builder().method(method).uri(path).header("authorization", token);
        let body = if body.is_null() { Body::empty() } else { Body::from(body.to_string()) };
        self.send(request.header("content-type", "application/json").body(body).expect("a request")).await
    }

    pub(crate) async fn admin(&self, method: &str, path: &str, body: Value) -> Reply {
        self.call(ADMIN, method, path, body).await
    }

    /// Makes a subscription and returns its path.
    pub(crate) async fn create(&self, key: &str, body: Value) -> String {
        let reply = self.admin("POST", &format!("/api/v2/integrations/{key}"), body).await.expect(201);
        reply.body["_links"]["self"]["href"].as_str().expect("a link").to_owned()
    }

    /// An ingest request with further headers.
    pub(crate) async fn ingest(&self, path: &str, headers: &[(&str, &str)], body: impl Into<Body>) -> Reply {
        let mut request = Request::post(path).header("authorization", ADMIN);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(body.into()).expect("a request")).await
    }

    /// All entries of the log of the account `default`.
    pub(crate) async fn entries(&self) -> Vec<Arc<Entry>> {
        self.server.entries().await
    }

    /// The newest entry as JSON.
    pub(crate) async fn last_entry(&self) -> Value {
        let entries = self.entries().await;
        serde_json::from_slice(&entries.last().expect("an entry").bytes).expect("is JSON")
    }
}

/// The method that is meant.
fn method_of(request: &Request<Body>) -> Method {
    let instead = request.headers().get("x-http-method-override").and_then(|name| name.to_str().ok());
    let instead = [Method::PATCH, Method::PUT, Method::DELETE].into_iter().find(|method| {
        request.method() == Method::POST && instead.is_some_and(|name| name.eq_ignore_ascii_case(method.as_str()))
    });
    instead.unwrap_or_else(|| request.method().clone())
}

/// A body that makes a subscription to Splunk, off.
pub(crate) fn splunk() -> Value {
    json!({
        "name": "SIEM",
        "config": {"base-url": "https://splunk.test:8088", "token": "canary-token-9a9a", "skip-ca-verification": false},
    })
}

/// A body that makes a subscription to Datadog, off.
pub(crate) fn datadog() -> Value {
    json!({
        "name": "Production flag changes",
        "on": false,
        "tags": ["ops"],
        "config": {"apiKey": "canary-key-1f2e", "hostURL": "https://api.datadoghq.eu"},
        "statements": [{"effect": "allow", "resources": ["proj/*:env/production:flag/*"], "actions": ["*"]}],
    })
}

/// Looks again and again until it is so.
pub(crate) async fn until(what: &str, is_so: impl AsyncFn() -> bool) {
    let look = async {
        while !is_so().await {
            tokio::task::yield_now().await;
        }
    };
    let patience = std::time::Duration::from_secs(30);
    assert!(tokio::time::timeout(patience, look).await.is_ok(), "never: {what}");
}
