//! Giving up what is too old: the log is about to lose it, or has lost it.

use domain::{Sequence, Timestamp};
use store::EXPIRED;

use super::Courier;

/// Entries of a subscription that got no other fate in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expired {
    /// The first of them.
    pub first: Sequence,
    /// The last of them; those between them that had their fate are not meant.
    pub last: Sequence,
    /// How many they are.
    pub count: u64,
}

impl Courier {
    /// Settles an unread entry that the log has no more.
    pub fn expire(&mut self, sequence: Sequence, now: Timestamp) {
        if self.live.remove_unread(sequence) {
            self.skip(sequence, sequence, EXPIRED, now);
        }
    }

    /// Passes over what comes after the frontier up to `end`, which the log has no more: it
    /// counts as skipped.
    pub fn miss_to(&mut self, end: Sequence, now: Timestamp) {
        if end > self.frontier {
            self.skip(self.frontier.next(), end, EXPIRED, now);
            self.frontier = end;
        }
    }

    /// Gives up everything without a fate up to `end`, judged or not: it counts as skipped. What
    /// is in flight ends first, and so does what comes after it.
    pub fn expire_to(&mut self, end: Sequence, now: Timestamp) -> Option<Expired> {
        let end = self.live.first_in_flight().map_or(end, |first| end.min(first.previous()));
        let first = self.position().next();
        let last = if end > self.frontier { Some(end) } else { self.live.last_up_to(end) };
        let count = self.skip_to(end, EXPIRED, now);
        last.map(|last| Expired { first, last, count })
    }
}
