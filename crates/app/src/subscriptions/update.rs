//! Changing a subscription: all of a change or nothing.

use std::sync::Arc;

use domain::{EntryDraft, SubscriptionId};
use integrations::Integration;
use serde_json::{Value, json};
use store::SubscriptionEdit;

use super::{
    Subscription,
    form::{self, Form, is_same_config},
    not_found, parse_id,
    record::{Record, Version},
    unstoppable,
};
use crate::{
    Action, App, Caller, Conflict, Error,
    access::subscription_resource,
    edit::{Edit, Subject, hidden},
};

/// Everything that storing a change needs.
struct Prepared {
    form: Form,
    edit: SubscriptionEdit,
    record: EntryDraft,
}

impl App {
    /// Whether there is such a subscription that the caller may change in any way; asked before
    /// the body is read.
    ///
    /// # Errors
    /// [`Error::Forbidden`], [`Error::NotFound`], or what the store says.
    pub async fn subscription_may_update(&self, caller: &Caller, key: &str, id: &str) -> Result<(), Error> {
        authorise_any(caller, id)?;
        let integration = self.integration(key)?;
        self.stored(caller.account, integration.key(), parse_id(id)?).await.map(drop)
    }

    /// Changes a subscription, and records that; a change that changes nothing is not recorded.
    ///
    /// From the return on, no delivery request starts under an older revision.
    ///
    /// # Errors
    /// [`Error::Forbidden`], [`Error::NotFound`], [`Error::Invalid`] with every mistake,
    /// [`Error::Conflict`] for a failed `test` or a change at the same time, or what the store says.
    pub async fn subscription_update(
        self: &Arc<Self>,
        caller: &Caller,
        key: &str,
        id: &str,
        body: &Value,
    ) -> Result<Subscription, Error> {
        authorise_any(caller, id)?;
        let integration = self.integration(key)?;
        let id = parse_id(id)?;
        let parsed = Edit::parse(&subject(key), body, &self.settings);
        let (app, caller) = (Arc::clone(self), caller.clone());
        unstoppable(async move {
            let _turn = app.changes.of(id).lock().await;
            // What is not there cannot be changed, however wrong the change is.
            app.stored(caller.account, integration.key(), id).await?;
            let edit = parsed?;
            match app.update_once(&caller, &integration, id, &edit).await {
                Err(Error::Conflict(Conflict::Edit)) => app.update_once(&caller, &integration, id, &edit).await,
                result => result,
            }
        })
        .await
    }

    async fn update_once(
        &self,
        caller: &Caller,
        integration: &Arc<Integration>,
        id: SubscriptionId,
        edit: &Edit,
    ) -> Result<Subscription, Error> {
        let stored = self.stored(caller.account, integration.key(), id).await?;
        let before = Form::open(&stored, &*self.keyring)?;
        let Some(Prepared { form, edit, record }) = self.prepare(caller, integration, id, edit, &before)? else {
            return self.present(&stored, integration, before).await;
        };
        let updated = match self.engine.freeze(caller.account, id).await {
            Ok(()) => self.store.subscription_update(caller.account, id, stored.revision, edit, record).await,
            Err(error) => Err(error),
        };
        self.take_up(caller.account, id).await;
        let updated = updated.map_err(|error| match error {
            store::Error::Conflict => Conflict::Edit.into(),
            other => not_found(other),
        })?;
        self.present(&updated, integration, form).await
    }

    /// What to store; none when nothing would change.
    fn prepare(
        &self,
        caller: &Caller,
        integration: &Arc<Integration>,
        id: SubscriptionId,
        edit: &Edit,
        before: &Form,
    ) -> Result<Option<Prepared>, Error> {
        let fitting = &*self.fitting(integration, &before.config);
        let readable = |names: &[String]| match names {
            [] => false,
            [first] => first != "config",
            [first, name, ..] => first != "config" || is_public(fitting, name),
        };
        let resource = subscription_resource(&id.to_string());
        let may_configure = caller.may(Action::UpdateConfiguration, &resource);
        if !may_configure && writes_secret(edit, fitting, before, &readable) {
            // Also with what is there already: an answer must not tell whether a guess was right.
            caller.authorise(Action::UpdateConfiguration, &resource)?;
        }
        let mut document = edit.apply(&subject(integration.key()), before.document(), &readable)?;
        if let Some(Value::Object(config)) = document.get_mut("config") {
            fitting.keep_masked(config, &before.config);
        }
        let Value::Object(members) = &document else {
            return Err(Error::invalid("the subscription must stay an object"));
        };
        // Statements that are taken away leave an empty list, which delivers nothing: a change
        // that removes rules must not widen what leaves the house.
        let judge = match is_same_config(members.get("config"), &before.config) {
            // A config that stays is not judged again, so that a subscription can be switched off
            // although a newer version of its integration wants another config.
            true => fitting,
            false => &*self.usable_integration(integration.key())?,
        };
        let after = Form::read(members, judge, &self.settings, &json!([]), Some(&before.config))?;
        let actions = actions(before, &after);
        if actions.is_empty() {
            return Ok(None);
        }
        actions.iter().try_for_each(|action| caller.authorise(*action, &resource))?;
        let record = Record {
            caller,
            id,
            before: Some(Version { form: before, integration: fitting }),
            after: Some(Version { form: &after, integration: judge }),
            comment: edit.comment.as_deref(),
        };
        let record = record.draft(&actions, self.clock.now(), self.settings.entry_max_bytes);
        let edit = after.seal(&*self.keyring, caller.account, id)?;
        Ok(Some(Prepared { form: after, edit, record }))
    }
}

/// Whether the member of a config may be seen by all. One that the integration does not know may be
/// a secret of another version.
fn is_public(integration: &Integration, name: &str) -> bool {
    integration.form_variables().iter().any(|variable| variable.key == name && !variable.secret)
}

/// Whether the change gives a secret a value, other than by repeating the mask that is shown of it.
fn writes_secret(edit: &Edit, integration: &Integration, before: &Form, readable: &dyn Fn(&[String]) -> bool) -> bool {
    let secrets: Vec<_> = before.config.keys().filter(|name| !is_public(integration, name)).collect();
    let mut document = before.document();
    for secret in &secrets {
        document["config"][*secret] = hidden();
    }
    // What cannot be applied is told by applying it to what is there.
    let Ok(after) = edit.apply(&subject(integration.key()), document, readable) else { return false };
    let masked = integration.masked_config(&before.config);
    secrets.iter().any(|secret| {
        let written = after["config"].get(secret);
        written != Some(&hidden()) && (written.is_none() || written != masked.get(*secret))
    })
}

fn subject(key: &str) -> Subject {
    Subject { noun: "a subscription", writable: &Form::MEMBERS, fixed: &["kind"], legacy: form::legacy_member(key) }
}

/// Whoever may change nothing of it does not learn whether it is there.
fn authorise_any(caller: &Caller, id: &str) -> Result<(), Error> {
    let resource = subscription_resource(id);
    if Action::CHANGES.iter().any(|action| caller.may(*action, &resource)) {
        return Ok(());
    }
    caller.authorise(Action::UpdateConfiguration, &resource)
}

/// What the caller must be allowed to do, and what the entry says was done.
fn actions(before: &Form, after: &Form) -> Vec<Action> {
    let configuration =
        before.config != after.config || before.statements != after.statements || before.tags != after.tags;
    [
        (before.name != after.name, Action::UpdateName),
        (before.on != after.on, Action::UpdateOn),
        (configuration, Action::UpdateConfiguration),
    ]
    .into_iter()
    .filter_map(|(changed, action)| changed.then_some(action))
    .collect()
}
