//! The entries of one account that couriers hold, for others that read the same part of its log.
//!
//! Subscriptions that fall behind together read the same pages; each entry is then read from the
//! database once, understood once and kept in memory once. What no courier has to send is kept
//! only while others wait for their turn to read, and no more than one page of it.

use std::{
    collections::BTreeMap,
    sync::{Arc, Weak},
};

use domain::{Entry, Sequence};

/// Fewer places than this are not worth looking for those that are empty.
const SWEEP_FROM: usize = 4_096;

#[derive(Debug, Default)]
pub(crate) struct Shelf {
    entries: BTreeMap<Sequence, Weak<Entry>>,
    // The page that was read last. Most that read it want nothing of it, and would keep nothing.
    kept: Vec<Arc<Entry>>,
    // The number of places at which the empty ones are looked for.
    sweep_at: usize,
}

impl Shelf {
    /// What is at hand right after `after`, at most `count` entries without a gap. None when the
    /// first of them is not.
    pub(crate) fn page(&self, after: Sequence, count: usize) -> Vec<Arc<Entry>> {
        let next = after.next();
        let run = self.entries.range(next..).zip(next.0..).take(count);
        run.map_while(|((found, entry), wanted)| entry.upgrade().filter(|_| found.0 == wanted)).collect()
    }

    /// Keeps a page in mind as long as somebody else keeps its entries, and alive until the next
    /// one or until it is let go.
    pub(crate) fn put(&mut self, page: &[Arc<Entry>]) {
        self.kept = page.to_vec();
        self.entries.extend(page.iter().map(|entry| (entry.sequence, Arc::downgrade(entry))));
        if self.entries.len() > self.sweep_at.max(SWEEP_FROM) {
            self.entries.retain(|_, entry| entry.strong_count() > 0);
            self.sweep_at = self.entries.len() * 2;
        }
    }

    /// Nobody waits for the page that was read last.
    pub(crate) fn let_go(&mut self) {
        self.kept = Vec::new();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use domain::{AccountId, Entry, EntryId, Sequence, Timestamp};

    use super::{SWEEP_FROM, Shelf};

    fn entry(sequence: u64) -> Arc<Entry> {
        let id = EntryId::parse(&format!("e{sequence}")).expect("is an id");
        let bytes = Arc::from(&b"{}"[..]);
        Arc::new(Entry::new(AccountId::from_bytes([1; 12]), Sequence(sequence), id, Timestamp::default(), bytes))
    }

    fn found(shelf: &Shelf, after: u64, count: usize) -> Vec<u64> {
        shelf.page(Sequence(after), count).iter().map(|entry| entry.sequence.0).collect()
    }

    #[test]
    fn a_page_is_what_somebody_holds_right_after_a_place_up_to_the_first_gap() {
        let mut shelf = Shelf::default();
        let mut held: Vec<_> = [3, 4, 5, 7].map(entry).into();
        shelf.put(&held);
        shelf.let_go();
        assert_eq!(found(&shelf, 2, 10), [3, 4, 5]);
        assert_eq!(found(&shelf, 3, 1), [4]);
        assert_eq!(found(&shelf, 1, 10), [0; 0]);
        assert_eq!(found(&shelf, 6, 10), [7]);
        held.remove(1);
        assert_eq!(found(&shelf, 2, 10), [3]);
        assert_eq!(found(&shelf, 3, 10), [0; 0]);
        assert!(Arc::ptr_eq(&shelf.page(Sequence(2), 1)[0], &held[0]));
    }

    #[test]
    fn the_last_page_stays_until_it_is_let_go() {
        let mut shelf = Shelf::default();
        shelf.put(&[1, 2].map(entry));
        assert_eq!(found(&shelf, 0, 10), [1, 2]);
        shelf.put(&[3, 4].map(entry));
        assert_eq!((found(&shelf, 0, 10), found(&shelf, 2, 10)), (vec![], vec![3, 4]));
        shelf.let_go();
        assert_eq!(found(&shelf, 2, 10), [0; 0]);
    }

    #[test]
    fn what_nobody_holds_takes_no_place_for_long() {
        let mut shelf = Shelf::default();
        let held = entry(1);
        shelf.put(std::slice::from_ref(&held));
        for first in 1..40 {
            let page: Vec<_> = (0..256).map(|place| entry(first * 256 + place)).collect();
            shelf.put(&page);
            assert!(shelf.entries.len() <= SWEEP_FROM + 256);
        }
        shelf.let_go();
        assert_eq!(found(&shelf, 0, 10), [1]);
    }
}
