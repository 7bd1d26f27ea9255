//! What a destination's reply means.

use std::{borrow::Cow, time::Duration};

use domain::Timestamp;
use serde_json::Value;

use crate::{
    extension::{ItemsRule, ReplyRule, VerdictName},
    integration::Integration,
    retry_after,
};

/// What a destination answered.
#[derive(Clone, Copy, Debug)]
pub struct Reply<'a> {
    /// The status.
    pub status: u16,
    /// Names in lower case.
    pub headers: &'a [(String, String)],
    /// The body, or its beginning.
    pub body: &'a [u8],
    /// Whether the body was longer than what was read of it.
    pub truncated: bool,
    /// Whether reasons may repeat words of the body: not where they could tell what is inside the
    /// operator's network.
    pub shows_words: bool,
}

/// A reply, understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReplyReading {
    /// It speaks of the request as a whole.
    Whole(Verdict),
    /// It speaks of each item: as many as the request had, in its order.
    Items(Vec<Verdict>),
}

/// What a destination did with a request or an item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It has it.
    Accepted,
    /// It does not take this content.
    Refused {
        /// Why.
        reason: Reason,
    },
    /// It takes nothing from this subscription until its configuration changes.
    Misconfigured {
        /// Why.
        reason: Reason,
    },
    /// It takes nothing now.
    Throttled {
        /// How long to wait, if it said so; at most [`crate::RETRY_AFTER_MAX`].
        retry_after: Option<Duration>,
        /// Why.
        reason: Reason,
    },
    /// It may take it later.
    Unavailable {
        /// Why.
        reason: Reason,
    },
}

/// Why a destination did not take something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// For programs, such as `unauthorized`.
    pub name: Cow<'static, str>,
    /// For people, one sentence. It may repeat a text of the destination: redact it.
    pub text: String,
}

impl Reason {
    /// A reason.
    pub fn new(name: impl Into<Cow<'static, str>>, text: impl Into<String>) -> Self {
        Self { name: name.into(), text: text.into() }
    }
}

// What of a destination's own words goes into a reason.
const EXPLANATION_CHARS_MAX: usize = 300;

impl Integration {
    /// What the reply to a request of `items` items means at `now`.
    pub fn read_reply(&self, items: usize, reply: &Reply<'_>, now: Timestamp) -> ReplyReading {
        let body = ReplyBody::new(reply);
        for rule in &self.extension.reply {
            if !matches(rule, reply.status, &body) {
                continue;
            }
            return match (&rule.items, rule.verdict) {
                (Some(list), _) => self.read_items(items, list, &body, reply, now),
                (None, Some(verdict)) => ReplyReading::Whole(self.ruled(verdict, rule, reply, now)),
                (None, None) => continue,
            };
        }
        let success_is_described = self.extension.reply.iter().any(ReplyRule::describes_success);
        let verdict = match reply.status {
            200..=299 if success_is_described => Verdict::Unavailable { reason: unexpected_success(reply, &body) },
            status => self.general(status, reply, now),
        };
        ReplyReading::Whole(verdict)
    }

    /// The number that a reply gives as the first invalid item of the batch, if it gives one.
    pub fn first_invalid(&self, reply: &Reply<'_>) -> Option<usize> {
        let pointer = self.extension.first_invalid.as_ref()?;
        let number = ReplyBody::new(reply).json?.pointer(pointer)?.as_u64()?;
        usize::try_from(number).ok()
    }

    fn read_items(
        &self,
        items: usize,
        rule: &ItemsRule,
        body: &ReplyBody<'_>,
        reply: &Reply<'_>,
        now: Timestamp,
    ) -> ReplyReading {
        let list = body.json.as_ref().and_then(|json| json.pointer(&rule.list)).and_then(Value::as_array);
        let unreadable =
            |text: String| ReplyReading::Whole(Verdict::Unavailable { reason: Reason::new("reply_unreadable", text) });
        let Some(list) = list else {
            return ReplyReading::Whole(Verdict::Unavailable { reason: unexpected_success(reply, body) });
        };
        if list.len() != items {
            return unreadable(format!("the destination answered about {} items, {items} were sent", list.len()));
        }
        let asked = retry_after::read(reply, self.extension.rate_reset.as_ref(), now);
        let verdict = |element: &Value| {
            let status =
                member(element, &rule.status).and_then(Value::as_u64).and_then(|status| u16::try_from(status).ok());
            let Some(status) = status else {
                return Verdict::Unavailable {
                    reason: Reason::new("reply_unreadable", "the destination's answer has no status for this item"),
                };
            };
            let own = rule.verdicts.iter().find(|(_, statuses)| statuses.contains(&status)).map(|(name, _)| *name);
            let mut verdict = match own {
                Some(name) => make(name, general_reason(status), asked),
                None => self.general(status, reply, now),
            };
            if reply.shows_words
                && let (Some(reason), Some(pointer)) = (verdict.reason_mut(), &rule.explain)
                && let Some(words) = member(element, pointer).and_then(Value::as_str)
            {
                let words: String = words.chars().take(EXPLANATION_CHARS_MAX).collect();
                reason.text = format!("{}: {words}", reason.text);
            }
            verdict
        };
        ReplyReading::Items(list.iter().map(verdict).collect())
    }

    fn ruled(&self, verdict: VerdictName, rule: &ReplyRule, reply: &Reply<'_>, now: Timestamp) -> Verdict {
        let general = general_reason(reply.status);
        let reason = Reason {
            name: rule.reason.clone().map_or(general.name, Cow::Owned),
            text: rule.explain.clone().unwrap_or(general.text),
        };
        make(verdict, reason, retry_after::read(reply, self.extension.rate_reset.as_ref(), now))
    }

    fn general(&self, status: u16, reply: &Reply<'_>, now: Timestamp) -> Verdict {
        let asked = || retry_after::read(reply, self.extension.rate_reset.as_ref(), now);
        let verdict = match status {
            200..=299 => VerdictName::Accepted,
            400 | 413 | 422 => VerdictName::Refused,
            429 => VerdictName::Throttled,
            503 if asked().is_some() => VerdictName::Throttled,
            501 | 505 => VerdictName::Misconfigured,
            408 | 425 | 500..=599 => VerdictName::Unavailable,
            300..=499 => VerdictName::Misconfigured,
            _ => VerdictName::Unavailable,
        };
        make(verdict, general_reason(status), asked())
    }
}

impl Verdict {
    /// Why, unless it was accepted.
    pub fn reason(&self) -> Option<&Reason> {
        match self {
            Self::Accepted => None,
            Self::Refused { reason }
            | Self::Misconfigured { reason }
            | Self::Throttled { reason, .. }
            | Self::Unavailable { reason } => Some(reason),
        }
    }

    fn reason_mut(&mut self) -> Option<&mut Reason> {
        match self {
            Self::Accepted => None,
            Self::Refused { reason }
            | Self::Misconfigured { reason }
            | Self::Throttled { reason, .. }
            | Self::Unavailable { reason } => Some(reason),
        }
    }
}

impl ReplyRule {
    fn describes_success(&self) -> bool {
        self.items.is_some() || self.verdict == Some(VerdictName::Accepted)
    }
}

struct ReplyBody<'a> {
    /// None when it is not UTF-8 or not whole.
    text: Option<&'a str>,
    /// None when it is not JSON.
    json: Option<Value>,
    /// What was read of it.
    seen: Cow<'a, str>,
}

impl<'a> ReplyBody<'a> {
    fn new(reply: &Reply<'a>) -> Self {
        let text = if reply.truncated { None } else { std::str::from_utf8(reply.body).ok() };
        let json = text.and_then(|text| serde_json::from_str(text).ok());
        Self { text, json, seen: String::from_utf8_lossy(reply.body) }
    }
}

fn matches(rule: &ReplyRule, status: u16, body: &ReplyBody<'_>) -> bool {
    let at = |pointer: &String| body.json.as_ref().and_then(|json| json.pointer(pointer));
    let is_filled = |value: &Value| match value {
        Value::Array(elements) => !elements.is_empty(),
        Value::String(text) => !text.is_empty(),
        _ => false,
    };
    (rule.status.is_empty() || rule.status.contains(&status))
        && rule.json.iter().all(|(pointer, values)| at(pointer).is_some_and(|value| values.contains(value)))
        && (rule.any_filled.is_empty() || rule.any_filled.iter().any(|pointer| at(pointer).is_some_and(is_filled)))
        && rule.text.as_ref().is_none_or(|text| body.text.is_some_and(|body| body.trim() == text))
        && rule.contains.as_ref().is_none_or(|part| body.seen.contains(part.as_str()))
}

/// The value at a pointer whose step `*` stands for the only member of an object.
fn member<'a>(value: &'a Value, pointer: &str) -> Option<&'a Value> {
    pointer.split('/').skip(1).try_fold(value, |value, step| match value {
        Value::Object(members) if step == "*" => members.values().next(),
        other => other.pointer(&format!("/{step}")),
    })
}

fn make(verdict: VerdictName, reason: Reason, retry_after: Option<Duration>) -> Verdict {
    match verdict {
        VerdictName::Accepted => Verdict::Accepted,
        VerdictName::Refused => Verdict::Refused { reason },
        VerdictName::Misconfigured => Verdict::Misconfigured { reason },
        VerdictName::Throttled => Verdict::Throttled { retry_after, reason },
        VerdictName::Unavailable => Verdict::Unavailable { reason },
    }
}

fn unexpected_success(reply: &Reply<'_>, body: &ReplyBody<'_>) -> Reason {
    let status = reply.status;
    if reply.truncated {
        return Reason::new("reply_too_long", format!("the answer to the request ({status}) is too long to be read"));
    }
    if body.json.is_none() && !reply.body.is_empty() {
        let text = format!("the answer to the request ({status}) cannot be read, so nothing shows that it was taken");
        return Reason::new("reply_unreadable", text);
    }
    let text =
        format!("the answer to the request ({status}) does not say what this destination says when it takes one");
    Reason::new("unexpected_reply", text)
}

fn general_reason(status: u16) -> Reason {
    let (name, text) = match status {
        400 => ("bad_request", "the destination does not understand the request"),
        401 => ("unauthorized", "the destination does not know the key"),
        403 => ("forbidden", "the destination does not allow it with this key"),
        404 => ("not_found", "the destination has nothing at this address"),
        408 => ("timeout", "the destination waited too long for the request"),
        410 => ("gone", "the address is no longer in use"),
        413 => ("too_large", "the request is too large for the destination"),
        422 => ("unprocessable", "the destination does not take this content"),
        425 => ("too_early", "the destination does not take the request yet"),
        429 => ("rate_limited", "the destination gets too many requests"),
        501 | 505 => ("not_supported", "the destination does not support the request"),
        503 => ("unavailable", "the destination is not available now"),
        _ => match status / 100 {
            2 => ("unexpected_reply", "the destination answered with a success that is none"),
            3 => ("redirect", "the destination redirects, and redirects are not followed"),
            4 => ("client_error", "the destination refuses the request"),
            5 => ("server_error", "the destination has failed"),
            _ => ("unexpected_status", "the destination answered with a status that says nothing"),
        },
    };
    Reason::new(name, format!("{text} ({status})"))
}
