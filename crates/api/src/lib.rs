//! The REST API: JSON over HTTP, and the only place that knows status codes.
//!
//! A handler takes a request apart, calls one use case, and maps what comes back. Deliberately
//! absent: rules, SQL, listening on sockets, TLS, time limits of connections.

mod authenticate;
mod body;
mod cors;
mod finish;
mod method_override;
mod problem;
mod query;
mod representation;
mod routes;

use std::sync::Arc;

use app::App;
use axum::{
    Router,
    extract::{MatchedPath, Request},
    middleware::{Next, from_fn, from_fn_with_state},
    response::Response,
    routing::{get, post},
};
use domain::Clock;
use tokio::sync::Semaphore;
use tower::ServiceBuilder;
use tower_http::catch_panic::CatchPanicLayer;

use routes::attempt_list;
use routes::{
    dead_letter_list, entries_ingest, health, integration_health, ledger_get, metrics, skip_to_now,
    subscription_create, subscription_delete, subscription_get,
};
use routes::{dead_letter_redeliver, replay_create, replay_get, replay_list, replay_stop};
use routes::{subscription_list, subscription_test, subscription_update};

/// Limits of the API.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The largest body of a request that is no ingest, in bytes.
    pub body_max_bytes: usize,
    /// How many of the largest ingest bodies may be in memory at a time; of smaller ones more.
    pub ingest_bodies_max: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { body_max_bytes: 1024 * 1024, ingest_bodies_max: 8 }
    }
}

/// What handlers share.
struct Shared {
    app: Arc<App>,
    settings: Settings,
    /// One permit for each byte of an ingest body that may be in memory.
    buffers: Arc<Semaphore>,
}

/// The routes of the API, ready to be served.
pub fn router(app: Arc<App>, settings: Settings) -> Router {
    let bytes = settings.ingest_bodies_max.saturating_mul(app.settings().ingest_body_max_bytes);
    let permits = bytes.min(Semaphore::MAX_PERMITS);
    let clock = Arc::clone(app.clock());
    let shared = Arc::new(Shared { app, settings, buffers: Arc::new(Semaphore::new(permits)) });
    let routes = Router::new()
        .route("/api/v2/integrations/{key}", post(subscription_create::handle).get(subscription_list::handle))
        .route(
            "/api/v2/integrations/{key}/{id}",
            get(subscription_get::handle).patch(subscription_update::handle).delete(subscription_delete::handle),
        )
        .route("/api/v2/integrations/{key}/{id}/attempts", get(attempt_list::handle))
        .route("/api/v2/integrations/{key}/{id}/dead-letters", get(dead_letter_list::handle))
        .route("/api/v2/integrations/{key}/{id}/dead-letters/redeliver", post(dead_letter_redeliver::handle))
        .route("/api/v2/integrations/{key}/{id}/replays", post(replay_create::handle).get(replay_list::handle))
        .route("/api/v2/integrations/{key}/{id}/replays/{replay}", get(replay_get::handle).delete(replay_stop::handle))
        .route("/api/v2/integrations/{key}/{id}/ledger", get(ledger_get::handle))
        .route("/api/v2/integrations/{key}/{id}/skip-to-now", post(skip_to_now::handle))
        .route("/api/v2/integrations/{key}/{id}/test", post(subscription_test::handle))
        .route("/api/v2/integration-health", get(integration_health::handle))
        .route("/metrics", get(metrics::handle))
        .route("/ingest/entries", post(entries_ingest::handle))
        .route_layer(from_fn_with_state(Arc::clone(&shared), authenticate::require_token));
    let open = Router::new()
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .route_layer(from_fn(note_route));
    wrap(routes.merge(open).with_state(shared), clock)
}

/// What every request goes through, known route or not. Each layer takes memory and moves the
/// request once more, which an ingested entry feels, so one function does all but catch panics.
fn wrap(routes: Router, clock: Arc<dyn Clock>) -> Router {
    let layers = ServiceBuilder::new()
        .layer(from_fn_with_state(clock, finish::apply))
        .layer(CatchPanicLayer::custom(problem::of_panic));
    // The method is overridden before the routes are looked at, so they stand inside.
    Router::new().fallback_service(routes).layer(layers)
}

/// The pattern of the route that answered, for the log.
#[derive(Clone)]
struct Route(MatchedPath);

impl Route {
    fn of(request: &Request) -> Option<Self> {
        request.extensions().get::<MatchedPath>().cloned().map(Self)
    }
}

async fn note_route(request: Request, next: Next) -> Response {
    let route = Route::of(&request);
    let mut response = next.run(request).await;
    if let Some(route) = route {
        response.extensions_mut().insert(route);
    }
    response
}

#[cfg(test)]
mod tests;
