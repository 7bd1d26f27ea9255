//! What the suite works with: an open store, its clock, and short ways to say things.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use domain::{AccountId, Clock, Entry, EntryDraft, EntryId, Sequence, SubscriptionId, Timestamp};
use serde_json::json;

use crate::{
    Append, AppendError, Appended, Counts, Idempotency, JournalWrite, NewSubscription, OpenError, Progress, Store,
    StoreOptions, SubscriptionEdit,
};

/// What the fake clock shows at first.
pub(crate) const START: Timestamp = Timestamp::from_millis(1_790_000_000_000);

/// A place that can be opened again and again.
pub(crate) trait Backend: Send + Sync {
    fn open(&self, options: StoreOptions, clock: Arc<FakeClock>) -> Result<Store, OpenError>;
}

/// A clock that the test moves.
pub(crate) struct FakeClock {
    now: AtomicI64,
    monotonic: AtomicU64,
}

impl FakeClock {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { now: AtomicI64::new(START.as_millis()), monotonic: AtomicU64::new(0) })
    }

    /// Moves the wall clock, back as well; the monotonic one only ever goes on.
    pub(crate) fn set(&self, now: Timestamp) {
        self.now.store(now.as_millis(), Ordering::SeqCst);
        self.monotonic.fetch_add(1_000, Ordering::SeqCst);
    }
}

impl Clock for FakeClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.now.load(Ordering::SeqCst))
    }

    fn monotonic(&self) -> Duration {
        Duration::from_millis(self.monotonic.load(Ordering::SeqCst))
    }
}

/// An open store with its clock.
pub(crate) struct Bench {
    pub(crate) store: Store,
    pub(crate) clock: Arc<FakeClock>,
    backend: Box<dyn Backend>,
}

impl Bench {
    pub(crate) fn new(backend: Box<dyn Backend>) -> Self {
        let clock = FakeClock::new();
        let store = backend.open(options(), Arc::clone(&clock)).expect("opens");
        Self { store, clock, backend }
    }

    /// Closes the store and opens it anew, as a restart does.
    pub(crate) async fn restart(&mut self, options: StoreOptions) {
        self.store.close().await;
        self.store = self.backend.open(options, Arc::clone(&self.clock)).expect("opens again");
    }

    pub(crate) async fn account(&self, name: &str) -> AccountId {
        self.store.account_ensure(name, None).await.expect("is made").id
    }

    pub(crate) async fn append(&self, account: AccountId, drafts: Vec<EntryDraft>) -> Result<Appended, AppendError> {
        self.store.entry_append(Append { account, drafts, idempotency: None }).await
    }

    pub(crate) async fn append_once(
        &self,
        account: AccountId,
        drafts: Vec<EntryDraft>,
        key: &str,
        request: u8,
    ) -> Result<Appended, AppendError> {
        let idempotency = Some(Idempotency { key: key.to_owned(), request: [request; 32] });
        self.store.entry_append(Append { account, drafts, idempotency }).await
    }

    /// The whole log of an account.
    pub(crate) async fn log(&self, account: AccountId) -> Vec<Arc<Entry>> {
        self.store.entry_page(account, Sequence(0), usize::MAX, usize::MAX).await.expect("is read")
    }

    /// The texts of the whole log of an account.
    pub(crate) async fn texts(&self, account: AccountId) -> Vec<String> {
        self.log(account).await.iter().map(|entry| String::from_utf8_lossy(&entry.bytes).into_owned()).collect()
    }

    pub(crate) async fn last(&self, account: AccountId) -> u64 {
        self.store.entry_last_sequence(account).await.expect("is read").0
    }

    /// A stored subscription to `integration`.
    pub(crate) async fn subscription(&self, account: AccountId, integration: &str, on: bool) -> crate::Subscription {
        let new = self.new_subscription(account, integration, on);
        self.store.subscription_create(new, record("made")).await.expect("is made")
    }

    pub(crate) fn new_subscription(&self, account: AccountId, integration: &str, on: bool) -> NewSubscription {
        let id = self.store.subscription_id();
        NewSubscription { id, account, integration: integration.to_owned(), edit: edit("first", on), start: None }
    }

    pub(crate) async fn progress(&self, id: SubscriptionId) -> Option<Progress> {
        self.store.progress_get(id).await.expect("is read")
    }

    /// Writes that everything up to `matched` is done, and that the subscription stands at `frontier`.
    pub(crate) async fn journal(&self, account: AccountId, matched: u64, id: SubscriptionId, frontier: Option<u64>) {
        let progress = Progress {
            frontier: frontier.map(Sequence),
            unsettled_from: frontier.map(|frontier| Sequence(frontier + 1)),
            counts: Counts { delivered: matched, skipped: 1, dead: 2, filtered_after_match: 4 },
            detail: format!("{{\"at\":{matched}}}"),
        };
        let write = JournalWrite { progress: vec![(id, progress)], ..JournalWrite::of(account, Sequence(matched)) };
        self.store.journal_write(vec![write]).await.expect("is written");
    }
}

/// Options under which nothing is refused, however full the machine of the test is.
pub(crate) fn options() -> StoreOptions {
    StoreOptions { disk_free_min_bytes: 0, ..StoreOptions::default() }
}

pub(crate) fn entry_id(text: &str) -> EntryId {
    EntryId::parse(text).expect("is an id")
}

pub(crate) fn draft(id: &str, text: &str) -> EntryDraft {
    EntryDraft { id: Some(entry_id(id)), bytes: text.as_bytes().into() }
}

pub(crate) fn nameless(text: &str) -> EntryDraft {
    EntryDraft { id: None, bytes: text.as_bytes().into() }
}

/// An entry of the server itself.
pub(crate) fn record(what: &str) -> EntryDraft {
    let members = json!({ "what": what });
    EntryDraft::system(members.as_object().expect("is an object"))
}

pub(crate) fn edit(name: &str, on: bool) -> SubscriptionEdit {
    SubscriptionEdit {
        name: name.to_owned(),
        on,
        tags: format!("[\"{name}\"]"),
        statements: format!("[{{\"of\":\"{name}\"}}]"),
        config: vec![0, 255, 7],
        extra: format!("{{\"kept\":\"{name}\"}}"),
    }
}

/// The sequences of a batch, with whether each was a duplicate.
pub(crate) fn places(appended: &Appended) -> Vec<(u64, bool)> {
    appended.items.iter().map(|item| (item.sequence.0, item.duplicate)).collect()
}
