//! Taking entries in.

use std::borrow::Cow;

use aws_lc_rs::digest;
use bytes::Bytes;
use domain::{AccountId, EntryDraft, FieldError, Sequence};
use store::{Append, AppendedItem, Idempotency};

use crate::{App, Caller, Error, access::account_resource};

mod cloud_event;
mod counts;
mod logs;
mod mapped;
mod split;

pub use cloud_event::CloudEventsMode;
pub(crate) use counts::Counts;
pub use logs::{LogBatch, LogEncoding, LogsIngested};

/// Bodies above this are read on a thread of their own, so that other requests go on.
const INLINE_BYTES_MAX: usize = 256 * 1024;
/// The most mistakes that an answer lists.
const MISTAKES_MAX: usize = 100;
/// The longest idempotency key, in bytes.
const KEY_BYTES_MAX: usize = 255;

/// What a producer sent.
#[derive(Clone, Debug)]
pub struct Batch {
    /// The body, decompressed.
    pub body: Bytes,
    /// How the entries stand in it.
    pub format: Format,
    /// Makes the request repeatable although its entries have no ids.
    pub idempotency_key: Option<String>,
    /// Ids of servers that the entries came through, separated by commas.
    pub via: Option<String>,
}

/// How entries stand in a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Format {
    /// One object, or an array of objects.
    Json,
    /// One object a line; blank lines are skipped.
    Lines,
    /// CloudEvents, each of which becomes an entry.
    CloudEvents(CloudEventsMode),
}

/// What became of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ingested {
    /// Entries that are new in the log.
    pub accepted: usize,
    /// Entries that were there already.
    pub duplicates: usize,
    /// Where the first new one stands.
    pub first: Option<Sequence>,
    /// Where the last new one stands.
    pub last: Option<Sequence>,
    /// One for each entry, in order.
    pub items: Vec<AppendedItem>,
    /// Whether this is the answer to an earlier request with the same idempotency key.
    pub repeated: bool,
}

struct Limits {
    entries: usize,
    entry_bytes: usize,
    body_bytes: usize,
}

impl App {
    /// Whether the caller may send entries; asked before the body is read.
    ///
    /// # Errors
    /// [`Error::Forbidden`].
    pub fn entries_may_ingest(&self, caller: &Caller) -> Result<(), Error> {
        caller.authorise(crate::Action::IngestEntries, &account_resource())
    }

    /// Stores a batch whole or not at all; when this returns, it is synced.
    ///
    /// # Errors
    /// [`Error::Invalid`] lists the bad entries by index and field; [`Error::TooLarge`],
    /// [`Error::Conflict`], [`Error::Busy`], [`Error::Full`], [`Error::Loop`]. Nothing is stored then.
    pub async fn entries_ingest(&self, caller: &Caller, batch: Batch) -> Result<Ingested, Error> {
        let ingested = self.ingest(caller, batch).await;
        self.ingest_counts.note(ingested.as_ref());
        ingested
    }

    async fn ingest(&self, caller: &Caller, batch: Batch) -> Result<Ingested, Error> {
        self.entries_may_ingest(caller)?;
        self.ingest_of(caller.account, batch).await
    }

    /// The same for whom something else than a token has authorised.
    pub(crate) async fn ingest_of(&self, account: AccountId, batch: Batch) -> Result<Ingested, Error> {
        let limits = self.admit(batch.body.len(), batch.via.as_deref())?;
        let is_long = batch.body.len() > INLINE_BYTES_MAX;
        let read = move || read(&batch, &limits);
        let (drafts, idempotency) =
            if is_long { tokio::task::spawn_blocking(read).await.map_err(Error::internal)?? } else { read()? };
        self.append(account, drafts, idempotency).await
    }

    /// The limits for a body of so many bytes that came this way.
    fn admit(&self, body_bytes: usize, via: Option<&str>) -> Result<Limits, Error> {
        if via.is_some_and(|via| via.split(',').any(|id| id.trim() == self.settings.instance)) {
            return Err(Error::Loop);
        }
        let body_max = self.settings.ingest_body_max_bytes;
        if body_bytes > body_max {
            return Err(Error::TooLarge(format!(
                "the body is larger than {body_max} bytes; send fewer entries at once"
            )));
        }
        Ok(Limits {
            entries: self.settings.batch_max_entries,
            entry_bytes: self.settings.entry_max_bytes,
            body_bytes: body_max,
        })
    }

    async fn append(
        &self,
        account: AccountId,
        drafts: Vec<EntryDraft>,
        idempotency: Option<Idempotency>,
    ) -> Result<Ingested, Error> {
        let appended = self.store.entry_append(Append { account, drafts, idempotency }).await?;
        let new = || appended.items.iter().filter(|item| !item.duplicate).map(|item| item.sequence);
        let accepted = new().count();
        Ok(Ingested {
            accepted,
            duplicates: appended.items.len() - accepted,
            first: new().min(),
            last: new().max(),
            repeated: appended.repeated,
            items: appended.items,
        })
    }
}

fn read(batch: &Batch, limits: &Limits) -> Result<(Vec<EntryDraft>, Option<Idempotency>), Error> {
    let idempotency = batch.idempotency_key.as_deref().map(|key| idempotency(key, &batch.body)).transpose()?;
    let (slices, is_list) = split::split(&batch.body, &batch.format, limits.entries)?;
    let mut drafts = Vec::with_capacity(slices.len());
    let mut mistakes = Mistakes::default();
    for (index, slice) in slices.iter().enumerate() {
        let entry: Result<Cow<'_, [u8]>, Vec<FieldError>> = match &batch.format {
            Format::Json | Format::Lines => Ok(Cow::Borrowed(*slice)),
            Format::CloudEvents(mode) => cloud_event::entry(slice, mode).map(Cow::Owned),
        };
        if entry.as_ref().is_ok_and(|entry| entry.len() > limits.entry_bytes) {
            return Err(Error::TooLarge(format!("entry {index} is larger than {} bytes", limits.entry_bytes)));
        }
        match entry.and_then(|entry| EntryDraft::parse(&entry)) {
            Ok(draft) => drafts.push(draft),
            Err(found) => mistakes.push(found, is_list.then_some(index)),
        }
    }
    if mistakes.entries == 0 {
        return Ok((drafts, idempotency));
    }
    let message = match (is_list, slices.len()) {
        (false, _) => "the entry is not valid; nothing was stored".to_owned(),
        (true, all) => format!("{} of {all} entries are not valid; nothing was stored", mistakes.entries),
    };
    Err(Error::Invalid { message, errors: mistakes.listed, omitted: mistakes.omitted })
}

#[derive(Default)]
struct Mistakes {
    entries: usize,
    listed: Vec<FieldError>,
    omitted: usize,
}

impl Mistakes {
    fn push(&mut self, found: Vec<FieldError>, index: Option<usize>) {
        self.entries += 1;
        let room = MISTAKES_MAX - self.listed.len();
        self.omitted += found.len().saturating_sub(room);
        let place = |mistake: FieldError| match index {
            Some(index) => mistake.within(&format!("[{index}]")),
            None => mistake,
        };
        self.listed.extend(found.into_iter().take(room).map(place));
    }
}

fn idempotency(key: &str, body: &[u8]) -> Result<Idempotency, Error> {
    let fits = !key.is_empty() && key.len() <= KEY_BYTES_MAX && key.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    if !fits {
        return Err(Error::invalid(format!("Idempotency-Key must be 1 to {KEY_BYTES_MAX} printable ASCII characters")));
    }
    let hash = digest::digest(&digest::SHA256, body);
    let request = *hash.as_ref().first_chunk().expect("a SHA-256 hash has 32 bytes");
    Ok(Idempotency { key: key.to_owned(), request })
}
