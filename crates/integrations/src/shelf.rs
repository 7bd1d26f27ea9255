//! What is known of one key: the integration as it was loaded last, and as it was before.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::integration::Integration;

/// How the newest version of an integration stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is what its folder holds, or is built in.
    Current,
    /// Its folder has a mistake by now, which is told here; the version from before serves on.
    Kept(String),
    /// Its folder has a mistake, which is told here, and nothing is delivered.
    Broken(String),
    /// Its folder is not there, and nothing is delivered.
    Missing,
}

/// The versions of one integration, of which at least one is there.
#[derive(Clone, Debug)]
pub struct Shelf {
    newest: Arc<Integration>,
    /// Newest first.
    older: Vec<Arc<Integration>>,
    standing: Standing,
}

/// The version of an integration that goes with a config.
#[derive(Clone, Debug)]
pub struct Fitting {
    /// The version.
    pub integration: Arc<Integration>,
    /// Whether a newer one does not take the config.
    pub is_older: bool,
}

impl Shelf {
    pub(crate) fn current(integration: Arc<Integration>) -> Self {
        Self { newest: integration, older: Vec::new(), standing: Standing::Current }
    }

    /// The first version is the newest one; none without any.
    pub(crate) fn new(versions: Vec<Arc<Integration>>, standing: Standing) -> Option<Self> {
        let mut versions = versions.into_iter();
        let newest = versions.next()?;
        let mut older: Vec<Arc<Integration>> = Vec::new();
        for version in versions {
            if version.version() != newest.version() && older.iter().all(|one| one.version() != version.version()) {
                older.push(version);
            }
        }
        Some(Self { newest, older, standing })
    }

    /// The newest version, whether anything can be delivered by it or not.
    pub fn newest(&self) -> &Arc<Integration> {
        &self.newest
    }

    /// All versions, newest first.
    pub fn versions(&self) -> impl Iterator<Item = &Arc<Integration>> {
        std::iter::once(&self.newest).chain(&self.older)
    }

    /// How the newest version stands.
    pub fn standing(&self) -> &Standing {
        &self.standing
    }

    /// Why nothing is delivered and no config taken; none when all is well.
    pub fn unusable(&self) -> Option<String> {
        let key = self.newest.key();
        match &self.standing {
            Standing::Current | Standing::Kept(_) => None,
            Standing::Broken(mistake) => Some(format!("the integration {key} cannot be loaded: {mistake}")),
            Standing::Missing => Some(format!("the integration {key} is no longer there: its folder is missing")),
        }
    }

    /// The newest version that takes this config; the newest of all when none does.
    pub fn fitting(&self, config: &Map<String, Value>) -> Fitting {
        if self.older.is_empty() {
            return Fitting { integration: Arc::clone(&self.newest), is_older: false };
        }
        let found = self.versions().position(|version| version.validate_config(config).is_ok()).unwrap_or(0);
        let version = self.versions().nth(found).unwrap_or(&self.newest);
        Fitting { integration: Arc::clone(version), is_older: found > 0 }
    }
}
