//! What of a subscription can be written: read, checked, sealed, and opened again.

use domain::{AccountId, FieldError, Keys, SealContext, SubscriptionId};
use integrations::Integration;
use policy::Policy;
use serde_json::{Map, Value, json};
use store::SubscriptionEdit;

use crate::{Error, Settings};

/// What is sealed, as part of what binds the sealed text to its place.
const FIELD: &str = "config";

/// Members that old clients put beside the config, by integration: apiKey of datadog, url of slack.
const LEGACY: [(&str, &str); 2] = [("datadog", "apiKey"), ("slack", "url")];

/// What of a subscription can be written. It holds secrets in clear, so it has no `Debug`.
#[derive(Clone, PartialEq)]
pub(crate) struct Form {
    pub(crate) name: String,
    pub(crate) on: bool,
    pub(crate) tags: Vec<String>,
    pub(crate) statements: Value,
    pub(crate) config: Map<String, Value>,
}

/// The name of the legacy member of this integration, that stands for the one in the config.
pub(crate) fn legacy_member(key: &str) -> Option<&'static str> {
    LEGACY.iter().find(|(integration, _)| *integration == key).map(|(_, member)| *member)
}

/// The members with the legacy one copied into a config that lacks it.
pub(crate) fn with_legacy_members(key: &str, members: &Map<String, Value>) -> Map<String, Value> {
    let mut members = members.clone();
    if let Some(name) = legacy_member(key)
        && let Some(value) = members.get(name).filter(|value| value.is_string()).cloned()
        && let Value::Object(config) = members.entry("config").or_insert_with(|| json!({}))
    {
        config.entry(name).or_insert(value);
    }
    members
}

impl Form {
    /// Members of the document that a change may touch.
    pub(crate) const MEMBERS: [&'static str; 5] = ["name", "on", "tags", "config", "statements"];

    /// Reads and checks the members of a request, or of a patched document. Others are ignored.
    /// A config that is the stored one was checked when it was made, and is kept as it is.
    ///
    /// # Errors
    /// [`Error::Invalid`] with every mistake.
    pub(crate) fn read(
        members: &Map<String, Value>,
        integration: &Integration,
        settings: &Settings,
        absent_statements: &Value,
        stored: Option<&Map<String, Value>>,
    ) -> Result<Self, Error> {
        let mut mistakes = Vec::new();
        let given = |name: &str| members.get(name).filter(|value| !value.is_null());
        let name = read_name(given("name"), settings, &mut mistakes);
        let on = match given("on") {
            None => false,
            Some(Value::Bool(on)) => *on,
            Some(_) => {
                mistakes.push(FieldError::new("on", "must be true or false"));
                false
            }
        };
        let tags = read_tags(given("tags"), settings, &mut mistakes);
        let statements = given("statements").unwrap_or(absent_statements);
        check_statements(statements, settings, &mut mistakes);
        let config = match stored {
            Some(stored) if is_same_config(given("config"), stored) => stored.clone(),
            _ => read_config(given("config"), integration, settings, &mut mistakes),
        };
        if mistakes.is_empty() {
            return Ok(Self { name, on, tags, statements: statements.clone(), config });
        }
        let only_config = mistakes.iter().all(|mistake| mistake.attribute.starts_with("config"));
        let subject = if only_config { "config" } else { "the subscription" };
        Err(Error::mistakes(format!("{subject} is not valid for {}", integration.key()), mistakes))
    }

    /// The document to which patches are applied.
    pub(crate) fn document(&self) -> Value {
        json!({
            "name": self.name,
            "on": self.on,
            "tags": self.tags,
            "config": self.config,
            "statements": self.statements,
        })
    }

    /// The form in which the store keeps it.
    pub(crate) fn seal(
        &self,
        keys: &dyn Keys,
        account: AccountId,
        subscription: SubscriptionId,
    ) -> Result<SubscriptionEdit, Error> {
        let context = SealContext { account, subscription, field: FIELD };
        let text = zeroize::Zeroizing::new(serde_json::to_vec(&self.config).map_err(Error::internal)?);
        Ok(SubscriptionEdit {
            name: self.name.clone(),
            on: self.on,
            tags: Value::from(self.tags.clone()).to_string(),
            statements: self.statements.to_string(),
            config: keys.seal(context, &text)?,
            extra: "{}".to_owned(),
        })
    }

    /// Reads a stored subscription.
    pub(crate) fn open(stored: &store::Subscription, keys: &dyn Keys) -> Result<Self, Error> {
        let context = SealContext { account: stored.account, subscription: stored.id, field: FIELD };
        let text = keys.open(context, &stored.edit.config)?;
        // The error of the parser may quote what it reads, which is secret here.
        let config = serde_json::from_slice(&text).map_err(|_| Error::internal("a stored config is not JSON"))?;
        Ok(Self {
            tags: serde_json::from_str(&stored.edit.tags).map_err(Error::internal)?,
            statements: serde_json::from_str(&stored.edit.statements).map_err(Error::internal)?,
            config,
            ..Self::without_config(stored)
        })
    }

    /// Only what can be told of a stored subscription without its key.
    pub(crate) fn without_config(stored: &store::Subscription) -> Self {
        Self {
            name: stored.edit.name.clone(),
            on: stored.edit.on,
            tags: serde_json::from_str(&stored.edit.tags).unwrap_or_default(),
            statements: serde_json::from_str(&stored.edit.statements).unwrap_or_default(),
            config: Map::new(),
        }
    }
}

fn read_name(value: Option<&Value>, settings: &Settings, mistakes: &mut Vec<FieldError>) -> String {
    let reason = match value {
        None => "is required".to_owned(),
        Some(Value::String(name)) if name.is_empty() => "must not be empty".to_owned(),
        Some(Value::String(name)) if name.chars().count() > settings.name_max_chars => {
            format!("must not be longer than {} characters", settings.name_max_chars)
        }
        Some(Value::String(name)) if name.chars().any(char::is_control) => {
            "must not hold line breaks or other control characters".to_owned()
        }
        Some(Value::String(name)) => return name.clone(),
        Some(_) => "must be a string".to_owned(),
    };
    mistakes.push(FieldError::new("name", reason));
    String::new()
}

pub(crate) fn read_tags(value: Option<&Value>, settings: &Settings, mistakes: &mut Vec<FieldError>) -> Vec<String> {
    let items = match value {
        None => return Vec::new(),
        Some(Value::Array(items)) if items.len() > settings.tags_max => {
            mistakes.push(FieldError::new("tags", format!("must not be more than {}", settings.tags_max)));
            return Vec::new();
        }
        Some(Value::Array(items)) => items,
        Some(_) => {
            mistakes.push(FieldError::new("tags", "must be an array of strings"));
            return Vec::new();
        }
    };
    let mut tags = Vec::with_capacity(items.len());
    for (place, item) in items.iter().enumerate() {
        match item {
            Value::String(tag) if tag.chars().count() <= settings.tag_max_chars => tags.push(tag.clone()),
            Value::String(_) => mistakes.push(FieldError::new(
                format!("tags[{place}]"),
                format!("must not be longer than {} characters", settings.tag_max_chars),
            )),
            _ => mistakes.push(FieldError::new(format!("tags[{place}]"), "must be a string")),
        }
    }
    tags
}

pub(crate) fn check_statements(statements: &Value, settings: &Settings, mistakes: &mut Vec<FieldError>) {
    match Policy::parse(statements) {
        Err(found) => mistakes.extend(found.into_iter().map(|mistake| mistake.within("statements"))),
        Ok(_) if statements.to_string().len() > settings.statements_max_bytes => {
            let reason = format!("must not be larger than {} bytes", settings.statements_max_bytes);
            mistakes.push(FieldError::new("statements", reason));
        }
        Ok(_) => {}
    }
}

/// Whether a config says the same as the stored one: the order of members and null count for nothing.
pub(super) fn is_same_config(value: Option<&Value>, stored: &Map<String, Value>) -> bool {
    let Some(Value::Object(config)) = value else { return false };
    let given = || config.iter().filter(|(_, value)| !value.is_null());
    given().count() == stored.len() && given().all(|(name, value)| stored.get(name) == Some(value))
}

fn read_config(
    value: Option<&Value>,
    integration: &Integration,
    settings: &Settings,
    mistakes: &mut Vec<FieldError>,
) -> Map<String, Value> {
    let mut config = match value {
        Some(Value::Object(config)) => config.clone(),
        None | Some(_) => {
            let reason = if value.is_none() { "is required" } else { "must be an object" };
            mistakes.push(FieldError::new("config", reason));
            return Map::new();
        }
    };
    let bytes = Value::Object(config.clone()).to_string().len();
    if bytes > settings.config_max_bytes {
        let reason = format!("must not be larger than {} bytes", settings.config_max_bytes);
        mistakes.push(FieldError::new("config", reason));
        return Map::new();
    }
    if let Err(found) = integration.validate_config(&config) {
        mistakes.extend(found);
    }
    // A null of an optional field says that there is no value.
    config.retain(|_, value| !value.is_null());
    config
}
