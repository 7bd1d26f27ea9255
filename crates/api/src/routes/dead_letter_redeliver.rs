//! `POST /api/v2/integrations/{key}/{id}/dead-letters/redeliver`

use std::sync::Arc;

use app::Caller;
use axum::{
    Extension,
    extract::{Request, State},
    response::Response,
};

use super::{KeyAndId, replay_create::accepted};
use crate::{Shared, body, problem::Problem};

pub(crate) async fn handle(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Arc<Caller>>,
    KeyAndId(key, id): KeyAndId,
    request: Request,
) -> Result<Response, Problem> {
    shared.app.dead_letter_may_redeliver(&caller, &key, &id).await?;
    let body = body::read_json(&shared, request).await?;
    let job = shared.app.dead_letter_redeliver(&caller, &key, &id, &body).await?;
    Ok(accepted(&key, &id, &job))
}
