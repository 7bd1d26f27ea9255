//! `POST /api/v2/webhooks`

use std::sync::Arc;

use app::Caller;
use axum::{
    Extension, Json,
    extract::{Request, State},
};
use serde_json::Value;

use crate::{Shared, body, problem::Problem, representation::webhook};

/// The answer is a 200: clients read the webhook from no other status.
pub(crate) async fn handle(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Arc<Caller>>,
    request: Request,
) -> Result<Json<Value>, Problem> {
    shared.app.webhook_may_create(&caller)?;
    let body = body::read_json(&shared, request).await?;
    let made = shared.app.webhook_create(&caller, &body).await?;
    Ok(Json(webhook::webhook(&made)))
}
