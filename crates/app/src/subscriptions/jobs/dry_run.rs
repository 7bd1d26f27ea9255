//! What a replay would do, without doing it.

use domain::Sequence;
use integrations::{Integration, OnLate};
use policy::Policy;

use crate::{App, Error};

/// Entries that one dry run looks at.
pub(super) const COUNTED_MAX: u64 = 1_000_000;
const PAGE_ENTRIES: usize = 256;
const PAGE_BYTES: usize = 1024 * 1024;

/// What a replay would do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DryRun {
    /// The first sequence of the range.
    pub first: Sequence,
    /// The last one.
    pub last: Sequence,
    /// Entries in it that are kept.
    pub entries: u64,
    /// Those of them that the present policy wants.
    pub matching: u64,
    /// Those of these that are too old, or too far in the future, for the destination, and what
    /// happens to them; `None` where age does not matter.
    pub too_old: Option<(u64, OnLate)>,
    /// Whether requests name their entries, so that the destination can drop what it has already.
    pub drops_known: bool,
    /// Whether there are more entries than were looked at, so that there may be more of each.
    pub is_lower_bound: bool,
}

impl App {
    /// Looks through the range; one at a time on the whole server.
    pub(super) async fn dry_run(
        &self,
        stored: &store::Subscription,
        integration: &Integration,
        first: Sequence,
        last: Sequence,
    ) -> Result<DryRun, Error> {
        let statements = serde_json::from_str(&stored.edit.statements).map_err(Error::internal)?;
        let policy = Policy::parse(&statements).map_err(|_| Error::internal("a stored policy does not parse"))?;
        let _turn = self.dry_run.lock().await;
        let now = self.clock.now();
        let window = integration.age_window();
        let mut dry_run = DryRun {
            first,
            last,
            entries: 0,
            matching: 0,
            too_old: window.map(|window| (0, window.on_late())),
            drops_known: integration.names_entries(),
            is_lower_bound: false,
        };
        let mut after = first.previous();
        while after < last {
            let page = self.store.entry_page(stored.account, after, PAGE_ENTRIES, PAGE_BYTES).await?;
            let Some(end) = page.last().map(|entry| entry.sequence) else { break };
            for entry in page.iter().take_while(|entry| entry.sequence <= last) {
                if dry_run.entries == COUNTED_MAX {
                    dry_run.is_lower_bound = true;
                    return Ok(dry_run);
                }
                dry_run.entries += 1;
                let facts = entry.facts();
                if policy.allows(facts.accesses()) {
                    dry_run.matching += 1;
                    if let (Some((count, _)), Some(window)) = (&mut dry_run.too_old, window) {
                        *count += u64::from(!window.holds(facts.date(), now));
                    }
                }
            }
            after = end;
        }
        Ok(dry_run)
    }
}
