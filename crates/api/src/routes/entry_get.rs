//! `GET /api/v2/auditlog/{id}`

use std::sync::Arc;

use app::Caller;
use axum::{Extension, Json, extract::State};
use serde_json::Value;

use super::Key;
use crate::{Shared, problem::Problem};

pub(crate) async fn handle(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Arc<Caller>>,
    Key(id): Key,
) -> Result<Json<Value>, Problem> {
    Ok(Json(shared.app.entry_get(&caller, &id).await?.facts().representation()))
}
