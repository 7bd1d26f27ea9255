//! `GET /api/v2/webhooks`

use std::sync::Arc;

use app::Caller;
use axum::{Extension, Json, extract::State};
use serde_json::{Value, json};

use crate::{
    Shared,
    problem::Problem,
    representation::{link, webhook},
};

pub(crate) async fn handle(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Arc<Caller>>,
) -> Result<Json<Value>, Problem> {
    let webhooks = shared.app.webhook_list(&caller).await?;
    let items: Vec<_> = webhooks.iter().map(webhook::webhook).collect();
    Ok(Json(json!({ "_links": { "self": link(webhook::LIST) }, "items": items })))
}
