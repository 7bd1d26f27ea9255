//! The subscriptions of one account, and how each of them comes to its entries.

use std::{
    borrow::Borrow,
    collections::{HashMap, HashSet},
    hash::{Hash, Hasher},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use domain::{AccountId, Entry, EntryDraft, EntryFacts, Sequence, SubscriptionId, Timestamp};
use parking_lot::{Mutex, MutexGuard};
use policy::PolicyIndex;

use crate::{
    courier::{Expired, Flow, Pacing},
    lane::{Lane, LaneState, Mode, Spec},
    shelf::Shelf,
};

/// The subscriptions of one account that are on, and how far they have been matched together.
pub(crate) struct Account {
    pub(crate) id: AccountId,
    /// Held while a subscription is taken up anew, so that none is taken up twice.
    pub(crate) reloads: tokio::sync::Mutex<()>,
    /// Held while a page of the log is read.
    pub(crate) shelf: tokio::sync::Mutex<Shelf>,
    /// Who holds the shelf or waits for it.
    pub(crate) readers: AtomicUsize,
    state: Mutex<AccountState>,
    // Whether the operator keeps it from delivering.
    suspended: AtomicBool,
}

pub(crate) struct AccountState {
    /// Up to here the attached subscriptions were matched.
    pub(crate) matched: Sequence,
    /// The policies of the attached subscriptions.
    pub(crate) index: PolicyIndex<SubscriptionId>,
    pub(crate) lanes: Lanes,
    /// Subscriptions whose progress changed since it was last written down. It stands beside
    /// `matched`, so that no write has the one without the other: a subscription that counts
    /// as caught up would lose what it was just given.
    pub(crate) dirty: HashMap<SubscriptionId, Arc<Lane>>,
    /// Subscriptions that stand ahead of `matched` and wait until it reaches them.
    pub(crate) ahead: Vec<Arc<Lane>>,
}

/// Subscriptions by their ids, which they have themselves.
#[derive(Default)]
pub(crate) struct Lanes(HashSet<ById>);

struct ById(Arc<Lane>);

impl Lanes {
    pub(crate) fn get(&self, id: SubscriptionId) -> Option<&Arc<Lane>> {
        self.0.get(&id).map(|found| &found.0)
    }

    pub(crate) fn insert(&mut self, lane: Arc<Lane>) {
        self.0.replace(ById(lane));
    }

    pub(crate) fn remove(&mut self, id: SubscriptionId) {
        self.0.remove(&id);
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Lane>> {
        self.0.iter().map(|lane| &lane.0)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Borrow<SubscriptionId> for ById {
    fn borrow(&self) -> &SubscriptionId {
        &self.0.id
    }
}

impl Hash for ById {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.id.hash(state);
    }
}

impl PartialEq for ById {
    fn eq(&self, other: &Self) -> bool {
        self.0.id == other.0.id
    }
}

impl Eq for ById {}

impl Account {
    pub(crate) fn new(id: AccountId, matched: Sequence) -> Self {
        let state = AccountState {
            matched,
            index: PolicyIndex::new(),
            lanes: Lanes::default(),
            dirty: HashMap::new(),
            ahead: Vec::new(),
        };
        Self {
            id,
            reloads: tokio::sync::Mutex::default(),
            shelf: tokio::sync::Mutex::default(),
            readers: AtomicUsize::new(0),
            state: Mutex::new(state),
            suspended: AtomicBool::new(false),
        }
    }

    /// Whether all its subscriptions are to rest as if they were off.
    pub(crate) fn is_suspended(&self) -> bool {
        self.suspended.load(Ordering::Acquire)
    }

    /// Says so, or that they may go on; what is loaded of them has to be revised then.
    pub(crate) fn suspend(&self, suspended: bool) {
        self.suspended.store(suspended, Ordering::Release);
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, AccountState> {
        self.state.lock()
    }

    /// The subscriptions that are loaded.
    pub(crate) fn all_lanes(&self) -> Vec<Arc<Lane>> {
        self.lock().lanes.iter().map(Arc::clone).collect()
    }

    /// Gives the entries of a page to the subscriptions that want them; these are told.
    pub(crate) fn give(&self, page: &[Arc<Entry>]) -> Vec<Arc<Lane>> {
        // Reading the entries takes most of the time, and needs no lock.
        let facts: Vec<&EntryFacts> = page.iter().map(|entry| entry.facts()).collect();
        let mut woken = HashSet::new();
        let mut lanes = Vec::new();
        let mut wanted = Vec::new();
        let mut state = self.lock();
        for (entry, facts) in page.iter().zip(facts) {
            // A gap after the matched position is what retention took.
            if entry.sequence <= state.matched {
                continue;
            }
            state.index.matches(facts.accesses(), &mut wanted);
            for id in wanted.drain(..) {
                let Some(lane) = state.lanes.get(id).map(Arc::clone) else { continue };
                let mut lane_state = lane.lock();
                if lane_state.mode == Mode::Attached && lane_state.courier.has_room() {
                    lane_state.courier.accept(Arc::clone(entry));
                } else {
                    // It reads on from the log by itself, beginning with this entry.
                    state.detach(&lane, &mut lane_state, Mode::Reading);
                }
                drop(lane_state);
                if woken.insert(id) {
                    state.soil(&lane);
                    lanes.push(lane);
                }
            }
            state.matched = entry.sequence;
        }
        lanes
    }

    /// Lets a lane that has read up to `frontier` join its account there, or says what it has
    /// to do first.
    pub(crate) fn join(&self, lane: &Arc<Lane>, frontier: Sequence) -> Join {
        let mut state = self.lock();
        let mut lane_state = lane.lock();
        if lane_state.mode != Mode::Reading || lane_state.courier.frontier() != frontier {
            return Join::Stale;
        }
        if frontier < state.matched {
            return Join::Behind;
        }
        lane_state.reading = false;
        if frontier > state.matched && !state.index.is_empty() {
            // It is newer than what the others were matched to; they must not miss what lies
            // between.
            state.ahead.push(Arc::clone(lane));
        } else {
            state.matched = frontier;
            state.attach(lane, &mut lane_state);
        }
        Join::Done
    }

    /// Lets no request of the lane start until it is revised.
    pub(crate) fn freeze(&self, lane: &Arc<Lane>) {
        let mut state = self.lock();
        state.detach(lane, &mut lane.lock(), Mode::Frozen);
    }

    /// Lets the lane go on, or pause, as `spec` says: what is unsettled is judged by it.
    pub(crate) fn revise(&self, lane: &Arc<Lane>, is_on: bool, spec: Option<(Spec, Pacing)>) {
        let mut state = self.lock();
        let mut lane_state = lane.lock();
        let delivers = is_on && spec.is_some();
        state.detach(lane, &mut lane_state, if delivers { Mode::Reading } else { Mode::Paused });
        if let Some((spec, pacing)) = spec {
            if spec.revision != lane_state.spec.revision {
                lane_state.courier.revise(spec.revision, pacing);
                lane_state.spec = Arc::new(spec);
            } else if !spec.sends_alike(&lane_state.spec) {
                lane_state.courier.renew(pacing);
                lane_state.spec = Arc::new(spec);
            }
        }
        if !delivers {
            lane_state.courier.unload();
        }
    }

    /// Lets a lane give up what has no fate up to `end`, and tell of it, unless it is being changed.
    pub(crate) fn give_up(
        &self,
        lane: &Arc<Lane>,
        end: Sequence,
        now: Timestamp,
        tell: impl FnOnce(&Spec, Expired) -> EntryDraft,
    ) -> Option<Expired> {
        let mut state = self.lock();
        let mut lane_state = lane.lock();
        match lane_state.mode {
            Mode::Frozen | Mode::Gone => return None,
            Mode::Attached => lane_state.courier.pass_to(state.matched),
            Mode::Reading | Mode::Paused => {}
        }
        // An attached lane must not get ahead of its account.
        let expired = lane_state.courier.expire_to(end.min(state.matched), now)?;
        let told = tell(&lane_state.spec, expired);
        lane_state.owed.told.push(told);
        state.soil(lane);
        Some(expired)
    }

    /// Ends a lane. Requests in flight hold it, and what comes of them is still journaled.
    pub(crate) fn remove(&self, lane: &Arc<Lane>) {
        let mut state = self.lock();
        let mut lane_state = lane.lock();
        state.detach(lane, &mut lane_state, Mode::Gone);
        state.lanes.remove(lane.id);
        lane_state.courier.unload();
    }

    /// A subscription that waits hears of no entries and keeps none in memory.
    pub(crate) fn rest(&self, lane: &Arc<Lane>) {
        let mut state = self.lock();
        let mut lane_state = lane.lock();
        if lane_state.mode == Mode::Attached {
            state.detach(lane, &mut lane_state, Mode::Reading);
        }
        if *lane_state.courier.flow() != Flow::Flowing {
            lane_state.courier.unload();
        }
    }
}

/// What a lane that reads by itself has to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Join {
    /// Nothing: it joined, or is told when it can.
    Done,
    /// Read on.
    Behind,
    /// Look again: it is no longer where it was.
    Stale,
}

impl AccountState {
    /// Lets the matcher bring entries to `lane`, which stands where the account stands.
    pub(crate) fn attach(&mut self, lane: &Arc<Lane>, state: &mut LaneState) {
        state.mode = Mode::Attached;
        self.index.insert(lane.id, state.spec.policy.clone());
        self.soil(lane);
    }

    /// Gives `lane` a frontier of its own, in `mode`.
    pub(crate) fn detach(&mut self, lane: &Arc<Lane>, state: &mut LaneState, mode: Mode) {
        if state.mode == Mode::Attached {
            self.index.remove(&lane.id);
            state.courier.pass_to(self.matched);
        }
        state.mode = mode;
        self.soil(lane);
    }

    /// Takes note that the lane's progress has changed.
    pub(crate) fn soil(&mut self, lane: &Arc<Lane>) {
        self.dirty.entry(lane.id).or_insert_with(|| Arc::clone(lane));
    }
}
