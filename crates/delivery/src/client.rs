//! The HTTP client of every outbound request: it resolves, checks the address, and connects
//! to that very address.
//!
//! Deliberately absent: redirects, proxies from the environment, cookies, retries but for the
//! one of a request that met a connection that was just being closed.

mod channel;
mod connect;
mod guard;
mod tls;

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use domain::{AccountId, Clock};
use http::{HeaderName, HeaderValue, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::{Client as Pool, Error as PoolError},
    rt::{TokioExecutor, TokioTimer},
};
use integrations::{HttpRequest, Reason};
use parking_lot::RwLock;
use rustls_pki_types::CertificateDer;

pub use channel::Channel;
pub use connect::{ConnectError, ConnectTo, Peer};
pub(crate) use guard::is_public;
pub use guard::{AddressGuard, AllowedRange, AllowedRangeError};

use crate::outcome::Outcome;
use connect::{Answered, Connector};

/// Idle connections are closed before common servers close them, so that few requests meet a
/// connection that is just being closed: Node.js waits 5 s.
const IDLE_MAX: Duration = Duration::from_millis(4_500);
/// As many as a host may have requests in flight by default: connecting anew takes longer than a
/// request to a destination nearby.
const IDLE_PER_HOST_MAX: usize = 256;

/// Settings of the client.
#[derive(Clone, Debug)]
pub struct ClientSettings {
    /// Where to connect for a name and port instead of asking DNS.
    pub connect_to: ConnectTo,
    /// Roots beside the public ones.
    pub extra_roots: Vec<CertificateDer<'static>>,
    /// For DNS and TCP together.
    pub connect_timeout: Duration,
    /// For the TLS handshake.
    pub tls_timeout: Duration,
    /// From the start of the request to the head of its answer.
    pub first_byte_timeout: Duration,
    /// From the start of the request to the end of its answer. What is missing of the answer
    /// then counts as cut off: its head says already what to do.
    pub request_timeout: Duration,
    /// Sent as `User-Agent`.
    pub user_agent: String,
    /// Sent as `Auditcast-Via`, so that a server can refuse its own deliveries.
    pub via: String,
}

/// A destination's answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// Names in lower case; values that are no text are left out.
    pub headers: Vec<(String, String)>,
    /// The body's beginning.
    pub body: Vec<u8>,
    /// Whether there was more of it, or it broke off.
    pub truncated: bool,
    /// Who sent it.
    pub peer: Option<Peer>,
    /// From the start of the request to the end of its answer.
    pub took: Duration,
}

/// Why there was no answer.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// The request cannot be written: a defect of the manifest.
    #[error("the request cannot be written: {0}")]
    Request(String),
    /// No connection.
    #[error(transparent)]
    Connect(ConnectError),
    /// The answer's head did not come in time.
    #[error("no answer within {} s", .0.as_secs_f64())]
    FirstByte(Duration),
    /// The connection broke.
    #[error("the connection broke: {0}")]
    Broken(String),
}

impl From<SendError> for Outcome {
    fn from(error: SendError) -> Self {
        let text = error.to_string();
        match &error {
            SendError::Request(_) => Self::Misconfigured(Reason::new("invalid_request", text)),
            SendError::Connect(connect) if connect.is_misconfiguration() => {
                Self::Misconfigured(Reason::new(connect.name(), text))
            }
            SendError::Connect(connect) => Self::Unavailable(Reason::new(connect.name(), text)),
            SendError::FirstByte(_) => Self::Unavailable(Reason::new("timeout", text)),
            SendError::Broken(_) => Self::Unavailable(Reason::new("connection_broken", text)),
        }
    }
}

/// Which connections a request may use. Requests of different profiles never share one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Profile {
    /// For whom it is made: the ranges that the operator allows this account are open to it.
    pub account: AccountId,
    /// Whether certificates are checked.
    pub verify_tls: bool,
}

/// The client. Clones share its connections.
#[derive(Clone)]
pub struct Client {
    public: Arc<Ways>,
    // Of the accounts that may reach more than public addresses.
    allowed: Arc<RwLock<HashMap<AccountId, Arc<Ways>>>>,
    tls: Arc<Tls>,
    settings: Arc<ClientSettings>,
    clock: Arc<dyn Clock>,
    ended: Arc<Ended>,
}

/// Connections to what one guard lets pass.
struct Ways {
    verified: Way,
    unverified: Way,
}

/// Those whose certificates are checked, or are not.
struct Way {
    http: Pool<Connector, Full<Bytes>>,
    /// For what is no HTTP.
    raw: Connector,
}

struct Tls {
    verified: rustls::ClientConfig,
    unverified: rustls::ClientConfig,
}

impl Ways {
    fn new(settings: &ClientSettings, guard: &AddressGuard, tls: &Tls) -> Self {
        let way = |tls: &rustls::ClientConfig| {
            let connector = |tls: rustls::ClientConfig| Connector::new(settings, guard.clone(), Arc::new(tls));
            let http = Pool::builder(TokioExecutor::new())
                .pool_timer(TokioTimer::new())
                .pool_idle_timeout(IDLE_MAX)
                .pool_max_idle_per_host(IDLE_PER_HOST_MAX)
                .retry_canceled_requests(true)
                .build(connector(tls::speaking_http1(tls.clone())));
            Way { http, raw: connector(tls.clone()) }
        };
        Self { verified: way(&tls.verified), unverified: way(&tls.unverified) }
    }

    fn of(&self, profile: Profile) -> &Way {
        if profile.verify_tls { &self.verified } else { &self.unverified }
    }
}

/// The requests that have ended.
#[derive(Default)]
struct Ended {
    count: AtomicU64,
    took_micros: AtomicU64,
}

impl Client {
    /// A client that reaches public addresses only.
    ///
    /// # Errors
    /// [`rustls::Error`] when the TLS settings do not fit together.
    pub fn new(settings: ClientSettings, clock: Arc<dyn Clock>) -> Result<Self, rustls::Error> {
        let tls = Tls { verified: tls::verified(&settings.extra_roots)?, unverified: tls::unverified()? };
        let public = Arc::new(Ways::new(&settings, &AddressGuard::default(), &tls));
        let (settings, tls) = (Arc::new(settings), Arc::new(tls));
        Ok(Self { public, allowed: Arc::default(), tls, settings, clock, ended: Arc::default() })
    }

    /// Lets the requests of an account reach what `guard` lets pass, instead of what an earlier
    /// one did. Requests that have begun are not cut, and none of those that follow uses one of
    /// their connections.
    pub fn allow(&self, account: AccountId, guard: &AddressGuard) {
        if *guard == AddressGuard::default() {
            self.allowed.write().remove(&account);
            return;
        }
        let ways = Ways::new(&self.settings, guard, &self.tls);
        self.allowed.write().insert(account, Arc::new(ways));
    }

    /// The connections that requests of this account use.
    fn ways(&self, account: AccountId) -> Arc<Ways> {
        self.allowed.read().get(&account).map_or_else(|| Arc::clone(&self.public), Arc::clone)
    }

    /// Sends a request and reads its answer up to `body_bytes_max`.
    ///
    /// # Errors
    /// [`SendError`]; whether the destination got the request is unknown then.
    pub async fn send(
        &self,
        request: HttpRequest,
        profile: Profile,
        body_bytes_max: usize,
    ) -> Result<Answer, SendError> {
        let started = self.clock.monotonic();
        let request = self.build(request)?;
        let answer = self.exchange(request, profile, body_bytes_max).await;
        let took = self.clock.monotonic().saturating_sub(started);
        Ok(Answer { took, ..answer? })
    }

    /// Counts a request that has ended, of whatever kind of destination.
    pub(crate) fn note_ended(&self, took: Duration) {
        self.ended.count.fetch_add(1, Ordering::Relaxed);
        self.ended.took_micros.fetch_add(u64::try_from(took.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// How many requests have ended, with an answer or without one, and how long they took.
    pub(crate) fn figures(&self) -> (u64, Duration) {
        let took = Duration::from_micros(self.ended.took_micros.load(Ordering::Relaxed));
        (self.ended.count.load(Ordering::Relaxed), took)
    }

    fn build(&self, request: HttpRequest) -> Result<Request<Full<Bytes>>, SendError> {
        let invalid = |what: &str| SendError::Request(what.to_owned());
        let mut built = Request::builder().method(request.method).uri(request.url.as_str());
        let headers = built.headers_mut().ok_or_else(|| invalid("the URL is not valid"))?;
        for (name, value) in &request.headers {
            let name = HeaderName::try_from(name).map_err(|_| invalid("a header's name is not valid"))?;
            let mut value = HeaderValue::try_from(value).map_err(|_| invalid("a header's value is not valid"))?;
            value.set_sensitive(true);
            headers.append(name, value);
        }
        for (name, value) in [("user-agent", &self.settings.user_agent), ("auditcast-via", &self.settings.via)] {
            let value = HeaderValue::try_from(value).map_err(|_| invalid("the user agent is not valid"))?;
            headers.entry(name).or_insert(value);
        }
        built.body(Full::new(Bytes::from(request.body))).map_err(|_| invalid("the URL is not valid"))
    }

    async fn exchange(
        &self,
        request: Request<Full<Bytes>>,
        profile: Profile,
        body_bytes_max: usize,
    ) -> Result<Answer, SendError> {
        let ways = self.ways(profile.account);
        let pool = &ways.of(profile).http;
        let limit = self.settings.first_byte_timeout.min(self.settings.request_timeout);
        let started = self.clock.monotonic();
        let response = tokio::time::timeout(limit, request_once_more(pool, request))
            .await
            .map_err(|_| SendError::FirstByte(limit))?
            .map_err(|error| send_error(&error))?;
        if let Some(answered) = response.extensions().get::<Answered>() {
            answered.set();
        }
        let peer = response.extensions().get::<Peer>().copied();
        let (head, body) = response.into_parts();
        let headers = head
            .headers
            .iter()
            .filter_map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned())))
            .collect();
        let mut read = Vec::new();
        let left = self.settings.request_timeout.saturating_sub(self.clock.monotonic().saturating_sub(started));
        let whole = tokio::time::timeout(left, read_body(body, &mut read, body_bytes_max)).await;
        let truncated = !whole.unwrap_or(false);
        Ok(Answer { status: head.status.as_u16(), headers, body: read, truncated, peer, took: Duration::ZERO })
    }
}

/// Sends a request, and once more when the connection had been used before and was closed
/// instead of an answer: servers close idle connections at any moment.
async fn request_once_more(
    pool: &Pool<Connector, Full<Bytes>>,
    request: Request<Full<Bytes>>,
) -> Result<Response<Incoming>, PoolError> {
    match pool.request(request.clone()).await {
        Err(error) if met_closed_connection(&error) => pool.request(request).await,
        result => result,
    }
}

fn met_closed_connection(error: &PoolError) -> bool {
    let mut extras = http::Extensions::new();
    if let Some(connection) = error.connect_info() {
        connection.get_extras(&mut extras);
    }
    let was_used = extras.get::<Answered>().is_some_and(Answered::get);
    was_used && causes(error).any(is_closed)
}

fn is_closed(cause: &(dyn std::error::Error + 'static)) -> bool {
    use std::io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset};
    cause.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_incomplete_message)
        || cause
            .downcast_ref::<std::io::Error>()
            .is_some_and(|error| matches!(error.kind(), BrokenPipe | ConnectionAborted | ConnectionReset))
}

/// Reads up to `most` bytes; says whether that was all of it.
async fn read_body(mut body: Incoming, read: &mut Vec<u8>, most: usize) -> bool {
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else { return false };
        let Ok(data) = frame.into_data() else { continue };
        let room = most - read.len();
        if data.len() > room {
            read.extend_from_slice(&data[..room]);
            // Dropping the rest closes the connection.
            return false;
        }
        read.extend_from_slice(&data);
    }
    true
}

fn send_error(error: &PoolError) -> SendError {
    match causes(error).find_map(|cause| cause.downcast_ref::<ConnectError>()) {
        Some(connect) => SendError::Connect(connect.clone()),
        None => SendError::Broken(causes(error).last().map(ToString::to_string).unwrap_or_default()),
    }
}

/// The error and what lies behind it.
fn causes<'a>(error: &'a PoolError) -> impl Iterator<Item = &'a (dyn std::error::Error + 'static)> {
    let first: &'a (dyn std::error::Error + 'static) = error;
    std::iter::successors(Some(first), |cause| cause.source())
}

/// A name and port, and where to connect for it.
pub(crate) type Redirection = (String, u16, SocketAddr);
