//! Puts the crates together: store, keys, client, engine, use cases.

use std::{path::Path, sync::Arc, time::Duration};

use anyhow::{Context, bail};
use app::{App, DEFAULT_ACCOUNT, Parts};
use delivery::{
    Engine, EngineSettings,
    client::{Client, ClientSettings, ConnectTo},
    decide::Schedule,
};
use domain::{Clock, Keys, MasterKey};
use integrations::LiveCatalogue;
use rustls_pki_types::{CertificateDer, pem::PemObject};
use store::{Store, StoreOptions};

use crate::{
    clock::SystemClock,
    settings::{DeliverySettings, Settings},
};

/// The parts that have to be ended in order.
pub struct Running {
    /// The use cases.
    pub app: Arc<App>,
    /// What delivers; not started yet.
    pub engine: Engine,
    /// The database.
    pub store: Store,
}

/// Opens the data directory and puts everything together; nothing is delivered yet, and no
/// integrations are loaded.
///
/// # Errors
/// Whatever keeps the server from starting, with the file it is about.
pub async fn wire(settings: &Settings, master_key: Option<MasterKey>, base_url: String) -> anyhow::Result<Running> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::start());
    let catalogue = Arc::new(LiveCatalogue::default());
    let options = StoreOptions {
        ingest_queue_bytes: settings.ingest.queue_max_bytes,
        disk_free_min_bytes: settings.disk_free_min_bytes,
        wal_checkpoint_bytes: settings.wal_checkpoint_bytes,
        wal_restart_bytes: settings.wal_restart_bytes,
        indexes: settings.search_index,
        account_limits: settings.account_limits,
        ..StoreOptions::default()
    };
    let store = Store::open(&settings.data_dir, options, Arc::clone(&clock))
        .with_context(|| format!("the data directory {} cannot be used", settings.data_dir.display()))?;
    let keyring = Arc::new(store.keyring(master_key));
    let account = store.account_ensure(DEFAULT_ACCOUNT, keyring.master()).await.context("no account can be made")?;
    if let Err(error) = keyring.check(account.id) {
        tracing::error!("stored configurations cannot be opened: {error}; deliveries are suspended");
    }
    let instance = store.instance_id().await.context("the installation has no name")?;
    let client = client(&settings.delivery, &instance, Arc::clone(&clock))?;
    let engine_settings = EngineSettings {
        schedule: schedule(&settings.delivery),
        window_max: u32::try_from(settings.delivery.window_max).unwrap_or(u32::MAX),
        permits: settings.delivery.permits,
        public_url: base_url,
        default_account: account.id,
        allow_destinations: settings.delivery.allow_destinations.clone(),
        attempts_kept: settings.delivery.attempts_kept,
        attempts_kept_max: settings.delivery.attempts_kept_max,
        conditions: settings.delivery.conditions,
        retention: settings.entry_retention,
        destinations: destinations::all(),
    };
    let keys: Arc<dyn Keys> = Arc::clone(&keyring) as Arc<dyn Keys>;
    let engine = Engine::new(store.clone(), Arc::clone(&catalogue), keys, client, Arc::clone(&clock), engine_settings);
    let app = App::new(Parts {
        store: store.clone(),
        catalogue,
        keyring,
        engine: engine.clone(),
        clock,
        settings: app::Settings {
            ingest_body_max_bytes: settings.ingest.body_max_bytes,
            entry_max_bytes: settings.ingest.entry_max_bytes,
            batch_max_entries: settings.ingest.batch_max_entries,
            metrics_subscriptions_max: settings.metrics_subscriptions_max,
            ..app::Settings::new(instance)
        },
    });
    app.accounts_open_destinations().await.context("the accounts cannot be read")?;
    Ok(Running { app, engine, store })
}

/// What is wrong with the roots and the folder of integrations that the settings name.
pub fn check_files(settings: &Settings) -> Vec<anyhow::Error> {
    let roots = settings.delivery.extra_ca.as_deref().and_then(|path| extra_roots("extra_ca", path).err());
    let folder = settings.integrations_dir.as_deref().and_then(|folder| {
        let context = || format!("integrations_dir {} cannot be read", folder.display());
        std::fs::read_dir(folder).with_context(context).err()
    });
    roots.into_iter().chain(folder).collect()
}

pub fn client(settings: &DeliverySettings, instance: &str, clock: Arc<dyn Clock>) -> anyhow::Result<Client> {
    let client_settings = ClientSettings {
        connect_to: settings
            .connect_to
            .iter()
            .map(|((host, port), address)| (host.to_owned(), port, address))
            .collect::<ConnectTo>(),
        extra_roots: settings
            .extra_ca
            .as_deref()
            .map(|path| extra_roots("extra_ca", path))
            .transpose()?
            .unwrap_or_default(),
        connect_timeout: settings.connect_timeout,
        tls_timeout: settings.tls_timeout,
        first_byte_timeout: settings.first_byte_timeout,
        request_timeout: settings.request_timeout,
        user_agent: concat!("auditcast/", env!("CARGO_PKG_VERSION")).to_owned(),
        via: instance.to_owned(),
    };
    Client::new(client_settings, clock).context("extra_ca holds a certificate that cannot be a root")
}

/// The roots in a PEM file; `name` is that of the setting or option that gave it.
pub fn extra_roots(name: &str, path: &Path) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let roots = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .with_context(|| format!("{name} {} cannot be read as PEM", path.display()))?;
    if roots.is_empty() {
        bail!("{name} {} holds no certificate in PEM form", path.display());
    }
    Ok(roots)
}

fn schedule(settings: &DeliverySettings) -> Schedule {
    Schedule {
        backoff_first: settings.backoff_first,
        backoff_max: settings.backoff_max,
        probe_first: settings.probe_first,
        probe_max: settings.probe_max,
        entry_first: entry_first(settings.entry_schedule, settings.entry_tries_max),
        entry_tries_max: settings.entry_tries_max,
        refusals_in_row_max: settings.refusals_max,
        failures_in_row_max: settings.failures_max,
        retry_after_max: settings.retry_after_max,
        jitter_percent_max: settings.jitter_percent,
    }
}

/// The first wait of an entry, so that all its waits, each four times the one before it, take
/// `whole` together.
fn entry_first(whole: Duration, tries: u32) -> Duration {
    let mut shares = 0_u64;
    let mut share = 1_u64;
    for _ in 1..tries {
        shares = shares.saturating_add(share);
        share = share.saturating_mul(4);
    }
    let millis = u64::try_from(whole.as_millis()).unwrap_or(u64::MAX) / shares.max(1);
    Duration::from_millis(millis.max(1))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::entry_first;

    #[test]
    fn the_waits_of_an_entry_take_the_whole_schedule() {
        let day = Duration::from_secs(24 * 60 * 60);
        let first = entry_first(day, 10);
        let whole: Duration = (0..9).map(|wait| first * 4_u32.pow(wait)).sum();
        assert!(whole <= day && whole > day.mul_f64(0.99), "{whole:?}");
        assert_eq!(entry_first(day, 1), day);
        assert_eq!(entry_first(day, 100), Duration::from_millis(1));
    }
}
