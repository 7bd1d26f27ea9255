//! Headers of the Standard Webhooks specification, with which a receiver knows who sent a request,
//! when, and that it is whole: <https://github.com/standard-webhooks/standard-webhooks>.

use aws_lc_rs::hmac;
use base64::{Engine, engine::general_purpose::STANDARD};
use domain::{Entry, FieldError, Timestamp};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::{
    extension::Flaw,
    render::{self, RenderError},
    variables::{VariableType, Variables},
};

const ID: &str = "webhook-id";
const TIMESTAMP: &str = "webhook-timestamp";
const SIGNATURE: &str = "webhook-signature";

const SECRET_PREFIX: &str = "whsec_";
// The specification's bounds of a secret.
const KEY_BYTES: std::ops::RangeInclusive<usize> = 24..=64;
const SECRET_HINT: &str =
    "must be whsec_ and then the base64 of 24 to 64 random bytes, such as `openssl rand -base64 32` prints";

/// Which form variables hold the secrets. Each that is set gives a signature of its own, so that a
/// receiver may know the new or the old one while a secret is changed.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct StandardWebhook {
    /// Form variables of type `string` with isSecret.
    #[cfg_attr(test, schemars(length(min = 1)))]
    pub(crate) secrets: Vec<String>,
}

/// Names a message by the entry's content: the same for every attempt, and without the dot that
/// parts the signed text.
pub(crate) fn message_id(entry: &Entry) -> String {
    format!("msg_{}", render::digest(entry))
}

impl StandardWebhook {
    /// Looks for what cannot be signed with. `batched` says whether requests may hold several entries.
    pub(crate) fn check(&self, variables: &Variables, batched: bool) -> Result<(), Flaw> {
        if batched {
            return Err(("standardWebhook".into(), "is for requests of one entry; leave batch out".into()));
        }
        if self.secrets.is_empty() {
            return Err(("standardWebhook.secrets".into(), "must name at least one form variable".into()));
        }
        for (index, key) in self.secrets.iter().enumerate() {
            let variable = variables.get(key);
            if !variable.is_some_and(|variable| variable.secret && variable.kind == VariableType::Text) {
                let reason = "must name a form variable of type string with isSecret";
                return Err((format!("standardWebhook.secrets[{index}]"), reason.into()));
            }
        }
        Ok(())
    }

    /// Checks the form of every secret of a config.
    pub(crate) fn check_config(&self, values: &Map<String, Value>) -> Result<(), Vec<FieldError>> {
        let wrong = self.set(values).filter(|(_, secret)| signing_key(secret).is_none());
        let errors: Vec<_> = wrong.map(|(key, _)| FieldError::new(format!("config.{key}"), SECRET_HINT)).collect();
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }

    /// The three headers of a request that is made at `at`.
    pub(crate) fn headers(
        &self,
        values: &Map<String, Value>,
        id: &str,
        at: Timestamp,
        body: &[u8],
    ) -> Result<[(String, String); 3], RenderError> {
        let seconds = at.as_seconds();
        let mut signed = format!("{id}.{seconds}.").into_bytes();
        signed.extend_from_slice(body);
        let mut signatures = Vec::with_capacity(self.secrets.len());
        for (key, secret) in self.set(values) {
            let signing_key = signing_key(secret).ok_or_else(|| RenderError::Header {
                name: SIGNATURE.into(),
                reason: format!("the secret {key} {SECRET_HINT}"),
                of_entry: false,
            })?;
            signatures.push(format!("v1,{}", STANDARD.encode(hmac::sign(&signing_key, &signed))));
        }
        Ok([
            (ID.into(), id.to_owned()),
            (TIMESTAMP.into(), seconds.to_string()),
            (SIGNATURE.into(), signatures.join(" ")),
        ])
    }

    /// Keys and values of the secrets that are set.
    fn set<'a>(&'a self, values: &'a Map<String, Value>) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.secrets.iter().filter_map(|key| {
            let secret = values.get(key)?.as_str().filter(|secret| !secret.is_empty())?;
            Some((key.as_str(), secret))
        })
    }
}

fn signing_key(secret: &str) -> Option<hmac::Key> {
    let bytes = STANDARD.decode(secret.strip_prefix(SECRET_PREFIX)?).ok()?;
    KEY_BYTES.contains(&bytes.len()).then(|| hmac::Key::new(hmac::HMAC_SHA256, &bytes))
}

#[cfg(test)]
mod tests {
    use domain::Timestamp;
    use serde_json::json;

    use super::StandardWebhook;

    #[test]
    fn the_signature_is_that_of_the_reference_implementation() {
        // The example of the libraries in the specification's own repository.
        let webhook = StandardWebhook { secrets: vec!["secret".into()] };
        let values = json!({ "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw" }).as_object().unwrap().clone();
        let at = Timestamp::from_millis(1_614_265_330_000);
        let headers = webhook.headers(&values, "msg_p5jXN8AQM9LWM0D4loKWxJek", at, br#"{"test": 2432232314}"#).unwrap();
        let value = |index: usize| headers[index].1.as_str();
        assert_eq!(value(0), "msg_p5jXN8AQM9LWM0D4loKWxJek");
        assert_eq!(value(1), "1614265330");
        assert_eq!(value(2), "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }
}
