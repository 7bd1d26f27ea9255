//! How subscriptions look on the wire.

pub(crate) mod account;
pub(crate) mod export;
pub(crate) mod ingest_source;
pub(crate) mod job;
pub(crate) mod token;
pub(crate) mod webhook;

use app::{Condition, Failure, State, Status, Subscription};
use domain::Timestamp;
use serde_json::{Map, Value, json};

/// Clients keep counts in 32 bits; a larger one would keep them from reading anything.
const COUNT_MAX: u64 = 2_147_483_647;

/// One subscription.
pub(crate) fn subscription(subscription: &Subscription) -> Value {
    let parent = list_href(&subscription.integration);
    let own = format!("{parent}/{}", subscription.id);
    json!({
        "_links": { "parent": link(&parent), "self": link(&own) },
        "_id": subscription.id.to_string(),
        "kind": subscription.integration,
        "name": subscription.name,
        "config": subscription.config,
        "statements": subscription.statements,
        "on": subscription.on,
        "tags": subscription.tags,
        "_status": status(&subscription.status, subscription.shows_response_body),
        "_delivery": delivery(&subscription.status),
    })
}

/// All subscriptions to one integration.
pub(crate) fn list(key: &str, subscriptions: &[Subscription]) -> Value {
    json!({
        "_links": { "self": link(&list_href(key)) },
        "key": key,
        "items": subscriptions.iter().map(subscription).collect::<Vec<_>>(),
    })
}

pub(crate) fn list_href(key: &str) -> String {
    format!("/api/v2/integrations/{key}")
}

pub(crate) fn link(href: &str) -> Value {
    json!({ "href": href, "type": "application/json" })
}

pub(crate) fn status(status: &Status, shows_response_body: bool) -> Value {
    let mut members = Map::new();
    let mut put = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            members.insert(name.to_owned(), value);
        }
    };
    put("successCount", Some(count(status.success_count)));
    put("lastSuccess", status.last_success.map(millis));
    put("errorCount", Some(count(status.error_count)));
    put("lastError", status.last_error.map(millis));
    put("errors", Some(status.errors.iter().map(|failure| error(failure, shows_response_body)).collect()));
    Value::Object(members)
}

fn error(failure: &Failure, shows_response_body: bool) -> Value {
    let mut members = Map::new();
    members.insert("statusCode".to_owned(), failure.status_code.unwrap_or(0).into());
    let body = match failure.status_code {
        // Without an answer there is no body to show, so the reason stands there.
        None => Some(failure.reason.as_str()),
        Some(_) => failure.response_body.as_deref().filter(|_| shows_response_body),
    };
    if let Some(body) = body {
        members.insert("responseBody".to_owned(), body.into());
    }
    members.insert("timestamp".to_owned(), millis(failure.at));
    Value::Object(members)
}

/// What other servers of this API do not tell: whether it waits, for what, and how far it is.
pub(crate) fn delivery(status: &Status) -> Map<String, Value> {
    let mut members = Map::new();
    let mut put = |name: &str, value: Value| members.insert(name.to_owned(), value);
    match &status.state {
        State::Flowing => put("state", "flowing".into()),
        State::Paused => put("state", "paused".into()),
        State::NeverOn => put("state", "neverOn".into()),
        State::Holding { since, until, reason } => {
            put("state", "holding".into());
            put("since", millis(*since));
            put("reason", reason.as_str().into());
            put("until", millis(*until))
        }
        State::Suspended { since, probe_at, reason } => {
            put("state", "suspended".into());
            put("since", millis(*since));
            put("reason", reason.as_str().into());
            put("probeAt", millis(*probe_at))
        }
    };
    if let Some(position) = status.position {
        put("position", position.0.into());
    }
    if let Some(waiting) = status.waiting {
        put("waiting", waiting.into());
    }
    if !status.conditions.is_empty() {
        put("conditions", status.conditions.iter().map(condition).collect());
    }
    members
}

fn condition(condition: &Condition) -> Value {
    json!({ "kind": condition.kind.as_str(), "since": millis(condition.since), "reason": condition.reason })
}

pub(crate) fn count(count: u64) -> Value {
    count.min(COUNT_MAX).into()
}

pub(crate) fn millis(at: Timestamp) -> Value {
    at.as_millis().into()
}

#[cfg(test)]
mod tests {
    use app::{Condition, ConditionKind, Counts, Failure, State, Status};
    use domain::{Sequence, Timestamp};
    use serde_json::{Value, json};

    use super::{delivery, status};

    fn failed() -> Status {
        let failure = |status_code, response_body: Option<&str>| Failure {
            status_code,
            response_body: response_body.map(str::to_owned),
            reason: "the name does not resolve".to_owned(),
            at: Timestamp::from_millis(7),
        };
        Status {
            state: State::Holding {
                since: Timestamp::from_millis(5),
                until: Timestamp::from_millis(9),
                reason: "rate limited".to_owned(),
            },
            position: Some(Sequence(4)),
            waiting: Some(2),
            counts: Counts::default(),
            success_count: u64::MAX,
            error_count: 2_147_483_648,
            last_success: None,
            last_error: Some(Timestamp::from_millis(7)),
            errors: vec![failure(None, None), failure(Some(403), Some("Forbidden"))],
            conditions: Vec::new(),
        }
    }

    #[test]
    fn counts_fit_into_32_bits_and_absent_times_are_left_out() {
        let shown = status(&failed(), true);
        assert_eq!((&shown["successCount"], &shown["errorCount"]), (&json!(2_147_483_647), &json!(2_147_483_647)));
        assert_eq!((shown.get("lastSuccess"), shown.get("lastError")), (None, Some(&json!(7))));
    }

    #[test]
    fn answers_are_shown_only_where_the_manifest_says_so_and_reasons_always() {
        let no_answer = json!({"statusCode": 0, "responseBody": "the name does not resolve", "timestamp": 7});
        let answer = json!({"statusCode": 403, "responseBody": "Forbidden", "timestamp": 7});
        let hidden = json!({"statusCode": 403, "timestamp": 7});
        assert_eq!(status(&failed(), true)["errors"], json!([no_answer, answer]));
        assert_eq!(status(&failed(), false)["errors"], json!([no_answer, hidden]));
    }

    #[test]
    fn every_state_is_named_with_what_it_waits_for() {
        let shown = |state| Value::from(delivery(&Status { state, position: None, waiting: None, ..failed() }));
        assert_eq!(
            Value::from(delivery(&failed())),
            json!({"state": "holding", "since": 5, "reason": "rate limited", "until": 9, "position": 4, "waiting": 2})
        );
        let (since, probe_at, reason) =
            (Timestamp::from_millis(2), Timestamp::from_millis(3), "no such key".to_owned());
        assert_eq!(
            shown(State::Suspended { since, probe_at, reason }),
            json!({"state": "suspended", "since": 2, "reason": "no such key", "probeAt": 3})
        );
        for (state, name) in [(State::Flowing, "flowing"), (State::Paused, "paused"), (State::NeverOn, "neverOn")] {
            assert_eq!(shown(state), json!({ "state": name }));
        }
    }

    #[test]
    fn conditions_are_told_while_there_are_any() {
        let (since, reason) = (Timestamp::from_millis(8), "no such key".to_owned());
        let conditions = vec![Condition { kind: ConditionKind::NearWindow, since, reason }];
        let shown = delivery(&Status { conditions, ..failed() });
        assert_eq!(shown["conditions"], json!([{"kind": "nearWindow", "since": 8, "reason": "no such key"}]));
        assert_eq!(delivery(&failed()).get("conditions"), None);
    }
}
