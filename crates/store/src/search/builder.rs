//! Brings entries of the log into the index, and takes out what has left the log.

use std::{
    collections::{HashMap, HashSet},
    path::Path,
};

use aws_lc_rs::digest;
use domain::{AccountId, Entry, Searched, Sequence, Timestamp};
use rusqlite::{Connection, OptionalExtension};

use super::{
    News, file,
    ranks::{self, date_of},
    spans::Spans,
    topics::{self, Hash},
};
use crate::{
    Error, OpenError, accounts,
    entries::{self, SEQUENCE_MAX, entry_of_row, place},
};

/// Most entries of one commit of the index.
const COMMIT_ENTRIES: usize = 2_000;
/// About the most bytes of entries of one commit.
const COMMIT_BYTES: usize = 8 * 1024 * 1024;
/// Topics and actors whose ids are remembered, each.
const REMEMBERED_MAX: usize = 50_000;

/// Writes the index.
pub(crate) struct Builder {
    index: Connection,
    log: Connection,
    known: Known,
}

/// What a turn has brought about.
pub(super) struct Built {
    /// Entries that came into the index.
    pub(super) entries: usize,
    /// Whether there is more to do.
    pub(super) has_more: bool,
}

/// Ids of what other entries have told.
#[derive(Default)]
struct Known {
    topics: HashMap<Hash, i64>,
    actors: HashMap<Hash, Option<i64>>,
}

/// An entry of the log on its way into the index.
struct Row {
    place: i64,
    date: Timestamp,
    about: About,
}

enum About {
    /// What others told: the ids of topic and actor.
    Known(i64, Option<i64>),
    /// What none told lately, and the hashes of what it tells of topic and actor unless it is damaged.
    New(Box<Entry>, Option<(Hash, Hash)>),
}

/// Entries of the log that follow each other.
struct Page {
    rows: Vec<Row>,
    /// The id of the last one.
    id: String,
    is_end: bool,
}

/// How much of an account is left to do.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Left {
    Nothing,
    Entries,
    Dropped,
}

impl Builder {
    pub(super) fn new(index: Connection, log: Connection) -> Self {
        Self { index, log, known: Known::default() }
    }

    /// Syncs the index, of which nothing is written after it.
    pub(super) fn close(&self, path: &Path) -> Result<(), OpenError> {
        file::close(&self.index, path)
    }

    /// Notes every account that may have something for the index.
    pub(super) fn note_all(&mut self, news: &News) -> Result<(), rusqlite::Error> {
        let mut accounts = self.log.prepare("SELECT id FROM account")?;
        let mut accounts = accounts.query([])?;
        while let Some(row) = accounts.next()? {
            news.note_account(AccountId::from_bytes(row.get(0)?), true);
        }
        Ok(())
    }

    /// Does about the work of `most` entries.
    pub(super) fn build(&mut self, news: &News, most: usize) -> Result<Built, Error> {
        let (mut done, mut entries) = (0, 0);
        while done < most {
            let Some((account, dropped)) = news.take() else { return Ok(Built { entries, has_more: false }) };
            match self.build_account(account, dropped, most - done) {
                Ok((gone, come, left)) => {
                    done += gone + come;
                    entries += come;
                    // Behind all others, so that each account gets its turn.
                    if left != Left::Nothing {
                        news.note_account(account, left == Left::Dropped);
                    }
                }
                Err(error) => {
                    news.note_account(account, dropped);
                    // What the failed commit had is not in the database.
                    self.known = Known::default();
                    return Err(error);
                }
            }
        }
        Ok(Built { entries, has_more: true })
    }

    /// How many entries went out and came in, and what is left.
    fn build_account(&mut self, account: AccountId, dropped: bool, most: usize) -> Result<(usize, usize, Left), Error> {
        let no = accounts::number_of(&self.log, account).map_err(of_log)?;
        let mut gone = 0;
        if dropped {
            let beginning = entries::beginning(&self.log, no).map_err(of_log)?;
            loop {
                let step = self.forget(no, beginning)?;
                gone += step;
                if step < COMMIT_ENTRIES {
                    break;
                }
                if gone >= most {
                    return Ok((gone, 0, Left::Dropped));
                }
            }
        }
        let mut come = 0;
        while gone + come < most {
            let wanted = COMMIT_ENTRIES.min(most - gone - come);
            let after = indexed(&self.index, no)?;
            let page = self.read(account, (no, after), wanted).map_err(of_log)?;
            let is_end = page.is_end;
            come += page.rows.len();
            self.write(no, page)?;
            if is_end {
                return Ok((gone, come, Left::Nothing));
            }
        }
        Ok((gone, come, Left::Entries))
    }

    /// The next entries of the log. Touches nothing of the index.
    fn read(&self, account: AccountId, (no, after): (i64, Sequence), most: usize) -> Result<Page, Error> {
        let mut statement = self.log.prepare_cached(
            "SELECT place, received_at, id, bytes FROM entry WHERE place > ?1 AND place <= ?2 ORDER BY place LIMIT ?3",
        )?;
        let limit = i64::try_from(most).unwrap_or(i64::MAX);
        let mut entries = statement.query((place(no, after), place(no, SEQUENCE_MAX), limit))?;
        let (mut page, mut bytes) = (Page { rows: Vec::new(), id: String::new(), is_end: false }, 0);
        while let Some(row) = entries.next()? {
            let entry = entry_of_row(account, row)?;
            bytes += entry.bytes.len();
            page.id.clear();
            page.id.push_str(entry.id.as_str());
            page.rows.push(self.known.row(no, row.get(0)?, entry));
            if bytes >= COMMIT_BYTES {
                return Ok(page);
            }
        }
        page.is_end = page.rows.len() < most;
        Ok(page)
    }

    fn write(&mut self, no: i64, Page { mut rows, id, .. }: Page) -> Result<(), Error> {
        let Some(indexed) = rows.last().map(|last| sequence_of(last.place)) else { return Ok(()) };
        rows.sort_by_key(|row| (row.date, row.place));
        let transaction = self.index.transaction()?;
        let mut spans = Spans::default();
        for same_date in rows.chunk_by(|one, other| one.date == other.date) {
            let mut entries = Vec::with_capacity(same_date.len());
            for row in same_date {
                let (topic, actor) = match &row.about {
                    About::Known(topic, actor) => (*topic, *actor),
                    About::New(entry, told) => self.known.ids_of(&transaction, no, entry, *told)?,
                };
                entries.push(ranks::Indexed { place: row.place, topic, actor });
                spans.count(row.date, 1);
            }
            ranks::write(&transaction, same_date[0].date, &entries)?;
        }
        spans.write(&transaction, no)?;
        transaction
            .prepare_cached("INSERT OR REPLACE INTO account (no, indexed, id) VALUES (?1, ?2, ?3)")?
            .execute((no, indexed.0.cast_signed(), id))?;
        Ok(transaction.commit()?)
    }

    /// Takes out some of what stands before the beginning of the log; how many entries.
    fn forget(&mut self, no: i64, beginning: Sequence) -> Result<usize, Error> {
        let transaction = self.index.transaction()?;
        let most = i64::try_from(COMMIT_ENTRIES).unwrap_or(i64::MAX);
        let gone: Vec<(i64, i64, i64, Option<i64>)> = transaction
            .prepare_cached(
                "SELECT rank, place, topic, actor FROM entry INDEXED BY entry_place
                 WHERE place > ?1 AND place < ?2 ORDER BY place LIMIT ?3",
            )?
            .query_map((place(no, Sequence(0)), place(no, beginning), most), |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
            })?
            .collect::<Result<_, _>>()?;
        let mut spans = Spans::default();
        let (mut ranks, mut topics, mut actors) = (HashSet::new(), HashSet::new(), HashSet::new());
        for (rank, place, topic, actor) in &gone {
            transaction.prepare_cached("DELETE FROM entry WHERE rank = ?1 AND place = ?2")?.execute((rank, place))?;
            spans.count(date_of(*rank), -1);
            ranks.insert(*rank);
            topics.insert(*topic);
            actors.extend(*actor);
        }
        for rank in ranks {
            ranks::rewrite_terms(&transaction, rank)?;
        }
        for topic in topics {
            topics::forget(&transaction, topic)?;
        }
        for actor in actors {
            topics::forget_actor(&transaction, actor)?;
        }
        spans.write(&transaction, no)?;
        transaction.commit()?;
        if !gone.is_empty() {
            // The id of a topic that is gone may be given to another one.
            self.known = Known::default();
        }
        Ok(gone.len())
    }
}

impl Known {
    fn row(&self, no: i64, place: i64, entry: Entry) -> Row {
        let told = entry.told();
        let date = told.as_ref().map_or_else(|| entry.searched().date, |told| told.date);
        let told = told.map(|told| (hash(no, told.topic()), hash(no, told.actor())));
        let about = match told.and_then(|told| self.told(told)) {
            Some((topic, actor)) => About::Known(topic, actor),
            None => About::New(Box::new(entry), told),
        };
        Row { place, date, about }
    }

    fn told(&self, (topic, actor): (Hash, Hash)) -> Option<(i64, Option<i64>)> {
        Some((*self.topics.get(&topic)?, *self.actors.get(&actor)?))
    }

    /// The ids of what an entry is about and of who made the change.
    fn ids_of(
        &mut self,
        index: &Connection,
        no: i64,
        entry: &Entry,
        told: Option<(Hash, Hash)>,
    ) -> Result<(i64, Option<i64>), Error> {
        // Another entry of the same commit may have told it.
        if let Some(known) = told.and_then(|told| self.told(told)) {
            return Ok(known);
        }
        let Searched { topic, is_shared, actor, .. } = entry.searched();
        let (topic, actor) = (topics::id_of(index, no, &topic)?, topics::id_of_actor(index, no, &actor)?);
        if let Some((told_topic, told_actor)) = told {
            if is_shared {
                remember(&mut self.topics, told_topic, topic);
            }
            remember(&mut self.actors, told_actor, actor);
        }
        Ok((topic, actor))
    }
}

fn remember<T>(known: &mut HashMap<Hash, T>, told: Hash, id: T) {
    if known.len() >= REMEMBERED_MAX {
        known.clear();
    }
    known.insert(told, id);
}

fn hash<'a>(no: i64, told: impl Iterator<Item = (&'static str, &'a str)>) -> Hash {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(&no.to_be_bytes());
    for (name, text) in told {
        context.update(name.as_bytes());
        context.update(&text.len().to_be_bytes());
        context.update(text.as_bytes());
    }
    *context.finish().as_ref().first_chunk().expect("a SHA-256 hash has 32 bytes")
}

/// What fails at the log must not be taken for damage of the index.
fn of_log(error: impl Into<Error>) -> Error {
    #[derive(Debug, thiserror::Error)]
    #[error("the log cannot be read")]
    struct OfLog(#[source] Error);
    Error::internal(OfLog(error.into()))
}

/// Up to where the account is indexed.
pub(super) fn indexed(index: &Connection, no: i64) -> Result<Sequence, rusqlite::Error> {
    let indexed: Option<i64> = index
        .prepare_cached("SELECT indexed FROM account WHERE no = ?1")?
        .query_row([no], |row| row.get(0))
        .optional()?;
    Ok(Sequence(indexed.unwrap_or(0).cast_unsigned()))
}

/// The same for every account of which something is indexed, by its number.
pub(super) fn all_indexed(index: &Connection) -> Result<HashMap<i64, u64>, rusqlite::Error> {
    let mut accounts = index.prepare_cached("SELECT no, indexed FROM account")?;
    accounts.query_map([], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?.cast_unsigned())))?.collect()
}

pub(super) fn sequence_of(place: i64) -> Sequence {
    Sequence((place & SEQUENCE_MAX.0.cast_signed()).cast_unsigned())
}
