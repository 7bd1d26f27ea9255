//! The entries by which changes of tokens record themselves.

use domain::{EntryDraft, Timestamp, TokenId};
use serde_json::{Map, Value};
use store::{NewToken, Token, TokenKind};

use super::Power;
use crate::{Action, Caller, Grant, access::token_resource, record::Record};

/// What of a token entries tell: never its value.
#[derive(Clone)]
pub(super) struct Version {
    id: TokenId,
    member: TokenId,
    kind: TokenKind,
    name: String,
    description: String,
    ending: String,
    power: Power,
    api_version: u32,
    expires_at: Option<Timestamp>,
}

impl Version {
    pub(super) fn of(token: &Token, grant: &Grant) -> Self {
        Self {
            id: token.id,
            member: token.member,
            kind: token.kind,
            name: token.edit.name.clone(),
            description: token.edit.description.clone(),
            ending: token.ending.clone(),
            power: Power::of(grant),
            api_version: token.api_version,
            expires_at: token.edit.expires_at,
        }
    }

    pub(super) fn of_new(new: &NewToken, grant: &Grant) -> Self {
        Self {
            id: new.id,
            member: new.member,
            kind: new.kind,
            name: new.edit.name.clone(),
            description: new.edit.description.clone(),
            ending: new.value.ending.clone(),
            power: Power::of(grant),
            api_version: new.api_version,
            expires_at: new.edit.expires_at,
        }
    }

    /// The same with a value of which these are the last characters.
    pub(super) fn with_ending(&self, ending: &str) -> Self {
        Self { ending: ending.to_owned(), ..self.clone() }
    }

    fn resource(&self) -> String {
        token_resource(self.id, (self.kind == TokenKind::Personal).then_some(self.member)).plain()
    }

    fn represent(&self) -> Value {
        let mut members = Map::new();
        let mut put = |name: &str, value: Option<Value>| members.extend(value.map(|value| (name.to_owned(), value)));
        put("_id", Some(self.id.to_string().into()));
        put("memberId", Some(self.member.to_string().into()));
        put("name", Some(self.name.as_str().into()));
        put("description", (!self.description.is_empty()).then(|| self.description.as_str().into()));
        match &self.power {
            Power::Role(role) => put("role", Some((*role).into())),
            Power::CustomRole(role) => put("customRoleIds", Some(vec![*role].into())),
            Power::Statements(statements) => put("inlineRole", Some(statements.clone())),
        }
        put("ending", Some(self.ending.as_str().into()));
        put("serviceToken", Some((self.kind != TokenKind::Personal).into()));
        put("defaultApiVersion", Some(self.api_version.into()));
        put("expiry", self.expires_at.map(|at| at.as_millis().into()));
        Value::Object(members)
    }
}

/// The entry of a token that was made.
pub(super) fn created(caller: Option<&Caller>, after: &Version, now: Timestamp, bytes_max: usize) -> EntryDraft {
    let actions = [Action::CreateAccessToken];
    draft(caller, after, (None, Some(after)), (&actions, None), (now, bytes_max))
}

/// The entry of a token that was changed or got another value.
pub(super) fn changed(
    caller: Option<&Caller>,
    before: &Version,
    after: &Version,
    actions: &[Action],
    comment: Option<&str>,
    now: Timestamp,
    bytes_max: usize,
) -> EntryDraft {
    draft(caller, after, (Some(before), Some(after)), (actions, comment), (now, bytes_max))
}

/// The entry of a token that was deleted.
pub(super) fn deleted(caller: &Caller, before: &Version, now: Timestamp, bytes_max: usize) -> EntryDraft {
    draft(Some(caller), before, (Some(before), None), (&[Action::DeleteAccessToken], None), (now, bytes_max))
}

fn draft(
    caller: Option<&Caller>,
    version: &Version,
    (before, after): (Option<&Version>, Option<&Version>),
    (actions, comment): (&[Action], Option<&str>),
    (now, bytes_max): (Timestamp, usize),
) -> EntryDraft {
    let record = Record {
        caller,
        actions,
        resource: version.resource(),
        kind: "token",
        name: &version.name,
        title_verb: title_verb(actions).to_owned(),
        href: format!("/api/v2/tokens/{}", version.id),
        comment,
        before: before.map(Version::represent),
        after: after.map(Version::represent),
    };
    record.draft(now, bytes_max)
}

fn title_verb(actions: &[Action]) -> &'static str {
    match actions {
        [Action::CreateAccessToken] => "created the access token",
        [Action::DeleteAccessToken] => "deleted the access token",
        [Action::ResetAccessToken] => "reset the access token",
        [Action::UpdateAccessTokenName] => "updated the name of the access token",
        [Action::UpdateAccessTokenDescription] => "updated the description of the access token",
        [Action::UpdateAccessTokenPolicy] => "updated the permissions of the access token",
        [Action::UpdateAccessTokenExpiry] => "updated the expiry of the access token",
        _ => "updated the access token",
    }
}
