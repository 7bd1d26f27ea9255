//! Performs what the couriers choose: reads the log, sends, waits, writes the journal.

pub(crate) mod attempt;
mod change;
mod conditions;
pub(crate) mod counters;
mod due;
pub(crate) mod figures;
mod forget;
mod jobs;
mod read_ahead;
mod record;
pub(crate) mod retention;
mod skip;
mod spec;
mod status;
mod test_send;
mod time;
pub(crate) mod worst;

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::Duration,
};

use domain::{AccountId, Clock, ClockWatch, Keys, Sequence, SubscriptionId};
use integrations::LiveCatalogue;
use parking_lot::Mutex;
use store::{JournalWrite, Store, Subscription};
use tokio::runtime::Handle;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    account::Account,
    client::{AddressGuard, AllowedRange, Client},
    condition::ConditionLimits,
    courier::{Courier, Load, Now},
    decide::{Jitter, Schedule},
    destination::Destinations,
    journal::Journal,
    lane::{Lane, Mode, Spec},
    matcher,
    permits::Permits,
    send::Targets,
    status::Status,
};
pub use attempt::SLOW;
use conditions::Conditions;
use counters::AllCounters;
use due::DueQueue;
pub use skip::SkipRequest;
pub(crate) use test_send::shown as shown_request;
pub use test_send::{TURN_MAX, TestRequest, TestResult};

/// Subscriptions of an account that are loaded in one go: long enough that asking the store counts
/// little, short enough that others have their turn.
const LOAD_AT_ONCE: usize = 100;
/// How many jobs can be taken up at a time.
const JOB_TURNS: usize = 64;

/// Settings of the engine.
#[derive(Clone, Debug)]
pub struct EngineSettings {
    /// Delays and limits of retrying.
    pub schedule: Schedule,
    /// Most requests of one subscription in flight.
    pub window_max: u32,
    /// Most requests of the process in flight.
    pub permits: usize,
    /// Under which links in deliveries stand, such as `https://audit.example.com`.
    pub public_url: String,
    /// The account of which the settings say what it may reach beside public addresses.
    pub default_account: AccountId,
    /// What that account may reach in any case.
    pub allow_destinations: Vec<AllowedRange>,
    /// How long attempts are kept.
    pub attempts_kept: Duration,
    /// How many attempts of one subscription are kept.
    pub attempts_kept_max: u64,
    /// When states that last are told.
    pub conditions: ConditionLimits,
    /// How long entries are kept, by the time of their receipt.
    pub retention: Duration,
    /// The kinds of destinations that can be delivered to.
    pub destinations: Destinations,
}

/// How the engine fares as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineHealth {
    /// Whether it delivers.
    pub running: bool,
    /// What is wrong, for the operator.
    pub problems: Vec<String>,
    /// What the operator should know although everything works.
    pub warnings: Vec<String>,
}

/// The running engine. Clones share it.
#[derive(Clone)]
pub struct Engine {
    inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) store: Store,
    pub(crate) catalogue: Arc<LiveCatalogue>,
    pub(crate) keys: Arc<dyn Keys>,
    pub(crate) client: Client,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) settings: EngineSettings,
    pub(crate) journal: Journal,
    pub(crate) permits: Permits,
    pub(crate) targets: Targets,
    counters: AllCounters,
    pub(crate) conditions: Conditions,
    clock_watch: Mutex<ClockWatch>,
    accounts: Mutex<HashMap<AccountId, Arc<tokio::sync::OnceCell<Arc<Account>>>>>,
    due: DueQueue,
    tasks: TaskTracker,
    job_turns: [tokio::sync::Mutex<()>; JOB_TURNS],
    // Where the engine was started, and so where it works, whoever gives it something to do.
    runtime: OnceLock<Handle>,
    // Where it renders and sends; without it on `runtime`, too.
    sending: OnceLock<Handle>,
    stopping: CancellationToken,
    // After the last write of the journal.
    ended: CancellationToken,
    // Subscriptions that are on and cannot be delivered as they are stored.
    broken: Mutex<HashSet<SubscriptionId>>,
    // Subscriptions whose config no newer version of their integration takes.
    outdated: Mutex<HashSet<SubscriptionId>>,
    running: AtomicBool,
    jitter: AtomicU32,
}

impl Engine {
    /// Makes an engine; nothing is delivered before [`Engine::start`].
    pub fn new(
        store: Store,
        catalogue: Arc<LiveCatalogue>,
        keys: Arc<dyn Keys>,
        client: Client,
        clock: Arc<dyn Clock>,
        settings: EngineSettings,
    ) -> Self {
        client.allow(settings.default_account, &AddressGuard::allowing(settings.allow_destinations.clone()));
        let clock_watch = Mutex::new(ClockWatch::new(clock.now(), clock.monotonic()));
        let inner = Inner {
            clock_watch,
            permits: Permits::new(settings.permits),
            store,
            catalogue,
            keys,
            client,
            clock,
            settings,
            journal: Journal::new(),
            conditions: Conditions::default(),
            targets: Targets::default(),
            counters: AllCounters::default(),
            accounts: Mutex::default(),
            due: DueQueue::default(),
            tasks: TaskTracker::new(),
            job_turns: std::array::from_fn(|_| tokio::sync::Mutex::default()),
            runtime: OnceLock::new(),
            sending: OnceLock::new(),
            stopping: CancellationToken::new(),
            ended: CancellationToken::new(),
            broken: Mutex::default(),
            outdated: Mutex::default(),
            running: AtomicBool::new(false),
            jitter: AtomicU32::new(0x9e37_79b9),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Renders and sends on this runtime instead of the one that the engine is started on. Only
    /// the first call counts.
    pub fn send_on(&self, runtime: Handle) {
        self.inner.sending.get_or_init(|| runtime);
    }

    /// Starts delivering, beginning with the accounts that have something unsettled. It runs on
    /// the runtime that this is called on.
    ///
    /// # Errors
    /// [`store::Error`] when the store cannot say which those are.
    pub async fn start(&self) -> Result<(), store::Error> {
        let work = self.inner.store.account_list_work().await?;
        let news = |found: store::AccountWork| store::CommittedEntries {
            account: found.account,
            last: found.last,
            entries: Vec::new(),
        };
        let work = work.into_iter().map(news).collect();
        let runtime = self.inner.runtime.get_or_init(Handle::current);
        self.inner.running.store(true, Ordering::Release);
        let engine = Arc::clone(&self.inner);
        runtime.spawn(async move {
            let after_write = |lane: &Arc<Lane>| engine.pump(lane);
            tokio::select! {
                () = engine.journal.run(&engine.store, after_write) => {}
                () = engine.ended.cancelled() => {}
            }
        });
        let engine = Arc::clone(&self.inner);
        runtime.spawn(async move { due::run(&engine).await });
        let engine = Arc::clone(&self.inner);
        runtime.spawn(async move { forget::run(&engine).await });
        let engine = Arc::clone(&self.inner);
        runtime.spawn(async move { conditions::run(&engine).await });
        let engine = Arc::clone(&self.inner);
        runtime.spawn(async move { retention::run(&engine).await });
        let engine = Arc::clone(&self.inner);
        runtime.spawn(async move {
            engine.pump_loaded();
            tokio::select! {
                () = matcher::run(&engine, work) => {}
                () = engine.stopping.cancelled() => {}
            }
        });
        Ok(())
    }

    /// Starts no request any more, waits for those in flight up to `deadline`, and writes
    /// down how far everything is.
    pub async fn stop(&self, deadline: Duration) {
        let was_running = self.inner.running.swap(false, Ordering::AcqRel);
        self.inner.stopping.cancel();
        if !was_running {
            return;
        }
        self.inner.tasks.close();
        if tokio::time::timeout(deadline, self.inner.tasks.wait()).await.is_err() {
            tracing::warn!("requests in flight were given up; they are sent again after the next start");
        }
        if tokio::time::timeout(Duration::from_secs(5), self.inner.journal.sync()).await.is_err() {
            tracing::error!("the last outcomes were not written down; they are sent again after the next start");
        }
        self.inner.ended.cancel();
    }

    /// How the engine fares as a whole.
    pub fn health(&self) -> EngineHealth {
        let mut problems = Vec::new();
        if self.inner.journal.is_failing() {
            problems.push("what was delivered cannot be written down; after a crash it would be sent again".to_owned());
        }
        let broken = self.inner.broken.lock().len();
        if broken > 0 {
            problems.push(format!("subscriptions that cannot be delivered as they are stored: {broken}"));
        }
        let warnings = self.inner.clock_warning().into_iter().collect();
        EngineHealth { running: self.inner.running.load(Ordering::Acquire), problems, warnings }
    }

    /// How a subscription fares.
    ///
    /// # Errors
    /// [`store::Error`] when the store cannot say.
    pub async fn status(&self, subscription: &Subscription) -> Result<Status, store::Error> {
        self.inner.status(subscription).await
    }
}

impl Inner {
    pub(crate) fn now(&self) -> Now {
        Now { monotonic: self.clock.monotonic(), wall: self.clock.now() }
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.is_cancelled()
    }

    /// Xorshift: spreads retries, and nothing else rests on it.
    pub(crate) fn next_jitter(&self) -> Jitter {
        let step = |mut seed: u32| {
            seed ^= seed << 13;
            seed ^= seed >> 17;
            seed ^ (seed << 5)
        };
        let seed = self.jitter.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |seed| Some(step(seed)));
        Jitter(seed.unwrap_or_default() % 1_001)
    }

    /// The account, loaded when it is first needed.
    pub(crate) async fn account(self: &Arc<Self>, id: AccountId) -> Result<Arc<Account>, store::Error> {
        let cell = Arc::clone(self.accounts.lock().entry(id).or_default());
        let load = || async {
            let account = self.load_account(id).await?;
            self.pump_all(&account);
            Ok(account)
        };
        cell.get_or_try_init(load).await.map(Arc::clone)
    }

    async fn load_account(&self, id: AccountId) -> Result<Arc<Account>, store::Error> {
        let account = Arc::new(Account::new(id, self.store.account_matched(id).await?));
        if self.store.account_get(id).await?.suspension.is_some() {
            // As if everything of it were off.
            account.suspend(true);
            return Ok(account);
        }
        for some in self.store.subscription_ids_on(id).await?.chunks(LOAD_AT_ONCE) {
            for (subscription, progress) in self.store.subscription_list_begun(id, some.to_owned()).await? {
                // It may have been switched off since its id was read.
                if !subscription.edit.on {
                    continue;
                }
                let Some(lane) = self.load_lane(&account, &subscription, progress).await? else { continue };
                let mut state = account.lock();
                {
                    let mut lane_state = lane.lock();
                    let caught_up = lane_state.courier.frontier() == state.matched && lane_state.courier.is_idle();
                    if caught_up {
                        state.attach(&lane, &mut lane_state);
                    }
                }
                state.lanes.insert(lane);
            }
        }
        for id in self.store.job_list_waiting(id).await? {
            let lane = account.lock().lanes.get(id).map(Arc::clone);
            if let Some(lane) = lane {
                lane.lock().jobs_changed = true;
            }
        }
        Ok(account)
    }

    /// The lane of a subscription, not yet known to its account; none when it cannot be delivered.
    async fn load_lane(
        &self,
        account: &Account,
        subscription: &Subscription,
        progress: store::Progress,
    ) -> Result<Option<Arc<Lane>>, store::Error> {
        let id = subscription.id;
        let matched = account.lock().matched;
        let made = self.spec(subscription).and_then(|spec| {
            let pacing = spec.pacing(self.settings.window_max);
            let courier = Courier::restore(&progress, matched, subscription.revision, pacing, self.now())?;
            Ok(Arc::new(Lane::new(account.id, id, spec, courier)))
        });
        match made {
            Ok(lane) => {
                self.is_whole(id);
                Ok(Some(lane))
            }
            Err(problem) => {
                self.is_broken(id, &problem);
                if progress.frontier.is_none() {
                    // Its account goes on without it, and must not take it along.
                    let own =
                        store::Progress { frontier: Some(matched), unsettled_from: Some(matched.next()), ..progress };
                    // Where the others stand is written together with their own progress only.
                    let write = JournalWrite { progress: vec![(id, own)], ..JournalWrite::of(account.id, Sequence(0)) };
                    self.store.journal_write(vec![write]).await?;
                }
                Ok(None)
            }
        }
    }

    fn is_broken(&self, id: SubscriptionId, problem: &str) {
        tracing::error!(subscription = %id, problem, "a subscription cannot be delivered");
        self.broken.lock().insert(id);
    }

    fn is_whole(&self, id: SubscriptionId) {
        self.broken.lock().remove(&id);
    }

    /// Starts what may start: requests, a reader, a wait.
    pub(crate) fn pump(self: &Arc<Self>, lane: &Arc<Lane>) {
        if self.is_stopping() || !self.running.load(Ordering::Acquire) {
            return;
        }
        let Some(runtime) = self.runtime.get() else { return };
        let now = self.clock.monotonic();
        let mut state = lane.lock();
        if !state.listens() {
            return;
        }
        if !state.watched && state.is_worth_watching() {
            state.watched = true;
            self.conditions.note(lane);
        }
        let batch = state.spec.batch;
        let start = |load: Load, spec: &Arc<Spec>| {
            let (engine, lane, spec) = (Arc::clone(self), Arc::clone(lane), Arc::clone(spec));
            let sending = self.sending.get().unwrap_or(runtime);
            self.tasks.spawn_on(async move { engine.attempt(&lane, &spec, load).await }, sending);
        };
        while let Some(load) = state.courier.take(now, batch) {
            start(load, &state.spec);
        }
        if state.mode == Mode::Attached {
            while let Some(load) = state.courier.take_job(now, batch) {
                start(load, &state.spec);
            }
        }
        self.pump_job(lane, &mut state, runtime);
        let reads = state.mode == Mode::Reading || state.courier.has_unread();
        if reads && !state.reading && state.courier.may_start(now) && state.courier.wants_more() {
            state.reading = true;
            let (engine, lane) = (Arc::clone(self), Arc::clone(lane));
            self.tasks.spawn_on(async move { engine.read_ahead(&lane).await }, runtime);
        }
        if let Some(due) = state.courier.next_due()
            && due > now
            && state.queued_for.is_none_or(|queued| due < queued)
        {
            state.queued_for = Some(due);
            self.due.push(due, lane);
        }
        state.trim();
    }

    /// Lets the subscriptions that stand ahead of their account look whether it has come.
    pub(crate) fn wake_ahead(self: &Arc<Self>, account: &Account) {
        let ahead = std::mem::take(&mut account.lock().ahead);
        ahead.iter().for_each(|lane| self.pump(lane));
    }

    fn pump_all(self: &Arc<Self>, account: &Account) {
        account.all_lanes().iter().for_each(|lane| self.pump(lane));
    }

    /// Lets the accounts begin that were loaded before the start.
    fn pump_loaded(self: &Arc<Self>) {
        self.loaded_accounts().iter().for_each(|account| self.pump_all(account));
    }

    pub(crate) fn loaded_accounts(&self) -> Vec<Arc<Account>> {
        self.accounts.lock().values().filter_map(|cell| cell.get().map(Arc::clone)).collect()
    }
}
