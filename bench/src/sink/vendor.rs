//! What each vendor answers when it takes all that a request holds.

use std::io::Write;

use bytes::Bytes;
use serde::de::IgnoredAny;

/// A kind of destination, told by the path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Vendor {
    Datadog,
    Elastic,
    Honeycomb,
    HoneycombMarker,
    LogDna,
    SignalFx,
    Splunk,
    /// Whoever is content with any 2xx.
    Other,
}

impl Vendor {
    pub fn of(path: &str) -> Self {
        match path {
            path if path.ends_with("/_bulk") => Self::Elastic,
            path if path.contains("/services/collector") => Self::Splunk,
            path if path.contains("/1/batch/") => Self::Honeycomb,
            path if path.contains("/1/markers/") => Self::HoneycombMarker,
            path if path.ends_with("/logs/ingest") => Self::LogDna,
            path if path.ends_with("/v2/event") => Self::SignalFx,
            path if path.ends_with("/api/v1/events") => Self::Datadog,
            _ => Self::Other,
        }
    }

    /// The status and the body of the answer to `body`, of which `known` says, where it can, for each
    /// item in order whether it had come before.
    pub fn answer(self, body: &[u8], known: &[bool]) -> (u16, Bytes) {
        match self {
            Self::Elastic => (200, bulk(body, known)),
            Self::Splunk => (200, Bytes::from_static(br#"{"text":"Success","code":0}"#)),
            Self::Honeycomb => (200, positions(body)),
            Self::HoneycombMarker => (201, Bytes::from_static(br#"{"id":"bench"}"#)),
            Self::LogDna => (200, Bytes::from_static(br#"{"status":"ok"}"#)),
            Self::SignalFx => (200, Bytes::from_static(br#""OK""#)),
            Self::Datadog => (202, Bytes::from_static(br#"{"status":"ok"}"#)),
            Self::Other => (200, Bytes::new()),
        }
    }
}

/// Elasticsearch: an item for each action line, in order; an id that is there already conflicts.
fn bulk(body: &[u8], known: &[bool]) -> Bytes {
    let actions: Vec<&[u8]> = body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).step_by(2).collect();
    // Where not every item carries a mark, it is not known which ones had come before.
    let known = if known.len() == actions.len() { known } else { &[] };
    let mut out = Vec::with_capacity(64 + 320 * actions.len());
    // Writing to a `Vec` cannot fail.
    let _ = write!(out, r#"{{"errors":{},"took":1,"items":["#, known.contains(&true));
    for (at, action) in actions.iter().enumerate() {
        let (index, id) = (member(action, br#""_index":""#), member(action, br#""_id":""#));
        let comma = if at == 0 { "" } else { "," };
        let _ = write!(out, r#"{comma}{{"create":{{"_index":"{index}","_id":"{id}","#);
        let _ = match known.get(at) {
            Some(true) => write!(
                out,
                r#""status":409,"error":{{"type":"version_conflict_engine_exception","reason":"[{id}]: version conflict, document already exists (current version [1])"}}}}}}"#
            ),
            _ => write!(
                out,
                r#""_version":1,"result":"created","_shards":{{"total":2,"successful":1,"failed":0}},"_seq_no":0,"_primary_term":1,"status":201}}}}"#
            ),
        };
    }
    out.extend_from_slice(b"]}");
    out.into()
}

/// The text of a member whose value needs no escape; empty where there is none.
fn member<'a>(line: &'a [u8], name: &[u8]) -> &'a str {
    let value = memchr::memmem::find(line, name).map_or(&[][..], |at| &line[at + name.len()..]);
    let end = memchr::memchr(b'"', value).unwrap_or(0);
    std::str::from_utf8(&value[..end]).unwrap_or_default()
}

/// Honeycomb: a list with a status for each event.
fn positions(body: &[u8]) -> Bytes {
    let events: Vec<IgnoredAny> = serde_json::from_slice(body).unwrap_or_default();
    let statuses = vec![r#"{"status":202}"#; events.len()];
    format!("[{}]", statuses.join(",")).into()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::Vendor;

    fn answer(path: &str, body: &str, known: &[bool]) -> (u16, Value) {
        let (status, body) = Vendor::of(path).answer(body.as_bytes(), known);
        (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
    }

    #[test]
    fn each_vendor_is_known_by_its_path() {
        let bodies = [
            ("/s1/services/collector/event", 200, json!({"text": "Success", "code": 0})),
            ("/logs/ingest", 200, json!({"status": "ok"})),
            ("/v2/event", 200, json!("OK")),
            ("/api/v1/events", 202, json!({"status": "ok"})),
            ("/s1", 200, Value::Null),
        ];
        for (path, status, body) in bodies {
            assert_eq!(answer(path, "{}", &[]), (status, body), "{path}");
        }
    }

    #[test]
    fn elastic_answers_each_action_in_order() {
        let body = "{\"create\":{\"_index\":\"i\",\"_id\":\"a\"}}\n{\"x\":1}\n{\"create\":{\"_index\":\"i\",\"_id\":\"b\"}}\n{\"x\":2}\n";
        let of = |answer: &Value| -> Vec<Value> {
            let items = answer["items"].as_array().expect("has items");
            items.iter().map(|item| json!([item["create"]["_id"], item["create"]["status"]])).collect()
        };
        let (status, fresh) = answer("/e/_bulk", body, &[false, false]);
        assert_eq!((status, &fresh["errors"]), (200, &json!(false)));
        assert_eq!(of(&fresh), [json!(["a", 201]), json!(["b", 201])]);
        let (_, again) = answer("/e/_bulk", body, &[false, true]);
        assert_eq!(again["errors"], true);
        assert_eq!(of(&again), [json!(["a", 201]), json!(["b", 409])]);
        let (_, unsure) = answer("/e/_bulk", body, &[true]);
        assert_eq!(of(&unsure), [json!(["a", 201]), json!(["b", 201])]);
    }

    #[test]
    fn honeycomb_answers_each_event_and_markers_otherwise() {
        let (status, body) = answer("/1/batch/set", r#"[{"data":{"a":[1,2]}},{"data":{}}]"#, &[]);
        assert_eq!((status, body), (200, json!([{"status": 202}, {"status": 202}])));
        assert_eq!(answer("/1/markers/set", "{}", &[]).0, 201);
    }
}
