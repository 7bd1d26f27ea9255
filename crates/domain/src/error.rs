//! What is wrong with one field of an input.

use std::{error::Error, fmt};

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

/// An error with all its causes, from the outermost to the first.
pub fn error_chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::{FieldError, error_chain};

    #[test]
    fn a_mistake_can_be_placed_one_level_up() {
        for (inner, parent, expected) in [
            ("url", "config", "config.url"),
            ("[0].effect", "statements", "statements[0].effect"),
            ("", "config", "config"),
        ] {
            assert_eq!(FieldError::new(inner, "is wrong").within(parent).attribute, expected);
        }
    }

    #[test]
    fn causes_follow_the_error_that_they_caused() {
        #[derive(Debug, thiserror::Error)]
        #[error("the file cannot be read")]
        struct Outer(#[source] io::Error);
        assert_eq!(error_chain(&Outer(io::Error::other("no disk"))), "the file cannot be read: no disk");
    }
}
