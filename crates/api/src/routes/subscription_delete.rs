//! `DELETE /api/v2/integrations/{key}/{id}`

use std::sync::Arc;

use app::Caller;
use axum::{Extension, extract::State, http::StatusCode};

use super::KeyAndId;
use crate::{Shared, problem::Problem};

pub(crate) async fn handle(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Arc<Caller>>,
    KeyAndId(key, id): KeyAndId,
) -> Result<StatusCode, Problem> {
    shared.app.subscription_delete(&caller, &key, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}
