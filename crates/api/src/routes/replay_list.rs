//! `GET /api/v2/integrations/{key}/{id}/replays`, `GET /api/v2/webhooks/{id}/replays`

use std::sync::Arc;

use app::{Caller, JOBS_LIMIT_MAX};
use axum::{Extension, Json, extract::State, http::Uri};
use serde_json::{Value, json};

use super::To;
use crate::{
    Shared,
    problem::Problem,
    query::Query,
    representation::{job, link},
};

const LIMIT_DEFAULT: usize = 20;

pub(crate) async fn handle(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Arc<Caller>>,
    To(recipient): To,
    uri: Uri,
) -> Result<Json<Value>, Problem> {
    let query = Query::of(&uri);
    let limit = query.limit(LIMIT_DEFAULT, JOBS_LIMIT_MAX)?;
    let before = query.text("before");
    let found = shared.app.job_list(&caller, &recipient, before, limit).await?;
    let subscription = recipient.href();
    let page = |before: Option<&str>| {
        let before = before.map_or_else(String::new, |before| format!("&before={before}"));
        link(&format!("{subscription}/replays?limit={limit}{before}"))
    };
    let mut links = json!({ "parent": link(&subscription), "self": page(before) });
    if let Some(last) = found.jobs.last().filter(|_| found.has_more) {
        links["next"] = page(Some(&last.id.to_string()));
    }
    let items: Vec<_> = found.jobs.iter().map(|one| job::job(&subscription, one)).collect();
    Ok(Json(json!({ "_links": links, "items": items })))
}
