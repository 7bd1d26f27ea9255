//! Replays and redeliveries in the simulation: made, read, written down, stopped.

use std::sync::Arc;

use domain::{JobId, Sequence, SubscriptionId, Timestamp};
use store::{Job, JobCounts, JobKind, JobProgress, JobState, JobWrites, LetterFate};

use super::{Read, Reader, World};
use crate::{
    courier::{JobEntry, JobRead},
    lane::{Lane, Mode},
};

/// Jobs of one subscription that have not ended.
const RUNNING_MAX: usize = 3;

impl World {
    /// Somebody asks for a replay, or for a redelivery of some or all dead letters.
    pub(super) fn make_job(&mut self) {
        let at = usize::try_from(self.random.below(self.rows.len() as u64)).unwrap();
        let (id, row) = self.rows.iter().nth(at).expect("there are as many");
        let id = *id;
        if self.random.one_in(2) {
            let letters: Vec<_> = row.letters.keys().copied().collect();
            let all = self.random.one_in(2);
            let chosen = letters.into_iter().filter(|_| all || self.random.one_in(2)).collect::<Vec<_>>();
            self.redeliver(id, &chosen);
        } else if row.checked > 0 {
            let first = self.random.below(row.checked) + 1;
            let last = first + self.random.below(row.checked - first + 1);
            self.store_job(id, JobKind::Replay, first, last, last - first + 1);
        }
        let lane = self.account.lock().lanes.get(id).map(Arc::clone);
        if let Some(lane) = lane {
            lane.lock().jobs_changed = true;
        }
    }

    fn redeliver(&mut self, id: SubscriptionId, chosen: &[u64]) {
        let job = self.next_job_id();
        let letters = &mut self.rows.get_mut(&id).expect("is there").letters;
        let mut claimed = Vec::new();
        for (sequence, (_, of)) in letters.iter_mut().filter(|(_, (_, of))| of.is_none()) {
            if !chosen.contains(sequence) {
                continue;
            }
            *of = Some(job);
            claimed.push(*sequence);
        }
        if let (Some(first), Some(last)) = (claimed.first(), claimed.last())
            && !self.store_job(id, JobKind::Redelivery, *first, *last, claimed.len() as u64)
        {
            self.release(job);
        }
    }

    fn next_job_id(&self) -> JobId {
        let mut bytes = [0; 12];
        bytes[4..].copy_from_slice(&(self.jobs.len() as u64).to_be_bytes());
        JobId::from_bytes(bytes)
    }

    fn store_job(&mut self, subscription: SubscriptionId, kind: JobKind, first: u64, last: u64, total: u64) -> bool {
        let is_running = |job: &&Job| job.subscription == subscription && job.state == JobState::Running;
        if self.jobs.iter().filter(is_running).count() >= RUNNING_MAX {
            return false;
        }
        let progress =
            JobProgress { frontier: Sequence(first - 1), counts: JobCounts::default(), detail: String::new() };
        self.jobs.push(Job {
            id: self.next_job_id(),
            subscription,
            kind,
            first: Sequence(first),
            last: Sequence(last),
            total,
            state: JobState::Running,
            progress,
            made_at: Timestamp::default(),
            made_by: None,
            ended_at: None,
        });
        true
    }

    /// Somebody stops a job, and is answered.
    pub(super) fn stop_job(&mut self) {
        let running: Vec<_> =
            self.jobs.iter_mut().filter(|job| job.state == JobState::Running).map(|job| &mut *job).collect();
        let count = running.len() as u64;
        if count == 0 {
            return;
        }
        let at = usize::try_from(self.random.below(count)).unwrap();
        let job = running.into_iter().nth(at).expect("there are as many");
        job.state = JobState::Stopped;
        let (id, subscription) = (job.id, job.subscription);
        self.release(id);
        let lane = self.account.lock().lanes.get(subscription).map(Arc::clone);
        if let Some(lane) = lane {
            lane.lock().courier.stop_job(id);
            self.account.lock().soil(&lane);
        }
    }

    fn release(&mut self, job: JobId) {
        for row in self.rows.values_mut() {
            row.letters.values_mut().filter(|(_, of)| *of == Some(job)).for_each(|(_, of)| *of = None);
        }
    }

    /// What a flush of the journal writes of jobs.
    pub(super) fn write_jobs(&mut self, writes: JobWrites) {
        for (id, progress, is_done) in writes.progress {
            let job = self.jobs.iter_mut().find(|job| job.id == id).expect("is stored");
            job.progress = progress;
            if is_done && job.state == JobState::Running {
                job.state = JobState::Done;
                self.release(id);
            }
        }
        for (id, sequences) in writes.retries {
            self.redeliver(id, &sequences.iter().map(|sequence| sequence.0).collect::<Vec<_>>());
        }
    }

    pub(super) fn take_up_job(&mut self, lane: &Arc<Lane>) {
        let mut state = lane.lock();
        if !state.listens() || !std::mem::take(&mut state.jobs_changed) || !state.courier.is_free_for_job() {
            return;
        }
        let next = self.jobs.iter().find(|job| job.subscription == lane.id && job.state == JobState::Running);
        if let Some(job) = next {
            state.courier.begin_job(job, self.clocks()).expect("is whole");
        }
    }

    pub(super) fn start_job_reader(&mut self, lane: &Arc<Lane>) {
        let mut state = lane.lock();
        if state.mode != Mode::Attached || state.job_reading {
            return;
        }
        let Some(asked) = state.courier.job_read(self.now, 256) else { return };
        let job = state.courier.job().expect("asks for it");
        let (id, kind) = (job.id(), job.kind());
        state.job_reading = true;
        let spec = Arc::clone(&state.spec);
        drop(state);
        let (after, most) = match &asked {
            JobRead::Holes(holes) => (holes[0].previous(), holes.len()),
            JobRead::Page(after) => (*after, 256),
        };
        let (asked, page) = match (kind, asked) {
            (JobKind::Replay, JobRead::Holes(mut holes)) => {
                let run = holes.iter().zip(holes[0].0..).take_while(|(hole, expected)| hole.0 == *expected).count();
                holes.truncate(run);
                let count = usize::try_from(self.random.below(run as u64)).unwrap() + 1;
                (JobRead::Holes(holes), self.replayed(after, count))
            }
            (JobKind::Replay, asked) => (asked, self.replayed(after, most)),
            (JobKind::Redelivery, asked) => {
                let count = usize::try_from(self.random.below(most as u64)).unwrap() + 1;
                let letters = &self.rows[&lane.id].letters;
                let claimed = letters.range(after.0 + 1..).filter(|(_, (_, of))| *of == Some(id)).take(count);
                let copy = |sequence: u64| Arc::clone(&self.log[usize::try_from(sequence).unwrap() - 1]);
                let item = |(sequence, (fate, _)): (&u64, &(LetterFate, _))| JobEntry {
                    entry: copy(*sequence),
                    letter: Some(*fate),
                };
                (asked, claimed.map(item).collect())
            }
        };
        self.readers.push(Reader { lane: Arc::clone(lane), spec, read: Read::Job(id, asked, page) });
    }

    fn replayed(&self, after: Sequence, count: usize) -> Vec<JobEntry> {
        self.page(after, count).into_iter().map(|entry| JobEntry { entry, letter: None }).collect()
    }

    /// Each entry of a job has exactly one count when it is done.
    pub(super) fn check_jobs(&self) -> Result<(), String> {
        let was_stopped = self.jobs.iter().any(|job| job.state == JobState::Stopped);
        for job in &self.jobs {
            let counts = job.progress.counts;
            let is_whole = counts.sum() == job.total || (job.state == JobState::Stopped && counts.sum() < job.total);
            // A job that was stopped may yet deliver what the next one has claimed.
            let may_skip = match job.kind {
                JobKind::Redelivery => was_stopped,
                JobKind::Replay => self.beginning > job.first.0,
            };
            if !is_whole || (counts.skipped > 0 && !may_skip) || job.state == JobState::Running {
                return Err(format!("not each entry of the job has its count: {job:?}"));
            }
        }
        if let Some((id, _)) = self.rows.iter().find(|(_, row)| row.letters.values().any(|(_, of)| of.is_some())) {
            return Err(format!("{id} has letters that no job will let go"));
        }
        Ok(())
    }
}
