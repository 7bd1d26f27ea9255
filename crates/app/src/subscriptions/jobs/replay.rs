//! Sending entries of the log once more.

use std::sync::Arc;

use domain::{FieldError, Sequence, Timestamp};
use serde_json::{Map, Value};
use store::{Job, Work};

use super::{DryRun, Recipient, flag};
use crate::{App, Caller, Conflict, Error};

/// What came of asking for a replay.
#[derive(Clone, Debug, PartialEq)]
pub enum Replayed {
    /// It is stored, and begins when its turn comes.
    Made(Box<Job>),
    /// What it would do; nothing is stored.
    Dry(DryRun),
}

/// A range as it was asked for.
struct Asked {
    from: Bound,
    to: Option<Bound>,
    dry_run: bool,
}

#[derive(Clone, Copy)]
enum Bound {
    Sequence(Sequence),
    ReceivedAt(Timestamp),
}

impl App {
    /// Whether there is such a subscription or webhook that the caller may replay; asked before the body is
    /// read.
    ///
    /// # Errors
    /// [`Error::Forbidden`], [`Error::NotFound`], or what the store says.
    pub async fn subscription_may_replay(&self, caller: &Caller, recipient: &Recipient) -> Result<(), Error> {
        self.recipient(caller, recipient.replay(), recipient).await.map(drop)
    }

    /// Makes a job that sends the entries of the range in `body` once more, and records that; or
    /// only tells what it would do.
    ///
    /// # Errors
    /// [`Error::Forbidden`], [`Error::NotFound`], [`Error::Invalid`] with every mistake,
    /// [`Error::Conflict`] when the subscription was never on or has too many jobs.
    pub async fn subscription_replay(
        self: &Arc<Self>,
        caller: &Caller,
        recipient: &Recipient,
        body: &Value,
    ) -> Result<Replayed, Error> {
        let (integration, stored) = self.recipient(caller, recipient.replay(), recipient).await?;
        let asked = read(body)?;
        let position = self.engine.status(&stored).await?.position.ok_or(Conflict::NeverOn)?;
        let (first, last) = self.range(&stored, &asked, position).await?;
        if asked.dry_run {
            return Ok(Replayed::Dry(self.dry_run(&stored, &integration, first, last).await?));
        }
        let made = self.job_create(caller, (recipient, stored), Work::Replay(first, last)).await?;
        Ok(Replayed::Made(Box::new(made)))
    }

    /// First and last sequence. A time names what there is of it up to the position.
    async fn range(
        &self,
        stored: &store::Subscription,
        asked: &Asked,
        position: Sequence,
    ) -> Result<(Sequence, Sequence), Error> {
        let first = match asked.from {
            Bound::Sequence(sequence) => sequence,
            Bound::ReceivedAt(time) => self.store.entry_first_received(stored.account, time).await?,
        };
        let last = match asked.to {
            None => position,
            Some(Bound::Sequence(sequence)) if sequence > position => {
                let reason = format!(
                    "must be at most {position}, up to which each entry has its fate; what follows is yet to be delivered"
                );
                return Err(Error::mistakes("the range reaches too far", vec![FieldError::new("to.sequence", reason)]));
            }
            Some(Bound::Sequence(sequence)) => sequence,
            Some(Bound::ReceivedAt(time)) => {
                let after = Timestamp::from_millis(time.as_millis().saturating_add(1));
                self.store.entry_first_received(stored.account, after).await?.previous().min(position)
            }
        };
        if first > last {
            return Err(Error::invalid(format!(
                "there is no entry in the range: it begins with {first} and ends with {last}; the subscription stands \
                 at {position}"
            )));
        }
        Ok((first, last))
    }
}

fn read(body: &Value) -> Result<Asked, Error> {
    let Value::Object(body) = body else { return Err(Error::invalid("the body must be an object with from")) };
    let mut mistakes = Vec::new();
    let from = read_bound(body, "from", &mut mistakes);
    if !body.contains_key("from") {
        mistakes.push(FieldError::new("from", BOUND));
    }
    let to = read_bound(body, "to", &mut mistakes);
    let dry_run = flag(body, "dryRun", &mut mistakes);
    match from {
        Some(from) if mistakes.is_empty() => Ok(Asked { from, to, dry_run }),
        _ => Err(Error::mistakes("the replay has mistakes", mistakes)),
    }
}

const BOUND: &str = "must be {\"sequence\": a whole number from 1 on} or {\"receivedAt\": milliseconds since 1970}";

fn read_bound(body: &Map<String, Value>, name: &str, mistakes: &mut Vec<FieldError>) -> Option<Bound> {
    let value = body.get(name)?;
    let number = |member: &str| value.get(member).map(|value| value.as_u64().filter(|number| *number > 0));
    let bound = match (number("sequence"), number("receivedAt")) {
        (Some(Some(sequence)), None) => Some(Bound::Sequence(Sequence(sequence))),
        (None, Some(Some(time))) => {
            i64::try_from(time).ok().map(|millis| Bound::ReceivedAt(Timestamp::from_millis(millis)))
        }
        _ => None,
    };
    if bound.is_none() {
        mistakes.push(FieldError::new(name, BOUND));
    }
    bound
}
