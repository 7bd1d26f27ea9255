//! Brings each committed entry to the subscriptions whose policies want it, once per entry.

use std::{collections::HashSet, sync::Arc};

use domain::{Access, Entry};
use store::CommittedEntries;

use crate::{
    engine::Inner,
    lane::{Account, Lane, Mode},
};

/// Entries of one page of the log.
pub(crate) const PAGE_ENTRIES: usize = 256;
/// Bytes of one page of the log.
pub(crate) const PAGE_BYTES: usize = 1024 * 1024;

/// Matches what is committed until the engine ends.
pub(crate) async fn run(engine: &Arc<Inner>) {
    loop {
        for news in engine.store.committed().take().await {
            match_news(engine, news).await;
        }
    }
}

/// Matches an account up to the end of the news; what the news lack is read from the log.
pub(crate) async fn match_news(engine: &Arc<Inner>, news: CommittedEntries) {
    let account = match engine.account(news.account).await {
        Ok(account) => account,
        Err(error) => {
            // The account is loaded with the next news; until then nothing of it is delivered.
            tracing::error!(error = &error as &dyn std::error::Error, "an account could not be loaded");
            return;
        }
    };
    loop {
        let matched = {
            let mut state = account.lock();
            if state.matched >= news.last {
                return;
            }
            if state.index.is_empty() {
                state.matched = news.last;
                let has_lanes = !state.lanes.is_empty();
                drop(state);
                if has_lanes {
                    engine.journal.note_account(&account);
                    engine.wake_readers(&account);
                }
                return;
            }
            state.matched
        };
        let at_hand = news.entries.iter().position(|entry| entry.sequence == matched.next());
        let page = match at_hand {
            Some(first) => news.entries[first..].to_vec(),
            None => match engine.store.entry_page(account.id, matched, PAGE_ENTRIES, PAGE_BYTES).await {
                Ok(page) => page,
                Err(error) => {
                    tracing::error!(error = &error as &dyn std::error::Error, "the log could not be read");
                    return;
                }
            },
        };
        if page.is_empty() {
            return;
        }
        match_page(engine, &account, &page);
    }
}

fn match_page(engine: &Arc<Inner>, account: &Arc<Account>, page: &[Arc<Entry>]) {
    // Reading the entries takes most of the time, and needs no lock.
    let accesses: Vec<Vec<Access>> = page.iter().map(|entry| entry.facts().accesses().to_vec()).collect();
    let mut woken: HashSet<_> = HashSet::new();
    let mut wanted = Vec::new();
    {
        let mut state = account.lock();
        for (entry, accesses) in page.iter().zip(&accesses) {
            // A gap after the matched position is what retention took.
            if entry.sequence <= state.matched {
                continue;
            }
            state.index.matches(accesses, &mut wanted);
            for id in wanted.drain(..) {
                let Some(lane) = state.lanes.get(&id).map(Arc::clone) else { continue };
                let mut lane_state = lane.lock();
                if lane_state.mode == Mode::Attached && lane_state.courier.has_room() {
                    lane_state.courier.accept(Arc::clone(entry));
                } else {
                    // It reads on from the log by itself, beginning with this entry.
                    state.detach(&lane, &mut lane_state, Mode::Reading);
                }
                woken.insert(id);
            }
            state.matched = entry.sequence;
        }
    }
    engine.journal.note_account(account);
    let lanes: Vec<Arc<Lane>> = {
        let state = account.lock();
        woken.iter().filter_map(|id| state.lanes.get(id).map(Arc::clone)).collect()
    };
    for lane in lanes {
        // A subscription that has become busy must not count as caught up after a crash.
        engine.journal.note_lane(account, &lane, Vec::new(), 0);
        engine.pump(&lane);
    }
    engine.wake_readers(account);
}
