//! The load generator: posts entries as fast as a number of connections goes, or at a rate.

mod options;
mod tally;

use std::{cell::RefCell, io, net::SocketAddr, rc::Rc, time::Duration};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{
    HeaderMap, Method, Request, Uri,
    client::conn::http1::{self, SendRequest},
};
use hyper_util::rt::TokioIo;
use tokio::{
    net::TcpStream,
    task::{LocalSet, spawn_local},
    time::{Instant, sleep, sleep_until, timeout},
};

pub use self::{
    options::Options,
    tally::{Accepted, Report},
};
use self::{
    options::Target,
    tally::{Request as Finished, Tally},
};
use crate::{mark::Mark, now_us, template::Template};

/// A dead server is not asked more often than this by one connection.
const WAIT_AFTER_ERROR: Duration = Duration::from_millis(20);
/// As much of an answer that is no success is kept.
const BAD_ANSWER_BYTES_MAX: usize = 500;

/// All that does not change during a load.
struct Plan {
    address: SocketAddr,
    method: Method,
    paths: Vec<Uri>,
    headers: HeaderMap,
    template: Template,
    run: u32,
    batch: u64,
    rate: Option<f64>,
    count: u64,
    timeout: Duration,
    base: Instant,
    deadline: Instant,
}

/// What one connection sends next.
struct Turn {
    seq: u64,
    entries: u64,
    due: Option<Instant>,
}

/// Runs a load to its end.
///
/// # Errors
/// Options that do not fit together, a template that cannot be read, no runtime.
pub fn run(options: &Options) -> anyhow::Result<Report> {
    let Target { address, paths, headers } = options.target()?;
    let template = options.template()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let tally = LocalSet::new().block_on(&runtime, async {
        let base = Instant::now();
        let plan = Rc::new(Plan {
            address,
            method: options.method()?,
            paths,
            headers,
            template,
            run: options.run(),
            batch: options.batch,
            rate: (options.rate > 0.0).then_some(options.rate),
            count: options.count.unwrap_or(u64::MAX),
            timeout: Duration::from_millis(options.timeout_ms),
            base,
            deadline: base + Duration::from_secs_f64(options.duration),
        });
        let warm = base + Duration::from_secs_f64(options.warmup);
        let tally = Rc::new(RefCell::new(Tally::new(warm, plan.deadline, options.ids_out.is_some())));
        let next = Rc::new(RefCell::new(0));
        let connections: Vec<_> = (0..options.conns)
            .map(|_| spawn_local(connection(Rc::clone(&plan), Rc::clone(&next), Rc::clone(&tally))))
            .collect();
        for connection in connections {
            connection.await?;
        }
        anyhow::Ok(tally)
    })?;
    let tally = tally.borrow();
    if let Some(file) = &options.ids_out {
        tally.write_ids(file, options.run())?;
    }
    Ok(tally.report(options.run()))
}

async fn connection(plan: Rc<Plan>, next: Rc<RefCell<u64>>, tally: Rc<RefCell<Tally>>) {
    let mut sender = None;
    while let Some(turn) = plan.next(&next) {
        if let Some(due) = turn.due.filter(|due| *due > Instant::now()) {
            sleep_until(due).await;
        }
        let request = plan.request(&turn);
        let bytes = request.body().size_hint_bytes();
        let started = Instant::now();
        let answer = match timeout(plan.timeout, ask(&mut sender, &plan, request)).await {
            Ok(answer) => answer,
            Err(_) => Err("timeout"),
        };
        let failed = answer.is_err();
        tally.borrow_mut().add(Finished {
            seq: turn.seq,
            entries: turn.entries,
            due: turn.due,
            started,
            done: Instant::now(),
            done_us: now_us(),
            bytes,
            answer,
        });
        if failed {
            sender = None;
            sleep(WAIT_AFTER_ERROR).await;
        }
    }
}

impl Plan {
    /// Takes the next turn; none when the load is over.
    fn next(&self, next: &RefCell<u64>) -> Option<Turn> {
        let mut next = next.borrow_mut();
        let entries = self.batch.min(self.count.saturating_sub(*next));
        #[expect(clippy::cast_precision_loss, reason = "no load sends 2^52 entries")]
        let due = self.rate.map(|rate| self.base + Duration::from_secs_f64(*next as f64 / rate));
        if entries == 0 || due.unwrap_or_else(Instant::now) >= self.deadline {
            return None;
        }
        let seq = *next;
        *next += entries;
        Some(Turn { seq, entries, due })
    }

    fn request(&self, turn: &Turn) -> Request<Full<Bytes>> {
        let several = self.batch > 1;
        let entries = usize::try_from(turn.entries).unwrap_or(usize::MAX);
        let mut body = Vec::with_capacity(self.template.size().saturating_mul(entries) + 2);
        if several {
            body.push(b'[');
        }
        let sent_us = now_us();
        for seq in turn.seq..turn.seq + turn.entries {
            if seq > turn.seq {
                body.push(b',');
            }
            self.template.render(Mark { run: self.run, seq, sent_us }, &mut body);
        }
        if several {
            body.push(b']');
        }
        let paths = self.paths.len() as u64;
        let path = usize::try_from(turn.seq / self.batch % paths).unwrap_or(0);
        let mut request = Request::new(Full::new(Bytes::from(body)));
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.paths[path].clone();
        *request.headers_mut() = self.headers.clone();
        request
    }
}

/// The length of a body that is there whole.
trait SizeHintBytes {
    fn size_hint_bytes(&self) -> u64;
}

impl SizeHintBytes for Full<Bytes> {
    fn size_hint_bytes(&self) -> u64 {
        hyper::body::Body::size_hint(self).lower()
    }
}

type Sender = SendRequest<Full<Bytes>>;

async fn connect(address: SocketAddr) -> Result<Sender, Box<dyn std::error::Error>> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    spawn_local(async move {
        // How the connection ended shows in the request that it ended.
        let _ = connection.await;
    });
    Ok(sender)
}

/// Sends a request and reads the answer whole: its status and, where it is no success, its beginning.
async fn ask(
    sender: &mut Option<Sender>,
    plan: &Plan,
    request: Request<Full<Bytes>>,
) -> Result<(u16, String), &'static str> {
    let mut connected = match sender.take().filter(|sender| !sender.is_closed()) {
        Some(connected) => connected,
        None => connect(plan.address).await.map_err(|_| "connect")?,
    };
    connected.ready().await.map_err(|_| "closed")?;
    let answer = connected.send_request(request).await.map_err(|_| "io")?;
    let status = answer.status().as_u16();
    let mut body = answer.into_body();
    let mut text = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| "io")?;
        if let (300.., Some(data)) = (status, frame.data_ref()) {
            text.extend_from_slice(&data[..data.len().min(BAD_ANSWER_BYTES_MAX.saturating_sub(text.len()))]);
        }
    }
    *sender = Some(connected);
    Ok((status, String::from_utf8_lossy(&text).into_owned()))
}

/// Writes a report as one line of JSON to standard output.
///
/// # Errors
/// Standard output is closed.
pub fn print(report: &Report) -> io::Result<()> {
    use io::Write;
    let mut line = serde_json::to_vec(report)?;
    line.push(b'\n');
    io::stdout().write_all(&line)
}
