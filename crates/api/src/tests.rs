use std::{sync::Arc, time::Duration};

use app::{Conflict, Error};
use axum::{
    Router,
    body::Body,
    extract::Request,
    http::{HeaderMap, StatusCode},
    routing::get,
};
use domain::{Clock, EntryId, FieldError, Timestamp};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::{Api, problem::Problem};

struct StoppedClock;

impl Clock for StoppedClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(1_790_000_000_000)
    }

    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }
}

async fn panics() -> StatusCode {
    panic!("canary in a panic")
}

/// The answer to a request whose handler fails like this.
async fn answer(error: fn() -> Error) -> (StatusCode, HeaderMap, Value) {
    let routes = Router::new()
        .route("/fails", get(move || async move { Result::<(), _>::Err(Problem::from(error())) }))
        .route("/panics", get(panics));
    ask(routes, "/fails").await
}

async fn ask(routes: Router, path: &str) -> (StatusCode, HeaderMap, Value) {
    let request = Request::get(path).header("x-request-id", "req-1").body(Body::empty()).expect("a request");
    let response = Api { routes, clock: Arc::new(StoppedClock) }.oneshot(request).await.expect("an answer");
    let (parts, body) = response.into_parts();
    let body = body.collect().await.expect("a body").to_bytes();
    assert_eq!(parts.headers["content-type"], "application/json");
    (parts.status, parts.headers, serde_json::from_slice(&body).expect("is JSON"))
}

fn canary() -> app::Cause {
    "canary in a cause".into()
}

#[tokio::test]
async fn server_failures_tell_an_id_and_no_cause() {
    let errors: [fn() -> Error; 2] =
        [|| Error::Internal(canary()), || Error::Unavailable { message: "not now", source: canary() }];
    for (error, status) in errors.into_iter().zip([500, 503]) {
        let (found, _, body) = answer(error).await;
        assert_eq!(found.as_u16(), status);
        assert!(!body.to_string().contains("canary"), "{body}");
        assert_eq!(body["id"], "req-1");
    }
}

#[tokio::test]
async fn a_panic_is_a_500_without_its_text() {
    let (status, headers, body) = ask(Router::new().route("/panics", get(panics)), "/panics").await;
    assert_eq!((status.as_u16(), &body["code"]), (500, &json!("internal_service_error")));
    assert!(!body.to_string().contains("canary"), "{body}");
    assert_eq!(headers["x-request-id"], "req-1");
}

#[tokio::test]
async fn each_failure_has_its_status_and_code() {
    let check = async |error: fn() -> Error, status: u16, code: &str| {
        let (found, headers, body) = answer(error).await;
        assert_eq!((found.as_u16(), body["code"].as_str()), (status, Some(code)), "{body}");
        assert!(body["message"].as_str().is_some_and(|message| !message.is_empty()), "{body}");
        headers
    };
    check(|| Error::NotFound("subscription"), 404, "not_found").await;
    let headers = check(|| Error::Unauthorized, 401, "unauthorized").await;
    assert_eq!(headers["www-authenticate"], "Bearer");
    check(|| Error::Loop, 403, "forbidden").await;
    check(|| Error::TooLarge("too large".to_owned()), 413, "request_too_large").await;
    check(|| Conflict::Edit.into(), 409, "optimistic_locking_error").await;
    check(|| Conflict::Test { operation: 1 }.into(), 409, "conflict").await;
    check(|| Conflict::KeyReused.into(), 422, "idempotency_key_reused").await;
    let headers = check(|| Error::Busy { account_over_share: true }, 429, "rate_limited").await;
    assert_eq!(
        (&headers["retry-after"], &headers["x-ratelimit-reset"]),
        (&"1".parse().expect("a header"), &"1790000001000".parse().expect("a header"))
    );
    let headers = check(|| Error::Busy { account_over_share: false }, 503, "busy").await;
    assert_eq!(headers["retry-after"], "1");
    let headers = check(|| Error::Full, 503, "store_full").await;
    assert_eq!(headers["retry-after"], "60");
}

#[tokio::test]
async fn details_stand_beside_code_and_message() {
    let (_, _, body) = answer(|| Error::Invalid {
        message: "config is not valid for datadog".to_owned(),
        errors: vec![FieldError::new("config.hostURL", "must be one of the allowed values")],
        omitted: 3,
    })
    .await;
    assert_eq!(
        body,
        json!({
            "code": "invalid_request",
            "message": "config is not valid for datadog",
            "errors": [{"attribute": "config.hostURL", "reason": "must be one of the allowed values"}],
            "errorsOmitted": 3,
            "id": "req-1",
        })
    );
    let (status, _, body) = answer(|| {
        let id = EntryId::parse("e-1").expect("is an id");
        Conflict::EntryId { index: 2, id, sequence: None }.into()
    })
    .await;
    assert_eq!((status.as_u16(), &body["code"]), (409, &json!("id_conflict")));
    assert_eq!((&body["index"], &body["entryId"], &body["sequence"]), (&json!(2), &json!("e-1"), &Value::Null));
}
