//! `GET /api/v2/integrations/{key}/{id}`

use std::sync::Arc;

use app::Caller;
use axum::{Extension, Json, extract::State};
use serde_json::Value;

use super::KeyAndId;
use crate::{Shared, problem::Problem, representation};

pub(crate) async fn handle(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Arc<Caller>>,
    KeyAndId(key, id): KeyAndId,
) -> Result<Json<Value>, Problem> {
    let subscription = shared.app.subscription_get(&caller, &key, &id).await?;
    Ok(Json(representation::subscription(&subscription)))
}
