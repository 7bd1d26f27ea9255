//! `POST /api/v2/integrations/{key}/{id}/replays`, `POST /api/v2/webhooks/{id}/replays`

use std::sync::Arc;

use app::{Caller, Job, Recipient, Replayed};
use axum::{
    Extension, Json,
    extract::{Request, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};

use super::To;
use crate::{Shared, body, problem::Problem, representation};

pub(crate) async fn handle(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Arc<Caller>>,
    To(recipient): To,
    request: Request,
) -> Result<Response, Problem> {
    shared.app.subscription_may_replay(&caller, &recipient).await?;
    let body = body::read_json(&shared, request).await?;
    Ok(match shared.app.subscription_replay(&caller, &recipient, &body).await? {
        Replayed::Made(job) => accepted(&recipient, &job),
        Replayed::Dry(dry_run) => Json(representation::job::dry_run(&dry_run)).into_response(),
    })
}

/// 202 with the job and its place.
pub(super) fn accepted(recipient: &Recipient, job: &Job) -> Response {
    let subscription = recipient.href();
    let location = [(header::LOCATION, representation::job::job_href(&subscription, job))];
    (StatusCode::ACCEPTED, location, Json(representation::job::job(&subscription, job))).into_response()
}
