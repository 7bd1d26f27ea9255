//! The one queue of waits: subscriptions that wait have no task of their own.

use std::{
    collections::BTreeMap,
    sync::{Arc, Weak},
    time::Duration,
};

use domain::SubscriptionId;
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::Inner;
use crate::lane::Lane;

#[derive(Default)]
pub(crate) struct DueQueue {
    // One place for each moment and subscription, however often it is asked for.
    queue: Mutex<BTreeMap<(Duration, SubscriptionId), Weak<Lane>>>,
    sooner: Notify,
}

impl DueQueue {
    /// Looks at `lane` at this moment of the monotonic clock.
    pub(crate) fn push(&self, at: Duration, lane: &Arc<Lane>) {
        let mut queue = self.queue.lock();
        let is_first = queue.first_key_value().is_none_or(|((first, _), _)| at < *first);
        queue.insert((at, lane.id), Arc::downgrade(lane));
        drop(queue);
        if is_first {
            self.sooner.notify_one();
        }
    }

    fn pop_due(&self, now: Duration) -> Option<Weak<Lane>> {
        let mut queue = self.queue.lock();
        let ((at, _), _) = queue.first_key_value()?;
        if *at <= now { queue.pop_first().map(|(_, lane)| lane) } else { None }
    }

    fn next_at(&self) -> Option<Duration> {
        self.queue.lock().first_key_value().map(|((at, _), _)| *at)
    }
}

/// Looks at subscriptions when their waits end, until the engine ends.
pub(crate) async fn run(engine: &Arc<Inner>) {
    loop {
        let now = engine.clock.monotonic();
        while let Some(due) = engine.due.pop_due(now) {
            if let Some(lane) = due.upgrade() {
                lane.lock().queued_for = None;
                engine.pump(&lane);
            }
        }
        let wait = engine.due.next_at().map(|at| at.saturating_sub(engine.clock.monotonic()));
        tokio::select! {
            () = tokio::time::sleep(wait.unwrap_or(Duration::from_secs(3_600))) => {}
            () = engine.due.sooner.notified() => {}
            () = engine.stopping.cancelled() => return,
        }
    }
}
