//! How many entries happened when: kept by hours and minutes, counted one by one within a minute.

use std::{collections::HashMap, sync::Arc};

use domain::{Sequence, Timestamp};
use rusqlite::Connection;

use super::{
    builder::indexed,
    ranks::{date_of, first_rank},
};
use crate::{Error, connection::Readers, entries::place};

const MINUTE_MILLIS: i64 = 60_000;
/// Lengths of spans of which counts are kept, the longest first.
const WIDTHS: [i64; 2] = [60 * MINUTE_MILLIS, MINUTE_MILLIS];
/// Rows that one call counts.
const STEP_ROWS: u64 = if cfg!(test) { 2 } else { 200_000 };

/// What a commit adds to the counts.
#[derive(Default)]
pub(super) struct Spans(HashMap<(i64, i64), i64>);

impl Spans {
    pub(super) fn count(&mut self, date: Timestamp, entries: i64) {
        for width in WIDTHS {
            *self.0.entry((width, date.as_millis().div_euclid(width))).or_default() += entries;
        }
    }

    pub(super) fn write(self, index: &Connection, no: i64) -> Result<(), rusqlite::Error> {
        for ((width, number), entries) in self.0 {
            index
                .prepare_cached(
                    "INSERT INTO span (account, width, number, entries) VALUES (?1, ?2, ?3, ?4)
                     ON CONFLICT (account, width, number) DO UPDATE SET entries = entries + excluded.entries",
                )?
                .execute((no, width, number, entries))?;
            if entries < 0 {
                index
                    .prepare_cached(
                        "DELETE FROM span WHERE account = ?1 AND width = ?2 AND number = ?3 AND entries <= 0",
                    )?
                    .execute((no, width, number))?;
            }
        }
        Ok(())
    }
}

/// Counts of all entries of an account in equal parts of a time.
pub struct Counting {
    no: i64,
    /// Places from the beginning of the log to the last entry that counts.
    first: i64,
    last: i64,
    indexed: Sequence,
    counts: Vec<u64>,
    edges: Vec<Edge>,
    rows: u64,
    parts: Vec<(Timestamp, Timestamp)>,
    /// Up to which place it is known what of the sums has left the log; none: all of it.
    gone: Option<i64>,
    /// Of the index in which it began: one that is made anew meanwhile has other positions.
    pub(super) readers: Arc<Readers>,
}

/// Entries that are still to be counted.
#[derive(Debug)]
struct Edge {
    part: usize,
    /// Those past this rank and place,
    after: (i64, i64),
    /// up to this rank, which is not included.
    to: i64,
}

impl Counting {
    pub(super) fn begin(
        index: &Connection,
        no: i64,
        beginning: Sequence,
        parts: Vec<(Timestamp, Timestamp)>,
        readers: Arc<Readers>,
    ) -> Result<Self, Error> {
        let indexed = indexed(index, no)?;
        let (first, last) = (place(no, beginning), place(no, indexed));
        let mut counting = Self {
            no,
            first,
            last,
            indexed,
            counts: vec![0; parts.len()],
            edges: Vec::new(),
            rows: 0,
            parts,
            gone: Some(place(no, Sequence(0))),
            readers,
        };
        for part in 0..counting.parts.len() {
            let (from, to) = counting.parts[part];
            counting.sum(index, part, (from.as_millis(), to.as_millis()), &WIDTHS)?;
        }
        counting.leave_out_what_is_gone(index)?;
        Ok(counting)
    }

    /// Up to where the index went when the counting began.
    pub fn indexed(&self) -> Sequence {
        self.indexed
    }

    /// Entries that were counted one by one.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// One count for each part, once nothing is left to do.
    pub fn done(&self) -> Option<&[u64]> {
        (self.edges.is_empty() && self.gone.is_none()).then_some(self.counts.as_slice())
    }

    /// Adds what is kept of whole spans, and notes what is left at their edges.
    fn sum(&mut self, index: &Connection, part: usize, (from, to): (i64, i64), widths: &[i64]) -> Result<(), Error> {
        if from >= to {
            return Ok(());
        }
        let Some((width, finer)) = widths.split_first() else {
            let [from, to] = [from, to].map(|time| first_rank(Timestamp::from_millis(time)));
            self.edges.push(Edge { part, after: (from, -1), to });
            return Ok(());
        };
        let (first, last) = whole(from, to, *width);
        if first >= last {
            return self.sum(index, part, (from, to), finer);
        }
        let entries: i64 = index
            .prepare_cached(
                "SELECT COALESCE(SUM(entries), 0) FROM span
                 WHERE account = ?1 AND width = ?2 AND number >= ?3 AND number < ?4",
            )?
            .query_row((self.no, width, first, last), |row| row.get(0))?;
        self.counts[part] += entries.cast_unsigned();
        self.sum(index, part, (from, first * width), finer)?;
        self.sum(index, part, (last * width, to), finer)
    }

    /// Entries that have left the log and are still in the index are among the sums.
    fn leave_out_what_is_gone(&mut self, index: &Connection) -> Result<(), Error> {
        let Some(after) = self.gone.take() else { return Ok(()) };
        let mut gone = index.prepare_cached(
            "SELECT rank, place FROM entry INDEXED BY entry_place WHERE place > ?1 AND place < ?2 ORDER BY place LIMIT ?3",
        )?;
        let mut gone = gone.query((after, self.first, STEP_ROWS.cast_signed()))?;
        let mut rows = 0;
        while let Some(row) = gone.next()? {
            rows += 1;
            self.gone = if rows == STEP_ROWS { Some(row.get(1)?) } else { None };
            let date = date_of(row.get(0)?);
            let part = self.parts.partition_point(|(_, to)| *to <= date);
            let Some((from, to)) = self.parts.get(part) else { continue };
            let (first, last) = whole(from.as_millis(), to.as_millis(), MINUTE_MILLIS);
            if (first * MINUTE_MILLIS..last * MINUTE_MILLIS).contains(&date.as_millis()) {
                self.counts[part] = self.counts[part].saturating_sub(1);
            }
        }
        Ok(())
    }

    /// Counts some of what is left.
    pub(super) fn next(&mut self, index: &Connection) -> Result<(), Error> {
        if self.gone.is_some() {
            return self.leave_out_what_is_gone(index);
        }
        let mut entries = index.prepare_cached(
            "SELECT rank, place FROM entry WHERE (rank, place) > (?1, ?2) AND rank < ?3 ORDER BY rank, place",
        )?;
        let end = self.rows + STEP_ROWS;
        while let Some(Edge { part, after, to }) = self.edges.pop() {
            let mut entries = entries.query((after.0, after.1, to))?;
            self.rows += 1;
            while let Some(row) = entries.next()? {
                let (rank, place) = (row.get(0)?, row.get(1)?);
                self.counts[part] += u64::from((self.first..=self.last).contains(&place));
                self.rows += 1;
                if self.rows >= end {
                    self.edges.push(Edge { part, after: (rank, place), to });
                    return Ok(());
                }
            }
            if self.rows >= end {
                break;
            }
        }
        Ok(())
    }
}

/// The first whole span from a time on, and the one after the last.
fn whole(from: i64, to: i64, width: i64) -> (i64, i64) {
    (from.saturating_add(width - 1).div_euclid(width), to.div_euclid(width))
}
