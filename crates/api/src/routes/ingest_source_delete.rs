//! `DELETE /api/v2/ingest-sources/{id}`

use std::sync::Arc;

use app::Caller;
use axum::{Extension, extract::State, http::StatusCode};

use super::Key;
use crate::{Shared, problem::Problem};

pub(crate) async fn handle(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Arc<Caller>>,
    Key(id): Key,
) -> Result<StatusCode, Problem> {
    shared.app.ingest_source_delete(&caller, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}
