//! `GET /api/v2/integrations`

use std::sync::Arc;

use app::{Caller, CatalogueItem, Standing};
use axum::{Extension, Json, extract::State};
use serde_json::{Value, json};

use crate::{
    Shared,
    problem::Problem,
    representation::{link, list_href},
};

pub(crate) async fn handle(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Arc<Caller>>,
) -> Result<Json<Value>, Problem> {
    let list = shared.app.catalogue_list(&caller)?;
    let items: Vec<_> = list.iter().map(item).collect();
    Ok(Json(json!({ "_links": { "self": link("/api/v2/integrations") }, "items": items })))
}

fn item(item: &CatalogueItem) -> Value {
    let integration = &item.integration;
    let about = integration.about();
    let (state, problem) = match &item.standing {
        Standing::Current => ("current", None),
        Standing::Kept(problem) => ("kept", Some(problem)),
        Standing::Broken(problem) => ("broken", Some(problem)),
        Standing::Missing => ("missing", None),
    };
    let mut members = json!({
        "_links": { "subscriptions": link(&list_href(integration.key())) },
        "key": integration.key(),
        "name": integration.name(),
        "overview": about.overview,
        "description": about.description,
        "categories": about.categories,
        "requiresOAuth": about.requires_oauth,
        "formVariables": about.form_variables,
        "defaultPolicy": integration.default_policy(),
        "state": state,
        "version": integration.version(),
        "deliverable": item.undeliverable.is_none(),
    });
    if let Some(reason) = &item.undeliverable {
        members["reason"] = reason.as_str().into();
    }
    if let Some(problem) = problem {
        members["problem"] = problem.as_str().into();
    }
    members
}
