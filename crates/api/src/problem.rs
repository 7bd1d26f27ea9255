//! The one place that makes answers of failures.

use std::{any::Any, sync::Arc};

use app::{Conflict, Error};
use axum::{
    body::Body,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use domain::{FieldError, Timestamp};
use prost::Message;
use serde_json::{Map, Value, json};

use crate::rate::{RESET, Told};

/// A failure as a client sees it. Its cause goes to the log only.
#[derive(Clone, Debug)]
pub(crate) struct Problem(Box<Answer>);

#[derive(Clone, Debug)]
struct Answer {
    status: StatusCode,
    code: &'static str,
    message: String,
    /// Members beside code, message and id.
    members: Map<String, Value>,
    /// Seconds after which another try makes sense.
    retry_after: Option<u32>,
    cause: Option<Arc<app::Cause>>,
    /// When a request beyond a limit may be made again, and what to tell of the limit.
    rate: Option<(Timestamp, Option<Told>)>,
}

/// What the disk needs to get room is not known; a minute keeps producers from hammering.
const FULL_RETRY_SECONDS: u32 = 60;

/// The content type of answers to requests in protobuf.
pub(crate) const PROTOBUF: &str = "application/x-protobuf";

/// `google.rpc.Status`, the form of errors in protobuf; its code may be left out.
#[derive(Clone, PartialEq, Message)]
struct ProtobufStatus {
    #[prost(string, tag = "2")]
    message: String,
}

impl Problem {
    fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        let (message, members) = (message.into(), Map::new());
        Self(Box::new(Answer { status, code, message, members, retry_after: None, cause: None, rate: None }))
    }

    /// 400 for a request that cannot be read.
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_request", message)
    }

    /// 413.
    pub(crate) fn too_large(bytes_max: usize) -> Self {
        Error::TooLarge(format!("the body is larger than {bytes_max} bytes")).into()
    }

    /// 415.
    pub(crate) fn unsupported(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", message)
    }

    /// 429 for a request beyond a limit, which may be made again after these whole seconds.
    pub(crate) fn rate_limited(message: String, seconds: u32, resets_at: Timestamp) -> Self {
        let mut problem = Self::new(StatusCode::TOO_MANY_REQUESTS, "rate_limited", message).retry_after(seconds);
        problem.0.rate = Some((resets_at, None));
        problem
    }

    /// With headers that tell of the limit of a token.
    pub(crate) fn telling(mut self, told: Told) -> Self {
        self.0.rate = self.0.rate.map(|(resets_at, _)| (resets_at, Some(told)));
        self
    }

    /// What to say of an error answer that came without a body, such as that of an unknown route.
    pub(crate) fn of_status(status: StatusCode) -> Self {
        match status {
            StatusCode::NOT_FOUND => Self::new(status, "not_found", "there is no such address"),
            StatusCode::METHOD_NOT_ALLOWED => {
                Self::new(status, "method_not_allowed", "this address does not know the method; see the header Allow")
            }
            status if status.is_server_error() => Error::Internal("an answer without a body".into()).into(),
            status => Self::new(status, "invalid_request", "the request cannot be read"),
        }
    }

    /// The body, with the id by which the log names the request.
    pub(crate) fn body(&self, request_id: &str) -> String {
        let mut body = Map::new();
        body.insert("code".to_owned(), self.0.code.into());
        body.insert("message".to_owned(), self.0.message.as_str().into());
        body.extend(self.0.members.clone());
        body.insert("id".to_owned(), request_id.into());
        Value::Object(body).to_string()
    }

    /// What lies behind it, if the log should tell.
    pub(crate) fn cause(&self) -> Option<&app::Cause> {
        self.0.cause.as_deref()
    }

    /// The answer to a request in protobuf. One whose cause the log should tell stays as it is.
    pub(crate) fn into_protobuf(self) -> Response {
        let body = ProtobufStatus { message: self.0.message.clone() }.encode_to_vec();
        let has_cause = self.0.cause.is_some();
        let mut response = self.into_response();
        if !has_cause {
            response.extensions_mut().remove::<Self>();
            response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(PROTOBUF));
            *response.body_mut() = Body::from(body);
        }
        response
    }

    fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.0.members.insert(name.to_owned(), value.into());
        self
    }

    fn with_mistakes(mut self, errors: &[FieldError], omitted: usize) -> Self {
        if !errors.is_empty() {
            let listed: Vec<_> =
                errors.iter().map(|error| json!({ "attribute": error.attribute, "reason": error.reason })).collect();
            self = self.with("errors", listed);
        }
        if omitted > 0 {
            self = self.with("errorsOmitted", omitted);
        }
        self
    }

    fn retry_after(mut self, seconds: u32) -> Self {
        self.0.retry_after = Some(seconds);
        self
    }

    fn caused_by(mut self, cause: app::Cause) -> Self {
        self.0.cause = Some(Arc::new(cause));
        self
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let message = error.to_string();
        match error {
            Error::NotFound(_) => Self::new(StatusCode::NOT_FOUND, "not_found", message),
            Error::Unauthorized | Error::Signature => Self::new(StatusCode::UNAUTHORIZED, "unauthorized", message),
            Error::Suspended(_) => Self::new(StatusCode::FORBIDDEN, "account_suspended", message),
            Error::Forbidden { .. } | Error::BeyondMaker(_) | Error::Loop => {
                Self::new(StatusCode::FORBIDDEN, "forbidden", message)
            }
            Error::Invalid { message, errors, omitted } => Self::invalid(message).with_mistakes(&errors, omitted),
            Error::Unprocessable { message, errors } => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "unprocessable_entity", message).with_mistakes(&errors, 0)
            }
            Error::Conflict(conflict) => of_conflict(conflict, message),
            Error::TooLarge(_) => Self::new(StatusCode::PAYLOAD_TOO_LARGE, "request_too_large", message),
            Error::Busy { account_over_share: true } => {
                Self::new(StatusCode::TOO_MANY_REQUESTS, "rate_limited", message).retry_after(1)
            }
            Error::Busy { account_over_share: false } => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "busy", message).retry_after(1)
            }
            Error::Full => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "store_full", message).retry_after(FULL_RETRY_SECONDS)
            }
            Error::Unavailable { message, source } => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "service_unavailable", message).caused_by(source)
            }
            Error::Internal(cause) => Self::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "internal_service_error",
                "the server failed; its log tells more under this id",
            )
            .caused_by(cause),
        }
    }
}

fn of_conflict(conflict: Conflict, message: String) -> Problem {
    let conflicting = |code: &'static str| Problem::new(StatusCode::CONFLICT, code, message.as_str());
    match conflict {
        Conflict::Edit => conflicting("optimistic_locking_error"),
        Conflict::Integration(_)
        | Conflict::Test { .. }
        | Conflict::Jobs
        | Conflict::NothingToRedeliver
        | Conflict::Redelivering(_)
        | Conflict::AccountName
        | Conflict::Limit { .. }
        | Conflict::NeverOn => conflicting("conflict"),
        Conflict::EntryId { index, id, sequence } => conflicting("id_conflict")
            .with("index", index)
            .with("entryId", id.as_str())
            .with("sequence", sequence.map(|sequence| sequence.0)),
        Conflict::KeyReused => Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "idempotency_key_reused", message),
    }
}

impl IntoResponse for Problem {
    /// The body is filled in by `finish`, which knows the request's id.
    fn into_response(self) -> Response {
        let mut response = self.0.status.into_response();
        if let Some(seconds) = self.0.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        }
        if let Some((resets_at, told)) = self.0.rate {
            response.headers_mut().insert(RESET, HeaderValue::from(resets_at.as_millis()));
            if let Some(told) = told {
                told.write(response.headers_mut());
            }
        }
        if self.0.status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response.extensions_mut().insert(self);
        response
    }
}

/// A panic is a failure like others: its text may repeat what was sent, so it is not passed on.
pub(crate) fn of_panic(_: Box<dyn Any + Send>) -> Response<Body> {
    Problem::from(Error::Internal("a handler panicked; standard error has the place".into())).into_response()
}
