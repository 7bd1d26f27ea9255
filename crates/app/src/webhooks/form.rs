//! What of a webhook can be written: read, checked, sealed, and opened again.

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use domain::{AccountId, FieldError, Keys, SubscriptionId};
use integrations::Integration;
use serde_json::{Map, Value, json};
use store::SubscriptionEdit;

use crate::{
    Error, Settings,
    subscriptions::form::{self as subscription, check_statements, read_tags},
};

/// Random bytes of a secret that the server makes.
const SECRET_BYTES: usize = 24;
/// The longest secret, in bytes.
const SECRET_BYTES_MAX: usize = 1_024;

/// What of a webhook can be written. It holds a secret in clear, so it has no `Debug`.
#[derive(Clone, PartialEq)]
pub(super) struct Form {
    pub(super) name: String,
    pub(super) url: String,
    /// Never empty.
    pub(super) secret: Option<String>,
    /// Whether requests are signed when there is a secret.
    pub(super) sign: bool,
    pub(super) on: bool,
    pub(super) tags: Vec<String>,
    /// Without, or with an empty list, it wants every entry.
    pub(super) statements: Option<Value>,
}

impl Form {
    /// Members of the document that a change may touch.
    pub(super) const MEMBERS: [&'static str; 6] = ["name", "url", "secret", "on", "tags", "statements"];

    /// Reads the members of a webhook that is to be made. One that is to be signed and has no
    /// secret gets one.
    ///
    /// # Errors
    /// [`Error::Invalid`] with every mistake.
    pub(super) fn read_new(
        members: &Map<String, Value>,
        integration: &Integration,
        settings: &Settings,
    ) -> Result<Self, Error> {
        let mut mistakes = Vec::new();
        let required: Vec<_> = ["sign", "on"].into_iter().filter(|name| given(members, name).is_none()).collect();
        mistakes.extend(required.into_iter().map(|name| FieldError::new(name, "is required")));
        let sign = read_flag(members, "sign", &mut mistakes);
        let mut form = Self { sign, ..Self::read_into(members, integration, settings, &mut mistakes) };
        if sign && form.secret.is_none() {
            form.secret = Some(make_secret()?);
        }
        finish(form, mistakes)
    }

    /// Reads a patched document. Another secret is one to sign with, and none ends that.
    ///
    /// # Errors
    /// [`Error::Invalid`] with every mistake.
    pub(super) fn read(
        members: &Map<String, Value>,
        before: &Self,
        integration: &Integration,
        settings: &Settings,
    ) -> Result<Self, Error> {
        let mut mistakes = Vec::new();
        let form = Self::read_into(members, integration, settings, &mut mistakes);
        let sign = if form.secret == before.secret { before.sign } else { form.secret.is_some() };
        finish(Self { sign, ..form }, mistakes)
    }

    fn read_into(
        members: &Map<String, Value>,
        integration: &Integration,
        settings: &Settings,
        mistakes: &mut Vec<FieldError>,
    ) -> Self {
        let name = read_text(members, "name", settings.name_max_chars, mistakes).unwrap_or_default();
        let secret = read_text(members, "secret", SECRET_BYTES_MAX, mistakes);
        let on = read_flag(members, "on", mistakes);
        let tags = read_tags(given(members, "tags"), settings, mistakes);
        let statements = given(members, "statements").cloned();
        if let Some(statements) = &statements {
            check_statements(statements, settings, mistakes);
        }
        let url = read_url(members, integration, settings, mistakes);
        Self { name, url, secret, sign: false, on, tags, statements }
    }

    /// The document to which patches are applied.
    pub(super) fn document(&self) -> Value {
        let mut document = json!({ "name": self.name, "url": self.url, "on": self.on, "tags": self.tags });
        if let Some(secret) = &self.secret {
            document["secret"] = secret.as_str().into();
        }
        if let Some(statements) = &self.statements {
            document["statements"] = statements.clone();
        }
        document
    }

    /// The config of the integration.
    pub(super) fn config(&self) -> Map<String, Value> {
        let mut config = Map::new();
        config.insert("url".to_owned(), self.url.as_str().into());
        config.insert("secret".to_owned(), self.secret.as_deref().unwrap_or_default().into());
        config.insert("sign".to_owned(), self.sign.into());
        config
    }

    /// The form in which the store keeps it: as a subscription whose statements say all entries
    /// where the webhook has none, and what it has instead beside them.
    pub(super) fn seal(
        &self,
        keys: &dyn Keys,
        account: AccountId,
        id: SubscriptionId,
    ) -> Result<SubscriptionEdit, Error> {
        let wants_all = self.statements.as_ref().and_then(Value::as_array).is_none_or(Vec::is_empty);
        let statements = self.statements.clone().filter(|_| !wants_all);
        let (name, tags) = (self.name.clone(), self.tags.clone());
        let form = subscription::Form {
            name,
            on: self.on,
            tags,
            statements: statements.unwrap_or_else(everything),
            config: self.config(),
        };
        let edit = form.seal(keys, account, id)?;
        if !wants_all {
            return Ok(edit);
        }
        Ok(SubscriptionEdit { extra: json!({ ALL: self.statements }).to_string(), ..edit })
    }

    /// Reads a stored webhook.
    pub(super) fn open(stored: &store::Subscription, keys: &dyn Keys) -> Result<Self, Error> {
        let opened = subscription::Form::open(stored, keys)?;
        let text = |name: &str| opened.config.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        Ok(Self {
            url: text("url"),
            secret: Some(text("secret")).filter(|secret| !secret.is_empty()),
            sign: opened.config.get("sign") == Some(&Value::Bool(true)),
            ..Self::without_config(stored)
        })
    }

    /// Only what can be told of a stored webhook without its key.
    pub(super) fn without_config(stored: &store::Subscription) -> Self {
        let opened = subscription::Form::without_config(stored);
        let extra: Value = serde_json::from_str(&stored.edit.extra).unwrap_or_default();
        let statements = match extra.get(ALL) {
            None => Some(opened.statements),
            Some(statements) => Some(statements.clone()).filter(|statements| !statements.is_null()),
        };
        Self {
            name: opened.name,
            url: String::new(),
            secret: None,
            sign: false,
            on: opened.on,
            tags: opened.tags,
            statements,
        }
    }
}

/// The further member of a stored webhook that wants all entries: its own statements, an empty
/// list or null.
const ALL: &str = "all";

/// Statements that allow every access: no resource is in both of the lists.
fn everything() -> Value {
    let all_but = |resource: &str| json!({ "effect": "allow", "notResources": [resource], "actions": ["*"] });
    json!([all_but("none/1"), all_but("none/2")])
}

fn finish(form: Form, mistakes: Vec<FieldError>) -> Result<Form, Error> {
    if mistakes.is_empty() { Ok(form) } else { Err(Error::mistakes("the webhook is not valid", mistakes)) }
}

fn given<'a>(members: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    members.get(name).filter(|value| !value.is_null())
}

fn read_flag(members: &Map<String, Value>, name: &'static str, mistakes: &mut Vec<FieldError>) -> bool {
    match given(members, name) {
        None => false,
        Some(Value::Bool(flag)) => *flag,
        Some(_) => {
            mistakes.push(FieldError::new(name, "must be true or false"));
            false
        }
    }
}

/// A text; an empty one is none.
fn read_text(
    members: &Map<String, Value>,
    name: &'static str,
    chars_max: usize,
    mistakes: &mut Vec<FieldError>,
) -> Option<String> {
    let reason = match given(members, name) {
        None => return None,
        Some(Value::String(text)) if text.is_empty() => return None,
        Some(Value::String(text)) if text.chars().count() > chars_max => {
            format!("must not be longer than {chars_max} characters")
        }
        Some(Value::String(text)) if text.chars().any(char::is_control) => {
            "must not hold line breaks or other control characters".to_owned()
        }
        Some(Value::String(text)) => return Some(text.clone()),
        Some(_) => "must be a string".to_owned(),
    };
    mistakes.push(FieldError::new(name, reason));
    None
}

fn read_url(
    members: &Map<String, Value>,
    integration: &Integration,
    settings: &Settings,
    mistakes: &mut Vec<FieldError>,
) -> String {
    let reason = match given(members, "url") {
        None => "is required".to_owned(),
        Some(Value::String(url)) if url.len() > settings.config_max_bytes => {
            format!("must not be longer than {} bytes", settings.config_max_bytes)
        }
        Some(Value::String(url)) => {
            let config = [("url".to_owned(), Value::from(url.as_str()))].into_iter().collect();
            match integration.validate_config(&config) {
                Ok(()) => return url.clone(),
                Err(found) => found.into_iter().map(|mistake| mistake.reason).collect::<Vec<_>>().join("; "),
            }
        }
        Some(_) => "must be a string".to_owned(),
    };
    mistakes.push(FieldError::new("url", reason));
    String::new()
}

fn make_secret() -> Result<String, Error> {
    let mut random = [0; SECRET_BYTES];
    SystemRandom::new().fill(&mut random).map_err(|_| Error::internal("the system gives no random bytes"))?;
    Ok(URL_SAFE_NO_PAD.encode(random))
}

#[cfg(test)]
mod tests {
    use domain::{Access, Resource};
    use policy::Policy;

    use super::everything;

    #[test]
    fn the_statements_of_a_webhook_without_any_allow_every_access() {
        let policy = Policy::parse(&everything()).expect("is valid");
        for resource in ["acct", "none/1", "none/2", "proj/a:env/b:flag/c", "integration/1"] {
            let resource = Resource::parse(resource).expect("is a resource");
            assert!(policy.allows(&[Access { action: "any".to_owned(), resource }]));
        }
    }
}
