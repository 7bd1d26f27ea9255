//! What would be sent for an entry, fit to be shown: no secret is in it.

use domain::{Entry, Timestamp, error_chain};
use serde_json::{Map, Value};
use url::Url;

use crate::{
    extension::OnLate,
    integration::{HttpRequest, Integration},
    kind::Kind,
    render::{Item, Nothing, RenderError, RenderedItem},
};

/// Stands for what is made with a secret, such as a signature.
const HIDDEN: &str = "[hidden]";

/// Headers that are not part of what is rendered for being shown, and hold nothing secret.
const OPEN_HEADERS: [&str; 3] = ["content-encoding", "webhook-id", "webhook-timestamp"];

/// What would become of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Preview {
    /// The request, or why there is none.
    pub outcome: PreviewOutcome,
    /// What is otherwise than one might expect; whole sentences.
    pub warnings: Vec<String>,
}

/// The request, or why there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PreviewOutcome {
    /// This would be sent.
    Request(PreviewRequest),
    /// Nothing would be sent.
    Nothing(Nothing),
    /// No request can be made of this very entry; why.
    Unrenderable(String),
}

/// A request as it would be, with masks in place of secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PreviewRequest {
    /// Such as `POST`; for destinations that are not plain HTTP the name of their kind.
    pub method: String,
    /// The address; none for destinations that are not plain HTTP. Of one that carries a key only
    /// scheme and host.
    pub url: Option<String>,
    /// Names and values.
    pub headers: Vec<(String, String)>,
    /// The body before compression; for destinations that are not plain HTTP what the template
    /// makes of the entry.
    pub body: String,
}

impl Integration {
    /// Renders an entry alone under this config, which is valid, and shows the outcome.
    ///
    /// # Errors
    /// Why no entry at all can be sent; no value of the config is in it.
    pub fn preview(
        &self,
        config: &Map<String, Value>,
        entry: &Entry,
        base_url: &str,
        now: Timestamp,
    ) -> Result<Preview, RenderError> {
        let mut warnings = self.warnings(config, entry, now);
        let item = match self.render_item(config, entry, base_url, now) {
            Ok(Item::Body(item)) => item,
            Ok(Item::Nothing(nothing)) => {
                return Ok(Preview { outcome: PreviewOutcome::Nothing(nothing), warnings });
            }
            Err(error) if error.is_of_entry() => {
                return Ok(Preview { outcome: PreviewOutcome::Unrenderable(error_chain(&error)), warnings });
            }
            Err(error) => return Err(error),
        };
        if self.is_shortened(&item, config, entry, base_url, now) {
            warnings.push("texts or lists are shortened to what the destination takes".to_owned());
        }
        let shown = self.shown(config, entry, base_url, now);
        let request = if self.kind() == Kind::Http {
            let shown = shown.and_then(|(copy, masked, item)| copy.request(&masked, &[item]).ok());
            merged(self.request(config, &[item])?, shown)
        } else {
            let body = shown.map_or_else(|| HIDDEN.to_owned(), |(.., item)| text(&item.body));
            PreviewRequest { method: self.kind().to_string(), url: None, headers: Vec::new(), body }
        };
        if request.body == HIDDEN {
            warnings.push("the request cannot be shown: masks do not fit where its secrets stand".to_owned());
        }
        Ok(Preview { outcome: PreviewOutcome::Request(request), warnings })
    }

    /// The entry rendered anew with masks in place of secrets, so that no form of a secret can be
    /// left in it; none where a mask does not fit, such as in place of a number.
    fn shown(
        &self,
        config: &Map<String, Value>,
        entry: &Entry,
        base_url: &str,
        now: Timestamp,
    ) -> Option<(Self, Map<String, Value>, RenderedItem)> {
        let masked = self.redacted_config(config);
        let mut copy = self.clone();
        copy.signature = None;
        copy.extension.standard_webhook = None;
        copy.extension.gzip_from_bytes = None;
        match copy.render_item(&masked, entry, base_url, now) {
            Ok(Item::Body(item)) => Some((copy, masked, item)),
            _ => None,
        }
    }

    fn is_shortened(
        &self,
        item: &RenderedItem,
        config: &Map<String, Value>,
        entry: &Entry,
        base_url: &str,
        now: Timestamp,
    ) -> bool {
        let mut unlimited = self.clone();
        unlimited.extension.cut = Vec::new();
        unlimited.extension.body_budget = None;
        let whole = unlimited.render_item(config, entry, base_url, now);
        matches!(whole, Ok(Item::Body(whole)) if whole.body != item.body)
    }

    fn warnings(&self, config: &Map<String, Value>, entry: &Entry, now: Timestamp) -> Vec<String> {
        let mut warnings = Vec::new();
        let outside = self.age_window().filter(|window| !window.holds(entry.facts().date(), now));
        warnings.extend(outside.map(|window| {
            match window.on_late() {
            OnLate::Skip => "the event lies outside of the time that the destination takes: it is skipped".to_owned(),
            OnLate::Restamp => {
                "the event lies outside of the time that the destination takes: it is sent with the time of the request"
                    .to_owned()
            }
        }
        }));
        let values = self.values(config);
        for variable in self.form_variables() {
            let url = values.get(&variable.key).and_then(Value::as_str).and_then(|text| Url::parse(text).ok());
            let Some(url) = url else { continue };
            let key = &variable.key;
            if !variable.usual_hosts.is_empty() && !variable.usual_hosts.iter().any(|host| is_of(&url, host)) {
                let hosts = variable.usual_hosts.join(", ");
                warnings.push(format!("config.{key} leads to another host than those of {}: {hosts}", self.name()));
            }
            if url.scheme() == "http" {
                warnings.push(format!("config.{key} is not encrypted: anyone on the way can read keys and entries"));
            }
        }
        if !self.verifies_tls(config) {
            warnings.push("the certificate of the destination is not checked".to_owned());
        }
        warnings
    }
}

/// Whether a URL leads to this host, or to one within it when it begins with `*.`.
fn is_of(url: &Url, host: &str) -> bool {
    let given = url.host_str().unwrap_or_default();
    match host.strip_prefix('*') {
        Some(domain) => given.len() > domain.len() && given.ends_with(domain),
        None => given == host,
    }
}

/// The headers of the real request, with the values of the one that is shown.
fn merged(real: HttpRequest, shown: Option<HttpRequest>) -> PreviewRequest {
    let Some(shown) = shown else {
        let headers = real.headers.into_iter().map(|(name, _)| (name, HIDDEN.to_owned())).collect();
        return PreviewRequest { method: real.method.to_owned(), url: None, headers, body: HIDDEN.to_owned() };
    };
    let header = |(at, (name, value)): (usize, (String, String))| {
        let value = match shown.headers.get(at).filter(|(other, _)| *other == name) {
            Some((_, masked)) => masked.clone(),
            None if OPEN_HEADERS.iter().any(|open| name.eq_ignore_ascii_case(open)) => value,
            None => HIDDEN.to_owned(),
        };
        (name, value)
    };
    PreviewRequest {
        method: real.method.to_owned(),
        url: Some(shown_url(&shown.url, &real.url)),
        headers: real.headers.into_iter().enumerate().map(header).collect(),
        body: text(&shown.body),
    }
}

/// The masked address, and whether something more stands in the real one.
fn shown_url(masked: &str, real: &str) -> String {
    let is_origin = Url::parse(masked).is_ok_and(|url| url.path() == "/" && url.query().is_none());
    let masked = masked.replace("%2A", "*");
    if is_origin && real.len() > masked.len() { format!("{masked}…") } else { masked }
}

fn text(body: &[u8]) -> String {
    String::from_utf8_lossy(body).into_owned()
}
