//! `GET /api/v2/accounts`

use std::sync::Arc;

use app::Caller;
use axum::{Extension, Json, extract::State};
use serde_json::{Value, json};

use crate::{
    Shared,
    problem::Problem,
    representation::{account, link},
};

pub(crate) async fn handle(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Arc<Caller>>,
) -> Result<Json<Value>, Problem> {
    let accounts = shared.app.account_list(&caller).await?;
    let items: Vec<_> = accounts.iter().map(account::account).collect();
    Ok(Json(json!({ "_links": { "self": link(account::LIST) }, "items": items })))
}
