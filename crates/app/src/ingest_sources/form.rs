//! What of a source can be written.

use domain::{FieldError, Secret};
use serde_json::Value;

use super::LAUNCHDARKLY;
use crate::{Error, Settings};

/// The shortest secret that a user may choose, in bytes.
const SECRET_BYTES_MIN: usize = 16;
/// The longest.
const SECRET_BYTES_MAX: usize = 512;

/// What of a source can be written.
pub(super) struct Form {
    pub(super) name: String,
    /// Left out, the server makes one.
    pub(super) secret: Option<Secret>,
}

/// Reads the body of a request.
///
/// # Errors
/// [`Error::Invalid`] with every mistake.
pub(super) fn read(body: &Value, settings: &Settings) -> Result<Form, Error> {
    let Value::Object(members) = body else {
        return Err(Error::invalid("the body must be an object with kind and name"));
    };
    let mut mistakes = Vec::new();
    if members.get("kind").and_then(Value::as_str) != Some(LAUNCHDARKLY) {
        mistakes.push(FieldError::new("kind", format!("must be {LAUNCHDARKLY}, the only kind there is")));
    }
    let chars_max = settings.name_max_chars;
    let name = members.get("name").and_then(Value::as_str).unwrap_or_default().trim();
    if name.is_empty() || name.chars().count() > chars_max {
        mistakes.push(FieldError::new("name", format!("must be a text of 1 to {chars_max} characters")));
    }
    let secret = match members.get("secret") {
        None | Some(Value::Null) => None,
        Some(Value::String(secret)) if (SECRET_BYTES_MIN..=SECRET_BYTES_MAX).contains(&secret.len()) => {
            Some(Secret::new(secret.clone()))
        }
        Some(_) => {
            let lengths = format!("{SECRET_BYTES_MIN} to {SECRET_BYTES_MAX} bytes");
            mistakes.push(FieldError::new("secret", format!("must be a text of {lengths}; left out, one is made")));
            None
        }
    };
    if mistakes.is_empty() {
        Ok(Form { name: name.to_owned(), secret })
    } else {
        Err(Error::mistakes("the source is not valid", mistakes))
    }
}
