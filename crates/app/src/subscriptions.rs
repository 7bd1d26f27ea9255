//! Subscriptions: create, list, get, update, delete.

mod attempts;
mod dead_letters;
mod deed;
pub(crate) mod form;
mod health;
mod jobs;
mod ledger;
mod recipient;
mod record;
mod skip;
mod start;
mod test_send;
mod update;

use std::sync::Arc;

use delivery::Status;
use domain::{AccountId, SubscriptionId};
use integrations::Integration;
use serde_json::{Map, Value};
use store::NewSubscription;
use tokio::sync::Mutex;

use crate::{Action, App, Caller, Error, access::subscription_resource};
pub use attempts::{Attempts, AttemptsAsked, NumberedAttempt, OutcomeAsked};
pub use dead_letters::{DeadLetter, DeadLetters, DeadLettersAsked};
pub(crate) use form::Form;
pub use health::Health;
pub use jobs::{DryRun, JOBS_LIMIT_MAX, Replayed};
pub use ledger::{Ledger, LedgerAsked};
pub use recipient::Recipient;
use record::{Record, Version};

/// A subscription as users see it.
#[derive(Clone, Debug)]
pub struct Subscription {
    /// Its id.
    pub id: SubscriptionId,
    /// The integration key.
    pub integration: String,
    /// What people call it.
    pub name: String,
    /// Whether it delivers.
    pub on: bool,
    /// As sent.
    pub tags: Vec<String>,
    /// A list of statements, as sent.
    pub statements: Value,
    /// As sent, with secrets masked.
    pub config: Map<String, Value>,
    /// How its deliveries fare.
    pub status: Status,
    /// Whether answers of the destination may be shown.
    pub shows_response_body: bool,
}

/// Lets the changes of one subscription happen one after the other.
///
/// Else one change would take up the subscription again while another one still writes.
pub(crate) struct ChangeLocks([Mutex<()>; 64]);

impl Default for ChangeLocks {
    fn default() -> Self {
        Self(std::array::from_fn(|_| Mutex::new(())))
    }
}

impl ChangeLocks {
    pub(crate) fn of(&self, id: SubscriptionId) -> &Mutex<()> {
        // The last byte of an id is random, so the locks are used alike.
        &self.0[usize::from(id.as_bytes()[11]) % self.0.len()]
    }
}

impl App {
    /// Whether the caller may make a subscription to this integration, whatever it holds; asked
    /// before the body is read.
    ///
    /// # Errors
    /// [`Error::Forbidden`], [`Error::NotFound`] for an unknown integration, [`Error::Conflict`] for
    /// one that cannot be used now.
    pub fn subscription_may_create(&self, caller: &Caller, key: &str) -> Result<(), Error> {
        caller
            .authorise(Action::CreateIntegration, &subscription_resource(&self.store.subscription_id().to_string()))?;
        self.usable_integration(key).map(drop)
    }

    /// Makes a subscription of `body`, and records that.
    ///
    /// # Errors
    /// [`Error::Forbidden`], [`Error::NotFound`] for an unknown integration, [`Error::Conflict`] for
    /// one that cannot be used now, [`Error::Invalid`] with every mistake, or what the store says.
    pub async fn subscription_create(
        self: &Arc<Self>,
        caller: &Caller,
        key: &str,
        body: &Value,
    ) -> Result<Subscription, Error> {
        let id = self.store.subscription_id();
        caller.authorise(Action::CreateIntegration, &subscription_resource(&id.to_string()))?;
        let integration = self.usable_integration(key)?;
        if let Some(reason) = self.engine.undeliverable(&integration) {
            return Err(Error::invalid(format!("this server cannot deliver to {key}: {reason}")));
        }
        let Value::Object(members) = body else {
            return Err(Error::invalid("the body must be an object with name and config"));
        };
        let members = form::with_legacy_members(key, members);
        let form = Form::read(&members, &integration, &self.settings, integration.default_policy(), None)?;
        let after = Version { form: &form, integration: &integration };
        let record = Record { caller, id, before: None, after: Some(after), comment: None };
        let record = record.draft(&[Action::CreateIntegration], self.clock.now(), self.settings.entry_max_bytes);
        let edit = form.seal(&*self.keyring, caller.account, id)?;
        let start = self.start_asked(caller.account, members.get("start")).await?;
        let new = NewSubscription { id, account: caller.account, integration: key.to_owned(), edit, start };
        let app = Arc::clone(self);
        let stored = unstoppable(async move {
            let stored = app.store.subscription_create(new, record).await?;
            app.take_up(stored.account, stored.id).await;
            Ok(stored)
        })
        .await?;
        self.present(&stored, &integration, form).await
    }

    /// The account's subscriptions to one integration that the caller may see, oldest first.
    ///
    /// # Errors
    /// [`Error::Forbidden`] when it may see none at all; [`Error::NotFound`] for an unknown
    /// integration; or what the store says.
    pub async fn subscription_list(&self, caller: &Caller, key: &str) -> Result<Vec<Subscription>, Error> {
        let visible = |id: SubscriptionId| caller.may(Action::ViewIntegration, &subscription_resource(&id.to_string()));
        let integration = self.integration(key);
        let stored = match &integration {
            Ok(_) => self.store.subscription_list(caller.account, key).await?,
            Err(_) => Vec::new(),
        };
        let mine: Vec<_> = stored.iter().filter(|stored| visible(stored.id)).collect();
        if mine.is_empty() {
            self.authorise_empty_list(caller, Action::ViewIntegration)?;
        }
        let integration = integration?;
        let mut list = Vec::with_capacity(mine.len());
        for stored in mine {
            let form = Form::open(stored, &*self.keyring)?;
            list.push(self.present(stored, &integration, form).await?);
        }
        Ok(list)
    }

    /// One subscription.
    ///
    /// # Errors
    /// [`Error::Forbidden`]; [`Error::NotFound`] for an unknown integration or id, or one of
    /// another integration; or what the store says.
    pub async fn subscription_get(&self, caller: &Caller, key: &str, id: &str) -> Result<Subscription, Error> {
        caller.authorise(Action::ViewIntegration, &subscription_resource(id))?;
        let integration = self.integration(key)?;
        let stored = self.stored(caller.account, key, parse_id(id)?).await?;
        let form = Form::open(&stored, &*self.keyring)?;
        self.present(&stored, &integration, form).await
    }

    /// Deletes a subscription, and records that. No delivery request of it starts afterwards.
    ///
    /// # Errors
    /// As [`Self::subscription_get`].
    pub async fn subscription_delete(self: &Arc<Self>, caller: &Caller, key: &str, id: &str) -> Result<(), Error> {
        caller.authorise(Action::DeleteIntegration, &subscription_resource(id))?;
        let integration = self.integration(key)?;
        let id = parse_id(id)?;
        let (app, caller, key) = (Arc::clone(self), caller.clone(), key.to_owned());
        unstoppable(async move {
            let _turn = app.changes.of(id).lock().await;
            let stored = app.stored(caller.account, &key, id).await?;
            let now = app.clock.now();
            // A subscription whose config does not open any more has to go all the same.
            let form = Form::open(&stored, &*app.keyring).unwrap_or_else(|_| Form::without_config(&stored));
            let integration = app.fitting(&integration, &form.config);
            let before = Version { form: &form, integration: &integration };
            let record = Record { caller: &caller, id, before: Some(before), after: None, comment: None };
            let record = record.draft(&[Action::DeleteIntegration], now, app.settings.entry_max_bytes);
            let deleted = match app.engine.freeze(caller.account, id).await {
                Ok(()) => app.store.subscription_delete(caller.account, id, record).await,
                Err(error) => Err(error),
            };
            app.take_up(caller.account, id).await;
            deleted.map_err(not_found)
        })
        .await
    }

    /// A token that names single subscriptions may not ask about all; one that may see a
    /// subscription made just now may.
    pub(crate) fn authorise_empty_list(&self, caller: &Caller, action: Action) -> Result<(), Error> {
        let fresh = self.store.subscription_id().to_string();
        let all = || Error::Forbidden { action, resource: "integration/*".to_owned() };
        caller.authorise(action, &subscription_resource(&fresh)).map_err(|_| all())
    }

    async fn stored(&self, account: AccountId, key: &str, id: SubscriptionId) -> Result<store::Subscription, Error> {
        let stored = self.store.subscription_get(account, id).await.map_err(not_found)?;
        if stored.integration == key { Ok(stored) } else { Err(Error::NotFound("subscription")) }
    }

    /// Lets the engine go on with the subscription as it is stored now. What is stored stays
    /// stored if that fails, so it is no failure of the change.
    pub(crate) async fn take_up(&self, account: AccountId, id: SubscriptionId) {
        if let Err(error) = self.engine.reload(account, id).await {
            tracing::error!(subscription = %id, error = &error as &dyn std::error::Error, "not taken up after a change");
        }
    }

    async fn present(
        &self,
        stored: &store::Subscription,
        integration: &Arc<Integration>,
        form: Form,
    ) -> Result<Subscription, Error> {
        let status = self.engine.status(stored).await?;
        // What is secret is told by the version under which the config was made.
        let integration = self.fitting(integration, &form.config);
        let Form { name, on, tags, statements, config } = form;
        Ok(Subscription {
            id: stored.id,
            integration: stored.integration.clone(),
            name,
            on,
            tags,
            statements,
            config: integration.masked_config(&config),
            status,
            shows_response_body: integration.shows_response_body(),
        })
    }
}

/// Runs `work` to its end although the caller may go away: a client that hangs up must not leave
/// a subscription frozen, or stored and not taken up.
pub(crate) async fn unstoppable<T: Send + 'static>(
    work: impl Future<Output = Result<T, Error>> + Send + 'static,
) -> Result<T, Error> {
    tokio::spawn(work).await.map_err(Error::internal)?
}

fn parse_id(id: &str) -> Result<SubscriptionId, Error> {
    SubscriptionId::parse(id).map_err(|_| Error::NotFound("subscription"))
}

fn not_found(error: store::Error) -> Error {
    match error {
        store::Error::NotFound => Error::NotFound("subscription"),
        other => other.into(),
    }
}
