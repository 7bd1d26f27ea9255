//! Searches in the index: newest event first, in steps that each hold a reader for a short time.
//!
//! A search walks the entries of an account, or of a few actors, and looks at each one's topic.
//! When that finds too little, it asks which topics could fit at all; where these are few, it walks
//! their entries alone. Whatever the way, the answer is the same.

use std::{
    collections::{HashMap, HashSet},
    fmt::Write as _,
    sync::Arc,
};

use domain::{Sequence, Term, Timestamp, Topic};
use rusqlite::{Connection, OptionalExtension};

use super::builder::{indexed, sequence_of};
use super::ranks::{date_of, last_rank, term_of_account, term_of_actor, term_of_topic};
use crate::{
    Error,
    connection::Readers,
    entries::{SEQUENCE_MAX, place},
};

/// Work of one call, in looks at a row; a look at a topic counts as [`TOPIC_LOOKS`].
const STEP_LOOKS: usize = 20_000;
const TOPIC_LOOKS: usize = 20;
/// Looks after which it is asked which topics could fit.
const FIRST_LOOKS: usize = 4_000;
/// Topics that could fit, of which each is looked at.
const CANDIDATES_MAX: usize = 5_000;
/// Topics or actors whose entries are walked together.
const TOGETHER_MAX: usize = 1_000;
/// Topics and actors whose verdict is remembered.
const VERDICTS_MAX: usize = 100_000;

/// Alternatives, each of terms that all have to be there.
pub type Terms = Vec<Vec<Term>>;

/// Which topics are looked for.
#[derive(Clone)]
pub struct TopicFilter {
    /// Whether a topic fits.
    pub fits: Arc<dyn Fn(&Topic) -> bool + Send + Sync>,
    /// Of each of these, every topic that fits has an alternative. Empty: nothing is known.
    pub terms: Vec<Terms>,
}

/// Which actors are looked for. Of each list that is not empty, an actor has one.
#[derive(Clone, Debug, Default)]
pub struct ActorFilter {
    /// Ids of members.
    pub members: Vec<String>,
    /// Ids of access tokens.
    pub tokens: Vec<String>,
}

impl ActorFilter {
    /// Whether these ids are among those that are looked for.
    pub fn fits(&self, member: Option<&str>, token: Option<&str>) -> bool {
        let is_in = |list: &[String], id: Option<&str>| {
            list.is_empty() || id.is_some_and(|id| list.iter().any(|wanted| wanted == id))
        };
        is_in(&self.members, member) && is_in(&self.tokens, token)
    }

    fn is_empty(&self) -> bool {
        self.members.is_empty() && self.tokens.is_empty()
    }
}

/// What is looked for.
#[derive(Clone, Default)]
pub struct SearchAsked {
    /// Only what comes after this place in the order of searches.
    pub below: Option<Found>,
    /// Only events later than this.
    pub after: Option<Timestamp>,
    /// Only entries up to this one; none: all that are indexed.
    pub up_to: Option<Sequence>,
    /// Only these topics.
    pub topics: Option<TopicFilter>,
    /// Only these actors.
    pub actors: ActorFilter,
}

/// An entry in the order of searches: by date, those of one date by sequence; newest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Found {
    /// When the event happened.
    pub date: Timestamp,
    /// Its place in the log.
    pub sequence: Sequence,
}

/// How far a search is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spent {
    /// Everything before this was looked at; without a place nothing was yet.
    Reached(Option<Found>),
    /// Everything was looked at.
    All,
}

/// A search that is under way.
pub struct Search {
    no: i64,
    /// Places from the beginning of the log to the last entry that counts.
    first: i64,
    last: i64,
    indexed: Sequence,
    asked: SearchAsked,
    /// Which entries are walked.
    walked: String,
    /// Whether these are of topics that fit.
    is_narrow: bool,
    asked_topics: bool,
    /// The rank from which it goes on, and the place.
    rank: i64,
    spent: Spent,
    looks: usize,
    topics: HashMap<i64, bool>,
    actors: HashMap<i64, bool>,
    /// Of the index in which it began: one that is made anew meanwhile has other positions.
    pub(super) readers: Arc<Readers>,
}

impl Search {
    pub(super) fn begin(
        connection: &Connection,
        no: i64,
        beginning: Sequence,
        asked: SearchAsked,
        readers: Arc<Readers>,
    ) -> Result<Self, Error> {
        let indexed = indexed(connection, no)?;
        let last = asked.up_to.unwrap_or(SEQUENCE_MAX).min(indexed);
        let rank = match asked.below {
            None => i64::MAX,
            Some(below) => rank_of(connection, place(no, below.sequence))?.unwrap_or_else(|| last_rank(below.date)),
        };
        let mut search = Self {
            no,
            first: place(no, beginning),
            last: place(no, last),
            indexed,
            walked: term_of_account(no),
            is_narrow: false,
            asked_topics: asked.topics.is_none(),
            rank,
            spent: Spent::Reached(asked.below),
            looks: 0,
            topics: HashMap::new(),
            actors: HashMap::new(),
            asked,
            readers,
        };
        search.narrow_actors(connection)?;
        Ok(search)
    }

    /// Up to where the index went when the search began: it finds nothing that comes after.
    pub fn indexed(&self) -> Sequence {
        self.indexed
    }

    /// How far it is.
    pub fn spent(&self) -> Spent {
        self.spent
    }

    /// Rows that were looked at, topics counted several times.
    pub fn looks(&self) -> usize {
        self.looks
    }

    pub(super) fn next(&mut self, connection: &Connection, wanted: usize) -> Result<Vec<Found>, Error> {
        let mut found = Vec::new();
        if !self.asked_topics && self.looks >= FIRST_LOOKS {
            self.narrow_topics(connection)?;
        }
        let end = self.looks + if self.asked_topics { STEP_LOOKS } else { FIRST_LOOKS };
        self.walk(connection, end, |one| {
            found.push(one);
            found.len() < wanted
        })?;
        Ok(found)
    }

    pub(super) fn count(
        &mut self,
        connection: &Connection,
        from: Timestamp,
        interval: i64,
        counts: &mut [u64],
    ) -> Result<(), Error> {
        if !self.asked_topics {
            self.narrow_topics(connection)?;
        }
        let end = self.looks + STEP_LOOKS;
        self.walk(connection, end, |one| {
            let part = (one.date.as_millis() - from.as_millis()).div_euclid(interval);
            if let Some(count) = usize::try_from(part).ok().and_then(|part| counts.get_mut(part)) {
                *count += 1;
            }
            true
        })
    }

    /// Goes on until `each` has enough, so many looks were taken, or there is nothing more.
    fn walk(
        &mut self,
        connection: &Connection,
        looks_end: usize,
        mut each: impl FnMut(Found) -> bool,
    ) -> Result<(), Error> {
        if self.spent == Spent::All {
            return Ok(());
        }
        let after = self.asked.after.filter(|after| after.as_millis() >= 0);
        let lowest = after.map_or(i64::MIN, |after| last_rank(after).saturating_add(1));
        let mut ranks = connection.prepare_cached(
            "SELECT rowid FROM entry_term WHERE entry_term MATCH ?1 AND rowid <= ?2 AND rowid >= ?3 ORDER BY rowid DESC",
        )?;
        let mut of_rank = connection.prepare_cached(
            "SELECT place, topic, actor FROM entry WHERE rank = ?1 AND place >= ?2 AND place <= ?3 ORDER BY place DESC",
        )?;
        let mut ranks = ranks.query((self.walked.clone(), self.rank, lowest))?;
        while let Some(rank) = ranks.next()? {
            let rank: i64 = rank.get(0)?;
            self.looks += 1;
            let date = date_of(rank);
            let last = match self.spent {
                Spent::Reached(Some(reached)) if reached.date == date => {
                    self.last.min(place(self.no, reached.sequence) - 1)
                }
                _ => self.last,
            };
            let mut entries = of_rank.query((rank, self.first, last))?;
            while let Some(row) = entries.next()? {
                let one = Found { date, sequence: sequence_of(row.get(0)?) };
                let fits = self.fits(connection, row.get(1)?, row.get(2)?)?;
                (self.rank, self.spent) = (rank, Spent::Reached(Some(one)));
                // A rank may have very many entries, so work ends between any two.
                if fits && !each(one) || self.looks >= looks_end {
                    return Ok(());
                }
            }
            if self.looks >= looks_end {
                self.pass(rank);
                return Ok(());
            }
        }
        self.spent = Spent::All;
        Ok(())
    }

    /// All of this rank was looked at, so all of later dates was.
    fn pass(&mut self, rank: i64) {
        let passed = Found { date: Timestamp::from_millis(date_of(rank).as_millis() + 1), sequence: Sequence(0) };
        self.rank = rank - 1;
        if let Spent::Reached(reached) = &mut self.spent {
            *reached = Some(reached.map_or(passed, |reached| reached.min(passed)));
        }
    }

    fn fits(&mut self, connection: &Connection, topic: i64, actor: Option<i64>) -> Result<bool, Error> {
        self.looks += 1;
        Ok(self.fits_actor(connection, actor)? && self.fits_topic(connection, topic)?)
    }

    fn fits_actor(&mut self, connection: &Connection, actor: Option<i64>) -> Result<bool, Error> {
        if self.asked.actors.is_empty() {
            return Ok(true);
        }
        let Some(id) = actor else { return Ok(false) };
        if let Some(known) = self.actors.get(&id) {
            return Ok(*known);
        }
        let fits =
            connection.prepare_cached("SELECT member, token FROM actor WHERE id = ?1")?.query_row([id], |row| {
                let (member, token): (Option<String>, Option<String>) = (row.get(0)?, row.get(1)?);
                Ok(self.asked.actors.fits(member.as_deref(), token.as_deref()))
            })?;
        remember(&mut self.actors, id, fits);
        Ok(fits)
    }

    fn fits_topic(&mut self, connection: &Connection, id: i64) -> Result<bool, Error> {
        let Some(topics) = &self.asked.topics else { return Ok(true) };
        if let Some(known) = self.topics.get(&id) {
            return Ok(*known);
        }
        if self.is_narrow {
            return Ok(false);
        }
        self.looks += TOPIC_LOOKS;
        let fits = look_at_topic(connection, topics, id)?;
        remember(&mut self.topics, id, fits);
        Ok(fits)
    }

    /// Walks only the entries of the actors that are looked for, if they are few.
    fn narrow_actors(&mut self, connection: &Connection) -> Result<(), Error> {
        if self.asked.actors.is_empty() {
            return Ok(());
        }
        let Some(ids) = actors_of(connection, self.no, &self.asked.actors)? else { return Ok(()) };
        if ids.is_empty() {
            self.spent = Spent::All;
            return Ok(());
        }
        self.walked = any_of(ids.iter().copied().map(term_of_actor));
        self.actors = ids.into_iter().map(|id| (id, true)).collect();
        Ok(())
    }

    /// Walks only the entries of topics that fit, if these can be told and are few.
    fn narrow_topics(&mut self, connection: &Connection) -> Result<(), Error> {
        self.asked_topics = true;
        let Some(topics) = self.asked.topics.clone().filter(|topics| !topics.terms.is_empty()) else { return Ok(()) };
        let mut asked = term_of_account(self.no);
        for alternatives in &topics.terms {
            let all = |terms: &Vec<Term>| {
                let terms: Vec<_> = terms.iter().map(Term::to_string).collect();
                format!("({})", terms.join(" AND "))
            };
            // Writing to a `String` cannot fail.
            let _ = write!(asked, " AND {}", any_of(alternatives.iter().map(all)));
        }
        let most = i64::try_from(CANDIDATES_MAX).unwrap_or(i64::MAX);
        let candidates: Vec<i64> = connection
            .prepare_cached("SELECT rowid FROM topic_term WHERE topic_term MATCH ?1 LIMIT ?2")?
            .query_map((asked, most), |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        if candidates.len() >= CANDIDATES_MAX {
            return Ok(());
        }
        let mut fitting = HashSet::new();
        for id in candidates {
            self.looks += TOPIC_LOOKS;
            if look_at_topic(connection, &topics, id)? {
                fitting.insert(id);
            }
        }
        if fitting.len() > TOGETHER_MAX {
            return Ok(());
        }
        if fitting.is_empty() {
            self.spent = Spent::All;
            return Ok(());
        }
        let of_topics = any_of(fitting.iter().copied().map(term_of_topic));
        let is_of_all = self.asked.actors.is_empty();
        self.walked = if is_of_all { of_topics } else { format!("{of_topics} AND {}", self.walked) };
        self.topics = fitting.into_iter().map(|id| (id, true)).collect();
        self.is_narrow = true;
        Ok(())
    }
}

/// Ids of the actors; none when they are many.
fn actors_of(connection: &Connection, no: i64, wanted: &ActorFilter) -> Result<Option<Vec<i64>>, Error> {
    let (column, ids) = match wanted.members.is_empty() {
        true => ("SELECT id, member, token FROM actor WHERE account = ?1 AND token = ?2 LIMIT ?3", &wanted.tokens),
        false => ("SELECT id, member, token FROM actor WHERE account = ?1 AND member = ?2 LIMIT ?3", &wanted.members),
    };
    let most = i64::try_from(TOGETHER_MAX + 1).unwrap_or(i64::MAX);
    let mut statement = connection.prepare_cached(column)?;
    let (mut found, mut looks) = (HashSet::new(), 0);
    for id in ids {
        let mut rows = statement.query((no, id, most))?;
        while let Some(row) = rows.next()? {
            let (id, member, token): (i64, Option<String>, Option<String>) = (row.get(0)?, row.get(1)?, row.get(2)?);
            if wanted.fits(member.as_deref(), token.as_deref()) {
                found.insert(id);
            }
            looks += 1;
            if looks > TOGETHER_MAX {
                return Ok(None);
            }
        }
    }
    Ok(Some(found.into_iter().collect()))
}

fn look_at_topic(connection: &Connection, topics: &TopicFilter, id: i64) -> Result<bool, Error> {
    let reduced: Option<String> = connection
        .prepare_cached("SELECT reduced FROM topic WHERE id = ?1")?
        .query_row([id], |row| row.get(0))
        .optional()?;
    Ok(reduced.is_some_and(|reduced| (topics.fits)(&Topic::read(&reduced))))
}

fn rank_of(connection: &Connection, place: i64) -> Result<Option<i64>, rusqlite::Error> {
    connection
        .prepare_cached("SELECT rank FROM entry WHERE place = ?1")?
        .query_row([place], |row| row.get(0))
        .optional()
}

fn any_of(terms: impl Iterator<Item = String>) -> String {
    format!("({})", terms.collect::<Vec<_>>().join(" OR "))
}

fn remember(verdicts: &mut HashMap<i64, bool>, id: i64, fits: bool) {
    if verdicts.len() >= VERDICTS_MAX {
        verdicts.clear();
    }
    verdicts.insert(id, fits);
}
