//! What a store says to an object.

use delivery::{
    Outcome, Reason,
    client::Answer,
    destination::{Answered, may_show},
};
use domain::Timestamp;
use integrations::{Integration, Reply, ReplyReading};

/// The outcome of an object.
pub(super) fn read(integration: &Integration, answer: Answer, now: Timestamp) -> Answered {
    let Answer { status, headers, body, truncated, peer, .. } = answer;
    let shows_words = may_show(integration, peer);
    let reply = Reply { status, headers: &headers, body: &body, truncated, shows_words };
    let general = || match integration.read_reply(1, &reply, now) {
        ReplyReading::Whole(verdict) => Outcome::from(verdict),
        ReplyReading::Items(_) => Outcome::Accepted,
    };
    let code = code(&body);
    let outcome = match (status, code.as_str()) {
        // Anything may say 200; a store names what it has taken.
        (200, _) if has_etag(&headers) => Outcome::Accepted,
        // There already: the key names the content, so it can only be this very object.
        (412, "PreconditionFailed") => Outcome::Accepted,
        (200..=299 | 412, _) => unexpected(status),
        (400, "RequestTimeout" | "IncompleteBody" | "BadDigest") | (409, _) => unavailable(status, &code),
        (400, "EntityTooLarge") | (413, _) => general(),
        // Nothing in an object's content can be at fault.
        (400, _) => misconfigured("bad_request", status, &code),
        (403, "RequestTimeTooSkewed") => misconfigured("clock", status, &code),
        (503, "SlowDown") => throttled(general(), status),
        _ => general(),
    };
    Answered { status_code: Some(status), body, peer, ..Answered::whole(outcome) }
}

fn has_etag(headers: &[(String, String)]) -> bool {
    headers.iter().any(|(name, value)| name.eq_ignore_ascii_case("etag") && !value.trim().is_empty())
}

/// The error code in a body, as S3 gives it; empty if there is none.
fn code(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let after = text.split_once("<Code>").map_or("", |(_, after)| after);
    let code = after.split_once("</Code>").map_or("", |(code, _)| code);
    // Codes are single words, and an answer must not be able to write sentences here.
    let is_code = code.len() <= 64 && code.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if is_code { code.to_owned() } else { String::new() }
}

fn told(status: u16, code: &str) -> String {
    if code.is_empty() { format!("({status})") } else { format!("({status} {code})") }
}

fn unexpected(status: u16) -> Outcome {
    let text = format!(
        "the answer is {status} without what a store says of an object that it has: 200 and an ETag, or 412 PreconditionFailed"
    );
    Outcome::Unavailable(Reason::new("unexpected_reply", text))
}

fn unavailable(status: u16, code: &str) -> Outcome {
    Outcome::Unavailable(Reason::new(
        "unavailable",
        format!("the store has not taken the object {}", told(status, code)),
    ))
}

fn misconfigured(name: &'static str, status: u16, code: &str) -> Outcome {
    let what = match name {
        "clock" => "the clocks of this server and of the store differ too much",
        _ => "the store does not take objects in this way; is the region right?",
    };
    Outcome::Misconfigured(Reason::new(name, format!("{what} {}", told(status, code))))
}

/// `SlowDown` asks for fewer requests without saying for how long.
fn throttled(general: Outcome, status: u16) -> Outcome {
    match general {
        throttled @ Outcome::Throttled { .. } => throttled,
        _ => {
            let reason =
                Reason::new("rate_limited", format!("the store gets too many requests {}", told(status, "SlowDown")));
            Outcome::Throttled { retry_after: None, reason }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use delivery::client::Answer;
    use domain::Timestamp;
    use integrations::{Catalogue, Integration};

    use super::read;

    fn outcome(status: u16, code: &str) -> (&'static str, String) {
        outcome_with(status, code, &[("ETag", "\"5d41\"")])
    }

    fn outcome_with(status: u16, code: &str, headers: &[(&str, &str)]) -> (&'static str, String) {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let integration: Arc<Integration> = Arc::clone(Catalogue::builtin().unwrap().get("s3").unwrap());
        let body =
            format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>m</Message></Error>").into_bytes();
        let answer = Answer { status, headers, body, truncated: false, peer: None, took: Duration::ZERO };
        let answered = read(&integration, answer, Timestamp::default());
        let text = answered.outcome.reason().map(|reason| reason.text.clone()).unwrap_or_default();
        (answered.outcome.kind().name(), text)
    }

    #[test]
    fn an_answer_that_names_no_object_is_no_proof_of_one() {
        assert_eq!(outcome_with(200, "", &[]).0, "unavailable");
        assert_eq!(outcome_with(200, "", &[("ETag", " ")]).0, "unavailable");
        assert_eq!(outcome(412, "").0, "unavailable");
    }

    #[test]
    fn an_object_that_is_there_already_is_accepted_and_nothing_else_that_is_no_200() {
        for (status, code, expected) in [
            (200, "", "accepted"),
            (412, "PreconditionFailed", "accepted"),
            (204, "", "unavailable"),
            (304, "", "misconfigured"),
            (301, "PermanentRedirect", "misconfigured"),
            (400, "AuthorizationHeaderMalformed", "misconfigured"),
            (400, "RequestTimeout", "unavailable"),
            (400, "EntityTooLarge", "refused"),
            (403, "SignatureDoesNotMatch", "misconfigured"),
            (403, "RequestTimeTooSkewed", "misconfigured"),
            (404, "NoSuchBucket", "misconfigured"),
            (409, "ConditionalRequestConflict", "unavailable"),
            (500, "InternalError", "unavailable"),
            (501, "NotImplemented", "misconfigured"),
            (503, "SlowDown", "throttled"),
            (503, "ServiceUnavailable", "unavailable"),
        ] {
            assert_eq!(outcome(status, code).0, expected, "{status} {code}");
        }
    }

    #[test]
    fn a_code_is_told_and_other_words_of_the_answer_are_not() {
        assert!(outcome(400, "AuthorizationHeaderMalformed").1.ends_with("(400 AuthorizationHeaderMalformed)"));
        assert!(outcome(400, "call 555 now").1.ends_with("(400)"));
    }
}
