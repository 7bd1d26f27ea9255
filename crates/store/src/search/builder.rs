//! Brings entries of the log into the index, and takes out what has left the log.

use std::collections::{HashMap, HashSet};

use aws_lc_rs::digest;
use domain::{AccountId, Actor, Searched, Sequence, Timestamp, Topic};
use rusqlite::{Connection, OptionalExtension, Transaction};

use super::{News, query::term_of_account};
use crate::{
    Error, accounts,
    entries::{self, SEQUENCE_MAX, entry_of_row, place},
};

/// Most entries of one commit of the index.
const COMMIT_ENTRIES: usize = 2_000;
/// About the most bytes of entries of one commit.
const COMMIT_BYTES: usize = 8 * 1024 * 1024;
/// Topics and actors whose ids are remembered, each.
const REMEMBERED_MAX: usize = 50_000;
/// Entries of one date that share a rank at most, as long as there are others.
const RANK_ENTRIES: usize = 64;
/// The low bits of a rank.
const RANK_BITS: u32 = 15;
const RANKS_OF_DATE: i64 = 1 << RANK_BITS;
const HOUR_MILLIS: i64 = 3_600_000;

/// Writes the index.
pub(crate) struct Builder {
    index: Connection,
    log: Connection,
    known: Known,
}

/// Ids that were lately looked up.
#[derive(Default)]
struct Known {
    topics: HashMap<[u8; 32], i64>,
    actors: HashMap<(i64, Actor), i64>,
}

/// An entry of the log on its way into the index.
struct Row {
    place: i64,
    id: String,
    searched: Searched,
}

impl Builder {
    pub(super) fn new(index: Connection, log: Connection) -> Result<Self, rusqlite::Error> {
        Ok(Self { index, log, known: Known::default() })
    }

    /// Notes every account that may have something for the index.
    pub(super) fn note_all(&mut self, news: &News) -> Result<(), rusqlite::Error> {
        let mut accounts = self.log.prepare("SELECT id FROM account")?;
        let mut accounts = accounts.query([])?;
        while let Some(row) = accounts.next()? {
            news.note_account(AccountId::from_bytes(row.get(0)?));
        }
        Ok(())
    }

    /// Brings about `entries_max` entries in; gives back how many they were.
    pub(super) fn build(&mut self, news: &News, entries_max: usize) -> Result<usize, Error> {
        let mut built = 0;
        while built < entries_max {
            let Some((account, dropped)) = news.take() else { break };
            match self.build_account(account, dropped, entries_max - built) {
                Ok((entries, is_whole)) => {
                    built += entries;
                    if !is_whole {
                        news.note_account(account);
                        break;
                    }
                }
                Err(error) => {
                    news.note_account(account);
                    // What the failed commit had is not in the database.
                    self.known = Known::default();
                    return Err(error);
                }
            }
        }
        Ok(built)
    }

    fn build_account(&mut self, account: AccountId, dropped: bool, most: usize) -> Result<(usize, bool), Error> {
        let no = accounts::number_of(&self.log, account)?;
        if dropped {
            let beginning = entries::beginning(&self.log, no)?;
            while self.forget(no, beginning)? {}
        }
        let mut built = 0;
        while built < most {
            let wanted = COMMIT_ENTRIES.min(most - built);
            let (rows, is_end) = self.read(account, no, wanted)?;
            if !rows.is_empty() {
                built += rows.len();
                self.write(no, rows)?;
            }
            if is_end {
                return Ok((built, true));
            }
        }
        Ok((built, false))
    }

    /// The next entries of the log, and whether they are the last ones.
    fn read(&self, account: AccountId, no: i64, most: usize) -> Result<(Vec<Row>, bool), Error> {
        let after = indexed(&self.index, no)?;
        let mut statement = self.log.prepare_cached(
            "SELECT place, received_at, id, bytes FROM entry WHERE place > ?1 AND place <= ?2 ORDER BY place LIMIT ?3",
        )?;
        let limit = i64::try_from(most).unwrap_or(i64::MAX);
        let mut entries = statement.query((place(no, after), place(no, SEQUENCE_MAX), limit))?;
        let (mut rows, mut bytes) = (Vec::new(), 0);
        while let Some(row) = entries.next()? {
            let entry = entry_of_row(account, row)?;
            bytes += entry.bytes.len();
            rows.push(Row { place: row.get(0)?, id: entry.id.as_str().to_owned(), searched: entry.searched() });
            if bytes >= COMMIT_BYTES {
                return Ok((rows, false));
            }
        }
        let is_end = rows.len() < most;
        Ok((rows, is_end))
    }

    fn write(&mut self, no: i64, mut rows: Vec<Row>) -> Result<(), Error> {
        let Some(last) = rows.last() else { return Ok(()) };
        let (indexed, id) = (sequence_of(last.place), last.id.clone());
        rows.sort_by_key(|row| (row.searched.date, row.place));
        let transaction = self.index.transaction()?;
        let mut hours: HashMap<i64, i64> = HashMap::new();
        for row in &rows {
            *hours.entry(hour_of(row.searched.date)).or_default() += 1;
        }
        for same_date in rows.chunk_by(|one, other| one.searched.date == other.searched.date) {
            for share in same_date.chunks(RANK_ENTRIES) {
                write_rank(&transaction, &mut self.known, no, share)?;
            }
        }
        for (hour, entries) in hours {
            count_hour(&transaction, no, hour, entries)?;
        }
        transaction
            .prepare_cached("INSERT OR REPLACE INTO account (no, indexed, id) VALUES (?1, ?2, ?3)")?
            .execute((no, indexed.0.cast_signed(), id))?;
        Ok(transaction.commit()?)
    }

    /// Takes out some of what stands before the beginning of the log; whether there may be more.
    fn forget(&mut self, no: i64, beginning: Sequence) -> Result<bool, Error> {
        let transaction = self.index.transaction()?;
        let most = i64::try_from(COMMIT_ENTRIES).unwrap_or(i64::MAX);
        let gone: Vec<(i64, i64, i64)> = transaction
            .prepare_cached(
                "SELECT rank, place, topic FROM entry INDEXED BY entry_place
                 WHERE place > ?1 AND place < ?2 ORDER BY place LIMIT ?3",
            )?
            .query_map((place(no, Sequence(0)), place(no, beginning), most), |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?))
            })?
            .collect::<Result<_, _>>()?;
        let mut hours: HashMap<i64, i64> = HashMap::new();
        let (mut ranks, mut topics) = (HashSet::new(), HashSet::new());
        for (rank, place, topic) in &gone {
            transaction.prepare_cached("DELETE FROM entry WHERE rank = ?1 AND place = ?2")?.execute((rank, place))?;
            *hours.entry(hour_of(date_of(*rank))).or_default() -= 1;
            ranks.insert(*rank);
            topics.insert(*topic);
        }
        for rank in ranks {
            forget_rank(&transaction, rank)?;
        }
        for topic in topics {
            forget_topic(&transaction, topic)?;
        }
        for (hour, entries) in hours {
            count_hour(&transaction, no, hour, entries)?;
        }
        transaction.commit()?;
        // The id of a topic that is gone may be given to another one.
        self.known = Known::default();
        Ok(gone.len() == COMMIT_ENTRIES)
    }
}

/// Writes entries of one date under one rank.
fn write_rank(index: &Transaction<'_>, known: &mut Known, no: i64, rows: &[Row]) -> Result<(), Error> {
    let Some(first) = rows.first() else { return Ok(()) };
    let (rank, is_taken) = free_rank(index, first.searched.date)?;
    let mut insert = index.prepare_cached("INSERT INTO entry (rank, place, topic, actor) VALUES (?1, ?2, ?3, ?4)")?;
    for row in rows {
        let topic = topic_of(index, known, no, &row.searched.topic)?;
        let actor = actor_of(index, known, no, &row.searched.actor)?;
        insert.execute((rank, row.place, topic, actor))?;
    }
    if is_taken {
        forget_terms(index, rank)?;
    }
    write_terms(index, rank)
}

/// The next rank of a date. When none is free, the last one is shared.
fn free_rank(index: &Connection, date: Timestamp) -> Result<(i64, bool), rusqlite::Error> {
    let first = first_rank(date);
    let last: Option<i64> = index
        .prepare_cached("SELECT rank FROM entry WHERE rank >= ?1 AND rank <= ?2 ORDER BY rank DESC LIMIT 1")?
        .query_row((first, last_rank(date)), |row| row.get(0))
        .optional()?;
    Ok(match last {
        None => (first, false),
        Some(last) if last < last_rank(date) => (last + 1, false),
        Some(last) => (last, true),
    })
}

fn write_terms(index: &Connection, rank: i64) -> Result<(), Error> {
    let mut terms = HashSet::new();
    let mut entries = index.prepare_cached("SELECT place, topic, actor FROM entry WHERE rank = ?1")?;
    let mut entries = entries.query([rank])?;
    while let Some(row) = entries.next()? {
        terms.insert(term_of_account(row.get::<_, i64>(0)? >> crate::entries::SEQUENCE_BITS));
        terms.insert(term_of_topic(row.get(1)?));
        terms.extend(row.get::<_, Option<i64>>(2)?.map(term_of_actor));
    }
    let terms: Vec<String> = terms.into_iter().collect();
    index.prepare_cached("INSERT INTO entry_term (rowid, terms) VALUES (?1, ?2)")?.execute((rank, terms.join(" ")))?;
    Ok(())
}

fn forget_terms(index: &Connection, rank: i64) -> Result<(), rusqlite::Error> {
    index.prepare_cached("DELETE FROM entry_term WHERE rowid = ?1")?.execute([rank])?;
    Ok(())
}

/// Forgets the terms of a rank that no entry has any more, and those that its other entries lack.
fn forget_rank(index: &Connection, rank: i64) -> Result<(), Error> {
    forget_terms(index, rank)?;
    let is_used: bool = index
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM entry WHERE rank = ?1)")?
        .query_row([rank], |row| row.get(0))?;
    if is_used { write_terms(index, rank) } else { Ok(()) }
}

/// Forgets a topic that no entry has any more.
fn forget_topic(index: &Connection, topic: i64) -> Result<(), rusqlite::Error> {
    let is_used: bool = index
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM entry_term WHERE entry_term MATCH ?1)")?
        .query_row([term_of_topic(topic)], |row| row.get(0))?;
    if !is_used {
        index.prepare_cached("DELETE FROM topic WHERE id = ?1")?.execute([topic])?;
        index.prepare_cached("DELETE FROM topic_term WHERE rowid = ?1")?.execute([topic])?;
    }
    Ok(())
}

fn topic_of(index: &Connection, known: &mut Known, no: i64, reduced: &str) -> Result<i64, Error> {
    let hash = digest::digest(&digest::SHA256, &[&no.to_be_bytes(), reduced.as_bytes()].concat());
    let hash: [u8; 32] = *hash.as_ref().first_chunk().expect("a SHA-256 hash has 32 bytes");
    if let Some(id) = known.topics.get(&hash) {
        return Ok(*id);
    }
    let short = i64::from_be_bytes(*hash.first_chunk().expect("32 bytes begin with eight"));
    let stored: Option<i64> = index
        .prepare_cached("SELECT id FROM topic WHERE hash = ?1 AND account = ?2 AND reduced = ?3")?
        .query_row((short, no, reduced), |row| row.get(0))
        .optional()?;
    let id = match stored {
        Some(id) => id,
        None => make_topic(index, no, short, reduced)?,
    };
    if known.topics.len() >= REMEMBERED_MAX {
        known.topics.clear();
    }
    known.topics.insert(hash, id);
    Ok(id)
}

fn make_topic(index: &Connection, no: i64, hash: i64, reduced: &str) -> Result<i64, Error> {
    index
        .prepare_cached("INSERT INTO topic (account, hash, reduced) VALUES (?1, ?2, ?3)")?
        .execute((no, hash, reduced))?;
    let id = index.last_insert_rowid();
    let mut terms = term_of_account(no);
    for term in Topic::read(reduced).terms() {
        terms.push(' ');
        terms.push_str(&term.to_string());
    }
    index.prepare_cached("INSERT INTO topic_term (rowid, terms) VALUES (?1, ?2)")?.execute((id, terms))?;
    Ok(id)
}

fn actor_of(index: &Connection, known: &mut Known, no: i64, actor: &Actor) -> Result<Option<i64>, Error> {
    if *actor == Actor::default() {
        return Ok(None);
    }
    let key = (no, actor.clone());
    if let Some(id) = known.actors.get(&key) {
        return Ok(Some(*id));
    }
    let row = (no, &actor.member, &actor.token);
    let stored: Option<i64> = index
        .prepare_cached("SELECT id FROM actor WHERE account = ?1 AND member IS ?2 AND token IS ?3")?
        .query_row(row, |row| row.get(0))
        .optional()?;
    let id = match stored {
        Some(id) => id,
        None => {
            index.prepare_cached("INSERT INTO actor (account, member, token) VALUES (?1, ?2, ?3)")?.execute(row)?;
            index.last_insert_rowid()
        }
    };
    if known.actors.len() >= REMEMBERED_MAX {
        known.actors.clear();
    }
    known.actors.insert(key, id);
    Ok(Some(id))
}

fn count_hour(index: &Connection, no: i64, hour: i64, entries: i64) -> Result<(), rusqlite::Error> {
    index
        .prepare_cached(
            "INSERT INTO hour (account, hour, entries) VALUES (?1, ?2, ?3)
             ON CONFLICT (account, hour) DO UPDATE SET entries = entries + excluded.entries",
        )?
        .execute((no, hour, entries))?;
    Ok(())
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

pub(super) fn term_of_topic(topic: i64) -> String {
    format!("t{topic}")
}

pub(super) fn term_of_actor(actor: i64) -> String {
    format!("w{actor}")
}

/// The first rank of a date; those of earlier dates are smaller.
pub(super) fn first_rank(date: Timestamp) -> i64 {
    // Dates end with the year 9999, which is below 2^48.
    date.as_millis().clamp(0, (1 << (63 - RANK_BITS)) - 1) << RANK_BITS
}

/// The last rank of a date.
pub(super) fn last_rank(date: Timestamp) -> i64 {
    first_rank(date) + (RANKS_OF_DATE - 1)
}

pub(super) fn date_of(rank: i64) -> Timestamp {
    Timestamp::from_millis(rank >> RANK_BITS)
}

pub(super) fn hour_of(date: Timestamp) -> i64 {
    date.as_millis().div_euclid(HOUR_MILLIS)
}

pub(super) fn sequence_of(place: i64) -> Sequence {
    Sequence((place & SEQUENCE_MAX.0.cast_signed()).cast_unsigned())
}
