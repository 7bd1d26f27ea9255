//! Adds a subscription's ledger up, and checks it against the log.
//!
//! Every entry is judged first by exactly one revision. One that this revision does not want is
//! filtered at once. One that it wants is unsettled until it is delivered, dead, skipped, or
//! filtered after all; so these must be as many as the log has entries that were wanted. Only
//! what was skipped may never have been judged, and is kept by sequence.

mod check;
#[cfg(test)]
mod tests;
mod verify;

pub use check::{Check, Difference, Report};
use domain::Sequence;
use store::Ledger;
pub use verify::{Verified, verify_account};

use crate::courier::holes_of;

/// What a ledger adds up to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sum {
    /// Up to here every entry has its fate.
    pub position: Sequence,
    /// Up to here every entry was judged or passed over.
    pub frontier: Sequence,
    /// Entries up to the frontier that have no fate yet.
    pub unsettled: u64,
    /// Entries after the position that have theirs.
    pub settled_above: u64,
    /// Entries that the policy does not want, or for which there was nothing to send.
    pub filtered: u64,
    /// Whether the counts of the fates are as many as the entries that have one, and as many as
    /// the skipped ranges and dead letters that are kept.
    pub adds_up: bool,
}

impl Sum {
    /// Adds up; `None` when the subscription was never on. It takes none of the ledger's lists.
    ///
    /// # Errors
    /// When what is unsettled cannot be read, which is a defect.
    pub fn of(ledger: &Ledger) -> Result<Option<Self>, String> {
        let (Some(start), Some(progress)) = (ledger.start, &ledger.progress) else { return Ok(None) };
        let frontier = progress.frontier.unwrap_or(start);
        let holes = holes_of(&progress.detail)?;
        let unsettled: u64 = holes.iter().map(|(first, last)| last - first + 1).sum();
        let position = holes.first().map_or(frontier, |(first, _)| Sequence(*first).previous());
        let counts = progress.counts;
        let others = counts.delivered.checked_add(counts.skipped).and_then(|sum| sum.checked_add(counts.dead));
        let settled = frontier.0.checked_sub(start.0).and_then(|judged| judged.checked_sub(unsettled));
        let filtered = settled.zip(others).and_then(|(settled, others)| settled.checked_sub(others));
        let totals = ledger.totals;
        let is_listed = counts.skipped == totals.skipped + totals.late && counts.dead == totals.dead;
        Ok(Some(Self {
            position,
            frontier,
            unsettled,
            settled_above: frontier.0.saturating_sub(position.0).saturating_sub(unsettled),
            filtered: filtered.unwrap_or(0),
            adds_up: is_listed && filtered.is_some_and(|filtered| filtered >= counts.filtered_after_match),
        }))
    }
}
