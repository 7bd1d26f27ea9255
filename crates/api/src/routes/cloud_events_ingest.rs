//! `POST /ingest/cloudevents`

use std::{collections::BTreeMap, sync::Arc};

use app::{Caller, CloudEventsMode, Format};
use axum::{
    Extension,
    extract::{Request, State},
    http::{HeaderMap, header},
    response::Response,
};

use super::entries_ingest;
use crate::{Shared, problem::Problem, query::percent_decoded};

/// What the name of a header begins with that carries an attribute.
const PREFIX: &str = "ce-";

pub(crate) async fn handle(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Arc<Caller>>,
    request: Request,
) -> Result<Response, Problem> {
    shared.app.entries_may_ingest(&caller)?;
    let format = Format::CloudEvents(mode_of(request.headers())?);
    entries_ingest::ingest(&shared, &caller, request, format).await
}

fn mode_of(headers: &HeaderMap) -> Result<CloudEventsMode, Problem> {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match essence.as_str() {
        "application/cloudevents+json" => Ok(CloudEventsMode::Structured),
        "application/cloudevents-batch+json" => Ok(CloudEventsMode::Batched),
        other if other.starts_with("application/cloudevents") => Err(Problem::unsupported(
            "of CloudEvents only the JSON formats are understood: application/cloudevents+json and \
             application/cloudevents-batch+json",
        )),
        _ if headers.contains_key("ce-specversion") => attributes(headers, content_type).map(CloudEventsMode::Binary),
        _ => Err(Problem::unsupported(
            "Content-Type must be application/cloudevents+json or application/cloudevents-batch+json, or the \
             attributes must stand in headers such as ce-specversion, ce-id, ce-source and ce-type",
        )),
    }
}

/// The attributes of an event whose data is the body.
fn attributes(headers: &HeaderMap, content_type: &str) -> Result<BTreeMap<String, String>, Problem> {
    let mut attributes = BTreeMap::new();
    for (name, value) in headers {
        let Some(attribute) = name.as_str().strip_prefix(PREFIX) else { continue };
        let text = std::str::from_utf8(value.as_bytes()).ok().and_then(percent_decoded);
        let text = text.ok_or_else(|| Problem::invalid(format!("{name} must be UTF-8 text, written with %")))?;
        if attributes.insert(attribute.to_owned(), text).is_some() {
            return Err(Problem::invalid(format!("{name} stands in the request more than once; give it once")));
        }
    }
    if !content_type.is_empty() {
        attributes.insert("datacontenttype".to_owned(), content_type.to_owned());
    }
    Ok(attributes)
}
