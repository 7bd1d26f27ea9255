//! `GET /api/v2/integrations/{key}/{id}/replays/{replayId}`

use std::sync::Arc;

use app::Caller;
use axum::{Extension, Json, extract::State};
use serde_json::Value;

use super::KeyIdAndReplay;
use crate::{
    Shared,
    problem::Problem,
    representation::{job, list_href},
};

pub(crate) async fn handle(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Arc<Caller>>,
    KeyIdAndReplay(key, id, replay): KeyIdAndReplay,
) -> Result<Json<Value>, Problem> {
    let found = shared.app.job_get(&caller, &key, &id, &replay).await?;
    Ok(Json(job::job(&format!("{}/{id}", list_href(&key)), &found)))
}
