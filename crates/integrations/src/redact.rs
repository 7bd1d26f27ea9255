//! Makes the bytes of a reply fit to be shown.

use domain::Secret;
use serde_json::Value;
use url::form_urlencoded::byte_serialize;

use crate::cut::boundary_before;

const HIDDEN: &str = "[hidden]";

/// Stands at the end of evidence that was cut.
const MARK: &str = "…";

// A shorter piece of a secret at the cut end of a reply says nothing.
const TAIL_MIN: usize = 4;

/// A reply as text in at most `bytes_max` bytes and a mark, with every secret replaced: as it is,
/// escaped for JSON or for a URL, and cut off at the end of the reply.
pub fn redact(body: &[u8], secrets: &[Secret], bytes_max: usize) -> String {
    let mut text = String::from_utf8_lossy(body).into_owned();
    let mut forms: Vec<String> = secrets.iter().flat_map(|secret| forms(secret.expose())).collect();
    // The longest first, so that no rest of it stays when one secret is part of another.
    forms.sort_by_key(|form| std::cmp::Reverse(form.len()));
    forms.dedup();
    for form in &forms {
        text = text.replace(form.as_str(), HIDDEN);
    }
    if let Some(at) = forms.iter().filter_map(|form| tail_of(&text, form)).min() {
        text.truncate(at);
        text.push_str(HIDDEN);
    }
    if text.len() > bytes_max {
        text.truncate(boundary_before(&text, bytes_max));
        text.push_str(MARK);
    }
    text
}

fn forms(secret: &str) -> Vec<String> {
    let json = Value::from(secret).to_string();
    let mut forms =
        vec![secret.to_owned(), json[1..json.len() - 1].to_owned(), byte_serialize(secret.as_bytes()).collect()];
    forms.retain(|form| !form.is_empty());
    forms
}

/// Where the text ends with the beginning of a secret.
fn tail_of(text: &str, form: &str) -> Option<usize> {
    let longest = form.len().min(text.len());
    let beginning = |length: &usize| form.is_char_boundary(*length) && text.ends_with(&form[..*length]);
    (TAIL_MIN..=longest).rev().find(beginning).map(|length| text.len() - length)
}
