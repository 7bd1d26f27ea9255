//! What wakes the index, and the thread that builds it.

use std::{
    collections::{HashMap, VecDeque, hash_map::Entry},
    sync::{Arc, Weak},
    thread,
    time::Duration,
};

use domain::AccountId;
use parking_lot::{Condvar, Mutex};

use super::Inner;

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
    /// Accounts, the one that waits longest first.
    queue: VecDeque<AccountId>,
    /// The same, and whether entries may have left their log.
    waiting: HashMap<AccountId, bool>,
    entries: usize,
    is_damaged: bool,
    is_closed: bool,
}

impl State {
    fn put(&mut self, account: AccountId, dropped: bool) {
        match self.waiting.entry(account) {
            Entry::Occupied(mut waiting) => *waiting.get_mut() |= dropped,
            Entry::Vacant(vacant) => {
                vacant.insert(dropped);
                self.queue.push_back(account);
            }
        }
    }

    fn has_work(&self) -> bool {
        self.is_damaged || !self.queue.is_empty()
    }
}

impl News {
    /// These entries were committed.
    pub(crate) fn note(&self, appended: &[Arc<domain::Entry>]) {
        if appended.is_empty() {
            return;
        }
        let mut state = self.state.lock();
        let mut known = None;
        for entry in appended.iter().filter(|entry| known.replace(entry.account) != Some(entry.account)) {
            state.put(entry.account, false);
        }
        let before = state.entries;
        state.entries += appended.len();
        // Whoever waits for company hears of the first one and of enough.
        if before == 0 || (before < COMPANY && state.entries >= COMPANY) {
            self.came.notify_all();
        }
    }

    pub(super) fn note_dropped(&self, account: AccountId) {
        self.state.lock().put(account, true);
        self.came.notify_all();
    }

    /// This account may have something that is not in the index.
    pub(super) fn note_account(&self, account: AccountId, dropped: bool) {
        let mut state = self.state.lock();
        state.put(account, dropped);
        state.entries += COMPANY;
    }

    /// The index was found to be damaged.
    pub(super) fn note_damage(&self) {
        self.state.lock().is_damaged = true;
        self.came.notify_all();
    }

    pub(super) fn take_damage(&self) -> bool {
        std::mem::take(&mut self.state.lock().is_damaged)
    }

    /// The account that waits longest, if there is one, and whether entries may have left it.
    pub(super) fn take(&self) -> Option<(AccountId, bool)> {
        let mut state = self.state.lock();
        let account = state.queue.pop_front()?;
        let dropped = state.waiting.remove(&account).unwrap_or_default();
        if state.queue.is_empty() {
            state.entries = 0;
        }
        Some((account, dropped))
    }

    pub(super) fn close(&self) {
        self.state.lock().is_closed = true;
        self.came.notify_all();
    }

    pub(super) fn is_closed(&self) -> bool {
        self.state.lock().is_closed
    }

    /// Waits for something to do; `false` when there will be nothing any more.
    fn wait(&self) -> bool {
        let mut state = self.state.lock();
        while !state.is_closed && !state.has_work() {
            self.came.wait(&mut state);
        }
        let lacks_company = |state: &mut State| !state.is_closed && !state.is_damaged && state.entries < COMPANY;
        if lacks_company(&mut state) {
            self.came.wait_while_for(&mut state, lacks_company, COMPANY_WAIT);
        }
        !state.is_closed
    }

    fn pause(&self) {
        let mut state = self.state.lock();
        self.came.wait_while_for(&mut state, |state| !state.is_closed, FAILED_WAIT);
    }
}

/// Builds until the news are closed or the index is gone.
pub(super) fn start(index: &Arc<Inner>, news: Arc<News>) -> std::io::Result<()> {
    // It ends with the store, also with one that was not closed.
    let index = Arc::downgrade(index);
    thread::Builder::new().name("store-index".to_owned()).spawn(move || run(&index, &news))?;
    Ok(())
}

fn run(index: &Weak<Inner>, news: &News) {
    if let Err(error) = rustix::process::nice(NICENESS) {
        tracing::debug!(%error, "the index is built with the priority of all the rest");
    }
    while news.wait() {
        let Some(index) = index.upgrade() else { return };
        loop {
            match index.build(TURN_ENTRIES) {
                Ok(built) if built.has_more => {}
                Ok(_) => break,
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::error!(error, "the index for searches cannot be built on; it is tried again");
                    news.pause();
                    break;
                }
            }
        }
    }
}
