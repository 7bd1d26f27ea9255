//! The log: appending entries and reading them back.

use std::{collections::HashMap, sync::Arc, time::Duration};

use aws_lc_rs::digest;
use domain::{AccountId, Entry, EntryDraft, EntryId, Sequence, Timestamp};
use rusqlite::{Connection, OptionalExtension, Row};

use crate::{AppendError, Error, Store, writer::Group};

/// How long an idempotency key keeps its meaning.
const IDEMPOTENCY_AGE: Duration = Duration::from_secs(24 * 60 * 60);
/// Sequences of one account: 2^40, more than a thousand a second for thirty years.
pub(crate) const SEQUENCE_BITS: u32 = 40;
/// What an entry costs in the queue beside its own bytes, so that a crowd of tiny ones counts.
const ENTRY_OVERHEAD_BYTES: usize = 256;
/// Old idempotency keys dropped with each new one, so that they never pile up.
const IDEMPOTENCY_DROPS: i64 = 16;

/// A batch of entries to store whole or not at all.
#[derive(Debug)]
pub struct Append {
    /// Whose log.
    pub account: AccountId,
    /// In the order that they are to have in the log.
    pub drafts: Vec<EntryDraft>,
    /// Makes the batch repeatable although its entries have no ids.
    pub idempotency: Option<Idempotency>,
}

/// A caller's key for one request.
#[derive(Clone, Debug)]
pub struct Idempotency {
    /// The key as sent.
    pub key: String,
    /// A hash of the request's body.
    pub request: [u8; 32],
}

/// What became of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Appended {
    /// One for each draft, in order.
    pub items: Vec<AppendedItem>,
    /// Whether this is the answer to an earlier request with the same idempotency key.
    pub repeated: bool,
}

/// What became of one entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppendedItem {
    /// Its id, given or made.
    pub id: EntryId,
    /// Its place in the log; of a duplicate, the first one's.
    pub sequence: Sequence,
    /// Whether the same entry was in the log already.
    pub duplicate: bool,
}

impl Store {
    /// Stores a batch; when this returns `Ok`, the entries are synced.
    ///
    /// # Errors
    /// [`AppendError`]; nothing of the batch is stored then.
    pub async fn entry_append(&self, append: Append) -> Result<Appended, AppendError> {
        let bytes = append.drafts.iter().map(|draft| draft.bytes.len() + ENTRY_OVERHEAD_BYTES).sum::<usize>();
        let place = self
            .shared
            .writer
            .reserve(append.account, bytes, self.shared.options.ingest_queue_bytes)
            .map_err(|account_over_share| AppendError::Busy { account_over_share })?;
        let no = self.account_no(append.account).await?;
        let (appended, _place) = self
            .shared
            .writer
            .run_checked(
                move |group| check_batch(group, no, &append).map(|checked| (append, checked)),
                // The place is given back with the answer: until then the group holds the bytes.
                move |group, (append, checked)| Ok((write_batch(group, no, append, checked)?, place)),
            )
            .await?;
        Ok(appended)
    }

    /// Stores an entry of the server's own.
    ///
    /// # Errors
    /// [`Error`] when the database fails.
    pub async fn entry_record(&self, account: AccountId, draft: EntryDraft) -> Result<Sequence, Error> {
        let no = self.account_no(account).await?;
        self.shared.writer.run(move |group| append_system(group, account, no, draft)).await
    }

    /// Entries of an account after `after`, in order, at most `count` and about `bytes` bytes.
    ///
    /// # Errors
    /// [`Error`] when the database fails.
    pub async fn entry_page(
        &self,
        account: AccountId,
        after: Sequence,
        count: usize,
        bytes: usize,
    ) -> Result<Vec<Arc<Entry>>, Error> {
        let no = self.account_no(account).await?;
        self.read(move |connection| read_page(connection, account, no, after, count, bytes)).await
    }

    /// One entry by its id.
    ///
    /// # Errors
    /// [`Error::NotFound`] when the account's log has no such entry.
    pub async fn entry_get(&self, account: AccountId, id: EntryId) -> Result<Entry, Error> {
        let no = self.account_no(account).await?;
        self.read(move |connection| find(connection, account, no, &id)?.ok_or(Error::NotFound)).await
    }

    /// When the first entry after each of these places was received; `None` where the log ends.
    ///
    /// # Errors
    /// [`Error`] when the database fails.
    pub async fn entry_times_after(&self, places: Vec<(AccountId, Sequence)>) -> Result<Vec<Option<Timestamp>>, Error> {
        let mut ranges = Vec::with_capacity(places.len());
        for (account, after) in places {
            let no = self.account_no(account).await?;
            ranges.push((place(no, after), place(no, SEQUENCE_MAX)));
        }
        self.read(move |connection| {
            let mut statement = connection.prepare_cached(
                "SELECT received_at FROM entry WHERE place > ?1 AND place <= ?2 ORDER BY place LIMIT 1",
            )?;
            let mut time = |range| statement.query_row(range, |row| row.get(0)).optional();
            ranges.into_iter().map(|range| Ok(time(range)?.map(Timestamp::from_millis))).collect()
        })
        .await
    }

    /// The sequence of the first entry that the log still has; the next one to come when it has none.
    ///
    /// # Errors
    /// [`Error`] when the database fails.
    pub async fn log_beginning(&self, account: AccountId) -> Result<Sequence, Error> {
        let no = self.account_no(account).await?;
        self.read(move |connection| Ok(beginning(connection, no)?)).await
    }

    /// The last sequence of an account's log.
    ///
    /// # Errors
    /// [`Error`] when the database fails.
    pub async fn entry_last_sequence(&self, account: AccountId) -> Result<Sequence, Error> {
        let no = self.account_no(account).await?;
        self.read(move |connection| Ok(last_sequence(connection, no)?)).await
    }
}

/// Appends one entry of the server's own within another change's request.
pub(crate) fn append_system(
    group: &mut Group<'_>,
    account: AccountId,
    no: i64,
    draft: EntryDraft,
) -> Result<Sequence, Error> {
    if let Some(id) = &draft.id
        && find(group.connection, account, no, id)?.is_some()
    {
        return Err(Error::Conflict);
    }
    Ok(append_one(group, account, no, draft.id, draft.bytes)?.sequence)
}

/// What a batch comes to, found out before anything of it is written.
enum Checked {
    /// The answer to an earlier request with the same idempotency key.
    Repeated(Appended),
    /// One for each draft, in order.
    Fates(Vec<Fate>),
}

enum Fate {
    New,
    /// The log has it already, there.
    Stored(Sequence),
    /// It is the same as an earlier one of the batch, by its index.
    SameAs(usize),
}

/// All that can refuse a batch; writes nothing.
fn check_batch(group: &Group<'_>, no: i64, append: &Append) -> Result<Checked, AppendError> {
    if group.disk_is_full() {
        return Err(AppendError::Full);
    }
    if let Some(idempotency) = &append.idempotency
        && let Some(repeated) = repeat(group, no, idempotency, &append.drafts)?
    {
        return Ok(Checked::Repeated(repeated));
    }
    let mut fates: Vec<Fate> = Vec::with_capacity(append.drafts.len());
    let mut seen: HashMap<&EntryId, usize> = HashMap::new();
    for (index, draft) in append.drafts.iter().enumerate() {
        let Some(id) = &draft.id else {
            fates.push(Fate::New);
            continue;
        };
        let conflict = |sequence| AppendError::IdConflict { index, id: id.clone(), sequence };
        if let Some(&first) = seen.get(id) {
            if append.drafts[first].bytes != draft.bytes {
                // The earlier one of the batch may itself stand in the log already.
                let Fate::Stored(sequence) = fates[first] else { return Err(conflict(None)) };
                return Err(conflict(Some(sequence)));
            }
            fates.push(Fate::SameAs(first));
            continue;
        }
        fates.push(match find(group.connection, append.account, no, id)? {
            Some(stored) if stored.bytes == draft.bytes => Fate::Stored(stored.sequence),
            Some(stored) => return Err(conflict(Some(stored.sequence))),
            None => Fate::New,
        });
        seen.insert(id, index);
    }
    Ok(Checked::Fates(fates))
}

fn write_batch(group: &mut Group<'_>, no: i64, append: Append, checked: Checked) -> Result<Appended, Error> {
    let fates = match checked {
        Checked::Repeated(appended) => return Ok(appended),
        Checked::Fates(fates) => fates,
    };
    let mut items: Vec<AppendedItem> = Vec::with_capacity(fates.len());
    for (draft, fate) in append.drafts.into_iter().zip(fates) {
        let EntryDraft { id, bytes } = draft;
        let sequence = match fate {
            Fate::New => None,
            Fate::Stored(sequence) => Some(sequence),
            Fate::SameAs(first) => Some(items[first].sequence),
        };
        items.push(match (sequence, id) {
            (Some(sequence), Some(id)) => AppendedItem { id, sequence, duplicate: true },
            (_, id) => append_one(group, append.account, no, id, bytes)?,
        });
    }
    if let Some(idempotency) = &append.idempotency {
        remember(group, no, idempotency, &items)?;
    }
    Ok(Appended { items, repeated: false })
}

fn append_one(
    group: &mut Group<'_>,
    account: AccountId,
    no: i64,
    id: Option<EntryId>,
    bytes: Arc<[u8]>,
) -> Result<AppendedItem, rusqlite::Error> {
    let tail = group.tail(account, no)?;
    let sequence = tail.last_sequence.next();
    // The time of receipt never runs backwards within an account.
    let received_at = group.now().max(tail.last_received);
    let id = id.unwrap_or_else(|| make_id(received_at, sequence));
    let place = place(no, sequence);
    group
        .connection
        .prepare_cached("INSERT INTO entry (place, received_at, id, bytes) VALUES (?1, ?2, ?3, ?4)")?
        .execute((place, received_at.as_millis(), id.as_str(), &*bytes))?;
    group
        .connection
        .prepare_cached("INSERT INTO entry_id (id_key, place) VALUES (?1, ?2)")?
        .execute((id_key(no, &id), place))?;
    group.push(no, Entry::new(account, sequence, id.clone(), received_at, bytes));
    Ok(AppendedItem { id, sequence, duplicate: false })
}

/// Where the entries stand whose id has this key.
///
/// Nothing but one equality: SQLite prepares a statement anew for each value that it compares
/// with a range, which costs more than the look-up.
pub(crate) const PLACES_OF_KEY: &str = "SELECT place FROM entry_id WHERE id_key = ?1";

/// The sequence of the first entry that the log still has; the next one to come when it has none.
pub(crate) fn beginning(connection: &Connection, no: i64) -> Result<Sequence, rusqlite::Error> {
    let first: Option<i64> = connection
        .prepare_cached("SELECT place FROM entry WHERE place > ?1 AND place <= ?2 ORDER BY place LIMIT 1")?
        .query_row((place(no, Sequence(0)), place(no, SEQUENCE_MAX)), |row| row.get(0))
        .optional()?;
    match first {
        Some(first) => Ok(sequence_of(first)),
        None => Ok(last_sequence(connection, no)?.next()),
    }
}

fn last_sequence(connection: &Connection, no: i64) -> Result<Sequence, rusqlite::Error> {
    let last: i64 = connection
        .prepare_cached("SELECT last_sequence FROM account WHERE no = ?1")?
        .query_row([no], |row| row.get(0))?;
    Ok(Sequence(last.cast_unsigned()))
}

fn find(connection: &Connection, account: AccountId, no: i64, id: &EntryId) -> Result<Option<Entry>, Error> {
    let mut places = connection.prepare_cached(PLACES_OF_KEY)?;
    let mut places = places.query([id_key(no, id)])?;
    while let Some(row) = places.next()? {
        let found: i64 = row.get(0)?;
        let entry = entry_at(connection, account, found)?;
        if let Some(entry) = entry.filter(|entry| entry.id == *id) {
            return Ok(Some(entry));
        }
    }
    Ok(None)
}

/// The entry at a place, if it is still there.
pub(crate) fn entry_at(connection: &Connection, account: AccountId, place: i64) -> Result<Option<Entry>, Error> {
    Ok(connection
        .prepare_cached("SELECT place, received_at, id, bytes FROM entry WHERE place = ?1")?
        .query_row([place], |row| entry_of_row(account, row))
        .optional()?)
}

pub(crate) fn read_page(
    connection: &Connection,
    account: AccountId,
    no: i64,
    after: Sequence,
    count: usize,
    bytes: usize,
) -> Result<Vec<Arc<Entry>>, Error> {
    let mut statement = connection.prepare_cached(
        "SELECT place, received_at, id, bytes FROM entry WHERE place > ?1 AND place <= ?2 ORDER BY place LIMIT ?3",
    )?;
    let most = i64::try_from(count).unwrap_or(i64::MAX);
    let mut rows = statement.query((place(no, after), place(no, SEQUENCE_MAX), most))?;
    let mut page = Vec::new();
    let mut read = 0;
    while let Some(row) = rows.next()? {
        let entry = entry_of_row(account, row)?;
        read += entry.bytes.len();
        page.push(Arc::new(entry));
        if read >= bytes {
            break;
        }
    }
    Ok(page)
}

pub(crate) fn entry_of_row(account: AccountId, row: &Row<'_>) -> Result<Entry, rusqlite::Error> {
    let place: i64 = row.get(0)?;
    let id: String = row.get(2)?;
    let bytes = row.get_ref(3)?.as_blob()?;
    let id = EntryId::parse(&id)
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(2, rusqlite::types::Type::Text, Box::new(error)))?;
    Ok(Entry::new(account, sequence_of(place), id, Timestamp::from_millis(row.get(1)?), bytes.into()))
}

/// The answer to an earlier request with this key, unless it is too old. `drafts` are the entries
/// of both requests.
fn repeat(
    group: &Group<'_>,
    no: i64,
    idempotency: &Idempotency,
    drafts: &[EntryDraft],
) -> Result<Option<Appended>, AppendError> {
    let oldest = oldest_key(group);
    let stored: Option<([u8; 32], Vec<u8>)> = group
        .connection
        .prepare_cached("SELECT request, items FROM idempotency WHERE account = ?1 AND key = ?2 AND made_at >= ?3")?
        .query_row((no, &idempotency.key, oldest), |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let Some((request, items)) = stored else { return Ok(None) };
    if request != idempotency.request {
        return Err(AppendError::KeyReused);
    }
    let mut id_at = group.connection.prepare_cached("SELECT id FROM entry WHERE place = ?1")?;
    let mut repeated = Vec::with_capacity(items.len() / 8);
    for (index, item) in items.chunks_exact(8).enumerate() {
        let item = u64::from_be_bytes(item.try_into().expect("the chunk has eight bytes"));
        let sequence = Sequence(item & SEQUENCE_MAX.0);
        let stored: Option<String> = id_at.query_row([place(no, sequence)], |row| row.get(0)).optional()?;
        let id = match stored {
            Some(id) => Some(EntryId::parse(&id).map_err(Error::internal)?),
            // A duplicate of an old entry, which the log has dropped since.
            None => drafts.get(index).and_then(|draft| draft.id.clone()),
        };
        // A key means nothing any more once entries that only it could name are gone.
        let Some(id) = id else { return Ok(None) };
        repeated.push(AppendedItem { id, sequence, duplicate: item & DUPLICATE != 0 });
    }
    Ok(Some(Appended { items: repeated, repeated: true }))
}

/// When the oldest idempotency key was made that still has a meaning, in milliseconds since 1970.
fn oldest_key(group: &Group<'_>) -> i64 {
    group.now().as_millis() - i64::try_from(IDEMPOTENCY_AGE.as_millis()).unwrap_or(i64::MAX)
}

/// Marks a duplicate in the stored items of an idempotency key; sequences are below it.
const DUPLICATE: u64 = 1 << 63;

fn remember(group: &mut Group<'_>, no: i64, idempotency: &Idempotency, items: &[AppendedItem]) -> Result<(), Error> {
    group
        .connection
        .prepare_cached(
            "DELETE FROM idempotency WHERE (account, key) IN
             (SELECT account, key FROM idempotency WHERE made_at < ?1 ORDER BY made_at LIMIT ?2)",
        )?
        .execute((oldest_key(group), IDEMPOTENCY_DROPS))?;
    let items: Vec<u8> = items
        .iter()
        .flat_map(|item| (item.sequence.0 | if item.duplicate { DUPLICATE } else { 0 }).to_be_bytes())
        .collect();
    group
        .connection
        .prepare_cached(
            "INSERT OR REPLACE INTO idempotency (account, key, request, items, made_at) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute((no, &idempotency.key, idempotency.request, items, group.now().as_millis()))?;
    Ok(())
}

pub(crate) const SEQUENCE_MAX: Sequence = Sequence((1 << SEQUENCE_BITS) - 1);

pub(crate) fn sequence_of(place: i64) -> Sequence {
    Sequence((place & SEQUENCE_MAX.0.cast_signed()).cast_unsigned())
}

pub(crate) fn place(no: i64, sequence: Sequence) -> i64 {
    // A caller may ask for entries after any number; it must not reach into another account.
    no << SEQUENCE_BITS | sequence.min(SEQUENCE_MAX).0.cast_signed()
}

/// The bytes of an id's key after those of the account, at most.
const ID_KEY_BYTES: usize = 64;

/// The number of the account and the id: hex digits packed, and the end of a long id as a hash.
/// Ids that begin with a time (`ObjectId`, UUID version 7, ULID) keep their order by it.
pub(crate) fn id_key(no: i64, id: &EntryId) -> Vec<u8> {
    let mut key = Vec::with_capacity(4 + ID_KEY_BYTES);
    // Account numbers fit into 23 bits: a place has 63, and a sequence 40 of them.
    key.extend_from_slice(&no.to_be_bytes()[4..]);
    let text = id.as_str().as_bytes();
    let start = key.len();
    if !pack_hex(text, &mut key) {
        key.truncate(start);
        if text.len() <= ID_KEY_BYTES {
            key.extend_from_slice(text);
        } else {
            let hash = digest::digest(&digest::SHA256, text);
            key.extend_from_slice(&text[..ID_KEY_BYTES - 8]);
            key.extend_from_slice(&hash.as_ref()[..8]);
        }
    }
    key
}

/// Appends the bytes that the digits of an `ObjectId`, a UUID or the like stand for; `false` for
/// any other text. Few texts share a key: nobody can make a crowd of them that is slow to search.
fn pack_hex(text: &[u8], packed: &mut Vec<u8>) -> bool {
    const DASHES_OF_UUID: [usize; 4] = [8, 13, 18, 23];
    let is_uuid = text.len() == 36 && DASHES_OF_UUID.iter().all(|&place| text[place] == b'-');
    let mut digits = 0;
    for (place, &byte) in text.iter().enumerate() {
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            b'a'..=b'f' => byte - b'a' + 10,
            b'-' if is_uuid && DASHES_OF_UUID.contains(&place) => continue,
            _ => return false,
        };
        match packed.last_mut() {
            Some(last) if digits % 2 == 1 => *last |= digit,
            _ => packed.push(digit << 4),
        }
        digits += 1;
    }
    digits % 2 == 0 && digits <= 2 * ID_KEY_BYTES
}

/// Twelve bytes: seconds, the end of the sequence, and four random ones. Ids made one after
/// the other stand side by side in their index.
fn make_id(received_at: Timestamp, sequence: Sequence) -> EntryId {
    let mut id = crate::accounts::object_id(received_at);
    id[4..8].copy_from_slice(&sequence.0.to_be_bytes()[4..]);
    EntryId::from_bytes(id)
}
