//! Picks the subscriptions that fare worst, whatever their number, in little memory.

use std::{cmp::Reverse, sync::Arc};

use domain::{AccountId, Sequence, SubscriptionId};
use integrations::Integration;

use crate::courier::Flow;

/// How one subscription stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubscriptionFigures {
    /// Its id.
    pub id: SubscriptionId,
    /// Whose it is.
    pub account: AccountId,
    /// Its integration key.
    pub integration: String,
    /// `suspended`, `holding` or `flowing`.
    pub state: &'static str,
    /// Entries without a fate.
    pub lag: u64,
    /// Up to here every entry has its fate.
    pub position: Sequence,
}

/// One that was looked at.
pub(super) struct Seen {
    pub(super) id: SubscriptionId,
    pub(super) account: AccountId,
    pub(super) integration: Arc<Integration>,
    pub(super) standing: Standing,
    pub(super) lag: u64,
    pub(super) position: Sequence,
}

/// From the best to the worst.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Standing {
    Flowing,
    Holding,
    Suspended,
}

impl From<&Flow> for Standing {
    fn from(flow: &Flow) -> Self {
        match flow {
            Flow::Flowing => Self::Flowing,
            Flow::Holding(_) => Self::Holding,
            Flow::Suspended(_) => Self::Suspended,
        }
    }
}

impl Seen {
    /// Smaller is worse.
    fn rank(&self) -> (Reverse<Standing>, Reverse<u64>, SubscriptionId) {
        (Reverse(self.standing), Reverse(self.lag), self.id)
    }
}

/// The worst of those that were seen so far.
pub(super) struct Worst {
    most: usize,
    kept: Vec<Seen>,
    seen: usize,
}

impl Worst {
    pub(super) fn new(most: usize) -> Self {
        Self { most, kept: Vec::new(), seen: 0 }
    }

    pub(super) fn see(&mut self, seen: Seen) {
        self.seen += 1;
        self.kept.push(seen);
        if self.kept.len() >= self.most.saturating_mul(2).saturating_add(1) {
            self.cut();
        }
    }

    /// The worst first, and how many there are beside them.
    pub(super) fn finish(mut self) -> (Vec<SubscriptionFigures>, usize) {
        self.cut();
        self.kept.sort_unstable_by_key(Seen::rank);
        let left_out = self.seen - self.kept.len();
        let figures = self.kept.into_iter().map(|seen| SubscriptionFigures {
            id: seen.id,
            account: seen.account,
            integration: seen.integration.key().to_owned(),
            state: match seen.standing {
                Standing::Flowing => "flowing",
                Standing::Holding => "holding",
                Standing::Suspended => "suspended",
            },
            lag: seen.lag,
            position: seen.position,
        });
        (figures.collect(), left_out)
    }

    fn cut(&mut self) {
        if self.kept.len() > self.most {
            self.kept.select_nth_unstable_by_key(self.most, Seen::rank);
            self.kept.truncate(self.most);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use domain::{AccountId, Sequence, SubscriptionId};
    use integrations::Catalogue;

    use super::{Seen, Standing, Worst};

    #[test]
    fn the_worst_are_picked_from_many_and_the_others_counted() {
        let catalogue = Catalogue::builtin().expect("loads");
        let integration = catalogue.get("splunk").expect("is built in");
        let seen = |number: u8, standing, lag| Seen {
            id: SubscriptionId::from_bytes([number; 12]),
            account: AccountId::from_bytes([0; 12]),
            integration: Arc::clone(integration),
            standing,
            lag,
            position: Sequence(7),
        };
        let pick = |most| {
            let mut worst = Worst::new(most);
            for number in 0..100 {
                worst.see(seen(number, Standing::Flowing, u64::from(number)));
            }
            worst.see(seen(200, Standing::Suspended, 0));
            worst.see(seen(201, Standing::Holding, 1));
            worst.see(seen(202, Standing::Holding, 2));
            let (figures, left_out) = worst.finish();
            let picked: Vec<_> = figures.iter().map(|figures| (figures.id.as_bytes()[0], figures.state)).collect();
            (picked, left_out)
        };
        let worst = [(200, "suspended"), (202, "holding"), (201, "holding"), (99, "flowing"), (98, "flowing")];
        assert_eq!(pick(5), (worst.to_vec(), 98));
        assert_eq!(pick(0), (Vec::new(), 103));
        assert_eq!((pick(500).0.len(), pick(500).1), (103, 0));
    }
}
