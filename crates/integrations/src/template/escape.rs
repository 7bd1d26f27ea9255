//! How printed values are written into the output.

use std::fmt::Write as _;

/// How a printed value is written.
pub trait Escape {
    /// Appends `value` to `out`, which holds all output so far, so that an escaper may look at
    /// where in the text the value stands. `triple` is true for `{{{x}}}` and `{{&x}}`.
    ///
    /// # Errors
    /// Why the value cannot stand here; rendering stops and reports it as a `TemplateError`.
    fn push(&self, out: &mut String, value: &str, triple: bool) -> Result<(), String>;
}

/// For bodies in JSON: `{{x}}` is escaped for HTML and then for a JSON string, `{{{x}}}` for a
/// JSON string alone.
#[derive(Clone, Copy, Debug, Default)]
pub struct JsonEscape;

/// For other text, as handlebars.js does it: `{{x}}` is escaped for HTML, `{{{x}}}` stays raw.
#[derive(Clone, Copy, Debug, Default)]
pub struct HtmlEscape;

impl Escape for JsonEscape {
    fn push(&self, out: &mut String, value: &str, triple: bool) -> Result<(), String> {
        push_json(out, value, !triple);
        Ok(())
    }
}

impl Escape for HtmlEscape {
    fn push(&self, out: &mut String, value: &str, triple: bool) -> Result<(), String> {
        if triple {
            out.push_str(value);
            return Ok(());
        }
        let mut plain_from = 0;
        for (at, byte) in value.bytes().enumerate() {
            if let Some(entity) = html_entity(byte) {
                out.push_str(&value[plain_from..at]);
                out.push_str(entity);
                plain_from = at + 1;
            }
        }
        out.push_str(&value[plain_from..]);
        Ok(())
    }
}

/// Appends `value` as `JSON.stringify` writes the inside of a string. No HTML entity holds a
/// character that JSON escapes, so one pass does both escapings.
pub(super) fn push_json(out: &mut String, value: &str, html: bool) {
    let mut plain_from = 0;
    for (at, byte) in value.bytes().enumerate() {
        let entity = if html { html_entity(byte) } else { None };
        if entity.is_none() && byte >= 0x20 && byte != b'"' && byte != b'\\' {
            continue;
        }
        out.push_str(&value[plain_from..at]);
        plain_from = at + 1;
        match (entity, byte) {
            (Some(entity), _) => out.push_str(entity),
            (None, b'"') => out.push_str("\\\""),
            (None, b'\\') => out.push_str("\\\\"),
            (None, 0x08) => out.push_str("\\b"),
            (None, 0x0c) => out.push_str("\\f"),
            (None, b'\n') => out.push_str("\\n"),
            (None, b'\r') => out.push_str("\\r"),
            (None, b'\t') => out.push_str("\\t"),
            (None, control) => {
                // Writing to a String cannot fail.
                let _ = write!(out, "\\u{control:04x}");
            }
        }
    }
    out.push_str(&value[plain_from..]);
}

// All seven are ASCII, so a byte of a longer UTF-8 character never matches.
fn html_entity(byte: u8) -> Option<&'static str> {
    Some(match byte {
        b'&' => "&amp;",
        b'<' => "&lt;",
        b'>' => "&gt;",
        b'"' => "&quot;",
        b'\'' => "&#x27;",
        b'`' => "&#x60;",
        b'=' => "&#x3D;",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::{Escape, HtmlEscape, JsonEscape};

    fn check(escape: &dyn Escape, value: &str, double: &str, triple: &str) {
        for (is_triple, expected) in [(false, double), (true, triple)] {
            let mut out = String::from("before ");
            escape.push(&mut out, value, is_triple).unwrap();
            assert_eq!(out, format!("before {expected}"));
        }
    }

    #[test]
    fn html_escape_writes_the_entities_of_handlebars_js() {
        check(&HtmlEscape, "a&<>\"'`=\n\\é", "a&amp;&lt;&gt;&quot;&#x27;&#x60;&#x3D;\n\\é", "a&<>\"'`=\n\\é");
    }

    #[test]
    fn json_escape_writes_what_json_stringify_writes() {
        check(
            &JsonEscape,
            "\u{8}\u{c}\n\r\t\u{1f}\u{0}\\",
            "\\b\\f\\n\\r\\t\\u001f\\u0000\\\\",
            "\\b\\f\\n\\r\\t\\u001f\\u0000\\\\",
        );
        check(&JsonEscape, "é\u{7f}\u{2028}😀", "é\u{7f}\u{2028}😀", "é\u{7f}\u{2028}😀");
    }

    #[test]
    fn json_escape_of_double_braces_escapes_html_first() {
        check(&JsonEscape, "\"<\n", "&quot;&lt;\\n", "\\\"<\\n");
    }

    #[test]
    fn triple_braces_in_json_stay_a_valid_string() {
        let hostile: String = (0..=0x1_00ff_u32).filter_map(char::from_u32).collect();
        for triple in [false, true] {
            let mut out = String::from("\"");
            JsonEscape.push(&mut out, &hostile, triple).unwrap();
            out.push('"');
            let read: String = serde_json::from_str(&out).unwrap();
            assert_eq!(read == hostile, triple);
        }
    }
}
