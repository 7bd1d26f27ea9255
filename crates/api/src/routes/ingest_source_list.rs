//! `GET /api/v2/ingest-sources`

use std::sync::Arc;

use app::Caller;
use axum::{Extension, Json, extract::State};
use serde_json::Value;

use crate::{Shared, problem::Problem, representation::ingest_source};

pub(crate) async fn handle(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Arc<Caller>>,
) -> Result<Json<Value>, Problem> {
    Ok(Json(ingest_source::list(&shared.app.ingest_source_list(&caller).await?)))
}
