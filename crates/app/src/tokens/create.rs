//! Making tokens with a token.

use std::sync::Arc;

use domain::{AccountId, Secret, TokenId};
use serde_json::Value;
use store::{NewToken, TokenEdit, TokenKind};

use super::{AccessToken, form::Form, record, value};
use crate::{Action, App, Caller, Error, Grant, access::token_resource};

impl App {
    /// Whether the caller may make any token; asked before the body is read.
    ///
    /// # Errors
    /// [`Error::Forbidden`].
    pub fn access_token_may_create(&self, caller: &Caller) -> Result<(), Error> {
        let fresh = self.store.token_id();
        let own = token_resource(fresh, Some(caller.me()));
        if caller.may(Action::CreateAccessToken, &token_resource(fresh, None)) {
            return Ok(());
        }
        caller.authorise(Action::CreateAccessToken, &own)
    }

    /// Makes a token of `body` that may never do more than the caller, nor for longer, and records
    /// that. Its value is beside it, to be shown this once.
    ///
    /// # Errors
    /// [`Error::Forbidden`], [`Error::BeyondMaker`], [`Error::Invalid`] with every mistake, or
    /// what the store says.
    pub async fn access_token_create(
        self: &Arc<Self>,
        caller: &Caller,
        body: &Value,
    ) -> Result<(AccessToken, Secret), Error> {
        self.access_token_may_create(caller)?;
        let Value::Object(members) = body else {
            return Err(Error::invalid("the body must be an object"));
        };
        let (form, fixed) = Form::read_new(members, &self.settings)?;
        let id = self.store.token_id();
        let member = (!fixed.is_service).then(|| caller.me());
        caller.authorise(Action::CreateAccessToken, &token_resource(id, member))?;
        let grant = match &form.grant {
            Some(asked) => bounded(asked.clone(), &caller.grant)?,
            None => caller.grant.clone(),
        };
        let kind = if fixed.is_service { TokenKind::Service } else { TokenKind::Personal };
        let place = Place { id, account: caller.account, kind, member: caller.me(), api_version: fixed.api_version };
        self.make_token(caller, place, form, &grant).await
    }

    /// Makes a token of `body` in an account to which the caller does not belong. It is one of a
    /// program, since nobody there made it.
    pub(crate) async fn token_create_in(
        &self,
        caller: &Caller,
        account: AccountId,
        body: &Value,
    ) -> Result<(AccessToken, Secret), Error> {
        let Value::Object(members) = body else {
            return Err(Error::invalid("the body must be an object"));
        };
        let (form, fixed) = Form::read_new(members, &self.settings)?;
        let id = self.store.token_id();
        let place = Place { id, account, kind: TokenKind::Service, member: id, api_version: fixed.api_version };
        let grant = form.grant.clone().unwrap_or(Grant::Admin);
        self.make_token(caller, place, form, &grant).await
    }

    async fn make_token(
        &self,
        caller: &Caller,
        place: Place,
        form: Form,
        grant: &Grant,
    ) -> Result<(AccessToken, Secret), Error> {
        let expires_at = form.expires_at.or(caller.expires_at);
        if caller.ends_before(expires_at) {
            return Err(outlives("make one"));
        }
        let value = value::make()?;
        let Place { id, account, kind, member, api_version } = place;
        let new = NewToken {
            id,
            account,
            value: value::stored(&value),
            kind,
            member,
            api_version,
            edit: TokenEdit { name: form.name, description: form.description, grant: grant.to_text(), expires_at },
        };
        let after = record::Version::of_new(&new, grant);
        let record = record::created(Some(caller), &after, self.clock.now(), self.settings.entry_max_bytes);
        let stored = self.store.token_create(new, record).await?;
        Ok((self.present_token(&stored)?, value))
    }
}

/// Why a token that expires may not do `what` with one that works for longer.
pub(super) fn outlives(what: &str) -> Error {
    Error::BeyondMaker(format!(
        "the access token expires, and cannot {what} that works for longer; give an expiry that is no later than its own"
    ))
}

/// Where a new token stands.
struct Place {
    id: TokenId,
    account: AccountId,
    kind: TokenKind,
    member: TokenId,
    api_version: u32,
}

/// What a token may be allowed whose maker has the grant `maker`.
///
/// Statements are cut to what the maker may do. A role says by its name what it allows, so one
/// that the maker's own grant does not cover for certain is refused.
pub(super) fn bounded(asked: Grant, maker: &Grant) -> Result<Grant, Error> {
    if let Some(role) = asked.role()
        && !maker.covers(&asked)
    {
        return Err(Error::BeyondMaker(format!(
            "the access token cannot give the role {role}, which allows more than it may do itself, or may do so; \
             leave the role out for a token that may do the same"
        )));
    }
    let too_long = || Error::BeyondMaker("the access token is too many makers away from an admin".to_owned());
    asked.within(maker).ok_or_else(too_long)
}
