//! A replay or a redelivery in work: behind the entries of the log, and one at a time.

use std::{sync::Arc, time::Duration};

use domain::{Entry, JobId, Sequence};
use integrations::BatchLimits;
use store::{Counts, Job as StoredJob, JobCounts, JobKind, JobProgress, LetterFate};

use super::{Courier, Died, Flow, HOLES_MAX, Load, Now, Phase, queue::Queue, starts::Source};
use crate::{decide::Fate, seldom::Blank};

/// Bytes of a job's entries that are kept in memory; one more page always fits.
pub const JOB_BYTES_MAX: usize = 1024 * 1024;

/// A job in work.
#[derive(Debug)]
pub struct Job {
    id: JobId,
    kind: JobKind,
    last: Sequence,
    total: u64,
    pub(super) frontier: Sequence,
    pub(super) queue: Queue,
    counts: JobCounts,
    is_stopped: bool,
    // Its end is written down, so that the next one may begin.
    end_is_journaled: bool,
}

/// What a job needs to have read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JobRead {
    /// Entries that were taken up before, the first ones.
    Holes(Vec<Sequence>),
    /// What comes after this one.
    Page(Sequence),
}

/// An entry that a job may send.
#[derive(Clone, Debug)]
pub struct JobEntry {
    /// The entry.
    pub entry: Arc<Entry>,
    /// What the ledger counts it as, where it may become delivered; `None` in a replay.
    pub letter: Option<LetterFate>,
}

/// What the journal has to know of jobs beside their progress.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JobNews {
    /// Dead letters that were delivered after all.
    pub delivered: Vec<Sequence>,
    /// Dead letters that are to be sent once more, since they may have been no fault of theirs.
    pub retry: Vec<Sequence>,
}

/// Dead letters since the last acceptance: when so many come that the subscription is
/// suspended, their refusals said nothing of them.
#[derive(Debug, Default)]
pub(super) struct Streak {
    pub(super) letters: Vec<Sequence>,
    pub(super) suspended: bool,
}

static BLANK_NEWS: JobNews = JobNews { delivered: Vec::new(), retry: Vec::new() };

impl Blank for JobNews {
    fn blank() -> &'static Self {
        &BLANK_NEWS
    }

    fn is_blank(&self) -> bool {
        self.delivered.is_empty() && self.retry.is_empty()
    }
}

static BLANK_STREAK: Streak = Streak { letters: Vec::new(), suspended: false };

impl Blank for Streak {
    fn blank() -> &'static Self {
        &BLANK_STREAK
    }

    fn is_blank(&self) -> bool {
        self.letters.is_empty() && !self.suspended
    }
}

impl Courier {
    /// Begins a job, or goes on with it.
    ///
    /// # Errors
    /// The text of the parser when its detail cannot be read; then nothing is begun.
    pub fn begin_job(&mut self, stored: &StoredJob, now: Now) -> Result<(), String> {
        let queue = super::detail::restore_queue(&stored.progress, self.revision, now)?;
        self.job = Some(Box::new(Job {
            id: stored.id,
            kind: stored.kind,
            last: stored.last,
            total: stored.total,
            frontier: stored.progress.frontier,
            queue,
            counts: stored.progress.counts,
            is_stopped: false,
            end_is_journaled: false,
        }));
        Ok(())
    }

    /// Whether a next job may begin; one that has ended is let go.
    pub fn is_free_for_job(&mut self) -> bool {
        self.job.take_if(|job| job.end_is_journaled);
        self.job.is_none()
    }

    /// The job in work.
    pub fn job(&self) -> Option<&Job> {
        self.job.as_deref()
    }

    /// Lets no more request of this job start; `false` when it is not in work.
    pub fn stop_job(&mut self, id: JobId) -> bool {
        let Some(job) = self.job.as_mut().filter(|job| job.id == id) else { return false };
        job.is_stopped = true;
        job.queue.drop_idle();
        true
    }

    /// Takes entries of the job for a request, if one may start now. Whoever asks knows that
    /// the subscription has caught up with its log.
    pub fn take_job(&mut self, now: Duration, limits: BatchLimits) -> Option<Load> {
        if !self.may_take() {
            return None;
        }
        let gives_way = self.gives_way();
        let (ordered, turn) = (self.pacing.ordered, self.mark.stops);
        let is_idle = self.in_flight() == 0;
        let has_room = self.in_flight < self.window;
        let job = self.job.as_mut()?;
        job.queue.wake(now);
        let sequences = match &self.flow {
            _ if gives_way => return None,
            Flow::Flowing if !has_room => return None,
            Flow::Flowing => job.queue.next_batch(ordered, limits),
            Flow::Holding(wait) | Flow::Suspended(wait) if !is_idle || now < wait.until => return None,
            Flow::Holding(_) | Flow::Suspended(_) => {
                job.queue.next_probe(ordered, super::PROBED_MAX, turn).into_iter().collect()
            }
        };
        let source = Source::Job { id: job.id, kind: job.kind };
        self.load(source, &sequences)
    }

    /// What the job needs to have read, if reading is worth it.
    pub fn job_read(&self, now: Duration, count: usize) -> Option<JobRead> {
        let job = self.job.as_ref().filter(|job| !job.is_stopped)?;
        let little = match self.flow {
            Flow::Flowing => job.queue.loaded_bytes() < JOB_BYTES_MAX && job.queue.ready_count() < HOLES_MAX / 2,
            // A probe needs one entry.
            Flow::Holding(_) | Flow::Suspended(_) => self.in_flight == 0 && job.queue.loaded_bytes() == 0,
        };
        let first_is_unread = self.pacing.ordered && job.queue.first().is_some_and(|(_, phase)| phase == Phase::Unread);
        if self.gives_way() || !self.may_start(now) || !(little || first_is_unread) {
            return None;
        }
        let unread = job.queue.unread(count);
        if !unread.is_empty() {
            return Some(JobRead::Holes(unread));
        }
        let has_room = job.queue.len() < HOLES_MAX && job.queue.loaded_bytes() < JOB_BYTES_MAX;
        (has_room && job.frontier < job.last).then_some(JobRead::Page(job.frontier))
    }

    /// Takes up a page of the job `id`: what there is after `after`, and whether the present
    /// revision wants it. An empty page says that there is nothing more.
    pub fn job_page(&mut self, id: JobId, after: Sequence, page: &[JobEntry], wanted: &[bool]) {
        let Some(job) = self.job.as_mut().filter(|job| job.reads(id)) else { return };
        if job.frontier != after {
            return;
        }
        for (JobEntry { entry, letter }, wanted) in page.iter().zip(wanted) {
            let sequence = entry.sequence;
            if sequence > job.last {
                job.frontier = job.last;
                break;
            }
            job.frontier = sequence;
            if *wanted {
                job.queue.insert(Arc::clone(entry), *letter);
            } else {
                job.counts.filtered += 1;
            }
        }
        if page.is_empty() {
            job.frontier = job.last;
        }
    }

    /// Brings entries of the job `id` that were taken up before: `page` is what there is of
    /// `holes`, in order, and it ends early only when it is full.
    pub fn job_holes(&mut self, id: JobId, holes: &[Sequence], page: &[JobEntry], wanted: &[bool]) {
        let Some(job) = self.job.as_mut().filter(|job| job.reads(id)) else { return };
        for (JobEntry { entry, letter }, wanted) in page.iter().zip(wanted) {
            if *wanted {
                job.queue.read(entry, *letter);
            } else if job.queue.remove_unread(entry.sequence) {
                job.counts.filtered += 1;
            }
        }
        // What the page should have and has not is kept no more.
        let end = page.last().map(|last| last.entry.sequence).or(holes.last().copied());
        for gone in holes.iter().filter(|hole| Some(**hole) <= end) {
            if job.queue.remove_unread(*gone) {
                job.counts.skipped += 1;
            }
        }
    }

    /// How far the job is, and whether it has done all of its work, to be written down.
    pub fn job_progress(&mut self) -> Option<(JobId, JobProgress, bool)> {
        let detail = super::detail::of_queue(&self.job.as_ref()?.queue, self.revision);
        let job = self.job.as_mut()?;
        let is_done = job.has_ended() && !job.is_stopped;
        if is_done {
            // What was never found is kept no more.
            job.counts.skipped += job.total.saturating_sub(job.counts.sum());
        }
        Some((job.id, JobProgress { frontier: job.frontier, counts: job.counts, detail }, is_done))
    }

    /// Whether the job has nothing more to do.
    pub fn job_has_ended(&self) -> bool {
        self.job.as_deref().is_some_and(Job::has_ended)
    }

    /// Takes note that the end of this job is written down.
    pub fn job_end_is_journaled(&mut self, id: JobId) {
        if let Some(job) = self.job.as_mut().filter(|job| job.id == id) {
            job.end_is_journaled = true;
        }
    }

    /// What the journal has to write, beside progress, of jobs.
    pub fn take_job_news(&mut self) -> JobNews {
        self.news.take()
    }

    /// It could not be written.
    pub fn give_back_job_news(&mut self, mut news: JobNews) {
        news.delivered.append(&mut self.news.delivered);
        news.retry.append(&mut self.news.retry);
        *self.news = news;
    }

    /// Whether an entry of the log could start right now.
    #[cfg(test)]
    pub(crate) fn log_is_ready(&self) -> bool {
        self.live.ready_count() > 0
    }

    /// Whether something of the log goes before the job.
    fn gives_way(&self) -> bool {
        match self.flow {
            Flow::Flowing if !self.pacing.ordered => self.live.ready_count() > 0 || self.live.unread_count() > 0,
            // In order, nothing passes what waits; and a probe is made with what is live.
            _ => !self.live.is_empty(),
        }
    }

    pub(super) fn settle_of_job(&mut self, entry: &Arc<Entry>, fate: Fate, now: Now) -> Option<Died> {
        let job = self.job.as_mut()?;
        let hole = job.queue.remove_settled(entry)?;
        match &fate {
            Fate::Delivered => job.counts.accepted += 1,
            Fate::Filtered => job.counts.filtered += 1,
            Fate::Skipped(_) => job.counts.skipped += 1,
            Fate::Dead(_) => job.counts.refused += 1,
        }
        // Only what the ledger has as a letter changes it.
        let was = hole.letter?;
        match fate {
            Fate::Delivered => {
                let count = count_of(&mut self.counts, was);
                *count = count.saturating_sub(1);
                self.counts.delivered += 1;
                self.record.success_count += 1;
                self.record.last_success = Some(now.wall);
                self.news.delivered.push(entry.sequence);
                None
            }
            // It stays what it is.
            Fate::Filtered | Fate::Skipped(_) => None,
            Fate::Dead(reason) => {
                let count = count_of(&mut self.counts, was);
                *count = count.saturating_sub(1);
                self.counts.dead += 1;
                Some(Died { entry: Arc::clone(entry), reason, fate: LetterFate::Dead })
            }
        }
    }

    /// A suspension has ended: what was refused before it, all in a row, is sent once more.
    pub(super) fn retry_streak(&mut self) {
        if self.streak.suspended {
            self.news.retry.append(&mut self.streak.take().letters);
        }
    }
}

impl Job {
    /// Its id.
    pub fn id(&self) -> JobId {
        self.id
    }

    /// What it sends.
    pub fn kind(&self) -> JobKind {
        self.kind
    }

    /// Whether it was stopped.
    pub fn is_stopped(&self) -> bool {
        self.is_stopped
    }

    /// What came of its entries so far.
    #[cfg(test)]
    pub(crate) fn counts(&self) -> JobCounts {
        self.counts
    }

    fn reads(&self, id: JobId) -> bool {
        self.id == id && !self.is_stopped
    }

    fn has_ended(&self) -> bool {
        self.queue.is_empty() && (self.is_stopped || self.frontier >= self.last)
    }
}

fn count_of(counts: &mut Counts, fate: LetterFate) -> &mut u64 {
    match fate {
        LetterFate::Dead => &mut counts.dead,
        LetterFate::Skipped => &mut counts.skipped,
    }
}
