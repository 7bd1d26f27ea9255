//! What one subscription does next. Pure: the engine brings entries, outcomes and times, and
//! performs what is chosen.
//!
//! Every entry up to the frontier was judged. The unsettled ones among them are the holes;
//! the position is where the first hole begins. A replay or a redelivery has holes of its own and
//! shares all else. Deliberately absent: sending, the log, locks.

mod detail;
mod expire;
mod follows;
mod job;
mod queue;
mod results;
mod runs;
mod skips;
mod starts;
#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use domain::{Entry, Sequence, Timestamp};
use store::{Counts, LetterFate, SkippedRange};

pub(crate) use detail::holes_of;
use job::Streak;
pub use job::{JOB_BYTES_MAX, Job, JobEntry, JobNews, JobRead};
use queue::Queue;
pub use starts::Source;

use crate::{
    decide::{EntryTries, Health},
    outcome::{Outcome, Reason},
    seldom::{Blank, Seldom},
    status::Failure,
};
pub use expire::Expired;

/// Most unsettled entries that one subscription holds below its frontier.
pub const HOLES_MAX: usize = 1_024;
/// Bytes of entries that one subscription keeps in memory; one more page of the log always fits.
pub const LOADED_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Outcomes of one subscription that may wait to be written down; then no request starts.
/// With what is in flight it bounds what a crash sends again.
pub const UNJOURNALED_MAX: u64 = 4_096;
/// Probes rotate over this many of the first unsettled entries.
const PROBED_MAX: usize = 16;

/// The state of one subscription's deliveries.
#[derive(Debug)]
pub struct Courier {
    frontier: Sequence,
    // Entries of the log.
    live: Seldom<Queue>,
    // It shares everything below with them. Most have none, so it takes no room in them.
    job: Option<Box<Job>>,
    news: Seldom<JobNews>,
    streak: Seldom<Streak>,
    in_flight: u32,
    // Requests of earlier revisions that run to their end; they hold up no new one.
    in_flight_before: u32,
    window: u32,
    pacing: Pacing,
    // Accepted requests since the window last grew.
    round: u32,
    is_proven: bool,
    // What came of an older revision says nothing of this one.
    revision: u64,
    last_stamp: Option<Timestamp>,
    health: Health,
    flow: Flow,
    // A stop is written down before the next request, so that a crash cannot forget it.
    flow_is_journaled: bool,
    mark: Mark,
    // Outcomes that are written down.
    journaled: u64,
    counts: Counts,
    // Passed over, and not yet taken to be written down.
    skipped: Seldom<Vec<SkippedRange>>,
    record: Seldom<Record>,
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
    // Halved when a batch with it did not pass, so that a culprit ends up alone.
    batch_max: usize,
    // The end of its own wait, kept while its bytes are not at hand.
    due: Option<Due>,
    // What the ledger counts it as already, when a redelivery sends it.
    letter: Option<LetterFate>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Due {
    at: Duration,
    at_wall: Timestamp,
    length: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Its bytes have to be read first.
    Unread,
    Ready,
    /// For its `due`.
    Waiting,
    InFlight,
}

/// Whether requests may start.
#[derive(Clone, Debug, PartialEq)]
pub enum Flow {
    /// They may.
    Flowing,
    /// Not before `wait` is over; then one at a time until one is accepted.
    Holding(Box<Wait>),
    /// The same, and only a change or an accepted probe ends it.
    Suspended(Box<Wait>),
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
    /// Since when it has not flowed, by the wall clock.
    pub since: Timestamp,
    /// Whether the destination asked for it; then no edit shortens it.
    pub asked: bool,
    /// Why.
    pub reason: Reason,
}

/// Names what a journal write covers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mark {
    /// How often it has stopped.
    pub stops: u64,
    /// Entries whose attempts have ended.
    pub outcomes: u64,
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

static BLANK_RECORD: Record =
    Record { success_count: 0, error_count: 0, last_success: None, last_error: None, errors: Vec::new() };

impl Blank for Record {
    fn blank() -> &'static Self {
        &BLANK_RECORD
    }

    fn is_blank(&self) -> bool {
        *self == BLANK_RECORD
    }
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
    /// Where the entries come from.
    pub source: Source,
    revision: u64,
}

/// What came of a load.
#[derive(Clone, Debug)]
pub struct Results {
    /// One for each entry of the load, in order; `None` for those that the request was made of.
    pub own: Vec<Option<Outcome>>,
    /// What came of the request.
    pub sent: Sent,
}

/// What came of a request.
#[derive(Clone, Debug)]
pub enum Sent {
    /// The same for all its entries.
    Whole(Outcome),
    /// One for each of its entries, in order.
    Each(Vec<Outcome>),
}

impl Results {
    /// Whether the destination accepted every entry of the request.
    pub fn is_accepted(&self) -> bool {
        match &self.sent {
            Sent::Whole(outcome) => *outcome == Outcome::Accepted,
            Sent::Each(outcomes) => {
                !outcomes.is_empty() && outcomes.iter().all(|outcome| *outcome == Outcome::Accepted)
            }
        }
    }
}

/// A dead letter to be written down, or a skipped entry.
#[derive(Clone, Debug)]
pub struct Died {
    /// The entry.
    pub entry: Arc<Entry>,
    /// What the ledger counts it as.
    pub fate: LetterFate,
    /// Why.
    pub reason: Reason,
}

impl Courier {
    /// A courier that has judged everything up to `frontier` and holds nothing.
    pub fn new(frontier: Sequence, revision: u64, pacing: Pacing) -> Self {
        Self {
            frontier,
            live: Seldom::default(),
            job: None,
            news: Seldom::default(),
            streak: Seldom::default(),
            in_flight: 0,
            in_flight_before: 0,
            window: 1,
            pacing,
            round: 0,
            is_proven: false,
            revision,
            last_stamp: None,
            health: Health::default(),
            flow: Flow::Flowing,
            flow_is_journaled: true,
            mark: Mark::default(),
            journaled: 0,
            counts: Counts::default(),
            skipped: Seldom::default(),
            record: Seldom::default(),
        }
    }

    /// Up to here every entry was judged.
    pub fn frontier(&self) -> Sequence {
        self.frontier
    }

    /// Up to here every entry has its fate.
    pub fn position(&self) -> Sequence {
        self.live.first().map_or(self.frontier, |(first, _)| first.previous())
    }

    /// Entries judged and not settled.
    pub fn unsettled(&self) -> usize {
        self.live.len()
    }

    /// Whether an entry was judged and has no fate yet.
    pub fn holds(&self, sequence: Sequence) -> bool {
        self.live.contains(sequence)
    }

    /// Requests that have been taken and not finished.
    pub fn in_flight(&self) -> u32 {
        self.in_flight + self.in_flight_before
    }

    /// Whether its last request was accepted in good time.
    pub fn is_proven(&self) -> bool {
        self.is_proven
    }

    /// Whether requests may start.
    pub fn flow(&self) -> &Flow {
        &self.flow
    }

    /// The counts of the fates so far.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// What users see of the past.
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// Whether nothing is unsettled and nothing is being waited for.
    pub fn is_idle(&self) -> bool {
        self.live.is_empty() && self.in_flight() == 0 && self.flow == Flow::Flowing
    }

    /// Lets go of the room of what there is none of.
    pub(crate) fn trim(&mut self) {
        self.live.trim();
        self.news.trim();
        self.streak.trim();
        self.record.trim();
    }

    /// Whether another matching entry can be taken up.
    pub fn has_room(&self) -> bool {
        self.live.len() < HOLES_MAX && self.live.loaded_bytes() < LOADED_BYTES_MAX
    }

    /// Whether so little is at hand that reading ahead is worth it: unread entries first, and
    /// new ones while there is room for more.
    pub fn wants_more(&self) -> bool {
        match self.flow {
            // What goes in order waits for its first entry, however much else is at hand.
            Flow::Flowing if self.first_is_unread() => true,
            Flow::Flowing => {
                let little = self.live.loaded_bytes() < LOADED_BYTES_MAX && self.live.ready_count() < HOLES_MAX / 2;
                little && (self.live.len() < HOLES_MAX || self.has_unread())
            }
            // A probe needs one entry.
            Flow::Holding(_) | Flow::Suspended(_) => self.in_flight == 0 && self.live.loaded_bytes() == 0,
        }
    }

    /// Whether the bytes of an unsettled entry are not at hand.
    pub fn has_unread(&self) -> bool {
        self.live.unread_count() > 0
    }

    fn first_is_unread(&self) -> bool {
        self.live.first().is_some_and(|(_, phase)| phase == Phase::Unread)
    }

    /// Takes note that all entries up to `sequence` were judged and none of them is to be sent.
    pub fn pass_to(&mut self, sequence: Sequence) {
        self.frontier = self.frontier.max(sequence);
    }

    /// Takes up a matching entry. Those between it and the frontier did not match. An entry
    /// that was judged before changes nothing.
    pub fn accept(&mut self, entry: Arc<Entry>) {
        let sequence = entry.sequence;
        if sequence <= self.frontier {
            return;
        }
        self.frontier = sequence;
        self.live.insert(entry, None);
    }

    /// The first unsettled entries whose bytes are not at hand, at most `count`.
    pub fn unread(&self, count: usize) -> Vec<Sequence> {
        self.live.unread(count)
    }

    /// Brings the bytes of an unread entry, and whether the present revision still wants it.
    pub fn read(&mut self, entry: &Arc<Entry>, matches: bool) {
        if matches {
            self.live.read(entry, None);
        } else if self.live.remove_unread(entry.sequence) {
            self.counts.filtered_after_match += 1;
        }
    }

    /// Forgets the bytes of what is not in flight, as for a new revision or a long wait.
    pub fn unload(&mut self) {
        self.queues().for_each(Queue::unload);
    }

    /// Starts anew under another revision: every unsettled entry is judged again. Only a wait
    /// that the destination asked for stays.
    pub fn revise(&mut self, revision: u64, pacing: Pacing) {
        self.unload();
        self.queues().for_each(Queue::forget_tries);
        self.retry_streak();
        self.streak.take();
        self.in_flight_before += std::mem::take(&mut self.in_flight);
        self.pacing = pacing;
        self.revision = revision;
        self.begin_anew();
    }

    /// Goes on under another version of its integration. What is unsettled stays as it is, and what
    /// stopped it before need not stop it now; only a wait that the destination asked for stays.
    pub fn renew(&mut self, pacing: Pacing) {
        self.retry_streak();
        self.pacing = pacing;
        self.begin_anew();
    }

    fn begin_anew(&mut self) {
        self.health = Health::default();
        self.restart_window();
        self.flow = match std::mem::replace(&mut self.flow, Flow::Flowing) {
            Flow::Holding(wait) | Flow::Suspended(wait) if wait.asked => Flow::Holding(wait),
            _ => Flow::Flowing,
        };
    }

    /// Takes note that a request has ended, or did not start after all.
    fn landed(&mut self, load: &Load) {
        if load.revision == self.revision {
            self.in_flight -= 1;
        } else {
            self.in_flight_before -= 1;
        }
    }

    /// Ends a suspension: a test message was accepted. Only a wait that the destination asked
    /// for stays. It was no entry, so it does not tell that the destination takes those.
    pub fn test_accepted(&mut self, now: Duration) {
        self.flow = match std::mem::replace(&mut self.flow, Flow::Flowing) {
            Flow::Suspended(wait) if wait.asked && wait.until > now => Flow::Holding(wait),
            Flow::Suspended(_) => Flow::Flowing,
            other => return self.flow = other,
        };
        self.health = Health { acceptances: self.health.acceptances, ..Health::default() };
        self.retry_streak();
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

    /// Names what a journal write of its present progress covers.
    pub fn mark(&self) -> Mark {
        self.mark
    }

    /// Takes note that everything up to this mark was written down.
    pub fn journaled(&mut self, mark: Mark) {
        self.flow_is_journaled |= mark.stops == self.mark.stops;
        self.journaled = self.journaled.max(mark.outcomes);
    }

    /// Keeps a failure for people to see.
    pub fn note_failure(&mut self, failure: Failure, entries: u64) {
        self.record.error_count += entries;
        self.record.last_error = Some(failure.at);
        self.record.errors.insert(0, failure);
        self.record.errors.truncate(Failure::KEPT);
    }

    fn queues(&mut self) -> impl Iterator<Item = &mut Queue> {
        self.live.get_mut().into_iter().chain(self.job.as_mut().map(|job| &mut job.queue))
    }

    /// Where the entries of a request come from; none when its job is no longer in work.
    fn queue_of(&mut self, source: Source) -> Option<&mut Queue> {
        match source {
            Source::Log => self.live.get_mut(),
            Source::Job { id, .. } => self.job.as_mut().filter(|job| job.id() == id).map(|job| &mut job.queue),
        }
    }

    fn restart_window(&mut self) {
        self.window = 1;
        self.round = 0;
        self.is_proven = false;
    }
}

impl Hole {
    fn unread() -> Self {
        Self {
            entry: None,
            tries: EntryTries::default(),
            phase: Phase::Unread,
            batch_max: usize::MAX,
            due: None,
            letter: None,
        }
    }

    /// Lets the bytes go; says how many they were.
    fn take_bytes(&mut self) -> usize {
        self.phase = Phase::Unread;
        self.entry.take().map_or(0, |entry| entry.bytes.len())
    }
}
