//! Taking log records of OpenTelemetry in, each as an entry.
//!
//! Unlike other ingest a request is not refused for one bad record: senders drop what is
//! refused, so the good ones are stored and the others counted. Source: OpenTelemetry Protocol
//! Specification 1.8, OTLP/HTTP. docs/ingest.md says what becomes of a record.

mod json;
mod protobuf;
mod record;

use std::sync::Arc;

use bytes::Bytes;
use domain::EntryDraft;
use serde_json::{Map, Value};
use store::Idempotency;

use super::{INLINE_BYTES_MAX, Ingested, Limits, idempotency};
use crate::{App, Caller, Conflict, Error};
use record::Record;

/// The most reasons that an answer tells of records that were not stored.
const REASONS_MAX: usize = 10;
/// The most records of a request that may be left out because an entry has their id already: for
/// each, the rest is stored anew.
const CONFLICTS_MAX: usize = 100;

/// Log records as a request brings them.
#[derive(Clone, Debug)]
pub struct LogBatch {
    /// The body, decompressed.
    pub body: Bytes,
    /// How they are written.
    pub encoding: LogEncoding,
    /// Makes the request repeatable although its records have no ids.
    pub idempotency_key: Option<String>,
    /// Ids of servers that the records came through, separated by commas.
    pub via: Option<String>,
}

/// The two forms of the protocol over HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogEncoding {
    /// Binary.
    Protobuf,
    /// Text.
    Json,
}

/// What became of log records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogsIngested {
    /// Those that are entries now.
    pub ingested: Ingested,
    /// How many are not.
    pub rejected: usize,
    /// Why the first of these are not; empty when all are stored.
    pub message: String,
}

/// Records with what they share.
struct Group {
    resource: Arc<Map<String, Value>>,
    scope: Map<String, Value>,
    records: Vec<Result<Record, String>>,
}

#[derive(Default)]
struct Taken {
    drafts: Vec<EntryDraft>,
    /// Which record each draft is.
    places: Vec<usize>,
    rejected: usize,
    reasons: Vec<String>,
}

impl App {
    /// Stores all records that can be entries; when this returns, they are synced.
    ///
    /// # Errors
    /// As of other ingest, but for records that cannot be entries or have the id of another
    /// entry: these are counted.
    pub async fn logs_ingest(&self, caller: &Caller, batch: LogBatch) -> Result<LogsIngested, Error> {
        let taken = self.take_logs(caller, batch).await;
        self.ingest_counts.note(taken.as_ref().map(|taken| &taken.ingested));
        taken
    }

    async fn take_logs(&self, caller: &Caller, batch: LogBatch) -> Result<LogsIngested, Error> {
        self.entries_may_ingest(caller)?;
        let limits = self.admit(batch.body.len(), batch.via.as_deref())?;
        let is_long = batch.body.len() > INLINE_BYTES_MAX;
        let read = move || read(&batch, &limits);
        let (mut taken, idempotency) =
            if is_long { tokio::task::spawn_blocking(read).await.map_err(Error::internal)?? } else { read()? };
        let mut conflicts = 0;
        loop {
            match self.append(caller.account, taken.drafts.clone(), idempotency.clone()).await {
                Err(Error::Conflict(Conflict::EntryId { index, id, .. })) if conflicts < CONFLICTS_MAX => {
                    conflicts += 1;
                    taken.drafts.remove(index);
                    let place = taken.places.remove(index);
                    taken.reject(place, &format!("its log.record.uid {id} is the id of another entry"));
                }
                appended => {
                    let message = taken.message();
                    return appended.map(|ingested| LogsIngested { ingested, rejected: taken.rejected, message });
                }
            }
        }
    }
}

fn read(batch: &LogBatch, limits: &Limits) -> Result<(Taken, Option<Idempotency>), Error> {
    let idempotency = batch.idempotency_key.as_deref().map(|key| idempotency(key, &batch.body)).transpose()?;
    let groups = match batch.encoding {
        LogEncoding::Protobuf => protobuf::groups(&batch.body, limits),
        LogEncoding::Json => json::groups(&batch.body, limits),
    };
    let mut taken = Taken::default();
    let (mut place, mut bytes) = (0, 0);
    for group in groups? {
        for record in group.records {
            let draft = record.and_then(|record| record.draft(&group.resource, &group.scope));
            match draft {
                Ok(draft) if draft.bytes.len() > limits.entry_bytes => taken.reject(place, &too_large(limits)),
                Ok(draft) => {
                    // Records share a resource, and each entry repeats it.
                    bytes += draft.bytes.len();
                    if bytes > limits.body_bytes {
                        return Err(too_large_together(limits));
                    }
                    taken.drafts.push(draft);
                    taken.places.push(place);
                }
                Err(reason) => taken.reject(place, &reason),
            }
            place += 1;
        }
    }
    Ok((taken, idempotency))
}

fn too_large(limits: &Limits) -> String {
    format!("the entry would be larger than {} bytes", limits.entry_bytes)
}

fn too_large_together(limits: &Limits) -> Error {
    let most = limits.body_bytes;
    Error::TooLarge(format!("the entries would be larger than {most} bytes together; send fewer log records at once"))
}

fn too_many(limits: &Limits) -> Error {
    Error::TooLarge(format!("the request has more than {} log records; send fewer at once", limits.entries))
}

impl Taken {
    fn reject(&mut self, place: usize, reason: &str) {
        self.rejected += 1;
        if self.reasons.len() < REASONS_MAX {
            self.reasons.push(format!("record {place}: {reason}"));
        }
    }

    fn message(&self) -> String {
        if self.rejected == 0 {
            return String::new();
        }
        let all = self.rejected + self.drafts.len();
        format!("{} of {all} log records were not stored: {}", self.rejected, self.reasons.join("; "))
    }
}
