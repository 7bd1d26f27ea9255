//! Keys of objects.

use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use domain::{Entry, Sequence};

/// Bytes of the hash that stand in a key.
const HASH_BYTES: usize = 16;

/// The key of an object with these lines: below `prefix` and the account, the hour in which the
/// first entry was received, the first and the last sequence, and a hash of the lines. Nothing
/// in it depends on when the request is made, so the same lines have the same key.
pub(super) fn of(prefix: &str, entries: &[Arc<Entry>], lines: &[u8]) -> String {
    let hash: String = digest(&SHA256, lines).as_ref()[..HASH_BYTES].iter().map(|byte| format!("{byte:02x}")).collect();
    let (Some(first), Some(last)) = (entries.first(), entries.last()) else { return hash };
    let folder = if prefix.is_empty() { first.account.to_string() } else { format!("{prefix}/{}", first.account) };
    if first.sequence == Sequence(0) {
        // A test message is in no log.
        return format!("{folder}/test/{hash}.ndjson.gz");
    }
    let received = first.received_at.rfc3339();
    // Of `2026-09-21T14:13:20Z` what stands before the minutes.
    let hour = received.get(..13).unwrap_or("").replace(['-', 'T'], "/");
    format!("{folder}/{hour}/{:020}-{:020}-{hash}.ndjson.gz", first.sequence.0, last.sequence.0)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use domain::{AccountId, Entry, EntryId, Sequence, Timestamp};

    use super::of;

    fn entry(sequence: u64) -> Arc<Entry> {
        let received_at = Timestamp::from_millis(1_790_000_000_123);
        let id = EntryId::from_bytes([1; 12]);
        Arc::new(Entry::new(AccountId::from_bytes([0xac; 12]), Sequence(sequence), id, received_at, b"{}"[..].into()))
    }

    #[test]
    fn a_key_names_account_hour_range_and_content() {
        let key = of("audit/prod", &[entry(7), entry(12)], b"lines");
        let (range, hash) = key.rsplit_once('-').unwrap();
        let folder = "audit/prod/acacacacacacacacacacacac/2026/09/21/14";
        assert_eq!(range, format!("{folder}/00000000000000000007-00000000000000000012"));
        assert_eq!(hash.len(), "0123456789abcdef0123456789abcdef.ndjson.gz".len(), "{hash}");
        assert_eq!(key, of("audit/prod", &[entry(7), entry(12)], b"lines"), "the same lines have the same key");
        assert_ne!(key, of("audit/prod", &[entry(7), entry(12)], b"other"), "others have another one");
        assert!(of("", &[entry(7)], b"lines").starts_with("acac"));
    }

    #[test]
    fn a_test_message_lies_apart() {
        assert!(of("p", &[entry(0)], b"x").starts_with("p/acacacacacacacacacacacac/test/"));
    }
}
