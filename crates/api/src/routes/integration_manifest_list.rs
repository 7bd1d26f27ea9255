//! `GET /api/v2/integration-manifests`: the form from which Terraform's provider makes its list of fields.

use std::sync::Arc;

use app::{Caller, CatalogueItem};
use axum::{Extension, Json, extract::State};
use serde_json::{Map, Value, json};

use crate::{Shared, problem::Problem};

pub(crate) async fn handle(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Arc<Caller>>,
) -> Result<Json<Value>, Problem> {
    let list = shared.app.catalogue_list(&caller)?;
    Ok(Json(json!({ "items": list.iter().map(item).collect::<Vec<_>>() })))
}

fn item(item: &CatalogueItem) -> Value {
    let about = item.integration.about();
    // What is in them is nothing that a client acts on; that they are there is.
    let capabilities: Map<String, Value> = about.capabilities.iter().map(|name| (name.clone(), json!({}))).collect();
    json!({
        "key": item.integration.key(),
        "name": item.integration.name(),
        "requiresOAuth": about.requires_oauth,
        "capabilities": capabilities,
        "formVariables": about.form_variables,
    })
}
