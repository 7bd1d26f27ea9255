//! What starts next: batches while it flows, single probes while it waits.

use std::time::Duration;

use domain::{JobId, Sequence};
use integrations::BatchLimits;
use store::JobKind;

use super::{Courier, Flow, Load, PROBED_MAX, UNJOURNALED_MAX};

/// Where the entries of a request come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// From the log, for the first time.
    Log,
    /// From a job.
    Job {
        /// Its id.
        id: JobId,
        /// What it sends.
        kind: JobKind,
    },
}

impl Load {
    /// Whether it is a redelivery: what was passed over for its age is sent after all.
    pub fn redelivers(&self) -> bool {
        matches!(self.source, Source::Job { kind: JobKind::Redelivery, .. })
    }
}

impl Courier {
    /// Takes the entries of the next request, if one may start now.
    pub fn take(&mut self, now: Duration, limits: BatchLimits) -> Option<Load> {
        if !self.may_take() {
            return None;
        }
        if let Some(live) = self.live.get_mut() {
            live.wake(now);
        }
        let sequences = match &self.flow {
            Flow::Flowing if self.in_flight >= self.window => return None,
            Flow::Flowing => self.live.next_batch(self.pacing.ordered, limits),
            // An answer that is still under way may ask for a longer wait, which a probe must not end.
            Flow::Holding(wait) | Flow::Suspended(wait) if self.in_flight() > 0 || now < wait.until => return None,
            Flow::Holding(_) | Flow::Suspended(_) => {
                self.live.next_probe(self.pacing.ordered, PROBED_MAX, self.mark.stops).into_iter().collect()
            }
        };
        self.load(Source::Log, &sequences)
    }

    /// Whether a request may be taken as far as journal and order go.
    pub(super) fn may_take(&self) -> bool {
        let is_written = self.flow_is_journaled && self.mark.outcomes - self.journaled < UNJOURNALED_MAX;
        is_written && !(self.pacing.ordered && self.in_flight_before > 0)
    }

    /// Puts entries in flight; none, no request.
    pub(super) fn load(&mut self, source: Source, sequences: &[Sequence]) -> Option<Load> {
        let queue = self.queue_of(source)?;
        let entries: Vec<_> = sequences.iter().filter_map(|sequence| queue.start(*sequence)).collect();
        if entries.is_empty() {
            return None;
        }
        self.in_flight += 1;
        Some(Load { entries, is_probe: self.flow != Flow::Flowing, source, revision: self.revision })
    }

    /// Whether a request that was taken may still start for the sake of its job.
    pub fn may_still_start(&self, load: &Load) -> bool {
        match load.source {
            Source::Log => true,
            Source::Job { id, .. } => self.job().is_some_and(|job| job.id() == id && !job.is_stopped()),
        }
    }

    /// Gives back the entries of a request that was taken and did not start.
    pub fn put_back(&mut self, load: &Load) {
        self.landed(load);
        for entry in &load.entries {
            self.give_back(entry.sequence, load);
        }
    }

    /// Gives back the entries after the first `count`, for which the request has no room; the
    /// others of it start.
    pub fn put_back_rest(&mut self, load: &mut Load, count: usize) {
        for entry in load.entries.split_off(count.min(load.entries.len())) {
            self.give_back(entry.sequence, load);
        }
    }

    /// Whether a request could start now if the entry were read; then reading is worth it.
    pub fn may_start(&self, now: Duration) -> bool {
        match &self.flow {
            Flow::Flowing => true,
            Flow::Holding(wait) | Flow::Suspended(wait) => now >= wait.until,
        }
    }

    /// The next moment at which something may start by the clock alone.
    pub fn next_due(&self) -> Option<Duration> {
        match &self.flow {
            Flow::Flowing => {
                let of_job = self.job.as_ref().and_then(|job| job.queue.next_due());
                self.live.next_due().into_iter().chain(of_job).min()
            }
            Flow::Holding(wait) | Flow::Suspended(wait) => Some(wait.until),
        }
    }

    /// An entry that was in flight and has no fate. A newer revision judges it again, and a job
    /// that was stopped lets it go.
    pub(super) fn give_back(&mut self, sequence: Sequence, load: &Load) {
        let is_current = load.revision == self.revision;
        let may_start = self.may_still_start(load);
        let Some(queue) = self.queue_of(load.source) else { return };
        match is_current && may_start {
            true => queue.park(sequence),
            false => queue.forget(sequence),
        }
        if !may_start {
            queue.remove_unread(sequence);
        }
    }
}
