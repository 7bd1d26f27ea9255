//! Reads the log for a subscription that is behind, until it has caught up.

use std::{sync::Arc, time::Duration};

use domain::{Entry, Sequence};

use super::Inner;
use crate::{
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
                Plan::Nothing => return,
                Plan::Holes(holes) => self.read_holes(lane, &spec, &holes).await,
                Plan::Page(frontier) => self.read_page(lane, &spec, frontier).await,
            };
            let go_on = match done {
                Ok(go_on) => go_on,
                Err(error) => {
                    tracing::error!(
                        error = &error as &dyn std::error::Error,
                        "the log could not be read; it is tried again"
                    );
                    self.due.push(self.clock.monotonic() + RETRY_DELAY, lane);
                    false
                }
            };
            if !go_on {
                lane.lock().reading = false;
                return;
            }
            self.pump(lane);
        }
    }

    fn plan(&self, lane: &Lane) -> (Plan, Arc<Spec>) {
        let mut state = lane.lock();
        let spec = Arc::clone(&state.spec);
        let listens = matches!(state.mode, Mode::Attached | Mode::Reading) && !self.is_stopping();
        if !listens || !state.courier.may_start(self.clock.monotonic()) || !state.courier.wants_more() {
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
    ) -> Result<bool, store::Error> {
        let Some(first) = holes.first() else { return Ok(false) };
        // One read of neighbours; the holes beyond it come with the next round.
        let run = holes.iter().zip(first.0..).take_while(|(hole, expected)| hole.0 == *expected).count();
        let page = self.store.entry_page(lane.account, first.previous(), run, PAGE_BYTES).await?;
        let judged = judge(&page, spec);
        let account = self.account(lane.account).await?;
        let mut state = lane.lock();
        if state.spec.revision != spec.revision {
            return Ok(true);
        }
        for (entry, matches) in &judged {
            state.courier.read(entry, *matches);
        }
        // What the page should have and has not is no longer in the log. A page can end early.
        let end = page.last().map_or(*first, |entry| entry.sequence);
        for gone in holes[..run].iter().filter(|hole| **hole <= end) {
            state.courier.expire(*gone);
        }
        drop(state);
        self.journal.note_lane(&account, lane, 0);
        Ok(true)
    }

    /// Reads one page, or joins the account when there is none; `false` ends the reader.
    async fn read_page(
        self: &Arc<Self>,
        lane: &Arc<Lane>,
        spec: &Spec,
        frontier: Sequence,
    ) -> Result<bool, store::Error> {
        let account = self.account(lane.account).await?;
        let matched = {
            let mut state = account.lock();
            let mut lane_state = lane.lock();
            if lane_state.mode != Mode::Reading || lane_state.courier.frontier() != frontier {
                return Ok(true);
            }
            if frontier > state.matched && !state.index.is_empty() {
                // It is newer than what the others were matched to; they must not miss what
                // lies between.
                lane_state.reading = false;
                state.ahead.push(Arc::clone(lane));
                return Ok(false);
            }
            if frontier >= state.matched {
                state.matched = frontier;
                state.attach(lane, &mut lane_state);
                lane_state.reading = false;
                drop(lane_state);
                drop(state);
                self.journal.note_account(&account);
                return Ok(false);
            }
            state.matched
        };
        let mut page = self.store.entry_page(lane.account, frontier, PAGE_ENTRIES, PAGE_BYTES).await?;
        page.retain(|entry| entry.sequence <= matched);
        let judged = judge(&page, spec);
        let mut state = lane.lock();
        let is_stale =
            state.spec.revision != spec.revision || state.mode != Mode::Reading || state.courier.frontier() != frontier;
        if is_stale {
            return Ok(true);
        }
        if judged.is_empty() {
            // The log has none up to where the others stand: retention took them.
            state.courier.pass_to(matched);
        }
        for (entry, matches) in judged {
            if !matches {
                state.courier.pass_to(entry.sequence);
            } else if state.courier.has_room() {
                state.courier.accept(entry);
            } else {
                break;
            }
        }
        drop(state);
        self.journal.note_lane(&account, lane, 0);
        Ok(true)
    }
}

fn judge(page: &[Arc<Entry>], spec: &Spec) -> Vec<(Arc<Entry>, bool)> {
    page.iter().map(|entry| (Arc::clone(entry), spec.policy.allows(entry.facts().accesses()))).collect()
}
