//! `POST /api/v2/ingest-sources`

use std::sync::Arc;

use app::Caller;
use axum::{
    Extension, Json,
    extract::{Request, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};

use crate::{Shared, body, problem::Problem, representation::ingest_source};

pub(crate) async fn handle(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Arc<Caller>>,
    request: Request,
) -> Result<Response, Problem> {
    shared.app.ingest_sources_may_change(&caller)?;
    let body = body::read_json(&shared, request).await?;
    let (source, secret) = shared.app.ingest_source_create(&caller, &body).await?;
    let mut made = ingest_source::one(&source);
    // The only answer that tells it.
    made["secret"] = secret.expose().into();
    Ok((StatusCode::CREATED, Json(made)).into_response())
}
