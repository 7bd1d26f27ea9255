//! Passing entries over, each with its reason.

use domain::{Sequence, Timestamp};
use store::SkippedRange;

use super::Courier;

impl Courier {
    /// Passes over everything up to `last` that waits, judged or not; says how many entries that
    /// were. What is in flight is left alone and ends as any request does.
    pub fn skip_to(&mut self, last: Sequence, reason: &str, now: Timestamp) -> u64 {
        let before = self.counts.skipped;
        for sequence in self.live.remove_waiting_to(last) {
            self.skip(sequence, sequence, reason, now);
        }
        if last > self.frontier {
            self.skip(self.frontier.next(), last, reason, now);
            self.frontier = last;
        }
        self.counts.skipped - before
    }

    /// What was passed over and has yet to be written down.
    pub fn take_skipped(&mut self) -> Vec<SkippedRange> {
        self.skipped.take()
    }

    /// The write of these failed.
    pub fn return_skipped(&mut self, mut skipped: Vec<SkippedRange>) {
        skipped.extend(self.skipped.take());
        self.skipped = skipped.into();
    }

    /// Takes note that the entries from `first` to `last` are passed over.
    pub(super) fn skip(&mut self, first: Sequence, last: Sequence, reason: &str, now: Timestamp) {
        self.counts.skipped += last.0 - first.previous().0;
        match self.skipped.last_mut() {
            Some(range) if range.last.next() == first && range.reason == reason => {
                (range.last, range.skipped_at) = (last, now);
            }
            _ => self.skipped.push(SkippedRange { first, last, reason: reason.to_owned(), skipped_at: now }),
        }
    }
}
