//! `POST /api/v2/integration-preview/{key}`

use std::sync::Arc;

use app::{Caller, Nothing, Preview, PreviewOutcome, PreviewRequest};
use axum::{
    Extension, Json,
    extract::{Request, State},
};
use serde_json::{Value, json};

use super::Key;
use crate::{Shared, body, problem::Problem};

pub(crate) async fn handle(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Arc<Caller>>,
    Key(key): Key,
    request: Request,
) -> Result<Json<Value>, Problem> {
    shared.app.integration_may_preview(&caller, &key)?;
    let body = body::read_json(&shared, request).await?;
    let preview = shared.app.integration_preview(&caller, &key, &body).await?;
    Ok(Json(representation(&preview)))
}

fn representation(preview: &Preview) -> Value {
    let mut requests = Vec::new();
    let (outcome, reason) = match &preview.outcome {
        PreviewOutcome::Request(request) => {
            requests.push(request_representation(request));
            ("request", None)
        }
        PreviewOutcome::Nothing(Nothing::NoTemplate) => {
            ("nothing", Some("the integration has no template for entries of this kind"))
        }
        PreviewOutcome::Nothing(Nothing::EmptyBody) => ("nothing", Some("the template gives an empty body")),
        PreviewOutcome::Nothing(Nothing::Late) => ("skipped", Some("the event is older than the destination takes")),
        PreviewOutcome::Unrenderable(reason) => ("unrenderable", Some(reason.as_str())),
    };
    let mut members = json!({ "outcome": outcome, "requests": requests, "warnings": preview.warnings });
    if let Some(reason) = reason {
        members["reason"] = reason.into();
    }
    members
}

fn request_representation(request: &PreviewRequest) -> Value {
    let header = |(name, value): &(String, String)| json!({ "name": name, "value": value });
    let headers: Vec<_> = request.headers.iter().map(header).collect();
    let mut members = json!({ "method": request.method, "headers": headers, "body": request.body });
    if let Some(url) = &request.url {
        members["url"] = url.as_str().into();
    }
    members
}
