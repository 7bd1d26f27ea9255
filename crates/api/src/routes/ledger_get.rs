//! `GET /api/v2/integrations/{key}/{id}/ledger`, `GET /api/v2/webhooks/{id}/ledger`

use std::sync::Arc;

use app::{Caller, Ledger, LedgerAsked, SkippedRange};
use axum::{Extension, Json, extract::State, http::Uri};
use domain::Sequence;
use serde_json::{Map, Value, json};

use super::To;
use crate::{
    Shared,
    problem::Problem,
    query::Query,
    representation::{link, millis},
};

const LIMIT_DEFAULT: usize = 100;

pub(crate) async fn handle(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Arc<Caller>>,
    To(recipient): To,
    uri: Uri,
) -> Result<Json<Value>, Problem> {
    let query = Query::of(&uri);
    let asked = LedgerAsked {
        after: Sequence(query.number("after", 0..=u64::MAX)?.unwrap_or(0)),
        after_revision: query.number("afterRevision", 0..=u64::MAX)?.unwrap_or(0),
        limit: query.limit(LIMIT_DEFAULT, LedgerAsked::LIMIT_MAX)?,
    };
    let ledger = shared.app.ledger_get(&caller, &recipient, asked).await?;
    Ok(Json(representation(&recipient.href(), asked, &ledger)))
}

fn representation(subscription: &str, asked: LedgerAsked, ledger: &Ledger) -> Value {
    let Ledger { kept, sum } = ledger;
    let mut own = format!("{subscription}/ledger?limit={}&after={}", asked.limit, asked.after);
    if asked.after_revision > 0 {
        own = format!("{own}&afterRevision={}", asked.after_revision);
    }
    let mut members = Map::new();
    let mut put = |name: &str, value: Value| members.insert(name.to_owned(), value);
    put("_links", json!({ "parent": link(subscription), "self": link(&own) }));
    put("subscriptionId", kept.subscription.to_string().into());
    put("name", kept.name.as_str().into());
    put("start", kept.start.map_or(Value::Null, |start| start.0.into()));
    if let (None, Some(asked)) = (kept.start, kept.asked_start) {
        put("startAsked", asked.0.into());
    }
    if let (Some(sum), Some(progress)) = (sum, &kept.progress) {
        let counts = progress.counts;
        put("position", sum.position.0.into());
        put("frontier", sum.frontier.0.into());
        put("unsettled", sum.unsettled.into());
        put("settledAbovePosition", sum.settled_above.into());
        put(
            "counts",
            json!({
                "delivered": counts.delivered,
                "filtered": sum.filtered,
                "skipped": counts.skipped,
                "dead": counts.dead,
            }),
        );
        put("filteredAfterMatch", counts.filtered_after_match.into());
        put("addsUp", sum.adds_up.into());
    }
    put("lastSequence", kept.last.0.into());
    if let Some(deleted_at) = kept.deleted_at {
        put("deletedAt", millis(deleted_at));
    }
    put("revisions", revisions(ledger));
    let skipped: Vec<_> = kept.skipped.iter().map(range).collect();
    put("skipped", json!({ "total": kept.totals.skipped_ranges, "items": skipped }));
    let dead: Vec<_> = kept.dead.iter().map(|sequence| sequence.0).collect();
    put("deadLetters", json!({ "total": kept.totals.dead, "sequences": dead }));
    let late: Vec<_> = kept.late.iter().map(|sequence| sequence.0).collect();
    put("skippedLetters", json!({ "total": kept.totals.late, "sequences": late }));
    Value::Object(members)
}

/// Which revision judged what; the present one goes on after the frontier.
fn revisions(Ledger { kept, sum }: &Ledger) -> Value {
    let start = kept.start.unwrap_or_default();
    let items = kept.revisions.iter().map(|revision| {
        let after = revision.after.max(start);
        let until = revision.until.or(sum.map(|sum| sum.frontier)).unwrap_or(after);
        let mut item = json!({ "revision": revision.revision, "on": revision.on, "madeAt": millis(revision.made_at) });
        if until > after {
            item["first"] = after.next().0.into();
            item["last"] = until.0.into();
        }
        item
    });
    json!({ "total": kept.revision, "items": items.collect::<Vec<_>>() })
}

fn range(range: &SkippedRange) -> Value {
    // What the engine wrote; a text that is not of its form is shown as it is.
    let reason =
        serde_json::from_str(&range.reason).unwrap_or_else(|_| json!({ "name": "unknown", "text": range.reason }));
    json!({ "first": range.first.0, "last": range.last.0, "reason": reason, "skippedAt": millis(range.skipped_at) })
}
