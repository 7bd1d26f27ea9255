//! What every answer gets: an id, the body of its problem, the headers that let pages of other
//! origins read it, and one line in the log.

use std::time::Duration;

use aws_lc_rs::rand;
use axum::{
    Router,
    body::Body,
    extract::Request,
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    response::Response,
};
use domain::{Clock, error_chain};

use crate::{
    Answered, cors, method_override,
    problem::{PROTOBUF, Problem},
    rate::RESET,
};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Producers and probes call these all the time.
const FREQUENT: [&str; 7] = [
    "/ingest/entries",
    "/ingest/cloudevents",
    "/ingest/launchdarkly/{source}",
    "/v1/logs",
    "/healthz",
    "/readyz",
    "/metrics",
];
const REQUEST_ID_CHARS_MAX: usize = 128;

/// What `routes` answer, finished: it has an id, is logged, and every error has a JSON body.
pub(crate) async fn answer(mut request: Request, routes: Router, clock: &dyn Clock) -> Response {
    let started = clock.monotonic();
    let id = request_id(request.headers());
    let method = request.method().clone();
    // Before the routes are looked at.
    method_override::apply(&mut request);
    let mut response = cors::answer(request, routes).await;
    let problem = problem_of(&mut response);
    if let Some(problem) = &problem {
        response.headers_mut().remove(header::CONTENT_LENGTH);
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        *response.body_mut() = Body::from(problem.body(&id));
    }
    if response.status() == StatusCode::TOO_MANY_REQUESTS && !response.headers().contains_key(RESET) {
        // Clients wait until this time, and one of them fails if it is not in the future.
        let reset = clock.now().as_millis() + 1_000;
        response.headers_mut().insert(RESET, HeaderValue::from(reset));
    }
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    log(&response, &id, &method, clock.monotonic().saturating_sub(started));
    if let Some(cause) = problem.as_ref().and_then(Problem::cause) {
        tracing::error!(request_id = id, cause = error_chain(&**cause), "request failed");
    }
    response
}

/// One line a request; those that come by the thousand, and went well, only for who looks closer.
fn log(response: &Response, request_id: &str, method: &Method, took: Duration) {
    let answered = response.extensions().get::<Answered>();
    let route = answered.map_or("none", |answered| answered.route.as_str());
    let status = response.status().as_u16();
    let account = || answered.and_then(|answered| answered.account).map(|account| account.to_string());
    let duration_ms = took.as_millis();
    if FREQUENT.contains(&route) && response.status().is_success() {
        tracing::debug!(request_id, %method, route, status, duration_ms, account = account(), "request");
    } else {
        tracing::info!(request_id, %method, route, status, duration_ms, account = account(), "request");
    }
}

fn problem_of(response: &mut Response) -> Option<Problem> {
    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        return Some(problem);
    }
    let status = response.status();
    let is_error = status.is_client_error() || status.is_server_error();
    let content_type = response.headers().get(header::CONTENT_TYPE);
    let has_body = content_type.is_some_and(|found| found == "application/json" || found == PROTOBUF);
    (is_error && !has_body).then(|| Problem::of_status(status))
}

/// The client's own id if it can stand in a log line, else a fresh one.
fn request_id(headers: &HeaderMap) -> String {
    let is_plain = |id: &&str| {
        (1..=REQUEST_ID_CHARS_MAX).contains(&id.len())
            && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
    };
    let given = headers.get(REQUEST_ID).and_then(|id| id.to_str().ok()).filter(is_plain);
    given.map_or_else(uuid, str::to_owned)
}

/// A random UUID (RFC 9562, version 4).
fn uuid() -> String {
    let mut bytes = [0; 16];
    // Without random bytes the ids repeat, which is better than no answer.
    let _ = rand::fill(&mut bytes);
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let mut text = String::with_capacity(36);
    for (index, byte) in bytes.into_iter().enumerate() {
        if [4, 6, 8, 10].contains(&index) {
            text.push('-');
        }
        text.extend([byte >> 4, byte & 0x0f].map(|digit| char::from(b"0123456789abcdef"[usize::from(digit)])));
    }
    text
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderMap;

    use super::{REQUEST_ID, request_id, uuid};

    fn id_for(given: &str) -> String {
        let mut headers = HeaderMap::new();
        headers.insert(REQUEST_ID, given.parse().expect("is a header value"));
        request_id(&headers)
    }

    #[test]
    fn plain_ids_of_clients_are_kept_and_others_replaced() {
        assert_eq!(id_for("req_1.a-B"), "req_1.a-B");
        for given in ["", "a b", "a\tb", "{}", "a=1", &"a".repeat(129)] {
            assert_ne!(id_for(given), given);
        }
    }

    #[test]
    fn made_ids_are_version_4_uuids_and_differ() {
        let (one, two) = (uuid(), uuid());
        assert_ne!(one, two);
        let lengths: Vec<_> = one.split('-').map(str::len).collect();
        assert_eq!((lengths, &one[14..15]), (vec![8, 4, 4, 4, 12], "4"));
        assert!("89ab".contains(&one[19..20]), "{one}");
    }
}
