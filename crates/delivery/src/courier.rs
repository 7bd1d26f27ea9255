//! What one subscription does next. Pure: the engine brings entries, outcomes and times, and
//! performs what is chosen.
//!
//! Every entry up to the frontier was judged. The unsettled ones among them are the holes;
//! the position is where the first hole begins. Deliberately absent: sending, the log, locks.

mod detail;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use domain::{Entry, Sequence, Timestamp};
use integrations::BatchLimits;
use store::Counts;

use crate::{
    decide::{EntryTries, Fate, Health, Jitter, Next, Schedule, decide},
    outcome::{Outcome, Reason},
    status::Failure,
};

/// Most unsettled entries that one subscription holds below its frontier.
pub const HOLES_MAX: usize = 1_024;
/// Bytes of entries that one subscription keeps in memory; one more entry always fits.
const LOADED_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Probes rotate over this many of the first unsettled entries.
const PROBED_MAX: usize = 16;

/// The state of one subscription's deliveries.
#[derive(Debug)]
pub struct Courier {
    frontier: Sequence,
    holes: BTreeMap<Sequence, Hole>,
    ready: BTreeSet<Sequence>,
    waiting: BTreeSet<(Duration, Sequence)>,
    loaded_bytes: usize,
    in_flight: u32,
    window: u32,
    pacing: Pacing,
    round: u32,
    last_stamp: Option<Timestamp>,
    health: Health,
    flow: Flow,
    // A stop is written down before the next request, so that a crash cannot forget it.
    flow_is_journaled: bool,
    stops: u64,
    counts: Counts,
    record: Record,
}

/// How requests of a subscription may follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pacing {
    /// Most requests in flight.
    pub window_max: u32,
    /// Whether entries go in the order of the log: then one at a time, and none passes another.
    pub ordered: bool,
}

#[derive(Debug)]
struct Hole {
    entry: Option<Arc<Entry>>,
    tries: EntryTries,
    phase: Phase,
    // Halved when a batch with it was refused whole, so that the culprit ends up alone.
    batch_max: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Its bytes have to be read first.
    Unread,
    Ready,
    Waiting(Duration),
    InFlight,
}

/// Whether requests may start.
#[derive(Clone, Debug, PartialEq)]
pub enum Flow {
    /// They may.
    Flowing,
    /// Not before `wait` is over; then one at a time until one is accepted.
    Holding(Wait),
    /// The same, and only a change or an accepted probe ends it.
    Suspended(Wait),
}

/// A wait of a whole subscription.
#[derive(Clone, Debug, PartialEq)]
pub struct Wait {
    /// End by the monotonic clock.
    pub until: Duration,
    /// End by the wall clock, to show and to keep.
    pub until_wall: Timestamp,
    /// Its length, so that a jump of the wall clock cannot make it longer.
    pub length: Duration,
    /// Why.
    pub reason: Reason,
}

/// What users see of the past.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Record {
    /// Entries accepted.
    pub success_count: u64,
    /// Failed attempts of entries.
    pub error_count: u64,
    /// When an entry was last accepted.
    pub last_success: Option<Timestamp>,
    /// When an attempt last failed.
    pub last_error: Option<Timestamp>,
    /// Newest first.
    pub errors: Vec<Failure>,
}

/// Both clocks at one moment.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// For waiting.
    pub monotonic: Duration,
    /// For showing and keeping.
    pub wall: Timestamp,
}

/// Entries for one request.
#[derive(Clone, Debug)]
pub struct Load {
    /// At least one, in the order of the log.
    pub entries: Vec<Arc<Entry>>,
    /// Whether its acceptance ends a hold or a suspension.
    pub is_probe: bool,
}

/// What came of a request.
#[derive(Clone, Debug)]
pub enum Results {
    /// The same for all its entries.
    Whole(Outcome),
    /// One for each, in order.
    Each(Vec<Outcome>),
}

/// A dead letter to be written down.
#[derive(Clone, Debug)]
pub struct Died {
    /// The entry.
    pub entry: Arc<Entry>,
    /// Why.
    pub reason: Reason,
}

impl Courier {
    /// A courier that has judged everything up to `frontier` and holds nothing.
    pub fn new(frontier: Sequence, pacing: Pacing) -> Self {
        Self {
            frontier,
            holes: BTreeMap::new(),
            ready: BTreeSet::new(),
            waiting: BTreeSet::new(),
            loaded_bytes: 0,
            in_flight: 0,
            window: 1,
            pacing,
            round: 0,
            last_stamp: None,
            health: Health::default(),
            flow: Flow::Flowing,
            flow_is_journaled: true,
            stops: 0,
            counts: Counts::default(),
            record: Record::default(),
        }
    }

    /// Up to here every entry was judged.
    pub fn frontier(&self) -> Sequence {
        self.frontier
    }

    /// Up to here every entry has its fate.
    pub fn position(&self) -> Sequence {
        self.holes.first_key_value().map_or(self.frontier, |(first, _)| first.previous())
    }

    /// Entries judged and not settled.
    pub fn unsettled(&self) -> usize {
        self.holes.len()
    }

    /// Requests that have been taken and not finished.
    pub fn in_flight(&self) -> u32 {
        self.in_flight
    }

    /// Whether requests may start.
    pub fn flow(&self) -> &Flow {
        &self.flow
    }

    /// What users see of the past.
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// Whether nothing is unsettled and nothing is being waited for.
    pub fn is_idle(&self) -> bool {
        self.holes.is_empty() && self.in_flight == 0 && self.flow == Flow::Flowing
    }

    /// Whether another matching entry can be taken up.
    pub fn has_room(&self) -> bool {
        self.holes.len() < HOLES_MAX && self.loaded_bytes < LOADED_BYTES_MAX
    }

    /// Whether so little is at hand that reading ahead is worth it.
    pub fn wants_more(&self) -> bool {
        match self.flow {
            Flow::Flowing => self.has_room() && self.ready.len() < HOLES_MAX / 2,
            // A probe needs one entry.
            Flow::Holding(_) | Flow::Suspended(_) => self.in_flight == 0 && self.loaded_bytes == 0,
        }
    }

    /// Takes note that all entries up to `sequence` were judged and none of them is to be sent.
    pub fn pass_to(&mut self, sequence: Sequence) {
        self.frontier = self.frontier.max(sequence);
    }

    /// Takes up a matching entry. Those between it and the frontier did not match.
    pub fn accept(&mut self, entry: Arc<Entry>) {
        let sequence = entry.sequence;
        debug_assert!(sequence > self.frontier, "an entry is judged once");
        self.frontier = sequence;
        self.loaded_bytes += entry.bytes.len();
        let tries = EntryTries::default();
        self.holes.insert(sequence, Hole { entry: Some(entry), tries, phase: Phase::Ready, batch_max: usize::MAX });
        self.ready.insert(sequence);
    }

    /// The first unsettled entries whose bytes are not at hand, at most `count`.
    pub fn unread(&self, count: usize) -> Vec<Sequence> {
        let unread = self.holes.iter().filter(|(_, hole)| hole.phase == Phase::Unread);
        unread.map(|(sequence, _)| *sequence).take(count).collect()
    }

    /// Brings the bytes of an unread entry, and whether the present revision still wants it.
    pub fn read(&mut self, entry: &Arc<Entry>, matches: bool) {
        let Some(hole) = self.holes.get_mut(&entry.sequence) else { return };
        if hole.phase != Phase::Unread {
            return;
        }
        if !matches {
            self.holes.remove(&entry.sequence);
            return;
        }
        self.loaded_bytes += entry.bytes.len();
        hole.entry = Some(Arc::clone(entry));
        hole.phase = Phase::Ready;
        self.ready.insert(entry.sequence);
    }

    /// Settles an unread entry that the log has no more.
    pub fn expire(&mut self, sequence: Sequence) {
        if self.holes.get(&sequence).is_some_and(|hole| hole.phase == Phase::Unread) {
            self.holes.remove(&sequence);
            self.counts.skipped += 1;
        }
    }

    /// Forgets the bytes of what is not in flight, as for a new revision or a long wait.
    pub fn unload(&mut self) {
        for hole in self.holes.values_mut().filter(|hole| hole.phase != Phase::InFlight) {
            if let Some(entry) = hole.entry.take() {
                self.loaded_bytes -= entry.bytes.len();
            }
            hole.phase = Phase::Unread;
        }
        self.ready.clear();
        self.waiting.clear();
    }

    /// Starts anew under another revision. Only a wait that the destination asked for stays.
    pub fn revise(&mut self, pacing: Pacing) {
        self.unload();
        self.pacing = pacing;
        self.health = Health::default();
        self.window = 1;
        self.round = 0;
        if !matches!(self.flow, Flow::Holding(_)) {
            self.flow = Flow::Flowing;
        }
    }

    /// Takes the entries of the next request, if one may start now.
    pub fn take(&mut self, now: Duration, limits: BatchLimits) -> Option<Load> {
        if !self.flow_is_journaled {
            return None;
        }
        self.wake(now);
        let sequences = match &self.flow {
            Flow::Flowing if self.in_flight >= self.window => return None,
            Flow::Flowing => self.next_batch(limits),
            Flow::Holding(wait) | Flow::Suspended(wait) if self.in_flight > 0 || now < wait.until => return None,
            Flow::Holding(_) | Flow::Suspended(_) => self.next_probe().into_iter().collect(),
        };
        if sequences.is_empty() {
            return None;
        }
        let is_probe = self.flow != Flow::Flowing;
        let entries = sequences.iter().filter_map(|sequence| self.start(*sequence)).collect();
        self.in_flight += 1;
        Some(Load { entries, is_probe })
    }

    /// Gives back the entries of a request that was taken and did not start.
    pub fn put_back(&mut self, load: &Load) {
        self.in_flight -= 1;
        self.put_back_rest(&load.entries);
    }

    /// Gives back entries that a request has no room for; the others of it start.
    pub fn put_back_rest(&mut self, entries: &[Arc<Entry>]) {
        for entry in entries {
            self.set_ready(entry.sequence);
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

    /// Applies what came of a request; gives back the dead letters.
    pub fn finish(
        &mut self,
        load: &Load,
        results: Results,
        now: Now,
        schedule: &Schedule,
        jitter: Jitter,
    ) -> Vec<Died> {
        self.in_flight -= 1;
        let before = self.health.acceptances;
        let was_flowing = self.flow == Flow::Flowing;
        // What was under way when the subscription stopped says nothing new about it.
        let counts = was_flowing || load.is_probe;
        let mut died = Vec::new();
        match results {
            Results::Whole(outcome) if is_refusal(&outcome) && load.entries.len() > 1 => {
                self.halve(load);
            }
            Results::Whole(outcome) => {
                if counts {
                    self.health = self.health.after(&outcome);
                }
                for entry in &load.entries {
                    died.extend(self.settle_one(entry, &outcome, now, schedule, jitter, counts));
                }
            }
            Results::Each(outcomes) => {
                for (entry, outcome) in load.entries.iter().zip(outcomes) {
                    if counts {
                        self.health = self.health.after(&outcome);
                    }
                    died.extend(self.settle_one(entry, &outcome, now, schedule, jitter, counts));
                }
            }
        }
        let accepted = self.health.acceptances > before;
        if load.is_probe && accepted {
            self.flow = Flow::Flowing;
            self.restart_window();
        } else if accepted && was_flowing {
            self.widen();
        }
        died
    }

    /// A request that took long although it was accepted: the window starts anew.
    pub fn was_slow(&mut self) {
        self.restart_window();
    }

    /// The greatest time that an ordered destination has accepted.
    pub fn last_stamp(&self) -> Option<Timestamp> {
        self.last_stamp
    }

    /// Takes note of a time that an ordered destination has accepted.
    pub fn stamped(&mut self, stamp: Timestamp) {
        self.last_stamp = self.last_stamp.max(Some(stamp));
    }

    /// How often it has stopped; names the stop that a journal write includes.
    pub fn stops(&self) -> u64 {
        self.stops
    }

    /// Takes note that everything up to this stop was written down.
    pub fn journaled(&mut self, stops: u64) {
        self.flow_is_journaled |= stops == self.stops;
    }

    /// Keeps a failure for people to see.
    pub fn note_failure(&mut self, failure: Failure, entries: u64) {
        self.record.error_count += entries;
        self.record.last_error = Some(failure.at);
        self.record.errors.insert(0, failure);
        self.record.errors.truncate(Failure::KEPT);
    }

    fn settle_one(
        &mut self,
        entry: &Arc<Entry>,
        outcome: &Outcome,
        now: Now,
        schedule: &Schedule,
        jitter: Jitter,
        counts: bool,
    ) -> Option<Died> {
        let health = self.health;
        let hole = self.holes.get_mut(&entry.sequence)?;
        if counts && matches!(outcome, Outcome::Unavailable(_)) {
            hole.tries = hole.tries.after_failure(&health);
        }
        match decide(outcome, &hole.tries, &health, schedule, jitter) {
            Next::Settle(fate) => return self.settle(entry, fate, now),
            _ if !counts => {
                // Only a wait that the destination asked for is taken over.
                self.set_ready(entry.sequence);
                if let (Outcome::Throttled { retry_after: Some(asked), reason }, Flow::Holding(wait)) =
                    (outcome, &self.flow)
                {
                    let asked = (*asked).min(schedule.retry_after_max);
                    if now.monotonic + asked > wait.until {
                        self.stop(asked, reason.clone(), now, Flow::Holding);
                    }
                }
            }
            Next::Retry { after } => {
                self.restart_window();
                self.set_waiting(entry.sequence, now.monotonic + after);
            }
            Next::Hold { after } => {
                self.set_ready(entry.sequence);
                self.stop(after, reason_of(outcome), now, Flow::Holding);
            }
            Next::Suspend { after } => {
                self.set_ready(entry.sequence);
                self.health.probes = self.health.probes.saturating_add(1);
                self.stop(after, reason_of(outcome), now, Flow::Suspended);
            }
        }
        None
    }

    fn settle(&mut self, entry: &Arc<Entry>, fate: Fate, now: Now) -> Option<Died> {
        self.holes.remove(&entry.sequence)?;
        self.loaded_bytes -= entry.bytes.len();
        match fate {
            Fate::Delivered => {
                self.counts.delivered += 1;
                self.record.success_count += 1;
                self.record.last_success = Some(now.wall);
                None
            }
            Fate::Filtered => None,
            Fate::Skipped(_) => {
                self.counts.skipped += 1;
                None
            }
            Fate::Dead(reason) => {
                self.counts.dead += 1;
                Some(Died { entry: Arc::clone(entry), reason })
            }
        }
    }

    fn stop(&mut self, length: Duration, reason: Reason, now: Now, flow: fn(Wait) -> Flow) {
        let wait = Wait { until: now.monotonic + length, until_wall: now.wall.plus(length), length, reason };
        self.flow = flow(wait);
        self.flow_is_journaled = false;
        self.stops += 1;
        self.restart_window();
    }

    fn halve(&mut self, load: &Load) {
        let most = (load.entries.len() / 2).max(1);
        for entry in &load.entries {
            if let Some(hole) = self.holes.get_mut(&entry.sequence) {
                hole.batch_max = most;
            }
            self.set_ready(entry.sequence);
        }
    }

    fn wake(&mut self, now: Duration) {
        while let Some((due, sequence)) = self.waiting.first().copied() {
            if due > now {
                return;
            }
            self.waiting.pop_first();
            self.set_ready(sequence);
        }
    }

    fn next_batch(&self, limits: BatchLimits) -> Vec<Sequence> {
        let first_waits = self.holes.keys().next() != self.ready.first();
        if self.pacing.ordered && first_waits {
            return Vec::new();
        }
        let mut batch = Vec::new();
        let mut most = limits.items_max.max(1);
        let mut bytes = 0;
        for sequence in &self.ready {
            let Some(hole) = self.holes.get(sequence) else { continue };
            let length = hole.entry.as_ref().map_or(0, |entry| entry.bytes.len());
            let too_much = bytes + length > limits.bytes_max && !batch.is_empty();
            if too_much || batch.len() + 1 > most.min(hole.batch_max) {
                break;
            }
            most = most.min(hole.batch_max);
            bytes += length;
            batch.push(*sequence);
        }
        batch
    }

    fn next_probe(&self) -> Option<Sequence> {
        let first: Vec<_> = self
            .holes
            .iter()
            .filter(|(_, hole)| hole.entry.is_some() && hole.phase != Phase::InFlight)
            .map(|(sequence, _)| *sequence)
            .take(PROBED_MAX)
            .collect();
        let turn = usize::try_from(self.health.probes).unwrap_or(0);
        (!first.is_empty()).then(|| first[turn % first.len()])
    }

    fn start(&mut self, sequence: Sequence) -> Option<Arc<Entry>> {
        let hole = self.holes.get_mut(&sequence)?;
        if let Phase::Waiting(due) = hole.phase {
            self.waiting.remove(&(due, sequence));
        }
        self.ready.remove(&sequence);
        hole.phase = Phase::InFlight;
        hole.entry.clone()
    }

    fn set_ready(&mut self, sequence: Sequence) {
        if let Some(hole) = self.holes.get_mut(&sequence) {
            hole.phase = Phase::Ready;
            self.ready.insert(sequence);
        }
    }

    fn set_waiting(&mut self, sequence: Sequence, due: Duration) {
        if let Some(hole) = self.holes.get_mut(&sequence) {
            hole.phase = Phase::Waiting(due);
            self.waiting.insert((due, sequence));
        }
    }

    fn widen(&mut self) {
        self.round += 1;
        if self.round >= self.window {
            self.window = (self.window * 2).min(if self.pacing.ordered { 1 } else { self.pacing.window_max });
            self.round = 0;
        }
    }

    fn restart_window(&mut self) {
        self.window = 1;
        self.round = 0;
    }
}

fn is_refusal(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Refused(_))
}

fn reason_of(outcome: &Outcome) -> Reason {
    outcome.reason().cloned().unwrap_or_else(|| Reason::new("unknown", "unknown"))
}
