//! A destination that follows a script.

use std::{
    collections::VecDeque,
    convert::Infallible,
    net::SocketAddr,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http_body_util::{BodyExt, Either, Full};
use hyper::{
    Request, Response,
    body::{Body, Frame, Incoming},
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::{net::TcpListener, sync::watch, time::Instant};

pub const PATIENCE: Duration = Duration::from_secs(30);

/// What it does with a request.
#[derive(Clone, Debug)]
pub enum Answer {
    Status(u16, Vec<(&'static str, String)>, &'static str),
    /// It closes the connection instead.
    Reset,
    /// It answers nothing until the server is told to let go.
    Held,
    /// 200, and a body without an end.
    Endless,
    /// Refuses requests that hold this text, and takes the others.
    Refusing(u16, &'static str),
}

impl Answer {
    pub fn status(status: u16) -> Self {
        Self::Status(status, Vec::new(), "")
    }
}

#[derive(Clone, Debug)]
pub struct Received {
    pub path: String,
    pub authorization: String,
    pub body: Vec<u8>,
    pub at: Instant,
    /// Whether the answer said that it was taken.
    pub taken: bool,
}

impl Received {
    /// The sequences in the body: an object, or a list of them.
    pub fn sequences(&self) -> Vec<u64> {
        let of = |value: &Value| value["sequence"].as_u64();
        match serde_json::from_slice(&self.body) {
            Ok(Value::Array(items)) => items.iter().filter_map(of).collect(),
            Ok(value) => of(&value).into_iter().collect(),
            Err(_) => Vec::new(),
        }
    }
}

struct State {
    script: VecDeque<Answer>,
    standing: Answer,
    received: Vec<Received>,
}

#[derive(Clone)]
pub struct Server {
    pub address: SocketAddr,
    state: Arc<Mutex<State>>,
    changes: watch::Sender<usize>,
    released: watch::Sender<bool>,
}

impl Server {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let state = State { script: VecDeque::new(), standing: Answer::status(200), received: Vec::new() };
        let server = Self {
            address: listener.local_addr().unwrap(),
            state: Arc::new(Mutex::new(state)),
            changes: watch::Sender::new(0),
            released: watch::Sender::new(false),
        };
        let accepting = server.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let server = accepting.clone();
                tokio::spawn(async move {
                    let service = service_fn(|request| server.handle(request));
                    // A connection that the script breaks is no failure of the test.
                    let _ = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        server
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The answers of the next requests, one each.
    pub fn script(&self, answers: impl IntoIterator<Item = Answer>) {
        self.state.lock().unwrap().script.extend(answers);
    }

    /// The answer of requests for which the script has none.
    pub fn always(&self, answer: Answer) {
        self.state.lock().unwrap().standing = answer;
    }

    pub fn release(&self) {
        self.released.send_replace(true);
    }

    pub fn received(&self) -> Vec<Received> {
        self.state.lock().unwrap().received.clone()
    }

    /// What it said that it took, sorted, with doubles.
    pub fn taken(&self) -> Vec<u64> {
        let mut taken: Vec<_> =
            self.received().iter().filter(|received| received.taken).flat_map(Received::sequences).collect();
        taken.sort_unstable();
        taken
    }

    pub async fn wait_until(&self, what: &str, is_so: impl Fn(&Self) -> bool) {
        let mut changes = self.changes.subscribe();
        let wait = async {
            while !is_so(self) {
                changes.changed().await.unwrap();
            }
        };
        if tokio::time::timeout(PATIENCE, wait).await.is_err() {
            panic!("{what}: got only {:?}", self.received());
        }
    }

    pub async fn wait_for(&self, requests: usize) {
        self.wait_until("requests", |server| server.received().len() >= requests).await;
    }

    pub async fn wait_for_taken(&self, sequences: &[u64]) {
        self.wait_until("entries", |server| {
            let taken = server.taken();
            sequences.iter().all(|sequence| taken.contains(sequence))
        })
        .await;
    }

    async fn handle(&self, request: Request<Incoming>) -> Result<Response<Either<Full<Bytes>, Endless>>, Broken> {
        let at = Instant::now();
        let path = request.uri().path().to_owned();
        let authorization = request.headers().get("authorization").and_then(|value| value.to_str().ok());
        let authorization = authorization.unwrap_or_default().to_owned();
        let body = request.into_body().collect().await.map_err(|_| Broken)?.to_bytes().to_vec();
        let answer = {
            let mut state = self.state.lock().unwrap();
            let answer = match state.script.pop_front().unwrap_or_else(|| state.standing.clone()) {
                Answer::Refusing(status, part) => {
                    let refused = String::from_utf8_lossy(&body).contains(part);
                    Answer::status(if refused { status } else { 200 })
                }
                answer => answer,
            };
            let taken = matches!(answer, Answer::Status(200..300, ..) | Answer::Endless | Answer::Held);
            state.received.push(Received { path, authorization, body, at, taken });
            answer
        };
        self.changes.send_modify(|count| *count += 1);
        let (status, headers, text) = match answer {
            Answer::Status(status, headers, text) => (status, headers, text),
            Answer::Reset | Answer::Refusing(..) => return Err(Broken),
            Answer::Endless => return Ok(Response::new(Either::Right(Endless))),
            Answer::Held => {
                let _ = self.released.subscribe().wait_for(|released| *released).await;
                (200, Vec::new(), "")
            }
        };
        let mut response = Response::builder().status(status);
        for (name, value) in headers {
            response = response.header(name, value);
        }
        Ok(response.body(Either::Left(Full::new(Bytes::from_static(text.as_bytes())))).unwrap())
    }
}

#[derive(Debug, thiserror::Error)]
#[error("the script breaks the connection")]
pub struct Broken;

pub struct Endless;

impl Body for Endless {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&[b'x'; 8_192])))))
    }
}
