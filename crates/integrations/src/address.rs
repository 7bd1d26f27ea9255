//! URL and header templates: a printed value stays in the part of the URL where it stands.

use std::cell::Cell;

use serde_json::Value;
use url::{Position, Url};

use crate::{
    render::RenderError,
    template::{Escape, Limits, Template},
    variables::{VariableType, absolute_http},
};

/// Receivers take no longer ones, and escaping a value looks at what stands before it.
const LIMITS: Limits = Limits { output_bytes: 32 * 1024, ..Limits::DEFAULT };

/// The template of a request's URL.
#[derive(Clone, Debug)]
pub(crate) struct UrlTemplate {
    template: Template,
    userinfo: bool,
    of_entry: bool,
}

impl UrlTemplate {
    pub(crate) fn new(template: Template, source: &str) -> Self {
        Self { template, userinfo: declares_userinfo(source), of_entry: source.contains("context") }
    }

    /// Whether the URL is not the same for every entry.
    pub(crate) fn is_of_entry(&self) -> bool {
        self.of_entry
    }

    pub(crate) fn render(&self, root: &Value) -> Result<String, RenderError> {
        let escape = UrlEscape { userinfo: self.userinfo, base_end: Cell::new(None) };
        let fail = |reason: String| RenderError::Url { reason, of_entry: self.of_entry };
        let text = self.template.render(root, &escape, &LIMITS).map_err(|error| fail(error.kind.to_string()))?;
        finish(&text, escape.base_end.get()).map_err(|reason| fail(reason.to_owned()))
    }
}

/// A header and the template of its value.
#[derive(Clone, Debug)]
pub(crate) struct HeaderTemplate {
    name: String,
    value: Template,
    of_entry: bool,
}

impl HeaderTemplate {
    pub(crate) fn new(name: &str, value: Template, source: &str) -> Self {
        Self { name: name.to_owned(), value, of_entry: source.contains("context") }
    }

    /// Whether the value is not the same for every entry.
    pub(crate) fn is_of_entry(&self) -> bool {
        self.of_entry
    }

    /// Name and value; none when the value is empty.
    pub(crate) fn render(&self, root: &Value) -> Result<Option<(String, String)>, RenderError> {
        let rendered = self.value.render(root, &HeaderEscape, &LIMITS);
        let value = rendered.map_err(|error| RenderError::Header {
            name: self.name.clone(),
            reason: error.kind.to_string(),
            of_entry: self.of_entry,
        })?;
        let value = value.trim();
        Ok((!value.is_empty()).then(|| (self.name.clone(), value.to_owned())))
    }
}

/// Whether the template itself writes `name:password@` before its host.
fn declares_userinfo(source: &str) -> bool {
    let mut literal = String::new();
    let mut from = 0;
    for (range, _) in tags(source) {
        literal.push_str(&source[from..range.start]);
        from = range.end;
    }
    literal.push_str(&source[from..]);
    authority(&literal).is_some_and(|authority| authority.contains('@'))
}

/// The part between `://` and the next `/`, `?` or `#`.
fn authority(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("://")?;
    rest.split(['/', '?', '#']).next()
}

/// Whether every config leads to a host that the template names. `kind` tells the type of a form
/// variable, and none of other words.
pub(crate) fn host_is_fixed(source: &str, kind: &dyn Fn(&str) -> Option<VariableType>) -> bool {
    let source = source.trim();
    if source.starts_with("{{") {
        // Values or conditions choose the base: fixed only if all of them choose from a list.
        let mut kinds = tags(source)
            .flat_map(|(_, tag)| tag.split_whitespace())
            .filter_map(|word| if word.starts_with("context") { Some(VariableType::Text) } else { kind(word) });
        return kinds.all(|kind| kind == VariableType::Enum);
    }
    let Some(start) = source.find("://") else { return false };
    let host_end = |from: usize| source[from..].find(['/', '?', '#']).map_or(source.len(), |at| from + at);
    let mut end = host_end(start + 3);
    let mut all_listed = true;
    let mut tail = start + 3;
    for (range, tag) in tags(source) {
        if range.start >= end {
            break;
        }
        all_listed &= kind(tag) == Some(VariableType::Enum);
        tail = range.end;
        end = host_end(range.end);
    }
    let tail = &source[tail..end];
    let within_domain = tail.starts_with('.') && tail.matches('.').count() >= 2;
    all_listed || within_domain || tail.contains('@')
}

/// The places of the tags of a template, and what stands between their braces.
fn tags(source: &str) -> impl Iterator<Item = (std::ops::Range<usize>, &str)> {
    let mut from = 0;
    std::iter::from_fn(move || {
        let start = from + source[from..].find("{{")?;
        let close = start + source[start..].find("}}")?;
        let end = close + source[close..].len() - source[close..].trim_start_matches('}').len();
        from = end;
        Some((start..end, source[start..close].trim_matches(['{', '}', '#', '/', '&', '~', ' '])))
    })
}

struct UrlEscape {
    userinfo: bool,
    /// Where the base URL ends in the output, if a value began it.
    base_end: Cell<Option<usize>>,
}

impl Escape for UrlEscape {
    fn push(&self, out: &mut String, value: &str, _triple: bool) -> Result<(), String> {
        if value.is_empty() {
            return Ok(());
        }
        if out.trim().is_empty() {
            absolute_http(value).ok_or("the base is not an absolute http or https URL")?;
            out.push_str(value);
            self.base_end.set(Some(out.len()));
            return Ok(());
        }
        let Some((_, after_scheme)) = out.split_once("://") else {
            return Err("a value stands in the scheme of the URL".into());
        };
        match after_scheme.find(['/', '?', '#']) {
            None if self.base_end.get().is_some() => Err("a value would prolong the host of the base URL".into()),
            None if self.userinfo && !after_scheme.contains('@') => {
                push_encoded(out, value, |_| false);
                Ok(())
            }
            None => push_host(out, value),
            Some(at) if after_scheme[at..].contains('?') => {
                push_encoded(out, value, |decoded| !decoded.is_ascii_control());
                Ok(())
            }
            Some(_) => {
                push_encoded(out, value, |decoded| !decoded.is_ascii_control() && !b"/\\.%".contains(&decoded));
                Ok(())
            }
        }
    }
}

fn push_host(out: &mut String, value: &str) -> Result<(), String> {
    let safe = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:".contains(&byte);
    if !value.bytes().all(safe) {
        return Err("a value in the host holds a character that no host has".into());
    }
    out.push_str(value);
    Ok(())
}

/// Percent-encodes all but unreserved characters (RFC 3986, 2.3).
///
/// The helpers `pathEncode` and `queryEncode` give text that is encoded already, which would be
/// encoded twice; so a `%XX` stays where `keeps` says that what it stands for does no harm.
fn push_encoded(out: &mut String, value: &str, keeps: impl Fn(u8) -> bool) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let bytes = value.as_bytes();
    for (at, &byte) in bytes.iter().enumerate() {
        let kept = byte == b'%' && decoded(&bytes[at..]).is_some_and(&keeps);
        if kept || byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push(char::from(HEX[usize::from(byte >> 4)]));
            out.push(char::from(HEX[usize::from(byte & 15)]));
        }
    }
}

fn decoded(text: &[u8]) -> Option<u8> {
    let digit = |at: usize| text.get(at).and_then(|byte| char::from(*byte).to_digit(16));
    u8::try_from(digit(1)? * 16 + digit(2)?).ok()
}

/// Joins base and rest, and checks that the whole is the URL that it was meant to be.
fn finish(text: &str, base_end: Option<usize>) -> Result<String, &'static str> {
    let mut joined = text.to_owned();
    if let Some(end) = base_end
        && !text[end..].trim().is_empty()
    {
        if text[..end].contains(['?', '#']) {
            return Err("the base URL has a query or a fragment, and more follows it");
        }
        if text[..end].ends_with('/') && text[end..].starts_with('/') {
            joined.remove(end);
        }
    }
    let joined = joined.trim();
    let mut url = absolute_http(joined).ok_or("the URL is not an absolute http or https URL")?;
    let meant = authority(joined).and_then(|authority| authority.rsplit('@').next()).unwrap_or_default();
    // What stands there word for word needs no reading of its own.
    if url[Position::BeforeHost..Position::AfterPort] != *meant {
        let scheme = url.scheme();
        let expected = Url::parse(&format!("{scheme}://{meant}")).map_err(|_| "the host of the URL is no host")?;
        if expected.host_str() != url.host_str() || expected.port_or_known_default() != url.port_or_known_default() {
            return Err("a value changes the host of the URL");
        }
    }
    let path = joined.split_once("://").map_or("", |(_, rest)| rest);
    let path = path.split(['?', '#']).next().unwrap_or_default();
    if path.split('/').skip(1).any(is_dot_segment) {
        return Err("the path of the URL has a segment . or ..");
    }
    url.set_fragment(None);
    Ok(url.into())
}

fn is_dot_segment(segment: &str) -> bool {
    matches!(segment.to_ascii_lowercase().replace("%2e", ".").as_str(), "." | "..")
}

struct HeaderEscape;

impl Escape for HeaderEscape {
    fn push(&self, out: &mut String, value: &str, _triple: bool) -> Result<(), String> {
        if value.chars().any(char::is_control) {
            return Err("a value holds a line break or another control character".into());
        }
        out.push_str(value);
        Ok(())
    }
}
