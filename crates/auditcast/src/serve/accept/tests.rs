//! In memory and on the paused clock of tokio, which moves on by itself when nothing can happen.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    routing::{get, post},
};
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use rustls_pki_types::{PrivateKeyDer, ServerName};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
    sync::{Notify, mpsc},
    task::JoinHandle,
    time::{Instant, advance},
};
use tokio_rustls::TlsConnector;
use tokio_util::sync::CancellationToken;

use super::{Drained, Limits, Listener, serve};

const LIMITS: Limits = Limits {
    connections_max: 2,
    header_timeout: Duration::from_secs(10),
    body_timeout: Duration::from_secs(60),
    idle_timeout: Duration::from_secs(75),
    drain: Duration::from_secs(30),
};
/// A connection that is asked to close is given this much longer, no more.
const GRACE: Duration = Duration::from_secs(2);

struct InMemory(mpsc::UnboundedReceiver<DuplexStream>);

impl Listener for InMemory {
    type Io = DuplexStream;

    async fn accept(&mut self) -> io::Result<(DuplexStream, SocketAddr)> {
        match self.0.recv().await {
            Some(stream) => Ok((stream, SocketAddr::from(([127, 0, 0, 1], 1)))),
            None => std::future::pending().await,
        }
    }
}

struct Server {
    connect: mpsc::UnboundedSender<DuplexStream>,
    stop: CancellationToken,
    reached: Arc<Notify>,
    release: Arc<Notify>,
    running: JoinHandle<Drained>,
}

impl Server {
    fn start(tls: Option<Arc<ServerConfig>>, limits: Limits) -> Self {
        let (connect, connections) = mpsc::unbounded_channel();
        let stop = CancellationToken::new();
        let (reached, release) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let router = router(&reached, &release);
        let running = tokio::spawn(serve(InMemory(connections), router, tls, limits, stop.clone()));
        Self { connect, stop, reached, release, running }
    }

    fn connect(&self) -> DuplexStream {
        let (client, server) = duplex(1024);
        self.connect.send(server).expect("the server listens");
        client
    }

    async fn ask(&self, request: &str) -> DuplexStream {
        let mut client = self.connect();
        client.write_all(request.as_bytes()).await.expect("the server reads");
        client
    }

    async fn stopped(self) -> Drained {
        self.stop.cancel();
        self.running.await.expect("the loop does not panic")
    }
}

fn router(reached: &Arc<Notify>, release: &Arc<Notify>) -> Router {
    let (reached, release) = (Arc::clone(reached), Arc::clone(release));
    let wait = move || {
        let (reached, release) = (Arc::clone(&reached), Arc::clone(&release));
        async move {
            reached.notify_one();
            release.notified().await;
            "released"
        }
    };
    Router::new()
        .route("/", get(|| async { "hello" }))
        .route("/echo", post(|body: Bytes| async move { body }))
        .route("/large", get(|| async { Body::from(vec![0; 1 << 20]) }))
        .route("/wait", get(wait))
}

/// Everything until the server closes, and how long that took.
async fn read_to_end(client: &mut DuplexStream) -> (String, Duration) {
    let start = Instant::now();
    let mut bytes = Vec::new();
    // A connection may also end with an error, which is an end as well.
    let _ = client.read_to_end(&mut bytes).await;
    (String::from_utf8_lossy(&bytes).into_owned(), start.elapsed())
}

async fn read_answer(client: &mut DuplexStream, ending: &str) -> String {
    let mut text = String::new();
    while !text.ends_with(ending) {
        let byte = client.read_u8().await.expect("the answer goes on");
        text.push(char::from(byte));
    }
    text
}

fn about(elapsed: Duration, expected: Duration) -> bool {
    (expected..expected + GRACE).contains(&elapsed)
}

#[tokio::test(start_paused = true)]
async fn a_client_that_sends_nothing_is_closed() {
    let server = Server::start(None, LIMITS);
    let (text, elapsed) = read_to_end(&mut server.connect()).await;
    assert!(text.is_empty() && about(elapsed, LIMITS.header_timeout), "{text:?} {elapsed:?}");
}

#[tokio::test(start_paused = true)]
async fn a_head_that_trickles_in_is_closed() {
    let server = Server::start(None, LIMITS);
    let mut client = server.connect();
    let start = Instant::now();
    let mut written = 0;
    for byte in b"GET / HTTP/1.1\r\nhost: somewhere-with-a-long-name\r\n\r\n" {
        if client.write_u8(*byte).await.is_err() {
            break;
        }
        written += 1;
        advance(Duration::from_secs(1)).await;
    }
    // Each step of the clock lets the server run once only, so that it may see the end some steps late.
    let elapsed = start.elapsed();
    assert!((LIMITS.header_timeout..LIMITS.header_timeout * 2).contains(&elapsed), "{written} {elapsed:?}");
}

#[tokio::test(start_paused = true)]
async fn the_next_head_on_a_used_connection_has_the_idle_time() {
    let server = Server::start(None, LIMITS);
    let mut client = server.ask("GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
    read_answer(&mut client, "hello").await;
    client.write_all(b"GET / HT").await.expect("still open");
    let (text, elapsed) = read_to_end(&mut client).await;
    assert!(text.is_empty() && about(elapsed, LIMITS.idle_timeout), "{text:?} {elapsed:?}");
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_is_closed_and_one_in_use_is_not() {
    let server = Server::start(None, LIMITS);
    let mut client = server.connect();
    for _ in 0..3 {
        client.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.expect("still open");
        read_answer(&mut client, "hello").await;
        advance(LIMITS.idle_timeout - Duration::from_secs(1)).await;
    }
    let (_, elapsed) = read_to_end(&mut client).await;
    assert!(about(elapsed, Duration::from_secs(1)), "{elapsed:?}");
}

#[tokio::test(start_paused = true)]
async fn a_handler_may_take_longer_than_any_limit_on_the_client() {
    let server = Server::start(None, LIMITS);
    let mut client = server.ask("GET /wait HTTP/1.1\r\nhost: x\r\n\r\n").await;
    server.reached.notified().await;
    advance(Duration::from_secs(3600)).await;
    server.release.notify_one();
    assert!(read_answer(&mut client, "released").await.starts_with("HTTP/1.1 200"));
}

#[tokio::test(start_paused = true)]
async fn a_body_that_trickles_in_is_answered_with_408() {
    let server = Server::start(None, LIMITS);
    let mut client = server.ask("POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n").await;
    let start = Instant::now();
    for _ in 0..59 {
        client.write_u8(b'x').await.expect("still open");
        advance(Duration::from_secs(1)).await;
    }
    let (text, _) = read_to_end(&mut client).await;
    assert!(text.starts_with("HTTP/1.1 408") && text.contains("request_timeout"), "{text}");
    assert!(about(start.elapsed(), LIMITS.body_timeout), "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_body_in_time_is_read_whole() {
    let server = Server::start(None, LIMITS);
    let mut client = server.ask("POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 6\r\n\r\nabc").await;
    advance(Duration::from_secs(59)).await;
    client.write_all(b"def").await.expect("still open");
    assert!(read_answer(&mut client, "abcdef").await.starts_with("HTTP/1.1 200"));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_stops_reading_is_cut_off() {
    let server = Server::start(None, Limits { connections_max: 1, ..LIMITS });
    let client = server.ask("GET /large HTTP/1.1\r\nhost: x\r\n\r\n").await;
    let start = Instant::now();
    // There is one place only, so the second is answered once the first has lost it.
    let mut second = server.ask("GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
    read_answer(&mut second, "hello").await;
    assert!(about(start.elapsed(), LIMITS.body_timeout), "{:?}", start.elapsed());
    drop(client);
}

#[tokio::test(start_paused = true)]
async fn a_tls_client_that_never_shakes_hands_is_closed() {
    let (server_config, _) = tls();
    let server = Server::start(Some(server_config), LIMITS);
    let (_, elapsed) = read_to_end(&mut server.connect()).await;
    assert!(about(elapsed, LIMITS.header_timeout), "{elapsed:?}");
}

#[tokio::test(start_paused = true)]
async fn a_tls_client_is_served_and_closed_when_idle() {
    let (server_config, client_config) = tls();
    let server = Server::start(Some(server_config), LIMITS);
    let name = ServerName::try_from("localhost").expect("a name");
    let connector = TlsConnector::from(client_config);
    let mut client = connector.connect(name, server.connect()).await.expect("shakes hands");
    client.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.expect("written");
    let start = Instant::now();
    let mut bytes = Vec::new();
    client.read_to_end(&mut bytes).await.expect("the server says goodbye");
    assert!(String::from_utf8_lossy(&bytes).ends_with("hello"));
    assert!(about(start.elapsed(), LIMITS.idle_timeout), "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn an_idle_http2_connection_is_closed() {
    let server = Server::start(None, LIMITS);
    let stream = TokioIo::new(server.connect());
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), stream).await.expect("speaks HTTP/2");
    let connection = tokio::spawn(connection);
    let request = hyper::Request::get("http://x/").body(Empty::<Bytes>::new()).expect("a request");
    let response = sender.send_request(request).await.expect("answered");
    assert_eq!(response.into_body().collect().await.expect("whole").to_bytes(), "hello");
    let start = Instant::now();
    let _ = connection.await.expect("no panic");
    assert!(about(start.elapsed(), LIMITS.idle_timeout), "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_stop_closes_idle_connections_and_waits_for_requests_in_flight() {
    let server = Server::start(None, LIMITS);
    let mut idle = server.ask("GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
    read_answer(&mut idle, "hello").await;
    let mut busy = server.ask("GET /wait HTTP/1.1\r\nhost: x\r\n\r\n").await;
    server.reached.notified().await;
    let start = Instant::now();
    server.stop.cancel();
    assert_eq!(read_to_end(&mut idle).await, (String::new(), Duration::ZERO));
    assert!(!server.running.is_finished());
    server.release.notify_one();
    let (text, _) = read_to_end(&mut busy).await;
    assert!(text.starts_with("HTTP/1.1 200") && text.ends_with("released"), "{text}");
    assert_eq!(server.stopped().await, Drained { cut: 0 });
    assert_eq!(start.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_stop_cuts_what_does_not_finish_in_time() {
    let server = Server::start(None, LIMITS);
    let client = server.ask("GET /wait HTTP/1.1\r\nhost: x\r\n\r\n").await;
    server.reached.notified().await;
    let start = Instant::now();
    assert_eq!(server.stopped().await, Drained { cut: 1 });
    assert_eq!(start.elapsed(), LIMITS.drain);
    drop(client);
}

#[tokio::test(start_paused = true)]
async fn no_connection_is_accepted_after_a_stop() {
    let server = Server::start(None, LIMITS);
    let connect = server.connect.clone();
    assert_eq!(server.stopped().await, Drained { cut: 0 });
    assert!(connect.send(duplex(1).1).is_err());
}

fn tls() -> (Arc<ServerConfig>, Arc<ClientConfig>) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("a key");
    let server = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .expect("known versions")
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .expect("they belong together");
    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).expect("a root");
    let client = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("known versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    (Arc::new(server), Arc::new(client))
}
