//! How replays and redeliveries look on the wire.

use app::{DryRun, Job, JobKind, JobState, OnLate};
use serde_json::{Map, Value, json};

use super::{link, millis};

/// Where a job of the subscription at `subscription` is.
pub(crate) fn job_href(subscription: &str, job: &Job) -> String {
    format!("{subscription}/replays/{}", job.id)
}

/// One job of the subscription at `subscription`.
pub(crate) fn job(subscription: &str, job: &Job) -> Value {
    let counts = job.progress.counts;
    let mut members = Map::new();
    let mut put = |name: &str, value: Value| members.insert(name.to_owned(), value);
    put("_links", json!({ "parent": link(subscription), "self": link(&job_href(subscription, job)) }));
    put("_id", job.id.to_string().into());
    let kind = match job.kind {
        JobKind::Replay => "replay",
        JobKind::Redelivery => "redelivery",
    };
    let state = match job.state {
        JobState::Running => "running",
        JobState::Done => "done",
        JobState::Stopped => "stopped",
    };
    put("kind", kind.into());
    put("state", state.into());
    put("from", json!({ "sequence": job.first.0 }));
    put("to", json!({ "sequence": job.last.0 }));
    put("total", job.total.into());
    put("pending", job.total.saturating_sub(counts.sum()).into());
    put(
        "counts",
        json!({
            "accepted": counts.accepted,
            "refused": counts.refused,
            "filtered": counts.filtered,
            "skipped": counts.skipped,
        }),
    );
    put("madeAt", millis(job.made_at));
    if let Some(made_by) = job.made_by.as_deref().and_then(|text| serde_json::from_str(text).ok()) {
        put("madeBy", made_by);
    }
    if let Some(ended_at) = job.ended_at {
        put("endedAt", millis(ended_at));
    }
    Value::Object(members)
}

/// What a replay would do.
pub(crate) fn dry_run(dry_run: &DryRun) -> Value {
    let mut members = json!({
        "dryRun": true,
        "from": { "sequence": dry_run.first.0 },
        "to": { "sequence": dry_run.last.0 },
        "entries": dry_run.entries,
        "matching": dry_run.matching,
        "alreadyThere": if dry_run.drops_known { "dropped by the destination" } else { "stored again" },
        "isLowerBound": dry_run.is_lower_bound,
    });
    if let Some((count, on_late)) = dry_run.too_old {
        let what = match on_late {
            OnLate::Restamp => "sent with the time of the request",
            OnLate::Skip => "skipped",
        };
        members["tooOld"] = json!({ "count": count, "are": what });
    }
    members
}
