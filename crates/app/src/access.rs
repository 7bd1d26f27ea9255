//! Who asks, and what they may do.

use domain::{Access, AccountId, Resource, Segment, TokenId};
use policy::{Decision, Policy};
use serde_json::{Value, json};

use crate::Error;

/// Something that a token may be allowed to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Store entries, on `acct`.
    IngestEntries,
    /// See a subscription, on `integration/<id>` like all that follow.
    ViewIntegration,
    /// Make a subscription.
    CreateIntegration,
    /// Delete a subscription.
    DeleteIntegration,
    /// Change its name.
    UpdateName,
    /// Switch it on or off.
    UpdateOn,
    /// Change its config, statements or tags.
    UpdateConfiguration,
    /// See how its deliveries fare, and its dead letters.
    ViewDeliveries,
    /// Send its dead letters again.
    Redeliver,
    /// Send entries of the log once more.
    ReplayIntegration,
    /// Send its test message.
    ValidateConnection,
    /// See how the whole server fares, on `acct`.
    ViewMetrics,
}

impl Action {
    /// What changes of a subscription ask for.
    pub(crate) const CHANGES: [Self; 3] = [Self::UpdateName, Self::UpdateOn, Self::UpdateConfiguration];

    /// The name in policies and entries.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::IngestEntries => "ingestEntries",
            Self::ViewIntegration => "viewIntegration",
            Self::CreateIntegration => "createIntegration",
            Self::DeleteIntegration => "deleteIntegration",
            Self::UpdateName => "updateName",
            Self::UpdateOn => "updateOn",
            Self::UpdateConfiguration => "updateConfiguration",
            Self::ViewDeliveries => "viewDeliveries",
            Self::Redeliver => "redeliver",
            Self::ReplayIntegration => "replayIntegration",
            Self::ValidateConnection => "validateConnection",
            Self::ViewMetrics => "viewMetrics",
        }
    }
}

/// What a token may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Grant {
    /// Everything.
    Admin,
    /// Subscriptions: see, change and test.
    Writer,
    /// Subscriptions and their deliveries: see.
    Reader,
    /// Ingest, and nothing else.
    Ingest,
    /// What these statements allow.
    Policy(Policy),
}

impl Grant {
    /// The form in which the store keeps it.
    pub(crate) fn to_text(&self) -> String {
        let role = |name: &str| json!({ "role": name });
        match self {
            Self::Admin => role("admin"),
            Self::Writer => role("writer"),
            Self::Reader => role("reader"),
            Self::Ingest => role("ingest"),
            Self::Policy(policy) => json!({ "policy": policy.statements() }),
        }
        .to_string()
    }

    /// Reads what [`Self::to_text`] gave; `None` for anything else, which grants nothing.
    pub(crate) fn from_text(text: &str) -> Option<Self> {
        let grant: Value = serde_json::from_str(text).ok()?;
        if let Some(statements) = grant.get("policy") {
            return Policy::parse(statements).ok().map(Self::Policy);
        }
        match grant.get("role")?.as_str()? {
            "admin" => Some(Self::Admin),
            "writer" => Some(Self::Writer),
            "reader" => Some(Self::Reader),
            "ingest" => Some(Self::Ingest),
            _ => None,
        }
    }

    fn allows(&self, action: Action, resource: &Resource) -> bool {
        match self {
            Self::Admin => true,
            Self::Writer => !matches!(action, Action::IngestEntries | Action::ViewMetrics),
            Self::Reader => matches!(action, Action::ViewIntegration | Action::ViewDeliveries),
            Self::Ingest => action == Action::IngestEntries,
            Self::Policy(policy) => policy_allows(policy, action, resource),
        }
    }
}

// Policies written for LaunchDarkly name only changes, since there every member may look. So
// whoever may change a subscription may see it, unless a statement denies just that.
fn policy_allows(policy: &Policy, action: Action, resource: &Resource) -> bool {
    let decide =
        |action: Action| policy.decide(&Access { action: action.as_str().to_owned(), resource: resource.clone() });
    let allowed = |action: Action| matches!(decide(action), Decision::Allowed { .. });
    match decide(action) {
        Decision::Allowed { .. } => true,
        Decision::Denied { .. } => false,
        Decision::NoMatch => {
            action == Action::ViewIntegration
                && [Action::CreateIntegration, Action::DeleteIntegration]
                    .into_iter()
                    .chain(Action::CHANGES)
                    .any(allowed)
        }
    }
}

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
}

impl Caller {
    pub(crate) fn may(&self, action: Action, resource: &Resource) -> bool {
        self.grant.allows(action, resource)
    }

    pub(crate) fn authorise(&self, action: Action, resource: &Resource) -> Result<(), Error> {
        if self.may(action, resource) {
            return Ok(());
        }
        Err(Error::Forbidden { action, resource: resource.plain() })
    }

    /// How entries name the token that made a change.
    pub(crate) fn represent(&self) -> Value {
        json!({ "_id": self.token.to_string(), "name": self.name, "ending": self.ending, "serviceToken": true })
    }
}

/// The account itself as a resource.
pub(crate) fn account_resource() -> Resource {
    Resource { segments: vec![Segment { kind: "acct".to_owned(), ..Segment::default() }] }
}

/// A subscription as a resource. `id` may be of any shape; an odd one matches no stored one.
pub(crate) fn subscription_resource(id: &str) -> Resource {
    Resource { segments: vec![Segment { kind: "integration".to_owned(), name: id.to_owned(), ..Segment::default() }] }
}

#[cfg(test)]
mod tests {
    use policy::Policy;
    use serde_json::{Value, json};

    use super::{Action, Grant, account_resource, subscription_resource};

    fn policy(statements: &Value) -> Grant {
        Grant::Policy(Policy::parse(statements).expect("is valid"))
    }

    fn allowed(grant: &Grant) -> Vec<&'static str> {
        let mine = subscription_resource("66f0c0ffee00000000000001");
        let on_mine = [Action::ViewIntegration, Action::CreateIntegration, Action::DeleteIntegration]
            .into_iter()
            .chain(Action::CHANGES)
            .chain([Action::ViewDeliveries, Action::Redeliver, Action::ReplayIntegration, Action::ValidateConnection])
            .filter(|action| grant.allows(*action, &mine));
        let on_account = [Action::IngestEntries, Action::ViewMetrics]
            .into_iter()
            .filter(|action| grant.allows(*action, &account_resource()));
        on_mine.chain(on_account).map(Action::as_str).collect()
    }

    #[test]
    fn each_grant_allows_what_its_name_says() {
        let changes = [
            "viewIntegration",
            "createIntegration",
            "deleteIntegration",
            "updateName",
            "updateOn",
            "updateConfiguration",
            "viewDeliveries",
            "redeliver",
            "replayIntegration",
            "validateConnection",
        ];
        assert_eq!(allowed(&Grant::Admin), [&changes[..], &["ingestEntries", "viewMetrics"]].concat());
        assert_eq!(allowed(&Grant::Writer), changes);
        assert_eq!(allowed(&Grant::Reader), ["viewIntegration", "viewDeliveries"]);
        assert_eq!(allowed(&Grant::Ingest), ["ingestEntries"]);
        assert_eq!(allowed(&policy(&json!([]))), Vec::<&str>::new());
    }

    #[test]
    fn whoever_may_change_may_see_unless_seeing_is_denied() {
        let on = json!({"effect": "allow", "resources": ["integration/*"], "actions": ["updateOn"]});
        assert_eq!(allowed(&policy(&json!([on]))), ["viewIntegration", "updateOn"]);
        let blind = json!({"effect": "deny", "resources": ["integration/*"], "actions": ["view*"]});
        assert_eq!(allowed(&policy(&json!([on, blind]))), ["updateOn"]);
        let other = json!({"effect": "allow", "resources": ["integration/66f0c0ffee00000000000002"], "actions": ["*"]});
        assert_eq!(allowed(&policy(&json!([other]))), Vec::<&str>::new());
    }

    #[test]
    fn grants_round_trip_as_text_and_anything_else_grants_nothing() {
        let ingest = json!([{"effect": "allow", "resources": ["acct"], "actions": ["ingestEntries"]}]);
        for grant in [Grant::Admin, Grant::Writer, Grant::Reader, Grant::Ingest, policy(&ingest)] {
            assert_eq!(Grant::from_text(&grant.to_text()), Some(grant));
        }
        for text in ["", "{}", "admin", r#"{"role":"owner"}"#, r#"{"policy":[{"effect":"allow"}],"role":"admin"}"#] {
            assert_eq!(Grant::from_text(text), None, "{text}");
        }
    }
}
