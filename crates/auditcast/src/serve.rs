//! From settings to a running server, and down again.

pub mod accept;
mod body;
mod connection;
mod stall;
pub mod tls;

use std::{path::Path, sync::Arc};

use anyhow::Context;
use axum::{Router, routing::get};
use domain::MasterKey;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};
use tokio_util::sync::CancellationToken;

use crate::{lock, lock::DirectoryLock, master_key, settings::Settings};

/// What the router is made from, ready before the first connection is accepted.
pub struct Prepared {
    /// The key that wraps the data keys.
    pub master_key: MasterKey,
    /// Held as long as the server runs.
    pub lock: DirectoryLock,
}

/// Serves until SIGTERM or SIGINT, then drains.
///
/// # Errors
/// Whatever keeps the server from starting, with the file or address it is about.
pub fn run(settings: &Settings) -> anyhow::Result<()> {
    raise_file_limit();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("no runtime")?;
    runtime.block_on(serve(settings))
}

async fn serve(settings: &Settings) -> anyhow::Result<()> {
    let prepared = prepare(settings)?;
    let tls = settings.tls.as_ref().map(tls::server_config).transpose()?.map(Arc::new);
    let stop = stop_on_signals()?;
    let listener =
        TcpListener::bind(settings.listen).await.with_context(|| format!("cannot listen on {}", settings.listen))?;
    let address = listener.local_addr().context("the listener has no address")?;
    tracing::info!(data_dir = %settings.data_dir.display(), "serving on {}://{address}", settings.scheme());
    let limits = accept::Limits::from(settings);
    let drained = accept::serve(listener, router(), tls, limits, stop).await;
    drop(prepared);
    if drained.cut > 0 {
        tracing::warn!(connections = drained.cut, "stopped before every request in flight had finished");
    }
    tracing::info!("stopped");
    Ok(())
}

fn prepare(settings: &Settings) -> anyhow::Result<Prepared> {
    let lock = DirectoryLock::take(&settings.data_dir)?;
    let fresh = is_fresh(&settings.data_dir)
        .with_context(|| format!("the data directory {} cannot be read", settings.data_dir.display()))?;
    let loaded = master_key::load(settings.master_key_file.as_deref(), &settings.data_dir, fresh)?;
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
    Ok(Prepared { master_key: loaded.key, lock })
}

/// Whether nothing but the lock is there.
fn is_fresh(data_dir: &Path) -> std::io::Result<bool> {
    for entry in std::fs::read_dir(data_dir)? {
        if entry?.file_name() != lock::FILE_NAME {
            return Ok(false);
        }
    }
    Ok(true)
}

fn router() -> Router {
    Router::new().route("/healthz", get(|| async { "ok\n" }))
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
        tracing::info!("{} received; finishing the requests in flight", received().await);
        token.cancel();
        tracing::warn!("{} received again; stopping at once", received().await);
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
