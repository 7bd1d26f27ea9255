//! `PATCH /api/v2/tokens/{id}`

use std::sync::Arc;

use app::Caller;
use axum::{
    Extension, Json,
    extract::{Request, State},
};
use serde_json::Value;

use super::Key;
use crate::{Shared, body, problem::Problem, representation::token};

pub(crate) async fn handle(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Arc<Caller>>,
    Key(id): Key,
    request: Request,
) -> Result<Json<Value>, Problem> {
    shared.app.access_token_may_update(&caller, &id).await?;
    let body = body::read_json(&shared, request).await?;
    let updated = shared.app.access_token_update(&caller, &id, &body).await?;
    Ok(Json(token::token(&updated, None)))
}
