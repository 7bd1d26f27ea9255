//! Zapier, the trigger Catch Hook: <https://help.zapier.com/hc/en-us/articles/8496288690317>.

use serde_json::{Value, json};

use super::{BadBody, Call};
use crate::reply::{Judgement, Refusal, Reply, Verdict};

/// <https://docs.zapier.com/platform/build/operating-constraints>.
const BODY_MAX: usize = 10 << 20;

pub(super) fn judge(call: &mut Call<'_>) -> Verdict {
    let segments = call.request.segments();
    let parts: Vec<&str> = segments.iter().map(String::as_str).filter(|part| !part.is_empty()).collect();
    let known = matches!(parts.as_slice(), ["hooks", "catch", user, hook] if user.parse::<u64>().is_ok() && *hook == call.options.keys.hook);
    if !known {
        return Err(refuse(404, "no hook has this address"));
    }
    if !call.is_post() {
        return Err(refuse(405, "the hook is called with POST here"));
    }
    let body = call.body(&[], BODY_MAX).map_err(|bad: BadBody| refuse(bad.status(), &bad.reason()))?;
    let Some(sent) = call.is_json().then(|| serde_json::from_slice::<Value>(body).ok()).flatten() else {
        return Err(refuse(400, "the payload is not JSON"));
    };
    if !sent.is_object() {
        return Err(refuse(400, "the payload is an object"));
    }
    let id = format!("{:016x}", call.memory.number());
    let reply = json!({"attempt": id, "id": id, "request_id": id, "status": "success"});
    Ok(Judgement::stored(Reply::json(200, &reply), &sent))
}

fn refuse(status: u16, reason: &str) -> Refusal {
    Refusal::new(Reply::json(status, &json!({"status": "error", "message": reason})), reason)
}
