//! What the engine does: requests, answers, reading ahead.

use std::{sync::Arc, time::Duration};

use domain::{Sequence, Timestamp};
use store::{JobState, LetterFate};

use super::{Fate, Flight, Read, Reader, World};
use crate::{
    account::Join,
    attempts::{Attempt, Run},
    courier::{Load, Results, Sent, Source},
    decide::{Jitter, Schedule},
    engine::attempt::dead_letter,
    lane::{Lane, LaneState, Mode, Spec},
    outcome::Outcome,
    simulation::destination::{self, Reply},
};

impl World {
    /// Starts requests and readers, as the engine does.
    pub(super) fn pump(&mut self) -> Result<(), String> {
        let mut lanes: Vec<_> = self.account.lock().lanes.iter().map(Arc::clone).collect();
        lanes.sort_by_key(|lane| lane.id);
        for lane in lanes {
            loop {
                let mut state = lane.lock();
                if !state.listens() {
                    break;
                }
                let of_log = state.courier.take(self.now, self.limits);
                let load = match of_log {
                    None if state.mode == Mode::Attached => state.courier.take_job(self.now, self.limits),
                    of_log => of_log,
                };
                let Some(load) = load else { break };
                if load.source != Source::Log && state.courier.log_is_ready() {
                    return Err(format!("{}: a job goes before the log", lane.id));
                }
                let spec = Arc::clone(&state.spec);
                drop(state);
                self.start(&lane, &spec, load)?;
            }
            self.take_up_job(&lane);
            self.start_reader(&lane);
            self.start_job_reader(&lane);
            lane.lock().trim();
        }
        Ok(())
    }

    fn start(&mut self, lane: &Arc<Lane>, spec: &Spec, mut load: Load) -> Result<(), String> {
        let count = load.entries.len() - usize::from(load.entries.len() > 1 && self.random.one_in(5));
        if !lane.may_still_start(spec, &mut load, count) {
            return Ok(());
        }
        let row = &self.rows[&lane.id];
        if !row.is_on || row.revision != spec.revision {
            return Err(format!("{}: a request starts under revision {} of {}", lane.id, spec.revision, row.revision));
        }
        let side = self.sides.get_mut(&lane.id).expect("is there");
        if self.now < side.destination.not_before {
            return Err(format!("{}: called at {:?}, before {:?}", lane.id, self.now, side.destination.not_before));
        }
        if let Source::Job { id, .. } = load.source
            && self.jobs.iter().all(|job| job.id != id || job.state != JobState::Running)
        {
            return Err(format!("{}: a request of a job starts that has ended", lane.id));
        }
        for entry in load.entries.iter().filter(|_| load.source == Source::Log) {
            if side.places.contains_key(&entry.sequence.0) {
                return Err(format!("{}: {} is sent again although it is settled", lane.id, entry.sequence.0));
            }
        }
        let Reply { after, results } = side.destination.answer(&load, &mut self.random);
        self.flights.push(Flight { lane: Arc::clone(lane), load, ends: self.now + after, results });
        Ok(())
    }

    /// The answer that comes next.
    pub(super) fn end_flight(&mut self) -> Result<(), String> {
        let Some(at) = (0..self.flights.len()).min_by_key(|at| self.flights[*at].ends) else { return Ok(()) };
        let Flight { lane, load, ends, results } = self.flights.remove(at);
        self.now = self.now.max(ends);
        let clocks = self.clocks();
        let side = self.sides.get_mut(&lane.id).expect("is there");
        if let Some(asked) = destination::asked(&results) {
            side.destination.not_before = side.destination.not_before.max(self.now + asked);
        }
        let own = results.own.clone();
        let accepted = accepted(&load, &results);
        let mut state = lane.lock();
        let stops = state.courier.mark().stops;
        let of_job = |state: &LaneState| state.courier.job().map_or(0, |job| job.counts().accepted);
        let before = of_job(&state);
        let jitter = Jitter(u32::try_from(self.random.below(1_001)).unwrap());
        let died = state.courier.finish(&load, results, clocks, &Schedule::default(), jitter);
        let dead: Vec<_> =
            died.iter().filter(|died| died.fate == LetterFate::Dead).map(|died| died.entry.sequence.0).collect();
        state.owe_letters(died.iter().map(|died| dead_letter(&lane, died, clocks.wall)));
        if load.source != Source::Log && of_job(&state) - before != accepted.len() as u64 {
            return Err(format!("{}: a job counts other than the {accepted:?} that were accepted", lane.id));
        }
        if load.redelivers() {
            side.fates.extend(accepted.into_iter().map(|sequence| (sequence, Fate::Delivered)));
            side.fates.extend(dead.iter().map(|sequence| (*sequence, Fate::Dead)));
        }
        for (entry, own) in load.entries.iter().zip(own).filter(|_| load.source == Source::Log) {
            let fate = match own {
                _ if state.courier.holds(entry.sequence) => continue,
                _ if dead.contains(&entry.sequence.0) => Fate::Dead,
                Some(Outcome::Skipped(_)) => Fate::Skipped,
                Some(_) => Fate::Nothing,
                None => Fate::Delivered,
            };
            side.places.insert(entry.sequence.0, side.fates.len());
            side.fates.push((entry.sequence.0, fate));
        }
        side.attempts += 1;
        state.attempts.push(numbered(side.attempts));
        let stopped = state.courier.mark().stops != stops;
        drop(state);
        if stopped {
            self.account.rest(&lane);
        }
        self.account.lock().soil(&lane);
        Ok(())
    }

    fn start_reader(&mut self, lane: &Arc<Lane>) {
        let mut state = lane.lock();
        let reads = state.mode == Mode::Reading || state.courier.has_unread();
        if !state.listens() || !reads || state.reading {
            return;
        }
        if !state.courier.may_start(self.now) || !state.courier.wants_more() {
            return;
        }
        let spec = Arc::clone(&state.spec);
        let unread = state.courier.unread(256);
        let frontier = state.courier.frontier();
        state.reading = true;
        let has_room = state.courier.has_room();
        drop(state);
        let read = if let Some(first) = unread.first().copied() {
            let run = unread.iter().zip(first.0..).take_while(|(hole, expected)| hole.0 == *expected).count();
            let count = usize::try_from(self.random.below(run as u64)).unwrap() + 1;
            Some(Read::Holes(unread[..run].to_vec(), self.page(first.previous(), count)))
        } else if has_room {
            match self.account.join(lane, frontier) {
                Join::Done | Join::Stale => None,
                Join::Behind => {
                    let matched = self.account.lock().matched;
                    Some(Read::Page(frontier, matched, self.page(frontier, 256)))
                }
            }
        } else {
            None
        };
        match read {
            Some(read) => self.readers.push(Reader { lane: Arc::clone(lane), spec, read }),
            None => lane.lock().reading = false,
        }
    }

    pub(super) fn end_reader(&mut self) {
        if self.readers.is_empty() {
            return;
        }
        let at = usize::try_from(self.random.below(self.readers.len() as u64)).unwrap();
        let Reader { lane, spec, read } = self.readers.swap_remove(at);
        match read {
            Read::Holes(holes, page) => lane.read_holes(&spec, &holes, &page, self.clocks().wall),
            Read::Page(frontier, matched, page) => {
                lane.read_page(&spec, frontier, matched, &page, self.clocks().wall);
            }
            Read::Job(id, asked, page) => {
                lane.read_job(&spec, id, &asked, &page);
                lane.lock().job_reading = false;
                return self.account.lock().soil(&lane);
            }
        }
        lane.lock().reading = false;
        self.account.lock().soil(&lane);
    }
}

/// The entries of a load that the destination took.
fn accepted(load: &Load, results: &Results) -> Vec<u64> {
    let mut each = match &results.sent {
        Sent::Each(outcomes) => outcomes.iter(),
        Sent::Whole(_) => [].iter(),
    };
    let mut accepted = Vec::new();
    for (entry, _) in load.entries.iter().zip(&results.own).filter(|(_, own)| own.is_none()) {
        let outcome = match &results.sent {
            Sent::Whole(outcome) => Some(outcome),
            Sent::Each(_) => each.next(),
        };
        if outcome == Some(&Outcome::Accepted) {
            accepted.push(entry.sequence.0);
        }
    }
    accepted
}

/// An attempt that can be told from others by what it carries.
fn numbered(number: u64) -> Attempt {
    Attempt {
        ended_at: Timestamp::from_millis(0),
        took: Duration::ZERO,
        runs: vec![Run { first: Sequence(number), count: 1 }],
        status_code: Some(200),
        is_probe: false,
        is_of_job: false,
        evidence: None,
    }
}
