//! `GET /api/v2/accounts/{account}/retention`

use std::sync::Arc;

use app::Caller;
use axum::{Extension, Json, extract::State};
use serde_json::Value;

use super::Key;
use crate::{Shared, problem::Problem, representation::account};

pub(crate) async fn handle(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Arc<Caller>>,
    Key(id): Key,
) -> Result<Json<Value>, Problem> {
    let (id, retention) = shared.app.operated_retention(&caller, &id).await?;
    Ok(Json(account::retention(id, retention)))
}
