//! Changing tokens and taking them back. What is gone is gone with the answer.

use std::sync::Arc;

use domain::{EntryDraft, Secret, Timestamp};
use serde_json::Value;
use store::{Token, TokenEdit};

use super::{
    AccessToken,
    create::{bounded, outlives},
    form::Form,
    grant_of, not_found, record, resource_of, value,
};
use crate::{
    Action, App, Caller, Conflict, Error, Grant,
    edit::{Edit, Subject},
    subscriptions::unstoppable,
};

const SUBJECT: Subject = Subject {
    noun: "an access token",
    writable: &Form::MEMBERS,
    fixed: &[
        "token",
        "creationDate",
        "lastModified",
        "lastUsed",
        "ownerId",
        "memberId",
        "serviceToken",
        "defaultApiVersion",
    ],
    legacy: None,
};

impl App {
    /// Whether there is such a token that the caller may change in any way; asked before the
    /// body is read.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`], or what the store says.
    pub async fn access_token_may_update(&self, caller: &Caller, id: &str) -> Result<(), Error> {
        authorise_any(caller, &self.stored_token(caller, id).await?)
    }

    /// Changes a token, and records that; a change that changes nothing is not recorded.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`], [`Error::BeyondMaker`]; [`Error::Unprocessable`]
    /// when the patch cannot be applied, [`Error::Invalid`] when it cannot be read or the result
    /// is wrong; [`Error::Conflict`] for a failed `test` or a change at the same time; or what
    /// the store says.
    pub async fn access_token_update(
        self: &Arc<Self>,
        caller: &Caller,
        id: &str,
        body: &Value,
    ) -> Result<AccessToken, Error> {
        authorise_any(caller, &self.stored_token(caller, id).await?)?;
        let edit = Edit::parse(&SUBJECT, body, &self.settings)?;
        let (app, caller, id) = (Arc::clone(self), caller.clone(), id.to_owned());
        unstoppable(async move {
            match app.token_update_once(&caller, &id, &edit).await {
                Err(Error::Conflict(Conflict::Edit)) => app.token_update_once(&caller, &id, &edit).await,
                result => result,
            }
        })
        .await
    }

    async fn token_update_once(&self, caller: &Caller, id: &str, edit: &Edit) -> Result<AccessToken, Error> {
        let stored = self.stored_token(caller, id).await?;
        let Some((changed, record)) = self.prepare_token(caller, &stored, edit)? else {
            return self.present_token(&stored);
        };
        let updated = self.store.token_update(caller.account, stored.id, stored.revision, changed, record).await;
        let updated = updated.map_err(stale)?;
        self.tokens.forget(stored.id);
        self.present_token(&updated)
    }

    /// What to store; none when nothing would change.
    fn prepare_token(
        &self,
        caller: &Caller,
        stored: &Token,
        edit: &Edit,
    ) -> Result<Option<(TokenEdit, EntryDraft)>, Error> {
        let grant = grant_of(stored)?;
        let before = Form::of(stored, &grant);
        let document = edit.apply(&SUBJECT, before.document(), &|_| true).map_err(|error| match error {
            Error::Invalid { message, errors, .. } => Error::Unprocessable { message, errors },
            other => other,
        })?;
        let Value::Object(members) = &document else {
            return Err(Error::invalid("the access token must stay an object"));
        };
        let after = Form::read(members, &before, &self.settings)?;
        let Some(asked) = after.grant.clone() else {
            return Err(Error::invalid("an access token needs one of role, customRoleIds and inlineRole"));
        };
        let changes = [
            (before.name != after.name, Action::UpdateAccessTokenName),
            (before.description != after.description, Action::UpdateAccessTokenDescription),
            (before.grant != after.grant, Action::UpdateAccessTokenPolicy),
            (before.expires_at != after.expires_at, Action::UpdateAccessTokenExpiry),
        ];
        let actions: Vec<_> = changes.into_iter().filter_map(|(changed, action)| changed.then_some(action)).collect();
        if actions.is_empty() {
            return Ok(None);
        }
        let resource = resource_of(stored);
        actions.iter().try_for_each(|action| caller.authorise(*action, &resource))?;
        let is_shortened = after.expires_at.is_some_and(|at| before.expires_at.is_none_or(|before| at < before));
        let is_lengthened = before.expires_at != after.expires_at && !is_shortened;
        if is_lengthened && caller.ends_before(after.expires_at) {
            return Err(outlives("let itself or another be one"));
        }
        let after_grant = if before.grant == after.grant { grant.clone() } else { bounded(asked, &caller.grant)? };
        if !grant.covers(&after_grant) && caller.ends_before(after.expires_at) {
            // Else what the caller may do would go on in the other token when its own time is over.
            return Err(outlives("give more rights to one"));
        }
        let changed = TokenEdit {
            name: after.name,
            description: after.description,
            grant: after_grant.to_text(),
            expires_at: after.expires_at,
        };
        let version = record::Version::of(stored, &grant);
        let next = record::Version::of(&Token { edit: changed.clone(), ..stored.clone() }, &after_grant);
        let (now, bytes_max) = (self.clock.now(), self.settings.entry_max_bytes);
        let comment = edit.comment.as_deref();
        let record = record::changed(Some(caller), &version, &next, &actions, comment, now, bytes_max);
        Ok(Some((changed, record)))
    }

    /// Gives a token another value, which is returned to be shown this once, and records that.
    /// The present value works until `old_expires_at`, or ends at once.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`]; [`Error::BeyondMaker`] for a token that may do
    /// more than the caller or works for longer, or what the store says.
    pub async fn access_token_reset(
        self: &Arc<Self>,
        caller: &Caller,
        id: &str,
        old_expires_at: Option<Timestamp>,
    ) -> Result<(AccessToken, Secret), Error> {
        let stored = self.stored_token(caller, id).await?;
        caller.authorise(Action::ResetAccessToken, &resource_of(&stored))?;
        let grant: Grant = grant_of(&stored)?;
        if !caller.grant.covers(&grant) {
            // Else the value would let the caller do what it may not.
            let text = "the access token cannot reset one that may do more than it, or may do so";
            return Err(Error::BeyondMaker(text.to_owned()));
        }
        if caller.ends_before(stored.edit.expires_at) {
            // Else the value would let the caller go on when its own has ended.
            return Err(outlives("reset one"));
        }
        let value = value::make()?;
        let now = self.clock.now();
        let before = record::Version::of(&stored, &grant);
        let new = value::stored(&value);
        let after = before.with_ending(&new.ending);
        let (actions, bytes_max) = ([Action::ResetAccessToken], self.settings.entry_max_bytes);
        let record = record::changed(Some(caller), &before, &after, &actions, None, now, bytes_max);
        let old_expires_at = old_expires_at.filter(|at| *at > now);
        let (app, account) = (Arc::clone(self), caller.account);
        let reset = unstoppable(async move {
            let this = (stored.id, stored.revision);
            let reset = app.store.token_reset(account, this, new, old_expires_at, record).await;
            app.tokens.forget(stored.id);
            reset.map_err(stale)
        })
        .await?;
        Ok((self.present_token(&reset)?, value))
    }

    /// Deletes a token, and records that. It works no more from the return on.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`], or what the store says.
    pub async fn access_token_delete(self: &Arc<Self>, caller: &Caller, id: &str) -> Result<(), Error> {
        let stored = self.stored_token(caller, id).await?;
        caller.authorise(Action::DeleteAccessToken, &resource_of(&stored))?;
        let before = record::Version::of(&stored, &grant_of(&stored)?);
        let record = record::deleted(caller, &before, self.clock.now(), self.settings.entry_max_bytes);
        let (app, account) = (Arc::clone(self), caller.account);
        unstoppable(async move {
            let deleted = app.store.token_delete(account, stored.id, record).await;
            app.tokens.forget(stored.id);
            deleted.map_err(not_found)
        })
        .await
    }
}

fn stale(error: store::Error) -> Error {
    match error {
        store::Error::Conflict => Conflict::Edit.into(),
        other => not_found(other),
    }
}

fn authorise_any(caller: &Caller, stored: &Token) -> Result<(), Error> {
    let resource = resource_of(stored);
    if Action::TOKEN_CHANGES.iter().any(|action| caller.may(*action, &resource)) {
        return Ok(());
    }
    caller.authorise(Action::UpdateAccessTokenPolicy, &resource)
}
