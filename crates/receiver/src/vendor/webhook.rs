//! Receivers of signed webhooks: the Standard Webhooks specification,
//! <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>, and
//! `X-LD-Signature`, <https://launchdarkly.com/docs/home/infrastructure/webhooks>.

use aws_lc_rs::hmac;
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Map, Value, json};

use super::{BadBody, Call};
use crate::{
    reply::{Judgement, Refusal, Reply, Verdict},
    time::{MINUTE, SECOND},
};

const BODY_MAX: usize = 1 << 20;
/// How far the time of a message may be from the receiver's, in the reference implementations.
const TOLERANCE: i64 = 5 * MINUTE;

/// A receiver that checks a message as the reference implementation does, and `X-LD-Signature` where it is there.
pub(super) fn judge_standard(call: &mut Call<'_>) -> Verdict {
    let body = body(call)?;
    let header = |name: &str| call.request.header(name).filter(|value| !value.is_empty());
    let missing = || refuse(400, "Missing required headers");
    let id = header("webhook-id").filter(|id| !id.contains('.')).ok_or_else(missing)?;
    let timestamp = header("webhook-timestamp").ok_or_else(missing)?;
    let signatures = header("webhook-signature").ok_or_else(missing)?;
    let seconds: i64 = timestamp.parse().map_err(|_| refuse(400, "Invalid Signature Headers"))?;
    if (seconds.saturating_mul(SECOND) - call.now).abs() > TOLERANCE {
        return Err(refuse(400, "Message timestamp too old or too new"));
    }
    let signed = [format!("{id}.{timestamp}.").as_bytes(), body].concat();
    let known = [&call.options.keys.webhook, &call.options.keys.webhook_previous];
    let right = |signature: &str| {
        let Some(Ok(tag)) = signature.strip_prefix("v1,").map(|text| STANDARD.decode(text)) else { return false };
        known.iter().any(|secret| signing_key(secret).is_some_and(|key| hmac::verify(&key, &signed, &tag).is_ok()))
    };
    if !signatures.split(' ').any(right) {
        return Err(refuse(401, "No matching signature found"));
    }
    if call.request.header("x-ld-signature").is_some() {
        ld_signature(call, body)?;
    }
    stored(body)
}

/// A receiver of LaunchDarkly's webhooks: Chronosphere and Kosli.
pub(super) fn judge_ld(call: &mut Call<'_>) -> Verdict {
    let body = body(call)?;
    ld_signature(call, body)?;
    stored(body)
}

fn body<'a>(call: &Call<'a>) -> Result<&'a [u8], Refusal> {
    if !call.is_post() {
        return Err(refuse(405, "a webhook is a POST"));
    }
    if !call.is_json() {
        return Err(refuse(415, "Content-Type must be application/json"));
    }
    call.body(&[], BODY_MAX).map_err(|bad: BadBody| refuse(bad.status(), &bad.reason()))
}

fn ld_signature(call: &Call<'_>, body: &[u8]) -> Result<(), Refusal> {
    let wrong = || refuse(401, "X-LD-Signature is missing or wrong");
    let sent = call.request.header("x-ld-signature").ok_or_else(wrong)?;
    let key = hmac::Key::new(hmac::HMAC_SHA256, call.options.keys.ld_webhook.as_bytes());
    let tag = hmac::sign(&key, body);
    let hex: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    if sent == hex { Ok(()) } else { Err(wrong()) }
}

fn signing_key(secret: &str) -> Option<hmac::Key> {
    let bytes = STANDARD.decode(secret.strip_prefix("whsec_")?).ok()?;
    Some(hmac::Key::new(hmac::HMAC_SHA256, &bytes))
}

fn stored(body: &[u8]) -> Verdict {
    let Ok(Value::Object(entry)) = serde_json::from_slice::<Value>(body) else {
        return Err(refuse(400, "the body is an object"));
    };
    entry_fields(&entry).map_err(|reason| refuse(400, &reason))?;
    Ok(Judgement::stored(Reply::json(200, &json!({"received": true})), &Value::Object(entry)))
}

/// What every webhook of LaunchDarkly has.
fn entry_fields(entry: &Map<String, Value>) -> Result<(), String> {
    for key in ["_id", "_accountId", "kind", "name"] {
        if entry.get(key).and_then(Value::as_str).is_none_or(str::is_empty) {
            return Err(format!("{key} is text"));
        }
    }
    if !entry.get("date").is_some_and(Value::is_i64) {
        return Err("date is a whole number".to_owned());
    }
    match entry.get("accesses").and_then(Value::as_array) {
        Some(accesses) if !accesses.is_empty() => Ok(()),
        _ => Err("accesses is a list with at least one access".to_owned()),
    }
}

fn refuse(status: u16, reason: &str) -> Refusal {
    Refusal::new(Reply::json(status, &json!({"error": reason})), reason)
}
