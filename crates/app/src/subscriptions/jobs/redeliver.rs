//! Sending dead letters again.

use std::sync::Arc;

use domain::{FieldError, Sequence};
use serde_json::{Map, Value};
use store::{Job, LetterFate, Letters, Work};

use super::{Recipient, flag, named};
use crate::{Action, App, Caller, Error};

/// Most dead letters that are named one by one.
pub(super) const SEQUENCES_MAX: usize = 1_000;

const FORMS: &str = "the body must be {\"all\": true}, with or without \"fate\", or {\"sequences\": [...]}";

impl App {
    /// Whether there is such a subscription or webhook whose dead letters the caller may send again; asked
    /// before the body is read.
    ///
    /// # Errors
    /// [`Error::Forbidden`], [`Error::NotFound`], or what the store says.
    pub async fn dead_letter_may_redeliver(&self, caller: &Caller, recipient: &Recipient) -> Result<(), Error> {
        self.recipient(caller, Action::Redeliver, recipient).await.map(drop)
    }

    /// Makes a job that sends the dead letters that `body` names, and records that.
    ///
    /// # Errors
    /// [`Error::Forbidden`], [`Error::NotFound`], [`Error::Invalid`] with every mistake,
    /// [`Error::Conflict`] when there is none, one is part of another job, or there are too many
    /// jobs.
    pub async fn dead_letter_redeliver(
        self: &Arc<Self>,
        caller: &Caller,
        recipient: &Recipient,
        body: &Value,
    ) -> Result<Job, Error> {
        let (_, stored) = self.recipient(caller, Action::Redeliver, recipient).await?;
        let letters = read(body)?;
        self.job_create(caller, (recipient, stored), Work::Redelivery(letters)).await
    }
}

/// What the entry that records it says.
pub(super) fn describe(letters: &Letters) -> String {
    match letters {
        Letters::All(None) => "All dead letters and skipped entries.".to_owned(),
        Letters::All(Some(LetterFate::Dead)) => "All dead letters.".to_owned(),
        Letters::All(Some(LetterFate::Skipped)) => "All skipped entries.".to_owned(),
        Letters::These(sequences) => format!("Entries {}.", named(sequences)),
    }
}

fn read(body: &Value) -> Result<Letters, Error> {
    let Value::Object(body) = body else { return Err(Error::invalid(FORMS)) };
    let mut mistakes = Vec::new();
    let all = flag(body, "all", &mut mistakes);
    let fate = read_fate(body, &mut mistakes);
    let sequences = read_sequences(body, &mut mistakes);
    if !mistakes.is_empty() {
        return Err(Error::mistakes("the redelivery has mistakes", mistakes));
    }
    match (all, sequences) {
        (true, None) => Ok(Letters::All(fate)),
        (false, Some(sequences)) if fate.is_none() => Ok(Letters::These(sequences)),
        _ => Err(Error::invalid(FORMS)),
    }
}

fn read_fate(body: &Map<String, Value>, mistakes: &mut Vec<FieldError>) -> Option<LetterFate> {
    match body.get("fate")?.as_str() {
        Some("dead") => Some(LetterFate::Dead),
        Some("skipped") => Some(LetterFate::Skipped),
        _ => {
            mistakes.push(FieldError::new("fate", "must be \"dead\" or \"skipped\""));
            None
        }
    }
}

fn read_sequences(body: &Map<String, Value>, mistakes: &mut Vec<FieldError>) -> Option<Vec<Sequence>> {
    let value = body.get("sequences")?;
    let Some(list) = value.as_array().filter(|list| (1..=SEQUENCES_MAX).contains(&list.len())) else {
        mistakes.push(FieldError::new("sequences", format!("must be a list of 1 to {SEQUENCES_MAX} sequences")));
        return None;
    };
    let mut sequences = Vec::with_capacity(list.len());
    for (index, item) in list.iter().enumerate() {
        match item.as_u64().filter(|sequence| *sequence > 0) {
            Some(sequence) => sequences.push(Sequence(sequence)),
            None if mistakes.len() < super::NAMED_MAX => {
                mistakes.push(FieldError::new(format!("sequences[{index}]"), "must be a whole number from 1 on"));
            }
            None => {}
        }
    }
    Some(sequences)
}
