//! From an entry to the rendered item that is sent for it.

use aws_lc_rs::digest;
use domain::{Entry, Timestamp};
use serde_json::{Map, Value};

use crate::{
    extension::{AgeWindow, OnLate},
    integration::RequestLine,
    template::{JsonEscape, Limits, Template, TemplateError},
};

/// Why an entry or a batch has no request.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// The integration is known, but this server cannot deliver to it.
    #[error("the integration cannot be delivered to: {reason}")]
    Undeliverable {
        /// Why.
        reason: String,
    },
    /// The body's template stopped.
    #[error("the template does not render: {0}")]
    Template(TemplateError),
    /// The template is for JSON, and what it gave is none.
    #[error("template {template} gave a body that is not JSON: {reason}")]
    InvalidBody {
        /// The template's file.
        template: String,
        /// What is wrong, with line and column of the body.
        reason: String,
    },
    /// The body is larger than the destination takes, and nothing in it may be shortened further.
    #[error("the body has {bytes} bytes and the destination takes {bytes_max}")]
    TooLarge {
        /// Size of the body.
        bytes: usize,
        /// What the destination takes.
        bytes_max: usize,
    },
    /// The URL's template gave nothing that may be called.
    #[error("the address cannot be used: {reason}")]
    Url {
        /// What is wrong; never the value.
        reason: String,
        /// Whether the template reads the entry, so that the entry may be the cause.
        of_entry: bool,
    },
    /// A header's template gave nothing that may be sent.
    #[error("the header {name} cannot be sent: {reason}")]
    Header {
        /// The header.
        name: String,
        /// What is wrong; never the value.
        reason: String,
        /// Whether the template reads the entry, so that the entry may be the cause.
        of_entry: bool,
    },
    /// A request needs at least one item, and an integration without batches exactly one.
    #[error("a request of this integration cannot have {items} items")]
    ItemCount {
        /// How many were given.
        items: usize,
    },
    /// The compressor failed.
    #[error("the body cannot be compressed")]
    Compress(#[source] std::io::Error),
}

impl RenderError {
    /// Whether this very entry is the cause, so that others may still be sent.
    /// Otherwise the config or the integration is, and no entry can be sent.
    pub fn is_of_entry(&self) -> bool {
        match self {
            Self::Template(_) | Self::InvalidBody { .. } | Self::TooLarge { .. } => true,
            Self::Url { of_entry, .. } | Self::Header { of_entry, .. } => *of_entry,
            Self::Undeliverable { .. } | Self::ItemCount { .. } | Self::Compress(_) => false,
        }
    }
}

/// When an item is rendered, and what times are still free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// The time of the request.
    pub now: Timestamp,
    /// The earliest time that an ordered destination still takes, if it has had one before.
    pub not_before: Option<Timestamp>,
    /// Whether what lies outside of the age window is sent with the time of the request although
    /// the manifest says to skip it.
    pub sends_late: bool,
}

impl From<Timestamp> for Moment {
    fn from(now: Timestamp) -> Self {
        Self { now, not_before: None, sends_late: false }
    }
}

/// What became of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// Nothing is sent for it.
    Nothing(Nothing),
    /// This is sent for it.
    Body(RenderedItem),
}

/// Why nothing is sent for an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nothing {
    /// The integration has no template for its kind.
    NoTemplate,
    /// The template gave only blanks.
    EmptyBody,
    /// It lies outside of the age window, and the manifest says to skip it.
    Late,
}

/// One entry, ready to be sent alone or in a batch.
#[derive(Clone, PartialEq, Eq)]
pub struct RenderedItem {
    /// The item's bytes; for an integration without batches the whole body.
    pub body: Vec<u8>,
    /// The time that the body gives to the destination: the event's, or a later one.
    pub stamp: Timestamp,
    /// When it was rendered.
    pub now: Timestamp,
    /// Address and headers, where they depend on the entry.
    pub(crate) line: Option<RequestLine>,
    /// Names the message, where requests are Standard Webhooks.
    pub(crate) message_id: Option<String>,
}

impl std::fmt::Debug for RenderedItem {
    // The line holds keys.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let body = String::from_utf8_lossy(&self.body);
        f.debug_struct("RenderedItem").field("body", &body).field("stamp", &self.stamp).finish_non_exhaustive()
    }
}

#[derive(Clone, Debug)]
pub(crate) struct BodyTemplate {
    pub(crate) file: String,
    pub(crate) template: Template,
    pub(crate) json: bool,
}

/// The time that a body gives to the destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub(crate) at: Timestamp,
    pub(crate) late: bool,
    pub(crate) restamped: bool,
}

impl Stamp {
    /// None when the entry is to be skipped.
    pub(crate) fn new(date: Timestamp, moment: Moment, window: Option<&AgeWindow>) -> Option<Self> {
        let late = window.and_then(AgeWindow::past_max).is_some_and(|max| moment.now.since(date) > max);
        let outside = window.filter(|window| !window.holds(date, moment.now));
        if outside.is_some_and(|window| window.on_late() == OnLate::Skip) && !moment.sends_late {
            return None;
        }
        let mut at = if outside.is_some() { moment.now } else { date };
        if let Some(not_before) = moment.not_before {
            at = at.max(not_before);
        }
        Some(Self { at, late, restamped: at != date })
    }
}

/// Whether a member of the context is looked at, as [`domain::EntryFacts::context_for`] asks.
pub(crate) type Wants<'a> = &'a dyn Fn(&str, &str) -> bool;

/// What the context has beside the entry: docs/integrations.md, "What templates see".
pub(crate) fn delivery_context(entry: &Entry, stamp: Stamp, now: Timestamp, wants: Wants<'_>) -> Value {
    let mut delivery = Map::new();
    let mut make = |name: &str, value: &dyn Fn() -> Value| {
        if wants("delivery", name) {
            delivery.insert(name.to_owned(), value());
        }
    };
    make("handle", &|| handle(entry).into());
    make("digest", &|| digest(entry).into());
    make("account", &|| entry.account.to_string().into());
    make("sequence", &|| entry.sequence.0.into());
    make("late", &|| stamp.late.into());
    make("restamped", &|| stamp.restamped.into());
    make("timestamp", &|| times(stamp.at, &|name| wants("timestamp", name)));
    make("now", &|| times(now, &|name| wants("now", name)));
    delivery.into()
}

/// A time in the forms that are wanted.
pub(crate) fn times(at: Timestamp, wants: &dyn Fn(&str) -> bool) -> Value {
    let millis = at.as_millis();
    let fraction = millis.rem_euclid(1000);
    // Seconds before 1970 have a minus and a fraction that counts the other way.
    let sign = if millis < 0 { "-" } else { "" };
    let (whole, rest) = (millis.unsigned_abs() / 1000, millis.unsigned_abs() % 1000);
    let mut times = Map::new();
    let mut make = |name: &str, value: &dyn Fn() -> Value| {
        if wants(name) {
            times.insert(name.to_owned(), value());
        }
    };
    make("milliseconds", &|| millis.into());
    make("seconds", &|| at.as_seconds().into());
    make("secondsFraction", &|| format!("{sign}{whole}.{rest:03}").into());
    make("rfc3339", &|| at.rfc3339().into());
    make("rfc3339Milliseconds", &|| format!("{}.{fraction:03}Z", at.rfc3339().trim_end_matches('Z')).into());
    times.into()
}

/// Names an entry by its content: account, id and a hash of the stored bytes. At most 314 bytes,
/// since an id has at most 256.
fn handle(entry: &Entry) -> String {
    let hash = digest::digest(&digest::SHA256, &entry.bytes);
    format!("{}-{}-{}", entry.account, entry.id, hex(&hash.as_ref()[..16]))
}

/// Names an entry by its content in 32 hex digits, for places that have no room for the handle.
pub(crate) fn digest(entry: &Entry) -> String {
    let hash = digest::digest(&digest::SHA256, handle(entry).as_bytes());
    hex(&hash.as_ref()[..16])
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |value: u8| char::from(DIGITS[usize::from(value)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 0x0f)]).collect()
}

/// The root of body templates, at least with what is wanted.
pub(crate) fn body_root(
    entry: &Entry,
    base_url: &str,
    mut values: Map<String, Value>,
    delivery: Value,
    wants: Wants<'_>,
) -> Value {
    let mut root = match entry.facts().context_for(base_url, wants) {
        Value::Object(root) => root,
        _ => Map::new(),
    };
    values.insert("oauth".into(), Value::Null);
    root.insert("formVariables".into(), Value::Object(values));
    root.insert("delivery".into(), delivery);
    Value::Object(root)
}

/// The root of URL and header templates.
pub(crate) fn line_root(mut values: Map<String, Value>, context: Value) -> Value {
    values.insert("oauth".into(), Value::Null);
    values.insert("context".into(), context);
    Value::Object(values)
}

/// Renders a prefix of an item, which is JSON like the item.
pub(crate) fn render_json(template: &Template, root: &Value) -> Result<String, RenderError> {
    template.render(root, &JsonEscape, &Limits::default()).map_err(RenderError::Template)
}
