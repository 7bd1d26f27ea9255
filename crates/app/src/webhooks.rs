//! Webhooks: subscriptions to a built-in integration that nobody reaches by its key, with the
//! members, rights and entries that webhooks have.

mod form;
mod record;
mod update;

use std::sync::Arc;

use delivery::Status;
use domain::{Resource, SubscriptionId};
use integrations::{Integration, WEBHOOK_KEY};
use serde_json::Value;
use store::NewSubscription;

use crate::{Action, App, Caller, Error, access::webhook_resource, subscriptions::unstoppable};
use form::Form;

/// A webhook as users see it.
#[derive(Clone, Debug)]
pub struct Webhook {
    /// Its id.
    pub id: SubscriptionId,
    /// What people call it; may be empty.
    pub name: String,
    /// Where the entries go.
    pub url: String,
    /// The key of the signature, for those who may change it.
    pub secret: Option<String>,
    /// Which entries it wants, as sent; without, or with an empty list, all.
    pub statements: Option<Value>,
    /// Whether it delivers.
    pub on: bool,
    /// As sent.
    pub tags: Vec<String>,
    /// How its deliveries fare.
    pub status: Status,
    /// Whether answers of the destination may be shown.
    pub shows_response_body: bool,
}

impl App {
    /// Whether the caller may make a webhook, whatever it holds; asked before the body is read.
    ///
    /// # Errors
    /// [`Error::Forbidden`].
    pub fn webhook_may_create(&self, caller: &Caller) -> Result<(), Error> {
        caller.authorise(Action::CreateWebhook, &webhook_resource(&self.store.subscription_id().to_string()))
    }

    /// Makes a webhook of `body`, and records that.
    ///
    /// # Errors
    /// [`Error::Forbidden`], [`Error::Invalid`] with every mistake, or what the store says.
    pub async fn webhook_create(self: &Arc<Self>, caller: &Caller, body: &Value) -> Result<Webhook, Error> {
        let id = self.store.subscription_id();
        caller.authorise(Action::CreateWebhook, &webhook_resource(&id.to_string()))?;
        let Value::Object(members) = body else {
            return Err(Error::invalid("the body must be an object with url, sign and on"));
        };
        let integration = self.webhook_integration()?;
        let form = Form::read_new(members, &integration, &self.settings)?;
        let record = record::draft(
            caller,
            (id, &integration),
            (None, Some(&form)),
            (&[Action::CreateWebhook], None),
            (self.clock.now(), self.settings.entry_max_bytes),
        );
        let edit = form.seal(&*self.keyring, caller.account, id)?;
        let integration_key = WEBHOOK_KEY.to_owned();
        let new = NewSubscription { id, account: caller.account, integration: integration_key, edit, start: None };
        let app = Arc::clone(self);
        let stored = unstoppable(async move {
            let stored = app.store.subscription_create(new, record).await?;
            app.take_up(stored.account, stored.id).await;
            Ok(stored)
        })
        .await?;
        self.present_webhook(caller, &stored, &integration, form).await
    }

    /// The account's webhooks that the caller may see, oldest first.
    ///
    /// # Errors
    /// [`Error::Forbidden`] when it may see none at all, or what the store says.
    pub async fn webhook_list(&self, caller: &Caller) -> Result<Vec<Webhook>, Error> {
        let stored = self.store.subscription_list(caller.account, WEBHOOK_KEY).await?;
        let mine: Vec<_> = stored.iter().filter(|one| caller.may(Action::ViewWebhook, &resource_of(one.id))).collect();
        if mine.is_empty() {
            let fresh = self.store.subscription_id();
            caller
                .authorise(Action::ViewWebhook, &resource_of(fresh))
                .map_err(|_| Error::Forbidden { action: Action::ViewWebhook, resource: "webhook/*".to_owned() })?;
        }
        let integration = self.webhook_integration()?;
        let mut list = Vec::with_capacity(mine.len());
        for stored in mine {
            let form = Form::open(stored, &*self.keyring)?;
            list.push(self.present_webhook(caller, stored, &integration, form).await?);
        }
        Ok(list)
    }

    /// One webhook.
    ///
    /// # Errors
    /// [`Error::Forbidden`], [`Error::NotFound`], or what the store says.
    pub async fn webhook_get(&self, caller: &Caller, id: &str) -> Result<Webhook, Error> {
        caller.authorise(Action::ViewWebhook, &webhook_resource(id))?;
        let stored = self.stored_webhook(caller, id).await?;
        let form = Form::open(&stored, &*self.keyring)?;
        self.present_webhook(caller, &stored, &*self.webhook_integration()?, form).await
    }

    /// Deletes a webhook, and records that. No delivery request of it starts afterwards.
    ///
    /// # Errors
    /// As [`Self::webhook_get`].
    pub async fn webhook_delete(self: &Arc<Self>, caller: &Caller, id: &str) -> Result<(), Error> {
        caller.authorise(Action::DeleteWebhook, &webhook_resource(id))?;
        let id = self.stored_webhook(caller, id).await?.id;
        let integration = self.webhook_integration()?;
        let (app, caller) = (Arc::clone(self), caller.clone());
        unstoppable(async move {
            let _turn = app.changes.of(id).lock().await;
            let stored = app.stored_webhook(&caller, &id.to_string()).await?;
            // One whose secret does not open any more has to go all the same.
            let form = Form::open(&stored, &*app.keyring).unwrap_or_else(|_| Form::without_config(&stored));
            let record = record::draft(
                &caller,
                (id, &integration),
                (Some(&form), None),
                (&[Action::DeleteWebhook], None),
                (app.clock.now(), app.settings.entry_max_bytes),
            );
            let deleted = match app.engine.freeze(caller.account, id).await {
                Ok(()) => app.store.subscription_delete(caller.account, id, record).await,
                Err(error) => Err(error),
            };
            app.take_up(caller.account, id).await;
            deleted.map_err(not_found)
        })
        .await
    }

    pub(crate) fn webhook_integration(&self) -> Result<Arc<Integration>, Error> {
        let missing = || Error::internal("the integration of webhooks is missing");
        self.catalogue.now().get(WEBHOOK_KEY).cloned().ok_or_else(missing)
    }

    async fn stored_webhook(&self, caller: &Caller, id: &str) -> Result<store::Subscription, Error> {
        let id = SubscriptionId::parse(id).map_err(|_| Error::NotFound("webhook"))?;
        let stored = self.store.subscription_get(caller.account, id).await.map_err(not_found)?;
        if stored.integration == WEBHOOK_KEY { Ok(stored) } else { Err(Error::NotFound("webhook")) }
    }

    async fn present_webhook(
        &self,
        caller: &Caller,
        stored: &store::Subscription,
        integration: &Integration,
        form: Form,
    ) -> Result<Webhook, Error> {
        let status = self.engine.status(stored).await?;
        let Form { name, url, secret, statements, on, tags, .. } = form;
        let may_know = caller.may(Action::UpdateSecret, &resource_of(stored.id));
        Ok(Webhook {
            id: stored.id,
            name,
            url,
            secret: secret.filter(|_| may_know),
            statements,
            on,
            tags,
            status,
            shows_response_body: integration.shows_response_body(),
        })
    }
}

fn resource_of(id: SubscriptionId) -> Resource {
    webhook_resource(&id.to_string())
}

fn not_found(error: store::Error) -> Error {
    match error {
        store::Error::NotFound => Error::NotFound("webhook"),
        other => other.into(),
    }
}
