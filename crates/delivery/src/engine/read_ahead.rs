//! Reads the log for a subscription that is behind, until it has caught up.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use domain::{Entry, Sequence};

use super::Inner;
use crate::{
    account::{Account, Join},
    lane::{Lane, Mode, Spec},
    matcher::{PAGE_BYTES, PAGE_ENTRIES},
};

/// After a failed read, before the next.
const RETRY_DELAY: Duration = Duration::from_secs(1);

enum Plan {
    /// Unsettled entries whose bytes are not at hand.
    Holes(Vec<Sequence>),
    /// What comes after the frontier.
    Page(Sequence),
    Nothing,
}

impl Inner {
    /// Reads until there is enough to send, or nothing more to read.
    pub(crate) async fn read_ahead(self: &Arc<Self>, lane: &Arc<Lane>) {
        loop {
            let (plan, spec) = self.plan(lane);
            let done = match plan {
                // Who says so has let go of the lane already.
                Plan::Nothing => return,
                Plan::Holes(holes) => self.read_holes(lane, &spec, &holes).await,
                Plan::Page(frontier) => self.read_page(lane, &spec, frontier).await,
            };
            match done {
                Ok(Join::Done) => {
                    // With the log done, it may be the turn of a job.
                    if lane.lock().mode == Mode::Attached {
                        self.pump(lane);
                    }
                    return;
                }
                Ok(Join::Behind | Join::Stale) => self.pump(lane),
                Err(error) => {
                    tracing::error!(
                        error = &error as &dyn std::error::Error,
                        "the log could not be read; it is tried again"
                    );
                    lane.lock().reading = false;
                    self.due.push(self.clock.monotonic() + RETRY_DELAY, lane);
                    return;
                }
            }
        }
    }

    fn plan(&self, lane: &Lane) -> (Plan, Arc<Spec>) {
        let mut state = lane.lock();
        let spec = Arc::clone(&state.spec);
        if !state.listens()
            || self.is_stopping()
            || !state.courier.may_start(self.clock.monotonic())
            || !state.courier.wants_more()
        {
            state.reading = false;
            return (Plan::Nothing, spec);
        }
        let unread = state.courier.unread(PAGE_ENTRIES);
        let plan = if !unread.is_empty() {
            Plan::Holes(unread)
        } else if state.mode == Mode::Reading && state.courier.has_room() {
            Plan::Page(state.courier.frontier())
        } else {
            state.reading = false;
            Plan::Nothing
        };
        (plan, spec)
    }

    async fn read_holes(
        self: &Arc<Self>,
        lane: &Arc<Lane>,
        spec: &Spec,
        holes: &[Sequence],
    ) -> Result<Join, store::Error> {
        let Some(first) = holes.first() else { return Ok(Join::Stale) };
        // One read of neighbours; the holes beyond it come with the next round.
        let run = holes.iter().zip(first.0..).take_while(|(hole, expected)| hole.0 == *expected).count();
        let account = self.account(lane.account).await?;
        let (page, _) = self.page(&account, first.previous(), run).await?;
        lane.read_holes(spec, &holes[..run], &page, self.clock.now());
        self.journal.note_lane(&account, lane, 0);
        Ok(Join::Stale)
    }

    /// Reads one page, or joins the account when there is none.
    async fn read_page(
        self: &Arc<Self>,
        lane: &Arc<Lane>,
        spec: &Spec,
        frontier: Sequence,
    ) -> Result<Join, store::Error> {
        let account = self.account(lane.account).await?;
        let joined = account.join(lane, frontier);
        if joined == Join::Behind {
            let (page, matched) = self.page(&account, frontier, PAGE_ENTRIES).await?;
            lane.read_page(spec, frontier, matched, &page, self.clock.now());
        }
        self.journal.note_lane(&account, lane, 0);
        Ok(joined)
    }

    /// Entries after `after`, in order and at most `count`, none where the log ends; and how far the
    /// account was matched just before they were read. Readers of one account take turns, so that
    /// those who come for the same page find it read. It may take long until a turn comes: who went
    /// no further than the account was at the beginning would never catch up with it.
    async fn page(
        &self,
        account: &Account,
        after: Sequence,
        count: usize,
    ) -> Result<(Vec<Arc<Entry>>, Sequence), store::Error> {
        account.readers.fetch_add(1, Ordering::Relaxed);
        let mut shelf = account.shelf.lock().await;
        let matched = account.lock().matched;
        let mut page = Ok(shelf.page(after, count));
        if page.as_ref().is_ok_and(Vec::is_empty) {
            page = self.store.entry_page(account.id, after, count, PAGE_BYTES).await;
            if let Ok(page) = &page {
                shelf.put(page);
            }
        }
        if account.readers.fetch_sub(1, Ordering::Relaxed) == 1 {
            shelf.let_go();
        }
        Ok((page?, matched))
    }
}
