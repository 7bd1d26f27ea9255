//! `PATCH /api/v2/integrations/{key}/{id}`

use std::sync::Arc;

use app::Caller;
use axum::{
    Extension, Json,
    extract::{Request, State},
};
use serde_json::Value;

use super::KeyAndId;
use crate::{Shared, body, problem::Problem, representation};

pub(crate) async fn handle(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Arc<Caller>>,
    KeyAndId(key, id): KeyAndId,
    request: Request,
) -> Result<Json<Value>, Problem> {
    shared.app.subscription_may_update(&caller, &key, &id).await?;
    let body = body::read_json(&shared, request).await?;
    let subscription = shared.app.subscription_update(&caller, &key, &id, &body).await?;
    Ok(Json(representation::subscription(&subscription)))
}
