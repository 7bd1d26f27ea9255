//! Lets pages of any origin call the API. Tokens travel in a header, never in a cookie, so a page
//! can do no more with it than its own token allows.

use axum::{
    Router,
    extract::Request,
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};

use crate::Api;

const PREFLIGHT: [(HeaderName, &str); 3] = [
    (
        header::ACCESS_CONTROL_ALLOW_HEADERS,
        "Accept, Content-Type, Content-Length, Accept-Encoding, Authorization, Content-Encoding, Idempotency-Key, \
         LD-API-Version, X-HTTP-Method-Override, X-Request-Id",
    ),
    (header::ACCESS_CONTROL_ALLOW_METHODS, "OPTIONS, GET, POST, DELETE, PATCH"),
    (header::ACCESS_CONTROL_MAX_AGE, "300"),
];

const EXPOSED: &str = "Location, Retry-After, X-Request-Id, X-Ratelimit-Auth-Token-Limit, \
                       X-Ratelimit-Auth-Token-Remaining, X-Ratelimit-Reset, Idempotency-Replayed";

/// Answers each OPTIONS itself, since browsers ask without a token, and marks every other answer.
pub(crate) async fn answer(request: Request, routes: Router) -> Response {
    let is_preflight = request.method() == Method::OPTIONS;
    let mut response =
        if is_preflight { StatusCode::NO_CONTENT.into_response() } else { Api::routed(routes, request).await };
    let headers: &mut HeaderMap = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED));
    if is_preflight {
        headers.extend(PREFLIGHT.map(|(name, value)| (name, HeaderValue::from_static(value))));
    }
    response
}
