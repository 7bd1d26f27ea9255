//! The sink's sockets, and the way of a request.

use std::{cell::RefCell, fmt, fs, io::Read, net::SocketAddr, rc::Rc, sync::Arc, time::Duration};

use anyhow::{Context, ensure};
use bytes::Bytes;
use flate2::read::GzDecoder;
use http_body_util::{BodyExt, Full};
use hyper::{
    Method, Request, Response, StatusCode,
    body::Incoming,
    header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderValue, RETRY_AFTER},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    signal::unix::{SignalKind, signal},
    task::{LocalSet, spawn_local},
    time::sleep,
};
use tokio_rustls::TlsAcceptor;

use super::{
    Options,
    fault::{Fate, Random},
    misbehaviour::{AnswerBody, Misbehaviour},
    tally::Tally,
    tls,
    vendor::Vendor,
};
use crate::{mark::Marks, now_us};

/// The paths that are the sink's own begin so.
pub const CONTROL: &str = "/_sink/";
/// A compressed body may hold this much.
const UNPACKED_BYTES_MAX: u64 = 64 << 20;
/// Without file descriptors, accepting is tried again after this.
const WAIT_AFTER_ACCEPT_ERROR: Duration = Duration::from_millis(20);

struct Sink {
    options: Options,
    marks: Marks,
    state: RefCell<State>,
}

struct State {
    tally: Tally,
    random: Random,
    /// Kept for their memory.
    found: Vec<crate::mark::Mark>,
    known: Vec<bool>,
}

impl State {
    fn new(seed: u64) -> Self {
        Self { tally: Tally::new(), random: Random::seeded(seed), found: Vec::new(), known: Vec::new() }
    }
}

/// Ends the connection of a request without an answer.
#[derive(Debug)]
struct Dropped(&'static str);

impl fmt::Display for Dropped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for Dropped {}

/// Serves until SIGTERM or SIGINT, then prints the figures.
///
/// The addresses are printed as soon as they are served, one `http://…` or `https://…` a line, and
/// then a line `ready`.
///
/// # Errors
/// An address that is not loopback or is taken, a file that cannot be written.
pub fn run(options: &Options) -> anyhow::Result<()> {
    let addresses = options.listen.iter().chain(&options.tls_listen);
    ensure!(addresses.clone().all(|address| address.ip().is_loopback()), "the sink listens on loopback only");
    // The server that is measured opens as many connections as it likes.
    rlimit::increase_nofile_limit(u64::MAX).context("the limit of open files")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let sink = Rc::new(Sink {
        options: options.clone(),
        marks: Marks::default(),
        state: RefCell::new(State::new(options.faults.seed)),
    });
    LocalSet::new().block_on(&runtime, async {
        let (mut terminated, mut interrupted) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        for address in &options.listen {
            let listener = bind(*address).await?;
            println!("http://{}", listener.local_addr()?);
            spawn_local(accept(listener, None, Rc::clone(&sink)));
        }
        if let Some(address) = options.tls_listen {
            let (acceptor, listener) = (acceptor(options)?, bind(address).await?);
            println!("https://{}", listener.local_addr()?);
            spawn_local(accept(listener, Some(acceptor), Rc::clone(&sink)));
        }
        println!("ready");
        tokio::select! {
            _ = terminated.recv() => {}
            _ = interrupted.recv() => {}
        }
        anyhow::Ok(())
    })?;
    let state = sink.state.borrow();
    println!("{}", serde_json::to_string(&state.tally.stats())?);
    if let Some(file) = &options.ids_out {
        let mut out = std::io::BufWriter::new(fs::File::create(file).with_context(|| file.display().to_string())?);
        state.tally.write_ids(&mut out)?;
        std::io::Write::flush(&mut out)?;
    }
    Ok(())
}

async fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| address.to_string())
}

fn acceptor(options: &Options) -> anyhow::Result<TlsAcceptor> {
    let own = options.listen.iter().chain(&options.tls_listen).map(|address| address.ip().to_string());
    let (config, ca) = tls::make(own.chain(["localhost".to_owned()]).chain(options.name.iter().cloned()).collect())?;
    if let Some(file) = &options.ca_out {
        fs::write(file, ca).with_context(|| file.display().to_string())?;
    }
    Ok(TlsAcceptor::from(Arc::clone(&config)))
}

async fn accept(listener: TcpListener, tls: Option<TlsAcceptor>, sink: Rc<Sink>) {
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                eprintln!("cannot accept: {error}");
                sleep(WAIT_AFTER_ACCEPT_ERROR).await;
                continue;
            }
        };
        sink.state.borrow_mut().tally.figures().connections += 1;
        let (tls, sink) = (tls.clone(), Rc::clone(&sink));
        spawn_local(async move {
            // A client that goes away shows in what did not come.
            let _ = connection(stream, tls, sink).await;
        });
    }
}

async fn connection(stream: TcpStream, tls: Option<TlsAcceptor>, sink: Rc<Sink>) -> anyhow::Result<()> {
    stream.set_nodelay(true)?;
    if sink.options.resets() {
        // Then the end of a connection is a reset, unless the other side has closed it before.
        stream.set_zero_linger()?;
    }
    match tls {
        None => serve(stream, sink).await?,
        Some(tls) => serve(tls.accept(stream).await?, sink).await?,
    }
    Ok(())
}

async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin + 'static, sink: Rc<Sink>) -> hyper::Result<()> {
    let answer = service_fn(move |request| answer(Rc::clone(&sink), request));
    http1::Builder::new().header_read_timeout(None).serve_connection(TokioIo::new(stream), answer).await
}

async fn answer(sink: Rc<Sink>, request: Request<Incoming>) -> Result<Response<AnswerBody>, Dropped> {
    if let Some(route) = request.uri().path().strip_prefix(CONTROL) {
        return Ok(sink.control(request.method(), route).map(AnswerBody::Whole));
    }
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(|_| Dropped("the body broke off"))?.to_bytes();
    let path = head.uri.path();
    let gzipped = head.headers.get(CONTENT_ENCODING).is_some_and(|coding| coding == "gzip");
    let came = body.len() as u64;
    let body = if gzipped { unpack(&body).ok_or(Dropped("the body is not gzip"))? } else { body };
    let misbehaviour = sink.options.misbehaviour(path);
    let (fate, jitter, (status, text)) = sink.take(path, &body, came, (gzipped, misbehaviour));
    let delay = sink.options.delay(path) + jitter;
    if !delay.is_zero() {
        sleep(delay).await;
    }
    if let Some(misbehaviour) = misbehaviour {
        return misbehaviour.body().await.map(Response::new).ok_or(Dropped("reset on purpose"));
    }
    let answer = match fate {
        Fate::Answered => Ok(reply(status, text)),
        Fate::Failed => Ok(reply(sink.options.faults.error_status, Bytes::from_static(b"failed on purpose\n"))),
        Fate::Throttled => {
            let mut throttled = reply(429, Bytes::from_static(b"throttled on purpose\n"));
            throttled.headers_mut().insert(RETRY_AFTER, sink.options.faults.retry_after.into());
            Ok(throttled)
        }
        Fate::Reset => Err(Dropped("reset on purpose")),
    };
    answer.map(|answer| answer.map(AnswerBody::Whole))
}

impl Sink {
    /// Counts a request and says what becomes of it.
    fn take(
        &self,
        path: &str,
        body: &[u8],
        came: u64,
        (gzipped, misbehaviour): (bool, Option<Misbehaviour>),
    ) -> (Fate, Duration, (u16, Bytes)) {
        let mut state = self.state.borrow_mut();
        let State { tally, random, found, known } = &mut *state;
        let (fate, jitter) = self.options.faults.draw(path, random);
        let figures = tally.figures();
        figures.requests += 1;
        figures.body_bytes += came;
        figures.gzipped += u64::from(gzipped);
        match fate {
            Fate::Answered => {}
            Fate::Failed => figures.sent_errors += 1,
            Fate::Throttled => figures.sent_throttles += 1,
            Fate::Reset => figures.sent_resets += 1,
        }
        found.clear();
        known.clear();
        if !self.options.no_parse {
            self.marks.find(body, found);
            let succeeds = misbehaviour.map_or(fate == Fate::Answered, Misbehaviour::says_yes);
            tally.add(path, found, succeeds, now_us(), known);
        }
        (fate, jitter, Vendor::of(path).answer(body, known))
    }

    fn control(&self, method: &Method, route: &str) -> Response<Full<Bytes>> {
        let mut state = self.state.borrow_mut();
        match (method, route) {
            (&Method::GET, "stats") => match serde_json::to_vec(&state.tally.stats()) {
                Ok(stats) => reply(200, stats.into()),
                Err(error) => reply(500, error.to_string().into()),
            },
            (&Method::GET, "ids") => {
                let mut ids = Vec::new();
                // Writing to a `Vec` cannot fail.
                let _ = state.tally.write_ids(&mut ids);
                reply(200, ids.into())
            }
            (&Method::POST, "reset") => {
                *state = State::new(self.options.faults.seed);
                reply(204, Bytes::new())
            }
            _ => reply(404, Bytes::new()),
        }
    }
}

fn reply(status: u16, body: Bytes) -> Response<Full<Bytes>> {
    let has_body = !body.is_empty();
    let mut reply = Response::new(Full::new(body));
    *reply.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    if has_body {
        reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    reply
}

fn unpack(body: &[u8]) -> Option<Bytes> {
    let mut unpacked = Vec::with_capacity(body.len().saturating_mul(8));
    GzDecoder::new(body).take(UNPACKED_BYTES_MAX).read_to_end(&mut unpacked).ok()?;
    Some(unpacked.into())
}
