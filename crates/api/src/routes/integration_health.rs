//! `GET /api/v2/integration-health`

use std::sync::Arc;

use app::{Caller, Health, WEBHOOK_KEY};
use axum::{Extension, Json, extract::State};
use serde_json::{Map, Value, json};

use crate::{
    Shared,
    problem::Problem,
    representation::{count, delivery, link, list_href, millis, webhook},
};

pub(crate) async fn handle(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Arc<Caller>>,
) -> Result<Json<Value>, Problem> {
    let list = shared.app.integration_health(&caller).await?;
    let items: Vec<_> = list.iter().map(item).collect();
    Ok(Json(json!({ "_links": { "self": link("/api/v2/integration-health") }, "items": items })))
}

fn item(health: &Health) -> Value {
    let own = match health.integration.as_str() {
        WEBHOOK_KEY => format!("{}/{}", webhook::LIST, health.id),
        key => format!("{}/{}", list_href(key), health.id),
    };
    let mut members = Map::new();
    let mut put = |name: &str, value: Value| members.insert(name.to_owned(), value);
    put("_links", json!({ "self": link(&own) }));
    put("_id", health.id.to_string().into());
    put("kind", health.integration.as_str().into());
    put("name", health.name.as_str().into());
    let status = &health.status;
    members.extend(delivery(status));
    if health.is_behind() {
        members.insert("state".to_owned(), "behind".into());
    }
    let mut put = |name: &str, value: Option<Value>| members.extend(value.map(|value| (name.to_owned(), value)));
    put("oldestUnsettledSeconds", health.oldest_unsettled.map(|age| age.as_secs().into()));
    put("outdated", health.is_outdated.then_some(true.into()));
    let counts = status.counts;
    put("counts", Some(json!({ "delivered": counts.delivered, "skipped": counts.skipped, "dead": counts.dead })));
    put("errorCount", Some(count(status.error_count)));
    put("lastSuccess", status.last_success.map(millis));
    put("lastError", status.last_error.map(millis));
    Value::Object(members)
}
