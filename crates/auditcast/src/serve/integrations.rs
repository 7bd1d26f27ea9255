//! Loads the integrations at start, and again on SIGHUP.

use std::{path::PathBuf, sync::Arc};

use anyhow::Context;
use app::{Adopted, App, load_catalogue};
use tokio::signal::unix::Signal;

use crate::settings::Settings;

/// Where integrations come from.
#[derive(Clone, Debug)]
pub struct Folders {
    dir: Option<PathBuf>,
    replace: Vec<String>,
}

impl From<&Settings> for Folders {
    fn from(settings: &Settings) -> Self {
        Self { dir: settings.integrations_dir.clone(), replace: settings.integrations_replace.clone() }
    }
}

/// Loads the built-in integrations and those of the folder, and puts them in force. What is left
/// out is told in the log.
///
/// # Errors
/// When nothing could be put in force, such as for a folder that cannot be read; then all stays as
/// it was.
pub async fn load(app: &Arc<App>, folders: &Folders) -> anyhow::Result<()> {
    let Folders { dir, replace } = folders.clone();
    let loaded = tokio::task::spawn_blocking(move || load_catalogue(dir.as_deref(), &replace)).await?;
    let (catalogue, problems) = loaded.context("the integrations cannot be loaded")?;
    for problem in &problems {
        tracing::error!("an integration is left out: {problem}");
    }
    let Adopted { changed, outdated } = app.catalogue_adopt(catalogue, &problems).await?;
    for (key, subscription) in outdated {
        tracing::warn!(%subscription, integration = key, "stays with an older version: the newest refuses its config");
    }
    if !changed.is_empty() {
        tracing::info!(keys = changed.join(","), "integrations have changed");
    }
    Ok(())
}

/// Loads them again with each signal.
pub async fn reload_on(mut hangup: Signal, app: Arc<App>, folders: Folders) {
    while hangup.recv().await.is_some() {
        tracing::info!("SIGHUP received; loading the integrations again");
        match load(&app, &folders).await {
            Ok(()) => tracing::info!("the integrations are loaded again"),
            Err(error) => tracing::error!("the integrations stay as they were: {error:#}"),
        }
    }
}
