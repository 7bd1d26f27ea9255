//! One subscription in the engine: what it is, how far it is, how it hears of entries.

use std::{
    collections::HashMap,
    sync::{Arc, OnceLock},
    time::Duration,
};

use domain::{AccountId, Sequence, SubscriptionId};
use integrations::{BatchLimits, Integration};
use parking_lot::{Mutex, MutexGuard};
use policy::{Policy, PolicyIndex};
use store::DeadLetter;

use crate::courier::{Courier, Pacing};

/// What a request needs to know of its subscription, as one revision has it.
pub(crate) struct Spec {
    pub(crate) revision: u64,
    pub(crate) policy: Arc<Policy>,
    pub(crate) integration: Arc<Integration>,
    /// Sealed; opened anew for each request.
    pub(crate) config: Vec<u8>,
    /// How much one request takes under this configuration.
    pub(crate) batch: BatchLimits,
    /// Scheme, host and port of its requests, once one was made.
    pub(crate) host: OnceLock<String>,
}

impl Spec {
    pub(crate) fn pacing(&self, window_max: u32) -> Pacing {
        match self.integration.pace() {
            None => Pacing { window_max, ordered: false },
            // Requests that have to keep a distance gain nothing from waiting side by side.
            Some(pace) => Pacing { window_max: 1, ordered: pace.ordered() },
        }
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
    /// Dead letters that are counted in the courier's progress and not yet written down.
    pub(crate) dead: Vec<DeadLetter>,
}

impl Lane {
    pub(crate) fn new(account: AccountId, id: SubscriptionId, spec: Spec, courier: Courier) -> Self {
        let spec = Arc::new(spec);
        let state =
            LaneState { spec, courier, mode: Mode::Reading, reading: false, queued_for: None, dead: Vec::new() };
        Self { account, id, state: Mutex::new(state) }
    }

    /// Taken after the lock of the account where both are needed.
    pub(crate) fn lock(&self) -> MutexGuard<'_, LaneState> {
        self.state.lock()
    }
}

/// The subscriptions of one account that are on, and how far they have been matched together.
pub(crate) struct Account {
    pub(crate) id: AccountId,
    /// Held while a subscription is taken up anew, so that none is taken up twice.
    pub(crate) reloads: tokio::sync::Mutex<()>,
    state: Mutex<AccountState>,
}

pub(crate) struct AccountState {
    /// Up to here the attached subscriptions were matched.
    pub(crate) matched: Sequence,
    /// The policies of the attached subscriptions.
    pub(crate) index: PolicyIndex<SubscriptionId>,
    pub(crate) lanes: HashMap<SubscriptionId, Arc<Lane>>,
    /// Subscriptions whose progress changed since it was last written down. It stands beside
    /// `matched`, so that no write has the one without the other: a subscription that counts
    /// as caught up would lose what it was just given.
    pub(crate) dirty: HashMap<SubscriptionId, Arc<Lane>>,
    /// Subscriptions that stand ahead of `matched` and wait until it reaches them.
    pub(crate) ahead: Vec<Arc<Lane>>,
}

impl Account {
    pub(crate) fn new(id: AccountId, matched: Sequence) -> Self {
        let state = AccountState {
            matched,
            index: PolicyIndex::new(),
            lanes: HashMap::new(),
            dirty: HashMap::new(),
            ahead: Vec::new(),
        };
        Self { id, reloads: tokio::sync::Mutex::default(), state: Mutex::new(state) }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, AccountState> {
        self.state.lock()
    }
}

impl AccountState {
    /// Lets the matcher bring entries to `lane`, which stands where the account stands.
    pub(crate) fn attach(&mut self, lane: &Arc<Lane>, state: &mut LaneState) {
        state.mode = Mode::Attached;
        self.index.insert(lane.id, Arc::clone(&state.spec.policy));
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
        if !self.dirty.contains_key(&lane.id) {
            self.dirty.insert(lane.id, Arc::clone(lane));
        }
    }
}
