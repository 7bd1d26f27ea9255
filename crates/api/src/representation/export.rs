//! Entries as lines of an export.

use std::sync::Arc;

use domain::{Entry, Timestamp};
use serde_json::{Value, json};

/// How an export is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// A JSON object a line.
    Lines,
    /// Comma-separated values after RFC 4180, with a line of headings.
    Table,
}

/// The first line of a table.
pub(crate) const HEADINGS: &str =
    "sequence,receivedAt,date,_id,kind,name,accesses,member,token,title,comment,entry\r\n";

impl Form {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Lines => "ndjson",
            Self::Table => "csv",
        }
    }

    pub(crate) fn content_type(self) -> &'static str {
        match self {
            Self::Lines => "application/x-ndjson",
            Self::Table => "text/csv; charset=utf-8",
        }
    }
}

/// A line for each entry.
pub(crate) fn lines(entries: &[Arc<Entry>], form: Form) -> Vec<u8> {
    let mut text = Vec::new();
    for entry in entries {
        match form {
            Form::Lines => line(entry, &mut text),
            Form::Table => row(entry, &mut text),
        }
    }
    text
}

fn line(entry: &Entry, text: &mut Vec<u8>) {
    let (sequence, received_at) = (entry.sequence.0, entry.received_at.as_millis());
    let id = json!(entry.id.as_str());
    let head = format!("{{\"sequence\":{sequence},\"receivedAt\":{received_at},\"_id\":{id},\"entry\":");
    text.extend_from_slice(head.as_bytes());
    text.extend(on_one_line(&entry.bytes));
    text.extend_from_slice(b"}\n");
}

/// Line ends in JSON stand only between its parts, where a space means the same.
fn on_one_line(json: &[u8]) -> impl Iterator<Item = u8> {
    json.iter().map(|byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { *byte })
}

fn row(entry: &Entry, text: &mut Vec<u8>) {
    let facts = entry.facts();
    let shown = facts.representation();
    let at = |pointer: &str| shown.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let accesses: Vec<String> = shown["accesses"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|access| Some(format!("{} {}", access["action"].as_str()?, access["resource"].as_str()?)))
        .collect();
    let member = Some(at("/member/email")).filter(|email| !email.is_empty()).unwrap_or(at("/member/_id"));
    let cells = [
        entry.sequence.to_string(),
        to_the_millisecond(entry.received_at),
        to_the_millisecond(facts.date()),
        cell(entry.id.as_str()),
        cell(facts.kind()),
        cell(at("/name")),
        cell(&accesses.join("\n")),
        cell(member),
        cell(at("/token/_id")),
        cell(at("/title")),
        cell(at("/comment")),
        quoted(&String::from_utf8_lossy(&entry.bytes)),
    ];
    text.extend_from_slice(cells.join(",").as_bytes());
    text.extend_from_slice(b"\r\n");
}

fn to_the_millisecond(at: Timestamp) -> String {
    let seconds = at.rfc3339();
    format!("{}.{:03}Z", seconds.trim_end_matches('Z'), at.as_millis().rem_euclid(1_000))
}

/// A text that comes from whoever makes entries. Programs for tables run what begins like a formula,
/// so an apostrophe stands before it.
fn cell(text: &str) -> String {
    let is_formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    if is_formula { quoted(&format!("'{text}")) } else { quoted(text) }
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use domain::{AccountId, Entry, EntryId, Sequence, Timestamp};

    use super::{Form, lines};

    fn entry(bytes: &str) -> Arc<Entry> {
        let id = EntryId::parse("a\"b").expect("is an id");
        let received_at = Timestamp::from_millis(1_790_000_000_007);
        Arc::new(Entry::new(AccountId::from_bytes([1; 12]), Sequence(4), id, received_at, bytes.as_bytes().into()))
    }

    #[test]
    fn a_line_has_the_entry_as_it_was_sent() {
        let sent = "{\n\"action\": \"a\",\r\n  \"resource\": \"acct\", \"x\": 1.50, \"y\": \"\\n\"}";
        let line = String::from_utf8(lines(&[entry(sent)], Form::Lines)).expect("is text");
        let as_sent = r#"{ "action": "a",    "resource": "acct", "x": 1.50, "y": "\n"}"#;
        let expected =
            format!("{{\"sequence\":4,\"receivedAt\":1790000000007,\"_id\":\"a\\\"b\",\"entry\":{as_sent}}}\n");
        assert_eq!(line, expected);
    }

    #[test]
    fn a_row_quotes_and_runs_nothing() {
        let sent = r#"{"accesses":[{"action":"a","resource":"flag/x"},{"action":"b","resource":"flag/x"}],"name":"=1,2\"","date":5,"comment":"a, b"}"#;
        let row = String::from_utf8(lines(&[entry(sent)], Form::Table)).expect("is text");
        let doubled = sent.replace('"', "\"\"");
        let expected = "4,2026-09-21T14:13:20.007Z,1970-01-01T00:00:00.005Z,\"a\"\"b\",\"flag\",\"'=1,2\"\"\",\"a flag/x\nb flag/x\",\
                        \"\",\"\",\"Unknown ";
        assert!(row.starts_with(expected), "{row}");
        assert!(row.ends_with(&format!("\"a, b\",\"{doubled}\"\r\n")), "{row}");
    }
}
