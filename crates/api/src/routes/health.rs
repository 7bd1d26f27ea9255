//! Whether the server lives, and whether it can do its work. Both without a token.

use std::sync::Arc;

use axum::{Json, extract::State, http::StatusCode};
use serde_json::{Value, json};

use crate::Shared;

pub(crate) async fn alive() -> Json<Value> {
    Json(json!({ "status": "ok" }))
}

pub(crate) async fn ready(State(shared): State<Arc<Shared>>) -> (StatusCode, Json<Value>) {
    let readiness = shared.app.readiness().await;
    let (status, mut body) = match readiness.is_ready() {
        true => (StatusCode::OK, json!({ "status": "ready" })),
        false => (StatusCode::SERVICE_UNAVAILABLE, json!({ "status": "not ready", "problems": readiness.problems })),
    };
    if !readiness.warnings.is_empty() {
        body["warnings"] = readiness.warnings.into();
    }
    (status, Json(body))
}
