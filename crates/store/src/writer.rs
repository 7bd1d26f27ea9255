//! The one writer: commits what has come in groups, syncs, then answers.
//!
//! Nothing waits for company: a group is what came while the previous one was committed.
//! A request of a group that is refused is refused alone: it runs in a savepoint, or is checked as
//! a whole before any of it is written.

mod checkpoint;
mod committed;
mod group;
#[cfg(test)]
mod tests;

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use domain::{AccountId, Clock, Entry};
use parking_lot::Mutex;
use rusqlite::Connection;
use tokio::sync::oneshot;

pub use committed::{Committed, CommittedEntries};
pub(crate) use group::Group;

#[cfg(test)]
pub(crate) use committed::COMMITTED_BYTES_MAX;

use crate::{
    Error, OpenError, StoreOptions, connection,
    error::{Failed, Failure},
    search::News,
};
use checkpoint::Checkpoints;
use group::Tail;

/// Most entries of one group: bounds how long the first of them waits for the last.
const GROUP_ENTRIES_MAX: usize = 2_000;
/// Most requests of one group.
const GROUP_REQUESTS_MAX: usize = 4_000;
/// Most bytes of entries of one group.
const GROUP_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Whether the writer takes entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyncState {
    /// It does.
    Writable,
    /// The last commit failed for want of space.
    Full,
    /// A commit could not be synced, or the writer has ended.
    Failed,
}

/// What the writer did since the database was opened, and what waits for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoreFigures {
    /// Groups that were committed and synced.
    pub commits: u64,
    /// Entries that were committed, with those of the server itself.
    pub entries: u64,
    /// Bytes of entries that wait to be committed.
    pub queued_bytes: usize,
    /// Length of the file of the write-ahead log; 0 when it cannot be told.
    pub wal_bytes: u64,
}

#[derive(Default)]
struct Done {
    commits: AtomicU64,
    entries: AtomicU64,
}

/// One request, run inside the group's transaction, or without one when none could be begun.
/// It gives back what to do once the commit's fate is known.
type Work = Box<dyn FnOnce(Option<&mut Group<'_>>) -> Answer + Send>;
type Answer = Box<dyn FnOnce(Result<(), Failure>) + Send>;

enum Message {
    Work(Work),
    Close(oneshot::Sender<()>),
}

pub(crate) struct Writer {
    queue: mpsc::Sender<Message>,
    wal: PathBuf,
    committed: Arc<Committed>,
    state: Arc<AtomicU8>,
    queued_bytes: Arc<AtomicUsize>,
    account_bytes: Arc<Mutex<HashMap<AccountId, usize>>>,
    done: Arc<Done>,
}

impl Writer {
    pub(crate) fn start(
        connection: Connection,
        path: &Path,
        options: &StoreOptions,
        clock: Arc<dyn Clock>,
        news: Arc<News>,
    ) -> Result<Self, OpenError> {
        let (queue, requests) = mpsc::channel();
        let committed = Arc::new(Committed::default());
        let state = Arc::new(AtomicU8::new(SyncState::Writable as u8));
        Checkpoints::prepare(&connection, options)?;
        let checkpoints = Checkpoints::start(connection::open_checkpointer(path)?, options)?;
        let done = Arc::new(Done::default());
        let mut thread = WriterThread {
            done: Arc::clone(&done),
            connection,
            tails: HashMap::new(),
            committed: Arc::clone(&committed),
            news,
            state: Arc::clone(&state),
            clock,
            directory: path.parent().unwrap_or(Path::new(".")).to_owned(),
            disk_free_min_bytes: options.disk_free_min_bytes,
            disk_looked_at: None,
            disk_is_full: false,
            checkpoints,
        };
        thread::Builder::new().name("store-writer".to_owned()).spawn(move || thread.run(&requests))?;
        let queued_bytes = Arc::default();
        let wal = connection::wal_of(path);
        Ok(Self { queue, wal, committed, state, queued_bytes, account_bytes: Arc::default(), done })
    }

    pub(crate) fn committed(&self) -> &Committed {
        &self.committed
    }

    pub(crate) fn figures(&self) -> StoreFigures {
        StoreFigures {
            commits: self.done.commits.load(Ordering::Relaxed),
            entries: self.done.entries.load(Ordering::Relaxed),
            queued_bytes: self.queued_bytes.load(Ordering::Relaxed),
            wal_bytes: std::fs::metadata(&self.wal).map_or(0, |file| file.len()),
        }
    }

    pub(crate) fn state(&self) -> SyncState {
        match self.state.load(Ordering::Acquire) {
            0 => SyncState::Writable,
            1 => SyncState::Full,
            _ => SyncState::Failed,
        }
    }

    /// Runs `work` in the next group and answers once that is synced.
    pub(crate) async fn run<T, E>(
        &self,
        work: impl FnOnce(&mut Group<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: Failed + From<Error> + Send + 'static,
    {
        self.submit(|group| group.in_savepoint(work)).await
    }

    /// The same for what asks all that can refuse it in `check`, which only reads, before it writes.
    pub(crate) async fn run_checked<P, T, E>(
        &self,
        check: impl FnOnce(&Group<'_>) -> Result<P, E> + Send + 'static,
        write: impl FnOnce(&mut Group<'_>, P) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: Failed + From<Error> + Send + 'static,
    {
        self.submit(|group| group.checked(check, write)).await
    }

    async fn submit<T, E>(&self, request: impl FnOnce(&mut Group<'_>) -> Result<T, E> + Send + 'static) -> Result<T, E>
    where
        T: Send + 'static,
        E: Failed + From<Error> + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let work: Work = Box::new(move |group| {
            let result = group.map(request);
            Box::new(move |commit: Result<(), Failure>| {
                // When the commit failed, a refusal is void too: it may rest on what another
                // request of the group had written.
                let failed = commit.err().unwrap_or(Failure::Other);
                let answered = result.filter(|_| commit.is_ok()).unwrap_or_else(|| Err(Error::from(failed).into()));
                // The caller may have gone; what it asked for is done all the same.
                let _ = answer.send(answered);
            })
        });
        self.queue.send(Message::Work(work)).map_err(|_| Error::Closed)?;
        answered.await.map_err(|_| Error::Closed)?
    }

    /// Takes a place of `bytes` in the queue, or says whether the account alone is over its share.
    pub(crate) fn reserve(&self, account: AccountId, bytes: usize, most: usize) -> Result<QueuePlace, bool> {
        let mut accounts = self.account_bytes.lock();
        let held = accounts.get(&account).copied().unwrap_or(0);
        let queued = self.queued_bytes.load(Ordering::Relaxed);
        // One that comes to an empty queue always fits, however large its request.
        if held > 0 && held + bytes > most / 2 {
            return Err(true);
        }
        if queued > 0 && queued + bytes > most {
            return Err(false);
        }
        accounts.insert(account, held + bytes);
        self.queued_bytes.store(queued + bytes, Ordering::Relaxed);
        Ok(QueuePlace {
            account,
            bytes,
            queued: Arc::clone(&self.queued_bytes),
            accounts: Arc::clone(&self.account_bytes),
        })
    }

    pub(crate) async fn close(&self) {
        let (done, ended) = oneshot::channel();
        if self.queue.send(Message::Close(done)).is_ok() {
            let _ = ended.await;
        }
    }
}

/// Bytes held in the queue until dropped.
pub(crate) struct QueuePlace {
    account: AccountId,
    bytes: usize,
    queued: Arc<AtomicUsize>,
    accounts: Arc<Mutex<HashMap<AccountId, usize>>>,
}

impl Drop for QueuePlace {
    fn drop(&mut self) {
        let mut accounts = self.accounts.lock();
        self.queued.fetch_sub(self.bytes, Ordering::Relaxed);
        if let Some(held) = accounts.get_mut(&self.account) {
            *held -= self.bytes;
            if *held == 0 {
                accounts.remove(&self.account);
            }
        }
    }
}

struct WriterThread {
    connection: Connection,
    tails: HashMap<AccountId, Tail>,
    committed: Arc<Committed>,
    news: Arc<News>,
    state: Arc<AtomicU8>,
    clock: Arc<dyn Clock>,
    directory: PathBuf,
    disk_free_min_bytes: u64,
    disk_looked_at: Option<Duration>,
    disk_is_full: bool,
    checkpoints: Checkpoints,
    done: Arc<Done>,
}

impl WriterThread {
    fn run(&mut self, requests: &mpsc::Receiver<Message>) {
        let mut closing = None;
        while closing.is_none() {
            match requests.recv() {
                Ok(Message::Work(work)) => closing = self.commit_group(work, requests),
                Ok(Message::Close(done)) => closing = Some(done),
                Err(_) => break,
            }
            self.checkpoints.after_commit(&self.connection);
        }
        self.state.store(SyncState::Failed as u8, Ordering::Release);
        self.checkpoints.end(&self.connection);
        if let Some(done) = closing {
            let _ = done.send(());
        }
    }

    /// Commits the first request and all that have come; gives back who asked to close.
    fn commit_group(&mut self, first: Work, requests: &mpsc::Receiver<Message>) -> Option<oneshot::Sender<()>> {
        self.look_at_disk();
        if let Err(error) = self.connection.execute_batch("BEGIN IMMEDIATE") {
            self.settle(Err(error.into()), vec![first(None)]);
            return None;
        }
        let mut group = Group::new(&self.connection, &mut self.tails, self.clock.now(), self.disk_is_full);
        let mut answers = vec![first(Some(&mut group))];
        let mut closing = None;
        while closing.is_none() && has_room(&group, answers.len()) {
            match requests.try_recv() {
                Ok(Message::Work(work)) => answers.push(work(Some(&mut group))),
                Ok(Message::Close(done)) => closing = Some(done),
                Err(_) => break,
            }
        }
        let outcome = match group.broken() {
            Some(failure) => Err(failure.into()),
            None => group.commit(),
        };
        self.settle(outcome, answers);
        closing
    }

    fn settle(&mut self, outcome: Result<Vec<Arc<Entry>>, Error>, answers: Vec<Answer>) {
        let commit = match outcome {
            Ok(appended) => {
                self.state.store(SyncState::Writable as u8, Ordering::Release);
                self.done.commits.fetch_add(1, Ordering::Relaxed);
                self.done.entries.fetch_add(appended.len() as u64, Ordering::Relaxed);
                self.news.note(&appended);
                self.committed.publish(appended);
                Ok(())
            }
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "a group of writes failed");
                let failure = error.failure();
                let state = if failure == Failure::Full { SyncState::Full } else { SyncState::Failed };
                self.state.store(state as u8, Ordering::Release);
                if !self.connection.is_autocommit() {
                    // A rollback that fails leaves the transaction open, and the next begin says so.
                    let _ = self.connection.execute_batch("ROLLBACK");
                }
                // What the group had in memory is not in the database.
                self.tails.clear();
                Err(failure)
            }
        };
        for answer in answers {
            answer(commit);
        }
        if commit == Err(Failure::Sync) {
            end_process();
        }
    }

    fn look_at_disk(&mut self) {
        const EVERY: Duration = Duration::from_millis(200);
        let now = self.clock.monotonic();
        if self.disk_looked_at.is_none_or(|at| now.saturating_sub(at) >= EVERY) {
            self.disk_looked_at = Some(now);
            self.disk_is_full = connection::free_bytes(&self.directory) < self.disk_free_min_bytes;
        }
    }
}

impl Drop for WriterThread {
    fn drop(&mut self) {
        // Also when the thread ends by a panic, nobody may take the writer for alive.
        self.state.store(SyncState::Failed as u8, Ordering::Release);
    }
}

fn has_room(group: &Group<'_>, requests: usize) -> bool {
    let (entries, bytes) = group.size();
    let is_small = entries < GROUP_ENTRIES_MAX && bytes < GROUP_BYTES_MAX && requests < GROUP_REQUESTS_MAX;
    is_small && group.broken().is_none()
}

/// Ends the process after a failed sync: what the kernel holds of the file is unknown then,
/// and only a new start reads it anew.
fn end_process() -> ! {
    tracing::error!("a sync failed: the process ends");
    std::process::abort();
}
