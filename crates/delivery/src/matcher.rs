//! Brings each committed entry to the subscriptions whose policies want it, once per entry.

use std::{collections::HashMap, sync::Arc, time::Duration};

use domain::{AccountId, Entry, Sequence};
use store::CommittedEntries;

use crate::{account::Account, engine::Inner};

/// Entries of one page of the log, and the most that are matched under one lock.
pub(crate) const PAGE_ENTRIES: usize = 256;
/// Bytes of one page of the log.
pub(crate) const PAGE_BYTES: usize = 1024 * 1024;
/// After a failed read, before the next.
const RETRY_DELAY: Duration = Duration::from_secs(1);

/// Matches what is committed until the engine ends, after `work`: the accounts and ends of
/// logs that were found at the start.
pub(crate) async fn run(engine: &Arc<Inner>, work: Vec<CommittedEntries>) {
    // What could not be read, by account: nothing new may come that would have it read.
    let mut failed: HashMap<AccountId, Sequence> = HashMap::new();
    let mut news = work;
    loop {
        for of_account in news {
            let (account, last) = (of_account.account, of_account.last);
            if let Err(error) = match_news(engine, of_account).await {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "the log could not be matched; it is tried again"
                );
                let known = failed.entry(account).or_default();
                *known = last.max(*known);
            }
        }
        news = tokio::select! {
            news = engine.store.committed().take() => news,
            () = tokio::time::sleep(RETRY_DELAY), if !failed.is_empty() => {
                let again = failed.drain();
                again.map(|(account, last)| CommittedEntries { account, last, entries: Vec::new() }).collect()
            }
        };
    }
}

/// Matches an account up to the end of the news; what the news lack is read from the log.
async fn match_news(engine: &Arc<Inner>, news: CommittedEntries) -> Result<(), store::Error> {
    let account = engine.account(news.account).await?;
    loop {
        let matched = {
            let mut state = account.lock();
            if state.matched >= news.last {
                return Ok(());
            }
            if state.index.is_empty() {
                state.matched = news.last;
                let has_lanes = !state.lanes.is_empty();
                drop(state);
                if has_lanes {
                    engine.journal.note_account(&account);
                    engine.wake_ahead(&account);
                }
                return Ok(());
            }
            state.matched
        };
        let page = match at_hand(&news.entries, matched) {
            Some(entries) => match_page(engine, &account, entries),
            None => {
                let page = engine.store.entry_page(account.id, matched, PAGE_ENTRIES, PAGE_BYTES).await?;
                match_page(engine, &account, &page);
                page.len()
            }
        };
        if page == 0 {
            // The log has none of them any more.
            account.lock().matched = news.last;
            engine.journal.note_account(&account);
            engine.wake_ahead(&account);
        }
    }
}

/// The entries that follow `matched` without a gap, if they came with the news.
fn at_hand(entries: &[Arc<Entry>], matched: Sequence) -> Option<&[Arc<Entry>]> {
    let first = entries.first()?.sequence;
    let skip = usize::try_from(matched.next().0.checked_sub(first.0)?).ok()?;
    let rest = entries.get(skip..).filter(|rest| !rest.is_empty())?;
    Some(&rest[..rest.len().min(PAGE_ENTRIES)])
}

/// Matches the entries of one page; says how many they were.
fn match_page(engine: &Arc<Inner>, account: &Arc<Account>, page: &[Arc<Entry>]) -> usize {
    let lanes = account.give(page);
    engine.journal.note_account(account);
    lanes.iter().for_each(|lane| engine.pump(lane));
    engine.wake_ahead(account);
    page.len()
}
