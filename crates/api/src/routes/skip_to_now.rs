//! `POST /api/v2/integrations/{key}/{id}/skip-to-now`, `POST /api/v2/webhooks/{id}/skip-to-now`

use std::sync::Arc;

use app::Caller;
use axum::{Extension, Json, extract::State};
use serde_json::{Value, json};

use super::To;
use crate::{Shared, problem::Problem};

pub(crate) async fn handle(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Arc<Caller>>,
    To(recipient): To,
) -> Result<Json<Value>, Problem> {
    let skipped = shared.app.subscription_skip_to_now(&caller, &recipient).await?;
    Ok(Json(json!({ "skipped": skipped })))
}
