//! To what entries are delivered: what the operations on deliveries are about.

use std::sync::Arc;

use domain::{Resource, SubscriptionId};
use integrations::{Integration, WEBHOOK_KEY};

use crate::{
    Action, App, Caller, Error,
    access::{subscription_resource, webhook_resource},
};

/// A subscription or a webhook as an address names it, whether there is one or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recipient {
    /// A subscription.
    Subscription {
        /// The integration key.
        integration: String,
        /// Its id, of any shape.
        id: String,
    },
    /// A webhook.
    Webhook {
        /// Its id, of any shape.
        id: String,
    },
}

impl Recipient {
    /// As a resource of policies.
    pub(super) fn resource(&self) -> Resource {
        match self {
            Self::Subscription { id, .. } => subscription_resource(id),
            Self::Webhook { id } => webhook_resource(id),
        }
    }

    /// What sending entries of the log once more asks for.
    pub(super) fn replay(&self) -> Action {
        match self {
            Self::Subscription { .. } => Action::ReplayIntegration,
            Self::Webhook { .. } => Action::ReplayWebhook,
        }
    }

    /// What passing over entries asks for: whoever may change the statements could reach the same.
    pub(super) fn skip(&self) -> Action {
        match self {
            Self::Subscription { .. } => Action::UpdateConfiguration,
            Self::Webhook { .. } => Action::UpdateStatements,
        }
    }

    /// What people call one of its kind.
    pub(super) fn noun(&self) -> &'static str {
        match self {
            Self::Subscription { .. } => "integration",
            Self::Webhook { .. } => "webhook",
        }
    }

    /// Its path in the API.
    pub fn href(&self) -> String {
        match self {
            Self::Subscription { integration, id } => format!("/api/v2/integrations/{integration}/{id}"),
            Self::Webhook { id } => format!("/api/v2/webhooks/{id}"),
        }
    }

    /// The key of its integration; none where nobody may reach it by that.
    pub(super) fn key(&self) -> Option<&str> {
        match self {
            Self::Subscription { integration, .. } => Some(&**integration).filter(|key| *key != WEBHOOK_KEY),
            Self::Webhook { .. } => Some(WEBHOOK_KEY),
        }
    }

    pub(super) fn parsed_id(&self) -> Result<SubscriptionId, Error> {
        let (Self::Subscription { id, .. } | Self::Webhook { id }) = self;
        SubscriptionId::parse(id).map_err(|_| self.not_found())
    }

    pub(super) fn not_found(&self) -> Error {
        Error::NotFound(match self {
            Self::Subscription { .. } => "subscription",
            Self::Webhook { .. } => "webhook",
        })
    }

    /// What the store says, with this as what is missing.
    pub(super) fn missing(&self, error: store::Error) -> Error {
        match error {
            store::Error::NotFound => self.not_found(),
            other => other.into(),
        }
    }
}

impl App {
    /// What the address names, if the caller may do this to it.
    ///
    /// # Errors
    /// [`Error::Forbidden`]; [`Error::NotFound`] for an unknown integration or id, or one of
    /// another integration; or what the store says.
    pub(super) async fn recipient(
        &self,
        caller: &Caller,
        action: Action,
        recipient: &Recipient,
    ) -> Result<(Arc<Integration>, store::Subscription), Error> {
        caller.authorise(action, &recipient.resource())?;
        let integration = match recipient {
            Recipient::Subscription { integration, .. } => self.integration(integration)?,
            Recipient::Webhook { .. } => self.webhook_integration()?,
        };
        let stored = self.store.subscription_get(caller.account, recipient.parsed_id()?).await;
        let stored = stored.map_err(|error| recipient.missing(error))?;
        if stored.integration == integration.key() { Ok((integration, stored)) } else { Err(recipient.not_found()) }
    }
}
