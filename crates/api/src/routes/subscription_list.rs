//! `GET /api/v2/integrations/{key}`

use std::sync::Arc;

use app::Caller;
use axum::{Extension, Json, extract::State};
use serde_json::Value;

use super::Key;
use crate::{Shared, problem::Problem, representation};

pub(crate) async fn handle(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Arc<Caller>>,
    Key(key): Key,
) -> Result<Json<Value>, Problem> {
    let subscriptions = shared.app.subscription_list(&caller, &key).await?;
    Ok(Json(representation::list(&key, &subscriptions)))
}
