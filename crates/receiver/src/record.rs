//! What came, and the counts that are kept of it.

use std::collections::{BTreeMap, HashMap, VecDeque};

use bytes::Bytes;
use serde::Serialize;
use serde_json::{Value, json};

use crate::ids::Expected;

/// Most requests that are kept; the oldest are dropped first.
const REQUESTS_MAX: usize = 100_000;
/// Most bytes of bodies that are kept in all.
const BODIES_MAX: usize = 256 << 20;
/// Longest body that is kept; of a longer one only the length is.
const BODY_MAX: usize = 1 << 20;

/// One request and what became of it.
#[derive(Clone, Debug)]
pub struct Received {
    /// When it came, in UTC milliseconds.
    pub at: i64,
    /// The integration key of the destination, or `unknown`.
    pub destination: &'static str,
    /// The method.
    pub method: String,
    /// Host without port.
    pub host: String,
    /// Path and query.
    pub path: String,
    /// The headers with their secrets: this is a tool for tests.
    pub headers: Vec<(String, String)>,
    /// The body unpacked; empty where it is longer than 1 MiB.
    pub body: Bytes,
    /// Length of the unpacked body in bytes.
    pub body_bytes: usize,
    /// The expected ids in the body, each once.
    pub entry_ids: Vec<String>,
    /// The expected ids in the items that were stored, once for each item that carries them.
    pub stored_ids: Vec<String>,
    /// How many items were stored.
    pub stored_items: usize,
    /// The status that was answered, or would have been.
    pub status: u16,
    /// Why the request, or the last refused item of it, was not stored.
    pub refused: Option<String>,
    /// The fault that met it.
    pub fault: Option<&'static str>,
}

impl Received {
    /// The body as JSON where it is one value, else as text.
    pub fn value(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| Value::from(String::from_utf8_lossy(&self.body).as_ref()))
    }

    pub(crate) fn json(&self) -> Value {
        let headers: Vec<Value> = self.headers.iter().map(|(name, value)| json!([name, value])).collect();
        json!({
            "at": self.at, "destination": self.destination, "method": self.method, "host": self.host,
            "path": self.path, "headers": headers, "body": self.value(), "body_bytes": self.body_bytes,
            "entry_ids": self.entry_ids, "stored_ids": self.stored_ids, "stored_items": self.stored_items,
            "status": self.status, "refused": self.refused, "fault": self.fault,
        })
    }
}

/// The counts of one destination since the last clearing.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Counts {
    /// Requests that came.
    pub requests: u64,
    /// Requests of which at least one item was not stored.
    pub refused: u64,
    /// Items that were stored.
    pub stored: u64,
    /// Different expected ids among the stored items.
    pub distinct: u64,
    /// Stored items with an expected id that was stored before.
    pub duplicates: u64,
    /// Expected ids that were not stored here.
    pub missing: u64,
    /// Why something was last refused.
    pub last_refusal: Option<String>,
}

/// The requests and counts of all destinations.
#[derive(Debug, Default)]
pub(crate) struct Record {
    pub expected: Expected,
    requests: VecDeque<Received>,
    body_bytes: usize,
    counts: BTreeMap<&'static str, Counts>,
    stored: HashMap<&'static str, HashMap<String, u64>>,
}

impl Record {
    /// Counts and keeps `received`.
    pub fn add(&mut self, mut received: Received) {
        let counts = self.counts.entry(received.destination).or_default();
        counts.requests += 1;
        counts.stored += received.stored_items as u64;
        if let Some(reason) = &received.refused {
            counts.refused += 1;
            counts.last_refusal = Some(reason.clone());
        }
        let stored = self.stored.entry(received.destination).or_default();
        for id in &received.stored_ids {
            let times = stored.entry(id.clone()).or_default();
            *times += 1;
            if *times == 1 { counts.distinct += 1 } else { counts.duplicates += 1 }
        }
        received.body_bytes = received.body.len();
        if received.body.len() > BODY_MAX {
            received.body = Bytes::new();
        }
        self.body_bytes += received.body.len();
        self.requests.push_back(received);
        while self.requests.len() > REQUESTS_MAX || self.body_bytes > BODIES_MAX {
            let Some(oldest) = self.requests.pop_front() else { break };
            self.body_bytes -= oldest.body.len();
        }
    }

    pub fn requests(&self) -> impl Iterator<Item = &Received> {
        self.requests.iter()
    }

    /// Forgets requests and counts; what is expected stays.
    pub fn clear(&mut self) {
        *self = Self { expected: std::mem::take(&mut self.expected), ..Self::default() };
    }

    pub fn counts(&self) -> BTreeMap<&'static str, Counts> {
        let mut counts = self.counts.clone();
        for counts in counts.values_mut() {
            counts.missing = (self.expected.len() as u64).saturating_sub(counts.distinct);
        }
        counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn received(body: usize) -> Received {
        Received {
            at: 0,
            destination: "splunk",
            method: "POST".to_owned(),
            host: String::new(),
            path: String::new(),
            headers: Vec::new(),
            body: Bytes::from(vec![b'x'; body]),
            body_bytes: 0,
            entry_ids: Vec::new(),
            stored_ids: Vec::new(),
            stored_items: 1,
            status: 200,
            refused: None,
            fault: None,
        }
    }

    #[test]
    fn memory_stays_bounded_and_counts_go_on() {
        let mut record = Record::default();
        let one = received(BODY_MAX);
        for _ in 0..300 {
            record.add(one.clone());
        }
        assert_eq!(record.requests().count(), 256);
        record.clear();
        for _ in 0..REQUESTS_MAX + 5 {
            record.add(received(0));
        }
        assert_eq!(record.requests().count(), REQUESTS_MAX);
        assert_eq!(record.counts()["splunk"].requests, REQUESTS_MAX as u64 + 5);
    }

    #[test]
    fn a_long_body_leaves_its_length() {
        let mut record = Record::default();
        record.add(received(BODY_MAX + 1));
        let kept = record.requests().next().unwrap();
        assert_eq!((kept.body.len(), kept.body_bytes), (0, BODY_MAX + 1));
    }
}
