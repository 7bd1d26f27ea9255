//! What starts next: batches while it flows, single probes while it waits.

use std::{sync::Arc, time::Duration};

use domain::{Entry, Sequence};
use integrations::BatchLimits;

use super::{Courier, Flow, Load, PROBED_MAX, Phase, UNJOURNALED_MAX};

impl Courier {
    /// Takes the entries of the next request, if one may start now.
    pub fn take(&mut self, now: Duration, limits: BatchLimits) -> Option<Load> {
        if !self.flow_is_journaled || self.mark.outcomes - self.journaled >= UNJOURNALED_MAX {
            return None;
        }
        if self.pacing.ordered && self.in_flight_before > 0 {
            return None;
        }
        self.wake(now);
        let sequences = match &self.flow {
            Flow::Flowing if self.in_flight >= self.window => return None,
            Flow::Flowing => self.next_batch(limits),
            // An answer that is still under way may ask for a longer wait, which a probe must not end.
            Flow::Holding(wait) | Flow::Suspended(wait) if self.in_flight() > 0 || now < wait.until => return None,
            Flow::Holding(_) | Flow::Suspended(_) => self.next_probe().into_iter().collect(),
        };
        let entries: Vec<_> = sequences.iter().filter_map(|sequence| self.start(*sequence)).collect();
        if entries.is_empty() {
            return None;
        }
        self.in_flight += 1;
        Some(Load { entries, is_probe: self.flow != Flow::Flowing, revision: self.revision })
    }

    /// Gives back the entries of a request that was taken and did not start.
    pub fn put_back(&mut self, load: &Load) {
        self.landed(load);
        for entry in &load.entries {
            self.give_back(entry.sequence, load.revision);
        }
    }

    /// Gives back the entries after the first `count`, for which the request has no room; the
    /// others of it start.
    pub fn put_back_rest(&mut self, load: &mut Load, count: usize) {
        for entry in load.entries.drain(count.min(load.entries.len())..) {
            self.give_back(entry.sequence, load.revision);
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
            Flow::Flowing => self.waiting.first().map(|(due, _)| *due),
            Flow::Holding(wait) | Flow::Suspended(wait) => Some(wait.until),
        }
    }

    /// An entry that was in flight and has no fate. A newer revision judges it again.
    pub(super) fn give_back(&mut self, sequence: Sequence, revision: u64) {
        if revision == self.revision {
            self.park(sequence);
        } else if let Some(hole) = self.holes.get_mut(&sequence) {
            self.loaded_bytes -= hole.take_bytes();
            self.unread_count += 1;
        }
    }

    fn wake(&mut self, now: Duration) {
        while let Some((due, sequence)) = self.waiting.first().copied() {
            if due > now {
                return;
            }
            self.waiting.pop_first();
            if let Some(hole) = self.holes.get_mut(&sequence) {
                hole.due = None;
                hole.phase = Phase::Ready;
                self.ready.insert(sequence);
            }
        }
    }

    fn next_batch(&self, limits: BatchLimits) -> Vec<Sequence> {
        let mut batch = Vec::new();
        let mut most = limits.items_max.max(1);
        let mut bytes = 0;
        // In order, a batch is a beginning of what is unsettled.
        let mut order = self.holes.keys();
        for sequence in &self.ready {
            if self.pacing.ordered && order.next() != Some(sequence) {
                break;
            }
            let Some(hole) = self.holes.get(sequence) else { continue };
            let length = hole.entry.as_ref().map_or(0, |entry| entry.bytes.len());
            let too_much = bytes + length > limits.bytes_max && !batch.is_empty();
            most = most.min(hole.batch_max);
            if too_much || batch.len() >= most {
                break;
            }
            bytes += length;
            batch.push(*sequence);
        }
        batch
    }

    /// The entry to probe with. They take turns, so that one that never passes does not keep
    /// the others from showing that the destination is well; in order, only the first may go.
    fn next_probe(&self) -> Option<Sequence> {
        let most = if self.pacing.ordered { 1 } else { PROBED_MAX };
        let at_hand = |sequence: &Sequence| matches!(self.holes[sequence].phase, Phase::Ready | Phase::Waiting);
        let first: Vec<_> = match self.pacing.ordered {
            true => self.holes.keys().copied().take(1).filter(at_hand).collect(),
            false => self.holes.keys().copied().filter(at_hand).take(most).collect(),
        };
        let turn = usize::try_from(self.mark.stops).unwrap_or(0);
        (!first.is_empty()).then(|| first[turn % first.len()])
    }

    fn start(&mut self, sequence: Sequence) -> Option<Arc<Entry>> {
        let hole = self.holes.get_mut(&sequence)?;
        let entry = hole.entry.clone()?;
        if let (Phase::Waiting, Some(due)) = (hole.phase, hole.due) {
            self.waiting.remove(&(due.at, sequence));
        }
        self.ready.remove(&sequence);
        hole.phase = Phase::InFlight;
        Some(entry)
    }
}
