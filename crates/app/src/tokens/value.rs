//! The values of tokens: made, read from headers, hashed.

use aws_lc_rs::{
    digest,
    rand::{SecureRandom, SystemRandom},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use domain::Secret;
use store::TokenValue;

use crate::Error;

/// Random bytes of a token: 240 bits, 40 characters.
const RANDOM_BYTES: usize = 30;
/// The longest value that is looked at.
pub(super) const VALUE_BYTES_MAX: usize = 512;

/// A fresh value.
pub(super) fn make() -> Result<Secret, Error> {
    let mut random = [0; RANDOM_BYTES];
    SystemRandom::new().fill(&mut random).map_err(|_| Error::internal("the system gives no random bytes"))?;
    Ok(Secret::new(format!("api-{}", URL_SAFE_NO_PAD.encode(random))))
}

/// What of a value is stored.
pub(super) fn stored(value: &Secret) -> TokenValue {
    TokenValue { hash: hash_of(value.expose()), ending: ending_of(value.expose()) }
}

/// The value in an `Authorization` header: bare, or after `Bearer`.
pub(super) fn token_of(authorization: &str) -> Option<&str> {
    const SCHEME: &str = "bearer ";
    let text = authorization.trim();
    let value = match text.get(..SCHEME.len()) {
        Some(scheme) if scheme.eq_ignore_ascii_case(SCHEME) => text[SCHEME.len()..].trim_start(),
        _ => text,
    };
    let fits = !value.is_empty() && value.len() <= VALUE_BYTES_MAX;
    (fits && value.bytes().all(|byte| byte.is_ascii_graphic())).then_some(value)
}

// Values are random or chosen by the operator for a machine; a slow hash would be paid by ingest.
pub(super) fn hash_of(value: &str) -> [u8; 32] {
    let hash = digest::digest(&digest::SHA256, &[b"auditcast token ", value.as_bytes()].concat());
    *hash.as_ref().first_chunk().expect("a SHA-256 hash has 32 bytes")
}

/// The last four characters, which lists show; nothing of a short value.
fn ending_of(value: &str) -> String {
    const SHORT: usize = 12;
    if value.len() < SHORT { String::new() } else { value[value.len() - 4..].to_owned() }
}

#[cfg(test)]
mod tests {
    use super::{ending_of, token_of};

    #[test]
    fn a_token_may_stand_alone_or_after_bearer() {
        for header in ["api-1", "Bearer api-1", "bearer  api-1", " api-1 ", "BEARER api-1"] {
            assert_eq!(token_of(header), Some("api-1"), "{header}");
        }
        let long = "a".repeat(513);
        for header in ["", " ", "Bearer", "Bearer a b", "Basic YTpi x", "a\tb", "schlüssel", &long] {
            assert!(token_of(header).is_none_or(|token| token == "Bearer"), "{header}");
        }
    }

    #[test]
    fn short_tokens_show_no_ending() {
        assert_eq!((ending_of("api-123456789"), ending_of("short")), ("6789".to_owned(), String::new()));
    }
}
