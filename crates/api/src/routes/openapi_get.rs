//! `GET /openapi.json`

use axum::http::{HeaderName, header};
use bytes::Bytes;

use crate::openapi;

pub(crate) async fn handle() -> ([(HeaderName, &'static str); 1], Bytes) {
    ([(header::CONTENT_TYPE, "application/json")], openapi::text())
}
