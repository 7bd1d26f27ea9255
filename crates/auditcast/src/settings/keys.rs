//! The table of keys: the one place where a setting has its name, form, default and meaning.

/// What the names of our environment variables begin with.
pub(super) const ENVIRONMENT_PREFIX: &str = "AUDITCAST_";

/// One setting.
#[derive(Debug)]
pub struct Key {
    /// Its name in the file; the unit is part of it.
    pub name: &'static str,
    /// Where the reference lists it.
    pub group: Group,
    /// What its value looks like.
    pub form: Form,
    /// Its value where no layer has one, in text form; none for settings that may be absent.
    pub default: Option<&'static str>,
    /// What it does, for the reference and `--help`.
    pub about: &'static str,
}

/// A heading of the reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// What most operators set.
    Server,
    /// Limits on clients.
    Http,
    /// Limits on producers.
    Ingest,
    /// Deliveries.
    Delivery,
}

/// What a value looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Any text.
    Text,
    /// A path of a file or folder.
    Path,
    /// A text that is never printed, and never a flag: command lines are visible to others.
    Secret,
    /// A whole number in these bounds.
    Number {
        /// The least.
        min: u64,
        /// The greatest.
        max: u64,
    },
    /// Texts; separated by commas outside the file.
    List,
}

impl Key {
    /// The key with this name.
    ///
    /// # Panics
    /// When the table has none: names are written in code only, and a test reads them all.
    pub(super) fn named(name: &str) -> &'static Self {
        KEYS.iter().find(|key| key.name == name).expect("the table has every key that the code asks for")
    }

    /// The name of its environment variable.
    pub fn environment(&self) -> String {
        format!("{ENVIRONMENT_PREFIX}{}", self.name.to_ascii_uppercase())
    }

    /// The name of its flag.
    pub fn flag(&self) -> String {
        format!("--{}", self.name.replace('_', "-"))
    }
}

const fn text(group: Group, name: &'static str, default: Option<&'static str>, about: &'static str) -> Key {
    Key { name, group, form: Form::Text, default, about }
}

const fn path(group: Group, name: &'static str, default: Option<&'static str>, about: &'static str) -> Key {
    Key { name, group, form: Form::Path, default, about }
}

const fn list(group: Group, name: &'static str, about: &'static str) -> Key {
    Key { name, group, form: Form::List, default: Some(""), about }
}

const fn number(
    group: Group,
    name: &'static str,
    (min, max): (u64, u64),
    default: &'static str,
    about: &'static str,
) -> Key {
    Key { name, group, form: Form::Number { min, max }, default: Some(default), about }
}

// Bounds that several keys share. No wait is longer than a week, and none is zero.
const MILLIS: (u64, u64) = (1, 604_800_000);
const SECONDS: (u64, u64) = (1, 604_800);
const BYTES: (u64, u64) = (1024, 1 << 32);
const RATE: (u64, u64) = (0, 1 << 31);
const IN_A_ROW: (u64, u64) = (1, 1000);

/// Every setting, in the order of the reference.
pub const KEYS: &[Key] = &[
    text(Group::Server, "listen", Some("127.0.0.1:8080"), "Address and port to serve on."),
    text(
        Group::Server,
        "public_url",
        None,
        "Base URL of links inside deliveries. Without it: the scheme and address served on.",
    ),
    path(Group::Server, "data_dir", Some("./data"), "Folder that holds everything stored. Made if it is missing."),
    Key {
        name: "bootstrap_token",
        group: Group::Server,
        form: Form::Secret,
        default: None,
        about: "An admin token of exactly this value exists in the account `default`. \
                Without it the first start makes one and prints it once. \
                Another value at a later start ends the one before.",
    },
    path(Group::Server, "tls_cert", None, "PEM file with the certificate chain; serves HTTPS together with `tls_key`."),
    path(Group::Server, "tls_key", None, "PEM file with the private key of `tls_cert`."),
    path(
        Group::Server,
        "master_key_file",
        None,
        "File with the key that wraps the data keys: 32 bytes, 64 hex digits, or base64. \
         Without it: `master.key` in the data folder, made at the first start.",
    ),
    path(
        Group::Server,
        "integrations_dir",
        None,
        "Folder of further integrations, one folder each, loaded at start and again on SIGHUP.",
    ),
    list(
        Group::Server,
        "integrations_replace",
        "Keys of built-in integrations whose place a folder of the same name may take.",
    ),
    text(
        Group::Server,
        "search_index",
        Some("on"),
        "`on` or `off`: whether entries are indexed for searches of the audit log. Off saves processor time and disk \
         where nobody searches; searches answer 503 then once an account has more than 200,000 entries that are not \
         in the index. On again, it is built on from where it ended.",
    ),
    number(
        Group::Server,
        "disk_free_min_bytes",
        (0, u64::MAX >> 1),
        "268435456",
        "With less free disk space than this, ingest answers 503 `store_full` while everything else goes on.",
    ),
    number(
        Group::Server,
        "entry_retention_days",
        (1, 36_500),
        "400",
        "How long entries are kept, by the time of their receipt. Those that a subscription still waits for are kept \
         for up to 30 days longer.",
    ),
    number(
        Group::Server,
        "wal_checkpoint_bytes",
        (65_536, 1 << 40),
        "33554432",
        "With this much in the write-ahead log it is moved into the database, beside the commits.",
    ),
    number(
        Group::Server,
        "wal_restart_bytes",
        (65_536, 1 << 40),
        "268435456",
        "At this length the write-ahead log starts anew between two commits. A program that reads the database for longer lets it grow beyond, see docs/delivery.md.",
    ),
    number(
        Group::Server,
        "shutdown_seconds",
        (0, 3600),
        "30",
        "How long requests in flight may go on after a SIGTERM.",
    ),
    number(
        Group::Server,
        "metrics_subscriptions_max",
        (0, 100_000),
        "500",
        "How many subscriptions `/metrics` tells of one by one, those that fare worst; 0 for none.",
    ),
    number(
        Group::Server,
        "account_tokens_max",
        (1, 1_000_000),
        "1000",
        "Most access tokens of one account, expired ones too; one more is a 409.",
    ),
    number(
        Group::Server,
        "account_subscriptions_max",
        (1, 10_000_000),
        "10000",
        "Most subscriptions and webhooks of one account, on or off; one more is a 409.",
    ),
    number(
        Group::Server,
        "account_sources_max",
        (1, 1_000_000),
        "1000",
        "Most ingest sources of one account; one more is a 409.",
    ),
    text(Group::Server, "log_format", Some("text"), "`text` or `json`, on standard error."),
    text(
        Group::Server,
        "log_level",
        Some("info"),
        "`error`, `warn`, `info`, `debug` or `trace`, for the server's own code; libraries log warnings and errors only.",
    ),
    number(
        Group::Http,
        "http_connections_max",
        (1, 1_000_000),
        "4096",
        "Connections open at a time; further ones wait in the operating system's queue.",
    ),
    number(
        Group::Http,
        "http_header_timeout_ms",
        MILLIS,
        "10000",
        "For the TLS handshake, and again for the first request head of a connection.",
    ),
    number(
        Group::Http,
        "http_body_timeout_ms",
        MILLIS,
        "60000",
        "For the whole body of a request (408 when it passes), and for a client that stops reading its answer.",
    ),
    number(
        Group::Http,
        "http_idle_timeout_ms",
        MILLIS,
        "75000",
        "For a connection between the end of one answer and the end of the next request head.",
    ),
    number(
        Group::Http,
        "rate_limit_token",
        RATE,
        "5000",
        "Requests of one token within 10 seconds, but for ingest; beyond them the answer is 429. 0: no limit.",
    ),
    number(
        Group::Http,
        "rate_limit_address",
        RATE,
        "10000",
        "Requests from one address within 10 seconds, but for ingest with a token that works; of IPv6 from one /64 \
         network. Behind a proxy all requests come from its address: set it to 0, no limit, and let the proxy do it.",
    ),
    number(
        Group::Ingest,
        "rate_limit_ingest",
        RATE,
        "0",
        "Ingest requests of one token within 10 seconds. 0: no limit.",
    ),
    number(Group::Ingest, "ingest_body_max_bytes", BYTES, "10485760", "Largest request body, after decompression."),
    number(Group::Ingest, "ingest_entry_max_bytes", BYTES, "262144", "Largest entry."),
    number(Group::Ingest, "ingest_batch_max_entries", (1, 1_000_000), "10000", "Most entries in one request."),
    number(
        Group::Ingest,
        "ingest_queue_max_bytes",
        BYTES,
        "33554432",
        "Entries that wait for the log writer; beyond this, ingest answers 429 or 503 with `Retry-After`.",
    ),
    list(
        Group::Delivery,
        "allow_destinations",
        "Address ranges, such as `10.0.0.0/8`, that deliveries of the account `default` may reach beside public ones. \
         A bare address is a range of one; a port after it, such as `10.0.0.0/8:8088` or `[fd00::/8]:8088`, opens that port alone.",
    ),
    list(
        Group::Delivery,
        "connect_to",
        "`host:port=address:port`: where the client really connects for a name. The checks of name and certificate stay.",
    ),
    path(Group::Delivery, "extra_ca", None, "PEM file of further trusted roots."),
    number(
        Group::Delivery,
        "delivery_window_max",
        (1, 1024),
        "16",
        "Most requests in flight for one subscription; each starts at 1 and doubles with a full round of acceptances.",
    ),
    number(
        Group::Delivery,
        "delivery_permits",
        (1, 100_000),
        "1024",
        "Most requests in flight for the process; slow or failing subscriptions share at most half, a host a quarter.",
    ),
    number(Group::Delivery, "delivery_connect_timeout_ms", MILLIS, "5000", "For a TCP connection."),
    number(Group::Delivery, "delivery_tls_timeout_ms", MILLIS, "5000", "For a TLS handshake."),
    number(
        Group::Delivery,
        "delivery_first_byte_timeout_ms",
        MILLIS,
        "30000",
        "From the request to the first byte of its answer.",
    ),
    number(Group::Delivery, "delivery_request_timeout_ms", MILLIS, "60000", "For a whole request with its answer."),
    number(
        Group::Delivery,
        "delivery_backoff_first_ms",
        MILLIS,
        "1000",
        "First wait after a failure; doubled with each further one.",
    ),
    number(Group::Delivery, "delivery_backoff_max_ms", MILLIS, "900000", "Longest wait after a failure."),
    number(
        Group::Delivery,
        "delivery_probe_first_ms",
        MILLIS,
        "60000",
        "First wait before a suspended subscription is probed; doubled with each further probe.",
    ),
    number(Group::Delivery, "delivery_probe_max_ms", MILLIS, "3600000", "Longest wait between two probes."),
    number(
        Group::Delivery,
        "delivery_entry_tries_max",
        (1, 100),
        "10",
        "Most tries of an entry that fails while others pass; then it is a dead letter.",
    ),
    number(
        Group::Delivery,
        "delivery_entry_schedule_seconds",
        SECONDS,
        "86400",
        "The time over which those tries are spread.",
    ),
    number(
        Group::Delivery,
        "delivery_refusals_max",
        IN_A_ROW,
        "10",
        "Refused entries in a row that suspend a subscription instead of becoming dead letters.",
    ),
    number(
        Group::Delivery,
        "delivery_failures_max",
        IN_A_ROW,
        "5",
        "Failures in a row, without an acceptance, that hold a subscription.",
    ),
    number(
        Group::Delivery,
        "delivery_retry_after_max_seconds",
        SECONDS,
        "86400",
        "Longest time that a destination's `Retry-After` is obeyed.",
    ),
    number(
        Group::Delivery,
        "delivery_jitter_percent",
        (0, 100),
        "20",
        "Most that is added to a wait, in percent of it; nothing is ever taken off.",
    ),
    number(
        Group::Delivery,
        "attempts_kept_days",
        (1, 3650),
        "30",
        "How long attempts are kept to be looked at, those of deleted subscriptions too.",
    ),
    number(
        Group::Delivery,
        "attempts_kept_max",
        (100, 100_000_000),
        "100000",
        "How many attempts of one subscription are kept, the newest; a few more stay until they are cleared away.",
    ),
    number(
        Group::Delivery,
        "conditions_look_seconds",
        SECONDS,
        "30",
        "How often subscriptions with work are looked at for states that last.",
    ),
    number(
        Group::Delivery,
        "conditions_held_seconds",
        SECONDS,
        "900",
        "A hold of a subscription is told from this length on.",
    ),
    number(
        Group::Delivery,
        "conditions_behind_seconds",
        SECONDS,
        "300",
        "A subscription is behind when its oldest entry has waited for this long, and over this time more came than went.",
    ),
    number(
        Group::Delivery,
        "conditions_quiet_seconds",
        SECONDS,
        "600",
        "The end of such a state is told once it has not shown for this long; after an edit, at once.",
    ),
];
