//! What entries are about and who made changes, each once.

use aws_lc_rs::digest;
use domain::{Actor, Topic};
use rusqlite::{Connection, OptionalExtension};

use super::ranks::{has_term, term_of_account, term_of_actor, term_of_topic};
use crate::Error;

/// SHA-256.
pub(super) type Hash = [u8; 32];

/// The id of a topic, which is made if it is new.
pub(super) fn id_of(index: &Connection, no: i64, reduced: &str) -> Result<i64, Error> {
    let hash = digest::digest(&digest::SHA256, reduced.as_bytes());
    let hash = i64::from_be_bytes(*hash.as_ref().first_chunk().expect("a SHA-256 hash has 32 bytes"));
    let stored: Option<i64> = index
        .prepare_cached("SELECT id FROM topic WHERE hash = ?1 AND account = ?2 AND reduced = ?3")?
        .query_row((hash, no, reduced), |row| row.get(0))
        .optional()?;
    if let Some(id) = stored {
        return Ok(id);
    }
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

/// The id of who made a change, which is made if it is new; none for nobody.
pub(super) fn id_of_actor(index: &Connection, no: i64, actor: &Actor) -> Result<Option<i64>, Error> {
    if *actor == Actor::default() {
        return Ok(None);
    }
    let row = (no, &actor.member, &actor.token);
    let stored: Option<i64> = index
        .prepare_cached("SELECT id FROM actor WHERE account = ?1 AND member IS ?2 AND token IS ?3")?
        .query_row(row, |row| row.get(0))
        .optional()?;
    if stored.is_none() {
        index.prepare_cached("INSERT INTO actor (account, member, token) VALUES (?1, ?2, ?3)")?.execute(row)?;
    }
    Ok(Some(stored.unwrap_or_else(|| index.last_insert_rowid())))
}

/// Forgets a topic that no entry has any more.
pub(super) fn forget(index: &Connection, topic: i64) -> Result<(), rusqlite::Error> {
    if !has_term(index, &term_of_topic(topic))? {
        index.prepare_cached("DELETE FROM topic WHERE id = ?1")?.execute([topic])?;
        index.prepare_cached("DELETE FROM topic_term WHERE rowid = ?1")?.execute([topic])?;
    }
    Ok(())
}

/// Forgets who made no change any more.
pub(super) fn forget_actor(index: &Connection, actor: i64) -> Result<(), rusqlite::Error> {
    if !has_term(index, &term_of_actor(actor))? {
        index.prepare_cached("DELETE FROM actor WHERE id = ?1")?.execute([actor])?;
    }
    Ok(())
}
