//! The integrations that this server knows: loaded at start, and again when it is told to.

mod list;
mod preview;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::Arc,
};

use domain::SubscriptionId;
use integrations::{Catalogue, Earlier, Integration, LoadProblem, Shelf, Source};
use policy::Policy;
use store::IntegrationVersion;

use crate::{App, Conflict, Error, subscriptions::Form};

pub use list::CatalogueItem;

/// What became of a loading.
#[derive(Debug, Default)]
pub struct Adopted {
    /// Keys of which something is different now.
    pub changed: Vec<String>,
    /// Subscriptions, with their integration keys, that stay with an older version, since the
    /// newest does not take their config.
    pub outdated: Vec<(String, SubscriptionId)>,
}

/// The built-in integrations and those of a folder, and what is wrong with those left out.
/// `may_replace` are the keys of built-in ones whose place a folder may take.
///
/// # Errors
/// When the folder itself cannot be read, or a built-in integration does not load, which a test holds.
pub fn load_catalogue(
    folder: Option<&Path>,
    may_replace: &[String],
) -> Result<(Catalogue, Vec<LoadProblem>), LoadProblem> {
    let mut catalogue = Catalogue::builtin()?;
    let problems = match folder {
        Some(folder) => catalogue.load_dir_with(folder, may_replace, &policy_mistake)?,
        None => Vec::new(),
    };
    Ok((catalogue, problems))
}

/// Loads one folder and checks it whole.
///
/// # Errors
/// Every mistake that can be told at once.
pub fn load_folder(folder: &Path) -> Result<Integration, Vec<LoadProblem>> {
    integrations::load_folder(folder, &policy_mistake)
}

fn policy_mistake(integration: &Integration) -> Option<String> {
    let mistakes = Policy::parse(integration.default_policy()).err()?;
    Some(mistakes.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
}

impl App {
    /// Puts integrations in force that were loaded now, at start or later. A version that works is
    /// never replaced by one that does not; deliveries under way run to their end. Integrations
    /// whose subscriptions could not be looked through are told in the log, and the next call
    /// looks again.
    ///
    /// # Errors
    /// What the store says before anything is in force; then everything stays as it was.
    pub async fn catalogue_adopt(
        self: &Arc<Self>,
        loaded: Catalogue,
        problems: &[LoadProblem],
    ) -> Result<Adopted, Error> {
        let mut left = self.adopting.lock().await;
        let before = self.catalogue.now();
        let running = before.shelves().next().is_some().then_some(&*before);
        let used = self.store.subscription_counts().await?.into_iter().map(|count| count.integration).collect();
        let kept = self.store.integration_version_list().await?;
        let is_new = |one: &&IntegrationVersion| loaded.get(&one.key).is_none_or(|now| now.version() != one.version);
        let stored = kept.iter().filter(is_new).filter_map(of_stored).map(Arc::new).collect();
        let next = loaded.settle(problems, &Earlier { running, stored, used });
        let newest_kept = newest(&kept);
        let news = next.shelves().filter(|shelf| is_worth_keeping(shelf, &newest_kept)).map(to_stored).collect();
        self.store.integration_version_keep(news).await?;
        let changed = match running {
            Some(running) => changes(running, &next),
            // Who was there before this start may stand under an older version.
            None => {
                let differs = |shelf: &&Shelf| {
                    newest_kept.get(shelf.newest().key()).is_some_and(|kept| *kept != shelf.newest().version())
                };
                next.shelves().filter(differs).map(|shelf| shelf.newest().key().to_owned()).collect()
            }
        };
        let is_running = running.is_some();
        self.catalogue.replace(next);
        left.extend(changed.iter().cloned());
        let mut adopted = Adopted { changed, outdated: Vec::new() };
        for key in left.clone() {
            match self.take_over(&key, &kept, is_running).await {
                Ok(outdated) => {
                    adopted.outdated.extend(outdated);
                    left.remove(&key);
                }
                Err(error) => tracing::error!(
                    integration = key,
                    error = &error as &dyn std::error::Error,
                    "not all subscriptions go on under what was loaded; the next loading tries again"
                ),
            }
        }
        Ok(adopted)
    }

    /// Lets the subscriptions to an integration go on under what is known of it now; gives back
    /// those that stay with an older version, and forgets the versions that nobody needs.
    async fn take_over(
        &self,
        key: &str,
        kept: &[IntegrationVersion],
        is_running: bool,
    ) -> Result<Vec<(String, SubscriptionId)>, Error> {
        let catalogue = self.catalogue.now();
        let Some(shelf) = catalogue.shelf(key) else { return Ok(Vec::new()) };
        let mut outdated = Vec::new();
        let mut needed = BTreeSet::from([shelf.newest().version().to_owned()]);
        let mut all_are_read = true;
        for stored in self.store.subscription_list_of_integration(key).await? {
            match Form::open(&stored, &*self.keyring) {
                Ok(form) => {
                    let fitting = shelf.fitting(&form.config);
                    needed.insert(fitting.integration.version().to_owned());
                    if fitting.is_older {
                        outdated.push((key.to_owned(), stored.id));
                    }
                }
                Err(_) => all_are_read = false,
            }
            if is_running {
                // Who changes it has frozen it: until that is stored, it must not go on by what was before.
                let _turn = self.changes.of(stored.id).lock().await;
                self.take_up(stored.account, stored.id).await;
            }
        }
        let of_key = kept.iter().filter(|one| one.key == key && !needed.contains(&one.version));
        let unneeded: Vec<_> = of_key.map(|one| one.version.clone()).collect();
        if all_are_read && !unneeded.is_empty() {
            self.store.integration_version_forget(key, unneeded).await?;
        }
        Ok(outdated)
    }

    /// The integration of this key to read by, be it usable or not; hidden ones are none.
    pub(crate) fn integration(&self, key: &str) -> Result<Arc<Integration>, Error> {
        shown(&self.catalogue.now(), key).map(|shelf| Arc::clone(shelf.newest()))
    }

    /// The same, but only if it can be used.
    pub(crate) fn usable_integration(&self, key: &str) -> Result<Arc<Integration>, Error> {
        // Of one moment: a loading in between could give the version before and the standing after it.
        let catalogue = self.catalogue.now();
        let shelf = shown(&catalogue, key)?;
        match shelf.unusable() {
            Some(reason) => Err(Conflict::Integration(reason).into()),
            None => Ok(Arc::clone(shelf.newest())),
        }
    }

    /// The version of an integration that goes with a config.
    pub(crate) fn fitting(
        &self,
        integration: &Arc<Integration>,
        config: &serde_json::Map<String, serde_json::Value>,
    ) -> Arc<Integration> {
        let catalogue = self.catalogue.now();
        let shelf = catalogue.shelf(integration.key());
        shelf.map_or_else(|| Arc::clone(integration), |shelf| shelf.fitting(config).integration)
    }
}

/// What is known under a key, unless it is hidden.
fn shown<'a>(catalogue: &'a Catalogue, key: &str) -> Result<&'a Shelf, Error> {
    let shelf = catalogue.shelf(key).filter(|shelf| !shelf.newest().is_hidden());
    shelf.ok_or(Error::NotFound("integration"))
}

/// The newest version that the store has of each key.
fn newest(kept: &[IntegrationVersion]) -> BTreeMap<&str, &str> {
    let mut newest = BTreeMap::new();
    for one in kept {
        newest.entry(one.key.as_str()).or_insert(one.version.as_str());
    }
    newest
}

fn is_worth_keeping(shelf: &Shelf, newest: &BTreeMap<&str, &str>) -> bool {
    let integration = shelf.newest();
    let is_known = !integration.version().is_empty();
    is_known && shelf.unusable().is_none() && newest.get(integration.key()) != Some(&integration.version())
}

fn to_stored(shelf: &Shelf) -> IntegrationVersion {
    let integration = shelf.newest();
    IntegrationVersion {
        key: integration.key().to_owned(),
        version: integration.version().to_owned(),
        files: integration.source().to_text(),
    }
}

fn of_stored(kept: &IntegrationVersion) -> Option<Integration> {
    let loaded = Integration::from_source(&kept.key, &Source::from_text(&kept.files)?);
    // An older server may have known what this one does not.
    loaded.inspect_err(|problem| tracing::warn!(%problem, "an integration that was kept cannot be read any more")).ok()
}

/// The keys of which the newest version or its standing is another one.
fn changes(before: &Catalogue, after: &Catalogue) -> Vec<String> {
    let face = |shelf: &Shelf| (shelf.newest().version().to_owned(), shelf.standing().clone());
    let keys: BTreeSet<_> =
        before.shelves().chain(after.shelves()).map(|shelf| shelf.newest().key().to_owned()).collect();
    keys.into_iter().filter(|key| before.shelf(key).map(face) != after.shelf(key).map(face)).collect()
}
