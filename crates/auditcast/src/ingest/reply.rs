//! What the answer of a server means for a batch. Pure.

use std::time::Duration;

use serde_json::Value;

use super::batch::Batch;

/// What follows from an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// All of it is in the log.
    Stored {
        /// Entries that are new in it.
        accepted: u64,
        /// Those that it had already.
        duplicates: u64,
    },
    /// Nothing of it is stored, and it may be sent again: after this time, if the server says one.
    Later(Option<Duration>, String),
    /// It is larger than the server takes.
    TooLarge(String),
    /// These entries are wrong, each with its line; nothing of the batch is stored.
    Mistakes(Vec<String>),
    /// The server will not take it, whatever the entries are.
    Refused(String),
}

/// Judges an answer about `batch`. Names of headers are in lower case.
pub fn judge(status: u16, headers: &[(String, String)], body: &[u8], batch: &Batch) -> Verdict {
    let header = |name: &str| headers.iter().find(|(one, _)| one == name).map(|(_, value)| value.as_str());
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let message = match body["message"].as_str() {
        Some(message) => format!("{message} ({status})"),
        None => format!("the server answered {status}"),
    };
    match status {
        202 => stored(&body, header("idempotency-replayed") == Some("true")),
        429 | 503 => Verdict::Later(header("retry-after").and_then(seconds), message),
        408 | 500 | 502 | 504 => Verdict::Later(None, message),
        413 => Verdict::TooLarge(message),
        400 => Verdict::Mistakes(mistakes(&body, &message, batch)),
        409 if body["code"] == "id_conflict" => {
            let place = body["index"].as_u64().and_then(|place| usize::try_from(place).ok());
            Verdict::Mistakes(vec![at(batch, place, &message)])
        }
        _ => Verdict::Refused(message),
    }
}

fn stored(body: &Value, is_repeated: bool) -> Verdict {
    let (Some(accepted), Some(duplicates)) = (body["accepted"].as_u64(), body["duplicates"].as_u64()) else {
        return Verdict::Refused("what answers at this address is no auditcast server".to_owned());
    };
    match is_repeated {
        true => Verdict::Stored { accepted: 0, duplicates: accepted.saturating_add(duplicates) },
        false => Verdict::Stored { accepted, duplicates },
    }
}

/// The mistakes that the answer lists, by line instead of place.
fn mistakes(body: &Value, message: &str, batch: &Batch) -> Vec<String> {
    let errors = body["errors"].as_array().map_or(&[][..], Vec::as_slice);
    let mut told: Vec<_> = errors.iter().map(|error| mistake(error, batch)).collect();
    if told.is_empty() {
        return vec![at(batch, None, message)];
    }
    if let Some(omitted) = body["errorsOmitted"].as_u64().filter(|omitted| *omitted > 0) {
        told.push(format!("and {omitted} more"));
    }
    told
}

/// `[3].date` is the member `date` of the entry at place 3.
fn mistake(error: &Value, batch: &Batch) -> String {
    let reason = error["reason"].as_str().unwrap_or("is wrong");
    let attribute = error["attribute"].as_str().unwrap_or_default();
    let split = attribute.strip_prefix('[').and_then(|rest| rest.split_once(']'));
    let place = split.and_then(|(place, _)| place.parse().ok());
    let member = if place.is_some() { split.map_or("", |(_, rest)| rest.trim_start_matches('.')) } else { attribute };
    at(batch, place, format!("{member} {reason}").trim_start())
}

fn at(batch: &Batch, place: Option<usize>, text: &str) -> String {
    match place.and_then(|place| batch.line(place)) {
        Some(line) => format!("line {line}: {text}"),
        None => {
            let (first, last) = batch.range();
            format!("lines {first} to {last}: {text}")
        }
    }
}

/// Seconds; a date is not read, for the server gives none.
fn seconds(text: &str) -> Option<Duration> {
    text.trim().parse().ok().map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::{Value, json};

    use super::{Batch, Verdict, judge};
    use crate::ingest::batch::Batches;

    /// Entries on the lines 1, 3 and 4.
    fn batch() -> Batch {
        Batches::new(&b"{}\n\n{}\n{}\n"[..], 9).next().expect("is read")
    }

    fn verdict(status: u16, headers: &[(&str, &str)], body: &Value) -> Verdict {
        let headers: Vec<_> = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        judge(status, &headers, body.to_string().as_bytes(), &batch())
    }

    #[test]
    fn a_repeated_request_has_stored_nothing_new() {
        let body = json!({"accepted": 2, "duplicates": 1});
        assert_eq!(verdict(202, &[], &body), Verdict::Stored { accepted: 2, duplicates: 1 });
        let again = verdict(202, &[("idempotency-replayed", "true")], &body);
        assert_eq!(again, Verdict::Stored { accepted: 0, duplicates: 3 });
        assert!(matches!(verdict(202, &[], &json!("hello")), Verdict::Refused(_)));
        assert!(matches!(verdict(200, &[], &body), Verdict::Refused(_)));
    }

    #[test]
    fn what_may_be_sent_again_waits_as_long_as_it_is_asked_to() {
        let body = json!({"code": "rate_limited", "message": "slowly"});
        let later = |seconds: Option<u64>, status| {
            Verdict::Later(seconds.map(Duration::from_secs), format!("slowly ({status})"))
        };
        assert_eq!(verdict(429, &[("retry-after", "7")], &body), later(Some(7), 429));
        assert_eq!(verdict(503, &[("retry-after", "soon")], &body), later(None, 503));
        for status in [408, 500, 502, 504] {
            assert_eq!(verdict(status, &[("retry-after", "7")], &body), later(None, status));
        }
    }

    #[test]
    fn mistakes_name_their_lines() {
        let listed = json!({"message": "bad", "errorsOmitted": 4, "errors": [
            {"attribute": "[1].accesses[0].action", "reason": "is missing"}, {"attribute": "[2]", "reason": "is not JSON"},
            {"attribute": "[9]", "reason": "is nowhere"}, {"attribute": "body", "reason": "is odd"},
        ]});
        let Verdict::Mistakes(told) = verdict(400, &[], &listed) else { panic!("they are mistakes") };
        assert_eq!(told[..2], ["line 3: accesses[0].action is missing", "line 4: is not JSON"]);
        assert_eq!(told[2..], ["lines 1 to 4: is nowhere", "lines 1 to 4: body is odd", "and 4 more"]);
        let bare = verdict(400, &[], &json!({"message": "bad"}));
        assert_eq!(bare, Verdict::Mistakes(vec!["lines 1 to 4: bad (400)".to_owned()]));
        let conflict = json!({"code": "id_conflict", "message": "entry 2 has the id of another entry", "index": 2});
        let expected = "line 4: entry 2 has the id of another entry (409)".to_owned();
        assert_eq!(verdict(409, &[], &conflict), Verdict::Mistakes(vec![expected]));
        assert!(matches!(verdict(413, &[], &json!({"message": "too large"})), Verdict::TooLarge(_)));
        for status in [301, 401, 403, 404, 409, 422] {
            assert!(matches!(verdict(status, &[], &json!({"message": "no"})), Verdict::Refused(_)), "{status}");
        }
    }
}
