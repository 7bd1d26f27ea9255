//! Who asks, and what they may do.

mod action;
mod grant;

use domain::{AccountId, Resource, Segment, Timestamp, TokenId};
use serde_json::{Value, json};

use crate::Error;
pub use action::Action;
pub use grant::{Grant, Statements};

/// The owner of a token that works.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The tenant for whom it acts.
    pub account: AccountId,
    /// The token's id.
    pub token: TokenId,
    /// The token's name.
    pub name: String,
    /// The last four characters of the token.
    pub ending: String,
    /// What it may do.
    pub grant: Grant,
    /// Who made the token.
    pub member: TokenId,
    /// Whether it is the token of a program.
    pub is_service: bool,
    /// When the value that was used stops working.
    pub expires_at: Option<Timestamp>,
}

impl Caller {
    /// For whom it acts: a program for itself, a person for all tokens of that person.
    pub(crate) fn me(&self) -> TokenId {
        if self.is_service { self.token } else { self.member }
    }

    pub(crate) fn may(&self, action: Action, resource: &Resource) -> bool {
        self.grant.allows(action, resource, self.me())
    }

    pub(crate) fn authorise(&self, action: Action, resource: &Resource) -> Result<(), Error> {
        if self.may(action, resource) {
            return Ok(());
        }
        Err(Error::Forbidden { action, resource: resource.plain() })
    }

    /// Whether what works until `expires_at`, or without an end, works longer than the caller.
    pub(crate) fn ends_before(&self, expires_at: Option<Timestamp>) -> bool {
        self.expires_at.is_some_and(|own| expires_at.is_none_or(|asked| asked > own))
    }

    /// How entries name the token that made a change.
    pub(crate) fn represent(&self) -> Value {
        json!({
            "_id": self.token.to_string(),
            "name": self.name,
            "ending": self.ending,
            "serviceToken": self.is_service,
        })
    }
}

/// The account itself as a resource.
pub(crate) fn account_resource() -> Resource {
    Resource { segments: vec![Segment { kind: "acct".to_owned(), ..Segment::default() }] }
}

/// An account as the operator sees it. `id_or_name` may be of any shape.
pub(crate) fn operated_resource(id_or_name: &str) -> Resource {
    Resource { segments: vec![segment("account", id_or_name)] }
}

/// A subscription as a resource. `id` may be of any shape; an odd one matches no stored one.
pub(crate) fn subscription_resource(id: &str) -> Resource {
    Resource { segments: vec![segment("integration", id)] }
}

/// A webhook as a resource. `id` may be of any shape; an odd one matches no stored one.
pub(crate) fn webhook_resource(id: &str) -> Resource {
    Resource { segments: vec![segment("webhook", id)] }
}

/// A token as a resource: of a program, or of the member who made it.
pub(crate) fn token_resource(id: TokenId, member: Option<TokenId>) -> Resource {
    let id = id.to_string();
    let segments = match member {
        Some(member) => vec![segment("member", &member.to_string()), segment("token", &id)],
        None => vec![segment("service-token", &id)],
    };
    Resource { segments }
}

fn segment(kind: &str, name: &str) -> Segment {
    Segment { kind: kind.to_owned(), name: name.to_owned(), ..Segment::default() }
}
