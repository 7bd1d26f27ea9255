//! One kind of destination: what its config holds, what is sent, what a reply means.

use std::{collections::BTreeMap, fmt, sync::OnceLock};

use aws_lc_rs::{digest, hmac};
use domain::{Entry, FieldError, Secret};
use serde_json::{Map, Value, json};

use crate::{
    about::About,
    address::{HeaderTemplate, UrlTemplate},
    batch::{BatchFormat, BatchLimits},
    cut,
    extension::{AgeWindow, Extension, Pace},
    kind::Kind,
    render::{
        BodyTemplate, Item, Moment, Nothing, RenderError, RenderedItem, Stamp, body_root, delivery_context, hex,
        line_root, render_json, times,
    },
    sample,
    source::Source,
    template::{ChatEscape, HtmlEscape, JsonEscape, Limits},
    variables::{FormVariable, Variables},
    webhook,
};

// What a batch holds at most in bytes where there are no batches.
const UNBATCHED: BatchLimits = BatchLimits { items_max: 1, bytes_max: 1_000_000 };

/// A kind of destination, as its manifest describes it.
#[derive(Clone, Debug)]
pub struct Integration {
    pub(crate) key: String,
    pub(crate) name: String,
    pub(crate) variables: Variables,
    pub(crate) undeliverable: Option<String>,
    pub(crate) url: Option<UrlTemplate>,
    pub(crate) method: &'static str,
    pub(crate) headers: Vec<HeaderTemplate>,
    pub(crate) signature: Option<Signature>,
    pub(crate) body: Body,
    pub(crate) batch: Option<BatchFormat>,
    pub(crate) default_policy: Value,
    pub(crate) shows_response_body: bool,
    pub(crate) host_is_fixed: bool,
    pub(crate) extension: Extension,
    pub(crate) about: About,
    /// The files that it was made of.
    pub(crate) source: Source,
    pub(crate) version: String,
    /// Nothing is known of it but its key.
    pub(crate) is_unknown: bool,
}

#[derive(Clone, Debug)]
pub(crate) enum Body {
    /// The entry as the standard webhook gives it.
    StandardPayload,
    /// The entry as its producer sent it, byte for byte.
    StoredEntry,
    /// By kind, and `default` and `validation`.
    Templates(BTreeMap<String, BodyTemplate>),
}

#[derive(Clone, Debug)]
pub(crate) struct Signature {
    pub(crate) header: String,
    pub(crate) secret_key: String,
}

/// Address and headers of a request.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct RequestLine {
    url: String,
    headers: Vec<(String, String)>,
}

/// Address and headers of the requests under one config, where they are the same for all of them:
/// made with the first one, and kept as long as this is. They hold keys.
#[derive(Default)]
pub struct CommonLine(OnceLock<RequestLine>);

/// What is to be sent. Address and headers hold keys.
#[derive(Clone, PartialEq, Eq)]
pub struct HttpRequest {
    /// `POST`, `PUT`, `PATCH`, `GET` or `DELETE`.
    pub method: &'static str,
    /// Absolute, http or https, without a fragment.
    pub url: String,
    /// Names as the manifest writes them, values without control characters.
    pub headers: Vec<(String, String)>,
    /// The body, compressed if a header says so.
    pub body: Vec<u8>,
    /// Whether the destination's certificate is checked.
    pub verify_tls: bool,
}

impl fmt::Debug for HttpRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.body.len();
        f.debug_struct("HttpRequest").field("method", &self.method).field("bytes", &bytes).finish_non_exhaustive()
    }
}

impl Integration {
    /// The integration key, such as `datadog`.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The name to show, such as `Datadog`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// One of which nothing is known but its key: it takes every config, shows nothing of it, and
    /// delivers nothing.
    pub(crate) fn unknown(key: &str) -> Self {
        Self {
            key: key.to_owned(),
            name: key.to_owned(),
            variables: Variables::default(),
            undeliverable: Some("nothing is known of it".to_owned()),
            url: None,
            method: "POST",
            headers: Vec::new(),
            signature: None,
            body: Body::StandardPayload,
            batch: None,
            default_policy: json!([]),
            shows_response_body: false,
            host_is_fixed: false,
            extension: Extension::default(),
            about: About { form_variables: json!([]), ..About::default() },
            source: Source::default(),
            version: String::new(),
            is_unknown: true,
        }
    }

    /// The files that it was made of.
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// Names the content of its files: 32 hex digits; empty when nothing is known of it.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// What the manifest says to people and to other programs.
    pub fn about(&self) -> &About {
        &self.about
    }

    /// Whether it is no part of the catalogue: subscriptions to it are made in another way.
    pub fn is_hidden(&self) -> bool {
        self.extension.hidden
    }

    /// The fields of a config, in the manifest's order.
    pub fn form_variables(&self) -> &[FormVariable] {
        &self.variables.0
    }

    /// Why this server cannot deliver to it, if so: OAuth and senders that are no plain request.
    pub fn undeliverable(&self) -> Option<&str> {
        self.undeliverable.as_deref()
    }

    /// The statements that a new subscription has unless it brings its own; an array.
    pub fn default_policy(&self) -> &Value {
        &self.default_policy
    }

    /// Checks a config whole.
    ///
    /// # Errors
    /// Every mistake, with attributes such as `config.hostURL`; never with a value of the config.
    pub fn validate_config(&self, config: &Map<String, Value>) -> Result<(), Vec<FieldError>> {
        if self.is_unknown {
            return Ok(());
        }
        self.variables.validate(config)?;
        let values = self.variables.values(config);
        let lacking: Vec<_> = self.extension.requires.iter().flat_map(|rule| rule.mistakes(&values)).collect();
        if !lacking.is_empty() {
            return Err(lacking);
        }
        if let Some(webhook) = &self.extension.standard_webhook {
            webhook.check_config(&values)?;
        }
        match self.line(config, json!({ "delivery": { "now": times(domain::Timestamp::default(), &|_| true) } })) {
            Err(error @ (RenderError::Url { of_entry: false, .. } | RenderError::Header { of_entry: false, .. })) => {
                Err(vec![FieldError::new("config", error.to_string())])
            }
            _ => Ok(()),
        }
    }

    /// The values that templates see: what the config gives, else the default.
    #[must_use]
    pub fn values(&self, config: &Map<String, Value>) -> Map<String, Value> {
        self.variables.values(config)
    }

    /// The config as the API returns it: secrets masked, the rest as it is.
    #[must_use]
    pub fn masked_config(&self, config: &Map<String, Value>) -> Map<String, Value> {
        self.variables.masked(config)
    }

    /// The config for logs and audit entries: secrets masked, and of values that carry a key,
    /// such as signed URLs, only scheme and host.
    #[must_use]
    pub fn redacted_config(&self, config: &Map<String, Value>) -> Map<String, Value> {
        self.variables.redacted(config)
    }

    /// Puts the stored value back where a client returned a secret's mask.
    pub fn keep_masked(&self, new: &mut Map<String, Value>, stored: &Map<String, Value>) {
        self.variables.keep_masked(new, stored);
    }

    /// All texts of the config that must not be shown, for [`crate::redact`].
    #[must_use]
    pub fn secret_values(&self, config: &Map<String, Value>) -> Vec<Secret> {
        self.variables.secret_values(config)
    }

    /// How many items a request under this config may have.
    pub fn batch(&self, config: &Map<String, Value>) -> BatchLimits {
        self.batch_format(config).map_or(UNBATCHED, |batch| batch.limits)
    }

    /// How old or early an event may be; none when that does not matter.
    pub fn age_window(&self) -> Option<&AgeWindow> {
        self.extension.age.as_ref()
    }

    /// Whether requests name each entry by its content, so that the destination can tell what it
    /// has already.
    pub fn names_entries(&self) -> bool {
        let prefix = self.batch.as_ref().and_then(|batch| batch.item_prefix.as_ref());
        let bodies = match &self.body {
            Body::Templates(templates) => Some(templates.values().map(|body| &body.template)),
            Body::StandardPayload | Body::StoredEntry => None,
        };
        // The other kinds carry a name for readers, by which nothing is dropped on the way.
        self.kind() == Kind::Http
            && prefix.into_iter().chain(bodies.into_iter().flatten()).any(|template| template.names("delivery.handle"))
    }

    /// How requests to one target follow each other; none when nothing is to be heeded.
    pub fn pace(&self) -> Option<&Pace> {
        self.extension.pace.as_ref()
    }

    /// Names the target of [`Self::pace`]: the same text for all configs that lead there. It is a
    /// hash, since the values may carry keys.
    #[must_use]
    pub fn target(&self, config: &Map<String, Value>) -> String {
        let values = self.variables.values(config);
        let named: Vec<_> = self.pace().into_iter().flat_map(Pace::target).map(|key| values.get(key)).collect();
        let hash = digest::digest(&digest::SHA256, json!([self.key, named]).to_string().as_bytes());
        hex(&hash.as_ref()[..16])
    }

    /// Whether users may see what the destination answered to a failed request: the manifest says
    /// so, and no config can lead the request to a host of its own choice.
    pub fn shows_response_body(&self) -> bool {
        self.shows_response_body && self.host_is_fixed
    }

    /// Whether every config leads to a host that the manifest names, so that an answer cannot
    /// come from within the operator's network.
    pub fn host_is_fixed(&self) -> bool {
        self.host_is_fixed
    }

    /// Renders one entry.
    ///
    /// # Errors
    /// [`RenderError::is_of_entry`] says whether only this entry cannot be sent.
    pub fn render_item(
        &self,
        config: &Map<String, Value>,
        entry: &Entry,
        base_url: &str,
        moment: impl Into<Moment>,
    ) -> Result<Item, RenderError> {
        let template = match &self.body {
            Body::StandardPayload | Body::StoredEntry => None,
            Body::Templates(templates) => {
                let own = Some(entry.facts().kind()).filter(|kind| !matches!(*kind, "default" | "validation"));
                match own.and_then(|kind| templates.get(kind)).or_else(|| templates.get("default")) {
                    Some(template) => Some(template),
                    None => return Ok(Item::Nothing(Nothing::NoTemplate)),
                }
            }
        };
        self.render_with(template, config, entry, base_url, moment.into())
    }

    /// Renders the test message: the validation template on a sample entry, that updates an
    /// environment; without one the default template, then the one for flags.
    ///
    /// # Errors
    /// As [`Self::render_item`].
    pub fn validation_item(
        &self,
        config: &Map<String, Value>,
        account: domain::AccountId,
        base_url: &str,
        moment: impl Into<Moment>,
    ) -> Result<Item, RenderError> {
        let template = match &self.body {
            Body::StandardPayload | Body::StoredEntry => None,
            Body::Templates(templates) => {
                let names = ["validation", "default", "flag"];
                match names.into_iter().find_map(|name| templates.get(name)).or_else(|| templates.values().next()) {
                    Some(template) => Some(template),
                    None => return Ok(Item::Nothing(Nothing::NoTemplate)),
                }
            }
        };
        let moment = moment.into();
        let entry = sample::environment_update(account, moment.now);
        self.render_with(template, config, &entry, base_url, moment)
    }

    /// Makes one request of rendered items.
    ///
    /// # Errors
    /// [`RenderError::ItemCount`] when there are no items, or several without batches; else what
    /// address or headers lack.
    pub fn request(&self, config: &Map<String, Value>, items: &[RenderedItem]) -> Result<HttpRequest, RenderError> {
        self.request_sharing(config, &CommonLine::default(), items)
    }

    /// The same for one of several requests under this config, which share `common`.
    ///
    /// # Errors
    /// As [`Self::request`].
    pub fn request_sharing(
        &self,
        config: &Map<String, Value>,
        common: &CommonLine,
        items: &[RenderedItem],
    ) -> Result<HttpRequest, RenderError> {
        let last = items.last().ok_or(RenderError::ItemCount { items: 0 })?;
        let body = match (self.batch_format(config), items) {
            (Some(batch), _) => batch.join(items),
            (None, [item]) => item.body.clone(),
            _ => return Err(RenderError::ItemCount { items: items.len() }),
        };
        let RequestLine { url, mut headers } = match &last.line {
            Some(line) => line.clone(),
            None if self.line_is_of_entry() => {
                let now = items.iter().map(|item| item.now).max().unwrap_or(last.now);
                self.line(config, json!({ "delivery": { "now": times(now, &|_| true) } }))?
            }
            None => self.common_line(config, common)?,
        };
        if self.signature.is_some() || last.message_id.is_some() {
            let values = self.variables.values(config);
            headers.extend(self.signature(&values).and_then(|signature| signature.header(&values, &body)));
            if let (Some(webhook), Some(id)) = (&self.extension.standard_webhook, &last.message_id) {
                headers.extend(webhook.headers(&values, id, last.now, &body)?);
            }
        }
        let (body, is_packed) = self.packed(body).map_err(RenderError::Compress)?;
        if is_packed {
            headers.push(("Content-Encoding".into(), "gzip".into()));
        }
        Ok(HttpRequest { method: self.method, url, headers, body, verify_tls: self.verifies_tls(config) })
    }

    fn render_with(
        &self,
        template: Option<&BodyTemplate>,
        config: &Map<String, Value>,
        entry: &Entry,
        base_url: &str,
        moment: Moment,
    ) -> Result<Item, RenderError> {
        let facts = entry.facts();
        let Some(stamp) = Stamp::new(facts.date(), moment, self.age_window()) else {
            return Ok(Item::Nothing(Nothing::Late));
        };
        let batch = self.batch_format(config);
        let prefix = batch.and_then(|batch| batch.item_prefix.as_ref());
        // Deriving what templates may ask for takes longer than all the rest, so it is left out
        // where none asks.
        let asks = template.is_some() || prefix.is_some() || (batch.is_none() && self.line_is_of_entry());
        let asking = [template.map(|body| &body.template), prefix];
        let line_asks = self.line_is_of_entry();
        let wants =
            |of: &str, name: &str| line_asks || asking.iter().flatten().any(|template| template.mentions(of, name));
        let root = match asks {
            true => {
                let delivery = delivery_context(entry, stamp, moment.now, &wants);
                body_root(entry, base_url, self.variables.values(config), delivery, &wants)
            }
            false => Value::Null,
        };
        let mut bytes = prefix.map(|prefix| render_json(prefix, &root)).transpose()?.unwrap_or_default().into_bytes();
        match (template, &self.body) {
            (Some(template), _) => match self.render_body(template, &root)? {
                Some(body) => bytes.extend_from_slice(body.as_bytes()),
                None => return Ok(Item::Nothing(Nothing::EmptyBody)),
            },
            (None, Body::StoredEntry) => bytes.extend_from_slice(&entry.bytes),
            (None, _) => bytes.extend_from_slice(facts.representation().to_string().as_bytes()),
        }
        let line = match batch {
            None if line_asks => Some(self.line(config, root)?),
            _ => None,
        };
        let message_id = self.extension.standard_webhook.as_ref().map(|_| webhook::message_id(entry));
        Ok(Item::Body(RenderedItem { body: bytes, stamp: stamp.at, now: moment.now, line, message_id }))
    }

    /// The signature, if requests under these values are signed.
    fn signature(&self, values: &Map<String, Value>) -> Option<&Signature> {
        let is_on = |key: &String| values.get(key) == Some(&Value::Bool(true));
        self.signature.as_ref().filter(|_| self.extension.sign_if.iter().all(is_on))
    }

    /// The batch format, if requests under this config are batches.
    fn batch_format(&self, config: &Map<String, Value>) -> Option<&BatchFormat> {
        let batch = self.batch.as_ref()?;
        if batch.only_if.is_empty() {
            return Some(batch);
        }
        let values = self.variables.values(config);
        batch.only_if.iter().all(|(key, value)| values.get(key) == Some(value)).then_some(batch)
    }

    /// The body; none when it is blank.
    fn render_body(&self, template: &BodyTemplate, root: &Value) -> Result<Option<String>, RenderError> {
        let limits = Limits::default();
        let rendered = match (template.json, self.extension.markup) {
            (true, Some(markup)) => template.template.render(root, &ChatEscape(markup), &limits),
            (true, None) => template.template.render(root, &JsonEscape, &limits),
            (false, _) => template.template.render(root, &HtmlEscape, &limits),
        };
        let body = rendered.map_err(RenderError::Template)?;
        if body.trim().is_empty() {
            return Ok(None);
        }
        if !template.json {
            return Ok(Some(body));
        }
        cut::fit(body.trim().to_owned(), &self.extension, &template.file).map(Some)
    }

    /// Whether address or headers are not the same for every entry.
    fn line_is_of_entry(&self) -> bool {
        self.url.as_ref().is_some_and(UrlTemplate::is_of_entry) || self.headers.iter().any(HeaderTemplate::is_of_entry)
    }

    fn common_line(&self, config: &Map<String, Value>, common: &CommonLine) -> Result<RequestLine, RenderError> {
        if let Some(line) = common.0.get() {
            return Ok(line.clone());
        }
        let line = self.line(config, Value::Null)?;
        Ok(common.0.get_or_init(|| line).clone())
    }

    fn line(&self, config: &Map<String, Value>, context: Value) -> Result<RequestLine, RenderError> {
        let url = match (&self.undeliverable, &self.url) {
            (None, Some(url)) => url,
            (reason, _) => {
                return Err(RenderError::Undeliverable { reason: reason.clone().unwrap_or_default() });
            }
        };
        let root = line_root(self.variables.values(config), context);
        let mut headers = Vec::with_capacity(self.headers.len() + 2);
        for header in &self.headers {
            headers.extend(header.render(&root)?);
        }
        Ok(RequestLine { url: url.render(&root)?, headers })
    }
}

impl Signature {
    /// The header with the lower-case hex HMAC-SHA256 of the body; none without a secret.
    fn header(&self, values: &Map<String, Value>, body: &[u8]) -> Option<(String, String)> {
        let secret = values.get(&self.secret_key).and_then(Value::as_str).filter(|secret| !secret.is_empty())?;
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), body);
        Some((self.header.clone(), hex(tag.as_ref())))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, Value, json};

    use super::Signature;

    #[test]
    fn a_signature_is_the_lower_case_hex_hmac_of_the_body() {
        let signature = Signature { header: "X-LD-Signature".to_owned(), secret_key: "secret".to_owned() };
        let values = |secret: &str| match json!({ "secret": secret }) {
            Value::Object(values) => values,
            _ => Map::new(),
        };
        let body = br#"{"_id":"66f0c0ffee0000000000a001","kind":"flag"}"#;
        let (name, value) = signature.header(&values("s3cr3t-value"), body).expect("there is a secret");
        assert_eq!(name, "X-LD-Signature");
        assert_eq!(value, "f026a4bea486a46a01bf12dde589921bf834c1af74772fd746c9e316e9c1f1b9");
        assert_eq!(signature.header(&values(""), body), None);
    }
}
