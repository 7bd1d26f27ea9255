//! What of a token can be written: read and checked.

use domain::{FieldError, Timestamp};
use serde_json::{Map, Value, json};
use store::{Token, TokenEdit};

use super::{API_VERSIONS, Power};
use crate::{Error, Grant, Settings, Statements};

/// Roles that clients know by name.
pub(super) const ROLES: [&str; 3] = ["reader", "writer", "admin"];
/// The role that they do not know, and give as a custom one.
pub(super) const INGEST: &str = "ingest";

/// Members of which one says what a token may do.
const POWERS: [&str; 3] = ["role", "customRoleIds", "inlineRole"];

/// What of a token can be written.
#[derive(Clone, PartialEq)]
pub(super) struct Form {
    pub(super) name: String,
    pub(super) description: String,
    /// What it is to be allowed; none when that was not said.
    pub(super) grant: Option<Grant>,
    pub(super) expires_at: Option<Timestamp>,
}

/// What only a new token says.
pub(super) struct Fixed {
    pub(super) is_service: bool,
    pub(super) api_version: u32,
}

impl Form {
    /// Members of the document that a change may touch.
    pub(super) const MEMBERS: [&'static str; 6] =
        ["name", "description", "role", "customRoleIds", "inlineRole", "expiry"];

    /// Reads and checks the members of a request, or of a patched document. Others are ignored.
    ///
    /// # Errors
    /// [`Error::Invalid`] with every mistake.
    pub(super) fn read(members: &Map<String, Value>, before: &Self, settings: &Settings) -> Result<Self, Error> {
        let mut mistakes = Vec::new();
        let form = Self::read_into(members, before.grant.as_ref(), settings, &mut mistakes);
        finish(form, mistakes)
    }

    /// Reads the members of a token that is to be made.
    ///
    /// # Errors
    /// [`Error::Invalid`] with every mistake.
    pub(super) fn read_new(members: &Map<String, Value>, settings: &Settings) -> Result<(Self, Fixed), Error> {
        let mut mistakes = Vec::new();
        let form = Self::read_into(members, None, settings, &mut mistakes);
        let is_service = match given(members, "serviceToken") {
            None => false,
            Some(Value::Bool(is_service)) => *is_service,
            Some(_) => {
                mistakes.push(FieldError::new("serviceToken", "must be true or false"));
                false
            }
        };
        let api_version = match given(members, "defaultApiVersion") {
            None => API_VERSIONS[0],
            Some(version) => {
                let known = API_VERSIONS.into_iter().find(|known| version.as_u64() == Some(u64::from(*known)));
                if known.is_none() {
                    let all = API_VERSIONS.map(|known| known.to_string()).join(", ");
                    mistakes.push(FieldError::new("defaultApiVersion", format!("must be one of {all}")));
                }
                known.unwrap_or(API_VERSIONS[0])
            }
        };
        finish((form, Fixed { is_service, api_version }), mistakes)
    }

    fn read_into(
        members: &Map<String, Value>,
        present: Option<&Grant>,
        settings: &Settings,
        mistakes: &mut Vec<FieldError>,
    ) -> Self {
        let mut text = |name: &'static str, chars_max: usize| match given(members, name) {
            None => String::new(),
            Some(Value::String(text)) if text.chars().count() > chars_max => {
                mistakes.push(FieldError::new(name, format!("must not be longer than {chars_max} characters")));
                String::new()
            }
            Some(Value::String(text)) if text.chars().any(char::is_control) => {
                mistakes.push(FieldError::new(name, "must not hold line breaks or other control characters"));
                String::new()
            }
            Some(Value::String(text)) => text.clone(),
            Some(_) => {
                mistakes.push(FieldError::new(name, "must be a string"));
                String::new()
            }
        };
        let name = text("name", settings.name_max_chars);
        let description = text("description", settings.comment_max_chars);
        let expires_at = match given(members, "expiry") {
            None => None,
            Some(value) => {
                let time = value.as_i64().filter(|millis| *millis >= 0).map(Timestamp::from_millis);
                if time.is_none() {
                    mistakes.push(FieldError::new("expiry", "must be a time in milliseconds since 1970"));
                }
                time
            }
        };
        let grant = read_grant(members, present, settings, mistakes);
        Self { name, description, grant, expires_at }
    }

    /// What a stored token holds.
    pub(super) fn of(stored: &Token, grant: &Grant) -> Self {
        let TokenEdit { name, description, expires_at, .. } = stored.edit.clone();
        Self { name, description, grant: Some(grant.own().clone()), expires_at }
    }

    /// The document to which patches are applied.
    pub(super) fn document(&self) -> Value {
        let mut document = json!({ "name": self.name, "description": self.description });
        match self.grant.as_ref().map(Power::of) {
            Some(Power::Role(role)) => document["role"] = role.into(),
            Some(Power::CustomRole(role)) => document["customRoleIds"] = vec![role].into(),
            Some(Power::Statements(statements)) => document["inlineRole"] = statements,
            None => {}
        }
        if let Some(at) = self.expires_at {
            document["expiry"] = at.as_millis().into();
        }
        document
    }
}

fn finish<T>(read: T, mistakes: Vec<FieldError>) -> Result<T, Error> {
    if mistakes.is_empty() { Ok(read) } else { Err(Error::mistakes("the access token is not valid", mistakes)) }
}

/// A member that says something: an empty list of roles is none.
fn given<'a>(members: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    let is_empty = |value: &Value| name == "customRoleIds" && value.as_array().is_some_and(Vec::is_empty);
    members.get(name).filter(|value| !value.is_null() && !is_empty(value))
}

/// What the token is to be allowed. `present` is what it is allowed now: that may stay whatever
/// it is, although nobody can be given it.
fn read_grant(
    members: &Map<String, Value>,
    present: Option<&Grant>,
    settings: &Settings,
    mistakes: &mut Vec<FieldError>,
) -> Option<Grant> {
    let found: Vec<_> = POWERS.into_iter().filter_map(|name| Some((name, given(members, name)?))).collect();
    let (name, value) = match found.as_slice() {
        [] => return None,
        [one] => *one,
        [_, (second, _), ..] => {
            mistakes.push(FieldError::new(*second, "only one of role, customRoleIds and inlineRole can be given"));
            return None;
        }
    };
    let refuse = |mistakes: &mut Vec<FieldError>, reason: String| mistakes.push(FieldError::new(name, reason));
    match name {
        "role" => {
            let is_present = |role: &str| present.and_then(Grant::role) == Some(role);
            let role = value.as_str().filter(|role| ROLES.contains(role) || *role == INGEST || is_present(role));
            let grant = role.and_then(Grant::of_role);
            if grant.is_none() {
                refuse(mistakes, format!("must be one of {}, {INGEST}", ROLES.join(", ")));
            }
            grant
        }
        "customRoleIds" => {
            let is_ingest = value.as_array().is_some_and(|ids| matches!(ids.as_slice(), [id] if id == INGEST));
            if !is_ingest {
                refuse(mistakes, format!("must be [\"{INGEST}\"]; this server has no other roles of that kind"));
            }
            is_ingest.then_some(Grant::Ingest)
        }
        _ => match Statements::parse(value) {
            Err(found) => {
                mistakes.extend(found.into_iter().map(|mistake| mistake.within(name)));
                None
            }
            Ok(_) if value.to_string().len() > settings.statements_max_bytes => {
                refuse(mistakes, format!("must not be larger than {} bytes", settings.statements_max_bytes));
                None
            }
            Ok(statements) => Some(Grant::Policy(statements)),
        },
    }
}
