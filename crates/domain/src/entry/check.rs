//! What the known members of an entry must look like.
//!
//! Clients of the REST API read these members with strict types, so a member of another type
//! is refused here; nothing behind this check looks at types again. Unknown members are free.

use std::str::FromStr;

use serde_json::Value;

use super::access;
use super::read::{Object, is_given};
use crate::{EntryId, FieldError, Timestamp};

/// The latest date of an event, in ms: the last one with a four-digit year in every time zone.
const DATE_MAX: i64 = 253_402_207_200_999;

// An entry of many small mistakes must not make an answer that is far larger than itself.
const MISTAKES_MAX: usize = 100;

/// Every mistake in an entry; none when it may be stored.
pub(super) fn mistakes(root: &Object) -> Vec<FieldError> {
    let mut mistakes = Vec::new();
    check_id(root, &mut mistakes);
    if is_given(root, "_origin") {
        mistakes.push(FieldError::new("_origin", "is reserved for the server's own entries; leave it out"));
    }
    access::check(root, &mut mistakes);
    check_dates(root, &mut mistakes);
    check_members(root, MEMBERS, &mut mistakes);
    mistakes.truncate(MISTAKES_MAX);
    mistakes
}

/// When the event happened, if the entry says so: `date`, else `timestamp` in any of its forms.
pub(super) fn date(root: &Object) -> Option<Timestamp> {
    let millis = root.get("date").and_then(date_of).or_else(|| match root.get("timestamp")? {
        Value::Object(parts) => parts.get("milliseconds").and_then(date_of),
        Value::String(text) => {
            jiff::Timestamp::from_str(text).ok().map(jiff::Timestamp::as_millisecond).filter(in_range)
        }
        number => date_of(number),
    });
    millis.map(Timestamp::from_millis)
}

fn date_of(value: &Value) -> Option<i64> {
    value.as_i64().filter(in_range)
}

pub(super) fn in_range(millis: &i64) -> bool {
    (0..=DATE_MAX).contains(millis)
}

fn check_id(root: &Object, mistakes: &mut Vec<FieldError>) {
    match root.get("_id") {
        None | Some(Value::Null) => {}
        Some(Value::String(id)) if EntryId::parse(id).is_ok() => {}
        Some(_) => mistakes.push(FieldError::new(
            "_id",
            format!(
                "must be a text of 1 to {} bytes without control characters; left out, the server makes one",
                EntryId::BYTES_MAX
            ),
        )),
    }
}

fn check_dates(root: &Object, mistakes: &mut Vec<FieldError>) {
    const MILLIS: &str = "must be milliseconds since 1970 as a whole number, such as 1790000000000";
    let given = |name| root.get(name).filter(|value| !value.is_null());
    if given("date").is_some_and(|date| date_of(date).is_none()) {
        mistakes.push(FieldError::new("date", format!("{MILLIS}; a text form goes into timestamp")));
    }
    let Some(timestamp) = given("timestamp") else { return };
    match timestamp {
        Value::Object(parts) => {
            if parts.get("milliseconds").and_then(date_of).is_none() {
                mistakes.push(FieldError::new("timestamp.milliseconds", MILLIS));
            }
            let mut checked = Vec::new();
            check_members(parts, TIMESTAMP, &mut checked);
            mistakes.extend(checked.into_iter().map(|mistake| mistake.within("timestamp")));
        }
        timestamp => {
            // `date` would answer for a wrong timestamp, so that is looked at alone.
            let alone = Object::from_iter([("timestamp".to_owned(), timestamp.clone())]);
            if date(&alone).is_none() {
                let reason =
                    format!("{MILLIS}, {{\"milliseconds\": …}}, or an RFC 3339 text such as 2026-09-21T14:13:20Z");
                mistakes.push(FieldError::new("timestamp", reason));
            }
        }
    }
}

/// The type of a member. `null` counts as left out, except in a list and for a link.
pub(super) enum Shape {
    Text,
    Flag,
    Millis,
    Texts,
    Map,
    Links,
    Object(&'static [Member]),
    List(&'static [Member]),
    TextOr(&'static [Member]),
}

pub(super) struct Member {
    pub(super) name: &'static str,
    pub(super) shape: Shape,
    pub(super) required: bool,
}

const fn may(name: &'static str, shape: Shape) -> Member {
    Member { name, shape, required: false }
}

const fn must(name: &'static str, shape: Shape) -> Member {
    Member { name, shape, required: true }
}

pub(super) const MEMBERS: &[Member] = &[
    may("_accountId", Shape::Text),
    may("_links", Shape::Links),
    may("kind", Shape::Text),
    may("key", Shape::Text),
    may("name", Shape::Text),
    may("tags", Shape::Texts),
    may("views", Shape::Texts),
    may("description", Shape::Text),
    may("shortDescription", Shape::Text),
    may("comment", Shape::Text),
    may("titleVerb", Shape::Text),
    may("verbKind", Shape::Text),
    may("title", Shape::TextOr(FORMS)),
    may("details", Shape::TextOr(FORMS)),
    may("customProperties", Shape::Map),
    may("project", Shape::Object(PROJECT)),
    may("member", Shape::Object(MEMBER)),
    may("subject", Shape::Object(SUBJECT)),
    may("token", Shape::Object(TOKEN)),
    may("app", Shape::Object(APP)),
    may("target", Shape::Object(TARGET)),
    may("parent", Shape::Object(PARENT)),
    may("relatedFlag", Shape::Object(RELATED)),
    may("relatedExperiment", Shape::Object(RELATED)),
    may("relatedAIConfig", Shape::Object(RELATED)),
    may("subentries", Shape::List(SUBENTRY)),
];

const TIMESTAMP: &[Member] = &[may("seconds", Shape::Millis), may("rfc3339", Shape::Text), may("simple", Shape::Text)];

const FORMS: &[Member] = &[may("plainText", Shape::Text), may("markdown", Shape::Text), may("html", Shape::Text)];

const PROJECT: &[Member] = &[
    may("name", Shape::Text),
    may("key", Shape::Text),
    may("tags", Shape::Texts),
    may("environment", Shape::Object(ENVIRONMENT)),
];

const ENVIRONMENT: &[Member] =
    &[may("name", Shape::Text), may("key", Shape::Text), may("tags", Shape::Texts), may("critical", Shape::Flag)];

const MEMBER: &[Member] = &[
    may("_links", Shape::Links),
    may("_id", Shape::Text),
    may("email", Shape::Text),
    may("emailLocalPart", Shape::Text),
    may("firstName", Shape::Text),
    may("lastName", Shape::Text),
    may("displayName", Shape::Text),
];

const SUBJECT: &[Member] = &[may("_links", Shape::Links), may("name", Shape::Text), may("avatarUrl", Shape::Text)];

const TOKEN: &[Member] = &[
    may("_links", Shape::Links),
    may("_id", Shape::Text),
    may("name", Shape::Text),
    may("ending", Shape::Text),
    may("serviceToken", Shape::Flag),
];

const APP: &[Member] = &[
    may("_links", Shape::Links),
    may("_id", Shape::Text),
    may("isScim", Shape::Flag),
    may("isAgent", Shape::Flag),
    may("name", Shape::Text),
    may("maintainerName", Shape::Text),
    may("iconUrl", Shape::Text),
];

const TARGET: &[Member] =
    &[may("_links", Shape::Links), may("_id", Shape::Text), may("name", Shape::Text), may("resources", Shape::Texts)];

const PARENT: &[Member] = &[may("_links", Shape::Links), may("name", Shape::Text), may("resource", Shape::Text)];

const RELATED: &[Member] = &[must("key", Shape::Text)];

const SUBENTRY: &[Member] = &[
    must("_links", Shape::Links),
    must("_id", Shape::Text),
    must("_accountId", Shape::Text),
    must("date", Shape::Millis),
    must("accesses", Shape::List(&[may("action", Shape::Text), may("resource", Shape::Text)])),
    must("kind", Shape::Text),
    must("name", Shape::Text),
    must("description", Shape::Text),
    must("shortDescription", Shape::Text),
    may("comment", Shape::Text),
    may("subject", Shape::Object(SUBJECT)),
    may("member", Shape::Object(MEMBER)),
    may("token", Shape::Object(TOKEN)),
    may("app", Shape::Object(APP)),
    may("titleVerb", Shape::Text),
    may("title", Shape::Text),
    may("target", Shape::Object(TARGET)),
    may("parent", Shape::Object(PARENT)),
    may("relatedFlag", Shape::Object(RELATED)),
    may("relatedExperiment", Shape::Object(RELATED)),
    may("relatedAIConfig", Shape::Object(RELATED)),
];

pub(super) const LINK: &[Member] = &[may("href", Shape::Text), may("type", Shape::Text)];

fn check_members(object: &Object, members: &[Member], mistakes: &mut Vec<FieldError>) {
    for member in members {
        match object.get(member.name).filter(|value| !value.is_null()) {
            Some(value) => {
                let mut checked = Vec::new();
                member.shape.check(value, &mut checked);
                mistakes.extend(checked.into_iter().map(|mistake| mistake.within(member.name)));
            }
            None if member.required => mistakes.push(FieldError::new(member.name, "is missing")),
            None => {}
        }
    }
}

impl Shape {
    fn check(&self, value: &Value, mistakes: &mut Vec<FieldError>) {
        let mut refuse = |reason: &str| mistakes.push(FieldError::new("", reason));
        match (self, value) {
            (Self::Text | Self::TextOr(_), Value::String(_))
            | (Self::Flag, Value::Bool(_))
            | (Self::Map, Value::Object(_)) => {}
            (Self::Millis, Value::Number(number)) if number.is_i64() => {}
            (Self::Texts, Value::Array(items)) => {
                if let Some(index) = items.iter().position(|item| !item.is_string()) {
                    mistakes.push(FieldError::new(format!("[{index}]"), "must be a text"));
                }
            }
            (Self::Links, Value::Object(links)) => {
                for (name, link) in links {
                    let mut checked = Vec::new();
                    Self::Object(LINK).check(link, &mut checked);
                    mistakes.extend(checked.into_iter().map(|mistake| mistake.within(name)));
                }
            }
            (Self::Object(members) | Self::TextOr(members), Value::Object(object)) => {
                check_members(object, members, mistakes);
            }
            (Self::List(members), Value::Array(items)) => {
                for (index, item) in items.iter().enumerate() {
                    let mut checked = Vec::new();
                    Self::Object(members).check(item, &mut checked);
                    let path = format!("[{index}]");
                    mistakes.extend(checked.into_iter().map(|mistake| mistake.within(&path)));
                    if mistakes.len() >= MISTAKES_MAX {
                        return;
                    }
                }
            }
            (Self::Text, _) => refuse("must be a text"),
            (Self::Flag, _) => refuse("must be true or false"),
            (Self::Millis, _) => refuse("must be a whole number"),
            (Self::Texts, _) => refuse("must be a list of texts"),
            (Self::Map | Self::Object(_), _) => refuse("must be an object"),
            (Self::Links, _) => refuse("must be an object of {\"href\": text, \"type\": text}"),
            (Self::List(_), _) => refuse("must be a list of objects"),
            (Self::TextOr(_), _) => refuse("must be a text or an object of plainText, markdown and html"),
        }
    }
}
