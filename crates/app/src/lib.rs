//! Use cases: authorise, validate, act. What the REST API and the console share.
//!
//! Deliberately absent: HTTP, status codes, SQL, and the real clock. Every change appends the
//! entry that records it in the same transaction as the change itself.

mod access;
mod accounts;
mod audit_log;
mod catalogue;
mod edit;
mod error;
mod ingest;
mod ingest_sources;
mod metrics;
mod patch;
mod readiness;
mod record;
mod retention;
mod settings;
mod subscriptions;
#[cfg(feature = "testing")]
pub mod testing;
mod tokens;
mod turns;
mod webhooks;

use std::{collections::BTreeSet, sync::Arc};

use delivery::Engine;
use domain::Clock;
use integrations::LiveCatalogue;
use store::{Keyring, Store};

pub use access::{Action, Caller, Grant, Statements};
pub use accounts::Account;
pub use audit_log::{Cursor, EntriesAsked, EntryCounts, EntryCountsAsked, EntryFilter, EntryList, Export, ExportAsked};
pub use catalogue::{Adopted, CatalogueItem, load_catalogue, load_folder};
pub use delivery::attempts::{Attempt, Evidence, Follows, Run};
pub use delivery::{
    Condition, ConditionKind, Failure, Outcome, OutcomeKind, Reason, State, Status, TestRequest, TestResult,
};
pub use error::{Cause, Conflict, Error};
pub use ingest::{Batch, CloudEventsMode, Format, Ingested, LogBatch, LogEncoding, LogsIngested};
pub use ingest_sources::{IngestSourceView, SignedEntry};
pub use integrations::{Nothing, OnLate, Preview, PreviewOutcome, PreviewRequest, Standing, WEBHOOK_KEY};
pub use readiness::Readiness;
pub use retention::RetentionChange;
pub use settings::Settings;
pub use store::{
    AccountLimits, AccountRetention, AppendedItem, Counts, Job, JobCounts, JobKind, JobPage, JobState, LetterFate,
    SkippedRange,
};
pub use subscriptions::{
    Attempts, AttemptsAsked, DeadLetter, DeadLetters, DeadLettersAsked, DryRun, Health, JOBS_LIMIT_MAX, Ledger,
    LedgerAsked, NumberedAttempt, OutcomeAsked, Recipient, Replayed, Subscription,
};

pub use tokens::{AccessToken, AccessTokenPage, Identity, Power, Role};
pub use webhooks::Webhook;

/// The account that the first start makes.
pub const DEFAULT_ACCOUNT: &str = "default";

/// What the use cases work with.
pub struct Parts {
    /// The database.
    pub store: Store,
    /// The integrations that this server knows, shared with the engine.
    pub catalogue: Arc<LiveCatalogue>,
    /// The keys that seal configurations.
    pub keyring: Arc<Keyring>,
    /// What delivers.
    pub engine: Engine,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Limits, and the name of this server.
    pub settings: Settings,
}

/// The use cases of one server.
pub struct App {
    store: Store,
    catalogue: Arc<LiveCatalogue>,
    keyring: Arc<Keyring>,
    engine: Engine,
    clock: Arc<dyn Clock>,
    settings: Settings,
    tokens: tokens::Cache,
    changes: subscriptions::ChangeLocks,
    /// Held while the operator changes an account.
    account_changes: tokio::sync::Mutex<()>,
    /// Held by the one dry run of a replay that looks through the log, so that many of them
    /// cannot keep requests waiting.
    dry_run: tokio::sync::Mutex<()>,
    ingest_counts: ingest::Counts,
    exports: Arc<audit_log::Exports>,
    searches: turns::Turns,
    previews: turns::Turns,
    /// Held while integrations are put in force: the keys whose subscriptions do not all go on
    /// under what is in force by now, since the store failed.
    adopting: tokio::sync::Mutex<BTreeSet<String>>,
}

impl App {
    /// Puts the parts together; starts nothing.
    pub fn new(parts: Parts) -> Arc<Self> {
        let Parts { store, catalogue, keyring, engine, clock, settings } = parts;
        Arc::new(Self {
            store,
            catalogue,
            keyring,
            engine,
            clock,
            settings,
            tokens: tokens::Cache::default(),
            changes: subscriptions::ChangeLocks::default(),
            account_changes: tokio::sync::Mutex::default(),
            dry_run: tokio::sync::Mutex::default(),
            ingest_counts: ingest::Counts::default(),
            exports: Arc::default(),
            searches: turns::Turns::new(Self::SEARCHES_MAX),
            previews: turns::Turns::new(Self::PREVIEWS_MAX),
            adopting: tokio::sync::Mutex::default(),
        })
    }

    /// Limits, and the name of this server.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The time by which this server goes.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }
}
