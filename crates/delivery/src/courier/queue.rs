//! Entries that were taken up and have no fate yet: those of the log, or those of a job.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use domain::{Entry, Sequence};
use integrations::BatchLimits;
use store::LetterFate;

use super::{Due, Hole, Phase, runs::Runs};
use crate::{decide::EntryTries, seldom::Blank};

#[derive(Debug, Default)]
pub(super) struct Queue {
    holes: BTreeMap<Sequence, Hole>,
    // Of their sequences, which are written down with every group of outcomes.
    runs: Runs,
    // All that may have failed, for the same reason; some of them have not.
    tried: BTreeSet<Sequence>,
    ready: BTreeSet<Sequence>,
    waiting: BTreeSet<(Duration, Sequence)>,
    unread_count: usize,
    loaded_bytes: usize,
}

static BLANK: Queue = Queue {
    holes: BTreeMap::new(),
    runs: Runs::new(),
    tried: BTreeSet::new(),
    ready: BTreeSet::new(),
    waiting: BTreeSet::new(),
    unread_count: 0,
    loaded_bytes: 0,
};

impl Blank for Queue {
    fn blank() -> &'static Self {
        &BLANK
    }

    fn is_blank(&self) -> bool {
        // All the rest is about these.
        self.holes.is_empty()
    }
}

impl Queue {
    pub(super) fn len(&self) -> usize {
        self.holes.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.holes.is_empty()
    }

    pub(super) fn ready_count(&self) -> usize {
        self.ready.len()
    }

    pub(super) fn unread_count(&self) -> usize {
        self.unread_count
    }

    /// Bytes of the entries at hand.
    pub(super) fn loaded_bytes(&self) -> usize {
        self.loaded_bytes
    }

    pub(super) fn first(&self) -> Option<(Sequence, Phase)> {
        self.holes.first_key_value().map(|(sequence, hole)| (*sequence, hole.phase))
    }

    pub(super) fn contains(&self, sequence: Sequence) -> bool {
        self.holes.contains_key(&sequence)
    }

    pub(super) fn hole(&self, sequence: Sequence) -> Option<&Hole> {
        self.holes.get(&sequence)
    }

    /// An entry that may have failed.
    pub(super) fn hole_mut(&mut self, sequence: Sequence) -> Option<&mut Hole> {
        let hole = self.holes.get_mut(&sequence)?;
        self.tried.insert(sequence);
        Some(hole)
    }

    /// First and last of each run of entries.
    pub(super) fn runs(&self) -> impl Iterator<Item = (u64, u64)> {
        debug_assert!(
            self.runs.iter().flat_map(|(first, last)| first..=last).eq(self.holes.keys().map(|sequence| sequence.0)),
            "{:?} of {:?}",
            self.runs,
            self.holes.keys()
        );
        self.runs.iter()
    }

    /// All entries that may have failed.
    pub(super) fn tried(&self) -> impl Iterator<Item = (Sequence, &Hole)> {
        self.tried.iter().filter_map(|sequence| Some((*sequence, self.holes.get(sequence)?)))
    }

    /// Takes up an entry; `letter` is what the ledger counts it as, if it was settled before.
    pub(super) fn insert(&mut self, entry: Arc<Entry>, letter: Option<LetterFate>) {
        let sequence = entry.sequence;
        self.loaded_bytes += entry.bytes.len();
        self.runs.insert(sequence);
        self.holes.insert(sequence, Hole { entry: Some(entry), phase: Phase::Ready, letter, ..Hole::unread() });
        self.ready.insert(sequence);
    }

    /// Takes up entries whose bytes are not at hand.
    pub(super) fn insert_unread(&mut self, sequences: impl Iterator<Item = Sequence>) {
        for sequence in sequences {
            self.holes.insert(sequence, Hole::unread());
            self.runs.insert(sequence);
            self.unread_count += 1;
        }
    }

    /// A run of entries that have failed.
    pub(super) fn tried_between(&mut self, first: Sequence, last: Sequence) -> impl Iterator<Item = &mut Hole> {
        let tried = &mut self.tried;
        self.holes.range_mut(first..=last.max(first)).map(|(sequence, hole)| {
            tried.insert(*sequence);
            hole
        })
    }

    /// The first entries whose bytes are not at hand, at most `count`.
    pub(super) fn unread(&self, count: usize) -> Vec<Sequence> {
        let unread = self.holes.iter().filter(|(_, hole)| hole.phase == Phase::Unread);
        unread.map(|(sequence, _)| *sequence).take(count.min(self.unread_count)).collect()
    }

    /// Brings the bytes of an unread entry; `false` when it is none.
    pub(super) fn read(&mut self, entry: &Arc<Entry>, letter: Option<LetterFate>) -> bool {
        let Some(hole) = self.holes.get_mut(&entry.sequence).filter(|hole| hole.phase == Phase::Unread) else {
            return false;
        };
        self.unread_count -= 1;
        self.loaded_bytes += entry.bytes.len();
        (hole.entry, hole.letter) = (Some(Arc::clone(entry)), letter);
        self.park(entry.sequence);
        true
    }

    /// Lets go of an unread entry; `false` when it is none.
    pub(super) fn remove_unread(&mut self, sequence: Sequence) -> bool {
        let is_unread = self.holes.get(&sequence).is_some_and(|hole| hole.phase == Phase::Unread);
        if is_unread {
            self.take(sequence);
            self.unread_count -= 1;
        }
        is_unread
    }

    /// Lets go of what is not in flight up to `last`; in order, which those were.
    pub(super) fn remove_waiting_to(&mut self, last: Sequence) -> Vec<Sequence> {
        let waits = |(_, hole): &(&Sequence, &Hole)| hole.phase != Phase::InFlight;
        let removed: Vec<_> = self.holes.range(..=last).filter(waits).map(|(sequence, _)| *sequence).collect();
        for sequence in &removed {
            let Some(mut hole) = self.take(*sequence) else { continue };
            self.unread_count -= usize::from(hole.phase == Phase::Unread);
            self.ready.remove(sequence);
            if let Some(due) = hole.due {
                self.waiting.remove(&(due.at, *sequence));
            }
            self.loaded_bytes -= hole.take_bytes();
        }
        removed
    }

    /// Lets go of an entry that was in flight and has its fate now.
    pub(super) fn remove_settled(&mut self, entry: &Entry) -> Option<Hole> {
        let hole = self.take(entry.sequence)?;
        self.loaded_bytes -= entry.bytes.len();
        Some(hole)
    }

    fn take(&mut self, sequence: Sequence) -> Option<Hole> {
        self.runs.remove(sequence);
        self.tried.remove(&sequence);
        self.holes.remove(&sequence)
    }

    pub(super) fn first_in_flight(&self) -> Option<Sequence> {
        self.holes.iter().find(|(_, hole)| hole.phase == Phase::InFlight).map(|(sequence, _)| *sequence)
    }

    /// The last entry up to `end`.
    pub(super) fn last_up_to(&self, end: Sequence) -> Option<Sequence> {
        self.holes.range(..=end).next_back().map(|(last, _)| *last)
    }

    /// Forgets the bytes of what is not in flight.
    pub(super) fn unload(&mut self) {
        for hole in self.holes.values_mut().filter(|hole| !matches!(hole.phase, Phase::InFlight | Phase::Unread)) {
            self.loaded_bytes -= hole.take_bytes();
            self.unread_count += 1;
        }
        self.ready.clear();
        self.waiting.clear();
    }

    /// Lets go of what is not in flight.
    pub(super) fn drop_idle(&mut self) {
        self.unload();
        let is_idle = |(_, hole): &(&Sequence, &Hole)| hole.phase != Phase::InFlight;
        let idle: Vec<_> = self.holes.iter().filter(is_idle).map(|(sequence, _)| *sequence).collect();
        for sequence in idle {
            self.take(sequence);
        }
        self.unread_count = 0;
    }

    /// Lets every entry start anew, as a new revision does.
    pub(super) fn forget_tries(&mut self) {
        self.tried.clear();
        for hole in self.holes.values_mut() {
            hole.tries = EntryTries::default();
            hole.batch_max = usize::MAX;
            hole.due = None;
        }
    }

    /// Lets an entry at hand wait for its own moment, if it has one, or be ready.
    pub(super) fn park(&mut self, sequence: Sequence) {
        let Some(hole) = self.holes.get_mut(&sequence) else { return };
        match hole.due {
            Some(due) => {
                hole.phase = Phase::Waiting;
                self.waiting.insert((due.at, sequence));
            }
            None => {
                hole.phase = Phase::Ready;
                self.ready.insert(sequence);
            }
        }
    }

    /// Lets an entry that was in flight be read again before it starts.
    pub(super) fn forget(&mut self, sequence: Sequence) {
        if let Some(hole) = self.holes.get_mut(&sequence) {
            self.loaded_bytes -= hole.take_bytes();
            self.unread_count += 1;
        }
    }

    pub(super) fn next_due(&self) -> Option<Duration> {
        self.waiting.first().map(|(due, _)| *due)
    }

    /// Makes those ready whose own waits are over.
    pub(super) fn wake(&mut self, now: Duration) {
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

    /// The entries of the next request.
    pub(super) fn next_batch(&self, ordered: bool, limits: BatchLimits) -> Vec<Sequence> {
        let mut batch = Vec::new();
        let mut most = limits.items_max.max(1) as usize;
        let mut bytes = 0;
        // In order, a batch is a beginning of what is unsettled.
        let mut order = self.holes.keys();
        for sequence in &self.ready {
            if ordered && order.next() != Some(sequence) {
                break;
            }
            let Some(hole) = self.holes.get(sequence) else { continue };
            let length = hole.entry.as_ref().map_or(0, |entry| entry.bytes.len());
            let too_much = bytes + length > limits.bytes_max as usize && !batch.is_empty();
            most = most.min(hole.batch_max);
            if too_much || batch.len() >= most {
                break;
            }
            bytes += length;
            batch.push(*sequence);
        }
        batch
    }

    /// The entry to probe with, of the first `most`. They take turns, so that one that never
    /// passes does not keep the others from showing that the destination is well; in order,
    /// only the first may go.
    pub(super) fn next_probe(&self, ordered: bool, most: usize, turn: u64) -> Option<Sequence> {
        let at_hand = |sequence: &Sequence| matches!(self.holes[sequence].phase, Phase::Ready | Phase::Waiting);
        let first: Vec<_> = match ordered {
            true => self.holes.keys().copied().take(1).filter(at_hand).collect(),
            false => self.holes.keys().copied().filter(at_hand).take(most).collect(),
        };
        let turn = usize::try_from(turn).unwrap_or(0);
        (!first.is_empty()).then(|| first[turn % first.len()])
    }

    /// Puts an entry at hand in flight.
    pub(super) fn start(&mut self, sequence: Sequence) -> Option<Arc<Entry>> {
        let hole = self.holes.get_mut(&sequence)?;
        let entry = hole.entry.clone()?;
        if let (Phase::Waiting, Some(due)) = (hole.phase, hole.due) {
            self.waiting.remove(&(due.at, sequence));
        }
        self.ready.remove(&sequence);
        hole.phase = Phase::InFlight;
        Some(entry)
    }

    /// Lets one entry wait while others go on, and be tried again with at most `batch_max`.
    pub(super) fn wait(&mut self, sequence: Sequence, due: Due, batch_max: usize) {
        let Some(hole) = self.hole_mut(sequence) else { return };
        hole.due = Some(due);
        hole.batch_max = hole.batch_max.min(batch_max);
        self.park(sequence);
    }
}
