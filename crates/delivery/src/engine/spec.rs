//! What a request needs to know of a subscription, as store and catalogue have it now.

use std::sync::Arc;

use integrations::{Fitting, Integration};
use parking_lot::Mutex;
use store::Subscription;

use super::{Engine, Inner};
use crate::{lane::Spec, send::OpenConfig};

impl Engine {
    /// Why this process cannot deliver to an integration; none where it can.
    pub fn undeliverable(&self, integration: &Integration) -> Option<String> {
        let built = self.inner.settings.destinations.of(integration.kind());
        let reason = || Some(built.err()?.reason()?.text.clone());
        integration.undeliverable().map(ToOwned::to_owned).or_else(reason)
    }

    /// Under which address links in deliveries stand.
    pub fn public_url(&self) -> &str {
        &self.inner.settings.public_url
    }

    /// Whether a subscription that is delivered, or was tested, stays with an older version of its
    /// integration, since the newest does not take its config.
    pub fn is_outdated(&self, id: domain::SubscriptionId) -> bool {
        self.inner.outdated.lock().contains(&id)
    }
}

impl Inner {
    pub(super) fn spec(&self, subscription: &Subscription) -> Result<Spec, String> {
        let catalogue = self.catalogue.now();
        let shelf = catalogue
            .shelf(&subscription.integration)
            .ok_or_else(|| format!("there is no integration {}", subscription.integration))?;
        let statements = serde_json::from_str(&subscription.edit.statements).map_err(|error| error.to_string())?;
        let policy = policy::Policy::parse(&statements)
            .map_err(|mistakes| mistakes.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))?;
        // A configuration that does not open suspends the subscription at its first attempt, and
        // says nothing of the version that it was made for.
        let config = OpenConfig::values(&*self.keys, subscription.account, subscription.id, &subscription.edit.config);
        let Fitting { integration, is_older } = match &config {
            Ok(config) => shelf.fitting(config),
            Err(_) => Fitting { integration: Arc::clone(shelf.newest()), is_older: false },
        };
        let config = config.unwrap_or_default();
        let mut outdated = self.outdated.lock();
        if is_older {
            outdated.insert(subscription.id);
        } else {
            outdated.remove(&subscription.id);
        }
        drop(outdated);
        Ok(Spec {
            revision: subscription.revision,
            name: subscription.edit.name.as_str().into(),
            policy,
            config: subscription.edit.config.as_slice().into(),
            batch: integration.batch(&config),
            unusable: shelf.unusable().map(Into::into),
            used: Mutex::default(),
            counters: self.counters.of(integration.key()),
            integration,
        })
    }
}
