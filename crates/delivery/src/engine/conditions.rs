//! Looks after the states of subscriptions that last, and tells of them.
//!
//! Only subscriptions with work are looked at: those that [`Inner::pump`] has met since they
//! were last seen idle, and those of which a condition was told.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use domain::{AccountId, Sequence, SubscriptionId, Timestamp};
use parking_lot::Mutex;
use store::{ConditionTelling, StoredCondition};

use super::{Engine, Inner};
use crate::{
    condition::{
        Condition, ConditionKind, Facts, Growth, Sight, Stop, Tell, Told, decide, forget_before, telling::Subject,
    },
    courier::Flow,
    lane::{Lane, Mode},
};

/// Subscriptions that are looked at in one go, and conditions that one write tells.
const CHUNK: usize = 256;

/// What is known of conditions.
#[derive(Default)]
pub(crate) struct Conditions {
    /// Subscriptions that have got work since the last look.
    noted: Mutex<Vec<Arc<Lane>>>,
    /// What lasts, for everybody to see.
    shown: Mutex<HashMap<SubscriptionId, Shown>>,
    /// The memory of the one who looks.
    pub(super) watched: tokio::sync::Mutex<Watched>,
}

struct Shown {
    integration: String,
    conditions: Vec<Condition>,
}

#[derive(Default)]
pub(super) struct Watched {
    is_loaded: bool,
    lanes: BTreeMap<SubscriptionId, Watch>,
    told: BTreeMap<(SubscriptionId, ConditionKind), StoredCondition>,
}

/// One subscription that is looked at.
struct Watch {
    lane: Arc<Lane>,
    revision: u64,
    stops: u64,
    growth: Growth,
    // When each condition that was told was last seen, by the monotonic clock.
    seen: BTreeMap<ConditionKind, Duration>,
}

/// What one look found of one subscription.
struct Look {
    id: SubscriptionId,
    account: AccountId,
    subject: Subject,
    facts: Facts,
    // Where its unsettled entries begin, if it has any.
    position: Option<Sequence>,
    has_stopped: bool,
    is_over: bool,
    is_idle: bool,
}

impl Conditions {
    /// Takes note of a subscription that has got work.
    pub(super) fn note(&self, lane: &Arc<Lane>) {
        self.noted.lock().push(Arc::clone(lane));
    }

    /// What lasts of a subscription.
    pub(super) fn of(&self, id: SubscriptionId) -> Vec<Condition> {
        self.shown.lock().get(&id).map(|shown| shown.conditions.clone()).unwrap_or_default()
    }

    /// The integration and kind of each condition that lasts.
    pub(super) fn each(&self, mut see: impl FnMut(&str, ConditionKind)) {
        for Shown { integration, conditions } in self.shown.lock().values() {
            conditions.iter().for_each(|condition| see(integration, condition.kind));
        }
    }

    fn show(&self, subject: &Subject, condition: &Condition, lasts: bool) {
        let mut shown = self.shown.lock();
        let of_subject = shown
            .entry(subject.id)
            .or_insert_with(|| Shown { integration: subject.integration.clone(), conditions: Vec::new() });
        of_subject.conditions.retain(|one| one.kind != condition.kind);
        if lasts {
            of_subject.conditions.push(condition.clone());
            of_subject.conditions.sort_by_key(|one| one.kind);
        } else if of_subject.conditions.is_empty() {
            shown.remove(&subject.id);
        }
    }
}

/// Looks again and again until the engine ends.
pub(super) async fn run(engine: &Arc<Inner>) {
    let mut looks = tokio::time::interval(engine.settings.conditions.look_every);
    looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = looks.tick() => {}
            () = engine.stopping.cancelled() => return,
        }
        if let Err(error) = engine.look().await {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "the conditions of subscriptions could not be told; it is tried again"
            );
        }
    }
}

impl Engine {
    /// Looks once at the subscriptions with work, and tells of conditions that begin, last or end.
    /// The running engine does so by itself.
    ///
    /// # Errors
    /// [`store::Error`] when the store fails; what was not told is told by the next look.
    pub async fn look(&self) -> Result<(), store::Error> {
        self.inner.look().await
    }
}

impl Inner {
    async fn look(self: &Arc<Self>) -> Result<(), store::Error> {
        let mut watched = self.conditions.watched.lock().await;
        self.load_told(&mut watched).await?;
        for lane in std::mem::take(&mut *self.conditions.noted.lock()) {
            watched.take_note(lane);
        }
        let ids: Vec<_> = watched.lanes.keys().copied().collect();
        let (mut tellings, mut idle) = (Vec::new(), Vec::new());
        // What was seen of a subscription takes more room than what is to be told, mostly nothing.
        for some in ids.chunks(CHUNK) {
            let mut looks = Vec::with_capacity(some.len());
            for id in some {
                if let Some(watch) = watched.lanes.get_mut(id) {
                    looks.extend(self.look_at(watch).await?);
                }
            }
            self.find_ages(&mut looks).await?;
            for look in &looks {
                self.judge(&mut watched, look, &mut tellings).await?;
            }
            idle.extend(looks.iter().filter(|look| look.is_idle).map(|look| look.id));
        }
        self.tell(&mut watched, tellings).await?;
        idle.into_iter().for_each(|id| watched.let_go(id));
        Ok(())
    }

    /// At the first look: what an earlier process told.
    pub(super) async fn load_told(self: &Arc<Self>, watched: &mut Watched) -> Result<(), store::Error> {
        if watched.is_loaded {
            return Ok(());
        }
        for stored in self.store.condition_list().await? {
            let Some(kind) = ConditionKind::parse(&stored.kind) else { continue };
            let id = stored.subscription;
            if stored.ended_at.is_none() {
                let (integration, name) = self.store.subscription_label(id).await?;
                let condition = Condition { kind, since: stored.since, reason: stored.reason.clone() };
                self.conditions.show(&Subject { id, integration, name }, &condition, true);
                let account = self.account(stored.account).await?;
                let lane = account.lock().lanes.get(id).map(Arc::clone);
                if let Some(lane) = lane {
                    lane.lock().watched = true;
                    watched.lanes.entry(id).or_insert_with(|| Watch::new(lane));
                }
            }
            watched.told.insert((id, kind), stored);
        }
        self.end_orphans(watched).await?;
        watched.is_loaded = true;
        Ok(())
    }

    /// What was told of subscriptions that have been paused or deleted meanwhile has ended.
    async fn end_orphans(&self, watched: &mut Watched) -> Result<(), store::Error> {
        let lasting = watched.told.iter().filter(|((id, kind), told)| {
            told.ended_at.is_none() && *kind != ConditionKind::NearRetention && !watched.lanes.contains_key(id)
        });
        let orphans: Vec<_> = lasting.map(|((id, kind), told)| (*id, *kind, told.account)).collect();
        let mut tellings = Vec::new();
        for (id, kind, account) in orphans {
            let (integration, name) = self.store.subscription_label(id).await?;
            let subject = Subject { id, integration, name };
            tellings.extend(self.telling(watched, account, &subject, kind, None, Sight::Over).await?);
        }
        self.tell(watched, tellings).await
    }

    /// What there is to see of a subscription; nothing while it is being changed.
    async fn look_at(self: &Arc<Self>, watch: &mut Watch) -> Result<Option<Look>, store::Error> {
        let account = self.account(watch.lane.account).await?;
        let state = account.lock();
        let mut lane = watch.lane.lock();
        if lane.mode == Mode::Attached {
            lane.courier.pass_to(state.matched);
        }
        let listens = lane.listens();
        if lane.mode == Mode::Frozen {
            return Ok(None);
        }
        let stop = match lane.courier.flow() {
            _ if !listens => None,
            Flow::Flowing => None,
            Flow::Holding(wait) => Some((false, wait)),
            Flow::Suspended(wait) => Some((true, wait)),
        };
        let stop =
            stop.map(|(is_suspended, wait)| Stop { is_suspended, since: wait.since, reason: wait.reason.text.clone() });
        let lag = if listens { state.matched.0.saturating_sub(lane.courier.position().0) } else { 0 };
        let grew = watch.growth.look(lag, self.clock.monotonic(), self.settings.conditions.behind_after);
        let stops = lane.courier.mark().stops;
        let has_stopped = std::mem::replace(&mut watch.stops, stops) != stops;
        let revision = lane.spec.revision;
        let is_changed = std::mem::replace(&mut watch.revision, revision) != revision;
        let spec = &lane.spec;
        Ok(Some(Look {
            id: watch.lane.id,
            account: watch.lane.account,
            subject: Subject {
                id: watch.lane.id,
                integration: spec.integration.key().to_owned(),
                name: spec.name.to_string(),
            },
            facts: Facts { stop, oldest: None, grew, window: spec.integration.age_window().copied() },
            position: (lag > 0).then(|| lane.courier.position()),
            has_stopped,
            is_over: is_changed || !listens,
            is_idle: !lane.is_worth_watching(),
        }))
    }

    /// How long the first unsettled entry of each has waited.
    async fn find_ages(&self, looks: &mut [Look]) -> Result<(), store::Error> {
        let now = self.time();
        let mut behind: Vec<_> = looks.iter_mut().filter(|look| look.position.is_some()).collect();
        if behind.is_empty() {
            return Ok(());
        }
        let places = behind.iter().filter_map(|look| Some((look.account, look.position?))).collect();
        let times = self.store.entry_times_after(places).await?;
        for (look, received_at) in behind.iter_mut().zip(times) {
            look.facts.oldest = received_at.map(|at| now.since(at));
        }
        Ok(())
    }

    async fn judge(&self, watched: &mut Watched, look: &Look, tellings: &mut Vec<Pending>) -> Result<(), store::Error> {
        let (now, monotonic) = (self.time(), self.clock.monotonic());
        let found = look.facts.conditions(|kind| watched.lasts(look.id, kind), &self.settings.conditions, now);
        for kind in ConditionKind::OF_DELIVERY {
            let condition = found.iter().find(|condition| condition.kind == kind);
            let lasts = watched.lasts(look.id, kind);
            if condition.is_none() && !lasts {
                continue;
            }
            let is_stop = matches!(kind, ConditionKind::Held | ConditionKind::Suspended);
            let Some(watch) = watched.lanes.get_mut(&look.id) else { continue };
            if condition.is_some() || (is_stop && look.has_stopped) {
                watch.seen.insert(kind, monotonic);
            }
            // After a restart it counts as seen just now.
            let seen = *watch.seen.entry(kind).or_insert(monotonic);
            let sight = match condition {
                Some(_) => Sight::Holds,
                None if look.is_over => Sight::Over,
                None => Sight::Away(monotonic.saturating_sub(seen)),
            };
            let telling = self.telling(watched, look.account, &look.subject, kind, condition, sight).await?;
            tellings.extend(telling);
        }
        Ok(())
    }

    /// What is to be told of one condition now, if anything. `condition` is how it is seen now.
    pub(super) async fn telling(
        &self,
        watched: &Watched,
        account: AccountId,
        subject: &Subject,
        kind: ConditionKind,
        condition: Option<&Condition>,
        sight: Sight,
    ) -> Result<Option<Pending>, store::Error> {
        let now = self.time();
        let stored = watched.told.get(&(subject.id, kind));
        let told = stored.map(|stored| Told {
            started_at: stored.started_at,
            told_at: stored.told_at,
            ended_at: stored.ended_at,
        });
        let may_follow = sight == Sight::Holds && told.is_some_and(|told| told.ended_at.is_some());
        let only_own = may_follow && watched.newest(account) == self.store.entry_last_sequence(account).await?;
        let Some(tell) = decide(told.as_ref(), sight, only_own, &self.settings.conditions, now) else {
            return Ok(None);
        };
        // What lasts is told since when it began, whatever it looks like today.
        let since = stored.filter(|stored| stored.ended_at.is_none()).map(|stored| stored.since);
        let reason = condition.map(|condition| condition.reason.clone()).or_else(|| Some(stored?.reason.clone()));
        let condition = Condition {
            kind,
            since: since.or(condition.map(|condition| condition.since)).unwrap_or(now),
            reason: reason.unwrap_or_default(),
        };
        let started_at = told.filter(|_| tell != Tell::Start).map_or(now, |told| told.started_at);
        Ok(Some(Pending { account, subject: subject.clone(), condition, tell, started_at }))
    }

    /// Writes the entries, and lets everybody see what they tell.
    pub(super) async fn tell(&self, watched: &mut Watched, pending: Vec<Pending>) -> Result<(), store::Error> {
        let now = self.time();
        let mut pending = pending.into_iter().peekable();
        while pending.peek().is_some() {
            let chunk: Vec<_> = pending.by_ref().take(CHUNK).collect();
            let tellings = chunk.iter().map(|pending| pending.telling(now)).collect();
            let sequences = self.store.condition_tell(tellings, forget_before(now)).await?;
            for (pending, sequence) in chunk.into_iter().zip(sequences) {
                pending.log();
                self.conditions.show(&pending.subject, &pending.condition, pending.tell != Tell::End);
                let stored = StoredCondition { sequence, ..pending.stored(now) };
                watched.told.insert((pending.subject.id, pending.condition.kind), stored);
            }
        }
        // The store has forgotten them by now, too.
        watched.told.retain(|_, told| told.ended_at.is_none_or(|at| at >= forget_before(now)));
        Ok(())
    }
}

/// Something to be told.
pub(super) struct Pending {
    account: AccountId,
    subject: Subject,
    condition: Condition,
    tell: Tell,
    started_at: Timestamp,
}

impl Pending {
    fn stored(&self, now: Timestamp) -> StoredCondition {
        StoredCondition {
            account: self.account,
            subscription: self.subject.id,
            kind: self.condition.kind.as_str().to_owned(),
            since: self.condition.since,
            reason: self.condition.reason.clone(),
            started_at: self.started_at,
            told_at: now,
            ended_at: (self.tell == Tell::End).then_some(now),
            // Given by the store.
            sequence: Sequence(0),
        }
    }

    fn telling(&self, now: Timestamp) -> ConditionTelling {
        let record = self.subject.tell(&self.condition, self.tell, now);
        ConditionTelling { condition: self.stored(now), record }
    }

    fn log(&self) {
        let (subscription, integration) = (self.subject.id, self.subject.integration.as_str());
        let Condition { kind, since, reason } = &self.condition;
        let condition = kind.as_str();
        match self.tell {
            Tell::Start | Tell::Again => {
                tracing::warn!(%subscription, integration, condition, %since, reason, "a condition lasts");
            }
            Tell::End => tracing::info!(%subscription, integration, condition, %since, "a condition has ended"),
        }
    }
}

impl Watched {
    pub(super) fn lasts(&self, id: SubscriptionId, kind: ConditionKind) -> bool {
        self.told.get(&(id, kind)).is_some_and(|told| told.ended_at.is_none())
    }

    /// The conditions of a kind that last, with their accounts.
    pub(super) fn lasting(&self, kind: ConditionKind) -> Vec<(SubscriptionId, AccountId)> {
        let of_kind = self.told.iter().filter(|((_, other), told)| *other == kind && told.ended_at.is_none());
        of_kind.map(|((id, _), told)| (*id, told.account)).collect()
    }

    /// Where the newest entry stands that tells of a condition in this account.
    fn newest(&self, account: AccountId) -> Sequence {
        let of_account = self.told.values().filter(|told| told.account == account);
        of_account.map(|told| told.sequence).max().unwrap_or_default()
    }

    /// Begins to look at a subscription that has got work, if it still has any.
    fn take_note(&mut self, lane: Arc<Lane>) {
        if self.lanes.contains_key(&lane.id) {
            return;
        }
        let mut state = lane.lock();
        state.watched = state.is_worth_watching();
        if state.watched {
            drop(state);
            self.lanes.insert(lane.id, Watch::new(lane));
        }
    }

    /// Looks no more at a subscription without work, unless something told of it lasts.
    fn let_go(&mut self, id: SubscriptionId) {
        if ConditionKind::OF_DELIVERY.iter().any(|kind| self.lasts(id, *kind)) {
            return;
        }
        if let Some(watch) = self.lanes.get(&id) {
            let mut state = watch.lane.lock();
            // It may have got work since it was looked at.
            let stays = state.is_worth_watching();
            state.watched = stays;
            drop(state);
            if !stays {
                self.lanes.remove(&id);
            }
        }
    }
}

impl Watch {
    fn new(lane: Arc<Lane>) -> Self {
        let (revision, stops) = {
            let state = lane.lock();
            (state.spec.revision, state.courier.mark().stops)
        };
        Self { lane, revision, stops, growth: Growth::default(), seen: BTreeMap::new() }
    }
}
