//! One connection of a client, from its handshake to its end.

use std::{convert::Infallible, io, net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use axum::{
    body::Body,
    extract::{ConnectInfo, Request},
    response::Response,
};
use http::{HeaderValue, StatusCode, Version, header};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
};
use parking_lot::Mutex;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::{Instant, sleep_until, timeout},
};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tower::{Service, ServiceExt};

use super::{
    accept::Limits,
    body::{CountedBody, TimedBody},
    stall::StallGuard,
};

/// How long a connection that is told to close may take to say its goodbye.
const GOODBYE: Duration = Duration::from_secs(1);
/// The largest head of a request.
const HEAD_MAX_BYTES: usize = 64 * 1024;
/// Requests at a time on one HTTP/2 connection.
const STREAMS_MAX: u32 = 128;
/// A silent HTTP/2 peer is asked whether it lives.
const PING_INTERVAL: Duration = Duration::from_secs(20);
const PING_TIMEOUT: Duration = Duration::from_secs(10);

/// What answers requests: the API, or the routes of a test.
pub trait HttpService:
    Service<Request, Response = Response, Error = Infallible, Future: Send> + Clone + Send + Sync + 'static
{
}

impl<S> HttpService for S where
    S: Service<Request, Response = Response, Error = Infallible, Future: Send> + Clone + Send + Sync + 'static
{
}

/// Serves one connection; returns when it is closed. `stop` asks for a graceful end.
pub(super) async fn connection<Io>(
    stream: Io,
    peer: SocketAddr,
    service: impl HttpService,
    tls: Option<TlsAcceptor>,
    limits: Limits,
    stop: CancellationToken,
) where
    Io: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let stream = StallGuard::new(stream, limits.body_timeout);
    let Some(acceptor) = tls else {
        return http(stream, peer, service, limits, stop).await;
    };
    let handshake = timeout(limits.header_timeout, acceptor.accept(stream));
    let shaken = tokio::select! {
        shaken = handshake => shaken.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())),
        () = stop.cancelled() => return,
    };
    match shaken {
        Ok(stream) => http(stream, peer, service, limits, stop).await,
        Err(error) => tracing::debug!(%peer, %error, "no TLS handshake"),
    }
}

async fn http<Io>(stream: Io, peer: SocketAddr, service: impl HttpService, limits: Limits, stop: CancellationToken)
where
    Io: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let activity = Activity::new();
    let service = service_fn(|request| {
        let in_flight = activity.begin();
        answer(request, peer, service.clone(), limits.body_timeout, in_flight)
    });
    let builder = builder();
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    let mut quiet = pin!(activity.quiet(limits));
    let mut closing = false;
    loop {
        tokio::select! {
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(%peer, error, "the connection ended early");
                }
                return;
            }
            () = quiet.as_mut() => {
                if closing {
                    return;
                }
            }
            () = stop.cancelled(), if !closing => {}
        }
        closing = true;
        connection.as_mut().graceful_shutdown();
        // A peer that never answers the goodbye of HTTP/2, or stopped in the middle of a request
        // head, would stay for ever.
        quiet.set(activity.quiet(Limits { header_timeout: GOODBYE, idle_timeout: GOODBYE, ..limits }));
    }
}

fn builder() -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    // The time for a head is kept by `Activity`: hyper's own timer runs through idle time too, so
    // that one limit would have to serve for both, and it does not cover the first bytes.
    builder.http1().timer(TokioTimer::new()).header_read_timeout(None).max_buf_size(HEAD_MAX_BYTES);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_MAX)
        .max_header_list_size(u32::try_from(HEAD_MAX_BYTES).unwrap_or(u32::MAX))
        .keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(PING_TIMEOUT);
    builder
}

async fn answer(
    request: hyper::Request<Incoming>,
    peer: SocketAddr,
    service: impl HttpService,
    body_timeout: Duration,
    in_flight: InFlight,
) -> Result<hyper::Response<CountedBody>, Infallible> {
    let (head, body) = request.into_parts();
    let version = head.version;
    let (body, end) = TimedBody::new(body, body_timeout);
    let mut request = Request::from_parts(head, Body::new(body));
    request.extensions_mut().insert(ConnectInfo(peer));
    let response = service.oneshot(request).await?;
    // Whatever a handler makes of a body that broke off, the client is told the cause.
    let mut response = if end.expired() { too_slow(response) } else { response };
    if version < Version::HTTP_2 && end.left_unread() {
        // What is left of the body stands where the next request would, so the connection ends. A
        // client that is not told so sends its next request into it.
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(response.map(|body| CountedBody::new(body, in_flight)))
}

/// Says what really happened in place of `response`, under the id that this has in the log.
fn too_slow(mut response: Response) -> Response {
    let id = response.headers().get("x-request-id").and_then(|id| id.to_str().ok()).unwrap_or_default();
    let body = serde_json::json!({
        "code": "request_timeout",
        "message": "the request body did not arrive in time",
        "id": id,
    });
    *response.status_mut() = StatusCode::REQUEST_TIMEOUT;
    response.headers_mut().remove(header::CONTENT_LENGTH);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response.map(|_| Body::from(body.to_string()))
}

/// What a connection is doing.
///
/// It is looked at when a limit may have passed, and tells nobody of a change, so that requests
/// cost no timers and no turns of the connection's task.
struct Activity {
    requests: Arc<Mutex<Requests>>,
}

#[derive(Clone, Copy, Default)]
struct Requests {
    in_flight: u64,
    /// When the last one ended; `None` before the first has.
    ended_at: Option<Instant>,
}

impl Activity {
    fn new() -> Self {
        Self { requests: Arc::default() }
    }

    /// A request head has arrived; the request is in flight until the guard is dropped.
    fn begin(&self) -> InFlight {
        self.requests.lock().in_flight += 1;
        InFlight { requests: Arc::clone(&self.requests) }
    }

    /// Waits until no request head has arrived for as long as the limits allow: the one for the
    /// first head, or the one between two.
    fn quiet(&self, limits: Limits) -> impl Future<Output = ()> + use<> {
        let requests = Arc::clone(&self.requests);
        let Limits { header_timeout, idle_timeout, .. } = limits;
        async move {
            let since = Instant::now();
            loop {
                let (now, Requests { in_flight, ended_at }) = (Instant::now(), *requests.lock());
                let look_at = match ended_at {
                    // Whatever is in flight, or may still begin and end before the limit for the
                    // first head, leaves the idle time to those after it.
                    _ if in_flight > 0 => now + idle_timeout,
                    None if now >= since + header_timeout => return,
                    None => (since + header_timeout).min(now + idle_timeout),
                    Some(ended_at) if now >= ended_at.max(since) + idle_timeout => return,
                    Some(ended_at) => ended_at.max(since) + idle_timeout,
                };
                sleep_until(look_at).await;
            }
        }
    }
}

/// A request that its connection works on.
pub(super) struct InFlight {
    requests: Arc<Mutex<Requests>>,
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let mut requests = self.requests.lock();
        requests.in_flight -= 1;
        requests.ended_at = Some(Instant::now());
    }
}
