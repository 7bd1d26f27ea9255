//! What the database keeps for the ledger, and that it is right.

use std::sync::Arc;

use domain::{Access, EntryDraft, Resource, Sequence, SubscriptionId, Timestamp};
use serde_json::{Value, json};
use store::{Ledger, LedgerTotals, LetterFate, Progress, Revision, SkippedRange};

use super::{ACCOUNT, Fate, World, retention::unsettled};
use crate::{
    SkipRequest,
    lane::Mode,
    ledger::{Check, Sum},
};

/// What the database keeps of a subscription beside its progress.
#[derive(Clone)]
pub(super) struct Kept {
    start: Sequence,
    revisions: Vec<Revision>,
    pub(super) skipped: Vec<SkippedRange>,
}

impl Kept {
    /// Of a subscription that starts after `start` and wants everything.
    pub(super) fn first(start: u64) -> Self {
        let start = Sequence(start);
        let revision = Revision {
            revision: 1,
            statements: statements(7).to_string(),
            on: true,
            after: start,
            until: None,
            detail: String::new(),
            made_at: Timestamp::default(),
        };
        Self { start, revisions: vec![revision], skipped: Vec::new() }
    }

    /// A revision begins where the subscription stands.
    pub(super) fn revise(&mut self, on: bool, wanted: u64, progress: &Progress) {
        let after = progress.frontier.expect("an edit gives it a frontier of its own");
        if let Some(last) = self.revisions.last_mut() {
            last.until = Some(after);
        }
        self.revisions.push(Revision {
            revision: self.revisions.len() as u64 + 1,
            statements: statements(wanted).to_string(),
            on,
            after,
            until: None,
            detail: progress.detail.clone(),
            made_at: Timestamp::default(),
        });
    }

    /// Entries that were skipped without a copy.
    pub(super) fn skipped_count(&self) -> u64 {
        self.skipped.iter().map(|range| range.last.0 + 1 - range.first.0).sum()
    }

    pub(super) fn written(&mut self, id: SubscriptionId, skipped: &[(SubscriptionId, SkippedRange)]) {
        self.skipped.extend(skipped.iter().filter(|(of, _)| *of == id).map(|(_, range)| range.clone()));
    }
}

/// Statements that want the sequences whose remainder by three is a bit of `wanted`.
pub(super) fn statements(wanted: u64) -> Value {
    let resources: Vec<_> =
        (0..3).filter(|rest| wanted & (1 << rest) != 0).map(|rest| format!("proj/p{rest}")).collect();
    match resources.is_empty() {
        true => json!([]),
        false => json!([{ "effect": "allow", "resources": resources, "actions": ["*"] }]),
    }
}

impl World {
    /// The ledger of a subscription adds up, and agrees with the log.
    pub(super) fn check_ledger(&self, id: SubscriptionId) -> Result<(), String> {
        let ledger = self.ledger(id);
        if !Sum::of(&ledger)?.is_some_and(|sum| sum.adds_up) {
            return Err(format!("the ledger does not add up: {ledger:?}"));
        }
        let accesses = [0, 1, 2].map(|rest| {
            let resource = Resource::parse(&format!("proj/p{rest}")).expect("is a resource");
            [Access { action: "update".to_owned(), resource }]
        });
        let mut check = Check::new(ledger);
        check.gone(Sequence(self.beginning).previous());
        for entry in self.log.iter().filter(|entry| entry.sequence.0 >= self.beginning) {
            check.take(entry.sequence, &accesses[(entry.sequence.0 % 3) as usize]);
        }
        let (ledger, report) = check.end(&[]);
        match report.differences.is_empty() {
            true => Ok(()),
            false => Err(format!("{:?} in {ledger:?}", report.differences)),
        }
    }

    /// Lets one subscription that is at hand skip what waits.
    pub(super) fn skip_to_now(&mut self) -> Result<(), String> {
        let at = usize::try_from(self.random.below(self.rows.len() as u64)).unwrap();
        let id = *self.rows.keys().nth(at).expect("there are as many");
        let Some(lane) = self.account.lock().lanes.get(id).map(Arc::clone) else { return Ok(()) };
        let last = Sequence(self.log.len() as u64);
        let waiting = |world: &Self| {
            let state = world.account.lock();
            let mut lane_state = lane.lock();
            if lane_state.mode == Mode::Attached {
                lane_state.courier.pass_to(state.matched);
            }
            unsettled(&lane_state.courier, last)
        };
        let before = waiting(self);
        let request = SkipRequest { by: Value::Null, at: self.clocks().wall };
        let told = &mut self.sides.get_mut(&id).expect("is there").told;
        let told = |_| {
            *told += 1;
            EntryDraft { id: None, bytes: id.to_string().into_bytes().into() }
        };
        let count = self.account.skip_to(&lane, last, &request, told);
        let after = waiting(self);
        let skipped: Vec<_> = before.into_iter().filter(|sequence| !after.contains(sequence)).collect();
        self.account.lock().soil(&lane);
        if skipped.len() as u64 != count {
            return Err(format!("{id} says that it skipped {count} and did so with {skipped:?}"));
        }
        let side = self.sides.get_mut(&id).expect("is there");
        for sequence in skipped {
            side.places.insert(sequence, side.fates.len());
            side.fates.push((sequence, Fate::Skipped));
        }
        Ok(())
    }

    fn ledger(&self, id: SubscriptionId) -> Ledger {
        let row = &self.rows[&id];
        let Kept { start, revisions, mut skipped } = row.kept.clone();
        let letters = |fate| {
            let of_fate = row.letters.iter().filter(move |(_, (other, _))| *other == fate);
            of_fate.map(|(sequence, _)| Sequence(*sequence)).collect::<Vec<_>>()
        };
        let (dead, late) = (letters(LetterFate::Dead), letters(LetterFate::Skipped));
        skipped.sort_by_key(|range| range.first);
        let totals = LedgerTotals {
            skipped_ranges: skipped.len() as u64,
            skipped: row.kept.skipped_count(),
            dead: dead.len() as u64,
            late: late.len() as u64,
        };
        let mut progress = row.progress.clone();
        progress.frontier.get_or_insert(Sequence(self.matched));
        Ledger {
            subscription: id,
            account: ACCOUNT,
            integration: String::new(),
            name: String::new(),
            statements: statements(row.wanted).to_string(),
            revision: row.revision,
            start: Some(start),
            asked_start: None,
            deleted_at: None,
            progress: Some(progress),
            last: Sequence(self.log.len() as u64),
            revisions,
            skipped,
            dead,
            late,
            totals,
        }
    }
}
