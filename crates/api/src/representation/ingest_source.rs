//! Sources as JSON.

use app::IngestSourceView;
use serde_json::{Value, json};

const PATH: &str = "/api/v2/ingest-sources";

/// One source, without its secret. `url` is where it sends to, below the address of the server.
pub(crate) fn one(source: &IngestSourceView) -> Value {
    json!({
        "_links": { "self": { "href": format!("{PATH}/{}", source.id), "type": "application/json" } },
        "_id": source.id.to_string(),
        "kind": "launchdarkly",
        "name": source.name,
        "url": format!("/ingest/launchdarkly/{}", source.id),
        "creationDate": source.created_at.as_millis(),
    })
}

/// All sources of an account.
pub(crate) fn list(sources: &[IngestSourceView]) -> Value {
    let links = json!({ "self": { "href": PATH, "type": "application/json" } });
    json!({ "_links": links, "items": sources.iter().map(one).collect::<Vec<_>>() })
}
