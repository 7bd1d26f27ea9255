//! What a `manifest.json` holds, as it is read. The published JSON Schema is made of these types and
//! of those of [`crate::extension`], and the comments of their members are its descriptions.

use std::collections::BTreeMap;

#[cfg(test)]
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

#[cfg(test)]
use crate::variables::VariableType;
use crate::{extension::Extension, kind::Kind};

/// What an endpoint's method may be.
pub(crate) const METHODS: [&str; 5] = ["POST", "PUT", "PATCH", "GET", "DELETE"];

/// The characters of the longest key of a form variable.
pub(crate) const KEY_CHARS_MAX: usize = 20;

/// The bytes of the longest name of a header.
pub(crate) const HEADER_NAME_MAX: usize = 50;

/// A kind of destination, in the public format of LaunchDarkly's integration framework and with what
/// auditcast adds to it. Members that are not described here are ignored, but for those in `auditcast`.
#[derive(Deserialize)]
#[cfg_attr(test, derive(JsonSchema), schemars(title = "Integration manifest"))]
#[serde(rename_all = "camelCase")]
pub(crate) struct Manifest {
    /// The name to show.
    pub(crate) name: String,
    /// True: the integration is listed, but nothing can be delivered to it here.
    #[serde(default)]
    pub(crate) requires_o_auth: bool,
    /// The fields of a subscription's config.
    #[serde(default)]
    pub(crate) form_variables: Vec<Variable>,
    /// What the integration can do; of these, only auditLogEventsHook means something here.
    #[serde(default)]
    pub(crate) capabilities: Capabilities,
}

/// What the integration can do.
#[derive(Default, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct Capabilities {
    /// Takes audit-log entries. Without it a manifest is refused here.
    pub(crate) audit_log_events_hook: Option<Hook>,
}

/// How audit-log entries are sent.
#[derive(Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct Hook {
    /// Where requests go. Required for the destination `http`, and for no other.
    pub(crate) endpoint: Option<Endpoint>,
    /// Files by kind of entry, and `default` for all other kinds, and `validation` for test messages.
    #[serde(default)]
    pub(crate) templates: BTreeMap<String, String>,
    /// The body is the entry as the REST API gives it.
    #[serde(default)]
    pub(crate) use_standard_webhook_payload: bool,
    /// The statements of a new subscription that brings none.
    #[serde(default)]
    pub(crate) default_policy: Vec<Value>,
    /// Users may see what the destination answered to a failed request.
    #[serde(default)]
    pub(crate) include_error_response_body: bool,
    /// A sender that is no plain request: the integration is listed, but nothing can be delivered to it here.
    pub(crate) delivery_method: Option<String>,
    /// What auditcast adds to the format.
    #[serde(default)]
    pub(crate) auditcast: Extension,
}

/// Where requests go.
#[derive(Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct Endpoint {
    /// Template of the address.
    pub(crate) url: String,
    /// The method of requests.
    #[cfg_attr(test, schemars(extend("enum" = METHODS)))]
    pub(crate) method: String,
    /// Their headers. `Content-Type: application/json` is added when none is given.
    #[serde(default)]
    pub(crate) headers: Vec<Header>,
    /// A header with the lower-case hex HMAC-SHA256 of the body.
    pub(crate) hmac_signature: Option<HmacSignature>,
}

/// A header. One whose value is empty is left out.
#[derive(Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub(crate) struct Header {
    /// Its name.
    #[cfg_attr(test, schemars(length(min = 1, max = HEADER_NAME_MAX), regex(pattern = "^[!#$%&'*+.^_`|~0-9A-Za-z-]+$")))]
    pub(crate) name: String,
    /// Template of its value.
    pub(crate) value: String,
}

/// A header with the lower-case hex HMAC-SHA256 of the body under a secret; left out when that is empty.
#[derive(Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct HmacSignature {
    /// The header's name.
    #[cfg_attr(test, schemars(length(min = 1, max = HEADER_NAME_MAX), regex(pattern = "^[!#$%&'*+.^_`|~0-9A-Za-z-]+$")))]
    pub(crate) header_name: String,
    /// The form variable with the secret, of type `string` with isSecret.
    pub(crate) hmac_secret_form_variable_key: String,
}

/// A field of a subscription's config.
#[derive(Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct Variable {
    /// The name in a config, without blanks.
    #[cfg_attr(test, schemars(length(min = 1, max = KEY_CHARS_MAX), regex(pattern = r"^\S+$")))]
    pub(crate) key: String,
    /// What a form shows as label.
    #[serde(default)]
    pub(crate) name: String,
    /// What a form shows as help.
    #[serde(default)]
    pub(crate) description: String,
    /// What a form shows where nothing is entered yet.
    #[serde(default)]
    pub(crate) placeholder: String,
    /// What values it takes.
    #[serde(rename = "type")]
    #[cfg_attr(test, schemars(extend("enum" = VariableType::names())))]
    pub(crate) kind: String,
    /// The value is never shown, only its mask; for `string` alone.
    #[serde(default)]
    pub(crate) is_secret: bool,
    /// Added by auditcast: the value is not marked secret, but carries a key, as signed URLs do.
    #[serde(default)]
    pub(crate) is_credential: bool,
    /// A config may leave it out.
    #[serde(default)]
    pub(crate) is_optional: bool,
    /// What templates see where a config leaves it out; of the variable's type.
    #[serde(default)]
    pub(crate) default_value: Value,
    /// The values of an `enum`.
    #[serde(default)]
    pub(crate) allowed_values: Vec<Value>,
    /// Added by auditcast: the vendor's hosts, such as `hooks.example.com`, or `*.example.com` for all within it.
    #[serde(default)]
    #[cfg_attr(test, schemars(inner(regex(pattern = r"^(\*\.)?[a-z0-9-][a-z0-9.-]*$"))))]
    pub(crate) usual_hosts: Vec<String>,
    /// Added by auditcast: a regular expression that the whole value has to match.
    pub(crate) pattern: Option<String>,
    /// Added by auditcast: what a user reads if the value does not match.
    pub(crate) pattern_hint: Option<String>,
}

impl Hook {
    /// How the destination is spoken to.
    pub(crate) fn kind(&self) -> Kind {
        self.auditcast.destination
    }
}
