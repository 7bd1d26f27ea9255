//! `POST /api/v2/integrations/{key}`

use std::sync::Arc;

use app::Caller;
use axum::{
    Extension, Json,
    extract::{Request, State},
    http::StatusCode,
};
use serde_json::Value;

use super::Key;
use crate::{Shared, body, problem::Problem, representation};

pub(crate) async fn handle(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Arc<Caller>>,
    Key(key): Key,
    request: Request,
) -> Result<(StatusCode, Json<Value>), Problem> {
    shared.app.subscription_may_create(&caller, &key)?;
    let body = body::read_json(&shared, request).await?;
    let subscription = shared.app.subscription_create(&caller, &key, &body).await?;
    Ok((StatusCode::CREATED, Json(representation::subscription(&subscription))))
}
