//! What is old: it is given up, and leaves the log.

use std::sync::Arc;

use domain::{EntryDraft, Sequence, SubscriptionId};

use super::{ACCOUNT, Fate, PACING, World};
use crate::{
    courier::Courier,
    lane::{Lane, Mode},
};

impl World {
    /// Lets everybody give up a beginning of the log, as the engine does.
    pub(super) fn give_up(&mut self) -> Result<(), String> {
        let end = Sequence(self.random.below(self.log.len() as u64 + 1));
        for id in self.rows.keys().copied().collect::<Vec<_>>() {
            let lane = self.account.lock().lanes.get(id).map(Arc::clone);
            match lane {
                Some(lane) => self.give_up_at_hand(&lane, end)?,
                None => self.give_up_stored(id, end)?,
            }
        }
        Ok(())
    }

    /// Drops what nobody waits for any more by what the database says.
    pub(super) fn drop_old(&mut self) {
        let unsettled =
            self.rows.values().map(|row| row.progress.unsettled_from.map_or(self.matched + 1, |from| from.0));
        let end = unsettled.min().unwrap_or(self.beginning).min(self.log.len() as u64 + 1);
        let span = end.saturating_sub(self.beginning);
        self.beginning += self.random.below(span + 1);
    }

    fn give_up_at_hand(&mut self, lane: &Arc<Lane>, end: Sequence) -> Result<(), String> {
        let before = {
            let state = self.account.lock();
            let mut lane_state = lane.lock();
            if lane_state.mode == Mode::Attached {
                lane_state.courier.pass_to(state.matched);
            }
            unsettled(&lane_state.courier, end)
        };
        let now = self.clocks().wall;
        let told = &mut self.sides.get_mut(&lane.id).expect("is there").told;
        let tell = |_: &_, _| {
            *told += 1;
            EntryDraft { id: None, bytes: lane.id.to_string().into_bytes().into() }
        };
        let expired = self.account.give_up(lane, end, now, tell);
        let state = lane.lock();
        let given_up: Vec<_> =
            before.into_iter().filter(|sequence| !unsettled(&state.courier, end).contains(sequence)).collect();
        drop(state);
        self.note_given_up(lane.id, &given_up, expired.map_or(0, |expired| expired.count))
    }

    fn give_up_stored(&mut self, id: SubscriptionId, end: Sequence) -> Result<(), String> {
        let (clocks, matched) = (self.clocks(), Sequence(self.matched));
        let row = self.rows.get_mut(&id).expect("is there");
        let mut courier = Courier::restore(&row.progress, matched, row.revision, PACING, clocks)?;
        let given_up = unsettled(&courier, end);
        let Some(expired) = courier.expire_to(end, clocks.wall) else { return Ok(()) };
        row.progress = courier.progress(false);
        row.kept.skipped.extend(courier.take_skipped());
        row.fates += given_up.len();
        self.note_given_up(id, &given_up, expired.count)
    }

    fn note_given_up(&mut self, id: SubscriptionId, given_up: &[u64], count: u64) -> Result<(), String> {
        if given_up.len() as u64 != count {
            return Err(format!("{ACCOUNT} {id} says that it gave up {count} and did so with {given_up:?}"));
        }
        let side = self.sides.get_mut(&id).expect("is there");
        for sequence in given_up {
            side.places.insert(*sequence, side.fates.len());
            side.fates.push((*sequence, Fate::Expired));
        }
        Ok(())
    }
}

/// What has no fate up to `end`.
pub(super) fn unsettled(courier: &Courier, end: Sequence) -> Vec<u64> {
    let after = courier.position().0 + 1;
    (after..=end.0).filter(|sequence| *sequence > courier.frontier().0 || courier.holds(Sequence(*sequence))).collect()
}
