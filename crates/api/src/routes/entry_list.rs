//! `GET /api/v2/auditlog`

use std::sync::Arc;

use app::{Caller, Cursor, EntriesAsked, EntryFilter, EntryList};
use axum::{Extension, Json, extract::State, http::Uri};
use serde_json::{Value, json};

use crate::{Shared, problem::Problem, query::Query, representation::link};

const LIMIT_DEFAULT: usize = 10;
/// What the next page has of its own.
const OF_A_PAGE: [&str; 2] = ["before", "cursor"];

pub(crate) async fn handle(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Arc<Caller>>,
    uri: Uri,
) -> Result<Json<Value>, Problem> {
    let query = Query::of(&uri);
    let filter = EntryFilter { spec: query.decoded("spec")?, ..filter(&query)? };
    let found = shared.app.entry_list(&caller, asked(&query, filter)?).await?;
    Ok(Json(representation(&uri, &found)))
}

/// What every question about entries may ask for.
pub(super) fn filter(query: &Query<'_>) -> Result<EntryFilter, Problem> {
    Ok(EntryFilter {
        q: query.decoded("q")?,
        members: query.decoded_all("member")?,
        tokens: query.decoded_all("token")?,
        ..EntryFilter::default()
    })
}

pub(super) fn asked(query: &Query<'_>, filter: EntryFilter) -> Result<EntriesAsked, Problem> {
    let cursor = |text| {
        Cursor::parse(text).ok_or_else(|| {
            Problem::invalid("the query parameter cursor must be left out, or be that of a link to a next page")
        })
    };
    Ok(EntriesAsked {
        before: query.time("before")?,
        after: query.time("after")?,
        cursor: query.text("cursor").map(cursor).transpose()?,
        filter,
        limit: query.limit(LIMIT_DEFAULT, EntriesAsked::LIMIT_MAX)?,
    })
}

pub(super) fn representation(uri: &Uri, found: &EntryList) -> Value {
    let own = uri.path_and_query().map_or(uri.path(), |own| own.as_str());
    let mut links = json!({ "self": link(own) });
    if let Some(next) = &found.next {
        let more = format!("before={}&cursor={next}", next.date().as_millis());
        links["next"] = link(&format!("{}{}", uri.path(), Query::of(uri).with(&OF_A_PAGE, &more)));
    }
    let items: Vec<Value> = found.entries.iter().map(|entry| entry.facts().listing()).collect();
    json!({ "_links": links, "items": items })
}
