//! Lets the library send its requests through the guarded client, and nowhere else.

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use delivery::{
    client::{Answer, Client, Profile, SendError},
    destination::Way,
};
use http_body_util::{BodyExt, Full};
use integrations::HttpRequest;
use object_store::{
    ClientOptions,
    client::{HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpResponse, HttpResponseBody, HttpService},
};
use parking_lot::Mutex;

/// What came back for the last request.
pub(super) type Seen = Result<Answer, SendError>;

/// Where a [`Guarded`] leaves what came back.
#[derive(Clone, Default)]
pub(super) struct Slot(Arc<Mutex<Option<Seen>>>);

impl Slot {
    pub(super) fn take(&self) -> Option<Seen> {
        self.0.lock().take()
    }
}

/// The guarded client, as the library wants one.
#[derive(Clone)]
pub(super) struct Guarded {
    client: Client,
    profile: Profile,
    body_bytes_max: usize,
    seen: Slot,
}

impl Guarded {
    pub(super) fn new(way: Way<'_>, verify_tls: bool, body_bytes_max: usize) -> (Self, Slot) {
        let seen = Slot::default();
        let guarded =
            Self { client: way.client.clone(), profile: way.profile(verify_tls), body_bytes_max, seen: seen.clone() };
        (guarded, seen)
    }
}

impl fmt::Debug for Guarded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Guarded")
    }
}

impl HttpConnector for Guarded {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.clone()))
    }
}

#[derive(Debug, thiserror::Error)]
#[error("no answer")]
struct NoAnswer;

fn no_answer() -> HttpError {
    HttpError::new(HttpErrorKind::Unknown, NoAnswer)
}

#[async_trait]
impl HttpService for Guarded {
    async fn call(&self, request: object_store::client::HttpRequest) -> Result<HttpResponse, HttpError> {
        let (head, body) = request.into_parts();
        let method = if head.method == "PUT" { "PUT" } else { return Err(no_answer()) };
        let header = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
            Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned()))
        };
        let headers = head.headers.iter().filter_map(header).collect();
        let body = body.collect().await?.to_bytes().to_vec();
        let verify_tls = self.profile.verify_tls;
        let request = HttpRequest { method, url: head.uri.to_string(), headers, body, verify_tls };
        let seen = self.client.send(request, self.profile, self.body_bytes_max).await;
        let response = match &seen {
            Err(_) => Err(no_answer()),
            Ok(answer) => {
                let body = Full::from(answer.body.clone()).map_err(|never| match never {});
                let response = http::Response::builder().status(answer.status).body(HttpResponseBody::new(body));
                response.map_err(|_| no_answer())
            }
        };
        *self.seen.0.lock() = Some(seen);
        response
    }
}
