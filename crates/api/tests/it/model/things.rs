//! Subscriptions, webhooks and tokens as the documentation describes them: which documents are
//! right, and how they are shown.

use serde_json::{Map, Value, json};

use super::patch::Rules;

/// What a document describes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Subscription,
    Webhook,
    Token,
}

impl Kind {
    pub(super) const ALL: [Self; 3] = [Self::Subscription, Self::Webhook, Self::Token];

    /// Where the list of these is.
    pub(super) fn list(self) -> &'static str {
        match self {
            Self::Subscription => "/api/v2/integrations/splunk",
            Self::Webhook => "/api/v2/webhooks",
            Self::Token => "/api/v2/tokens",
        }
    }

    /// The status of the answer that makes one.
    pub(super) fn created(self) -> u16 {
        if self == Self::Webhook { 200 } else { 201 }
    }

    pub(super) fn rules(self) -> Rules {
        match self {
            Self::Subscription => Rules {
                writable: &["name", "on", "tags", "config", "statements"],
                fixed: &["kind"],
                guarded: Some(("config", &["base-url", "skip-ca-verification"])),
            },
            Self::Webhook => Rules {
                writable: &["name", "url", "secret", "on", "tags", "statements"],
                fixed: &["sign"],
                guarded: None,
            },
            Self::Token => Rules {
                writable: &["name", "description", "role", "customRoleIds", "inlineRole", "expiry"],
                fixed: &["token", "serviceToken"],
                guarded: None,
            },
        }
    }

    /// The document in its one form, if it is right: what is left out or null has its default.
    pub(super) fn normal(self, document: &Value, is_new: bool) -> Option<Value> {
        let members = document.as_object()?;
        let given = |name: &str| members.get(name).filter(|value| !value.is_null());
        match self {
            Self::Subscription => {
                let name = text(given("name"), 256)?.filter(|name| !name.is_empty())?;
                let default = if is_new { default_statements() } else { json!([]) };
                Some(json!({
                    "name": name,
                    "on": flag(given("on"))?,
                    "tags": tags(given("tags"))?,
                    "config": config(given("config")?)?,
                    "statements": statements(given("statements"))?.unwrap_or(default),
                }))
            }
            Self::Webhook => {
                if is_new && (given("on").is_none() || given("sign").is_none()) {
                    return None;
                }
                let mut normal = json!({
                    "name": text(given("name"), 256)?.unwrap_or_default(),
                    "on": flag(given("on"))?,
                    "tags": tags(given("tags"))?,
                    "url": address(given("url")?)?,
                });
                flag(given("sign"))?;
                if let Some(secret) = text(given("secret"), 1_024)?.filter(|secret| !secret.is_empty()) {
                    normal["secret"] = secret.into();
                }
                if let Some(statements) = statements(given("statements"))? {
                    normal["statements"] = statements;
                }
                Some(normal)
            }
            Self::Token => token(members),
        }
    }

    /// The members that an answer has to show.
    pub(super) fn shown(self, document: &Value) -> Value {
        let mut shown = document.clone();
        match self {
            Self::Subscription => shown["config"]["token"] = mask(&document["config"]["token"]).into(),
            Self::Webhook => {}
            Self::Token => {
                let members = shown.as_object_mut().expect("is an object");
                members.retain(|name, value| !(value == "" && ["name", "description"].contains(&name.as_str())));
            }
        }
        shown
    }
}

/// Statements that no entry of these tests fits, so that nothing is delivered.
pub(super) fn some_statements() -> Value {
    json!([{"effect": "allow", "resources": ["proj/nowhere:flag/*"], "actions": ["*"]}])
}

/// What a subscription without statements gets, as the manifest of Splunk says.
fn default_statements() -> Value {
    json!([{"effect": "allow", "resources": ["proj/*:env/production:flag/*"], "actions": ["*"]}])
}

/// How a secret is shown.
pub(super) fn mask(secret: &Value) -> String {
    let secret: Vec<char> = secret.as_str().expect("is text").chars().collect();
    let end = if secret.len() < 12 { &[][..] } else { &secret[secret.len() - 4..] };
    format!("********{}", end.iter().collect::<String>())
}

/// A text without control characters; the inner option tells whether it is there.
fn text(value: Option<&Value>, most: usize) -> Option<Option<String>> {
    let Some(value) = value else { return Some(None) };
    let text = value.as_str()?;
    (text.chars().count() <= most && !text.contains(char::is_control)).then(|| Some(text.to_owned()))
}

fn flag(value: Option<&Value>) -> Option<bool> {
    value.map_or(Some(false), Value::as_bool)
}

fn tags(value: Option<&Value>) -> Option<Value> {
    let Some(value) = value else { return Some(json!([])) };
    value.as_array()?.iter().all(Value::is_string).then(|| value.clone())
}

fn statements(value: Option<&Value>) -> Option<Option<Value>> {
    let Some(value) = value else { return Some(None) };
    let known = [&some_statements()[0], &default_statements()[0]].map(Clone::clone);
    value.as_array()?.iter().all(|statement| known.contains(statement)).then(|| Some(value.clone()))
}

fn address(value: &Value) -> Option<&str> {
    value.as_str().filter(|url| url.starts_with("https://"))
}

fn config(value: &Value) -> Option<Value> {
    let members = value.as_object()?;
    let has_all = address(members.get("base-url")?).is_some()
        && members.get("token")?.as_str().is_some_and(|token| !token.is_empty())
        && members.get("skip-ca-verification")?.is_boolean();
    let none_else = members.iter().all(|(name, value)| {
        ["base-url", "token", "skip-ca-verification"].contains(&name.as_str()) && !value.is_null()
    });
    (has_all && none_else).then(|| value.clone())
}

fn token(members: &Map<String, Value>) -> Option<Value> {
    let given = |name: &str| members.get(name).filter(|value| !value.is_null() && **value != json!([]));
    let mut normal = json!({
        "name": text(given("name"), 256)?.unwrap_or_default(),
        "description": text(given("description"), 4_000)?.unwrap_or_default(),
    });
    flag(given("serviceToken"))?;
    let role = match (given("role"), given("customRoleIds")) {
        (None, None) => None,
        (Some(role), None) => {
            Some(role.as_str().filter(|role| ["admin", "writer", "reader", "ingest"].contains(role))?)
        }
        (None, Some(ids)) => Some("ingest").filter(|_| *ids == json!(["ingest"])),
        (Some(_), Some(_)) => return None,
    };
    if given("customRoleIds").is_some() && role.is_none() {
        return None;
    }
    match role {
        Some("ingest") => normal["customRoleIds"] = json!(["ingest"]),
        Some(role) => normal["role"] = role.into(),
        None => {}
    }
    if let Some(expiry) = given("expiry") {
        normal["expiry"] = expiry.as_i64().filter(|millis| *millis >= 0)?.into();
    }
    Some(normal)
}

/// The role of a token's document.
pub(super) fn role_of(document: &Value) -> Option<&str> {
    document["role"].as_str().or_else(|| document["customRoleIds"][0].as_str())
}
