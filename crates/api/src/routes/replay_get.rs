//! `GET /api/v2/integrations/{key}/{id}/replays/{replayId}`, `GET /api/v2/webhooks/{id}/replays/{replayId}`

use std::sync::Arc;

use app::Caller;
use axum::{Extension, Json, extract::State};
use serde_json::Value;

use super::{Replay, To};
use crate::{Shared, problem::Problem, representation::job};

pub(crate) async fn handle(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Arc<Caller>>,
    To(recipient): To,
    Replay(replay): Replay,
) -> Result<Json<Value>, Problem> {
    let found = shared.app.job_get(&caller, &recipient, &replay).await?;
    Ok(Json(job::job(&recipient.href(), &found)))
}
