//! `POST /api/v2/auditlog`

use std::sync::Arc;

use app::{Caller, EntryFilter};
use axum::{
    Extension, Json,
    extract::{Request, State},
    http::Uri,
};
use serde_json::Value;

use super::entry_list::{asked, filter, representation};
use crate::{Shared, body, problem::Problem, query::Query};

pub(crate) async fn handle(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Arc<Caller>>,
    uri: Uri,
    request: Request,
) -> Result<Json<Value>, Problem> {
    shared.app.entries_may_view(&caller)?;
    let statements = body::read_json_if_any(&shared, request).await?;
    let query = Query::of(&uri);
    let filter = EntryFilter { statements, ..filter(&query)? };
    let found = shared.app.entry_list(&caller, asked(&query, filter)?).await?;
    Ok(Json(representation(&uri, &found)))
}
