//! A whole server without sockets.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use app::{App, DEFAULT_ACCOUNT, Grant, Parts};
use axum::{
    Router,
    body::Body,
    http::{HeaderMap, Method, Request, StatusCode},
};
use delivery::{
    Engine, EngineSettings,
    client::{AddressGuard, Client, ClientSettings, ConnectTo},
    decide::Schedule,
};
use domain::{Clock, Entry, MasterKey, Secret, Sequence, Timestamp};
use http_body_util::BodyExt;
use integrations::Catalogue;
use serde_json::{Value, json};
use store::{Store, StoreOptions};
use tempfile::TempDir;
use tower::ServiceExt;

/// The admin token of every test server.
pub(crate) const ADMIN: &str = "api-admin-of-the-tests-0001";
/// The name by which the server knows its own deliveries.
pub(crate) const INSTANCE: &str = "test-instance";
/// What the clock says at first.
pub(crate) const NOW: i64 = 1_790_000_000_000;

/// A clock that only tests move.
#[derive(Default)]
pub(crate) struct FakeClock(AtomicI64);

impl FakeClock {
    pub(crate) fn advance(&self, duration: Duration) {
        let millis = i64::try_from(duration.as_millis()).expect("is short");
        self.0.fetch_add(millis, Ordering::SeqCst);
    }
}

impl Clock for FakeClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(NOW + self.0.load(Ordering::SeqCst))
    }

    fn monotonic(&self) -> Duration {
        Duration::from_millis(self.0.load(Ordering::SeqCst).unsigned_abs())
    }
}

/// How a test server differs from the usual one.
#[derive(Clone)]
pub(crate) struct Options {
    pub(crate) master: [u8; 32],
    pub(crate) store: StoreOptions,
    pub(crate) app: app::Settings,
    pub(crate) api: api::Settings,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            master: [7; 32],
            store: StoreOptions { disk_free_min_bytes: 0, ..StoreOptions::default() },
            app: app::Settings::new(INSTANCE),
            api: api::Settings::default(),
        }
    }
}

pub(crate) struct TestApp {
    pub(crate) app: Arc<App>,
    pub(crate) store: Store,
    pub(crate) clock: Arc<FakeClock>,
    pub(crate) engine: Engine,
    router: Router,
    directory: TempDir,
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
        Self::on(tempfile::tempdir().expect("a directory"), options).await
    }

    /// Stops, and starts anew on the same data.
    pub(crate) async fn restart(self, options: Options) -> Self {
        self.engine.stop(Duration::from_secs(1)).await;
        self.store.close().await;
        Self::on(self.directory, options).await
    }

    async fn on(directory: TempDir, options: Options) -> Self {
        let clock = Arc::new(FakeClock::default());
        let dyn_clock: Arc<dyn Clock> = clock.clone();
        let store = Store::open(directory.path(), options.store, Arc::clone(&dyn_clock)).expect("opens");
        let keyring = Arc::new(store.keyring(Some(MasterKey::from_bytes(options.master))));
        let catalogue = Arc::new(Catalogue::builtin().expect("loads"));
        let client = Client::new(
            ClientSettings {
                connect_to: ConnectTo::default(),
                extra_roots: Vec::new(),
                connect_timeout: Duration::from_secs(1),
                tls_timeout: Duration::from_secs(1),
                first_byte_timeout: Duration::from_secs(1),
                request_timeout: Duration::from_secs(1),
                user_agent: "test".to_owned(),
                via: INSTANCE.to_owned(),
            },
            AddressGuard::allowing(vec!["127.0.0.0/8".parse().expect("a range")]),
            Arc::clone(&dyn_clock),
        )
        .expect("a client");
        let account = store.account_ensure(DEFAULT_ACCOUNT, keyring.master()).await.expect("an account");
        let settings = EngineSettings {
            schedule: Schedule::default(),
            window_max: 1,
            permits: 8,
            public_url: "https://audit.test".to_owned(),
            default_account: Some(account.id),
        };
        let engine = Engine::new(
            store.clone(),
            Arc::clone(&catalogue),
            Arc::clone(&keyring) as Arc<dyn domain::Keys>,
            client,
            Arc::clone(&dyn_clock),
            settings,
        );
        let parts = Parts {
            store: store.clone(),
            catalogue,
            keyring,
            engine: engine.clone(),
            clock: dyn_clock,
            settings: options.app,
        };
        let app = App::new(parts);
        app.token_bootstrap(Some(Secret::new(ADMIN.to_owned()))).await.expect("a token");
        engine.start().await.expect("starts");
        let router = api::router(Arc::clone(&app), options.api);
        Self { app, store, clock, engine, router, directory }
    }

    /// A token with this grant.
    pub(crate) async fn token(&self, grant: Grant) -> String {
        let value = self.app.token_create(DEFAULT_ACCOUNT, "of a test", &grant).await.expect("a token");
        value.expose().to_owned()
    }

    /// A token with these statements.
    pub(crate) async fn policy_token(&self, statements: Value) -> String {
        self.token(Grant::Policy(policy::Policy::parse(&statements).expect("is valid"))).await
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Reply {
        let response = self.router.clone().oneshot(request).await.expect("an answer");
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.expect("a body").to_bytes();
        let text = String::from_utf8(bytes.to_vec()).expect("is text");
        let body = if text.is_empty() { Value::Null } else { serde_json::from_str(&text).expect("is JSON") };
        assert_eq!(parts.headers.get("content-type").is_some(), !text.is_empty());
        if !text.is_empty() {
            assert_eq!(parts.headers["content-type"], "application/json");
        }
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
        let account = self.store.account_by_name(DEFAULT_ACCOUNT).await.expect("reads").expect("is there");
        self.store.entry_page(account.id, Sequence(0), 1_000, usize::MAX).await.expect("reads")
    }

    /// The newest entry as JSON.
    pub(crate) async fn last_entry(&self) -> Value {
        let entries = self.entries().await;
        serde_json::from_slice(&entries.last().expect("an entry").bytes).expect("is JSON")
    }
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
