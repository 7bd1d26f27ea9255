//! The REST API: JSON over HTTP, and the only place that knows status codes.
//!
//! A handler takes a request apart, calls one use case, and maps what comes back. Deliberately
//! absent: rules, SQL, listening on sockets, TLS, time limits of connections.

mod authenticate;
mod body;
mod cors;
mod finish;
mod method_override;
mod openapi;
mod problem;
mod query;
mod rate;
mod representation;
mod routes;

use std::{
    convert::Infallible,
    panic::AssertUnwindSafe,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use app::App;
use axum::{
    Router,
    extract::{MatchedPath, Request},
    handler::Handler,
    http::Method,
    middleware::{Next, from_fn, from_fn_with_state},
    response::Response,
    routing::{MethodFilter, on},
};
use domain::{AccountId, Clock};
use futures_util::FutureExt;
use tokio::sync::Semaphore;
use tower::{Service, ServiceExt};

use rate::Rates;
pub use rate::{RATE_WINDOW, RateLimits};

use routes::{
    account_create, account_get, account_list, account_resume, account_retention_get, account_retention_update,
    account_suspend, account_token_create, account_update,
};
use routes::{attempt_list, caller_identity, member_list, openapi_get, role_get};
use routes::{cloud_events_ingest, launchdarkly_ingest, logs_ingest};
use routes::{
    dead_letter_list, entries_ingest, health, integration_health, ledger_get, metrics, skip_to_now,
    subscription_create, subscription_delete, subscription_get,
};
use routes::{dead_letter_redeliver, replay_create, replay_get, replay_list, replay_stop};
use routes::{entry_count, entry_export, entry_get, entry_list, entry_search};
use routes::{ingest_source_create, ingest_source_delete, ingest_source_list};
use routes::{integration_list, integration_manifest_list, integration_preview};
use routes::{subscription_list, subscription_test, subscription_update};
use routes::{token_create, token_delete, token_get, token_list, token_reset, token_update};
use routes::{webhook_create, webhook_delete, webhook_get, webhook_list, webhook_update};

/// Limits of the API.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The largest body of a request that is no ingest, in bytes.
    pub body_max_bytes: usize,
    /// How many of the largest ingest bodies may be in memory at a time; of smaller ones more.
    pub ingest_bodies_max: usize,
    /// How many requests are let in.
    pub rates: RateLimits,
}

impl Default for Settings {
    fn default() -> Self {
        Self { body_max_bytes: 1024 * 1024, ingest_bodies_max: 8, rates: RateLimits::default() }
    }
}

/// What handlers share.
struct Shared {
    app: Arc<App>,
    settings: Settings,
    /// One permit for each byte of an ingest body that may be in memory.
    buffers: Arc<Semaphore>,
    rates: Rates,
}

/// The API, ready to be served.
///
/// It is a service of our own around the routes, where layers would be the usual way: each layer takes
/// memory and moves the request once more, which an ingested entry feels.
#[derive(Clone)]
pub struct Api {
    routes: Router,
    clock: Arc<dyn Clock>,
}

impl Api {
    /// The routes of `app` within these limits.
    pub fn new(app: Arc<App>, settings: Settings) -> Self {
        let bytes = settings.ingest_bodies_max.saturating_mul(app.settings().ingest_body_max_bytes);
        let permits = bytes.min(Semaphore::MAX_PERMITS);
        let clock = Arc::clone(app.clock());
        let (rates, buffers) = (Rates::new(settings.rates), Arc::new(Semaphore::new(permits)));
        let shared = Arc::new(Shared { app, settings, buffers, rates });
        let Listed { router: guarded, .. } = guarded();
        let guarded = guarded.route_layer(from_fn_with_state(Arc::clone(&shared), authenticate::require_token));
        let Listed { router: open, .. } = open();
        let open = open.route_layer(from_fn(note_route));
        Self { routes: guarded.merge(open).with_state(shared), clock }
    }

    /// What the routes answer, known or not, and when they panic.
    async fn routed(routes: Router, request: Request) -> Response {
        match AssertUnwindSafe(routes.oneshot(request)).catch_unwind().await {
            Ok(Ok(response)) => response,
            Ok(Err(never)) => match never {},
            Err(panic) => problem::of_panic(panic),
        }
    }
}

impl Service<Request> for Api {
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let Self { routes, clock } = self.clone();
        Box::pin(async move { Ok(finish::answer(request, routes, &*clock).await) })
    }
}

/// Every method and path that is served. Those with `needs_token` answer 401 without one.
pub fn routes() -> Vec<ServedRoute> {
    let of = |listed: Listed, needs_token: bool| {
        listed.list.into_iter().map(move |(method, path)| ServedRoute { method, path, needs_token })
    };
    of(guarded(), true).chain(of(open(), false)).collect()
}

/// A method and path that is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServedRoute {
    /// The method.
    pub method: Method,
    /// The path, with parameters in braces.
    pub path: &'static str,
    /// Whether it takes a token.
    pub needs_token: bool,
}

/// What takes a token.
fn guarded() -> Listed {
    Listed::default()
        .post("/api/v2/integrations/{key}", subscription_create::handle)
        .get("/api/v2/integrations/{key}", subscription_list::handle)
        .get("/api/v2/integrations/{key}/{id}", subscription_get::handle)
        .patch("/api/v2/integrations/{key}/{id}", subscription_update::handle)
        .delete("/api/v2/integrations/{key}/{id}", subscription_delete::handle)
        .get("/api/v2/integrations/{key}/{id}/attempts", attempt_list::handle)
        .get("/api/v2/integrations/{key}/{id}/dead-letters", dead_letter_list::handle)
        .post("/api/v2/integrations/{key}/{id}/dead-letters/redeliver", dead_letter_redeliver::handle)
        .post("/api/v2/integrations/{key}/{id}/replays", replay_create::handle)
        .get("/api/v2/integrations/{key}/{id}/replays", replay_list::handle)
        .get("/api/v2/integrations/{key}/{id}/replays/{replay}", replay_get::handle)
        .delete("/api/v2/integrations/{key}/{id}/replays/{replay}", replay_stop::handle)
        .get("/api/v2/integrations/{key}/{id}/ledger", ledger_get::handle)
        .post("/api/v2/integrations/{key}/{id}/skip-to-now", skip_to_now::handle)
        .post("/api/v2/integrations/{key}/{id}/test", subscription_test::handle)
        .get("/api/v2/integration-health", integration_health::handle)
        .post("/api/v2/webhooks", webhook_create::handle)
        .get("/api/v2/webhooks", webhook_list::handle)
        .get("/api/v2/webhooks/{id}", webhook_get::handle)
        .patch("/api/v2/webhooks/{id}", webhook_update::handle)
        .delete("/api/v2/webhooks/{id}", webhook_delete::handle)
        .get("/api/v2/webhooks/{id}/attempts", attempt_list::handle)
        .get("/api/v2/webhooks/{id}/dead-letters", dead_letter_list::handle)
        .post("/api/v2/webhooks/{id}/dead-letters/redeliver", dead_letter_redeliver::handle)
        .post("/api/v2/webhooks/{id}/replays", replay_create::handle)
        .get("/api/v2/webhooks/{id}/replays", replay_list::handle)
        .get("/api/v2/webhooks/{id}/replays/{replay}", replay_get::handle)
        .delete("/api/v2/webhooks/{id}/replays/{replay}", replay_stop::handle)
        .get("/api/v2/webhooks/{id}/ledger", ledger_get::handle)
        .post("/api/v2/webhooks/{id}/skip-to-now", skip_to_now::handle)
        .post("/api/v2/webhooks/{id}/test", subscription_test::handle)
        .get("/api/v2/integrations", integration_list::handle)
        .get("/api/v2/integration-manifests", integration_manifest_list::handle)
        .post("/api/v2/integration-preview/{key}", integration_preview::handle)
        .post("/api/v2/tokens", token_create::handle)
        .get("/api/v2/tokens", token_list::handle)
        .get("/api/v2/tokens/{id}", token_get::handle)
        .patch("/api/v2/tokens/{id}", token_update::handle)
        .delete("/api/v2/tokens/{id}", token_delete::handle)
        .post("/api/v2/tokens/{id}/reset", token_reset::handle)
        .get("/api/v2/caller-identity", caller_identity::handle)
        .get("/api/v2/members", member_list::handle)
        .get("/api/v2/roles/{id}", role_get::handle)
        .get("/api/v2/auditlog", entry_list::handle)
        .post("/api/v2/auditlog", entry_search::handle)
        .post("/api/v2/auditlog/counts", entry_count::handle)
        .get("/api/v2/auditlog/export", entry_export::handle)
        .get("/api/v2/auditlog/{id}", entry_get::handle)
        .post("/api/v2/ingest-sources", ingest_source_create::handle)
        .get("/api/v2/ingest-sources", ingest_source_list::handle)
        .delete("/api/v2/ingest-sources/{id}", ingest_source_delete::handle)
        .post("/api/v2/accounts", account_create::handle)
        .get("/api/v2/accounts", account_list::handle)
        .get("/api/v2/accounts/{account}", account_get::handle)
        .patch("/api/v2/accounts/{account}", account_update::handle)
        .post("/api/v2/accounts/{account}/suspend", account_suspend::handle)
        .post("/api/v2/accounts/{account}/resume", account_resume::handle)
        .get("/api/v2/accounts/{account}/retention", account_retention_get::handle)
        .patch("/api/v2/accounts/{account}/retention", account_retention_update::handle)
        .post("/api/v2/accounts/{account}/tokens", account_token_create::handle)
        .get("/metrics", metrics::handle)
        .post("/ingest/entries", entries_ingest::handle)
        .post("/ingest/cloudevents", cloud_events_ingest::handle)
        .post("/v1/logs", logs_ingest::handle)
}

/// What anybody may ask.
fn open() -> Listed {
    Listed::default()
        .get("/healthz", health::alive)
        .get("/readyz", health::ready)
        .get("/openapi.json", openapi_get::handle)
        .post("/ingest/launchdarkly/{source}", launchdarkly_ingest::handle)
}

/// Routes, and the list of them, so that no test has to name them and can forget one.
#[derive(Default)]
struct Listed {
    router: Router<Arc<Shared>>,
    list: Vec<(Method, &'static str)>,
}

impl Listed {
    fn on<T: 'static>(mut self, method: Method, path: &'static str, handler: impl Handler<T, Arc<Shared>>) -> Self {
        let filter =
            MethodFilter::try_from(method.clone()).expect("only methods with a filter of their own are listed");
        self.router = self.router.route(path, on(filter, handler));
        self.list.push((method, path));
        self
    }

    fn get<T: 'static>(self, path: &'static str, handler: impl Handler<T, Arc<Shared>>) -> Self {
        self.on(Method::GET, path, handler)
    }

    fn post<T: 'static>(self, path: &'static str, handler: impl Handler<T, Arc<Shared>>) -> Self {
        self.on(Method::POST, path, handler)
    }

    fn patch<T: 'static>(self, path: &'static str, handler: impl Handler<T, Arc<Shared>>) -> Self {
        self.on(Method::PATCH, path, handler)
    }

    fn delete<T: 'static>(self, path: &'static str, handler: impl Handler<T, Arc<Shared>>) -> Self {
        self.on(Method::DELETE, path, handler)
    }
}

/// Which route answered, by its pattern, and for whom; for the log.
#[derive(Clone)]
struct Answered {
    route: MatchedPath,
    account: Option<AccountId>,
}

async fn note_route(route: MatchedPath, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    response.extensions_mut().insert(Answered { route, account: None });
    response
}

#[cfg(test)]
mod tests;
