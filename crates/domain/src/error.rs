//! What is wrong with one field of an input.

use std::fmt;

/// One mistake in an input: where it is and what would be right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldError {
    /// Dotted path of the field, such as `config.hostURL` or `statements[0].effect`.
    pub attribute: String,
    /// What is wrong and what would be right; never the value of a secret.
    pub reason: String,
}

impl FieldError {
    /// A mistake at `attribute`.
    pub fn new(attribute: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { attribute: attribute.into(), reason: reason.into() }
    }

    /// The same mistake one level up: `within("config")` makes `url` to `config.url`.
    #[must_use]
    pub fn within(mut self, parent: &str) -> Self {
        self.attribute = match self.attribute.as_str() {
            "" => parent.to_owned(),
            inner if inner.starts_with('[') => format!("{parent}{inner}"),
            inner => format!("{parent}.{inner}"),
        };
        self
    }
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.attribute.is_empty() {
            f.write_str(&self.reason)
        } else {
            write!(f, "{} {}", self.attribute, self.reason)
        }
    }
}
