//! Entries by the date of their event: ranks, and the terms of each.

use std::collections::HashSet;

use domain::Timestamp;
use rusqlite::{Connection, OptionalExtension};

use crate::{Error, entries::SEQUENCE_BITS};

/// The low bits of a rank.
const RANK_BITS: u32 = 15;
const RANKS_OF_DATE: i64 = 1 << RANK_BITS;
/// Entries under a rank, for as long as their date has few.
const RANK_ENTRIES: usize = if cfg!(test) { 4 } else { 64 };
/// Ranks of a date that hold no more than that.
const PLAIN_RANKS: i64 = if cfg!(test) { 8 } else { RANKS_OF_DATE / 2 };
/// How many further ranks hold twice as many as those before them.
const DOUBLED_RANKS: i64 = if cfg!(test) { 2 } else { RANKS_OF_DATE / 32 };

/// An entry as the index has it.
pub(super) struct Indexed {
    pub(super) place: i64,
    pub(super) topic: i64,
    pub(super) actor: Option<i64>,
}

/// Writes entries of one date, later ones than it has, in their order.
pub(super) fn write(index: &Connection, date: Timestamp, entries: &[Indexed]) -> Result<(), Error> {
    let (mut rank, room) = last_of(index, date)?;
    let (mut share, mut others) = entries.split_at(room.min(entries.len()));
    if !share.is_empty() {
        write_entries(index, rank, share)?;
        rewrite_terms(index, rank)?;
    }
    while !others.is_empty() {
        rank += 1;
        (share, others) = others.split_at(room_of(rank).min(others.len()));
        write_entries(index, rank, share)?;
        write_terms(index, rank)?;
    }
    Ok(())
}

/// The last rank of a date that has entries, or the one before the first, and for how many more
/// there is room.
fn last_of(index: &Connection, date: Timestamp) -> Result<(i64, usize), rusqlite::Error> {
    let first = first_rank(date);
    let last: Option<i64> = index
        .prepare_cached("SELECT rank FROM entry WHERE rank >= ?1 AND rank <= ?2 ORDER BY rank DESC LIMIT 1")?
        .query_row((first, last_rank(date)), |row| row.get(0))
        .optional()?;
    let Some(last) = last else { return Ok((first - 1, 0)) };
    if last == last_rank(date) {
        return Ok((last, usize::MAX));
    }
    let held: i64 =
        index.prepare_cached("SELECT COUNT(*) FROM entry WHERE rank = ?1")?.query_row([last], |row| row.get(0))?;
    Ok((last, room_of(last).saturating_sub(usize::try_from(held).unwrap_or(usize::MAX))))
}

/// How many entries a rank is to hold: more where their date has very many, so that ranks do not
/// run out. The last one holds all that come.
fn room_of(rank: i64) -> usize {
    let number = rank & (RANKS_OF_DATE - 1);
    if number == RANKS_OF_DATE - 1 {
        return usize::MAX;
    }
    let doublings = (number - PLAIN_RANKS).max(0) / DOUBLED_RANKS;
    u32::try_from(doublings).ok().and_then(|times| RANK_ENTRIES.checked_shl(times.min(24))).unwrap_or(usize::MAX)
}

fn write_entries(index: &Connection, rank: i64, entries: &[Indexed]) -> Result<(), rusqlite::Error> {
    let mut insert = index.prepare_cached("INSERT INTO entry (rank, place, topic, actor) VALUES (?1, ?2, ?3, ?4)")?;
    for Indexed { place, topic, actor } in entries {
        insert.execute((rank, place, topic, actor))?;
    }
    Ok(())
}

fn write_terms(index: &Connection, rank: i64) -> Result<(), Error> {
    let mut terms = HashSet::new();
    let mut entries = index.prepare_cached("SELECT place, topic, actor FROM entry WHERE rank = ?1")?;
    let mut entries = entries.query([rank])?;
    while let Some(row) = entries.next()? {
        terms.insert(term_of_account(row.get::<_, i64>(0)? >> SEQUENCE_BITS));
        terms.insert(term_of_topic(row.get(1)?));
        terms.extend(row.get::<_, Option<i64>>(2)?.map(term_of_actor));
    }
    if terms.is_empty() {
        return Ok(());
    }
    let terms: Vec<String> = terms.into_iter().collect();
    index.prepare_cached("INSERT INTO entry_term (rowid, terms) VALUES (?1, ?2)")?.execute((rank, terms.join(" ")))?;
    Ok(())
}

/// Writes the terms of a rank anew, after entries came to it or left it.
pub(super) fn rewrite_terms(index: &Connection, rank: i64) -> Result<(), Error> {
    index.prepare_cached("DELETE FROM entry_term WHERE rowid = ?1")?.execute([rank])?;
    write_terms(index, rank)
}

/// Whether an entry has this term.
pub(super) fn has_term(index: &Connection, term: &str) -> Result<bool, rusqlite::Error> {
    index
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM entry_term WHERE entry_term MATCH ?1)")?
        .query_row([term], |row| row.get(0))
}

/// What an account's entries have among their terms.
pub(super) fn term_of_account(no: i64) -> String {
    format!("a{no}")
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

#[cfg(test)]
mod tests {
    use super::{RANKS_OF_DATE, room_of};

    #[test]
    fn ranks_hold_more_the_more_their_date_has_and_the_last_one_holds_all() {
        let room: Vec<usize> = (6..14).map(room_of).collect();
        assert_eq!(room, [4, 4, 4, 4, 8, 8, 16, 16]);
        assert_eq!(room_of(RANKS_OF_DATE - 1), usize::MAX);
        assert!((0..RANKS_OF_DATE - 1).all(|rank| room_of(rank) <= room_of(rank + 1)));
    }
}
