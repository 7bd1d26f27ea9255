//! Looking at the ledger of a subscription.

use delivery::ledger::Sum;
use domain::Sequence;
use store::LedgerPart;

use super::Recipient;
use crate::{Action, App, Caller, Error};

/// Which part of the ledger's lists is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LedgerAsked {
    /// The lists begin after this sequence.
    pub after: Sequence,
    /// The list of revisions begins after this one, too.
    pub after_revision: u64,
    /// The most items of each list.
    pub limit: usize,
}

impl LedgerAsked {
    /// The largest limit that is given.
    pub const LIMIT_MAX: usize = 1_000;
}

/// The ledger of a subscription, and what it adds up to.
#[derive(Clone, Debug)]
pub struct Ledger {
    /// What is kept.
    pub kept: store::Ledger,
    /// What that adds up to; `None` until the subscription is first on.
    pub sum: Option<Sum>,
}

impl App {
    /// The ledger of a subscription or webhook as it is written down, also of one that was deleted.
    ///
    /// # Errors
    /// [`Error::Forbidden`]; [`Error::NotFound`] for an id that there never was, or one of another
    /// integration; or what the store says.
    pub async fn ledger_get(
        &self,
        caller: &Caller,
        recipient: &Recipient,
        asked: LedgerAsked,
    ) -> Result<Ledger, Error> {
        caller.authorise(Action::ViewDeliveries, &recipient.resource())?;
        let LedgerAsked { after, after_revision, limit } = asked;
        let part = LedgerPart { after, after_revision, count: limit.min(LedgerAsked::LIMIT_MAX) };
        let kept = self.store.ledger_get(caller.account, recipient.parsed_id()?, part).await;
        let kept = kept.map_err(|error| recipient.missing(error))?;
        if recipient.key() != Some(&kept.integration) {
            return Err(recipient.not_found());
        }
        let sum = Sum::of(&kept).map_err(Error::internal)?;
        Ok(Ledger { kept, sum })
    }
}
