//! Sending the entries of a file to a running server, in batches and in order.
//!
//! Each batch is stored whole or not at all, and the next one is sent once it is. Deliberately
//! absent: a place that is remembered between two runs; the server tells what it has already.

mod batch;
mod reply;

use std::{
    fs::{File, Metadata},
    io::{self, BufRead, BufReader, IsTerminal},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::Context;
use aws_lc_rs::{
    digest,
    rand::{SecureRandom, SystemRandom},
};
use delivery::client::{AddressGuard, AllowedRange, Client, ClientSettings, ConnectTo, Profile};
use domain::{AccountId, Clock, Secret};
use indicatif::{ProgressBar, ProgressStyle};
use integrations::HttpRequest;
use url::Url;

use crate::{clock::SystemClock, serve::extra_roots};
use batch::{Batch, Batches};
use reply::Verdict;

/// The first wait where the server names none; doubled with each further one.
const WAIT_FIRST: Duration = Duration::from_secs(1);
const WAIT_MAX: Duration = Duration::from_secs(30);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const ANSWER_TIMEOUT: Duration = Duration::from_secs(120);
/// Answers list a hundred mistakes at most.
const ANSWER_BYTES_MAX: usize = 1024 * 1024;

/// What is to be sent, and where to.
pub struct Request {
    /// The file; none for standard input.
    pub file: Option<PathBuf>,
    /// The address of the server, without the path.
    pub url: Url,
    /// A token that may ingest.
    pub token: Secret,
    /// A file of further trusted roots.
    pub ca: Option<PathBuf>,
    /// The most entries of one request.
    pub batch_entries: usize,
    /// How long one batch is tried in all.
    pub patience: Duration,
}

/// What became of the entries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// Those that are new in the log.
    pub accepted: u64,
    /// Those that it had already.
    pub duplicates: u64,
    /// Up to this line all of them are in the log.
    pub line: u64,
}

/// Why not everything was sent.
#[derive(Debug)]
pub enum Failure {
    /// Entries are wrong, each with its line.
    Mistakes(Vec<String>),
    /// Anything else: the file, the way to the server, or its refusal.
    Stopped(anyhow::Error),
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Stopped(error.into())
    }
}

/// Sends everything. What was sent until a failure is beside it.
pub fn run(request: &Request) -> (Sent, Result<(), Failure>) {
    let mut sent = Sent::default();
    let result = send_all(request, &mut sent);
    (sent, result)
}

fn send_all(request: &Request, sent: &mut Sent) -> Result<(), Failure> {
    let Input { lines, length, name } = Input::open(request.file.as_deref())?;
    let progress = progress(length);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("no runtime")?;
    let sender = Sender::new(request, name)?;
    let mut batches = Batches::new(lines, request.batch_entries);
    loop {
        let batch = batches.next().context("the entries cannot be read")?;
        if batch.is_empty() {
            break;
        }
        let (_, last) = batch.range();
        runtime.block_on(sender.send(batch, sent))?;
        sent.line = last;
        progress.set_position(batches.bytes_read());
        progress.set_message(format!("{} stored, {} duplicates", sent.accepted, sent.duplicates));
    }
    progress.finish_and_clear();
    Ok(())
}

/// Where the entries come from.
struct Input {
    lines: Box<dyn BufRead>,
    /// In bytes, where that is known.
    length: Option<u64>,
    /// Tells it from other input that has the same lines: a file that nobody changed keeps its name,
    /// and what can be read but once has another one in each run.
    name: [u8; 32],
}

impl Input {
    fn open(file: Option<&Path>) -> anyhow::Result<Self> {
        let Some(path) = file else {
            return Ok(Self { lines: Box::new(io::stdin().lock()), length: None, name: name_of_stream()? });
        };
        let opened = File::open(path).with_context(|| format!("{} cannot be opened", path.display()))?;
        let metadata = opened.metadata().ok().filter(Metadata::is_file);
        let name = metadata.as_ref().map_or_else(name_of_stream, |metadata| Ok(name_of_file(metadata)))?;
        let length = metadata.map(|metadata| metadata.len());
        Ok(Self { lines: Box::new(BufReader::new(opened)), length, name })
    }
}

fn name_of_file(metadata: &Metadata) -> [u8; 32] {
    let mut name = [0; 32];
    let (seconds, nanoseconds) = (metadata.mtime().to_be_bytes(), metadata.mtime_nsec().to_be_bytes());
    let parts = [metadata.dev().to_be_bytes(), metadata.ino().to_be_bytes(), seconds, nanoseconds];
    name.copy_from_slice(parts.as_flattened());
    name
}

fn name_of_stream() -> anyhow::Result<[u8; 32]> {
    let mut name = [0; 32];
    SystemRandom::new().fill(&mut name).map_err(|_| anyhow::anyhow!("the system gives no random bytes"))?;
    Ok(name)
}

/// Shown only to people: where standard error is a terminal.
fn progress(length: Option<u64>) -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let Some(length) = length else { return ProgressBar::new_spinner() };
    let style = ProgressStyle::with_template("{bar:40} {bytes}/{total_bytes} {msg} {eta}");
    ProgressBar::new(length).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

struct Sender<'a> {
    request: &'a Request,
    client: Client,
    profile: Profile,
    clock: Arc<dyn Clock>,
    /// That of the input.
    name: [u8; 32],
}

impl<'a> Sender<'a> {
    fn new(request: &'a Request, name: [u8; 32]) -> anyhow::Result<Self> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::start());
        let settings = ClientSettings {
            connect_to: ConnectTo::default(),
            extra_roots: request.ca.as_deref().map(|path| extra_roots("--ca", path)).transpose()?.unwrap_or_default(),
            connect_timeout: CONNECT_TIMEOUT,
            tls_timeout: CONNECT_TIMEOUT,
            first_byte_timeout: ANSWER_TIMEOUT,
            request_timeout: ANSWER_TIMEOUT,
            user_agent: concat!("auditcast/", env!("CARGO_PKG_VERSION")).to_owned(),
            // The id of no server.
            via: "command-line".to_owned(),
        };
        let client =
            Client::new(settings, Arc::clone(&clock)).context("--ca holds a certificate that cannot be a root")?;
        // Who runs this chose the address, so it may be any.
        let account = AccountId::from_bytes([0; 12]);
        let everywhere: Vec<AllowedRange> =
            ["0.0.0.0/0", "::/0"].into_iter().filter_map(|range| range.parse().ok()).collect();
        client.allow(account, &AddressGuard::allowing(everywhere));
        Ok(Self { request, client, profile: Profile { account, verify_tls: true }, clock, name })
    }

    /// Sends a batch until it is stored, in parts where it is too large.
    async fn send(&self, batch: Batch, sent: &mut Sent) -> Result<(), Failure> {
        let mut parts = vec![batch];
        while let Some(part) = parts.pop() {
            match self.send_until_judged(&part, *sent == Sent::default()).await? {
                Verdict::Stored { accepted, duplicates } => {
                    sent.accepted += accepted;
                    sent.duplicates += duplicates;
                    sent.line = part.range().1;
                }
                Verdict::TooLarge(message) if part.len() == 1 => {
                    return Err(Failure::Mistakes(vec![format!("line {}: {message}", part.range().0)]));
                }
                Verdict::TooLarge(_) => {
                    let (first, second) = part.halves();
                    parts.extend([second, first]);
                }
                Verdict::Mistakes(mistakes) => return Err(Failure::Mistakes(mistakes)),
                Verdict::Refused(message) | Verdict::Later(_, message) => {
                    return Err(Failure::Stopped(anyhow::anyhow!(message)));
                }
            }
        }
        Ok(())
    }

    /// Sends a batch again and again while it may be, for as long as patience lasts. A server that
    /// cannot be reached at first is likely the wrong one.
    async fn send_until_judged(&self, batch: &Batch, is_first: bool) -> Result<Verdict, Failure> {
        let (started, mut is_first, mut next) = (self.clock.monotonic(), is_first, WAIT_FIRST);
        loop {
            let (asked, why) = match self.send_once(batch).await {
                Ok(Verdict::Later(asked, why)) => (asked, anyhow::anyhow!(why)),
                Ok(verdict) => return Ok(verdict),
                Err(error) if is_first => return Err(Failure::Stopped(error)),
                Err(error) => (None, error),
            };
            let wait = asked.unwrap_or(next).max(Duration::from_millis(1));
            let passed = self.clock.monotonic().saturating_sub(started);
            if passed.saturating_add(wait) > self.request.patience {
                return Err(Failure::Stopped(why.context("the server takes nothing for now")));
            }
            tokio::time::sleep(wait).await;
            is_first = false;
            next = (next * 2).min(WAIT_MAX);
        }
    }

    async fn send_once(&self, batch: &Batch) -> anyhow::Result<Verdict> {
        let body = batch.body();
        let headers = [
            ("Authorization", self.request.token.expose().to_owned()),
            ("Content-Type", "application/x-ndjson".to_owned()),
            ("Idempotency-Key", key_of(&self.name, batch, &body)),
        ];
        let base = self.request.url.as_str().trim_end_matches('/');
        let request = HttpRequest {
            method: "POST",
            url: format!("{base}/ingest/entries"),
            headers: headers.map(|(name, value)| (name.to_owned(), value)).into(),
            body,
            verify_tls: self.profile.verify_tls,
        };
        let answer = self.client.send(request, self.profile, ANSWER_BYTES_MAX).await;
        let answer = answer.with_context(|| format!("{base} cannot be reached"))?;
        Ok(reply::judge(answer.status, &answer.headers, &answer.body, batch))
    }
}

/// Names the batch by its input, its place there and its content: entries without an id are not
/// stored twice when an answer was lost, and those of another input are others although they look
/// the same.
fn key_of(input: &[u8; 32], batch: &Batch, body: &[u8]) -> String {
    let (first, _) = batch.range();
    let hash = digest::digest(&digest::SHA256, &[input, first.to_be_bytes().as_slice(), body].concat());
    hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}
