//! `PATCH /api/v2/webhooks/{id}`

use std::sync::Arc;

use app::Caller;
use axum::{
    Extension, Json,
    extract::{Request, State},
};
use serde_json::Value;

use super::Key;
use crate::{Shared, body, problem::Problem, representation::webhook};

pub(crate) async fn handle(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Arc<Caller>>,
    Key(id): Key,
    request: Request,
) -> Result<Json<Value>, Problem> {
    shared.app.webhook_may_update(&caller, &id).await?;
    let body = body::read_json(&shared, request).await?;
    let updated = shared.app.webhook_update(&caller, &id, &body).await?;
    Ok(Json(webhook::webhook(&updated)))
}
