//! Finds the ids of entries in a body without knowing where the sender puts them.

use std::collections::{BTreeMap, HashSet};

/// Most ids that can be expected at once.
pub(crate) const EXPECTED_MAX: usize = 1_000_000;

/// The ids that a test expects, by their length in bytes.
///
/// A body carries an id when the id's bytes, escaped as in a JSON string, are anywhere in it.
/// Looking up every window of a body costs its length times the number of different lengths, and
/// nothing more with each further id.
#[derive(Debug, Default)]
pub(crate) struct Expected {
    by_length: BTreeMap<usize, Needles>,
    count: usize,
}

/// The ids of one length. Most windows of a body differ from all of them in their first or last
/// byte already, which is cheaper to see than a hash is to make.
#[derive(Debug)]
struct Needles {
    ids: HashSet<Box<[u8]>>,
    first: [bool; 256],
    last: [bool; 256],
}

impl Default for Needles {
    fn default() -> Self {
        Self { ids: HashSet::new(), first: [false; 256], last: [false; 256] }
    }
}

impl Needles {
    fn insert(&mut self, id: &[u8]) -> bool {
        if let (Some(first), Some(last)) = (id.first(), id.last()) {
            self.first[usize::from(*first)] = true;
            self.last[usize::from(*last)] = true;
        }
        self.ids.insert(id.into())
    }

    fn contains(&self, window: &[u8]) -> bool {
        let (Some(first), Some(last)) = (window.first(), window.last()) else { return false };
        self.first[usize::from(*first)] && self.last[usize::from(*last)] && self.ids.contains(window)
    }
}

impl Expected {
    /// Adds `id`; false when it is empty or there is no room.
    pub fn add(&mut self, id: &str) -> bool {
        let needle = escaped(id);
        if needle.is_empty() || self.count >= EXPECTED_MAX {
            return false;
        }
        let added = self.by_length.entry(needle.len()).or_default().insert(needle.as_bytes());
        self.count += usize::from(added);
        true
    }

    pub fn len(&self) -> usize {
        self.count
    }

    /// The ids in `body`, each once, shortest first and then in the order in which they come.
    pub fn find(&self, body: &[u8]) -> Vec<String> {
        let mut seen = HashSet::new();
        let mut found = Vec::new();
        for (length, needles) in &self.by_length {
            for window in body.windows(*length) {
                if needles.contains(window) && seen.insert(window) {
                    found.push(plain(window));
                }
            }
        }
        found
    }
}

fn escaped(id: &str) -> String {
    let quoted = serde_json::Value::from(id).to_string();
    quoted.get(1..quoted.len() - 1).unwrap_or_default().to_owned()
}

fn plain(needle: &[u8]) -> String {
    let text = String::from_utf8_lossy(needle);
    serde_json::from_str(&format!("\"{text}\"")).unwrap_or_else(|_| text.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_found_anywhere_and_once() {
        let mut expected = Expected::default();
        for id in ["0123456789abcdef01234567", "a\"b", "short"] {
            assert!(expected.add(id));
        }
        assert!(!expected.add(""));
        let body = br#"{"t":"x0123456789abcdef01234567y","u":["0123456789abcdef01234567"],"v":"a\"b"}"#;
        assert_eq!(expected.find(body), ["a\"b", "0123456789abcdef01234567"]);
        assert_eq!(expected.len(), 3);
    }
}
