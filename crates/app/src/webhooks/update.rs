//! Changing a webhook: all of a change or nothing.

use std::sync::Arc;

use domain::EntryDraft;
use integrations::Integration;
use serde_json::Value;
use store::SubscriptionEdit;

use super::{Webhook, form::Form, not_found, record};
use crate::{
    Action, App, Caller, Conflict, Error,
    access::webhook_resource,
    edit::{Edit, Subject, hidden},
    subscriptions::unstoppable,
};

const SUBJECT: Subject = Subject { noun: "a webhook", writable: &Form::MEMBERS, fixed: &["sign"], legacy: None };

/// Everything that storing a change needs.
struct Prepared {
    form: Form,
    edit: SubscriptionEdit,
    record: EntryDraft,
}

impl App {
    /// Whether there is such a webhook that the caller may change in any way; asked before the
    /// body is read.
    ///
    /// # Errors
    /// [`Error::Forbidden`], [`Error::NotFound`], or what the store says.
    pub async fn webhook_may_update(&self, caller: &Caller, id: &str) -> Result<(), Error> {
        authorise_any(caller, id)?;
        self.stored_webhook(caller, id).await.map(drop)
    }

    /// Changes a webhook, and records that; a change that changes nothing is not recorded.
    ///
    /// From the return on, no delivery request starts under an older revision.
    ///
    /// # Errors
    /// [`Error::Forbidden`], [`Error::NotFound`], [`Error::Invalid`] with every mistake,
    /// [`Error::Conflict`] for a failed `test` or a change at the same time, or what the store says.
    pub async fn webhook_update(self: &Arc<Self>, caller: &Caller, id: &str, body: &Value) -> Result<Webhook, Error> {
        authorise_any(caller, id)?;
        let found = self.stored_webhook(caller, id).await?.id;
        let edit = Edit::parse(&SUBJECT, body, &self.settings)?;
        let (app, caller, id) = (Arc::clone(self), caller.clone(), id.to_owned());
        unstoppable(async move {
            let _turn = app.changes.of(found).lock().await;
            match app.webhook_update_once(&caller, &id, &edit).await {
                Err(Error::Conflict(Conflict::Edit)) => app.webhook_update_once(&caller, &id, &edit).await,
                result => result,
            }
        })
        .await
    }

    async fn webhook_update_once(&self, caller: &Caller, id: &str, edit: &Edit) -> Result<Webhook, Error> {
        let stored = self.stored_webhook(caller, id).await?;
        let integration = self.webhook_integration()?;
        let before = Form::open(&stored, &*self.keyring)?;
        let Some(Prepared { form, edit, record }) =
            self.prepare_webhook(caller, &integration, &stored, edit, &before)?
        else {
            return self.present_webhook(caller, &stored, &integration, before).await;
        };
        let updated = match self.engine.freeze(caller.account, stored.id).await {
            Ok(()) => self.store.subscription_update(caller.account, stored.id, stored.revision, edit, record).await,
            Err(error) => Err(error),
        };
        self.take_up(caller.account, stored.id).await;
        let updated = updated.map_err(|error| match error {
            store::Error::Conflict => Conflict::Edit.into(),
            other => not_found(other),
        })?;
        self.present_webhook(caller, &updated, &integration, form).await
    }

    /// What to store; none when nothing would change.
    fn prepare_webhook(
        &self,
        caller: &Caller,
        integration: &Integration,
        stored: &store::Subscription,
        edit: &Edit,
        before: &Form,
    ) -> Result<Option<Prepared>, Error> {
        let resource = webhook_resource(&stored.id.to_string());
        let may_know = caller.may(Action::UpdateSecret, &resource);
        let readable = |names: &[String]| may_know || names.first().is_some_and(|first| first != "secret");
        if !may_know && writes_secret(edit, before, &readable) {
            // Also with what is there already: an answer must not tell whether a guess was right.
            caller.authorise(Action::UpdateSecret, &resource)?;
        }
        let document = edit.apply(&SUBJECT, before.document(), &readable)?;
        let Value::Object(members) = &document else {
            return Err(Error::invalid("the webhook must stay an object"));
        };
        let after = Form::read(members, before, integration, &self.settings)?;
        let actions = actions(before, &after);
        if actions.is_empty() {
            return Ok(None);
        }
        actions.iter().try_for_each(|action| caller.authorise(*action, &resource))?;
        let record = record::draft(
            caller,
            (stored.id, integration),
            (Some(before), Some(&after)),
            (&actions, edit.comment.as_deref()),
            (self.clock.now(), self.settings.entry_max_bytes),
        );
        let edit = after.seal(&*self.keyring, stored.account, stored.id)?;
        Ok(Some(Prepared { form: after, edit, record }))
    }
}

fn writes_secret(edit: &Edit, before: &Form, readable: &dyn Fn(&[String]) -> bool) -> bool {
    let mut document = before.document();
    document["secret"] = hidden();
    // What cannot be applied is told by applying it to what is there.
    edit.apply(&SUBJECT, document, readable).is_ok_and(|after| after.get("secret") != Some(&hidden()))
}

/// Whoever may change nothing of it does not learn whether it is there.
fn authorise_any(caller: &Caller, id: &str) -> Result<(), Error> {
    let resource = webhook_resource(id);
    if Action::WEBHOOK_CHANGES.iter().any(|action| caller.may(*action, &resource)) {
        return Ok(());
    }
    caller.authorise(Action::UpdateUrl, &resource)
}

/// What the caller must be allowed to do, and what the entry says was done.
fn actions(before: &Form, after: &Form) -> Vec<Action> {
    [
        (before.name != after.name, Action::UpdateName),
        (before.on != after.on, Action::UpdateOn),
        (before.url != after.url, Action::UpdateUrl),
        (before.secret != after.secret || before.sign != after.sign, Action::UpdateSecret),
        (before.tags != after.tags, Action::UpdateTags),
        (before.statements != after.statements, Action::UpdateStatements),
    ]
    .into_iter()
    .filter_map(|(changed, action)| changed.then_some(action))
    .collect()
}
