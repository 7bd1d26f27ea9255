//! From a log record to an entry.

use domain::EntryDraft;
use serde_json::{Map, Value, json};

use crate::ingest::mapped;

/// The attribute with the text from which a record was made.
const ORIGINAL: &str = "log.record.original";

/// A log record as plain JSON says it.
#[derive(Default)]
pub(super) struct Record {
    /// Nanoseconds since 1970; 0 is unknown.
    pub(super) time: u64,
    /// When it was first seen, the same way.
    pub(super) observed: u64,
    pub(super) severity_number: i64,
    pub(super) severity_text: String,
    pub(super) event_name: String,
    pub(super) body: Value,
    pub(super) attributes: Map<String, Value>,
    /// Hex digits.
    pub(super) trace_id: String,
    /// Hex digits.
    pub(super) span_id: String,
}

impl Record {
    /// The entry that the record is: the one that it carries whole, else one made of it.
    ///
    /// # Errors
    /// Why it can be none.
    pub(super) fn draft(
        &self,
        resource: &Map<String, Value>,
        scope: &Map<String, Value>,
    ) -> Result<EntryDraft, String> {
        if let Some(original) = self.text(ORIGINAL).filter(|text| text.starts_with('{'))
            && let Ok(draft) = EntryDraft::parse(original.as_bytes())
        {
            return Ok(draft);
        }
        let entry = Value::Object(self.entry(resource, scope)?).to_string();
        EntryDraft::parse(entry.as_bytes()).map_err(|mistakes| {
            let mistakes: Vec<_> = mistakes.iter().map(ToString::to_string).collect();
            mistakes.join(", ")
        })
    }

    fn entry(&self, resource: &Map<String, Value>, scope: &Map<String, Value>) -> Result<Map<String, Value>, String> {
        let name = self.text("audit.action").or(some(&self.event_name)).or(self.text("event.name"));
        let name = name.ok_or("it has no eventName, which becomes the action")?;
        let action = mapped::action(name).ok_or(
            "its eventName cannot become an action: it must begin with a letter and have at most 128 characters",
        )?;
        let mut entry = Map::new();
        if let Some(uid) = self.text("log.record.uid") {
            entry.insert("_id".to_owned(), uid.into());
        }
        if let Some(millis) = [self.time, self.observed].into_iter().find(|nanos| *nanos > 0) {
            entry.insert("date".to_owned(), (millis / 1_000_000).into());
        }
        let accesses = json!([{ "action": action, "resource": self.resource(resource) }]);
        entry.insert("accesses".to_owned(), accesses);
        if let Some(name) = self.text("audit.name") {
            entry.insert("name".to_owned(), name.into());
        }
        if let Some(member) = self.member() {
            entry.insert("member".to_owned(), member);
        }
        if let Some(title) = self.body.as_str().and_then(some) {
            entry.insert("title".to_owned(), json!({ "plainText": title }));
        }
        entry.insert("logRecord".to_owned(), self.whole(resource, scope).into());
        Ok(entry)
    }

    /// What the record itself names as its resource, else the service that it comes from.
    fn resource(&self, resource: &Map<String, Value>) -> String {
        if let Some(named) = self.text("audit.resource").filter(|text| mapped::is_resource(text)) {
            return named.to_owned();
        }
        let service = resource.get("service.name").and_then(Value::as_str).and_then(some);
        format!("service/{}", mapped::segment_name(service.unwrap_or("unknown")))
    }

    fn member(&self) -> Option<Value> {
        let mut member = Map::new();
        for (name, attribute) in [("_id", "user.id"), ("email", "user.email"), ("displayName", "user.full_name")] {
            if let Some(text) = self.text(attribute) {
                member.insert(name.to_owned(), text.into());
            }
        }
        (!member.is_empty()).then_some(member.into())
    }

    /// All that the record says; what is unset is left out.
    fn whole(&self, resource: &Map<String, Value>, scope: &Map<String, Value>) -> Map<String, Value> {
        let mut whole = Map::new();
        let mut put = |name: &str, is_set: bool, value: Value| {
            if is_set {
                whole.insert(name.to_owned(), value);
            }
        };
        // As in the protocol's JSON, 64-bit numbers are texts.
        put("timeUnixNano", self.time > 0, self.time.to_string().into());
        put("observedTimeUnixNano", self.observed > 0, self.observed.to_string().into());
        put("severityNumber", self.severity_number != 0, self.severity_number.into());
        for (name, text) in [
            ("severityText", &self.severity_text),
            ("eventName", &self.event_name),
            ("traceId", &self.trace_id),
            ("spanId", &self.span_id),
        ] {
            put(name, !text.is_empty(), text.as_str().into());
        }
        put("body", !self.body.is_null(), self.body.clone());
        for (name, members) in [("attributes", &self.attributes), ("resource", resource), ("scope", scope)] {
            put(name, !members.is_empty(), members.clone().into());
        }
        whole
    }

    fn text(&self, attribute: &str) -> Option<&str> {
        self.attributes.get(attribute).and_then(Value::as_str).and_then(some)
    }
}

fn some(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

/// A number as JSON has it, and as text what JSON has not: infinities and what is no number.
pub(super) fn double(number: f64) -> Value {
    serde_json::Number::from_f64(number).map_or_else(|| number.to_string().into(), Value::Number)
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, Value, json};

    use super::Record;

    fn object(value: Value) -> Map<String, Value> {
        let Value::Object(object) = value else { panic!("{value} is no object") };
        object
    }

    fn mapped(record: &Record) -> Result<Value, String> {
        let resource = object(json!({"service.name": "shop"}));
        let draft = record.draft(&resource, &Map::new())?;
        Ok(serde_json::from_slice(&draft.bytes).expect("is JSON"))
    }

    #[test]
    fn a_record_is_an_entry_about_its_service() {
        let record = Record {
            time: 1_790_000_000_123_456_789,
            event_name: "user.logged in".to_owned(),
            body: json!("Ada logged in"),
            attributes: object(json!({"log.record.uid": "u-1", "user.email": "ada@corp.test", "n": 1})),
            ..Record::default()
        };
        assert_eq!(
            mapped(&record),
            Ok(json!({
                "_id": "u-1",
                "date": 1_790_000_000_123_i64,
                "accesses": [{"action": "user.logged-in", "resource": "service/shop"}],
                "member": {"email": "ada@corp.test"},
                "title": {"plainText": "Ada logged in"},
                "logRecord": {
                    "timeUnixNano": "1790000000123456789",
                    "eventName": "user.logged in",
                    "body": "Ada logged in",
                    "attributes": {"log.record.uid": "u-1", "user.email": "ada@corp.test", "n": 1},
                    "resource": {"service.name": "shop"},
                },
            }))
        );
    }

    #[test]
    fn attributes_of_audit_name_action_and_resource() {
        let attributes = object(json!({"audit.action": "pay", "audit.resource": "org/acme:invoice/42"}));
        let record = Record { event_name: "x".to_owned(), attributes, observed: 5_000_000, ..Record::default() };
        let entry = mapped(&record).expect("is an entry");
        assert_eq!(entry["accesses"], json!([{"action": "pay", "resource": "org/acme:invoice/42"}]));
        assert_eq!(entry["date"], 5);
    }

    #[test]
    fn an_entry_that_is_carried_whole_is_taken_as_it_is() {
        let original = "{\"_id\":\"a\", \"action\":\"b\",\"resource\":\"c/d\"}";
        let carrying = |original: &str| Record {
            event_name: "e".to_owned(),
            attributes: object(json!({"log.record.original": original})),
            ..Record::default()
        };
        let draft = carrying(original).draft(&Map::new(), &Map::new()).expect("is an entry");
        assert_eq!((&*draft.bytes, draft.id.map(|id| id.to_string())), (original.as_bytes(), Some("a".to_owned())));
        assert_eq!(mapped(&carrying("{\"level\":1}")).expect("is an entry")["accesses"][0]["action"], "e");
    }

    #[test]
    fn a_record_that_is_no_event_says_what_it_lacks() {
        let reason = mapped(&Record::default()).expect_err("is no entry");
        assert!(reason.contains("eventName"), "{reason}");
        let record = |event_name: &str, uid: &str| Record {
            event_name: event_name.to_owned(),
            attributes: object(json!({ "log.record.uid": uid })),
            ..Record::default()
        };
        assert!(mapped(&record("1", "")).expect_err("is no entry").contains("begin with a letter"));
        assert!(mapped(&record("a", "x\ny")).expect_err("is no entry").contains("_id"));
    }
}
