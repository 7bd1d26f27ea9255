//! A small mapping in the types of the Elastic Common Schema, and what a document breaks in it.
//!
//! Source: <https://www.elastic.co/docs/reference/ecs/ecs-field-reference>.

use serde_json::{Map, Value};

use crate::time;

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Date,
    Keyword,
    Long,
    Text,
    Ip,
    /// Free keys with scalar values, as `labels`.
    Flat,
}

/// The typed fields. Parts before a dot are objects; every field that is not here is taken as it is.
const FIELDS: [(&str, Kind); 44] = [
    ("@timestamp", Kind::Date),
    ("client.ip", Kind::Ip),
    ("cloud.account.id", Kind::Keyword),
    ("data_stream.dataset", Kind::Keyword),
    ("data_stream.namespace", Kind::Keyword),
    ("data_stream.type", Kind::Keyword),
    ("ecs.version", Kind::Keyword),
    ("event.action", Kind::Keyword),
    ("event.category", Kind::Keyword),
    ("event.created", Kind::Date),
    ("event.dataset", Kind::Keyword),
    ("event.duration", Kind::Long),
    ("event.end", Kind::Date),
    ("event.id", Kind::Keyword),
    ("event.ingested", Kind::Date),
    ("event.kind", Kind::Keyword),
    ("event.module", Kind::Keyword),
    ("event.original", Kind::Keyword),
    ("event.outcome", Kind::Keyword),
    ("event.provider", Kind::Keyword),
    ("event.reason", Kind::Keyword),
    ("event.sequence", Kind::Long),
    ("event.severity", Kind::Long),
    ("event.start", Kind::Date),
    ("event.type", Kind::Keyword),
    ("event.url", Kind::Keyword),
    ("host.name", Kind::Keyword),
    ("labels", Kind::Flat),
    ("message", Kind::Text),
    ("observer.name", Kind::Keyword),
    ("observer.vendor", Kind::Keyword),
    ("organization.id", Kind::Keyword),
    ("organization.name", Kind::Keyword),
    ("related.user", Kind::Keyword),
    ("service.environment", Kind::Keyword),
    ("service.name", Kind::Keyword),
    ("source.ip", Kind::Ip),
    ("tags", Kind::Keyword),
    ("user.domain", Kind::Keyword),
    ("user.email", Kind::Keyword),
    ("user.full_name", Kind::Keyword),
    ("user.id", Kind::Keyword),
    ("user.name", Kind::Keyword),
    ("user.roles", Kind::Keyword),
];

/// Why the document `id` does not fit the mapping; `None` where it does.
pub(super) fn misfit(id: &str, document: &Map<String, Value>) -> Option<String> {
    object(id, "", document)
}

fn object(id: &str, prefix: &str, object: &Map<String, Value>) -> Option<String> {
    object.iter().find_map(|(key, value)| {
        let path = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
        field(id, &path, value)
    })
}

fn field(id: &str, path: &str, value: &Value) -> Option<String> {
    if let Some((_, kind)) = FIELDS.iter().find(|(name, _)| *name == path) {
        return typed(id, path, *kind, value);
    }
    let is_parent = FIELDS.iter().any(|(name, _)| name.strip_prefix(path).is_some_and(|rest| rest.starts_with('.')));
    match value {
        Value::Object(inner) => object(id, path, inner),
        Value::Array(items) => items.iter().find_map(|item| field(id, path, item)),
        Value::Null => None,
        _ if is_parent => Some(format!(
            "object mapping for [{path}] tried to parse field [{path}] as object, but found a concrete value"
        )),
        _ => None,
    }
}

fn typed(id: &str, path: &str, kind: Kind, value: &Value) -> Option<String> {
    let fits = match value {
        Value::Null => true,
        Value::Array(items) => return items.iter().find_map(|item| typed(id, path, kind, item)),
        Value::Object(labels) => kind == Kind::Flat && labels.values().all(|label| !label.is_object()),
        Value::String(text) => match kind {
            Kind::Keyword | Kind::Text => true,
            Kind::Date => is_date(text),
            Kind::Long => text.parse::<i64>().is_ok(),
            Kind::Ip => text.parse::<std::net::IpAddr>().is_ok(),
            Kind::Flat => false,
        },
        Value::Number(number) => match kind {
            Kind::Keyword | Kind::Text => true,
            Kind::Date | Kind::Long => number.is_i64(),
            Kind::Ip | Kind::Flat => false,
        },
        Value::Bool(_) => matches!(kind, Kind::Keyword | Kind::Text),
    };
    if fits {
        return None;
    }
    let name = match kind {
        Kind::Date => "date",
        Kind::Keyword => "keyword",
        Kind::Long => "long",
        Kind::Text => "text",
        Kind::Ip => "ip",
        Kind::Flat => "object",
    };
    Some(format!("failed to parse field [{path}] of type [{name}] in document with id '{id}'"))
}

/// The default format of a date, `strict_date_optional_time||epoch_millis`.
fn is_date(text: &str) -> bool {
    let day_alone = text.len() == 10 && time::rfc3339(&format!("{text}T00:00:00Z")).is_some();
    // A time without offset is read as UTC.
    let without_offset = time::rfc3339(&format!("{text}Z")).is_some();
    day_alone || without_offset || time::rfc3339(text).is_some() || text.parse::<i64>().is_ok()
}
