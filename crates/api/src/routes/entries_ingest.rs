//! `POST /ingest/entries`

use std::sync::Arc;

use app::{AppendedItem, Batch, Caller, Format, Ingested};
use axum::{
    Extension, Json,
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;

use crate::{
    Shared,
    body::{self, Room},
    problem::Problem,
    query::Query,
};

pub(super) const IDEMPOTENCY_KEY: &str = "idempotency-key";
pub(super) const VIA: &str = "auditcast-via";
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

pub(crate) async fn handle(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Arc<Caller>>,
    request: Request,
) -> Result<Response, Problem> {
    shared.app.entries_may_ingest(&caller)?;
    let format = format_of(request.headers())?;
    ingest(&shared, &caller, request, format).await
}

/// What all ways in have in common whose bodies are stored whole or not at all.
pub(super) async fn ingest(
    shared: &Shared,
    caller: &Caller,
    request: Request,
    format: Format,
) -> Result<Response, Problem> {
    let with_ids = Query::of(request.uri()).flag("ids")?;
    let idempotency_key = text(request.headers(), IDEMPOTENCY_KEY)?;
    let via = text(request.headers(), VIA)?;
    let bytes_max = shared.app.settings().ingest_body_max_bytes;
    let (body, _room) = body::read(request, bytes_max, Room::of(shared)).await?;
    let ingested = shared.app.entries_ingest(caller, Batch { body, format, idempotency_key, via }).await?;
    Ok(answer(&ingested, with_ids))
}

/// The answer to what was taken in.
pub(super) fn answer(ingested: &Ingested, with_ids: bool) -> Response {
    let mut response = (StatusCode::ACCEPTED, Json(Answer::of(ingested, with_ids))).into_response();
    if ingested.repeated {
        response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    }
    response
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer<'a> {
    accepted: usize,
    duplicates: usize,
    first_sequence: Option<u64>,
    last_sequence: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    items: Option<Vec<Item<'a>>>,
}

#[derive(Serialize)]
struct Item<'a> {
    id: &'a str,
    sequence: u64,
    duplicate: bool,
}

impl<'a> Answer<'a> {
    fn of(ingested: &'a Ingested, with_ids: bool) -> Self {
        let item = |item: &'a AppendedItem| {
            let AppendedItem { id, sequence, duplicate } = item;
            Item { id: id.as_str(), sequence: sequence.0, duplicate: *duplicate }
        };
        Self {
            accepted: ingested.accepted,
            duplicates: ingested.duplicates,
            first_sequence: ingested.first.map(|sequence| sequence.0),
            last_sequence: ingested.last.map(|sequence| sequence.0),
            items: with_ids.then(|| ingested.items.iter().map(item).collect()),
        }
    }
}

fn format_of(headers: &HeaderMap) -> Result<Format, Problem> {
    let Some(value) = headers.get(header::CONTENT_TYPE) else { return Ok(Format::Json) };
    let essence = value.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim();
    match essence.to_ascii_lowercase().as_str() {
        "" | "application/json" => Ok(Format::Json),
        "application/x-ndjson" | "application/ndjson" => Ok(Format::Lines),
        _ => Err(Problem::unsupported("Content-Type must be application/json or application/x-ndjson")),
    }
}

pub(super) fn text(headers: &HeaderMap, name: &str) -> Result<Option<String>, Problem> {
    let read = |value: &HeaderValue| value.to_str().map(str::to_owned);
    headers.get(name).map(read).transpose().map_err(|_| Problem::invalid(format!("{name} must be ASCII text")))
}
