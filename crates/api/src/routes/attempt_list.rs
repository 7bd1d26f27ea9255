//! `GET /api/v2/integrations/{key}/{id}/attempts`, `GET /api/v2/webhooks/{id}/attempts`

use std::sync::Arc;

use app::{Attempts, AttemptsAsked, Caller, Evidence, Follows, NumberedAttempt, OutcomeAsked, OutcomeKind};
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

const LIMIT_DEFAULT: usize = 20;

/// What an attempt can come to. Entries that are passed over are never part of one.
const KINDS: [OutcomeKind; 6] = [
    OutcomeKind::Accepted,
    OutcomeKind::Unrenderable,
    OutcomeKind::Refused,
    OutcomeKind::Misconfigured,
    OutcomeKind::Throttled,
    OutcomeKind::Unavailable,
];
/// All of those but the first.
const FAILED: &str = "failed";

pub(crate) async fn handle(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Arc<Caller>>,
    To(recipient): To,
    uri: Uri,
) -> Result<Json<Value>, Problem> {
    let query = Query::of(&uri);
    let asked = AttemptsAsked {
        outcome: outcome(&query)?,
        after: query.time("after")?,
        before: query.time("before")?,
        sequence: query.number("sequence", 1..=u64::MAX)?.map(Sequence),
        below: query.number("beforeNumber", 1..=u64::MAX)?,
        limit: query.limit(LIMIT_DEFAULT, AttemptsAsked::LIMIT_MAX)?,
    };
    let found = shared.app.attempt_list(&caller, &recipient, asked).await?;
    Ok(Json(representation(&recipient.href(), asked, &found)))
}

fn outcome(query: &Query<'_>) -> Result<Option<OutcomeAsked>, Problem> {
    let names: Vec<_> = KINDS.into_iter().map(OutcomeKind::name).chain([FAILED]).collect();
    let Some(place) = query.choice("outcome", &names)? else { return Ok(None) };
    Ok(Some(KINDS.get(place).map_or(OutcomeAsked::Failed, |kind| OutcomeAsked::Is(*kind))))
}

fn representation(subscription: &str, asked: AttemptsAsked, found: &Attempts) -> Value {
    let page = |below: Option<u64>| link(&format!("{subscription}/attempts{}", to_query(asked, below)));
    let mut links = json!({ "parent": link(subscription), "self": page(asked.below) });
    if let Some(below) = found.next_below {
        links["next"] = page(Some(below));
    }
    json!({ "_links": links, "items": found.attempts.iter().map(item).collect::<Vec<_>>() })
}

fn to_query(asked: AttemptsAsked, below: Option<u64>) -> String {
    let mut query = format!("?limit={}", asked.limit);
    let mut put = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            query.push_str(&format!("&{name}={value}"));
        }
    };
    let outcome = asked.outcome.map(|outcome| match outcome {
        OutcomeAsked::Is(kind) => kind.name(),
        OutcomeAsked::Failed => FAILED,
    });
    put("outcome", outcome.map(str::to_owned));
    put("after", asked.after.map(|after| after.as_millis().to_string()));
    put("before", asked.before.map(|before| before.as_millis().to_string()));
    put("sequence", asked.sequence.map(|sequence| sequence.0.to_string()));
    put("beforeNumber", below.map(|below| below.to_string()));
    query
}

fn item(numbered: &NumberedAttempt) -> Value {
    let NumberedAttempt { number, attempt } = numbered;
    let mut members = Map::new();
    let mut put = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            members.insert(name.to_owned(), value);
        }
    };
    let last = attempt.runs.last().map(|run| run.first.0.saturating_add(run.count).saturating_sub(1));
    put("number", Some((*number).into()));
    put("endedAt", Some(millis(attempt.ended_at)));
    put("durationMs", Some(u64::try_from(attempt.took.as_millis()).unwrap_or(u64::MAX).into()));
    put("outcome", Some(attempt.outcome().name().into()));
    put("statusCode", attempt.status_code.map(Value::from));
    put("entries", Some(attempt.entries().into()));
    put("firstSequence", attempt.runs.first().map(|run| run.first.0.into()));
    put("lastSequence", last.map(Value::from));
    put("probe", Some(attempt.is_probe.into()));
    put("job", Some(attempt.is_of_job.into()));
    if let Some(evidence) = &attempt.evidence {
        put_evidence(put, evidence);
    }
    Value::Object(members)
}

fn put_evidence(mut put: impl FnMut(&str, Option<Value>), evidence: &Evidence) {
    put("reason", Some(json!({ "name": evidence.reason, "text": evidence.text })));
    put("sent", Some(evidence.is_sent.into()));
    put("failedEntries", Some(evidence.failed.into()));
    put("deadEntries", Some(evidence.dead.into()));
    put("next", Some(next(evidence.follows)));
    put("responseBody", evidence.response_body.as_deref().map(Value::from));
    put("address", evidence.address.as_deref().map(Value::from));
    let tls = evidence.tls.as_ref();
    put("tls", tls.map(|(version, cipher)| json!({ "version": version, "cipherSuite": cipher })));
}

fn next(follows: Follows) -> Value {
    match follows {
        Follows::Nothing => json!({ "does": "nothing" }),
        Follows::Again => json!({ "does": "sendAgain" }),
        Follows::Retry(at) => json!({ "does": "retry", "at": millis(at) }),
        Follows::Hold(at) => json!({ "does": "hold", "at": millis(at) }),
        Follows::Suspend(at) => json!({ "does": "suspend", "at": millis(at) }),
    }
}
