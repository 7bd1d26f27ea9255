//! `DELETE /api/v2/integrations/{key}/{id}/replays/{replayId}`, `DELETE /api/v2/webhooks/{id}/replays/{replayId}`

use std::sync::Arc;

use app::Caller;
use axum::{Extension, extract::State, http::StatusCode};

use super::{Replay, To};
use crate::{Shared, problem::Problem};

pub(crate) async fn handle(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Arc<Caller>>,
    To(recipient): To,
    Replay(replay): Replay,
) -> Result<StatusCode, Problem> {
    shared.app.job_stop(&caller, &recipient, &replay).await?;
    Ok(StatusCode::NO_CONTENT)
}
