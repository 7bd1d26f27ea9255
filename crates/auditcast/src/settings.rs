//! What the operator decides: read once at start from three layers, the later winning:
//! the file, the environment, the command line.
//!
//! Every key stands in one table (`keys.rs`), from which the environment names, the flags and
//! docs/settings.md follow.

mod keys;
mod layers;
mod reference;
mod sources;
mod values;

use std::{collections::BTreeMap, fmt, net::SocketAddr, num::NonZeroU32, path::PathBuf, time::Duration};

use api::RateLimits;
use app::AccountLimits;
use delivery::{ConditionLimits, client::AllowedRange};
use domain::Secret;

pub use keys::{Form, Group, KEYS, Key};
pub use reference::page as reference_page;
pub use sources::{CLIENT_VARIABLES, ReadSettingsError, read};

use layers::Layers;

/// All settings of a server, valid as a whole.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where the server listens.
    pub listen: SocketAddr,
    /// The base of links inside deliveries, without a slash at its end, if it was given.
    pub public_url: Option<String>,
    /// Where everything is stored.
    pub data_dir: PathBuf,
    /// An admin token that exists in the account `default` from the start.
    pub bootstrap_token: Option<Secret>,
    /// Certificate chain and key to serve HTTPS with; plain HTTP without.
    pub tls: Option<TlsFiles>,
    /// A folder of further integrations.
    pub integrations_dir: Option<PathBuf>,
    /// Keys of built-in integrations whose place a folder may take.
    pub integrations_replace: Vec<String>,
    /// The file of the key that wraps the data keys; one in the data directory without.
    pub master_key_file: Option<PathBuf>,
    /// Below this much free disk space, in bytes, ingest is refused.
    pub disk_free_min_bytes: u64,
    /// Whether entries are indexed for searches.
    pub search_index: bool,
    /// How long entries are kept.
    pub entry_retention: Duration,
    /// From this length on the write-ahead log is moved into the database, in bytes.
    pub wal_checkpoint_bytes: u64,
    /// From this length on the write-ahead log starts anew, in bytes.
    pub wal_restart_bytes: u64,
    /// How long requests in flight may go on after a SIGTERM.
    pub shutdown: Duration,
    /// How many subscriptions the metrics tell of one by one.
    pub metrics_subscriptions_max: usize,
    /// How much one account may have.
    pub account_limits: AccountLimits,
    /// How logs are written.
    pub log_format: LogFormat,
    /// The least level that is logged.
    pub log_level: LogLevel,
    /// Limits on clients.
    pub http: HttpSettings,
    /// Limits on producers.
    pub ingest: IngestSettings,
    /// How deliveries are made.
    pub delivery: DeliverySettings,
}

impl Settings {
    /// What links inside deliveries begin with, for a server that listens on `address`.
    pub fn base_url(&self, address: SocketAddr) -> String {
        self.public_url.clone().unwrap_or_else(|| format!("{}://{address}", self.scheme()))
    }

    /// `https` or `http`.
    pub fn scheme(&self) -> &'static str {
        if self.tls.is_some() { "https" } else { "http" }
    }
}

/// The two files that HTTPS needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// PEM file: the server's certificate, then those that vouch for it.
    pub cert: PathBuf,
    /// PEM file: the private key.
    pub key: PathBuf,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For eyes.
    Text,
    /// One JSON object a line.
    Json,
}

/// The least level that is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogLevel {
    /// Only what needs a person.
    Error,
    /// Also what may need one.
    Warn,
    /// Also what happens.
    Info,
    /// Also why.
    Debug,
    /// Everything.
    Trace,
}

impl LogLevel {
    /// The level as the settings spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

/// Limits on clients of the server.
#[derive(Clone, Debug)]
pub struct HttpSettings {
    /// Connections open at a time; further ones wait in the operating system's queue.
    pub connections_max: usize,
    /// From a connection's begin to the end of its first request head; also for the TLS handshake.
    pub header_timeout: Duration,
    /// For the whole body of a request, and for a client that stops reading its answer.
    pub body_timeout: Duration,
    /// For a connection without a request.
    pub idle_timeout: Duration,
    /// How many requests are let in.
    pub rates: RateLimits,
}

/// Limits on producers.
#[derive(Clone, Debug)]
pub struct IngestSettings {
    /// The largest request body after decompression.
    pub body_max_bytes: usize,
    /// The largest entry.
    pub entry_max_bytes: usize,
    /// The most entries in one request.
    pub batch_max_entries: usize,
    /// Entries that wait for the log writer, in bytes; beyond it ingest answers 429 or 503.
    pub queue_max_bytes: usize,
}

/// How deliveries are made.
#[derive(Clone, Debug)]
pub struct DeliverySettings {
    /// Address ranges that the account `default` may reach beside public ones.
    pub allow_destinations: Vec<AllowedRange>,
    /// Where the client really connects for a host and port.
    pub connect_to: ConnectTo,
    /// PEM file of further trusted roots.
    pub extra_ca: Option<PathBuf>,
    /// The most requests in flight for one subscription.
    pub window_max: usize,
    /// The most requests in flight for the process.
    pub permits: usize,
    /// For a TCP connection.
    pub connect_timeout: Duration,
    /// For a TLS handshake.
    pub tls_timeout: Duration,
    /// From a request sent to the first byte of its answer.
    pub first_byte_timeout: Duration,
    /// For a whole request with its answer.
    pub request_timeout: Duration,
    /// The first wait after a failure; doubled with each further one.
    pub backoff_first: Duration,
    /// The longest wait after a failure.
    pub backoff_max: Duration,
    /// The first wait before a suspended subscription is probed; doubled with each further one.
    pub probe_first: Duration,
    /// The longest wait before a suspended subscription is probed.
    pub probe_max: Duration,
    /// The most tries of one entry that fails while others pass.
    pub entry_tries_max: u32,
    /// The time over which those tries are spread.
    pub entry_schedule: Duration,
    /// Refused entries in a row that suspend a subscription.
    pub refusals_max: u32,
    /// Failures in a row that hold a subscription.
    pub failures_max: u32,
    /// The longest time that a destination's `Retry-After` is obeyed.
    pub retry_after_max: Duration,
    /// The most that is added to a wait, in percent of it.
    pub jitter_percent: u32,
    /// How long attempts are kept.
    pub attempts_kept: Duration,
    /// How many attempts of one subscription are kept.
    pub attempts_kept_max: u64,
    /// When states that last are told.
    pub conditions: ConditionLimits,
}

/// Where the client really connects for a host and port. The checks of name and certificate stay.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConnectTo(BTreeMap<(String, u16), SocketAddr>);

impl ConnectTo {
    /// The address to use in place of this host's own; `host` in any case.
    pub fn get(&self, host: &str, port: u16) -> Option<SocketAddr> {
        self.0.get(&(host.to_ascii_lowercase(), port)).copied()
    }

    /// Each host in lower case with its port, and the address to use.
    pub fn iter(&self) -> impl Iterator<Item = ((&str, u16), SocketAddr)> {
        self.0.iter().map(|((host, port), address)| ((host.as_str(), *port), *address))
    }
}

/// Where a value came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Layer {
    /// Built in.
    Default,
    /// The settings file.
    File,
    /// An environment variable.
    Environment,
    /// A flag of the command line.
    Flag,
}

/// One mistake in the settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// The key as its layer spells it: `listen`, `AUDITCAST_LISTEN`, `--listen`; of a file that
    /// cannot be read at all, the place in it.
    pub key: String,
    /// Where it stands.
    pub layer: Layer,
    /// What is wrong and what would be right; never the value of a secret.
    pub reason: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let layer = match self.layer {
            Layer::Default => "built in",
            Layer::File => "in the file",
            Layer::Environment => "in the environment",
            Layer::Flag => "on the command line",
        };
        write!(f, "{} ({layer}) {}", self.key, self.reason)
    }
}

/// Reads the text of a settings file and what overrides it.
///
/// An override is named as its layer spells it: `AUDITCAST_LISTEN` is the environment's, `--listen`
/// the command line's, which wins. Values are text; lists are separated by commas.
///
/// # Errors
/// Every mistake at once: unknown keys, values that do not fit, values that do not fit together.
pub fn parse(file: &str, overrides: &BTreeMap<String, String>) -> Result<Settings, Vec<Mistake>> {
    let mut layers = Layers::collect(file, overrides);
    let settings = build(&mut layers);
    layers.at_most("delivery_backoff_first_ms", "delivery_backoff_max_ms");
    layers.at_most("delivery_probe_first_ms", "delivery_probe_max_ms");
    layers.at_most("delivery_first_byte_timeout_ms", "delivery_request_timeout_ms");
    layers.at_most("wal_checkpoint_bytes", "wal_restart_bytes");
    layers.at_most("ingest_entry_max_bytes", "ingest_body_max_bytes");
    layers.at_most("ingest_body_max_bytes", "ingest_queue_max_bytes");
    layers.finish(settings)
}

fn build(layers: &mut Layers) -> Settings {
    Settings {
        listen: layers.read("listen", values::address),
        public_url: layers.read_optional("public_url", values::base_url),
        data_dir: layers.read("data_dir", values::path),
        bootstrap_token: layers.read_optional("bootstrap_token", values::token),
        tls: tls_files(layers),
        integrations_dir: layers.read_optional("integrations_dir", values::path),
        integrations_replace: layers.read("integrations_replace", values::texts),
        master_key_file: layers.read_optional("master_key_file", values::path),
        disk_free_min_bytes: layers.number("disk_free_min_bytes"),
        search_index: layers.read("search_index", values::switch),
        entry_retention: layers.days("entry_retention_days"),
        wal_checkpoint_bytes: layers.number("wal_checkpoint_bytes"),
        wal_restart_bytes: layers.number("wal_restart_bytes"),
        shutdown: layers.seconds("shutdown_seconds"),
        metrics_subscriptions_max: layers.size("metrics_subscriptions_max"),
        account_limits: AccountLimits {
            tokens: layers.size("account_tokens_max"),
            subscriptions: layers.size("account_subscriptions_max"),
            ingest_sources: layers.size("account_sources_max"),
        },
        log_format: layers.read("log_format", values::log_format),
        log_level: layers.read("log_level", values::log_level),
        http: HttpSettings {
            connections_max: layers.size("http_connections_max"),
            header_timeout: layers.millis("http_header_timeout_ms"),
            body_timeout: layers.millis("http_body_timeout_ms"),
            idle_timeout: layers.millis("http_idle_timeout_ms"),
            rates: RateLimits {
                token: rate(layers, "rate_limit_token"),
                ingest: rate(layers, "rate_limit_ingest"),
                address: rate(layers, "rate_limit_address"),
            },
        },
        ingest: IngestSettings {
            body_max_bytes: layers.size("ingest_body_max_bytes"),
            entry_max_bytes: layers.size("ingest_entry_max_bytes"),
            batch_max_entries: layers.size("ingest_batch_max_entries"),
            queue_max_bytes: layers.size("ingest_queue_max_bytes"),
        },
        delivery: delivery(layers),
    }
}

/// A limit of requests; none for 0.
fn rate(layers: &mut Layers, name: &'static str) -> Option<NonZeroU32> {
    NonZeroU32::new(layers.count(name))
}

fn delivery(layers: &mut Layers) -> DeliverySettings {
    DeliverySettings {
        allow_destinations: layers.read("allow_destinations", values::ranges),
        connect_to: ConnectTo(layers.read("connect_to", values::connect_to)),
        extra_ca: layers.read_optional("extra_ca", values::path),
        window_max: layers.size("delivery_window_max"),
        permits: layers.size("delivery_permits"),
        connect_timeout: layers.millis("delivery_connect_timeout_ms"),
        tls_timeout: layers.millis("delivery_tls_timeout_ms"),
        first_byte_timeout: layers.millis("delivery_first_byte_timeout_ms"),
        request_timeout: layers.millis("delivery_request_timeout_ms"),
        backoff_first: layers.millis("delivery_backoff_first_ms"),
        backoff_max: layers.millis("delivery_backoff_max_ms"),
        probe_first: layers.millis("delivery_probe_first_ms"),
        probe_max: layers.millis("delivery_probe_max_ms"),
        entry_tries_max: layers.count("delivery_entry_tries_max"),
        entry_schedule: layers.seconds("delivery_entry_schedule_seconds"),
        refusals_max: layers.count("delivery_refusals_max"),
        failures_max: layers.count("delivery_failures_max"),
        retry_after_max: layers.seconds("delivery_retry_after_max_seconds"),
        jitter_percent: layers.count("delivery_jitter_percent"),
        attempts_kept: layers.days("attempts_kept_days"),
        attempts_kept_max: layers.number("attempts_kept_max"),
        conditions: ConditionLimits {
            look_every: layers.seconds("conditions_look_seconds"),
            held_after: layers.seconds("conditions_held_seconds"),
            behind_after: layers.seconds("conditions_behind_seconds"),
            quiet: layers.seconds("conditions_quiet_seconds"),
        },
    }
}

fn tls_files(layers: &mut Layers) -> Option<TlsFiles> {
    let cert = layers.read_optional("tls_cert", values::path);
    let key = layers.read_optional("tls_key", values::path);
    match (cert, key) {
        (Some(cert), Some(key)) => Some(TlsFiles { cert, key }),
        (None, None) => None,
        (Some(_), None) => layers.refuse("tls_cert", "is given without tls_key; HTTPS needs both"),
        (None, Some(_)) => layers.refuse("tls_key", "is given without tls_cert; HTTPS needs both"),
    }
}

#[cfg(test)]
mod tests;
