//! HCP Terraform, runs: <https://developer.hashicorp.com/terraform/cloud-docs/api-docs/run#create-a-run>.

use serde_json::{Value, json};

use super::{BadBody, Call};
use crate::reply::{Judgement, Refusal, Reply, Verdict};

const BODY_MAX: usize = 1 << 20;

pub(super) fn judge(call: &mut Call<'_>) -> Verdict {
    if !call.is_post() || call.request.path != "/api/v2/runs" {
        return Err(refuse(404, "not found"));
    }
    if call.bearer("Bearer") != Some(call.options.keys.terraform.as_str()) {
        return Err(refuse(401, "unauthorized"));
    }
    if call.request.media_type() != "application/vnd.api+json" {
        return Err(refuse(415, "Content-Type must be application/vnd.api+json"));
    }
    let body = call.body(&[], BODY_MAX).map_err(|bad: BadBody| refuse(bad.status(), &bad.reason()))?;
    let sent: Value = serde_json::from_slice(body).map_err(|_| refuse(400, "the body is not JSON"))?;
    let text = |pointer: &str| sent.pointer(pointer).and_then(Value::as_str);
    if text("/data/type") != Some("runs") || text("/data/relationships/workspace/data/type") != Some("workspaces") {
        return Err(refuse(422, "data is a run with a workspace"));
    }
    // A workspace that the token may not see is not there.
    if text("/data/relationships/workspace/data/id") != Some(call.options.terraform_workspace.as_str()) {
        return Err(refuse(404, "not found"));
    }
    if sent.pointer("/data/attributes/message").is_some_and(|message| !message.is_string()) {
        return Err(refuse(422, "message is text"));
    }
    let id = format!("run-{:016x}", call.memory.number());
    let reply = json!({"data": {"id": id, "type": "runs", "attributes": {"status": "pending"}}});
    Ok(Judgement::stored(Reply::json(201, &reply), &sent))
}

fn refuse(status: u16, reason: &str) -> Refusal {
    let error = json!({"status": status.to_string(), "title": reason});
    Refusal::new(Reply::json(status, &json!({"errors": [error]})), reason)
}
