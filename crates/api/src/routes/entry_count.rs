//! `POST /api/v2/auditlog/counts`

use std::sync::Arc;

use app::{Caller, EntryCounts, EntryCountsAsked, EntryFilter};
use axum::{
    Extension, Json,
    extract::{Request, State},
    http::Uri,
};
use serde_json::{Value, json};

use super::entry_list::filter;
use crate::{Shared, body, problem::Problem, query::Query, representation::count};

const BUCKETS_DEFAULT: u64 = 50;

pub(crate) async fn handle(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Arc<Caller>>,
    uri: Uri,
    request: Request,
) -> Result<Json<Value>, Problem> {
    shared.app.entries_may_view(&caller)?;
    let statements = Some(body::read_json(&shared, request).await?);
    let query = Query::of(&uri);
    let buckets = query.number("buckets", 1..=EntryCountsAsked::BUCKETS_MAX as u64)?.unwrap_or(BUCKETS_DEFAULT);
    let missing = || Problem::invalid("the query parameter after is missing: from which time on is counted");
    let asked = EntryCountsAsked {
        after: query.time("after")?.ok_or_else(missing)?,
        before: query.time("before")?,
        buckets: usize::try_from(buckets).unwrap_or(EntryCountsAsked::BUCKETS_MAX),
        filter: EntryFilter { statements, ..filter(&query)? },
    };
    Ok(Json(representation(&shared.app.entry_count(&caller, asked).await?)))
}

fn representation(counted: &EntryCounts) -> Value {
    let starts =
        (0..).map(|part: i64| counted.from.as_millis().saturating_add(counted.interval_ms.saturating_mul(part)));
    let bucket = |(entries, start): (&u64, i64)| json!({ "timestamp": start, "count": count(*entries) });
    json!({
        "buckets": counted.counts.iter().zip(starts).map(bucket).collect::<Vec<_>>(),
        "totalCount": count(counted.counts.iter().sum()),
        "bucketIntervalMs": counted.interval_ms,
    })
}
