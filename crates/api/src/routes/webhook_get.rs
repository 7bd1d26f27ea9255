//! `GET /api/v2/webhooks/{id}`

use std::sync::Arc;

use app::Caller;
use axum::{Extension, Json, extract::State};
use serde_json::Value;

use super::Key;
use crate::{Shared, problem::Problem, representation::webhook};

pub(crate) async fn handle(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Arc<Caller>>,
    Key(id): Key,
) -> Result<Json<Value>, Problem> {
    let found = shared.app.webhook_get(&caller, &id).await?;
    Ok(Json(webhook::webhook(&found)))
}
