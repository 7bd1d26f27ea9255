//! `GET /api/v2/caller-identity`

use std::sync::Arc;

use app::Caller;
use axum::{Extension, Json, extract::State};
use serde_json::{Value, json};

use crate::{Shared, problem::Problem};

pub(crate) async fn handle(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Arc<Caller>>,
) -> Result<Json<Value>, Problem> {
    let identity = shared.app.identity(&caller).await?;
    Ok(Json(json!({
        "accountId": identity.account.to_string(),
        "authKind": "token",
        "tokenKind": if identity.is_service { "service" } else { "personal" },
        "tokenName": identity.name,
        "tokenId": identity.token.to_string(),
        "memberId": identity.member.to_string(),
        "serviceToken": identity.is_service,
    })))
}
