//! Makes the bytes of a reply fit to be shown.

use base64::{
    Engine,
    engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};
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
/// in the escapes in which senders repeat what they were sent, in any case of its ASCII letters,
/// and cut off at the end of the reply.
pub fn redact(body: &[u8], secrets: &[Secret], bytes_max: usize) -> String {
    let mut text = String::from_utf8_lossy(body).into_owned();
    let mut forms: Vec<String> = secrets.iter().flat_map(|secret| forms(secret.expose())).collect();
    // The longest first, so that no rest of it stays when one secret is part of another.
    forms.sort_by(|one, other| other.len().cmp(&one.len()).then_with(|| one.cmp(other)));
    forms.dedup();
    for form in &forms {
        hide(&mut text, form);
    }
    let lower = text.to_ascii_lowercase();
    if let Some(at) = forms.iter().filter_map(|form| tail_of(&lower, form)).min() {
        text.truncate(at);
        text.push_str(HIDDEN);
    }
    if text.len() > bytes_max {
        text.truncate(boundary_before(&text, bytes_max));
        text.push_str(MARK);
    }
    text
}

/// The secret as replies may repeat it, with its ASCII letters in lower case.
fn forms(secret: &str) -> Vec<String> {
    if secret.is_empty() {
        return Vec::new();
    }
    let json = Value::from(secret).to_string();
    let json = &json[1..json.len() - 1];
    let form: String = byte_serialize(secret.as_bytes()).collect();
    let html = secret.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;");
    let mut forms = vec![
        secret.to_owned(),
        json.to_owned(),
        // As PHP writes JSON, and as encoders do that keep to ASCII.
        json.replace('/', "\\/"),
        ascii(json),
        ascii(&json.replace('/', "\\/")),
        form.replace('+', "%20"),
        form,
        html.replace('\'', "&#x27;"),
        html.replace('\'', "&#39;"),
        html,
    ];
    for engine in [&STANDARD_NO_PAD, &URL_SAFE_NO_PAD] {
        forms.push(engine.encode(secret));
    }
    forms.iter_mut().for_each(|form| form.make_ascii_lowercase());
    forms
}

/// Writes every character beyond ASCII as JSON escapes.
fn ascii(json: &str) -> String {
    let escape = |c: char| match c.is_ascii() {
        true => c.to_string(),
        false => c.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")).collect(),
    };
    json.chars().map(escape).collect()
}

fn hide(text: &mut String, form: &str) {
    // ASCII letters have one byte in either case, so places in one are places in the other.
    let lower = text.to_ascii_lowercase();
    let mut clean = String::with_capacity(text.len());
    let mut from = 0;
    for (at, _) in lower.match_indices(form) {
        clean.push_str(&text[from..at]);
        clean.push_str(HIDDEN);
        from = at + form.len();
    }
    if from > 0 {
        clean.push_str(&text[from..]);
        *text = clean;
    }
}

/// Where the text ends with the beginning of a secret; both in lower case.
fn tail_of(text: &str, form: &str) -> Option<usize> {
    let longest = form.len().min(text.len());
    let beginning = |length: &usize| form.is_char_boundary(*length) && text.ends_with(&form[..*length]);
    (TAIL_MIN..=longest).rev().find(beginning).map(|length| text.len() - length)
}

#[cfg(test)]
mod tests {
    use domain::Secret;

    use super::redact;

    #[test]
    fn a_secret_is_hidden_in_every_form_in_which_replies_repeat_it() {
        let secret = || Secret::new("Cänary/key <1>+'=\"".to_owned());
        for form in [
            "Cänary/key <1>+'=\"",
            "Cänary/key <1>+'=\\\"",
            "Cänary\\/key <1>+'=\\\"",
            "C\\u00e4nary/key <1>+'=\\\"",
            "C\\u00E4nary\\/key <1>+'=\\\"",
            "C%C3%A4nary%2Fkey+%3C1%3E%2B%27%3D%22",
            "c%c3%a4nary%2fkey%20%3c1%3e%2b%27%3d%22",
            "Cänary/key &lt;1&gt;+&#x27;=&quot;",
            "Cänary/key &lt;1&gt;+&#39;=&quot;",
            "Q8OkbmFyeS9rZXkgPDE+Kyc9Ig==",
            "CäNARY/KEY <1>+'=\"",
        ] {
            let shown = redact(format!("echo: {form} end").as_bytes(), &[secret()], 1_000);
            let rest = shown.strip_prefix("echo: [hidden]").and_then(|rest| rest.strip_suffix(" end"));
            assert!(matches!(rest, Some("" | "==")), "{form}: {shown}");
        }
    }
}
