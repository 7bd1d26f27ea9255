//! From settings to a running server, and down again.

pub mod accept;
mod body;
mod connection;
mod integrations;
mod stall;
pub mod tls;
mod trial;
mod wire;

pub(crate) use wire::extra_roots;

use std::{
    io::{self, Write},
    sync::Arc,
    time::Duration,
};

use anyhow::Context;
use app::{AccountRetention, App};
use domain::{MasterKey, Secret};
use store::Store;
use tokio::{
    net::TcpListener,
    runtime::Handle,
    signal::unix::{SignalKind, signal},
};
use tokio_util::sync::CancellationToken;

use crate::{
    control::{self, RetentionRequest, SourceRequest, Sources, TokenRequest},
    lock::{DirectoryLock, LockError},
    master_key,
    settings::Settings,
};
pub use trial::try_out;

/// A data directory that is this process's own.
struct Prepared {
    /// The key that wraps the data keys; none when it was lost.
    master_key: Option<MasterKey>,
    /// Held as long as the server runs.
    lock: DirectoryLock,
}

/// Serves until SIGTERM or SIGINT, then drains.
///
/// # Errors
/// Whatever keeps the server from starting, with the file or address it is about.
pub fn run(settings: &Settings) -> anyhow::Result<()> {
    forgo_huge_pages();
    raise_file_limit();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("no runtime")?;
    let deliveries = tokio::runtime::Builder::new_multi_thread()
        .thread_name("delivery")
        .on_thread_start(yield_to_ingest)
        .enable_all()
        .build()
        .context("no runtime for deliveries")?;
    let served = runtime.block_on(serve(settings, deliveries.handle()));
    // What the engine could not finish in time is sent again after the next start.
    deliveries.shutdown_background();
    served
}

/// Of huge pages mostly small parts would be used: they take 10 to 30 MiB and save no time that can
/// be measured. The allocator is built not to ask for them; many systems give them unasked.
#[cfg(target_os = "linux")]
fn forgo_huge_pages() {
    if let Err(error) = rustix::thread::disable_transparent_huge_pages(true) {
        tracing::debug!(%error, "memory is taken in huge pages");
    }
}

#[cfg(not(target_os = "linux"))]
fn forgo_huge_pages() {}

/// A backlog can keep every core busy. Where both want one, producers come first: a delivery
/// that waits is only late, and it has its share all the same. Matching and reading the log keep
/// their priority, for who falls behind there has more to do than who keeps up.
fn yield_to_ingest() {
    if let Err(error) = rustix::process::nice(DELIVERY_NICENESS) {
        tracing::debug!(%error, "deliveries run with the priority of all the rest");
    }
}

/// About a tenth of a contended core, by the weights of Linux's scheduler.
const DELIVERY_NICENESS: i32 = 10;

/// What is wrong with the files that the settings name; nothing is written.
pub fn check_files(settings: &Settings) -> Vec<anyhow::Error> {
    let mut mistakes = wire::check_files(settings);
    mistakes.extend(settings.tls.as_ref().and_then(|files| tls::server_config(files).err()));
    if let Some(given) = &settings.master_key_file {
        let loaded = master_key::load(Some(given), &settings.data_dir, false);
        mistakes.extend(loaded.err().map(anyhow::Error::from));
    }
    mistakes
}

/// Makes a token, in the database or, when a server uses it, through that server.
///
/// # Errors
/// What keeps the token from being made.
pub fn create_token(settings: &Settings, request: &TokenRequest) -> anyhow::Result<Secret> {
    let make = async |app: Arc<App>| request.make(&app).await;
    with_app(settings, make, || request.ask(&settings.data_dir))
}

/// Looks how long an account's entries are kept, or changes it, in the database or, when a server uses
/// it, through that server.
///
/// # Errors
/// What keeps it from being done.
pub fn account_retention(settings: &Settings, request: &RetentionRequest) -> anyhow::Result<AccountRetention> {
    let make = async |app: Arc<App>| request.make(&app).await;
    with_app(settings, make, || request.ask(&settings.data_dir))
}

/// Makes, lists or deletes sources, in the database or, when a server uses it, through that server.
///
/// # Errors
/// What keeps it from being done.
pub fn sources(settings: &Settings, request: &SourceRequest) -> anyhow::Result<Sources> {
    let make = async |app: Arc<App>| request.make(&app).await;
    with_app(settings, make, || request.ask(&settings.data_dir))
}

/// Does something with the use cases on the data directory, or asks the server that uses it.
fn with_app<T>(
    settings: &Settings,
    make: impl AsyncFnOnce(Arc<App>) -> Result<T, app::Error>,
    ask: impl FnOnce() -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let prepared = match prepare(settings) {
        Ok(prepared) => prepared,
        Err(error) if matches!(error.downcast_ref(), Some(LockError::Taken { .. })) => return ask(),
        Err(error) => return Err(error),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("no runtime")?;
    runtime.block_on(async {
        let running = wire::wire(settings, prepared.master_key, String::new()).await?;
        let made = make(Arc::clone(&running.app)).await?;
        running.store.close().await;
        Ok(made)
    })
}

async fn serve(settings: &Settings, deliveries: &Handle) -> anyhow::Result<()> {
    // Before all that takes its time: without a listener the signal would end the process.
    let hangup = signal(SignalKind::hangup()).context("cannot listen for SIGHUP")?;
    let Prepared { master_key, lock } = prepare(settings)?;
    let tls = settings.tls.as_ref().map(tls::server_config).transpose()?.map(Arc::new);
    let stop = stop_on_signals()?;
    let listener =
        TcpListener::bind(settings.listen).await.with_context(|| format!("cannot listen on {}", settings.listen))?;
    let address = listener.local_addr().context("the listener has no address")?;
    let running = wire::wire(settings, master_key, settings.base_url(address)).await?;
    let token = running.app.token_bootstrap(settings.bootstrap_token.clone()).await?;
    let control = control::listen(&settings.data_dir).context("no socket for the command line")?;
    let control = tokio::spawn(control::serve(control, Arc::clone(&running.app)));
    let last_uses = tokio::spawn(write_last_uses(Arc::clone(&running.app)));
    let folders = integrations::Folders::from(settings);
    integrations::load(&running.app, &folders).await?;
    let reloads = tokio::spawn(integrations::reload_on(hangup, Arc::clone(&running.app), folders));
    running.engine.send_on(deliveries.clone());
    running.engine.start().await.context("deliveries cannot start")?;
    tracing::info!(data_dir = %settings.data_dir.display(), "serving on {}://{address}", settings.scheme());
    if let Some(token) = token {
        show_first_token(&token);
    }
    let api_settings = api::Settings { rates: settings.http.rates, ..api::Settings::default() };
    let api = api::Api::new(Arc::clone(&running.app), api_settings);
    let limits = accept::Limits::from(settings);
    let engine_stop = async {
        stop.cancelled().await;
        running.engine.stop(settings.shutdown).await;
    };
    let (drained, ()) = tokio::join!(accept::serve(listener, api, tls, limits, stop.clone()), engine_stop);
    control.abort();
    reloads.abort();
    last_uses.abort();
    note_last_uses(&running.app).await;
    if tokio::time::timeout(CLOSE_TIMEOUT, running.store.close()).await.is_err() {
        tracing::error!("the database was not closed in time; it recovers at the next start");
    }
    if drained.cut > 0 {
        tracing::warn!(connections = drained.cut, "stopped before every request in flight had finished");
    }
    tracing::info!("stopped");
    drop(lock);
    Ok(())
}

/// Writes down now and then when tokens were last used.
async fn write_last_uses(app: Arc<App>) {
    let mut beat = tokio::time::interval(app.token_write_used_every());
    loop {
        beat.tick().await;
        note_last_uses(&app).await;
    }
}

async fn note_last_uses(app: &App) {
    if let Err(error) = app.token_write_used().await {
        tracing::warn!(error = &error as &dyn std::error::Error, "the last uses of tokens were not written down");
    }
}

/// For the last commit and the checkpoint after it.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(30);

/// To standard output, where no log keeps it.
fn show_first_token(token: &Secret) {
    let text = format!("The admin token, shown this once:\n{}\n", token.expose());
    if io::stdout().write_all(text.as_bytes()).and_then(|()| io::stdout().flush()).is_err() {
        tracing::warn!("the first admin token could not be shown; make one with: auditcast token create");
    }
}

fn prepare(settings: &Settings) -> anyhow::Result<Prepared> {
    let lock = DirectoryLock::take(&settings.data_dir)?;
    let is_fresh = !settings.data_dir.join(Store::FILE).exists();
    let master_key = match master_key::load(settings.master_key_file.as_deref(), &settings.data_dir, is_fresh) {
        Ok(loaded) => {
            for warning in &loaded.warnings {
                tracing::warn!("{warning}");
            }
            Some(loaded.key)
        }
        Err(error) if is_fresh => return Err(error.into()),
        // Entries are still taken in; what needs the key waits for it.
        Err(error) => {
            tracing::error!("{:#}", anyhow::Error::from(error));
            None
        }
    };
    Ok(Prepared { master_key, lock })
}

/// A token that is cancelled by the first SIGTERM or SIGINT. A second one ends the process at once.
fn stop_on_signals() -> anyhow::Result<CancellationToken> {
    let stop = CancellationToken::new();
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    let token = stop.clone();
    tokio::spawn(async move {
        let mut received = async || {
            tokio::select! {
                _ = terminate.recv() => "SIGTERM",
                _ = interrupt.recv() => "SIGINT",
            }
        };
        // Waited for outside of the log lines: the arguments of a line that is not logged are not
        // evaluated.
        let first = received().await;
        tracing::info!("{first} received; finishing the requests in flight");
        token.cancel();
        let second = received().await;
        tracing::warn!("{second} received again; stopping at once");
        std::process::exit(1);
    });
    Ok(stop)
}

fn raise_file_limit() {
    // Each connection and each delivery holds a descriptor; the usual soft limit of 1,024 is below
    // the hard one for the sake of programs that use select(), which this is not.
    if let Err(error) = rlimit::increase_nofile_limit(u64::MAX) {
        tracing::warn!(%error, "the limit of open files stays as it is");
    }
}
