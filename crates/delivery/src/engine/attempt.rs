//! One attempt: from the entries that a courier gave to what came of them.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use domain::{AccountId, Timestamp};
use futures_util::FutureExt;
use integrations::Moment;
use store::DeadLetter;
use tokio::sync::OwnedMutexGuard;

use super::{Inner, record};
use crate::{
    courier::{Died, Load, Results, Sent},
    destination::{Answered, Request, To, Way},
    lane::{Lane, Spec},
    outcome::{Outcome, Reason},
    send::{self, Exchange, OpenConfig, Read, Target},
};

/// An answer that takes longer makes the window start anew.
pub const SLOW: Duration = Duration::from_secs(10);

/// What an attempt came to, and what its request told the destination of time.
struct Attempted {
    read: Read,
    entries: usize,
    took: Duration,
    stamp: Option<Timestamp>,
}

impl Attempted {
    /// Whether an ordered destination refused a time that may not be after its last one.
    fn may_be_out_of_order(&self, spec: &Spec) -> bool {
        let is_ordered = spec.integration.pace().is_some_and(integrations::Pace::ordered);
        is_ordered && self.stamp.is_some() && matches!(self.read.results.sent, Sent::Whole(Outcome::Refused(_)))
    }
}

impl Inner {
    pub(crate) async fn attempt(self: &Arc<Self>, lane: &Arc<Lane>, spec: &Arc<Spec>, mut load: Load) {
        let tried = AssertUnwindSafe(self.try_once(lane, spec, &mut load)).catch_unwind().await;
        // A defect must not leave the entries in flight for ever.
        let attempted = tried.unwrap_or_else(|_| Some(self.defect(load.entries.len())));
        if let Some(attempted) = attempted {
            self.finish(lane, spec, load, attempted).await;
        }
        self.pump(lane);
    }

    /// Sends the load, or gives it back to the courier when it may not start any more.
    async fn try_once(&self, lane: &Lane, spec: &Arc<Spec>, load: &mut Load) -> Option<Attempted> {
        let open = match OpenConfig::open(&*self.keys, lane.account, lane.id, spec) {
            Ok(open) => open,
            Err(outcome) => return self.unsent(lane, spec, load, outcome),
        };
        // The turn at a target can be long in coming; nobody waits for it with a permit.
        let mut target = self.reach_target(lane, spec, &open).await;
        let mut host = spec.used.lock().host.clone();
        if host.is_none()
            && let Some(request) = self.prepare(lane, spec, &open, load, target.as_deref()).request
        {
            // Only a request tells where it leads; this one only serves to ask.
            host = Some(send::origin(request.summary().url).into());
            spec.used.lock().host.clone_from(&host);
        }
        let is_proven = lane.lock().courier.is_proven();
        let _permit = self.permits.acquire(host.as_deref(), is_proven).await;
        let begun = self.clock.now();
        let attempted = self.send_once(lane, spec, &open, load, target.as_deref_mut()).await?;
        let Some(target) = target.filter(|_| attempted.may_be_out_of_order(spec)) else { return Some(attempted) };
        // Somebody else may have told the destination of a later time: once more, with the present one.
        let mut target = self.turn_at(target).await;
        target.last_stamp = target.last_stamp.max(Some(begun));
        self.send_once(lane, spec, &open, load, Some(&mut target)).await
    }

    fn prepare(
        &self,
        lane: &Lane,
        spec: &Spec,
        open: &OpenConfig,
        load: &Load,
        target: Option<&Target>,
    ) -> send::Prepared {
        let moment = Moment { sends_late: load.redelivers(), ..self.moment(Some(lane), spec, target) };
        let to = To { integration: &spec.integration, config: &open.config, common: &open.common };
        send::prepare(&self.settings.destinations, &to, &load.entries, &self.settings.public_url, moment)
    }

    async fn send_once(
        &self,
        lane: &Lane,
        spec: &Spec,
        open: &OpenConfig,
        load: &mut Load,
        target: Option<&mut Target>,
    ) -> Option<Attempted> {
        let integration = &spec.integration;
        let prepared = self.prepare(lane, spec, open, load, target.as_deref());
        if !self.may_still_start(lane, spec, load, prepared.entries.len()) {
            return None;
        }
        let entries = load.entries.len();
        let Some(request) = prepared.request else {
            let read = send::unsent(prepared.entries, open.secrets(), self.clock.now());
            return Some(Attempted { read, entries, took: Duration::ZERO, stamp: None });
        };
        let (answered, took) = self.send_to(request, lane.account).await;
        let may_be_stored = answered.may_be_stored;
        let read = send::read(open, answered, prepared.entries, self.clock.now());
        if let Some(target) = target {
            let spacing = integration.pace().map(integrations::Pace::spacing).unwrap_or_default();
            target.next_at = self.clock.monotonic() + spacing;
            if may_be_stored || read.results.is_accepted() {
                target.last_stamp = target.last_stamp.max(prepared.stamp);
            }
        }
        Some(Attempted { read, entries, took, stamp: prepared.stamp })
    }

    /// Sends a request; what came of it, and how long that took.
    pub(super) async fn send_to(&self, request: Box<dyn Request>, account: AccountId) -> (Answered, Duration) {
        let started = self.clock.monotonic();
        let answered = request.send(Way { client: &self.client, account, clock: &*self.clock }).await;
        let took = self.clock.monotonic().saturating_sub(started);
        self.client.note_ended(took);
        (answered, took)
    }

    fn unsent(&self, lane: &Lane, spec: &Spec, load: &mut Load, outcome: Outcome) -> Option<Attempted> {
        let entries = load.entries.len();
        if !self.may_still_start(lane, spec, load, entries) {
            return None;
        }
        let read = send::unsent(vec![Err(outcome); entries], &[], self.clock.now());
        Some(Attempted { read, entries, took: Duration::ZERO, stamp: None })
    }

    fn defect(&self, entries: usize) -> Attempted {
        let outcome = Outcome::Unavailable(Reason::new("internal", "the attempt met a defect of this server"));
        let results = Results { own: vec![None; entries], sent: Sent::Whole(outcome.clone()) };
        let exchange = Some(Exchange::unknown(outcome));
        let read = Read { results, failure: None, failed_entries: 0, exchange };
        Attempted { read, entries, took: Duration::ZERO, stamp: None }
    }

    /// Waits for the turn at a target that wants its requests apart.
    async fn reach_target(&self, lane: &Lane, spec: &Spec, open: &OpenConfig) -> Option<OwnedMutexGuard<Target>> {
        let target = self.targets.get(lane.account, &spec.integration, &open.config)?;
        Some(self.turn_at(target.lock_owned().await).await)
    }

    async fn turn_at(&self, target: OwnedMutexGuard<Target>) -> OwnedMutexGuard<Target> {
        let wait = target.next_at.saturating_sub(self.clock.monotonic());
        if !wait.is_zero() {
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = self.stopping.cancelled() => {}
            }
        }
        target
    }

    /// When the next request is made, and the earliest time that an ordered target still takes.
    pub(super) fn moment(&self, lane: Option<&Lane>, spec: &Spec, target: Option<&Target>) -> Moment {
        let of_target = target.and_then(|target| target.last_stamp);
        let last = of_target.max(lane.and_then(|lane| lane.lock().courier.last_stamp()));
        let ordered = spec.integration.pace().filter(|pace| pace.ordered());
        let not_before = ordered.zip(last).map(|(pace, last)| last.plus(pace.spacing()));
        Moment { not_before, ..self.time().into() }
    }

    fn may_still_start(&self, lane: &Lane, spec: &Spec, load: &mut Load, count: usize) -> bool {
        if self.is_stopping() {
            lane.lock().courier.put_back(load);
            return false;
        }
        lane.may_still_start(spec, load, count)
    }

    async fn finish(self: &Arc<Self>, lane: &Arc<Lane>, spec: &Spec, load: Load, attempted: Attempted) {
        let Attempted { read, entries, took, stamp } = attempted;
        if let Some(failure) = &read.failure {
            tracing::info!(
                subscription = %lane.id,
                integration = spec.integration.key(),
                status = failure.status_code,
                entries,
                reason = failure.reason,
                "an attempt failed"
            );
        }
        let now = self.now();
        let records = record::records(&load, &read, took, now.wall);
        let stopped = {
            let mut state = lane.lock();
            let before = state.courier.mark().stops;
            if let Some(stamp) = stamp
                && read.results.is_accepted()
                && spec.integration.pace().is_some()
            {
                state.courier.stamped(stamp);
            }
            let died = state.courier.finish(&load, read.results, now, &self.settings.schedule, self.next_jitter());
            state.owe_letters(died.iter().map(|died| dead_letter(lane, died, now.wall)));
            record::keep(&mut state, records, &load, &died);
            if let Some(failure) = read.failure {
                state.courier.note_failure(failure, read.failed_entries);
            }
            if took >= SLOW {
                state.courier.was_slow();
            }
            state.courier.mark().stops != before
        };
        // Loaded long ago: the lane came from it.
        let Ok(account) = self.account(lane.account).await else { return };
        if stopped {
            account.rest(lane);
        }
        self.journal.note_lane(&account, lane, entries);
        if stopped {
            self.journal.hurry();
        }
    }
}

pub(crate) fn dead_letter(lane: &Lane, died: &Died, now: Timestamp) -> DeadLetter {
    DeadLetter {
        subscription: lane.id,
        sequence: died.entry.sequence,
        fate: died.fate,
        entry_id: died.entry.id.clone(),
        reason: serde_json::json!({ "name": died.reason.name, "text": died.reason.text }).to_string(),
        died_at: now,
        bytes: died.entry.bytes.to_vec(),
    }
}
