//! Replays and redeliveries: what is asked for, listed, and stopped.

mod dry_run;
mod redeliver;
mod replay;

use std::sync::Arc;

use domain::{FieldError, JobId, Sequence};
use serde_json::Value;
use store::{Job, JobError, JobKind, JobPage, NewJob, Work};

use super::{Recipient, deed, unstoppable};
use crate::{Action, App, Caller, Conflict, Error};
pub use dry_run::DryRun;
pub use replay::Replayed;

/// The most jobs of one page.
pub const JOBS_LIMIT_MAX: usize = 100;
/// Sequences that a mistake names; of the others it has the number.
const NAMED_MAX: usize = 20;

impl App {
    /// Jobs of a subscription or webhook, newest first, or those made before `before`; at most `limit`.
    ///
    /// # Errors
    /// [`Error::Forbidden`]; [`Error::NotFound`] for an unknown integration or id, or one of
    /// another integration; [`Error::Invalid`] when there is no job `before`.
    pub async fn job_list(
        &self,
        caller: &Caller,
        recipient: &Recipient,
        before: Option<&str>,
        limit: usize,
    ) -> Result<JobPage, Error> {
        let (_, stored) = self.recipient(caller, Action::ViewDeliveries, recipient).await?;
        let unknown = || Error::invalid("before must be the id of one of the subscription's replays or redeliveries");
        let before = before.map(|before| JobId::parse(before).map_err(|_| unknown())).transpose()?;
        self.store.job_page(stored.id, before, limit.min(JOBS_LIMIT_MAX)).await.map_err(|error| match error {
            store::Error::NotFound => unknown(),
            other => other.into(),
        })
    }

    /// One job of a subscription.
    ///
    /// # Errors
    /// [`Error::Forbidden`]; [`Error::NotFound`].
    pub async fn job_get(&self, caller: &Caller, recipient: &Recipient, job: &str) -> Result<Job, Error> {
        let (_, stored) = self.recipient(caller, Action::ViewDeliveries, recipient).await?;
        self.stored_job(&stored, job).await
    }

    /// Stops a job, and records that; one that has ended stays as it is. From the return on, no
    /// request of it starts.
    ///
    /// # Errors
    /// [`Error::Forbidden`]; [`Error::NotFound`]; or what the store says.
    pub async fn job_stop(self: &Arc<Self>, caller: &Caller, recipient: &Recipient, job: &str) -> Result<(), Error> {
        let may_redeliver = caller.may(Action::Redeliver, &recipient.resource());
        let either = if may_redeliver { Action::Redeliver } else { recipient.replay() };
        let (_, stored) = self.recipient(caller, either, recipient).await?;
        let job = self.stored_job(&stored, job).await?;
        let (action, done) = match job.kind {
            JobKind::Replay => (recipient.replay(), "stopped a replay of"),
            JobKind::Redelivery => (Action::Redeliver, "stopped a redelivery of"),
        };
        caller.authorise(action, &recipient.resource())?;
        let description = format!("Stopped: {}.", job.id);
        let record = deed::draft(caller, (recipient, &stored), (action, done), description, self.clock.now());
        let app = Arc::clone(self);
        unstoppable(async move {
            app.store.job_stop(stored.account, stored.id, job.id, record).await.map_err(|error| match error {
                store::Error::NotFound => Error::NotFound("replay"),
                other => other.into(),
            })?;
            Ok(app.engine.job_stopped(stored.account, stored.id, job.id).await?)
        })
        .await
    }

    async fn stored_job(&self, stored: &store::Subscription, job: &str) -> Result<Job, Error> {
        let not_found = || Error::NotFound("replay");
        let job = JobId::parse(job).map_err(|_| not_found())?;
        self.store.job_get(stored.id, job).await.map_err(|error| match error {
            store::Error::NotFound => not_found(),
            other => other.into(),
        })
    }

    /// Stores a job with the entry that records it, and lets it begin when its turn comes.
    async fn job_create(
        self: &Arc<Self>,
        caller: &Caller,
        (recipient, stored): (&Recipient, store::Subscription),
        work: Work,
    ) -> Result<Job, Error> {
        let (deed, description) = match &work {
            Work::Replay(first, last) => {
                ((recipient.replay(), "started a replay of"), format!("Entries {first} to {last}."))
            }
            Work::Redelivery(letters) => ((Action::Redeliver, "started a redelivery of"), redeliver::describe(letters)),
        };
        let record = deed::draft(caller, (recipient, &stored), deed, description, self.clock.now());
        let new = NewJob {
            id: self.store.job_id(),
            account: stored.account,
            subscription: stored.id,
            work,
            made_by: caller.represent().to_string(),
        };
        let (app, named) = (Arc::clone(self), recipient.clone());
        unstoppable(async move {
            let made = app.store.job_create(new, record).await.map_err(|error| refused(error, &named))?;
            // It is stored, and found by the next start at the latest.
            if let Err(error) = app.engine.job_made(stored.account, stored.id).await {
                tracing::error!(job = %made.id, error = &error as &dyn std::error::Error, "a job does not begin yet");
            }
            Ok(made)
        })
        .await
    }
}

fn refused(error: JobError, recipient: &Recipient) -> Error {
    match error {
        JobError::TooMany => Conflict::Jobs.into(),
        JobError::Nothing => Conflict::NothingToRedeliver.into(),
        JobError::Unknown(sequences) => {
            let reason = format!("has sequences of which there is no dead letter: {}", named(&sequences));
            Error::mistakes("some dead letters are not there", vec![FieldError::new("sequences", reason)])
        }
        JobError::Claimed(sequences) => Conflict::Redelivering(named(&sequences)).into(),
        JobError::Store(error) => recipient.missing(error),
    }
}

/// The first of some sequences, as a list for people.
fn named(sequences: &[Sequence]) -> String {
    let first: Vec<_> = sequences.iter().take(NAMED_MAX).map(ToString::to_string).collect();
    let more = sequences.len().saturating_sub(NAMED_MAX);
    if more > 0 { format!("{} and {more} more", first.join(", ")) } else { first.join(", ") }
}

/// A member that is a flag; left out, it is `false`.
fn flag(body: &serde_json::Map<String, Value>, name: &str, mistakes: &mut Vec<FieldError>) -> bool {
    match body.get(name) {
        None => false,
        Some(Value::Bool(flag)) => *flag,
        Some(_) => {
            mistakes.push(FieldError::new(name, "must be true or false"));
            false
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Sequence, dry_run::COUNTED_MAX, named, redeliver::SEQUENCES_MAX};

    #[test]
    fn the_page_tells_the_limits_as_they_are() {
        let page = include_str!("../../../../docs/delivery.md");
        for (what, number) in [
            ("dead letters that a redelivery names one by one", SEQUENCES_MAX.to_string()),
            ("entries that a dry run looks at", COUNTED_MAX.to_string()),
        ] {
            assert!(page.contains(&format!("| {what} | {number} |")), "the page does not say: {what}: {number}");
        }
    }

    #[test]
    fn a_long_list_of_sequences_is_cut() {
        let list = |count: u64| named(&(1..=count).map(Sequence).collect::<Vec<_>>());
        assert_eq!(list(2), "1, 2");
        assert!(list(20).ends_with(", 20") && list(25).ends_with(", 20 and 5 more"), "{}", list(25));
    }
}
