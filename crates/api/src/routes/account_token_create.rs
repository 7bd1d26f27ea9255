//! `POST /api/v2/accounts/{account}/tokens`

use std::sync::Arc;

use app::{Action, Caller};
use axum::{
    Extension, Json,
    extract::{Request, State},
    http::StatusCode,
};
use serde_json::Value;

use super::Key;
use crate::{Shared, body, problem::Problem, representation::token};

pub(crate) async fn handle(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Arc<Caller>>,
    Key(id): Key,
    request: Request,
) -> Result<(StatusCode, Json<Value>), Problem> {
    shared.app.account_may(&caller, Action::CreateAccessToken)?;
    let body = body::read_json(&shared, request).await?;
    let (made, value) = shared.app.account_token_create(&caller, &id, &body).await?;
    Ok((StatusCode::CREATED, Json(token::token(&made, Some(&value)))))
}
