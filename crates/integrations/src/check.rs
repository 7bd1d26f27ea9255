//! Renders an integration for samples of every kind, before it serves anybody.

use std::collections::BTreeSet;

use domain::{AccountId, Timestamp};
use serde_json::{Map, Value, json};

use crate::{
    catalogue::Mistake,
    integration::Integration,
    kind::Kind,
    render::{Item, RenderError},
    samples::samples,
    variables::{FormVariable, VariableType},
};

const ACCOUNT: AccountId = AccountId::from_bytes([0x5a; 12]);
const BASE_URL: &str = "https://audit.example.com";
const NOW: Timestamp = Timestamp::from_millis(1_790_000_000_123);

const URL: &str = "https://destination.example.com";

// What destinations want of texts, tried one after the other until one is valid.
const TEXTS: [&str; 7] =
    ["sample", "us1", "12345678", URL, "destination.example.com", "0123456789abcdef0123456789abcdef", "SAMPLE"];

const SIGNING_SECRET: &str = "whsec_c2FtcGxlLXNhbXBsZS1zYW1wbGUtc2FtcGxlLXNhbXBsZQ==";

/// Every mistake that shows when bodies, addresses and headers are rendered, each once.
pub(crate) fn mistakes(integration: &Integration) -> Vec<Mistake> {
    let configs = [Some(sample_config(integration, false)), Some(sample_config(integration, true))];
    let mut found: Vec<Mistake> = Vec::new();
    let mut seen = BTreeSet::new();
    for config in configs.into_iter().flatten() {
        let moment = NOW;
        let test = integration.validation_item(&config, ACCOUNT, BASE_URL, moment);
        let mut rendered = vec![("a test message".to_owned(), test)];
        rendered.extend(samples(ACCOUNT, NOW).into_iter().map(|sample| {
            let item = integration.render_item(&config, &sample.entry, BASE_URL, moment);
            (format!("the sample entry \"{}\"", sample.name), item)
        }));
        for (subject, item) in rendered {
            let sent = item.and_then(|item| match item {
                Item::Body(item) if integration.kind() == Kind::Http && integration.undeliverable().is_none() => {
                    integration.request(&config, &[item]).map(drop)
                }
                _ => Ok(()),
            });
            if let Err(error) = sent
                && let Some(mistake) = mistake_of(integration, &error, &subject)
                && seen.insert((mistake.file.clone(), mistake.place.clone()))
            {
                found.push(mistake);
            }
        }
    }
    found
}

fn mistake_of(integration: &Integration, error: &RenderError, subject: &str) -> Option<Mistake> {
    let endpoint = "capabilities.auditLogEventsHook.endpoint";
    Some(match error {
        // That is known from the manifest, and no mistake.
        RenderError::Undeliverable { .. } => return None,
        RenderError::Template(error) => {
            let place = format!("line {} column {}", error.line, error.column);
            Mistake::new(&error.template, place, format!("does not render for {subject}: {}", error.kind))
        }
        RenderError::InvalidBody { template, reason } => {
            Mistake::new(template, "", format!("gives a body for {subject} that is not JSON: {reason}"))
        }
        RenderError::TooLarge { .. } | RenderError::ItemCount { .. } | RenderError::Compress(_) => {
            Mistake::in_manifest("", format!("no request can be made of {subject}: {error}"))
        }
        RenderError::Url { reason, .. } => Mistake::in_manifest(
            format!("{endpoint}.url"),
            format!("gives no address for {subject}: {reason}; sample values are taken from placeholder and defaultValue of the form variables"),
        ),
        RenderError::Header { name, reason, .. } => {
            Mistake::in_manifest(format!("{endpoint}.headers"), format!("{name} cannot be sent for {subject}: {reason}"))
        }
    }
    .with_line_of(integration))
}

impl Mistake {
    fn with_line_of(self, integration: &Integration) -> Self {
        match integration.source().get("manifest.json") {
            Some(manifest) => self.with_line(manifest),
            None => self,
        }
    }
}

impl Integration {
    /// A config of sample values that it takes: with what is required, or with all.
    #[must_use]
    pub fn sample_config(&self, whole: bool) -> Map<String, Value> {
        sample_config(self, whole)
    }
}

fn sample_config(integration: &Integration, whole: bool) -> Map<String, Value> {
    let wanted = |variable: &&FormVariable| whole || !variable.optional;
    let variables: Vec<_> = integration.form_variables().iter().filter(wanted).collect();
    let plain: Map<String, Value> =
        variables.iter().map(|variable| (variable.key.clone(), sample_value(variable, whole))).collect();
    let plain = with_signing_secrets(integration, plain);
    if integration.validate_config(&plain).is_ok() {
        return plain;
    }
    // A text that begins the address, in the manner of older manifests, has to be one.
    let mut texts = variables.iter().filter(|variable| variable.kind == VariableType::Text);
    let with_url = |variable: &&FormVariable| {
        let mut config = plain.clone();
        config.insert(variable.key.clone(), json!(URL));
        Some(config).filter(|config| integration.validate_config(config).is_ok())
    };
    texts.find_map(with_url).unwrap_or(plain)
}

/// Secrets of Standard Webhooks have a form of their own.
fn with_signing_secrets(integration: &Integration, mut config: Map<String, Value>) -> Map<String, Value> {
    let webhook = integration.extension.standard_webhook.as_ref();
    for key in webhook.into_iter().flat_map(|webhook| &webhook.secrets) {
        config.entry(key.clone()).and_modify(|value| *value = SIGNING_SECRET.into());
    }
    config
}

fn sample_value(variable: &FormVariable, whole: bool) -> Value {
    match variable.kind {
        VariableType::Boolean => whole.into(),
        VariableType::Uri => URL.into(),
        VariableType::Enum if whole => variable.allowed.last().cloned().into(),
        VariableType::Enum => variable.allowed.first().cloned().into(),
        kind if kind.takes_list() => json!(["one", "two"]),
        _ => {
            let given = [variable.default.as_str(), Some(variable.placeholder.as_str())];
            let given = given.into_iter().flatten().filter(|text| !text.is_empty());
            let mut texts = given.chain(TEXTS);
            texts.find(|text| variable.check(Some(&json!(text))).is_ok()).unwrap_or(TEXTS[0]).into()
        }
    }
}
