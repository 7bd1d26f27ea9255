//! What wakes the index, and the thread that builds it.

use std::{
    collections::HashSet,
    sync::{Arc, Weak},
    thread,
    time::Duration,
};

use domain::{AccountId, Entry};
use parking_lot::{Condvar, Mutex};

use super::builder::Builder;

/// Entries from which they are indexed at once.
const COMPANY: usize = 1_000;
/// How long fewer entries wait for company, since each commit writes some pages. Searches find
/// them in the log meanwhile.
const COMPANY_WAIT: Duration = Duration::from_millis(250);
/// How long after a failure it is tried again.
const FAILED_WAIT: Duration = Duration::from_secs(5);
/// Entries after which the builder is let go, for whoever waits for it.
const TURN_ENTRIES: usize = 4_000;
/// As with deliveries: where cores are scarce, producers come first.
const NICENESS: i32 = 10;

/// What happened to the log and is not in the index.
#[derive(Default)]
pub(crate) struct News {
    state: Mutex<State>,
    came: Condvar,
}

#[derive(Default)]
struct State {
    appended: HashSet<AccountId>,
    dropped: HashSet<AccountId>,
    entries: usize,
    closed: bool,
}

impl News {
    /// These entries were committed.
    pub(crate) fn note(&self, appended: &[Arc<Entry>]) {
        if appended.is_empty() {
            return;
        }
        let mut state = self.state.lock();
        let mut known = None;
        for entry in appended.iter().filter(|entry| known.replace(entry.account) != Some(entry.account)) {
            state.appended.insert(entry.account);
        }
        let before = state.entries;
        state.entries += appended.len();
        // Whoever waits for company hears of the first one and of enough.
        if before == 0 || (before < COMPANY && state.entries >= COMPANY) {
            self.came.notify_all();
        }
    }

    pub(super) fn note_dropped(&self, account: AccountId) {
        self.state.lock().dropped.insert(account);
        self.came.notify_all();
    }

    /// This account may have something that is not in the index.
    pub(super) fn note_account(&self, account: AccountId) {
        let mut state = self.state.lock();
        state.appended.insert(account);
        state.dropped.insert(account);
        state.entries += 1;
    }

    /// An account with something to take in, if there is one, and whether entries may have left it.
    pub(super) fn take(&self) -> Option<(AccountId, bool)> {
        let mut state = self.state.lock();
        let account = *state.appended.iter().chain(&state.dropped).next()?;
        state.appended.remove(&account);
        let dropped = state.dropped.remove(&account);
        if state.appended.is_empty() {
            state.entries = 0;
        }
        Some((account, dropped))
    }

    pub(super) fn close(&self) {
        self.state.lock().closed = true;
        self.came.notify_all();
    }

    fn is_closed(&self) -> bool {
        self.state.lock().closed
    }

    /// Waits for something to do; `false` when there will be nothing any more.
    fn wait(&self) -> bool {
        let mut state = self.state.lock();
        while !state.closed && state.appended.is_empty() && state.dropped.is_empty() {
            self.came.wait(&mut state);
        }
        if !state.closed && state.entries < COMPANY {
            self.came.wait_while_for(&mut state, |state| !state.closed && state.entries < COMPANY, COMPANY_WAIT);
        }
        !state.closed
    }

    fn pause(&self) {
        let mut state = self.state.lock();
        self.came.wait_while_for(&mut state, |state| !state.closed, FAILED_WAIT);
    }
}

/// Builds until the news are closed or the store is gone.
pub(super) fn start(builder: &Arc<Mutex<Builder>>, news: Arc<News>) -> std::io::Result<()> {
    // It ends with the store, also with one that was not closed.
    let builder = Arc::downgrade(builder);
    thread::Builder::new().name("store-index".to_owned()).spawn(move || run(&builder, &news))?;
    Ok(())
}

fn run(builder: &Weak<Mutex<Builder>>, news: &News) {
    if let Err(error) = rustix::process::nice(NICENESS) {
        tracing::debug!(%error, "the index is built with the priority of all the rest");
    }
    while news.wait() {
        let Some(builder) = builder.upgrade() else { return };
        loop {
            // Taken anew for each turn, so that others who build get theirs.
            let mut turn = builder.lock();
            if news.is_closed() {
                return;
            }
            match turn.build(news, TURN_ENTRIES) {
                Ok(entries) if entries < TURN_ENTRIES => break,
                Ok(_) => {}
                Err(error) => {
                    drop(turn);
                    let error = &error as &dyn std::error::Error;
                    tracing::error!(error, "the index for searches cannot be built on; it is tried again");
                    news.pause();
                    break;
                }
            }
        }
    }
}
