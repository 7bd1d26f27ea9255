//! `POST /api/v2/accounts`

use std::sync::Arc;

use app::{Action, Caller};
use axum::{
    Extension, Json,
    extract::{Request, State},
    http::StatusCode,
};
use serde_json::Value;

use crate::{Shared, body, problem::Problem, representation::account};

pub(crate) async fn handle(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Arc<Caller>>,
    request: Request,
) -> Result<(StatusCode, Json<Value>), Problem> {
    shared.app.account_may(&caller, Action::CreateAccount)?;
    let body = body::read_json(&shared, request).await?;
    let made = shared.app.account_create(&caller, &body).await?;
    Ok((StatusCode::CREATED, Json(account::account(&made))))
}
