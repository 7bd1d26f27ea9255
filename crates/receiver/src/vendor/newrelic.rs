//! New Relic, REST API v2, deployments: <https://docs.newrelic.com/docs/apm/new-relic-apm/maintenance/record-monitor-deployments/>.

use serde_json::{Map, Value, json};

use super::{BadBody, Call, Memory, not_text};
use crate::{
    reply::{Judgement, Refusal, Reply, Verdict},
    time::{self, SECOND},
};

const REVISION_MAX: usize = 127;
const USER_MAX: usize = 31;
const LONG_MAX: usize = 65_535;
const BODY_MAX: usize = 1_000_000;

pub(super) fn judge(call: &mut Call<'_>) -> Verdict {
    let application = application(call)?;
    let key = call.request.header("api-key").or_else(|| call.request.header("x-api-key"));
    if key != Some(call.options.keys.newrelic.as_str()) {
        return Err(refuse(401, "The API key provided is invalid"));
    }
    let known = &call.options.newrelic_applications;
    if !known.is_empty() && !known.contains(&application) {
        return Err(refuse(404, &format!("No Application found with ID '{application}'")));
    }
    if !call.is_json() {
        return Err(refuse(415, "Content-Type must be application/json"));
    }
    let body = call.body(&[], BODY_MAX).map_err(|bad: BadBody| refuse(bad.status(), &bad.reason()))?;
    let sent: Value = serde_json::from_slice(body).map_err(|_| refuse(400, "The request body is not valid JSON"))?;
    let Some(deployment) = sent.get("deployment").and_then(Value::as_object) else {
        return Err(refuse(400, "The deployment is missing"));
    };
    fields(deployment).map_err(|reason| refuse(400, &reason))?;
    let second = instant(call, &application, deployment).map_err(|reason| refuse(400, &reason))?;
    let deployments = &mut call.memory.deployments;
    if deployments.len() < Memory::NAMES_MAX || deployments.contains_key(&application) {
        deployments.insert(application.clone(), second);
    }
    let mut reply = json!({"id": call.memory.number(), "timestamp": time::seconds_text(second * SECOND)});
    for key in ["revision", "changelog", "description", "user"] {
        reply[key] = deployment.get(key).cloned().unwrap_or_default();
    }
    reply["links"] = json!({"application": application.parse::<u64>().unwrap_or_default()});
    Ok(Judgement::stored(Reply::json(201, &json!({"deployment": reply})), &sent))
}

fn application(call: &Call<'_>) -> Result<String, Refusal> {
    let segments = call.request.segments();
    match segments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["v2", "applications", id, "deployments.json"] if call.is_post() && id.parse::<u64>().is_ok() => {
            Ok((*id).to_owned())
        }
        _ => Err(refuse(404, "The requested resource could not be found")),
    }
}

fn fields(deployment: &Map<String, Value>) -> Result<(), String> {
    if let Some(key) = not_text(deployment, &["revision", "changelog", "description", "user", "timestamp"]) {
        return Err(format!("{key} is text"));
    }
    let text = |key: &str| deployment.get(key).and_then(Value::as_str).unwrap_or_default();
    if text("revision").is_empty() {
        return Err("revision is missing".to_owned());
    }
    let limits = [("revision", REVISION_MAX), ("user", USER_MAX), ("changelog", LONG_MAX), ("description", LONG_MAX)];
    match limits.into_iter().find(|(key, most)| text(key).chars().count() > *most) {
        Some((key, most)) => Err(format!("{key} is longer than {most} characters")),
        None => Ok(()),
    }
}

/// The second of the deployment. Without a timestamp it is now, and then it may equal the newest.
fn instant(call: &Call<'_>, application: &str, deployment: &Map<String, Value>) -> Result<i64, String> {
    let now = call.now.div_euclid(SECOND);
    let newest = call.memory.deployments.get(application).copied();
    let Some(text) = deployment.get("timestamp").and_then(Value::as_str) else {
        return Ok(newest.map_or(now, |newest| newest.max(now)));
    };
    // Twenty bytes are exactly `2020-02-04T00:48:39Z`.
    let shape = text.len() == 20 && text.ends_with('Z');
    let Some(millis) = time::rfc3339(text).filter(|_| shape) else {
        return Err("timestamp is not ISO 8601 in UTC with whole seconds".to_owned());
    };
    let second = millis.div_euclid(SECOND);
    if second > now {
        return Err("timestamp is in the future".to_owned());
    }
    if newest.is_some_and(|newest| second <= newest) {
        return Err("timestamp is not after the most recent deployment".to_owned());
    }
    Ok(second)
}

fn refuse(status: u16, reason: &str) -> Refusal {
    Refusal::new(Reply::json(status, &json!({"error": {"title": reason}})), reason)
}
