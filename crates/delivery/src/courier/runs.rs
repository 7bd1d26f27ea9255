//! A set of sequences, most of which follow each other.

use std::collections::BTreeMap;

use domain::Sequence;

/// As few runs as there can be, the last sequence of each by its first.
#[derive(Debug, Default)]
pub(super) struct Runs(BTreeMap<u64, u64>);

impl Runs {
    pub(super) const fn new() -> Self {
        Self(BTreeMap::new())
    }

    /// First and last of each run, in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u64, u64)> {
        self.0.iter().map(|(first, last)| (*first, *last))
    }

    pub(super) fn insert(&mut self, sequence: Sequence) {
        let (at, before) = (sequence.0, self.up_to(sequence));
        if before.is_some_and(|(_, last)| last >= at) {
            return;
        }
        let first = before.filter(|(_, last)| *last + 1 == at).map_or(at, |(first, _)| first);
        let last = at.checked_add(1).and_then(|next| self.0.remove(&next)).unwrap_or(at);
        self.0.insert(first, last);
    }

    pub(super) fn remove(&mut self, sequence: Sequence) {
        let at = sequence.0;
        let Some((first, last)) = self.up_to(sequence).filter(|(_, last)| *last >= at) else { return };
        if first == at {
            self.0.remove(&first);
        } else {
            self.0.insert(first, at - 1);
        }
        if last > at {
            self.0.insert(at + 1, last);
        }
    }

    /// The last run that begins at `sequence` or before it.
    fn up_to(&self, sequence: Sequence) -> Option<(u64, u64)> {
        self.0.range(..=sequence.0).next_back().map(|(first, last)| (*first, *last))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use domain::Sequence;
    use proptest::prelude::*;

    use super::Runs;

    proptest! {
        #[test]
        fn they_are_the_longest_runs_of_what_was_put_in(changes in prop::collection::vec((any::<bool>(), 0..24_u64), 0..200)) {
            let (mut runs, mut set) = (Runs::default(), BTreeSet::new());
            for (is_inserted, at) in changes {
                if is_inserted {
                    runs.insert(Sequence(at));
                    set.insert(at);
                } else {
                    runs.remove(Sequence(at));
                    set.remove(&at);
                }
                let all: Vec<u64> = runs.iter().flat_map(|(first, last)| first..=last).collect();
                prop_assert!(all.iter().eq(&set), "{:?} of {:?}", runs, set);
                let ends: Vec<_> = runs.iter().collect();
                prop_assert!(ends.windows(2).all(|two| two[0].1 + 1 < two[1].0), "{:?}", runs);
            }
        }
    }
}
