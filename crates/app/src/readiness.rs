//! Whether the server can do its work.

use store::SyncState;

use crate::{App, DEFAULT_ACCOUNT};

/// What keeps the server from doing its work; nothing when it is ready.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Readiness {
    /// Whole sentences for operators; no secret is in them.
    pub problems: Vec<String>,
    /// What an operator should know although the server does its work; whole sentences, too.
    pub warnings: Vec<String>,
}

impl Readiness {
    /// Whether all is well.
    pub fn is_ready(&self) -> bool {
        self.problems.is_empty()
    }
}

impl App {
    /// Looks at the store, the master key and the delivery engine.
    pub async fn readiness(&self) -> Readiness {
        let mut problems = Vec::new();
        match self.store.sync_state() {
            SyncState::Writable => {}
            SyncState::Full => problems.push("the last write failed because the disk is full".to_owned()),
            SyncState::Failed => problems.push("the database cannot be written; restart the server".to_owned()),
        }
        let (free, least) = (self.store.disk_free_bytes(), self.store.options().disk_free_min_bytes);
        if free < least {
            problems.push(format!("the disk has {free} bytes free and needs {least}; entries are refused"));
        }
        match self.store.account_by_name(DEFAULT_ACCOUNT).await {
            Ok(Some(account)) => {
                if let Err(error) = self.keyring.check(account.id) {
                    problems.push(format!("stored configurations cannot be opened: {error}"));
                }
            }
            Ok(None) => problems.push("the server has not finished its start".to_owned()),
            Err(error) => {
                tracing::error!(%error, "the database cannot be read");
                problems.push("the database cannot be read".to_owned());
            }
        }
        let health = self.engine.health();
        if !health.running {
            problems.push("deliveries are not running".to_owned());
        }
        problems.extend(health.problems);
        Readiness { problems, warnings: health.warnings }
    }
}
