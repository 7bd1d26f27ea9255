//! Matches the log again and compares. Pure: the caller brings the ledger and the entries.

use std::fmt;

use domain::{Access, Sequence};
use policy::Policy;
use store::Ledger;

use crate::courier::holes_of;

/// Something that is not as it must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// What was counted.
    pub what: String,
    /// How many there must be, by the log and the rows that are kept.
    pub expected: i128,
    /// How many there are.
    pub found: i128,
    /// First and last sequence among which it lies, as near as can be told.
    pub range: (Sequence, Sequence),
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, expected, found, range: (first, last) } = self;
        write!(f, "{what}: expected {expected}, found {found}, among {first} to {last}")
    }
}

/// What a check came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Everything that is not as it must be.
    pub differences: Vec<Difference>,
    /// The last sequence of those that retention took, which could not be matched again.
    pub gone_until: Option<Sequence>,
}

/// The check of one subscription, as far as it is done.
pub struct Check {
    ledger: Ledger,
    start: u64,
    frontier: u64,
    judges: Vec<Judge>,
    /// Runs of unsettled entries.
    holes: Vec<(u64, u64)>,
    skipped: Vec<(u64, u64)>,
    /// Up to here the log was looked at.
    done: u64,
    gone_until: Option<u64>,
    matched: u64,
    differences: Vec<Difference>,
    strays: [Stray; STRAYS],
}

/// A revision, as a judge of what comes after a sequence.
struct Judge {
    after: u64,
    on: bool,
    policy: Policy,
}

/// Entries that must not be there.
#[derive(Clone, Copy, Debug, Default)]
struct Stray {
    count: u64,
    first: u64,
    last: u64,
}

const STRAYS: usize = 4;
/// What the strays are, in the order of the constants below.
const STRAY_NAMES: [&str; STRAYS] = [
    "unsettled entries that no policy wanted",
    "dead letters that no policy wanted",
    "entries judged while it was off",
    "entries that the log lacks",
];
const UNWANTED_HOLE: usize = 0;
const UNWANTED_LETTER: usize = 1;
const JUDGED_WHILE_OFF: usize = 2;
const MISSING: usize = 3;

impl Check {
    /// Begins the check of a whole ledger: all its lists have to be complete.
    pub fn new(ledger: Ledger) -> Self {
        let start = ledger.start.map_or(0, |start| start.0);
        let progress = ledger.progress.as_ref();
        let frontier = progress.and_then(|progress| progress.frontier).map_or(start, |frontier| frontier.0);
        let skipped = ledger.skipped.iter().map(|range| (range.first.0, range.last.0)).collect();
        let mut check = Self {
            start,
            frontier,
            judges: Vec::new(),
            holes: Vec::new(),
            skipped,
            done: start,
            gone_until: None,
            matched: 0,
            differences: Vec::new(),
            strays: [Stray::default(); STRAYS],
            ledger,
        };
        check.read_holes();
        check.read_judges();
        check.compare_rows();
        check
    }

    /// The entries after this one are wanted next; `None` when it has seen all.
    pub fn wants_after(&self) -> Option<Sequence> {
        (self.done < self.frontier).then_some(Sequence(self.done))
    }

    /// Takes note that retention took the entries up to `last`.
    pub fn gone(&mut self, last: Sequence) {
        let last = last.0.min(self.frontier);
        if last > self.done {
            self.done = last;
            self.gone_until = Some(last);
        }
    }

    /// Matches the next entry of the log again. Those before the first that is wanted, and those
    /// after the last, change nothing.
    pub fn take(&mut self, sequence: Sequence, accesses: &[Access]) {
        let sequence = sequence.0;
        if sequence <= self.done || self.done >= self.frontier {
            return;
        }
        if sequence > self.done + 1 {
            self.strays[MISSING].note(self.done + 1, (sequence - 1).min(self.frontier));
        }
        self.done = sequence.min(self.frontier);
        if sequence > self.frontier {
            return;
        }
        if holds(&self.skipped, sequence) {
            return;
        }
        let judge = self.judges.partition_point(|judge| judge.after < sequence).checked_sub(1);
        let Some(judge) = judge.map(|at| &self.judges[at]) else { return };
        if !judge.on {
            self.strays[JUDGED_WHILE_OFF].note(sequence, sequence);
        }
        if judge.policy.allows(accesses) {
            self.matched += 1;
            return;
        }
        if holds(&self.holes, sequence) {
            self.strays[UNWANTED_HOLE].note(sequence, sequence);
        }
        let is_letter = |letters: &[Sequence]| letters.binary_search(&Sequence(sequence)).is_ok();
        if is_letter(&self.ledger.dead) || is_letter(&self.ledger.late) {
            self.strays[UNWANTED_LETTER].note(sequence, sequence);
        }
    }

    /// What the check came to. `changed` are the dead letters whose copy is not what the log has.
    pub fn end(mut self, changed: &[Sequence]) -> (Ledger, Report) {
        if self.done < self.frontier {
            self.strays[MISSING].note(self.done + 1, self.frontier);
        }
        for (stray, what) in self.strays.into_iter().zip(STRAY_NAMES).filter(|(stray, _)| stray.count > 0) {
            self.differ(what, (0, stray.count), (stray.first, stray.last));
        }
        if let (Some(first), Some(last)) = (changed.first(), changed.last()) {
            self.differ("dead letters with another content than the log", (0, changed.len() as u64), (first.0, last.0));
        }
        self.compare_counts();
        let gone_until = self.gone_until.map(Sequence);
        (self.ledger, Report { differences: self.differences, gone_until })
    }

    fn read_holes(&mut self) {
        let Some(progress) = &self.ledger.progress else { return };
        match holes_of(&progress.detail) {
            Ok(holes) => self.holes = holes,
            Err(_) => self.differ("progress that cannot be read", (0, 1), (self.start + 1, self.frontier)),
        }
        let outside = |(first, last): &&(u64, u64)| *first <= self.start || *last > self.frontier;
        if let Some(range) = self.holes.iter().find(outside).copied() {
            self.differ("unsettled entries outside of what was judged", (0, 1), range);
        }
    }

    fn read_judges(&mut self) {
        let revisions = std::mem::take(&mut self.ledger.revisions);
        let whole = (self.start + 1, self.frontier);
        if revisions.len() as u64 != self.ledger.revision {
            self.differ("revisions", (self.ledger.revision, revisions.len() as u64), whole);
        }
        if revisions.last().is_some_and(|last| last.statements != self.ledger.statements) {
            self.differ("statements of the present revision that are not the subscription's", (0, 1), whole);
        }
        let mut before = 0;
        for revision in &revisions {
            let range = (revision.after.0 + 1, revision.until.map_or(self.frontier, |until| until.0));
            let number = revision.revision;
            if revision.after.0 < before || revision.after.0 > self.frontier.max(self.start) {
                self.differ(format!("places where revision {number} cannot have begun"), (0, 1), range);
            }
            before = before.max(revision.after.0);
            let statements = serde_json::from_str(&revision.statements).ok();
            let policy = statements.and_then(|statements| Policy::parse(&statements).ok());
            match policy {
                Some(policy) => self.judges.push(Judge { after: revision.after.0, on: revision.on, policy }),
                None => self.differ(format!("statements of revision {number} that cannot be read"), (0, 1), range),
            }
            self.compare_holes_then(number, revision.after.0, &revision.detail);
        }
        self.ledger.revisions = revisions;
    }

    /// What is unsettled now and was judged before an edit was unsettled then, too.
    fn compare_holes_then(&mut self, revision: u64, after: u64, detail: &str) {
        let then = match holes_of(detail) {
            Ok(then) => then,
            Err(_) => {
                return self.differ(
                    format!("progress of revision {revision} that cannot be read"),
                    (0, 1),
                    (after, after),
                );
            }
        };
        let mut settled = Stray::default();
        for sequence in self.holes.iter().flat_map(|(first, last)| *first..=*last).take_while(|one| *one <= after) {
            if !holds(&then, sequence) {
                settled.note(sequence, sequence);
            }
        }
        if settled.count > 0 {
            let what = format!("unsettled entries that were settled before revision {revision}");
            self.differ(what, (0, settled.count), (settled.first, settled.last));
        }
    }

    /// The rows against each other: ranges and letters lie among what was judged, and once.
    fn compare_rows(&mut self) {
        let mut before = self.start;
        let mut odd = Stray::default();
        for (first, last) in &self.skipped {
            let has_other_fate = self.holes.iter().any(|(from, to)| from <= last && to >= first);
            if *first <= before || last < first || *last > self.frontier || has_other_fate {
                odd.note(*first, *last);
            }
            before = before.max(*last);
        }
        if odd.count > 0 {
            self.differ(
                "skipped entries outside of what was judged, or with another fate",
                (0, odd.count),
                (odd.first, odd.last),
            );
        }
        let mut odd = Stray::default();
        for Sequence(letter) in self.ledger.dead.iter().chain(&self.ledger.late) {
            let is_outside = *letter <= self.start || *letter > self.frontier;
            if is_outside || holds(&self.holes, *letter) || holds(&self.skipped, *letter) {
                odd.note(*letter, *letter);
            }
        }
        if odd.count > 0 {
            self.differ(
                "dead letters outside of what was judged, or with another fate",
                (0, odd.count),
                (odd.first, odd.last),
            );
        }
    }

    fn compare_counts(&mut self) {
        let counts = self.ledger.progress.as_ref().map(|progress| progress.counts).unwrap_or_default();
        let whole = (self.start + 1, self.frontier);
        let late = self.ledger.late.len() as u64;
        let skipped = length(&self.skipped) + late;
        if counts.skipped != skipped {
            self.differ("skipped", (skipped, counts.skipped), whole);
        }
        let dead = self.ledger.dead.len() as u64;
        if counts.dead != dead {
            self.differ("dead", (dead, counts.dead), whole);
        }
        let others = [length(&self.holes), dead, late, counts.filtered_after_match];
        let others: i128 = others.into_iter().map(i128::from).sum();
        let least = i128::from(self.matched) - others;
        // Of what retention took nobody can tell any more how much of it was wanted.
        let most = least + i128::from(self.gone_count());
        let found = i128::from(counts.delivered);
        if found < least || found > most {
            let expected = if found < least { least } else { most };
            let range = (Sequence(whole.0), Sequence(whole.1));
            self.differences.push(Difference { what: "delivered".to_owned(), expected, found, range });
        }
    }

    /// How many entries could not be matched again and were not skipped.
    fn gone_count(&self) -> u64 {
        let Some(until) = self.gone_until else { return 0 };
        let skipped = self
            .skipped
            .iter()
            .map(|(first, last)| (last.min(&until) + 1).saturating_sub(*first.max(&(self.start + 1))));
        (until - self.start).saturating_sub(skipped.sum())
    }

    fn differ(&mut self, what: impl Into<String>, (expected, found): (u64, u64), (first, last): (u64, u64)) {
        let (expected, found) = (i128::from(expected), i128::from(found));
        let range = (Sequence(first), Sequence(last));
        self.differences.push(Difference { what: what.into(), expected, found, range });
    }
}

impl Stray {
    fn note(&mut self, first: u64, last: u64) {
        if self.count == 0 {
            self.first = first;
        }
        self.count += last.saturating_sub(first) + 1;
        self.last = last;
    }
}

/// Whether one of the ranges, which are in order, has the sequence.
fn holds(ranges: &[(u64, u64)], sequence: u64) -> bool {
    let at = ranges.partition_point(|(_, last)| *last < sequence);
    ranges.get(at).is_some_and(|(first, _)| *first <= sequence)
}

fn length(ranges: &[(u64, u64)]) -> u64 {
    ranges.iter().map(|(first, last)| (last + 1).saturating_sub(*first)).sum()
}
