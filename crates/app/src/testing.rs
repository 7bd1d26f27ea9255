//! A whole server without HTTP, for the tests of the crates above. Only with the feature `testing`.
//!
//! It panics where a test could not go on.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use delivery::{
    ConditionLimits, Engine, EngineSettings,
    client::{Client, ClientSettings, ConnectTo},
    decide::Schedule,
    destination::Destinations,
};
use domain::{Clock, Entry, MasterKey, Sequence, Timestamp};
use integrations::LiveCatalogue;
use store::{Store, StoreOptions};
use tempfile::TempDir;

use crate::{AccountLimits, Adopted, App, DEFAULT_ACCOUNT, Parts, Settings, load_catalogue};

/// A clock that only tests move.
#[derive(Default)]
pub struct ManualClock {
    passed: AtomicI64,
    jumped: AtomicI64,
}

impl ManualClock {
    /// What the wall clock says at first, in milliseconds.
    pub const START: i64 = 1_790_000_000_000;

    /// Moves the wall clock and the monotonic one.
    pub fn advance(&self, duration: Duration) {
        self.passed.fetch_add(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX), Ordering::SeqCst);
    }

    /// Moves the wall clock alone, back when negative.
    pub fn jump(&self, millis: i64) {
        self.jumped.fetch_add(millis, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        let (passed, jumped) = (self.passed.load(Ordering::SeqCst), self.jumped.load(Ordering::SeqCst));
        Timestamp::from_millis(Self::START + passed + jumped)
    }

    fn monotonic(&self) -> Duration {
        Duration::from_millis(self.passed.load(Ordering::SeqCst).unsigned_abs())
    }
}

/// How a server differs from the usual one.
#[derive(Clone)]
pub struct Options {
    /// The key that wraps the data keys.
    pub master: [u8; 32],
    /// Free bytes of the disk below which entries are refused.
    pub disk_free_min_bytes: u64,
    /// Whether entries get into the index for searches by themselves.
    pub indexes: bool,
    /// How much one account may have.
    pub account_limits: AccountLimits,
    /// Limits, and the name of the server.
    pub settings: Settings,
    /// Folder of further integrations.
    pub integrations_dir: Option<PathBuf>,
    /// Keys of built-in integrations whose place a folder may take.
    pub integrations_replace: Vec<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            master: [7; 32],
            disk_free_min_bytes: 0,
            indexes: true,
            account_limits: AccountLimits::default(),
            settings: Settings::new("test-instance"),
            integrations_dir: None,
            integrations_replace: Vec::new(),
        }
    }
}

/// A running server with the built-in integrations and data of its own. Its deliveries reach
/// this machine and nothing that the test does not name.
pub struct Server {
    /// The use cases.
    pub app: Arc<App>,
    /// The time.
    pub clock: Arc<ManualClock>,
    store: Store,
    engine: Engine,
    directory: TempDir,
}

impl Server {
    /// A server on an empty data directory; the account `default` exists, no token does.
    pub async fn start(options: Options) -> Self {
        Self::on(tempfile::tempdir().expect("a test gets a directory"), options).await
    }

    /// Stops, and starts anew on the same data.
    pub async fn restart(self, options: Options) -> Self {
        self.stop_deliveries().await;
        self.store.close().await;
        Self::on(self.directory, options).await
    }

    /// Ends the deliveries; all else goes on.
    pub async fn stop_deliveries(&self) {
        self.engine.stop(Duration::from_secs(1)).await;
    }

    /// Looks once at the subscriptions with work, as the running deliveries do now and then.
    pub async fn look(&self) {
        self.engine.look().await.expect("the store writes");
    }

    /// Makes another account, in which nothing can be sealed.
    pub async fn add_account(&self, name: &str) {
        self.store.account_ensure(name, None).await.expect("the store writes");
    }

    /// Brings up to so many entries into the index for searches; how many came in.
    pub async fn index(&self, entries_max: usize) -> usize {
        self.store.index_build(entries_max).await.expect("the index is written")
    }

    /// Lets the first entries of the account `default` leave the log, at most so many.
    pub async fn drop_entries(&self, entries_max: usize) {
        let account = self.store.account_by_name(DEFAULT_ACCOUNT).await.expect("the store reads");
        let account = account.expect("the start made the account").id;
        let before = Timestamp::from_millis(i64::MAX);
        let step = store::EntryDrop { account, before, entries_max, bytes_max: usize::MAX };
        self.store.entry_drop(step).await.expect("the store writes");
    }

    /// The first thousand entries of the account `default`, with those of the server itself.
    pub async fn entries(&self) -> Vec<Arc<Entry>> {
        self.entries_of(DEFAULT_ACCOUNT).await
    }

    /// The first thousand entries of the account of this name, with those of the server itself.
    pub async fn entries_of(&self, name: &str) -> Vec<Arc<Entry>> {
        let account = self.store.account_by_name(name).await.expect("the store reads");
        let account = account.expect("the account was made");
        self.store.entry_page(account.id, Sequence(0), 1_000, usize::MAX).await.expect("the store reads")
    }

    async fn on(directory: TempDir, options: Options) -> Self {
        let clock = Arc::new(ManualClock::default());
        let as_clock: Arc<dyn Clock> = Arc::clone(&clock) as Arc<dyn Clock>;
        let store_options = StoreOptions {
            disk_free_min_bytes: options.disk_free_min_bytes,
            indexes: options.indexes,
            account_limits: options.account_limits,
            ..StoreOptions::default()
        };
        let store = Store::open(directory.path(), store_options, Arc::clone(&as_clock)).expect("the store opens");
        let keyring = Arc::new(store.keyring(Some(MasterKey::from_bytes(options.master))));
        let account = store.account_ensure(DEFAULT_ACCOUNT, keyring.master()).await.expect("the store writes");
        let catalogue = Arc::new(LiveCatalogue::default());
        let engine_settings = EngineSettings {
            schedule: Schedule::default(),
            window_max: 1,
            permits: 8,
            public_url: "https://audit.test".to_owned(),
            default_account: account.id,
            allow_destinations: vec!["127.0.0.0/8".parse().expect("is a range")],
            attempts_kept: Duration::from_secs(30 * 86_400),
            attempts_kept_max: 100_000,
            conditions: ConditionLimits::default(),
            retention: Duration::from_secs(400 * 24 * 3_600),
            destinations: Destinations::default(),
        };
        let engine = Engine::new(
            store.clone(),
            Arc::clone(&catalogue),
            Arc::clone(&keyring) as Arc<dyn domain::Keys>,
            client(&options.settings.instance, Arc::clone(&as_clock)),
            Arc::clone(&as_clock),
            engine_settings,
        );
        let app = App::new(Parts {
            store: store.clone(),
            catalogue,
            keyring,
            engine: engine.clone(),
            clock: as_clock,
            settings: options.settings,
        });
        let server = Self { app, clock, store, engine, directory };
        server.load_integrations(options.integrations_dir.as_deref(), &options.integrations_replace).await;
        server.app.accounts_open_destinations().await.expect("the store reads");
        server.engine.start().await.expect("the deliveries start");
        server
    }

    /// Loads the integrations, as at the start and on SIGHUP; gives back what it came to.
    pub async fn load_integrations(&self, folder: Option<&Path>, may_replace: &[String]) -> Adopted {
        let loaded = load_catalogue(folder, may_replace).expect("the built-in integrations load");
        self.app.catalogue_adopt(loaded.0, &loaded.1).await.expect("the store writes")
    }
}

fn client(instance: &str, clock: Arc<dyn Clock>) -> Client {
    let settings = ClientSettings {
        connect_to: ConnectTo::default(),
        extra_roots: Vec::new(),
        connect_timeout: Duration::from_secs(1),
        tls_timeout: Duration::from_secs(1),
        first_byte_timeout: Duration::from_secs(1),
        request_timeout: Duration::from_secs(1),
        user_agent: "test".to_owned(),
        via: instance.to_owned(),
    };
    Client::new(settings, clock).expect("the public roots are roots")
}
