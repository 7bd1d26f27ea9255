//! `DELETE /api/v2/integrations/{key}/{id}/replays/{replayId}`

use std::sync::Arc;

use app::Caller;
use axum::{Extension, extract::State, http::StatusCode};

use super::KeyIdAndReplay;
use crate::{Shared, problem::Problem};

pub(crate) async fn handle(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Arc<Caller>>,
    KeyIdAndReplay(key, id, replay): KeyIdAndReplay,
) -> Result<StatusCode, Problem> {
    shared.app.job_stop(&caller, &key, &id, &replay).await?;
    Ok(StatusCode::NO_CONTENT)
}
