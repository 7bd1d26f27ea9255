//! `GET /api/v2/roles/{id}`

use std::sync::Arc;

use axum::{Json, extract::State};
use serde_json::{Value, json};

use super::Key;
use crate::{Shared, problem::Problem, representation::link};

pub(crate) async fn handle(State(shared): State<Arc<Shared>>, Key(id): Key) -> Result<Json<Value>, Problem> {
    let role = shared.app.role_get(&id)?;
    let href = format!("/api/v2/roles/{}", role.key);
    Ok(Json(json!({
        "_links": { "self": link(&href) },
        "_id": role.key,
        "key": role.key,
        "name": role.name,
        "description": role.description,
        "policy": role.policy,
    })))
}
