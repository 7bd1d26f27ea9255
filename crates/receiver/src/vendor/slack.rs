//! Slack, incoming webhooks: <https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks>
//! and Block Kit: <https://docs.slack.dev/reference/block-kit/blocks>.

use serde_json::{Map, Value};

use super::{BadBody, Call};
use crate::reply::{Judgement, Refusal, Reply, Verdict};

const BLOCKS_MAX: usize = 50;
const TEXT_MAX: usize = 40_000;
const SECTION_MAX: usize = 3_000;
const HEADER_MAX: usize = 150;
const ELEMENTS_MAX: usize = 10;
const BODY_MAX: usize = 1 << 20;

pub(super) fn judge(call: &mut Call<'_>) -> Verdict {
    let segments = call.request.segments();
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    match segments.as_slice() {
        ["services", team, bot, _] if !(team.starts_with('T') && bot.starts_with('B')) => {
            return Err(refuse(404, "no_service"));
        }
        ["services", _, _, token] if *token == call.options.keys.hook => {}
        ["services", _, _, _] => return Err(refuse(403, "invalid_token")),
        _ => return Err(refuse(404, "no_service")),
    }
    if !call.is_post() {
        return Err(refuse(405, "method_not_allowed"));
    }
    let body = call.body(&[], BODY_MAX).map_err(|bad: BadBody| refuse(bad.status(), "invalid_payload"))?;
    let Some(Value::Object(message)) = call.is_json().then(|| serde_json::from_slice(body).ok()).flatten() else {
        return Err(refuse(400, "invalid_payload"));
    };
    let text = message.get("text").and_then(Value::as_str).unwrap_or_default();
    if text.is_empty() && !message.contains_key("blocks") {
        return Err(refuse(400, "no_text"));
    }
    if units(text) > TEXT_MAX {
        return Err(refuse(400, "msg_too_long"));
    }
    if let Err(reason) = blocks(&message) {
        return Err(Refusal::new(Reply::text(400, "invalid_blocks"), reason));
    }
    Ok(Judgement::stored(Reply::text(200, "ok"), &Value::Object(message)))
}

fn blocks(message: &Map<String, Value>) -> Result<(), String> {
    let Some(blocks) = message.get("blocks") else { return Ok(()) };
    let Some(blocks) = blocks.as_array().filter(|blocks| (1..=BLOCKS_MAX).contains(&blocks.len())) else {
        return Err(format!("blocks is a list of 1 to {BLOCKS_MAX}"));
    };
    for (at, block) in blocks.iter().enumerate() {
        self::block(block).map_err(|reason| format!("block {at}: {reason}"))?;
    }
    Ok(())
}

fn block(block: &Value) -> Result<(), String> {
    match block.get("type").and_then(Value::as_str) {
        Some("section") => text(block.get("text"), SECTION_MAX),
        Some("header") => text(block.get("text"), HEADER_MAX),
        Some("divider") => Ok(()),
        Some("context") => {
            let elements = block.get("elements").and_then(Value::as_array);
            let Some(elements) = elements.filter(|elements| (1..=ELEMENTS_MAX).contains(&elements.len())) else {
                return Err(format!("a context has 1 to {ELEMENTS_MAX} elements"));
            };
            elements.iter().try_for_each(|element| text(Some(element), SECTION_MAX))
        }
        _ => Err("the type is no block of a message".to_owned()),
    }
}

fn text(object: Option<&Value>, most: usize) -> Result<(), String> {
    let member = |key: &str| object.and_then(|object| object.get(key));
    let plain = match member("type").and_then(Value::as_str) {
        Some("plain_text") => true,
        Some("mrkdwn") => false,
        _ => return Err("a text is plain_text or mrkdwn".to_owned()),
    };
    if member("emoji").is_some_and(|emoji| !plain || !emoji.is_boolean()) {
        return Err("emoji is for plain_text and true or false".to_owned());
    }
    match member("text").and_then(Value::as_str) {
        Some(text) if (1..=most).contains(&units(text)) => Ok(()),
        _ => Err(format!("a text has 1 to {most} characters")),
    }
}

/// Characters as JavaScript counts them, which is the strictest reading of the limits.
fn units(text: &str) -> usize {
    text.encode_utf16().count()
}

fn refuse(status: u16, reason: &str) -> Refusal {
    Refusal::new(Reply::text(status, reason), reason)
}
