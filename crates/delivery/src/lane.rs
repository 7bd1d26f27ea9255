//! One subscription in the engine: what it is, how far it is, how it hears of entries.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use domain::{AccountId, Entry, EntryDraft, JobId, Sequence, SubscriptionId, Timestamp};
use integrations::{BatchLimits, Integration};
use parking_lot::{Mutex, MutexGuard};
use policy::Policy;
use store::DeadLetter;

use crate::{
    attempts::Unwritten,
    courier::{Courier, Flow, JobEntry, JobRead, Load, Pacing},
    engine::{counters::AttemptCounters, figures::Tally},
    seldom::{Blank, Seldom},
    send::OpenConfig,
};

/// What a request needs to know of its subscription, as one revision has it.
pub(crate) struct Spec {
    pub(crate) revision: u64,
    /// What people call the subscription.
    pub(crate) name: Box<str>,
    pub(crate) policy: Policy,
    pub(crate) integration: Arc<Integration>,
    /// Sealed.
    pub(crate) config: Box<[u8]>,
    /// How much one request takes under this configuration.
    pub(crate) batch: BatchLimits,
    /// Why nothing can be sent by its integration now, if so.
    pub(crate) unusable: Option<Box<str>>,
    /// Blank until a request is made.
    pub(crate) used: Mutex<Seldom<Used>>,
    /// Counts its attempts, together with those of all subscriptions to its integration.
    pub(crate) counters: Arc<AttemptCounters>,
}

/// What the requests under one revision share.
#[derive(Default)]
pub(crate) struct Used {
    /// The configuration in the clear, as long as requests are under way.
    pub(crate) opened: Weak<OpenConfig>,
    /// Scheme, host and port of its requests, once one was made.
    pub(crate) host: Option<Arc<str>>,
}

static UNUSED: Used = Used { opened: Weak::new(), host: None };

impl Blank for Used {
    fn blank() -> &'static Self {
        &UNUSED
    }

    fn is_blank(&self) -> bool {
        self.opened.strong_count() == 0 && self.host.is_none()
    }
}

impl Spec {
    /// Whether requests are made by the same version of the integration, or by none.
    pub(crate) fn sends_alike(&self, other: &Self) -> bool {
        self.integration.version() == other.integration.version() && self.unusable == other.unusable
    }

    pub(crate) fn pacing(&self, window_max: u32) -> Pacing {
        match self.integration.pace() {
            None => Pacing { window_max, ordered: false },
            // Requests that have to keep a distance gain nothing from waiting side by side.
            Some(pace) => Pacing { window_max: 1, ordered: pace.ordered() },
        }
    }

    fn judge(&self, page: &[Arc<Entry>]) -> Vec<bool> {
        page.iter().map(|entry| self.policy.allows(entry.facts().accesses())).collect()
    }
}

/// How a subscription hears of entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// From the matcher: it stands where its account stands, but for what is unsettled.
    Attached,
    /// From the log, by itself, until it has caught up with its account.
    Reading,
    /// Not at all while it is being changed: no request starts.
    Frozen,
    /// Not at all: it is off.
    Paused,
    /// Not at all: it was deleted.
    Gone,
}

pub(crate) struct Lane {
    pub(crate) account: AccountId,
    pub(crate) id: SubscriptionId,
    state: Mutex<LaneState>,
}

pub(crate) struct LaneState {
    pub(crate) spec: Arc<Spec>,
    pub(crate) courier: Courier,
    pub(crate) mode: Mode,
    /// Whether a reader is at work.
    pub(crate) reading: bool,
    /// The earliest moment at which the due-queue will look at it.
    pub(crate) queued_for: Option<Duration>,
    /// Whether a reader is at work for its job.
    pub(crate) job_reading: bool,
    /// Whether the store may have a job for it to begin.
    pub(crate) jobs_changed: bool,
    pub(crate) owed: Seldom<Owed>,
    /// Attempts that are not yet written down.
    pub(crate) attempts: Seldom<Unwritten>,
    /// Whether somebody looks after its conditions.
    pub(crate) watched: bool,
    /// What the figures have of it.
    pub(crate) counted: Seldom<Tally>,
}

/// What is in the courier's progress, and has to be written down together with it.
#[derive(Default)]
pub(crate) struct Owed {
    pub(crate) dead: Vec<DeadLetter>,
    /// Entries of the server's own that tell of it.
    pub(crate) told: Vec<EntryDraft>,
}

static BLANK: Owed = Owed { dead: Vec::new(), told: Vec::new() };

impl Blank for Owed {
    fn blank() -> &'static Self {
        &BLANK
    }

    fn is_blank(&self) -> bool {
        self.dead.is_empty() && self.told.is_empty()
    }
}

impl Lane {
    pub(crate) fn new(account: AccountId, id: SubscriptionId, spec: Spec, courier: Courier) -> Self {
        let state = LaneState {
            spec: Arc::new(spec),
            // What an earlier process did is no figure of this one.
            counted: Tally::of(&courier).into(),
            courier,
            mode: Mode::Reading,
            reading: false,
            queued_for: None,
            job_reading: false,
            jobs_changed: false,
            owed: Seldom::default(),
            attempts: Seldom::default(),
            watched: false,
        };
        Self { account, id, state: Mutex::new(state) }
    }

    /// Taken after the lock of the account where both are needed.
    pub(crate) fn lock(&self) -> MutexGuard<'_, LaneState> {
        self.state.lock()
    }

    /// Whether a request may start under the revision of `spec`; keeps the first `count`
    /// entries of it.
    ///
    /// This is the last look before the request starts: once a change was answered, no request
    /// of the revision before it gets past here.
    pub(crate) fn may_still_start(&self, spec: &Spec, load: &mut Load, count: usize) -> bool {
        let mut state = self.lock();
        // A stop that came meanwhile is obeyed, too.
        let stopped = !load.is_probe && *state.courier.flow() != Flow::Flowing;
        let may_start = state.listens() && state.courier.may_still_start(load);
        if !may_start || stopped || state.spec.revision != spec.revision {
            state.courier.put_back(load);
            return false;
        }
        state.courier.put_back_rest(load, count);
        true
    }

    /// Brings unread entries: `page` is what the log has of the neighbours `holes`.
    pub(crate) fn read_holes(&self, spec: &Spec, holes: &[Sequence], page: &[Arc<Entry>], now: Timestamp) {
        let judged = spec.judge(page);
        let mut state = self.lock();
        if state.spec.revision != spec.revision {
            return;
        }
        for (entry, matches) in page.iter().zip(judged) {
            state.courier.read(entry, matches);
        }
        // What the page should have and has not is no longer in the log. A page can end early.
        let end = page.last().map(|entry| entry.sequence).or(holes.first().copied());
        for gone in holes.iter().filter(|hole| Some(**hole) <= end) {
            state.courier.expire(*gone, now);
        }
    }

    /// Brings what the job `id` asked to have read: `page` is what there is of it.
    pub(crate) fn read_job(&self, spec: &Spec, id: JobId, asked: &JobRead, page: &[JobEntry]) {
        let wanted: Vec<_> = page.iter().map(|item| spec.policy.allows(item.entry.facts().accesses())).collect();
        let mut state = self.lock();
        if state.spec.revision != spec.revision {
            return;
        }
        match asked {
            JobRead::Holes(holes) => state.courier.job_holes(id, holes, page, &wanted),
            JobRead::Page(after) => state.courier.job_page(id, *after, page, &wanted),
        }
    }

    /// Takes up what the log has after `frontier`, up to `matched`.
    pub(crate) fn read_page(
        &self,
        spec: &Spec,
        frontier: Sequence,
        matched: Sequence,
        page: &[Arc<Entry>],
        now: Timestamp,
    ) {
        let end = page.partition_point(|entry| entry.sequence <= matched);
        let page = &page[..end];
        let judged = spec.judge(page);
        let mut state = self.lock();
        let is_stale =
            state.spec.revision != spec.revision || state.mode != Mode::Reading || state.courier.frontier() != frontier;
        if is_stale {
            return;
        }
        // What should follow and does not had left the log before anybody here waited for it.
        state.courier.miss_to(page.first().map_or(matched, |first| first.sequence.previous()), now);
        for (entry, matches) in page.iter().zip(judged) {
            if !matches {
                state.courier.pass_to(entry.sequence);
            } else if state.courier.has_room() {
                state.courier.accept(Arc::clone(entry));
            } else {
                break;
            }
        }
    }
}

impl LaneState {
    /// Whether there is anything about it that could last too long.
    pub(crate) fn is_worth_watching(&self) -> bool {
        self.listens() && (self.mode != Mode::Attached || !self.courier.is_idle())
    }

    /// Keeps dead letters until they are written down.
    pub(crate) fn owe_letters(&mut self, letters: impl Iterator<Item = DeadLetter>) {
        // One by one: to extend by none would make room for it.
        for letter in letters {
            self.owed.dead.push(letter);
        }
    }

    /// Lets go of the room of what there is none of.
    pub(crate) fn trim(&mut self) {
        self.courier.trim();
        self.owed.trim();
        self.attempts.trim();
        let mut used = self.spec.used.lock();
        if let Some(used) = used.get_mut()
            && used.opened.strong_count() == 0
        {
            used.opened = Weak::new();
        }
        used.trim();
    }

    /// Whether it may send.
    pub(crate) fn listens(&self) -> bool {
        matches!(self.mode, Mode::Attached | Mode::Reading)
    }
}
