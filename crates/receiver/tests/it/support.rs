//! Requests, and what is asked of the answers.

use std::io::Write;

use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use receiver::{Intake, Options, Reply, Request};
use serde_json::Value;

/// 2027-01-15T08:00:00Z.
pub const NOW: i64 = 1_800_000_000_000;
pub const SECOND: i64 = 1_000;
pub const HOUR: i64 = 3_600 * SECOND;
pub const DAY: i64 = 24 * HOUR;

pub fn options() -> Options {
    Options::new(|| NOW)
}

pub fn intake() -> Intake {
    Intake::new(options())
}

/// A POST to `target`, a path with or without query, at localhost.
pub fn post(target: &str, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Request {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(HeaderName::try_from(*name).unwrap(), HeaderValue::try_from(*value).unwrap());
    }
    Request {
        method: Method::POST,
        host: "localhost".to_owned(),
        path: path.to_owned(),
        query: query.to_owned(),
        headers: map,
        body: body.into(),
    }
}

/// `base` with the member `key` set to `value`, or without it where `value` is null.
pub fn with(base: &Value, key: &str, value: Value) -> Value {
    let mut changed = base.clone();
    let object = changed.as_object_mut().unwrap();
    if value.is_null() {
        object.shift_remove(key);
    } else {
        object.insert(key.to_owned(), value);
    }
    changed
}

pub fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

/// Sends `request` and asks for this status and for a body that contains `words`; says how many
/// items were stored and whether something was refused.
#[track_caller]
fn answered(intake: &Intake, request: &Request, status: u16, words: &str) -> (Reply, usize, bool) {
    let reply = intake.answer(request).reply;
    let text = String::from_utf8_lossy(&reply.body).into_owned();
    let received = intake.received(None).pop().unwrap();
    let sent = String::from_utf8_lossy(&request.body[..request.body.len().min(300)]).into_owned();
    assert_eq!(reply.status, status, "{text} to {} {sent}", request.path);
    assert!(text.contains(words), "{words:?} is not in {text} to {sent}");
    (reply, received.stored_items, received.refused.is_some())
}

/// The request is taken whole and `stored` items of it are stored.
#[track_caller]
pub fn accepts(intake: &Intake, request: &Request, status: u16, words: &str, stored: usize) -> Reply {
    let (reply, items, refused) = answered(intake, request, status, words);
    assert_eq!((items, refused), (stored, false));
    reply
}

/// The request is refused with this status and nothing of it is stored.
#[track_caller]
pub fn refuses(intake: &Intake, request: &Request, status: u16, words: &str) -> Reply {
    let (reply, items, refused) = answered(intake, request, status, words);
    assert_eq!((items, refused), (0, true));
    reply
}

/// Some items are stored and some are not.
#[track_caller]
pub fn divides(intake: &Intake, request: &Request, status: u16, words: &str, stored: usize) -> Reply {
    let (reply, items, refused) = answered(intake, request, status, words);
    assert_eq!((items, refused), (stored, true));
    reply
}
