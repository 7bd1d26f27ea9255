//! One message, as RFC 5424 writes it.

use domain::Timestamp;
use integrations::RenderedItem;
use serde::Deserialize;
use serde_json::{Map, Value};

/// Informational. An entry of an audit log is no failure, whatever it tells of.
const SEVERITY: u8 = 6;
/// The lengths of RFC 5424, 6.
const HOSTNAME_MAX: usize = 255;
const APP_NAME_MAX: usize = 48;
const MESSAGE_ID_MAX: usize = 32;
const NAME_MAX: usize = 32;
/// Stands at the end of a text that was cut.
const MARK: &str = "…";
const BOM: &str = "\u{feff}";

/// What is the same for all messages of a subscription.
pub(super) struct Header {
    pub(super) facility: String,
    pub(super) hostname: String,
    pub(super) app_name: String,
    /// Names the structured data; none without it.
    pub(super) data_id: String,
}

/// What the template gives: docs/integrations/syslog.md.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Rendered {
    #[serde(default)]
    message_id: String,
    #[serde(default)]
    data: Map<String, Value>,
    text: String,
}

/// The message of an entry, in at most `bytes_max` bytes; its text is cut for that.
///
/// # Errors
/// What is wrong with the template's output, or that it cannot be made short enough.
pub(super) fn of(header: &Header, item: &RenderedItem, bytes_max: usize) -> Result<Vec<u8>, String> {
    let rendered: Rendered = serde_json::from_slice(&item.body)
        .map_err(|error| format!("the template gave no message with text and data: {error}"))?;
    let priority = facility(&header.facility) * 8 + SEVERITY;
    let head = format!(
        "<{priority}>1 {} {} {} - {} {} ",
        timestamp(item.stamp),
        name(&header.hostname, HOSTNAME_MAX),
        name(&header.app_name, APP_NAME_MAX),
        name(&rendered.message_id, MESSAGE_ID_MAX),
        structured_data(&header.data_id, &rendered.data),
    );
    let mut message = head + BOM;
    let Some(room) = bytes_max.checked_sub(message.len() + MARK.len()) else {
        return Err(format!("the message without its text has more than {bytes_max} bytes"));
    };
    if rendered.text.len() <= room + MARK.len() {
        message.push_str(&rendered.text);
    } else {
        message.push_str(&rendered.text[..rendered.text.floor_char_boundary(room)]);
        message.push_str(MARK);
    }
    Ok(message.into_bytes())
}

/// Source: RFC 5424, table 1.
fn facility(name: &str) -> u8 {
    match name {
        "auth" => 4,
        "authpriv" => 10,
        "local0" => 16,
        "local1" => 17,
        "local2" => 18,
        "local3" => 19,
        "local4" => 20,
        "local5" => 21,
        "local6" => 22,
        "local7" => 23,
        _ => 13,
    }
}

/// With milliseconds, as `2026-09-21T14:13:20.123Z`.
fn timestamp(at: Timestamp) -> String {
    format!("{}.{:03}Z", at.rfc3339().trim_end_matches('Z'), at.as_millis().rem_euclid(1_000))
}

/// A name of the header: printable ASCII without blanks, or a dash for none.
fn name(text: &str, length_max: usize) -> String {
    let name: String = text.chars().map(|c| if c.is_ascii_graphic() { c } else { '_' }).take(length_max).collect();
    if name.is_empty() { "-".to_owned() } else { name }
}

fn structured_data(id: &str, data: &Map<String, Value>) -> String {
    // Names of structured data have fewer characters than those of the header (RFC 5424, 6.3.2).
    let named = |text: &str| name(&text.replace(['=', ']', '"'], ""), NAME_MAX);
    let id = named(id);
    if id == "-" || data.is_empty() {
        return "-".to_owned();
    }
    let mut written = format!("[{id}");
    for (key, value) in data {
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Null => continue,
            other => other.to_string(),
        };
        written.push(' ');
        written.push_str(&named(key));
        written.push_str("=\"");
        for c in text.chars() {
            if matches!(c, '"' | '\\' | ']') {
                written.push('\\');
            }
            written.push(c);
        }
        written.push('"');
    }
    written.push(']');
    written
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use domain::{AccountId, Entry, EntryId, Sequence, Timestamp};
    use integrations::{Catalogue, Item, RenderedItem};
    use serde_json::{Map, Value, json};

    use super::{Header, facility, of, timestamp};

    fn item(rendered: &Value) -> RenderedItem {
        let catalogue = Catalogue::builtin().unwrap();
        let bytes = Arc::from(&br#"{"action":"updateOn","resource":"proj/web","date":1790000000123}"#[..]);
        let now = Timestamp::from_millis(1_790_000_005_000);
        let entry = Entry::new(AccountId::from_bytes([7; 12]), Sequence(1), EntryId::from_bytes([1; 12]), now, bytes);
        let integration = catalogue.get("syslog").unwrap();
        let Item::Body(mut item) = integration.render_item(&Map::new(), &entry, "https://audit.test", now).unwrap()
        else {
            panic!("there is something to send")
        };
        item.body = rendered.to_string().into_bytes();
        item
    }

    fn header() -> Header {
        let text = |text: &str| text.to_owned();
        Header { facility: text("audit"), hostname: text("host"), app_name: text("app"), data_id: text("a@1") }
    }

    fn message(rendered: &Value, bytes_max: usize) -> Result<String, String> {
        of(&header(), &item(rendered), bytes_max).map(|bytes| String::from_utf8(bytes).unwrap())
    }

    #[test]
    fn a_message_has_every_part_and_escapes_what_the_format_asks_for() {
        let rendered = json!({
            "messageId": "update On\n", "text": "hello \"x\"]", "data": { "q": "a\"b\\c]d", "n": 7, "no": null, "a=b]": "" },
        });
        let expected = "<110>1 2026-09-21T14:13:20.123Z host app - update_On_ \
                        [a@1 q=\"a\\\"b\\\\c\\]d\" n=\"7\" ab=\"\"] \u{feff}hello \"x\"]";
        assert_eq!(message(&rendered, 8_192).unwrap(), expected);
        let bare = message(&json!({ "text": "t" }), 8_192).unwrap();
        assert!(bare.ends_with("host app - - - \u{feff}t"), "{bare}");
    }

    #[test]
    fn names_that_have_no_character_of_a_name_leave_the_structured_data_whole() {
        let data = json!({ "text": "t", "data": { "=]\"": "odd", "": "none", "é": "far" } });
        let odd = message(&data, 8_192).unwrap();
        assert!(odd.ends_with("- [a@1 -=\"odd\" -=\"none\" _=\"far\"] \u{feff}t"), "{odd}");
        for id in ["]", "=\"]", ""] {
            let header = Header { data_id: id.to_owned(), ..header() };
            let bare = String::from_utf8(of(&header, &item(&data), 8_192).unwrap()).unwrap();
            assert!(bare.ends_with("host app - - - \u{feff}t"), "{id}: {bare}");
        }
        let long = json!({ "text": "t", "data": { format!("{}{}", "=".repeat(40), "n".repeat(40)): "v" } });
        assert!(message(&long, 8_192).unwrap().contains(&format!(" {}=\"v\"]", "n".repeat(32))));
    }

    #[test]
    fn a_text_is_cut_between_characters_and_a_message_never_too_long() {
        let rendered = json!({ "text": "Ж".repeat(1_000) });
        let whole = message(&rendered, 8_192).unwrap();
        assert!(whole.ends_with('Ж'));
        for bytes_max in [500, 501, whole.len() - 1] {
            let cut = message(&rendered, bytes_max).unwrap();
            assert!(cut.len() <= bytes_max && cut.len() > bytes_max - 2 && cut.ends_with('…'), "{bytes_max}");
        }
        assert_eq!(message(&rendered, whole.len()).unwrap(), whole);
        assert!(message(&rendered, 40).unwrap_err().contains("40 bytes"));
        assert!(message(&json!({ "title": "t" }), 500).is_err());
    }

    #[test]
    fn every_facility_of_the_manifest_has_its_number() {
        let catalogue = Catalogue::builtin().unwrap();
        let variables = catalogue.get("syslog").unwrap().form_variables();
        let names = &variables.iter().find(|variable| variable.key == "facility").unwrap().allowed;
        let numbers: Vec<_> = names.iter().map(|name| facility(name)).collect();
        assert_eq!(numbers, [13, 4, 10, 16, 17, 18, 19, 20, 21, 22, 23]);
    }

    #[test]
    fn a_time_before_1970_has_its_milliseconds_too() {
        assert_eq!(timestamp(Timestamp::from_millis(-1)), "1969-12-31T23:59:59.999Z");
    }
}
