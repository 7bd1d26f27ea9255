//! `GET /api/v2/integrations/{key}/{id}/dead-letters`, `GET /api/v2/webhooks/{id}/dead-letters`

use std::sync::Arc;

use app::{Caller, DeadLetter, DeadLetters, DeadLettersAsked, LetterFate};
use axum::{Extension, Json, extract::State, http::Uri};
use domain::Sequence;
use serde_json::{Value, json};

use super::To;
use crate::{
    Shared,
    problem::Problem,
    query::Query,
    representation::{link, millis},
};

const LIMIT_DEFAULT: usize = 20;

pub(crate) async fn handle(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Arc<Caller>>,
    To(recipient): To,
    uri: Uri,
) -> Result<Json<Value>, Problem> {
    let query = Query::of(&uri);
    let asked = DeadLettersAsked {
        before: query.number("before", 1..=u64::MAX)?.map(Sequence),
        fate: fate(query.text("fate"))?,
        limit: query.limit(LIMIT_DEFAULT, DeadLettersAsked::LIMIT_MAX)?,
        with_entries: query.flag("withEntries")?,
    };
    let found = shared.app.dead_letter_list(&caller, &recipient, asked).await?;
    Ok(Json(representation(&recipient.href(), asked, &found)))
}

fn representation(subscription: &str, asked: DeadLettersAsked, found: &DeadLetters) -> Value {
    let page = |before: Option<Sequence>| {
        let before = before.map_or_else(String::new, |before| format!("&before={before}"));
        let fate = asked.fate.map_or_else(String::new, |fate| format!("&fate={}", name(fate)));
        let entries = if asked.with_entries { "&withEntries=true" } else { "" };
        link(&format!("{subscription}/dead-letters?limit={}{before}{fate}{entries}", asked.limit))
    };
    let mut links = json!({ "parent": link(subscription), "self": page(asked.before) });
    if let Some(last) = found.letters.last().filter(|_| found.has_more) {
        links["next"] = page(Some(last.sequence));
    }
    json!({ "_links": links, "items": found.letters.iter().map(item).collect::<Vec<_>>() })
}

fn fate(text: Option<&str>) -> Result<Option<LetterFate>, Problem> {
    match text {
        None => Ok(None),
        Some("dead") => Ok(Some(LetterFate::Dead)),
        Some("skipped") => Ok(Some(LetterFate::Skipped)),
        Some(_) => Err(Problem::invalid("the query parameter fate must be dead or skipped")),
    }
}

fn name(fate: LetterFate) -> &'static str {
    match fate {
        LetterFate::Dead => "dead",
        LetterFate::Skipped => "skipped",
    }
}

fn item(letter: &DeadLetter) -> Value {
    let mut item = json!({
        "sequence": letter.sequence.0,
        "fate": name(letter.fate),
        "entryId": letter.entry_id.as_str(),
        "reason": { "name": letter.reason.name, "text": letter.reason.text },
        "diedAt": millis(letter.died_at),
    });
    if let Some(entry) = &letter.entry {
        item["entry"] = entry.clone();
    }
    item
}
