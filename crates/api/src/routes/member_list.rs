//! `GET /api/v2/members`
//!
//! There are no people here, only tokens. Clients that ask for one member get the caller, so that
//! they find its id.

use std::sync::Arc;

use app::Caller;
use axum::{Extension, Json, extract::State};
use serde_json::{Value, json};

use crate::{
    Shared,
    problem::Problem,
    representation::{link, millis},
};

pub(crate) async fn handle(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Arc<Caller>>,
) -> Result<Json<Value>, Problem> {
    let identity = shared.app.identity(&caller).await?;
    let id = identity.member.to_string();
    let list = "/api/v2/members";
    let member = json!({
        "_links": { "parent": link(list) },
        "_id": id,
        // Clients want an address; nothing is ever sent to one under .invalid (RFC 2606).
        "email": format!("{id}@auditcast.invalid"),
        "role": identity.role.unwrap_or("no_access"),
        "customRoles": [],
        "mfa": "disabled",
        "_pendingInvite": false,
        "_verified": true,
        "_lastSeen": millis(identity.seen_at),
        "creationDate": millis(identity.created_at),
    });
    Ok(Json(json!({ "_links": { "self": link(list) }, "items": [member], "totalCount": 1 })))
}
