//! `GET /api/v2/tokens`

use std::sync::Arc;

use app::Caller;
use axum::{Extension, Json, extract::State, http::Uri};
use serde_json::{Value, json};

use crate::{
    Shared,
    problem::Problem,
    query::Query,
    representation::{link, token},
};

const LIMIT_DEFAULT: u64 = 25;
const LIMIT_MAX: u64 = 1_000;

pub(crate) async fn handle(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Arc<Caller>>,
    uri: Uri,
) -> Result<Json<Value>, Problem> {
    let query = Query::of(&uri);
    let all = query.flag("showAll")?;
    let limit = query.number("limit", 1..=LIMIT_MAX)?.unwrap_or(LIMIT_DEFAULT);
    let offset = query.number("offset", 0..=u64::from(u32::MAX))?.unwrap_or(0);
    let place = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
    let page = shared.app.access_token_list(&caller, all, place(offset), place(limit)).await?;
    let items: Vec<_> = page.tokens.iter().map(|found| token::token(found, None)).collect();
    Ok(Json(json!({
        "_links": links(page.total as u64, all, offset, limit),
        "items": items,
        "totalCount": page.total,
    })))
}

/// Links to this page and to those around it, as far as there are any.
fn links(total: u64, all: bool, offset: u64, limit: u64) -> Value {
    let show_all = if all { "&showAll=true" } else { "" };
    let page = |offset: u64| link(&format!("{}?limit={limit}&offset={offset}{show_all}", token::LIST));
    let mut links = json!({ "self": page(offset) });
    if offset > 0 {
        links["first"] = page(0);
        links["prev"] = page(offset.saturating_sub(limit));
    }
    if offset + limit < total {
        links["next"] = page(offset + limit);
        links["last"] = page((total - 1) / limit * limit);
    }
    links
}
