//! From a CloudEvent to an entry.
//!
//! Source: CloudEvents 1.0.2, its JSON event format and its HTTP protocol binding.
//! docs/ingest.md says what becomes of an event. The entry follows from the event alone, so
//! that an event sent again is the same entry again.

use std::collections::BTreeMap;

use aws_lc_rs::digest;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use domain::{EntryId, FieldError};
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

use super::mapped;

/// How CloudEvents stand in a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CloudEventsMode {
    /// The body is the data of one event; these are its attributes.
    Binary(BTreeMap<String, String>),
    /// The body is one event.
    Structured,
    /// The body is an array of events.
    Batched,
}

/// Attributes and data of an event by name, each as the JSON that was sent.
type Event = BTreeMap<String, Box<RawValue>>;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Mapped<'a> {
    #[serde(rename = "_id")]
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    timestamp: Option<String>,
    accesses: [Access; 1],
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<Subject>,
    cloud_event: &'a Event,
}

#[derive(Serialize)]
struct Access {
    action: String,
    resource: String,
}

#[derive(Serialize)]
struct Subject {
    name: String,
}

/// The bytes of the entry that one event is.
///
/// # Errors
/// Every mistake of the event, at the attribute.
pub(super) fn entry(slice: &[u8], mode: &CloudEventsMode) -> Result<Vec<u8>, Vec<FieldError>> {
    let event = match mode {
        CloudEventsMode::Binary(attributes) => binary(slice, attributes)?,
        CloudEventsMode::Structured | CloudEventsMode::Batched => structured(slice)?,
    };
    map(&event)
}

fn structured(slice: &[u8]) -> Result<Event, Vec<FieldError>> {
    let wrong = |error: serde_json::Error| vec![FieldError::new("", format!("is not an event in JSON: {error}"))];
    let mut event: Event = serde_json::from_slice(slice).map_err(wrong)?;
    // An attribute that is null is one that was left out.
    event.retain(|name, value| name == "data" || value.get() != "null");
    Ok(event)
}

fn binary(body: &[u8], attributes: &BTreeMap<String, String>) -> Result<Event, Vec<FieldError>> {
    let mut event = Event::new();
    for (name, value) in attributes {
        event.insert(name.clone(), text(value)?);
    }
    if body.is_empty() {
        return Ok(event);
    }
    let content_type = attributes.get("datacontenttype").map_or("", String::as_str);
    let (name, data) = if is_json(content_type) {
        let wrong = |error| vec![FieldError::new("data", format!("is not valid JSON: {error}"))];
        // The reader that keeps the text of a value drops white space around it.
        ("data", serde_json::from_slice(body).map_err(wrong)?)
    } else {
        match std::str::from_utf8(body) {
            Ok(plain) if is_text(content_type) => ("data", text(plain)?),
            _ => ("data_base64", text(&STANDARD.encode(body))?),
        }
    };
    event.insert(name.to_owned(), data);
    Ok(event)
}

fn essence(content_type: &str) -> String {
    content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

fn is_json(content_type: &str) -> bool {
    let essence = essence(content_type);
    essence.is_empty() || essence.ends_with("/json") || essence.ends_with("+json")
}

fn is_text(content_type: &str) -> bool {
    let essence = essence(content_type);
    essence.starts_with("text/") || essence.ends_with("/xml") || essence.ends_with("+xml")
}

fn text(text: &str) -> Result<Box<RawValue>, Vec<FieldError>> {
    to_raw_value(text).map_err(|error| vec![FieldError::new("", error.to_string())])
}

fn map(event: &Event) -> Result<Vec<u8>, Vec<FieldError>> {
    let mut reader = Reader { event, mistakes: Vec::new() };
    reader.check_names();
    let version = reader.required("specversion");
    if version.as_deref().is_some_and(|version| version != "1.0") {
        reader.refuse("specversion", "must be 1.0, the only version that is understood");
    }
    let id = reader.required("id").unwrap_or_default();
    let source = reader.required("source").unwrap_or_default();
    if source.contains(char::is_whitespace) {
        reader.refuse("source", "must be a URI reference, which holds no white space");
    }
    let kind = reader.required("type").unwrap_or_default();
    let action = mapped::action(&kind);
    if action.is_none() && !kind.is_empty() {
        reader.refuse("type", "must begin with a letter and have at most 128 characters, since it becomes the action");
    }
    let subject = reader.optional("subject").filter(|subject| !subject.is_empty());
    let timestamp = reader.optional("time");
    let actor = reader.optional("authid").filter(|actor| !actor.is_empty());
    reader.optional("datacontenttype");
    reader.optional("dataschema");
    if !reader.mistakes.is_empty() {
        return Err(reader.mistakes);
    }
    let mapped = Mapped {
        id: entry_id(&source, &id),
        timestamp,
        accesses: [Access { action: action.unwrap_or_default(), resource: resource(&source, subject.as_deref()) }],
        name: subject.as_deref().unwrap_or(&source),
        subject: actor.map(|name| Subject { name }),
        cloud_event: event,
    };
    serde_json::to_vec(&mapped).map_err(|error| vec![FieldError::new("", error.to_string())])
}

/// What the subject names as a resource, else source and subject as one.
fn resource(source: &str, subject: Option<&str>) -> String {
    let source = mapped::segment_name(source);
    match subject {
        Some(subject) if mapped::is_resource(subject) => subject.to_owned(),
        Some(subject) => format!("source/{source}:subject/{}", mapped::segment_name(subject)),
        None => format!("source/{source}"),
    }
}

/// Source and id name an event together. A source has no space in it, so that no two pairs make
/// one text; what is too long is named by its hash.
fn entry_id(source: &str, id: &str) -> String {
    let whole = format!("{source} {id}");
    if EntryId::parse(&whole).is_ok() {
        return whole;
    }
    let hash = digest::digest(&digest::SHA256, whole.as_bytes());
    let hex: String = hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("cloudevent-{hex}")
}

struct Reader<'a> {
    event: &'a Event,
    mistakes: Vec<FieldError>,
}

impl Reader<'_> {
    fn refuse(&mut self, name: &str, reason: &str) {
        self.mistakes.push(FieldError::new(name, reason));
    }

    fn required(&mut self, name: &str) -> Option<String> {
        if !self.event.contains_key(name) {
            self.refuse(name, "is missing");
            return None;
        }
        let text = self.optional(name)?;
        if text.is_empty() {
            self.refuse(name, "must not be empty");
            return None;
        }
        Some(text)
    }

    fn optional(&mut self, name: &str) -> Option<String> {
        let value = self.event.get(name)?;
        let text = serde_json::from_str::<String>(value.get()).ok().filter(|text| !text.contains(char::is_control));
        if text.is_none() {
            self.refuse(name, "must be a text without control characters");
        }
        text
    }

    fn check_names(&mut self) {
        for (name, value) in self.event {
            if name == "data" {
                continue;
            }
            let is_name = !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
            if name != "data_base64" && !is_name {
                self.mistakes.push(FieldError::new(
                    name.as_str(),
                    "is not the name of an attribute: lower-case letters and digits",
                ));
            } else if value.get().starts_with(['{', '[']) {
                self.mistakes.push(FieldError::new(name.as_str(), "must be a text, a number, true or false"));
            }
        }
        if self.event.contains_key("data") && self.event.contains_key("data_base64") {
            self.refuse("data_base64", "must not stand beside data");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use domain::EntryDraft;
    use serde_json::{Value, json};

    use super::{CloudEventsMode, entry};

    fn structured(event: &Value) -> Result<Value, Vec<String>> {
        mapped(event.to_string().as_bytes(), &CloudEventsMode::Structured)
    }

    fn mapped(body: &[u8], mode: &CloudEventsMode) -> Result<Value, Vec<String>> {
        let bytes =
            entry(body, mode).map_err(|found| found.into_iter().map(|one| one.attribute).collect::<Vec<_>>())?;
        EntryDraft::parse(&bytes).map_err(|found| found.into_iter().map(|one| one.attribute).collect::<Vec<_>>())?;
        Ok(serde_json::from_slice(&bytes).expect("is JSON"))
    }

    fn event() -> Value {
        json!({"specversion": "1.0", "id": "7", "source": "/shop", "type": "com.example.invoice.paid"})
    }

    #[test]
    fn an_event_is_an_entry_about_its_subject() {
        let mut event = event();
        event["subject"] = json!("org/acme:invoice/42");
        event["time"] = json!("2026-09-21T14:13:20.5+02:00");
        event["authid"] = json!("ada@corp.test");
        event["sampledrate"] = json!(3);
        event["data"] = json!({"total": 12});
        assert_eq!(
            structured(&event),
            Ok(json!({
                "_id": "/shop 7",
                "timestamp": "2026-09-21T14:13:20.5+02:00",
                "accesses": [{"action": "com.example.invoice.paid", "resource": "org/acme:invoice/42"}],
                "name": "org/acme:invoice/42",
                "subject": {"name": "ada@corp.test"},
                "cloudEvent": event,
            }))
        );
    }

    #[test]
    fn a_subject_that_is_no_resource_stands_below_the_source() {
        let resource = |source: &str, subject: Option<&str>| {
            let mut event = event();
            event["source"] = json!(source);
            event["subject"] = json!(subject);
            let entry = structured(&event).expect("is valid");
            (entry["accesses"][0]["resource"].clone(), entry["name"].clone())
        };
        assert_eq!(resource("/shop", None), (json!("source//shop"), json!("/shop")));
        assert_eq!(resource("urn:a", Some("x.jpg")), (json!("source/urn%3Aa:subject/x.jpg"), json!("x.jpg")));
        assert_eq!(resource("a", Some("proj/*")).0, "source/a:subject/proj/%2A");
    }

    #[test]
    fn names_of_events_that_are_too_long_are_hashed_and_differ() {
        let id = |id: &str| {
            let mut event = event();
            event["id"] = json!(id);
            structured(&event).expect("is valid")["_id"].as_str().expect("a text").to_owned()
        };
        let (one, two) = (id(&"a".repeat(300)), id(&"a".repeat(301)));
        assert!(one != two && one.len() == 75 && one.starts_with("cloudevent-"), "{one}");
    }

    #[test]
    fn what_is_wrong_is_told_by_attribute() {
        let wrong = |change: &dyn Fn(&mut Value)| {
            let mut event = event();
            change(&mut event);
            structured(&event).expect_err("is refused")
        };
        assert_eq!(structured(&json!({})), Err(["specversion", "id", "source", "type"].map(str::to_owned).into()));
        assert_eq!(wrong(&|event| event["specversion"] = json!("0.3")), ["specversion"]);
        assert_eq!(wrong(&|event| event["id"] = json!(7)), ["id"]);
        assert_eq!(wrong(&|event| event["id"] = json!("")), ["id"]);
        assert_eq!(wrong(&|event| event["source"] = json!("a b")), ["source"]);
        assert_eq!(wrong(&|event| event["type"] = json!("1")), ["type"]);
        assert_eq!(wrong(&|event| event["time"] = json!("yesterday")), ["timestamp"]);
        assert_eq!(wrong(&|event| event["tooBig"] = json!("x")), ["tooBig"]);
        assert_eq!(wrong(&|event| event["more"] = json!({})), ["more"]);
        let both = |event: &mut Value| {
            event["data"] = json!(1);
            event["data_base64"] = json!("eA==");
        };
        assert_eq!(wrong(&both), ["data_base64"]);
    }

    #[test]
    fn data_in_the_body_is_kept_in_the_form_that_its_type_tells() {
        let given = |content_type: Option<&str>, body: &[u8]| {
            let mut attributes: BTreeMap<String, String> =
                [("specversion", "1.0"), ("id", "7"), ("source", "/shop"), ("type", "a")]
                    .map(|(name, value)| (name.to_owned(), value.to_owned()))
                    .into();
            attributes.extend(content_type.map(|value| ("datacontenttype".to_owned(), value.to_owned())));
            let entry = mapped(body, &CloudEventsMode::Binary(attributes))?;
            let event = &entry["cloudEvent"];
            Ok::<_, Vec<String>>(event.get("data").or(event.get("data_base64")).cloned())
        };
        assert_eq!(given(Some("application/json"), b" {\"a\": 1}\n"), Ok(Some(json!({"a": 1}))));
        assert_eq!(given(None, b"[1]"), Ok(Some(json!([1]))));
        assert_eq!(given(Some("text/plain; charset=utf-8"), "ä".as_bytes()), Ok(Some(json!("ä"))));
        assert_eq!(given(Some("application/octet-stream"), b"\xff"), Ok(Some(json!("/w=="))));
        assert_eq!(given(Some("text/plain"), b"\xff"), Ok(Some(json!("/w=="))));
        assert_eq!(given(Some("text/plain"), b""), Ok(None));
        assert_eq!(given(Some("application/json"), b"{"), Err(vec!["data".to_owned()]));
    }
}
