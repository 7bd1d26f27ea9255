//! A data directory, and engines that live over it one after the other.

use std::{
    fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use delivery::{
    ConditionLimits, Engine, EngineSettings, Status,
    client::{Client, ClientSettings, ConnectTo},
    decide::Schedule,
    destination::Destinations,
};
use domain::{AccountId, Clock, EntryDraft, Keys, MasterKey, SealContext, Sequence, SubscriptionId, Timestamp};
use integrations::{Catalogue, LiveCatalogue};
use serde_json::{Value, json};
use store::{Append, NewSubscription, Store, StoreOptions, Subscription, SubscriptionEdit};
use tempfile::TempDir;
use tokio::time::Instant;

use crate::server::{PATIENCE, Server};

/// The time of the machine, moved on by tests.
pub struct TestClock {
    start: Instant,
    ahead_ms: AtomicU64,
    wall_ahead_ms: AtomicI64,
}

impl TestClock {
    fn new() -> Arc<Self> {
        Arc::new(Self { start: Instant::now(), ahead_ms: AtomicU64::new(0), wall_ahead_ms: AtomicI64::new(0) })
    }

    /// Moves both clocks on.
    pub fn advance(&self, by: Duration) {
        self.ahead_ms.fetch_add(u64::try_from(by.as_millis()).unwrap(), Ordering::SeqCst);
    }

    /// Sets the wall clock on alone.
    pub fn jump(&self, by: Duration) {
        self.wall_ahead_ms.fetch_add(i64::try_from(by.as_millis()).unwrap(), Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(1_790_000_000_000 + self.wall_ahead_ms.load(Ordering::SeqCst)).plus(self.monotonic())
    }

    fn monotonic(&self) -> Duration {
        self.start.elapsed() + Duration::from_millis(self.ahead_ms.load(Ordering::SeqCst))
    }
}

/// Delays of milliseconds, so that tests need not wait.
pub fn quick() -> Schedule {
    let ms = Duration::from_millis;
    Schedule {
        backoff_first: ms(10),
        backoff_max: ms(50),
        probe_first: ms(10),
        probe_max: ms(50),
        entry_first: ms(10),
        ..Schedule::default()
    }
}

/// How long entries are kept here.
pub const RETENTION: Duration = Duration::from_secs(10 * 24 * 3_600);

pub struct Process {
    pub store: Store,
    pub engine: Engine,
    pub account: AccountId,
    pub clock: Arc<TestClock>,
    keys: Arc<dyn Keys>,
}

pub fn data() -> TempDir {
    tempfile::tempdir().unwrap()
}

impl Process {
    pub async fn open(data: &Path) -> Self {
        Self::open_with(data, quick()).await
    }

    pub async fn open_with(data: &Path, schedule: Schedule) -> Self {
        Self::open_at(data, schedule, TestClock::new()).await
    }

    /// Opens it with a clock that goes on from an earlier process.
    pub async fn open_at(data: &Path, schedule: Schedule, test_clock: Arc<TestClock>) -> Self {
        let clock = Arc::clone(&test_clock) as Arc<dyn Clock>;
        let store = Store::open(data, StoreOptions::default(), Arc::clone(&clock)).unwrap();
        let master = || MasterKey::from_bytes([3; MasterKey::BYTES]);
        let account = store.account_ensure("default", Some(&master())).await.unwrap().id;
        let keys: Arc<dyn Keys> = Arc::new(store.keyring(Some(master())));
        let client = Client::new(client_settings(), Arc::clone(&clock)).unwrap();
        let settings = EngineSettings {
            schedule,
            window_max: 16,
            permits: 64,
            public_url: "https://audit.corp.test".to_owned(),
            default_account: account,
            allow_destinations: vec!["127.0.0.0/8".parse().unwrap()],
            attempts_kept: Duration::from_secs(30 * 86_400),
            attempts_kept_max: 20,
            conditions: ConditionLimits::default(),
            retention: RETENTION,
            destinations: Destinations::default(),
        };
        let catalogue = Arc::new(LiveCatalogue::from(catalogue(data)));
        let engine = Engine::new(store.clone(), catalogue, Arc::clone(&keys), client, clock, settings);
        Self { store, engine, account, clock: test_clock, keys }
    }

    pub async fn started(data: &Path) -> Self {
        let process = Self::open(data).await;
        process.engine.start().await.unwrap();
        process
    }

    /// The log, as JSON.
    pub async fn log(&self) -> Vec<Value> {
        let page = self.store.entry_page(self.account, Sequence(0), 10_000, usize::MAX).await.unwrap();
        page.iter().map(|entry| serde_json::from_slice(&entry.bytes).unwrap()).collect()
    }

    /// The entries of the log that were made for this action.
    pub async fn told(&self, action: &str) -> Vec<Value> {
        let mut log = self.log().await;
        log.retain(|entry| entry["accesses"][0]["action"] == action);
        log
    }

    pub async fn append(&self, keys: impl IntoIterator<Item = &str>) -> Vec<u64> {
        let draft = |key: &str| {
            let entry = json!({ "accesses": [{ "action": "update", "resource": format!("proj/{key}") }], "key": key });
            EntryDraft::parse(entry.to_string().as_bytes()).unwrap()
        };
        let drafts = keys.into_iter().map(draft).collect();
        let append = Append { account: self.account, drafts, idempotency: None };
        let appended = self.store.entry_append(append).await.unwrap();
        appended.items.iter().map(|item| item.sequence.0).collect()
    }

    /// One entry whose event happened at this time, in milliseconds.
    pub async fn append_dated(&self, date: i64) -> Vec<u64> {
        let entry = json!({ "accesses": [{ "action": "update", "resource": "proj/web" }], "date": date });
        let drafts = vec![EntryDraft::parse(entry.to_string().as_bytes()).unwrap()];
        let append = Append { account: self.account, drafts, idempotency: None };
        let appended = self.store.entry_append(append).await.unwrap();
        appended.items.iter().map(|item| item.sequence.0).collect()
    }

    pub async fn append_many(&self, count: usize) -> Vec<u64> {
        self.append(std::iter::repeat_n("web", count)).await
    }

    fn edit(&self, id: SubscriptionId, on: bool, resource: &str, config: &Value) -> SubscriptionEdit {
        let context = SealContext { account: self.account, subscription: id, field: "config" };
        SubscriptionEdit {
            name: "test".to_owned(),
            on,
            tags: "[]".to_owned(),
            statements: json!([{ "effect": "allow", "resources": [resource], "actions": ["*"] }]).to_string(),
            config: self.keys.seal(context, config.to_string().as_bytes()).unwrap(),
            extra: "{}".to_owned(),
        }
    }

    /// A subscription that is on and wants what `resource` names.
    pub async fn subscribe(&self, integration: &str, resource: &str, url: &str) -> Subscription {
        let id = self.store.subscription_id();
        let edit = self.edit(id, true, resource, &config(url, "first-token"));
        let new = NewSubscription { id, account: self.account, integration: integration.to_owned(), edit, start: None };
        let made = self.store.subscription_create(new, record()).await.unwrap();
        self.engine.reload(self.account, id).await.unwrap();
        made
    }

    /// Changes it as the API does.
    pub async fn change(&self, id: SubscriptionId, on: bool, resource: &str, config: &Value) -> Subscription {
        let stored = self.store.subscription_get(self.account, id).await.unwrap();
        self.engine.freeze(self.account, id).await.unwrap();
        let edit = self.edit(id, on, resource, config);
        let updated = self.store.subscription_update(self.account, id, stored.revision, edit, record()).await.unwrap();
        self.engine.reload(self.account, id).await.unwrap();
        updated
    }

    pub async fn delete(&self, id: SubscriptionId) {
        self.engine.freeze(self.account, id).await.unwrap();
        self.store.subscription_delete(self.account, id, record()).await.unwrap();
        self.engine.reload(self.account, id).await.unwrap();
    }

    pub async fn status(&self, id: SubscriptionId) -> Status {
        let stored = self.store.subscription_get(self.account, id).await.unwrap();
        self.engine.status(&stored).await.unwrap()
    }

    /// Looks again and again until the status is as wanted.
    pub async fn wait_for_status(&self, id: SubscriptionId, is_so: impl Fn(&Status) -> bool) -> Status {
        let end = Instant::now() + PATIENCE;
        let mut looks = tokio::time::interval(Duration::from_millis(5));
        loop {
            let status = self.status(id).await;
            if is_so(&status) {
                return status;
            }
            assert!(Instant::now() < end, "the status stays {status:?}");
            looks.tick().await;
        }
    }

    pub async fn wait_until_caught_up(&self, id: SubscriptionId) -> Status {
        let last = self.store.entry_last_sequence(self.account).await.unwrap();
        self.wait_for_status(id, |status| status.position == Some(last)).await
    }

    pub async fn stop(self) {
        self.engine.stop(PATIENCE).await;
        self.store.close().await;
    }
}

pub fn client_settings() -> ClientSettings {
    ClientSettings {
        connect_to: ConnectTo::default(),
        extra_roots: Vec::new(),
        connect_timeout: Duration::from_secs(5),
        tls_timeout: Duration::from_secs(5),
        first_byte_timeout: Duration::from_secs(10),
        request_timeout: Duration::from_secs(20),
        user_agent: "test".to_owned(),
        via: "test".to_owned(),
    }
}

pub fn config(url: &str, token: &str) -> Value {
    json!({ "url": url, "token": token })
}

pub fn config_of(server: &Server, token: &str) -> Value {
    config(&server.url("/hook"), token)
}

fn record() -> EntryDraft {
    let members = json!({ "accesses": [{ "action": "createIntegration", "resource": "integration/sink" }] });
    EntryDraft::system(members.as_object().unwrap())
}

/// `single`, `batch` (at most ten), `paced` (in order, 50 ms apart), `late` and `aging` (they skip
/// what is older than a minute and an hour): each posts an entry's sequence.
fn catalogue(data: &Path) -> Catalogue {
    let dir = data.join("integrations");
    let batch =
        json!({ "batch": { "itemsMax": 10, "bytesMax": 100_000, "prefix": "[", "separator": ",", "suffix": "]" } });
    let paced = json!({ "pace": { "spacingMs": 50, "ordered": true, "target": ["url"] } });
    let skips = |seconds: u32| json!({ "age": { "pastMaxSeconds": seconds, "onLate": "skip" } });
    let (late, aging) = (skips(60), skips(3_600));
    let own = [("single", json!({})), ("batch", batch), ("paced", paced), ("late", late), ("aging", aging)];
    for (key, own) in own {
        let manifest = json!({
            "name": key,
            "formVariables": [
                { "key": "url", "name": "URL", "type": "uri" },
                { "key": "token", "name": "Token", "type": "string", "isSecret": true },
            ],
            "capabilities": { "auditLogEventsHook": {
                "endpoint": {
                    "url": "{{{url}}}",
                    "method": "POST",
                    "headers": [{ "name": "Authorization", "value": "{{{token}}}" }],
                },
                "templates": { "default": "default.json.hbs" },
                "includeErrorResponseBody": true,
                "auditcast": own,
            } },
        });
        let folder = dir.join(key);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("manifest.json"), manifest.to_string()).unwrap();
        fs::write(folder.join("default.json.hbs"), r#"{"sequence": {{{delivery.sequence}}}, "key": "{{{key}}}"}"#)
            .unwrap();
    }
    let mut catalogue = Catalogue::default();
    assert_eq!(catalogue.load_dir(&dir, &[]).unwrap(), []);
    catalogue
}
