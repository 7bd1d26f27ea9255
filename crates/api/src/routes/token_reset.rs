//! `POST /api/v2/tokens/{id}/reset`

use std::sync::Arc;

use app::Caller;
use axum::{Extension, Json, extract::State, http::Uri};
use domain::Timestamp;
use serde_json::Value;

use super::Key;
use crate::{Shared, problem::Problem, query::Query, representation::token};

pub(crate) async fn handle(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Arc<Caller>>,
    Key(id): Key,
    uri: Uri,
) -> Result<Json<Value>, Problem> {
    let expiry = Query::of(&uri).number("expiry", 0..=i64::MAX.unsigned_abs())?;
    let old_expires_at = expiry.map(|millis| Timestamp::from_millis(millis.cast_signed()));
    let (reset, value) = shared.app.access_token_reset(&caller, &id, old_expires_at).await?;
    Ok(Json(token::token(&reset, Some(&value))))
}
