//! Who a token is, and the one role that clients have to look up.

use domain::{AccountId, Timestamp, TokenId};
use serde_json::{Value, json};

use super::form::INGEST;
use crate::{Action, App, Caller, Error};

/// Who a token is.
#[derive(Clone, Debug)]
pub struct Identity {
    /// Whose token it is.
    pub account: AccountId,
    /// Its id.
    pub token: TokenId,
    /// Its name.
    pub name: String,
    /// Who made it.
    pub member: TokenId,
    /// Whether it is the token of a program.
    pub is_service: bool,
    /// The name of its role; none when statements say what it may do.
    pub role: Option<&'static str>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When this was asked.
    pub seen_at: Timestamp,
}

/// A role that tokens name by key or id.
#[derive(Clone, Debug)]
pub struct Role {
    /// Key and id.
    pub key: &'static str,
    /// What people call it.
    pub name: &'static str,
    /// What it is for.
    pub description: &'static str,
    /// What it allows, as statements.
    pub policy: Value,
}

impl App {
    /// Who the caller is. Every token may ask.
    ///
    /// # Errors
    /// [`Error::Unauthorized`] when the token is gone meanwhile, or what the store says.
    pub async fn identity(&self, caller: &Caller) -> Result<Identity, Error> {
        let stored = self.store.token_get(caller.account, caller.token).await.map_err(|error| match error {
            store::Error::NotFound => Error::Unauthorized,
            other => other.into(),
        })?;
        Ok(Identity {
            account: caller.account,
            token: caller.token,
            name: stored.edit.name,
            member: caller.member,
            is_service: caller.is_service,
            role: caller.grant.role(),
            created_at: stored.created_at,
            seen_at: self.clock.now(),
        })
    }

    /// The role with this key or id. Every token may ask.
    ///
    /// # Errors
    /// [`Error::NotFound`] for every role but the one that a token can only have as a custom one.
    pub fn role_get(&self, key_or_id: &str) -> Result<Role, Error> {
        if key_or_id != INGEST {
            return Err(Error::NotFound("role"));
        }
        Ok(Role {
            key: INGEST,
            name: "Ingest",
            description: "May send entries, and nothing else.",
            policy: json!([
                { "effect": "allow", "resources": ["acct"], "actions": [Action::IngestEntries.as_str()] }
            ]),
        })
    }
}
