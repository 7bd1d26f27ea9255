//! Counts of attempts since the start, by integration.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;

use crate::outcome::OutcomeKind;

/// Upper bounds of the buckets of durations; beyond the last one there is one more.
pub const DURATION_BOUNDS: [Duration; 7] = [
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(250),
    Duration::from_secs(1),
    Duration::from_secs(5),
    Duration::from_secs(15),
    Duration::from_secs(60),
];

/// What the attempts of the subscriptions to one integration came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AttemptFigures {
    /// Attempts with this outcome, in the order of [`OutcomeKind::ALL`].
    pub outcomes: [u64; OutcomeKind::ALL.len()],
    /// Requests that took at most [`DURATION_BOUNDS`] and longer than the bound before; the last
    /// count is of those that took longer than all.
    pub durations: [u64; DURATION_BOUNDS.len() + 1],
    /// How long the requests took together.
    pub took: Duration,
    /// Attempts that were counted and not recorded, for want of room.
    pub unrecorded: u64,
}

/// Counts the attempts of one integration.
#[derive(Debug, Default)]
pub(crate) struct AttemptCounters {
    outcomes: [AtomicU64; OutcomeKind::ALL.len()],
    durations: [AtomicU64; DURATION_BOUNDS.len() + 1],
    took_micros: AtomicU64,
    unrecorded: AtomicU64,
}

impl AttemptCounters {
    /// Counts an attempt; `took` is given where a request was made.
    pub(crate) fn count(&self, outcome: OutcomeKind, took: Option<Duration>) {
        self.outcomes[outcome as usize].fetch_add(1, Ordering::Relaxed);
        if let Some(took) = took {
            let bucket = DURATION_BOUNDS.partition_point(|bound| *bound < took);
            self.durations[bucket].fetch_add(1, Ordering::Relaxed);
            self.took_micros.fetch_add(u64::try_from(took.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
        }
    }

    /// Counts attempts that were not recorded.
    pub(crate) fn count_unrecorded(&self, attempts: u64) {
        self.unrecorded.fetch_add(attempts, Ordering::Relaxed);
    }

    fn figures(&self) -> AttemptFigures {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        AttemptFigures {
            outcomes: self.outcomes.each_ref().map(read),
            durations: self.durations.each_ref().map(read),
            took: Duration::from_micros(read(&self.took_micros)),
            unrecorded: read(&self.unrecorded),
        }
    }
}

/// The counters of all integrations.
#[derive(Default)]
pub(crate) struct AllCounters(Mutex<BTreeMap<String, Arc<AttemptCounters>>>);

impl AllCounters {
    /// Those of one integration.
    pub(crate) fn of(&self, integration: &str) -> Arc<AttemptCounters> {
        let mut all = self.0.lock();
        match all.get(integration) {
            Some(counters) => Arc::clone(counters),
            None => Arc::clone(all.entry(integration.to_owned()).or_default()),
        }
    }

    pub(crate) fn figures(&self) -> BTreeMap<String, AttemptFigures> {
        self.0.lock().iter().map(|(key, counters)| (key.clone(), counters.figures())).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{AttemptCounters, DURATION_BOUNDS};
    use crate::outcome::OutcomeKind;

    #[test]
    fn an_attempt_is_counted_by_its_outcome_and_in_the_narrowest_bucket() {
        for (place, outcome) in OutcomeKind::ALL.into_iter().enumerate() {
            let counters = AttemptCounters::default();
            counters.count(outcome, None);
            let figures = counters.figures();
            assert_eq!((figures.outcomes[place], figures.outcomes.iter().sum::<u64>()), (1, 1), "{outcome:?}");
            assert_eq!(figures.durations.iter().sum::<u64>(), 0);
        }
        let counters = AttemptCounters::default();
        let micro = Duration::from_micros(1);
        for took in [Duration::ZERO, DURATION_BOUNDS[0], DURATION_BOUNDS[0] + micro, DURATION_BOUNDS[6] + micro] {
            counters.count(OutcomeKind::Accepted, Some(took));
        }
        assert_eq!(counters.figures().durations, [2, 1, 0, 0, 0, 0, 0, 1]);
        assert_eq!(counters.figures().took, DURATION_BOUNDS[0] * 2 + DURATION_BOUNDS[6] + micro * 2);
    }
}
