//! `PATCH /api/v2/accounts/{account}/retention`

use std::sync::Arc;

use app::{Action, Caller};
use axum::{
    Extension, Json,
    extract::{Request, State},
};
use serde_json::Value;

use super::Key;
use crate::{Shared, body, problem::Problem, representation::account};

pub(crate) async fn handle(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Arc<Caller>>,
    Key(id): Key,
    request: Request,
) -> Result<Json<Value>, Problem> {
    shared.app.account_may(&caller, Action::UpdateAccount)?;
    let body = body::read_json(&shared, request).await?;
    let (id, retention) = shared.app.operated_retention_update(&caller, &id, &body).await?;
    Ok(Json(account::retention(id, retention)))
}
