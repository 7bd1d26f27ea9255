//! The one queue of waits: subscriptions that wait have no task of their own.

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    sync::{Arc, Weak},
    time::Duration,
};

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::Inner;
use crate::lane::Lane;

#[derive(Default)]
pub(crate) struct DueQueue {
    heap: Mutex<BinaryHeap<Reverse<Due>>>,
    sooner: Notify,
}

struct Due {
    at: Duration,
    lane: Weak<Lane>,
}

impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        self.at == other.at
    }
}

impl Eq for Due {}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Due {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.at.cmp(&other.at)
    }
}

impl DueQueue {
    /// Looks at `lane` at this moment of the monotonic clock.
    pub(crate) fn push(&self, at: Duration, lane: &Arc<Lane>) {
        let mut heap = self.heap.lock();
        let is_first = heap.peek().is_none_or(|Reverse(first)| at < first.at);
        heap.push(Reverse(Due { at, lane: Arc::downgrade(lane) }));
        drop(heap);
        if is_first {
            self.sooner.notify_one();
        }
    }

    fn pop_due(&self, now: Duration) -> Option<Due> {
        let mut heap = self.heap.lock();
        if heap.peek().is_some_and(|Reverse(first)| first.at <= now) { heap.pop().map(|Reverse(due)| due) } else { None }
    }

    fn next_at(&self) -> Option<Duration> {
        self.heap.lock().peek().map(|Reverse(first)| first.at)
    }
}

/// Looks at subscriptions when their waits end, until the engine ends.
pub(crate) async fn run(engine: &Arc<Inner>) {
    loop {
        let now = engine.clock.monotonic();
        while let Some(due) = engine.due.pop_due(now) {
            if let Some(lane) = due.lane.upgrade() {
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
