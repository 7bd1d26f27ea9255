//! Checks the ledgers of an account: reads its log once, page by page.

use domain::{AccountId, SubscriptionId};
use store::{Error, Ledger, LedgerReader};

use super::{Check, Report};
use crate::matcher::{PAGE_BYTES, PAGE_ENTRIES};

/// A ledger that was checked.
#[derive(Clone, Debug)]
pub struct Verified {
    /// As it was when the check began.
    pub ledger: Ledger,
    /// What the check came to.
    pub report: Report,
}

/// Checks the ledgers of these subscriptions of one account, in their order.
///
/// Each ledger is read in one snapshot and each page of the log in another, so that a server that
/// works on the same database is not held up. What it adds meanwhile lies behind what is checked.
///
/// # Errors
/// [`Error`] when the database fails.
pub fn verify_account(
    reader: &LedgerReader,
    account: AccountId,
    subscriptions: &[SubscriptionId],
) -> Result<Vec<Verified>, Error> {
    let mut checks = Vec::with_capacity(subscriptions.len());
    for id in subscriptions {
        let (ledger, changed) = reader.ledger(account, *id)?;
        checks.push((Check::new(ledger), changed));
    }
    while let Some(after) = checks.iter().filter_map(|(check, _)| check.wants_after()).min() {
        let page = reader.page(account, after, PAGE_ENTRIES, PAGE_BYTES)?;
        // What comes before the beginning of the log is what retention took.
        checks.iter_mut().for_each(|(check, _)| check.gone(page.beginning.previous()));
        for entry in &page.entries {
            let facts = entry.facts();
            checks.iter_mut().for_each(|(check, _)| check.take(entry.sequence, facts.accesses()));
        }
        if page.entries.is_empty() {
            break;
        }
    }
    let ended = checks.into_iter().map(|(check, changed)| {
        let (ledger, report) = check.end(&changed);
        Verified { ledger, report }
    });
    Ok(ended.collect())
}
