//! Replays and redeliveries: what is asked for, listed, and stopped.

mod dry_run;
mod redeliver;
mod replay;

use std::sync::Arc;

use domain::{EntryDraft, FieldError, JobId, Sequence};
use integrations::Integration;
use serde_json::Value;
use store::{Job, JobError, JobKind, JobPage, NewJob, Work};

use super::{form::Form, parse_id, record::Record, unstoppable};
use crate::{Action, App, Caller, Conflict, Error, access::subscription_resource};
pub use dry_run::DryRun;
pub use replay::Replayed;

/// The most jobs of one page.
pub const JOBS_LIMIT_MAX: usize = 100;
/// Sequences that a mistake names; of the others it has the number.
const NAMED_MAX: usize = 20;

impl App {
    /// Jobs of a subscription, newest first, or those made before `before`; at most `limit`.
    ///
    /// # Errors
    /// [`Error::Forbidden`]; [`Error::NotFound`] for an unknown integration or id, or one of
    /// another integration; [`Error::Invalid`] when there is no job `before`.
    pub async fn job_list(
        &self,
        caller: &Caller,
        key: &str,
        id: &str,
        before: Option<&str>,
        limit: usize,
    ) -> Result<JobPage, Error> {
        caller.authorise(Action::ViewDeliveries, &subscription_resource(id))?;
        self.integration(key)?;
        let stored = self.stored(caller.account, key, parse_id(id)?).await?;
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
    pub async fn job_get(&self, caller: &Caller, key: &str, id: &str, job: &str) -> Result<Job, Error> {
        caller.authorise(Action::ViewDeliveries, &subscription_resource(id))?;
        self.integration(key)?;
        let stored = self.stored(caller.account, key, parse_id(id)?).await?;
        self.stored_job(&stored, job).await
    }

    /// Stops a job, and records that; one that has ended stays as it is. From the return on, no
    /// request of it starts.
    ///
    /// # Errors
    /// [`Error::Forbidden`]; [`Error::NotFound`]; or what the store says.
    pub async fn job_stop(self: &Arc<Self>, caller: &Caller, key: &str, id: &str, job: &str) -> Result<(), Error> {
        let resource = subscription_resource(id);
        if !caller.may(Action::Redeliver, &resource) {
            caller.authorise(Action::ReplayIntegration, &resource)?;
        }
        let integration = self.integration(key)?;
        let stored = self.stored(caller.account, key, parse_id(id)?).await?;
        let job = self.stored_job(&stored, job).await?;
        let action = action(job.kind);
        caller.authorise(action, &resource)?;
        let title = match job.kind {
            JobKind::Replay => "stopped a replay of the integration",
            JobKind::Redelivery => "stopped a redelivery of the integration",
        };
        let record = self.job_record(caller, &stored, &integration, action, title, format!("Stopped: {}.", job.id));
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
        stored: store::Subscription,
        integration: &Integration,
        work: Work,
    ) -> Result<Job, Error> {
        let (action, title, description) = match &work {
            Work::Replay(first, last) => {
                let title = "started a replay of the integration";
                (Action::ReplayIntegration, title, format!("Entries {first} to {last}."))
            }
            Work::Redelivery(letters) => {
                let title = "started a redelivery of the integration";
                (Action::Redeliver, title, redeliver::describe(letters))
            }
        };
        let record = self.job_record(caller, &stored, integration, action, title, description);
        let new = NewJob {
            id: self.store.job_id(),
            account: stored.account,
            subscription: stored.id,
            work,
            made_by: caller.represent().to_string(),
        };
        let app = Arc::clone(self);
        unstoppable(async move {
            let made = app.store.job_create(new, record).await.map_err(refused)?;
            // It is stored, and found by the next start at the latest.
            if let Err(error) = app.engine.job_made(stored.account, stored.id).await {
                tracing::error!(job = %made.id, error = &error as &dyn std::error::Error, "a job does not begin yet");
            }
            Ok(made)
        })
        .await
    }

    fn job_record(
        &self,
        caller: &Caller,
        stored: &store::Subscription,
        integration: &Integration,
        action: Action,
        title: &str,
        description: String,
    ) -> EntryDraft {
        let form = Form::without_config(stored);
        let record = Record { caller, id: stored.id, integration, before: Some(&form), after: None, comment: None };
        record.deed(action, title, description, self.clock.now())
    }
}

fn action(kind: JobKind) -> Action {
    match kind {
        JobKind::Replay => Action::ReplayIntegration,
        JobKind::Redelivery => Action::Redeliver,
    }
}

fn refused(error: JobError) -> Error {
    match error {
        JobError::TooMany => Conflict::Jobs.into(),
        JobError::Nothing => Conflict::NothingToRedeliver.into(),
        JobError::Unknown(sequences) => {
            let reason = format!("has sequences of which there is no dead letter: {}", named(&sequences));
            Error::mistakes("some dead letters are not there", vec![FieldError::new("sequences", reason)])
        }
        JobError::Claimed(sequences) => Conflict::Redelivering(named(&sequences)).into(),
        JobError::Store(store::Error::NotFound) => Error::NotFound("subscription"),
        JobError::Store(error) => error.into(),
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
