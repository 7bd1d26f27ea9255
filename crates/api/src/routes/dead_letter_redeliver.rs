//! `POST /api/v2/integrations/{key}/{id}/dead-letters/redeliver`, `POST /api/v2/webhooks/{id}/dead-letters/redeliver`

use std::sync::Arc;

use app::Caller;
use axum::{
    Extension,
    extract::{Request, State},
    response::Response,
};

use super::{To, replay_create::accepted};
use crate::{Shared, body, problem::Problem};

pub(crate) async fn handle(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Arc<Caller>>,
    To(recipient): To,
    request: Request,
) -> Result<Response, Problem> {
    shared.app.dead_letter_may_redeliver(&caller, &recipient).await?;
    let body = body::read_json(&shared, request).await?;
    let job = shared.app.dead_letter_redeliver(&caller, &recipient, &body).await?;
    Ok(accepted(&recipient, &job))
}
