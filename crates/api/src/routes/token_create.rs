//! `POST /api/v2/tokens`

use std::sync::Arc;

use app::Caller;
use axum::{
    Extension, Json,
    extract::{Request, State},
    http::StatusCode,
};
use serde_json::Value;

use crate::{Shared, body, problem::Problem, representation::token};

pub(crate) async fn handle(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Arc<Caller>>,
    request: Request,
) -> Result<(StatusCode, Json<Value>), Problem> {
    shared.app.access_token_may_create(&caller)?;
    let body = body::read_json(&shared, request).await?;
    let (made, value) = shared.app.access_token_create(&caller, &body).await?;
    Ok((StatusCode::CREATED, Json(token::token(&made, Some(&value)))))
}
