//! `POST /v1/logs`

use std::sync::Arc;

use app::{Caller, LogBatch, LogEncoding, LogsIngested};
use axum::{
    Extension, Json,
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use prost::Message;
use serde_json::json;

use super::entries_ingest::{IDEMPOTENCY_KEY, VIA, text};
use crate::{
    Shared,
    body::{self, Room},
    problem::{PROTOBUF, Problem},
};

/// An answer that tells what was not stored, as the protocol has it.
#[derive(Clone, PartialEq, Message)]
struct ExportLogsServiceResponse {
    #[prost(message, optional, tag = "1")]
    partial_success: Option<ExportLogsPartialSuccess>,
}

#[derive(Clone, PartialEq, Message)]
struct ExportLogsPartialSuccess {
    #[prost(int64, tag = "1")]
    rejected_log_records: i64,
    #[prost(string, tag = "2")]
    error_message: String,
}

pub(crate) async fn handle(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Arc<Caller>>,
    request: Request,
) -> Result<Response, Problem> {
    shared.app.entries_may_ingest(&caller)?;
    let encoding = encoding_of(request.headers())?;
    match ingest(&shared, &caller, request, encoding).await {
        Ok(taken) => Ok(answer(taken, encoding)),
        Err(problem) if encoding == LogEncoding::Protobuf => Ok(problem.into_protobuf()),
        Err(problem) => Err(problem),
    }
}

async fn ingest(
    shared: &Shared,
    caller: &Caller,
    request: Request,
    encoding: LogEncoding,
) -> Result<LogsIngested, Problem> {
    let idempotency_key = text(request.headers(), IDEMPOTENCY_KEY)?;
    let via = text(request.headers(), VIA)?;
    let (body, _room) = body::read(request, shared.app.settings().ingest_body_max_bytes, Room::of(shared)).await?;
    Ok(shared.app.logs_ingest(caller, LogBatch { body, encoding, idempotency_key, via }).await?)
}

fn encoding_of(headers: &HeaderMap) -> Result<LogEncoding, Problem> {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    match value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase().as_str() {
        PROTOBUF => Ok(LogEncoding::Protobuf),
        "application/json" => Ok(LogEncoding::Json),
        _ => Err(Problem::unsupported("Content-Type must be application/x-protobuf or application/json")),
    }
}

fn answer(taken: LogsIngested, encoding: LogEncoding) -> Response {
    let LogsIngested { rejected, message, .. } = taken;
    if encoding == LogEncoding::Json {
        let partial = json!({ "rejectedLogRecords": rejected.to_string(), "errorMessage": message });
        let body = if rejected == 0 { json!({}) } else { json!({ "partialSuccess": partial }) };
        return (StatusCode::OK, Json(body)).into_response();
    }
    let partial_success = (rejected > 0).then(|| ExportLogsPartialSuccess {
        rejected_log_records: i64::try_from(rejected).unwrap_or(i64::MAX),
        error_message: message,
    });
    let body = ExportLogsServiceResponse { partial_success }.encode_to_vec();
    ([(header::CONTENT_TYPE, HeaderValue::from_static(PROTOBUF))], body).into_response()
}
