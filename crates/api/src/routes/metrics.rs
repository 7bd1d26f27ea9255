//! `GET /metrics`

use std::sync::Arc;

use app::Caller;
use axum::{
    Extension,
    extract::State,
    http::{HeaderName, header},
};

use crate::{Shared, problem::Problem};

/// Of the text format of Prometheus.
const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

pub(crate) async fn handle(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Arc<Caller>>,
) -> Result<([(HeaderName, &'static str); 1], String), Problem> {
    let text = shared.app.metrics(&caller, &shared.rates.refused()).await?;
    Ok(([(header::CONTENT_TYPE, CONTENT_TYPE)], text))
}
