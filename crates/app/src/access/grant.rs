//! What a token may do, and which grant is within which.

use std::sync::Arc;

use domain::{Access, FieldError, Resource, TokenId};
use policy::{Decision, Policy};
use serde_json::{Value, json};

use super::action::{Action, Family};

/// What a token may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Grant {
    /// Everything in its account.
    Admin,
    /// Subscriptions: see, change and test. Of tokens its own.
    Writer,
    /// Subscriptions, their deliveries and tokens: see.
    Reader,
    /// Ingest, and nothing else.
    Ingest,
    /// Accounts as a whole and the first tokens in them, and nothing of what is in them.
    Operator,
    /// What these statements allow.
    Policy(Statements),
    /// What each of these allows: the first was asked for, the others are its maker's.
    Limited(Vec<Self>),
}

/// Statements as they were sent, and what they say. Clones share the first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statements {
    sent: Arc<Value>,
    policy: Policy,
}

impl Statements {
    /// Reads a JSON array of statements.
    ///
    /// # Errors
    /// Every mistake at once, each with its place in the array.
    pub fn parse(sent: &Value) -> Result<Self, Vec<FieldError>> {
        Ok(Self { policy: Policy::parse(sent)?, sent: Arc::new(sent.clone()) })
    }

    /// The same order, the same members, known to us or not.
    pub(crate) fn sent(&self) -> &Value {
        &self.sent
    }
}

/// The most grants of which one is made up: its own, and those of a line of makers.
const PARTS_MAX: usize = 8;

impl Grant {
    /// The form in which the store keeps it.
    pub(crate) fn to_text(&self) -> String {
        self.to_value().to_string()
    }

    fn to_value(&self) -> Value {
        match self {
            Self::Policy(statements) => json!({ "policy": statements.sent() }),
            Self::Limited(parts) => json!({ "all": parts.iter().map(Self::to_value).collect::<Vec<_>>() }),
            role => json!({ "role": role.role() }),
        }
    }

    /// Reads what [`Self::to_text`] gave; `None` for anything else, which grants nothing.
    pub(crate) fn from_text(text: &str) -> Option<Self> {
        Self::from_value(&serde_json::from_str(text).ok()?, true)
    }

    fn from_value(grant: &Value, may_be_limited: bool) -> Option<Self> {
        if let Some(parts) = grant.get("all").and_then(Value::as_array).filter(|_| may_be_limited) {
            let parts: Vec<_> = parts.iter().map(|part| Self::from_value(part, false)).collect::<Option<_>>()?;
            return (!parts.is_empty()).then_some(Self::Limited(parts));
        }
        if let Some(statements) = grant.get("policy") {
            return Statements::parse(statements).ok().map(Self::Policy);
        }
        Self::of_role(grant.get("role")?.as_str()?)
    }

    /// The grant of a role's name.
    pub(crate) fn of_role(name: &str) -> Option<Self> {
        [Self::Admin, Self::Writer, Self::Reader, Self::Ingest, Self::Operator]
            .into_iter()
            .find(|grant| grant.role() == Some(name))
    }

    /// The role's name; none for statements.
    pub(crate) fn role(&self) -> Option<&'static str> {
        match self {
            Self::Admin => Some("admin"),
            Self::Writer => Some("writer"),
            Self::Reader => Some("reader"),
            Self::Ingest => Some("ingest"),
            Self::Operator => Some("operator"),
            Self::Policy(_) => None,
            Self::Limited(_) => self.own().role(),
        }
    }

    /// What was asked for, without what the maker's grant takes away.
    pub(crate) fn own(&self) -> &Self {
        match self {
            Self::Limited(parts) => parts.first().unwrap_or(self),
            whole => whole,
        }
    }

    /// Whether it allows less than was asked for.
    pub(crate) fn is_limited(&self) -> bool {
        matches!(self, Self::Limited(_))
    }

    /// All that has to allow something.
    fn parts(&self) -> &[Self] {
        match self {
            Self::Limited(parts) => parts,
            whole => std::slice::from_ref(whole),
        }
    }

    /// Whether a token with this grant can do everything that one with the other can; `false`
    /// also where that cannot be told.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        self.parts().iter().all(|part| other.parts().iter().any(|of_other| part.covers_one(of_other)))
    }

    fn covers_one(&self, other: &Self) -> bool {
        match (self, other) {
            // What operators do is no part of what is done in an account.
            (_, Self::Operator) => *self == Self::Operator,
            (Self::Admin, _) | (Self::Writer, Self::Reader) => true,
            _ => self == other,
        }
    }

    /// What is left of this grant for a token made by one with the grant `maker`; `None` when
    /// there would be too many parts.
    pub(crate) fn within(self, maker: &Self) -> Option<Self> {
        if maker.covers(&self) {
            return Some(self);
        }
        let mut parts = self.parts().to_vec();
        for part in maker.parts() {
            if !parts.contains(part) {
                parts.push(part.clone());
            }
        }
        (parts.len() <= PARTS_MAX).then_some(Self::Limited(parts))
    }

    /// Whether it allows the action; `me` is for whom the token acts.
    pub(crate) fn allows(&self, action: Action, resource: &Resource, me: TokenId) -> bool {
        let family = action.family();
        match self {
            Self::Operator => family == Family::Operate || makes_token_in_account(action, resource),
            // No statement makes an operator either.
            _ if family == Family::Operate || makes_token_in_account(action, resource) => false,
            Self::Admin => true,
            Self::Writer => match family {
                Family::SubscriptionView | Family::SubscriptionChange | Family::LogView => true,
                Family::TokenView => is_own(resource, me) || is_service(resource),
                Family::TokenChange => is_own(resource, me),
                Family::Ingest | Family::Server | Family::LogExport | Family::Operate => false,
            },
            Self::Reader => match family {
                Family::SubscriptionView | Family::LogView => true,
                Family::TokenView => is_own(resource, me) || is_service(resource),
                Family::SubscriptionChange
                | Family::TokenChange
                | Family::Ingest
                | Family::Server
                | Family::LogExport
                | Family::Operate => false,
            },
            Self::Ingest => family == Family::Ingest,
            Self::Policy(statements) => policy_allows(&statements.policy, action, resource),
            Self::Limited(parts) => parts.iter().all(|part| part.allows(action, resource, me)),
        }
    }
}

fn makes_token_in_account(action: Action, resource: &Resource) -> bool {
    action == Action::CreateAccessToken && resource.last().kind == "account"
}

fn is_own(resource: &Resource, me: TokenId) -> bool {
    resource.segments.first().is_some_and(|first| first.kind == "member" && first.name == me.to_string())
}

fn is_service(resource: &Resource) -> bool {
    resource.last().kind == "service-token"
}

// Policies written for LaunchDarkly name only changes, since there every member may look. So
// whoever may change something may see it, unless a statement denies just that.
fn policy_allows(policy: &Policy, action: Action, resource: &Resource) -> bool {
    let decide =
        |action: Action| policy.decide(&Access { action: action.as_str().to_owned(), resource: resource.clone() });
    match decide(action) {
        Decision::Allowed { .. } => true,
        Decision::Denied { .. } => false,
        Decision::NoMatch => {
            action.implied_by().iter().any(|change| matches!(decide(*change), Decision::Allowed { .. }))
        }
    }
}

#[cfg(test)]
#[path = "grant_tests.rs"]
mod tests;
