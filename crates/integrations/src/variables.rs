//! Form variables: what a subscription's config may hold, and what of it may be shown.

use domain::{FieldError, Secret};
use regex_lite::Regex;
use serde_json::{Map, Value};
use url::Url;

// Longer values are no keys, names or addresses; they would only blow up requests.
const VALUE_CHARS_MAX: usize = 8192;

// A form with more to choose from is no form.
const LIST_ITEMS_MAX: usize = 1000;

const LIST_EXPECTED: &str = "must be a string or a list of strings";

/// The type of a form variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VariableType {
    /// Any text.
    Text,
    /// A JSON boolean.
    Boolean,
    /// An absolute http or https URL.
    Uri,
    /// One of the allowed values.
    Enum,
    /// A text that a form offers from a list of the vendor's; any text here.
    DynamicEnum,
    /// A text that a form makes; any text here.
    Generated,
    /// A text that stands for a grant; any text here.
    OAuth,
    /// The text of a public key.
    PublicKey,
    /// Several texts, or one.
    Multiselect,
    /// The keys of several environments, or of one.
    EnvironmentSelector,
}

impl VariableType {
    const NAMES: [(&'static str, Self); 10] = [
        ("string", Self::Text),
        ("boolean", Self::Boolean),
        ("uri", Self::Uri),
        ("enum", Self::Enum),
        ("dynamicEnum", Self::DynamicEnum),
        ("generated", Self::Generated),
        ("oauth", Self::OAuth),
        ("publicKey", Self::PublicKey),
        ("multiselect", Self::Multiselect),
        ("environmentSelector", Self::EnvironmentSelector),
    ];

    /// The name in manifests, such as `string`.
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(_, kind)| *kind == self).map_or("string", |(name, _)| name)
    }

    /// The names in manifests.
    #[cfg(test)]
    pub(crate) fn names() -> [&'static str; 10] {
        Self::NAMES.map(|(name, _)| name)
    }

    pub(crate) fn of_name(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(known, _)| *known == name).map(|(_, kind)| *kind)
    }

    /// Whether a value may be a list of texts.
    pub fn takes_list(self) -> bool {
        matches!(self, Self::Multiselect | Self::EnvironmentSelector)
    }
}

/// One configuration field of an integration.
#[derive(Clone, Debug)]
pub struct FormVariable {
    /// The member's name in a subscription's config.
    pub key: String,
    /// What a form shows as label.
    pub name: String,
    /// What a form shows as help.
    pub description: String,
    /// What a form shows where nothing is entered yet.
    pub placeholder: String,
    /// What values it takes.
    pub kind: VariableType,
    /// Whether the value is shown masked only.
    pub secret: bool,
    /// Whether the value carries a key although clients read it back whole.
    pub credential: bool,
    /// Whether a config may leave it out.
    pub optional: bool,
    /// What an omitted value stands for; null when there is none.
    pub default: Value,
    /// The values of an enum.
    pub allowed: Vec<String>,
    /// Hosts of the vendor, such as `hooks.example.com`, or `*.example.com` for all within it; a
    /// value may lead elsewhere, and users are told then.
    pub usual_hosts: Vec<String>,
    pub(crate) pattern: Option<Pattern>,
}

/// What a value has to look like.
#[derive(Clone, Debug)]
pub(crate) struct Pattern {
    pub(crate) regex: Regex,
    pub(crate) hint: String,
}

impl FormVariable {
    pub(crate) fn check(&self, value: Option<&Value>) -> Result<(), String> {
        let value = match value {
            None | Some(Value::Null) => return self.check_absent("is required"),
            Some(Value::String(text)) if text.is_empty() && self.kind != VariableType::Boolean => {
                return self.check_absent("must not be empty");
            }
            Some(value) => value,
        };
        match (self.kind, value) {
            (VariableType::Boolean, Value::Bool(_)) => Ok(()),
            (VariableType::Boolean, _) => Err("must be true or false".into()),
            (_, Value::String(text)) => self.check_text(text),
            (kind, Value::Array(items)) if kind.takes_list() => self.check_list(items),
            (kind, _) if kind.takes_list() => Err(LIST_EXPECTED.into()),
            _ => Err("must be a string".into()),
        }
    }

    fn check_list(&self, items: &[Value]) -> Result<(), String> {
        if items.is_empty() {
            return self.check_absent("must not be empty");
        }
        if items.len() > LIST_ITEMS_MAX {
            return Err(format!("must not have more than {LIST_ITEMS_MAX} items"));
        }
        items
            .iter()
            .try_for_each(|item| item.as_str().ok_or(LIST_EXPECTED.into()).and_then(|text| self.check_text(text)))
    }

    fn check_absent(&self, reason: &str) -> Result<(), String> {
        if self.optional { Ok(()) } else { Err(reason.into()) }
    }

    fn check_text(&self, text: &str) -> Result<(), String> {
        if text.chars().count() > VALUE_CHARS_MAX {
            return Err(format!("must not be longer than {VALUE_CHARS_MAX} characters"));
        }
        if text.chars().any(char::is_control) {
            return Err("must not hold line breaks or other control characters".into());
        }
        match self.kind {
            VariableType::Uri if absolute_http(text).is_none() => {
                return Err("must be an absolute URL that begins with https:// or http://".into());
            }
            VariableType::Enum if !self.allowed.iter().any(|allowed| allowed == text) => {
                return Err(self.allowed_values_reason());
            }
            _ => {}
        }
        match &self.pattern {
            Some(pattern) if !pattern.regex.is_match(text) => Err(pattern.hint.clone()),
            _ => Ok(()),
        }
    }

    fn allowed_values_reason(&self) -> String {
        const LISTED_MAX: usize = 24;
        if self.allowed.len() > LISTED_MAX {
            return "must be one of the allowed values".into();
        }
        format!("must be one of the allowed values: {}", self.allowed.join(", "))
    }

    // A URL that carries a name, a password or a query may carry a key in it, marked or not.
    fn carries_credential(&self, text: &str) -> bool {
        let has_hidden_part = |url: Url| {
            !url.username().is_empty() || url.password().is_some() || url.query().is_some_and(|query| !query.is_empty())
        };
        self.credential || (self.kind == VariableType::Uri && Url::parse(text).is_ok_and(has_hidden_part))
    }
}

/// Reads an absolute http or https URL with a host.
pub(crate) fn absolute_http(text: &str) -> Option<Url> {
    let lower = text.get(..8).unwrap_or(text).to_ascii_lowercase();
    let spelled_out = lower.starts_with("https://") || lower.starts_with("http://");
    let plain = !text.contains(|c: char| c == '\\' || c.is_whitespace() || c.is_control());
    if !spelled_out || !plain {
        return None;
    }
    // The parser takes characters into a host that no request can be made with, such as braces.
    let is_sendable = |byte: u8| byte.is_ascii_alphanumeric() || b".-_[]:".contains(&byte);
    Url::parse(text).ok().filter(|url| url.host_str().is_some_and(|host| host.bytes().all(is_sendable)))
}

/// The form variables of one integration.
#[derive(Clone, Debug, Default)]
pub(crate) struct Variables(pub(crate) Vec<FormVariable>);

impl Variables {
    pub(crate) fn validate(&self, config: &Map<String, Value>) -> Result<(), Vec<FieldError>> {
        let attribute = |key: &str| format!("config.{key}");
        let mut errors: Vec<_> = config
            .keys()
            .filter(|key| self.get(key).is_none())
            .map(|key| FieldError::new(attribute(key), "is not a field of this integration"))
            .collect();
        for variable in &self.0 {
            if let Err(reason) = variable.check(config.get(&variable.key)) {
                errors.push(FieldError::new(attribute(&variable.key), reason));
            }
        }
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }

    pub(crate) fn masked(&self, config: &Map<String, Value>) -> Map<String, Value> {
        self.shown(config, |_, text| Value::String(text.to_owned()))
    }

    pub(crate) fn redacted(&self, config: &Map<String, Value>) -> Map<String, Value> {
        self.shown(config, |variable, text| {
            Value::String(if variable.carries_credential(text) { scheme_and_host(text) } else { text.to_owned() })
        })
    }

    fn shown(&self, config: &Map<String, Value>, show: impl Fn(&FormVariable, &str) -> Value) -> Map<String, Value> {
        let shown_member = |(key, value): (&String, &Value)| {
            let text = match value {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            let shown = match (self.get(key), value) {
                // A field that the manifest does not know any more may have been a secret.
                (None, _) => Value::String(Secret::new(text).mask()),
                (Some(variable), _) if variable.secret => Value::String(Secret::new(text).mask()),
                (Some(variable), Value::String(text)) => show(variable, text),
                (Some(_), other) => other.clone(),
            };
            (key.clone(), shown)
        };
        config.iter().map(shown_member).collect()
    }

    pub(crate) fn keep_masked(&self, new: &mut Map<String, Value>, stored: &Map<String, Value>) {
        for variable in self.0.iter().filter(|variable| variable.secret) {
            let Some(Value::String(kept)) = stored.get(&variable.key) else { continue };
            let mask = Secret::new(kept.clone()).mask();
            if let Some(Value::String(sent)) = new.get_mut(&variable.key)
                && *sent == mask
            {
                sent.clone_from(kept);
            }
        }
    }

    pub(crate) fn secret_values(&self, config: &Map<String, Value>) -> Vec<Secret> {
        let mut secrets = Vec::new();
        for (key, value) in config {
            let Value::String(text) = value else { continue };
            match self.get(key) {
                Some(variable) if !variable.secret => {
                    if variable.carries_credential(text) {
                        secrets.extend(credential_parts(text).into_iter().map(Secret::new));
                    }
                }
                _ => secrets.push(Secret::new(text.clone())),
            }
        }
        secrets.retain(|secret| !secret.expose().is_empty());
        secrets
    }

    /// The values that templates see: what the config gives, else the default.
    pub(crate) fn values(&self, config: &Map<String, Value>) -> Map<String, Value> {
        let value = |variable: &FormVariable| match config.get(&variable.key) {
            None | Some(Value::Null) => variable.default.clone(),
            Some(Value::String(text)) if text.is_empty() => variable.default.clone(),
            Some(value) => value.clone(),
        };
        self.0.iter().map(|variable| (variable.key.clone(), value(variable))).collect()
    }

    pub(crate) fn get(&self, key: &str) -> Option<&FormVariable> {
        self.0.iter().find(|variable| variable.key == key)
    }
}

fn scheme_and_host(text: &str) -> String {
    let Ok(url) = Url::parse(text) else { return "(hidden)".to_owned() };
    match (url.host_str(), url.port()) {
        (Some(host), Some(port)) => format!("{}://{host}:{port}", url.scheme()),
        (Some(host), None) => format!("{}://{host}", url.scheme()),
        (None, _) => "(hidden)".to_owned(),
    }
}

// A reply may repeat the URL or only the part of it that is the key.
fn credential_parts(text: &str) -> Vec<String> {
    const SEGMENT_MIN: usize = 16;
    const VALUE_MIN: usize = 8;
    let mut parts = vec![text.to_owned()];
    let Ok(url) = Url::parse(text) else { return parts };
    parts.extend(url.password().map(ToOwned::to_owned));
    let segments = url.path_segments().into_iter().flatten();
    parts.extend(segments.filter(|segment| segment.len() >= SEGMENT_MIN).map(ToOwned::to_owned));
    parts.extend(url.query_pairs().map(|(_, value)| value.into_owned()).filter(|value| value.len() >= VALUE_MIN));
    parts
}
