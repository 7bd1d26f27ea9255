//! Access tokens: shown once, kept as hashes, and gone at once when they are taken back.

mod authenticate;
mod cache;
mod create;
mod form;
mod identity;
mod record;
mod root;
mod update;
mod value;

use domain::{Timestamp, TokenId};
use serde_json::Value;
use store::TokenKind;

use crate::{Action, App, Caller, Error, Grant, access::token_resource};
pub(crate) use cache::Cache;
pub use identity::{Identity, Role};

/// The versions of the API that a token may name.
pub const API_VERSIONS: [u32; 5] = [20_240_415, 20_220_603, 20_210_729, 20_191_212, 20_160_426];

/// An access token as users see it, without its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessToken {
    /// Its id.
    pub id: TokenId,
    /// What people call it; may be empty.
    pub name: String,
    /// What it is for; may be empty.
    pub description: String,
    /// The last four characters of its value.
    pub ending: String,
    /// Whether it is the token of a program.
    pub is_service: bool,
    /// Who made it.
    pub member: TokenId,
    /// What it may do.
    pub power: Power,
    /// Whether it may do less than its role or statements say, because its maker may not do more.
    pub is_limited: bool,
    /// The version of the API for requests that name none.
    pub api_version: u32,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// When it was last used, about.
    pub last_used_at: Option<Timestamp>,
    /// When it stops working.
    pub expires_at: Option<Timestamp>,
}

/// What a token may do, as it was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Power {
    /// The role of this name.
    Role(&'static str),
    /// A role that clients do not know as one of theirs, so that it is told as a custom one.
    CustomRole(&'static str),
    /// These statements.
    Statements(Value),
}

/// Some of the tokens that a caller may see.
#[derive(Clone, Debug)]
pub struct AccessTokenPage {
    /// In order: the newest first.
    pub tokens: Vec<AccessToken>,
    /// How many there are without the limits of the page.
    pub total: usize,
}

impl Power {
    fn of(grant: &Grant) -> Self {
        match (grant.own(), grant.role()) {
            (Grant::Policy(statements), _) => Self::Statements(statements.sent().clone()),
            (Grant::Ingest, _) => Self::CustomRole(form::INGEST),
            (_, name) => Self::Role(name.unwrap_or_default()),
        }
    }
}

impl App {
    /// Tokens of the account, the newest first: the caller's own and those of programs, or with
    /// `all` every one that it may see.
    ///
    /// # Errors
    /// [`Error::Forbidden`] when it may see none at all, or what the store says.
    pub async fn access_token_list(
        &self,
        caller: &Caller,
        all: bool,
        offset: usize,
        limit: usize,
    ) -> Result<AccessTokenPage, Error> {
        let is_visible = |token: &store::Token| {
            let is_own = token.kind == TokenKind::Personal && token.member == caller.me();
            let is_asked_for = all || is_own || token.kind != TokenKind::Personal || token.id == caller.token;
            is_asked_for && caller.may(Action::ViewAccessToken, &resource_of(token))
        };
        let stored = self.store.token_list(caller.account).await?;
        let visible: Vec<_> = stored.iter().filter(|token| is_visible(token)).collect();
        if visible.is_empty() {
            let fresh = self.store.token_id();
            let own = token_resource(fresh, Some(caller.me()));
            if !caller.may(Action::ViewAccessToken, &own) {
                caller.authorise(Action::ViewAccessToken, &token_resource(fresh, None)).map_err(|_| {
                    Error::Forbidden { action: Action::ViewAccessToken, resource: "service-token/*".to_owned() }
                })?;
            }
        }
        let total = visible.len();
        let page = visible.into_iter().skip(offset).take(limit);
        let tokens = page.map(|stored| self.present_token(stored)).collect::<Result<_, _>>()?;
        Ok(AccessTokenPage { tokens, total })
    }

    /// One token.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`], or what the store says.
    pub async fn access_token_get(&self, caller: &Caller, id: &str) -> Result<AccessToken, Error> {
        let stored = self.stored_token(caller, id).await?;
        caller.authorise(Action::ViewAccessToken, &resource_of(&stored))?;
        self.present_token(&stored)
    }

    async fn stored_token(&self, caller: &Caller, id: &str) -> Result<store::Token, Error> {
        let id = TokenId::parse(id).map_err(|_| Error::NotFound("access token"))?;
        self.store.token_get(caller.account, id).await.map_err(not_found)
    }

    fn present_token(&self, stored: &store::Token) -> Result<AccessToken, Error> {
        let grant = grant_of(stored)?;
        Ok(AccessToken {
            id: stored.id,
            name: stored.edit.name.clone(),
            description: stored.edit.description.clone(),
            ending: stored.ending.clone(),
            is_service: stored.kind != TokenKind::Personal,
            member: stored.member,
            power: Power::of(&grant),
            is_limited: grant.is_limited(),
            api_version: stored.api_version,
            created_at: stored.created_at,
            updated_at: stored.updated_at,
            last_used_at: stored.last_used_at.max(self.tokens.last_used(stored.id)),
            expires_at: stored.edit.expires_at,
        })
    }
}

fn grant_of(stored: &store::Token) -> Result<Grant, Error> {
    Grant::from_text(&stored.edit.grant)
        .ok_or_else(|| Error::internal(format!("the grant of token {} cannot be read", stored.id)))
}

fn resource_of(token: &store::Token) -> domain::Resource {
    token_resource(token.id, (token.kind == TokenKind::Personal).then_some(token.member))
}

fn not_found(error: store::Error) -> Error {
    match error {
        store::Error::NotFound => Error::NotFound("access token"),
        other => other.into(),
    }
}
